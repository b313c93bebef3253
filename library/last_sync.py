# SPDX-License-Identifier: GPL-3.0-or-later
"""What is remembered of the last sync of each library: when it was, what it did, and how often it failed since.

A small file of its own; one that cannot be read or written is no reason not to sync. Knows neither Qt nor Calibre.
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
# Of the libraries that were not synced for longest, the record is forgotten.
LIBRARIES_KEPT = 50


@dataclass(frozen=True)
class LastSync:
    """`when` is aware, None before the first sync; `failures` counts the automatic syncs that have failed since."""

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
    """The last sync of this library; an empty LastSync where there was none or nobody knows."""
    try:
        stored = mapping(_file().read_or_set_aside().get(library_id))
    except OSError:
        # Asked again and again; the next one that is remembered says what is wrong.
        return LastSync()
    return LastSync(
        _moment(stored.get('when')),
        parse_count(stored.get('updated')),
        parse_count(stored.get('skipped')),
        parse_count(stored.get('failures')),
    )


def remember(library_id: str, updated: int, skipped: int) -> LastSync:
    """A sync that ended well just now."""
    return _keep(library_id, LastSync(datetime.now(timezone.utc).replace(microsecond=0), updated, skipped))


def remember_failure(library_id: str) -> LastSync:
    """One more automatic sync that failed."""
    before = recall(library_id)
    return _keep(library_id, replace(before, failures=before.failures + 1))


def _keep(library_id: str, last: LastSync) -> LastSync:
    try:
        stored = _file().read_or_set_aside()
        # The newest stand last.
        stored.pop(library_id, None)
        stored[library_id] = {**asdict(last), 'when': last.when.isoformat() if last.when else None}
        _file().write(dict(list(stored.items())[-LIBRARIES_KEPT:]))
    except OSError as error:
        logger.warning('%s could not be written: %s', FILE_NAME, error.strerror)
    return last
