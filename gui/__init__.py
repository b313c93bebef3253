"""All Qt code except the top-level modules that Calibre loads.

May import gui, jobs, library, rules and base, and the top-level modules sync_worker and hardcover.
"""
