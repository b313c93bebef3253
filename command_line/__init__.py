"""The plugin without a window: reads the command line, runs the same jobs, prints what they report.

May import jobs, library, rules and base, and of the modules at the top hardcover.
"""
