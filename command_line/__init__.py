"""The command line: parses arguments, runs the same jobs as the windows, prints their reports.

May import jobs, library, rules and base, and of the modules at the top hardcover.
"""
