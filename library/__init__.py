"""Access to Calibre's library, and what the plugin remembers of it.

The only package that opens a database. May import rules and base.
"""
