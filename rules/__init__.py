"""Every decision of the plugin, as pure functions: data in, data out. No Qt, no Calibre, no network, no clock.

May import rules, and of base only text, errors, cancel and columns_table.
"""
