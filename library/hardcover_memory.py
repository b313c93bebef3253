# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Hardcover jobs remember of a library: ignored books, identifiers that the plugin wrote, pushes.

One JSON file per library in the plugin's own folder.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..base import errors
from ..base.errors import LibraryTrouble
from ..base.json_file import Damaged, JsonFile
from ..rules.hardcover_records import Action, RatingChange
from ..rules.records import CalibreBook
from .file_names import name_of, old_name_of

logger = logging.getLogger(__name__)

FORMAT = 1
PUSHES_KEPT = 10
# Why a book is ignored: the user skipped it, the user removed its match, or a search found nothing.
SKIPPED, UNLINKED, NOT_FOUND = 'skipped', 'unlinked', 'not found'
_one_change_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Push:
    """A push that can be undone: its time (aware), the Hardcover account, and the changes with the old ratings."""

    when: datetime
    user_id: int
    changes: tuple[RatingChange, ...]


def fingerprint(book: CalibreBook) -> str:
    """A digest of title and authors. It differs when a search for the book would use other words."""
    return hashlib.sha256(json.dumps([book.title, *book.authors]).encode()).hexdigest()[:16]


class Memory:
    """The memory of one library. Every method that changes it reads the file again first and saves it.

    A job and the menu may each have a Memory of the same library. The constructor and the methods that change
    something raise LibraryTrouble.
    """

    def __init__(self, folder: Path, library_id: str) -> None:
        self._file = JsonFile(folder / f'hardcover-{name_of(library_id)}.json')
        self._old_file = JsonFile(folder / f'hardcover-{old_name_of(library_id)}.json')
        self._data = self._read()

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {'format': FORMAT, 'left': {}, 'written': {}, 'pushes': []}
        try:
            data = self._file.read_or_set_aside()
            if not data and self._old_file.path != self._file.path:
                data = self._read_old()
        except OSError as error:
            # The file may only be in use. Its contents are not lost, so it must not be replaced.
            raise LibraryTrouble(errors.MEMORY_NOT_READ, reason=error.strerror, path=self._file.path) from None
        kept = {key: value for key, value in data.items() if key in empty and isinstance(value, type(empty[key]))}
        return {**empty, **kept}

    def _read_old(self) -> dict[str, Any]:
        """What 0.1.0 remembered under a name that other libraries may share; that file stays as it is."""
        with suppress(OSError, Damaged):
            return self._old_file.read()
        return {}

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """The current contents of the file, for changing. They are saved when the context ends without an error."""
        with _one_change_at_a_time:
            self._data = self._read()
            yield self._data
            self._save()

    def _save(self) -> None:
        try:
            self._file.write(self._data)
        except OSError as error:
            folder = self._file.path.parent
            raise LibraryTrouble(errors.MEMORY_NOT_SAVED, reason=error.strerror, path=folder) from None

    def why_left(self, book: CalibreBook) -> str:
        """Why the book is ignored: SKIPPED, UNLINKED or NOT_FOUND; '' if it is not ignored."""
        note = self._data['left'].get(str(book.book_id))
        if not isinstance(note, dict):
            return ''
        # A search may find the book now if its title or authors have changed. A decision of the user stays.
        if note.get('why') == NOT_FOUND and note.get('book') != fingerprint(book):
            return ''
        return note['why'] if note.get('why') in (SKIPPED, UNLINKED, NOT_FOUND) else ''

    def leave(self, book: CalibreBook, why: str) -> None:
        """Ignore the book from now on; `why` is SKIPPED, UNLINKED or NOT_FOUND."""
        with self._changing() as data:
            data['left'][str(book.book_id)] = {'why': why, 'book': fingerprint(book)}

    @property
    def left(self) -> frozenset[int]:
        """The ids of the ignored books."""
        return frozenset(int(key) for key in self._data['left'] if key.isdecimal())

    def ask_again(self, book_ids: Iterable[int] | None = None) -> int:
        """Stop ignoring these books, or all. Returns how many were ignored."""
        with self._changing() as data:
            wanted = self.left if book_ids is None else self.left & set(book_ids)
            for book_id in wanted:
                del data['left'][str(book_id)]
        return len(wanted)

    def written(self, book_id: int) -> dict[str, str]:
        """The identifiers of a book that this plugin wrote, with the values that it wrote."""
        found = self._data['written'].get(str(book_id))
        if not isinstance(found, dict):
            return {}
        return {key: value for key, value in found.items() if isinstance(value, str)}

    def note_written(self, written: Mapping[int, Mapping[str, str]]) -> None:
        """Remember written identifiers, {book id: {identifier: value}}, in place of earlier ones. {} forgets them."""
        if not written:
            return
        with self._changing() as data:
            for book_id, identifiers in written.items():
                if identifiers:
                    data['written'][str(book_id)] = dict(identifiers)
                else:
                    data['written'].pop(str(book_id), None)

    @contextmanager
    def noting(self, written: Mapping[int, Mapping[str, str]]) -> Iterator[None]:
        """As `note_written`, before identifiers are written inside this context; undone if that fails.

        An identifier that is in the library is then never one that the plugin does not know as its own.
        """
        before = {book_id: self.written(book_id) for book_id in written}
        self.note_written(written)
        try:
            yield
        except Exception:
            with suppress(LibraryTrouble):
                self.note_written(before)
            raise

    def add_push(self, user_id: int, changes: Sequence[RatingChange]) -> None:
        """Remember the old ratings of a push before it starts. The last PUSHES_KEPT pushes are kept."""
        push = {
            'when': datetime.now(timezone.utc).isoformat(),
            'user_id': user_id,
            'changes': [_as_json(change) for change in changes],
        }
        with self._changing() as data:
            data['pushes'] = [*data['pushes'], push][-PUSHES_KEPT:]

    def keep_of_last_push(self, changes: Sequence[RatingChange]) -> None:
        """Reduce the last push to these changes: those that were sent, or that are still to be undone.

        Without any, the push is forgotten.
        """
        with self._changing() as data:
            if self.last_push() is None:
                return
            if changes:
                data['pushes'][-1]['changes'] = [_as_json(change) for change in changes]
            else:
                del data['pushes'][-1]

    def last_push(self) -> Push | None:
        """The push that an undo would revert, None if there is none. Unreadable records are dropped and logged."""
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
        'series': change.series,
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
        series=str(raw.get('series', '')),
    )
