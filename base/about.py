# SPDX-License-Identifier: GPL-3.0-or-later
"""The plugin's names and version, as users, Calibre and servers see them."""

from __future__ import annotations

from .. import BackSyncPlugin

PLUGIN_NAME = BackSyncPlugin.name
VERSION = '.'.join(str(part) for part in BackSyncPlugin.version)
USER_AGENT = f'BookFusionBackSync/{VERSION} (Calibre plugin)'
IMPORT_NAME = 'bookfusionbacksync'
