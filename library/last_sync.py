# SPDX-License-Identifier: GPL-3.0-or-later
"""The last sync of every library: its time, its counts, and the failures since. Kept in one JSON file.

A file that cannot be read or written does not stop a sync.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone

from ..base.json_file import JsonFile
from ..base.parsers import mapping, parse_count
from ..base.settings import plugin_folder

logger = logging.getLogger(__name__)

FILE_NAME = 'last_sync.json'
# With more libraries than this, the one that was synced longest ago is forgotten.
LIBRARIES_KEPT = 50


@dataclass(frozen=True)
class LastSync:
    """The last sync of a library that succeeded.

    `when` is aware, None before the first sync. `updated` and `skipped` are numbers of books. `failures` counts the
    automatic syncs that have failed since.
    """

    when: datetime | None = None
    updated: int = 0
    skipped: int = 0
    failures: int = 0


def _file() -> JsonFile:
    return JsonFile(plugin_folder() / FILE_NAME)


def _moment(value: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return when if when is not None and when.tzinfo is not None else None


def recall(library_id: str) -> LastSync:
    """The last sync of this library; an empty LastSync if there was none or the file cannot be read."""
    try:
        stored = mapping(_file().read_or_set_aside().get(library_id))
    except OSError:
        # Not logged: this is called often. The next `remember` logs the reason.
        return LastSync()
    return LastSync(
        _moment(stored.get('when')),
        parse_count(stored.get('updated')),
        parse_count(stored.get('skipped')),
        parse_count(stored.get('failures')),
    )


def remember(library_id: str, updated: int, skipped: int) -> LastSync:
    """Store a sync that has just succeeded, and return it. An error of writing is logged."""
    return _keep(library_id, LastSync(datetime.now(timezone.utc).replace(microsecond=0), updated, skipped))


def remember_failure(library_id: str) -> LastSync:
    """Count one more failed automatic sync, and return the new state. An error of writing is logged."""
    before = recall(library_id)
    return _keep(library_id, replace(before, failures=before.failures + 1))


def _keep(library_id: str, last: LastSync) -> LastSync:
    try:
        stored = _file().read_or_set_aside()
        # Removed first, so that the newest entry is the last one.
        stored.pop(library_id, None)
        stored[library_id] = {**asdict(last), 'when': last.when.isoformat() if last.when else None}
        _file().write(dict(list(stored.items())[-LIBRARIES_KEPT:]))
    except OSError as error:
        logger.warning('%s could not be written: %s', FILE_NAME, error.strerror)
    return last
