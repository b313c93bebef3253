# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Hardcover jobs remember of a library: books not to ask about again, identifiers written here, pushes.

One small file a library in the plugin's own folder. Knows neither Hardcover nor Calibre's database.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..base import errors
from ..base.errors import LibraryTrouble
from ..base.json_file import JsonFile
from ..rules.hardcover_records import Action, RatingChange
from ..rules.records import CalibreBook

logger = logging.getLogger(__name__)

FORMAT = 1
PUSHES_KEPT = 10
# Why a book is left alone: the user skipped it or undid its match, or a search found nothing.
SKIPPED, UNLINKED, NOT_FOUND = 'skipped', 'unlinked', 'not found'
_one_change_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Push:
    """One push that can be undone: when, by which account, and the changes with the old ratings."""

    when: datetime
    user_id: int
    changes: tuple[RatingChange, ...]


def fingerprint(book: CalibreBook) -> str:
    """Changes when a search for the book would look for something else."""
    return hashlib.sha256(json.dumps([book.title, *book.authors]).encode()).hexdigest()[:16]


class Memory:
    """The memory of one library, read at once, and read anew and saved by every method that changes it.

    Raises LibraryTrouble. A job and the menu may each have one of the same library.
    """

    def __init__(self, folder: Path, library_id: str) -> None:
        self._file = JsonFile(folder / f'hardcover-{re.sub(r"[^0-9A-Za-z-]", "_", library_id)}.json')
        self._data = self._read()

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {'format': FORMAT, 'left': {}, 'written': {}, 'pushes': []}
        try:
            data = self._file.read_or_set_aside()
        except OSError as error:
            # Not damaged, perhaps only in use: what is in it must not be taken for lost.
            raise LibraryTrouble(errors.MEMORY_NOT_READ, reason=error.strerror, path=self._file.path) from None
        kept = {key: value for key, value in data.items() if key in empty and isinstance(value, type(empty[key]))}
        return {**empty, **kept}

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """What is remembered by now, to be changed; saved on leaving."""
        with _one_change_at_a_time:
            self._data = self._read()
            yield self._data
            self._save()

    def _save(self) -> None:
        try:
            self._file.write(self._data)
        except OSError as error:
            folder = self._file.path.parent
            raise LibraryTrouble(errors.RECORD_NOT_WRITTEN, reason=error.strerror, path=folder) from None

    def why_left(self, book: CalibreBook) -> str:
        """SKIPPED, UNLINKED, NOT_FOUND, or '' for a book to ask about."""
        note = self._data['left'].get(str(book.book_id))
        if not isinstance(note, dict):
            return ''
        # A title that was corrected since may well be found now; what the user skipped stays skipped.
        if note.get('why') == NOT_FOUND and note.get('book') != fingerprint(book):
            return ''
        return note['why'] if note.get('why') in (SKIPPED, UNLINKED, NOT_FOUND) else ''

    def leave(self, book: CalibreBook, why: str) -> None:
        """From now on the book is not asked about."""
        with self._changing() as data:
            data['left'][str(book.book_id)] = {'why': why, 'book': fingerprint(book)}

    @property
    def left(self) -> frozenset[int]:
        """The books that are not asked about."""
        return frozenset(int(key) for key in self._data['left'] if key.isdecimal())

    def ask_again(self, book_ids: Iterable[int] | None = None) -> int:
        """Forgets that books were left, all of them or these; how many it were."""
        with self._changing() as data:
            wanted = self.left if book_ids is None else self.left & set(book_ids)
            for book_id in wanted:
                del data['left'][str(book_id)]
        return len(wanted)

    def written(self, book_id: int) -> dict[str, str]:
        """The identifiers of a book that this plugin wrote, as it wrote them."""
        found = self._data['written'].get(str(book_id))
        if not isinstance(found, dict):
            return {}
        return {key: value for key, value in found.items() if isinstance(value, str)}

    def note_written(self, written: Mapping[int, Mapping[str, str]]) -> None:
        """Remembers identifiers that were stored, in place of those noted before; {} forgets them."""
        if not written:
            return
        with self._changing() as data:
            for book_id, identifiers in written.items():
                if identifiers:
                    data['written'][str(book_id)] = dict(identifiers)
                else:
                    data['written'].pop(str(book_id), None)

    def add_push(self, user_id: int, changes: Sequence[RatingChange]) -> None:
        """Keeps the old ratings of a push that is about to begin."""
        push = {
            'when': datetime.now(timezone.utc).isoformat(),
            'user_id': user_id,
            'changes': [_as_json(change) for change in changes],
        }
        with self._changing() as data:
            data['pushes'] = [*data['pushes'], push][-PUSHES_KEPT:]

    def keep_of_last_push(self, changes: Sequence[RatingChange]) -> None:
        """Of the last push, only these were sent, or are still to be undone; none of them: the push is forgotten."""
        with self._changing() as data:
            if self.last_push() is None:
                return
            if changes:
                data['pushes'][-1]['changes'] = [_as_json(change) for change in changes]
            else:
                del data['pushes'][-1]

    def last_push(self) -> Push | None:
        """The push that an undo takes back; None where there is none. One that cannot be read is dropped."""
        while self._data['pushes']:
            try:
                raw = self._data['pushes'][-1]
                changes = tuple(_from_json(change) for change in raw['changes'])
                return Push(datetime.fromisoformat(raw['when']), int(raw['user_id']), changes)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                logger.warning('A record of a push cannot be read: %s', type(error).__name__)
                del self._data['pushes'][-1]
        return None


def _as_json(change: RatingChange) -> dict[str, object]:
    return {
        'book_id': change.book_id,
        'title': change.title,
        'action': change.action.value,
        'hardcover_id': change.hardcover_id,
        'new': change.calibre_stars,
        'old': change.hardcover_stars,
    }


def _from_json(raw: Mapping[str, Any]) -> RatingChange:
    for key in ('new', 'old'):
        if raw[key] is not None and not isinstance(raw[key], int | float):
            raise TypeError('not a rating')
    return RatingChange(
        book_id=int(raw['book_id']),
        title=str(raw['title']),
        action=Action(raw['action']),
        hardcover_id=int(raw['hardcover_id']),
        calibre_stars=raw['new'],
        hardcover_stars=raw['old'],
    )
