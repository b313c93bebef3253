"""Everything that is Qt, but for the modules at the top that Calibre knows.

May import jobs, library, rules and base, and of the modules at the top sync_worker and hardcover.
"""
