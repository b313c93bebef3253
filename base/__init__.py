"""The base of every other package: user texts, errors, settings, secrets, the log file, small files.

May import only itself (`about` also the metadata in the plugin's `__init__`). No Qt.
"""
