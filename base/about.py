# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plugin is called, for people, for Calibre and for the servers that it talks to."""

from __future__ import annotations

from .. import BackSyncPlugin

PLUGIN_NAME = BackSyncPlugin.name
VERSION = '.'.join(str(part) for part in BackSyncPlugin.version)
USER_AGENT = f'BookFusionBackSync/{VERSION} (Calibre plugin)'
IMPORT_NAME = 'bookfusionbacksync'
