"""What everything else stands on: sentences, errors, settings, secrets, the log, small files.

May import nothing of the plugin but itself (`about` also the names in the plugin's `__init__`). Knows no Qt.
"""
