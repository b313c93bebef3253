"""Undo: exactly what the last sync replaced comes back, whatever has happened since."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre.utils.config import config_dir
from calibre_plugins.bookfusionbacksync.base.errors import LibraryTrouble
from calibre_plugins.bookfusionbacksync.command_line import program
from calibre_plugins.bookfusionbacksync.jobs.sync import take_snapshot, undo_sentences
from calibre_plugins.bookfusionbacksync.library.calibre_library import Cell, Library, Written
from calibre_plugins.bookfusionbacksync.library.undo import RECORDS_KEPT, UndoRecords
from calibre_plugins.bookfusionbacksync.rules.records import FetchedLibrary, ReadingRecord
from calibre_plugins.bookfusionbacksync.rules.sync_plan import Column, SyncRules, Value, make_plan
from harness.bookfusion import account
from harness.commands import calibre_environment, executable, write_settings
from harness.start import IMPORT_NAME
from hypothesis import given, settings
from hypothesis import strategies as st
from standins.bookfusion import BookFusionStandIn, LibraryRecord

OpenLibrary = Callable[[Path], LibraryDatabase]
DAYS = [datetime(2024, 11, day, 22, 30, 15, tzinfo=timezone.utc) for day in range(1, 29)]
STATES = {'datatype': 'enumeration', 'display': {'enum_values': ['Reading', 'Read']}}
COLUMNS = {
    '#dateread': 'datetime',
    '#completed': 'bool',
    '#percent': 'float',
    '#whole': 'int',
    '#text': 'text',
    '#state': STATES,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the plugin keeps its records."""
    return tmp_path / 'plugin-folder'


@pytest.fixture
def library(make_library: Any, open_library: OpenLibrary) -> Library:
    """Three books without anything in their columns."""
    books = [{'title': title} for title in ('A', 'B', 'C')]
    return Library(open_library(make_library(books, columns=COLUMNS)).new_api)


@pytest.fixture
def records(folder: Path, library: Library) -> UndoRecords:
    return UndoRecords(folder, library.library_id)


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / 'undo').rglob('*') if path.is_file())


def held(library: Library, column: str = '#dateread') -> dict[int, Value]:
    return library.values(column, sorted(library.api.all_book_ids()))


def sync(library: Library, records: UndoRecords, values: dict[int, Value], column: str = '#dateread') -> Written:
    """Writes {book id: value} as a sync does."""
    now = library.values(column, list(values))
    return library.write([Cell(book, column, now[book], new) for book, new in values.items()], records.keeping)


def spoken(outcome: Any) -> list[str]:
    return [str(sentence) for sentence in undo_sentences(outcome)]


class TestPuttingBack:
    @pytest.mark.parametrize(
        ('column', 'old', 'new'),
        [
            ('#dateread', DAYS[0], DAYS[1]),
            ('#dateread', None, DAYS[1]),
            ('#dateread', DAYS[0].astimezone(timezone(timedelta(hours=-8))), DAYS[1]),
            ('#completed', False, True),
            ('#completed', None, True),
            ('#percent', 12.34, 42.19),
            ('#percent', 0.0, 42.19),
            ('#whole', 0, 42),
            ('#text', 'dîner, "zu Hause" 🏠', 'Completed'),
            ('#text', None, 'Completed'),
            ('#state', 'Reading', 'Read'),
            ('#state', None, 'Read'),
        ],
    )
    def test_each_type_of_column(
        self, library: Library, records: UndoRecords, open_library: OpenLibrary, column: str, old: Value, new: Value
    ) -> None:
        if old is not None:
            library.api.set_field(column, {1: old})
        sync(library, records, {1: new}, column)
        assert held(library, column)[1] == new
        outcome = records.undo_last(library)
        assert [cell.book_id for cell in outcome.put_back] == [1]
        assert held(library, column) == {1: old, 2: None, 3: None}
        path = Path(library.api.backend.library_path)
        library.api.close()
        again = held(Library(open_library(path).new_api), column)[1]
        assert again == old
        assert type(again) is type(old)

    def test_exactly_the_cells_that_still_hold_what_was_written(self, library: Library, records: UndoRecords) -> None:
        library.api.set_field('#completed', {1: False, 2: False})
        cells = [Cell(book, '#dateread', None, DAYS[book]) for book in (1, 2, 3)]
        library.write([*cells, Cell(1, '#completed', False, True)], records.keeping)
        library.api.set_field('#dateread', {2: DAYS[20]})
        library.api.set_field('#completed', {2: True})
        library.api.remove_books([3])
        outcome = records.undo_last(library)
        assert {(cell.book_id, cell.column) for cell in outcome.put_back} == {(1, '#dateread'), (1, '#completed')}
        assert (outcome.changed_since, outcome.gone) == (1, 1)
        assert held(library) == {1: None, 2: DAYS[20]}
        assert held(library, '#completed') == {1: False, 2: True}
        assert outcome.book_ids == {1}
        assert spoken(outcome)[0].startswith('Put back 2 values that the sync of 20')
        assert spoken(outcome)[1:] == [
            '1 value was changed since and left alone.',
            '1 value belongs to a book or a column that no longer exists.',
        ]

    def test_a_cell_that_the_user_emptied_stays_empty(self, library: Library, records: UndoRecords) -> None:
        library.api.set_field('#dateread', {1: DAYS[0]})
        sync(library, records, {1: DAYS[1], 2: DAYS[1]})
        library.api.set_field('#dateread', {1: None})
        outcome = records.undo_last(library)
        assert held(library) == {1: None, 2: None, 3: None}
        assert (len(outcome.put_back), outcome.changed_since) == (1, 1)

    def test_what_the_user_put_back_himself_is_not_a_reason_to_undo_an_older_sync(
        self, library: Library, records: UndoRecords
    ) -> None:
        sync(library, records, {1: DAYS[1]})
        sync(library, records, {2: DAYS[2]})
        library.api.set_field('#dateread', {2: None})
        outcome = records.undo_last(library)
        assert (outcome.put_back, outcome.changed_since) == ((), 1)
        assert held(library)[1] == DAYS[1]

    @pytest.mark.parametrize('came_to_write', [True, False])
    @pytest.mark.parametrize('changed_by_user', [True, False])
    def test_a_sync_that_was_broken_off(
        self, library: Library, records: UndoRecords, came_to_write: bool, changed_by_user: bool
    ) -> None:
        """Whether it came to write shows in the library; in doubt it did, so that no older sync is undone for it."""
        sync(library, records, {1: DAYS[1]})
        cell = Cell(2, '#dateread', None, DAYS[2])

        def broken_off() -> None:
            with records.keeping([cell]):
                library.write([cell] if came_to_write else [])
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            broken_off()
        if changed_by_user:
            library.api.set_field('#dateread', {2: DAYS[9]})
        records.undo_last(library)
        older_undone = not came_to_write and not changed_by_user
        assert held(library)[1] == (None if older_undone else DAYS[1])
        assert held(library)[2] == (DAYS[9] if changed_by_user else None)

    def test_again_and_again_until_nothing_is_left(self, library: Library, records: UndoRecords) -> None:
        for day in (1, 2, 3):
            sync(library, records, {1: DAYS[day]})
        seen = []
        while (outcome := records.undo_last(library)).when is not None:
            seen.append(held(library)[1])
        assert seen == [DAYS[2], DAYS[1], None]
        assert spoken(outcome) == ['There is no sync left to undo.']
        assert records.undo_last(library).when is None

    def test_a_sync_that_changed_nothing_keeps_no_record(
        self, library: Library, records: UndoRecords, folder: Path
    ) -> None:
        sync(library, records, {1: DAYS[1]})
        sync(library, records, {1: DAYS[1]})
        library.write([], records.keeping)
        assert len(files_of(folder)) == 1

    def test_only_what_was_really_written(self, library: Library, records: UndoRecords) -> None:
        """A cell edited before the sync came to it is neither written nor put back."""
        library.api.set_field('#dateread', {2: DAYS[9]})
        library.write([Cell(1, '#dateread', None, DAYS[1]), Cell(2, '#dateread', None, DAYS[1])], records.keeping)
        outcome = records.undo_last(library)
        assert (len(outcome.put_back), outcome.changed_since) == (1, 0)
        assert held(library) == {1: None, 2: DAYS[9], 3: None}

    def test_a_text_that_calibre_spelled_in_its_own_way(self, library: Library, records: UndoRecords) -> None:
        library.api.set_field('#text', {1: 'completed', 2: 'on the shelf'})
        sync(library, records, {2: 'Completed'}, '#text')
        outcome = records.undo_last(library)
        assert outcome.changed_since == 0
        assert held(library, '#text') == {1: 'completed', 2: 'on the shelf', 3: None}

    def test_an_old_value_that_the_enumeration_no_longer_has(self, library: Library, records: UndoRecords) -> None:
        """Calibre would drop it silently; it is counted as changed by the user, who changed the column."""
        library.api.set_field('#state', {1: 'Reading'})
        sync(library, records, {1: 'Read', 2: 'Read'}, '#state')
        library.api.field_metadata['#state']['display']['enum_values'] = ['Read']
        outcome = records.undo_last(library)
        assert (len(outcome.put_back), outcome.changed_since) == (1, 1)
        assert held(library, '#state') == {1: 'Read', 2: None, 3: None}

    def test_a_column_that_is_gone(self, library: Library, records: UndoRecords, open_library: OpenLibrary) -> None:
        library.write([Cell(1, '#dateread', None, DAYS[1]), Cell(1, '#whole', None, 4)], records.keeping)
        path = Path(library.api.backend.library_path)
        library.api.close()
        database = open_library(path)
        database.delete_custom_column('whole')
        database.close()
        outcome = records.undo_last(Library(open_library(path).new_api))
        assert (len(outcome.put_back), outcome.gone) == (1, 1)

    def test_libraries_do_not_mix(self, library: Library, folder: Path, make_library: Any, open_library: Any) -> None:
        other = Library(open_library(make_library([{'title': 'A'}])).new_api)
        sync(library, UndoRecords(folder, library.library_id), {1: DAYS[1]})
        sync(other, UndoRecords(folder, other.library_id), {1: DAYS[2]})
        assert UndoRecords(folder, library.library_id).undo_last(library).put_back
        assert held(library)[1] is None
        assert held(other)[1] == DAYS[2]


class TestPlaces:
    """A copy of a library has the same id. Each undoes its own syncs."""

    def copied(self, library: Library, target: Path, open_library: OpenLibrary) -> Library:
        shutil.copytree(library.api.backend.library_path, target)
        return Library(open_library(target).new_api)

    def records_of(self, folder: Path, library: Library) -> UndoRecords:
        return UndoRecords(folder, library.library_id, library.place)

    def test_a_copy_does_not_use_up_the_records_of_the_original(
        self, library: Library, folder: Path, open_library: OpenLibrary, tmp_path: Path
    ) -> None:
        sync(library, self.records_of(folder, library), {1: DAYS[1]})
        copy = self.copied(library, tmp_path / 'copy', open_library)
        assert copy.library_id == library.library_id
        assert self.records_of(folder, copy).undo_last(copy).when is None
        for day in DAYS[2:15]:
            sync(copy, self.records_of(folder, copy), {1: day})
        assert len(self.records_of(folder, library).undo_last(library).put_back) == 1
        assert held(library)[1] is None
        assert self.records_of(folder, library).undo_last(library).when is None
        assert self.records_of(folder, copy).undo_last(copy).put_back
        assert held(copy)[1] == DAYS[13]

    def test_a_link_to_the_library_is_the_library(
        self, library: Library, folder: Path, open_library: OpenLibrary, tmp_path: Path
    ) -> None:
        sync(library, self.records_of(folder, library), {1: DAYS[1]})
        place = Path(library.api.backend.library_path)
        library.api.close()
        (tmp_path / 'link').symlink_to(place)
        linked = Library(open_library(tmp_path / 'link').new_api)
        assert len(self.records_of(folder, linked).undo_last(linked).put_back) == 1

    @pytest.mark.parametrize('left', ['nothing', 'another library', 'a folder', 'no database'])
    def test_a_library_that_was_moved_takes_its_records_along(
        self, library: Library, folder: Path, open_library: OpenLibrary, make_library: Any, tmp_path: Path, left: str
    ) -> None:
        sync(library, self.records_of(folder, library), {1: DAYS[1]})
        sync(library, self.records_of(folder, library), {1: DAYS[2]})
        place = Path(library.api.backend.library_path)
        library.api.close()
        shutil.move(place, tmp_path / 'moved')
        if left == 'another library':
            shutil.copytree(make_library([{'title': 'A'}]), place)
        elif left != 'nothing':
            (place / ('metadata.db' if left == 'a folder' else 'books')).mkdir(parents=True)
        moved = Library(open_library(tmp_path / 'moved').new_api)
        assert len(self.records_of(folder, moved).undo_last(moved).put_back) == 1
        assert held(moved)[1] == DAYS[1]
        # From then on they are those of the new place, also if a copy comes to the old one.
        shutil.rmtree(place, ignore_errors=True)
        copy = self.copied(moved, place, open_library)
        assert self.records_of(folder, copy).undo_last(copy).when is None
        assert len(self.records_of(folder, moved).undo_last(moved).put_back) == 1
        assert held(moved)[1] is None

    def test_records_without_a_place_are_valid_anywhere(
        self, library: Library, folder: Path, open_library: OpenLibrary, tmp_path: Path
    ) -> None:
        """As 0.1.0 wrote them."""
        sync(library, UndoRecords(folder, library.library_id), {1: DAYS[1]})
        copy = self.copied(library, tmp_path / 'copy', open_library)
        assert len(self.records_of(folder, copy).undo_last(copy).put_back) == 1

    def test_odd_ids_share_no_folder(self, library: Library, folder: Path) -> None:
        odd = ['', 'a b', 'a_b', 'a/b', 'A/B', '..', '.', 'x' * 5000, 'x' * 5001, '\ud800', library.library_id.upper()]
        for number, library_id in enumerate(odd):
            with UndoRecords(folder, library_id).keeping([Cell(number, '#whole', None, 1)]):
                pass
        for number, library_id in enumerate(odd):
            found = [record.cells[0].book_id for record in UndoRecords(folder, library_id).newest_first()]
            assert found == [number], library_id
        names = [path.parent.name.lower() for path in files_of(folder)]
        assert len(set(names)) == len(odd)
        assert all(path.parent.parent == folder / 'undo' for path in files_of(folder))

    def test_a_folder_of_the_old_name_is_still_found(self, library: Library, folder: Path) -> None:
        old = folder / 'undo' / 'my_library'
        old.mkdir(parents=True)
        (old / '00000004-20240101T000000Z.json').write_bytes(as_record())
        assert len(list(UndoRecords(folder, 'my library').newest_first())) == 1
        with UndoRecords(folder, 'my library').keeping([Cell(2, '#whole', None, 1)]):
            pass
        found = [record.cells[0].book_id for record in UndoRecords(folder, 'my library').newest_first()]
        assert found == [2, 1]


class TestKeeping:
    def test_the_last_ten(self, library: Library, records: UndoRecords, folder: Path) -> None:
        for day in DAYS[:13]:
            sync(library, records, {1: day})
        assert len(files_of(folder)) == RECORDS_KEPT == 10
        undone = []
        while records.undo_last(library).when is not None:
            undone.append(held(library)[1])
        assert undone == DAYS[11:1:-1]
        assert files_of(folder) == []

    def test_syncs_that_fail_do_not_push_out_those_that_worked(
        self, library: Library, records: UndoRecords, folder: Path
    ) -> None:
        for day in DAYS[:10]:
            sync(library, records, {1: day})
        before = files_of(folder)
        library.api.backend.execute(
            f'create trigger broken before insert on custom_column_{library.api.field_metadata["#dateread"]["colnum"]} '
            "begin select raise(abort, 'no'); end"
        )
        for _ in range(12):
            with pytest.raises(LibraryTrouble):
                sync(library, records, {1: DAYS[20]})
        assert files_of(folder) == before
        library.api.backend.execute('drop trigger broken')
        records.undo_last(library)
        assert held(library)[1] == DAYS[8]

    def test_numbers_go_on_beyond_the_digits(self, library: Library, records: UndoRecords, folder: Path) -> None:
        sync(library, records, {1: DAYS[1]})
        (only,) = files_of(folder)
        only.rename(only.with_name('99999999-20240101T000000Z.json'))
        sync(library, records, {1: DAYS[2]})
        sync(library, records, {1: DAYS[3]})
        for expected in (DAYS[2], DAYS[1], None):
            records.undo_last(library)
            assert held(library)[1] == expected

    def test_after_a_restart(self, library: Library, folder: Path, open_library: OpenLibrary) -> None:
        sync(library, UndoRecords(folder, library.library_id), {1: DAYS[1]})
        path = Path(library.api.backend.library_path)
        library.api.close()
        again = Library(open_library(path).new_api)
        assert len(UndoRecords(folder, again.library_id).undo_last(again).put_back) == 1
        assert held(again)[1] is None

    def test_only_the_owner_can_read_them(self, library: Library, records: UndoRecords, folder: Path) -> None:
        before = os.umask(0)
        try:
            sync(library, records, {1: DAYS[1]})
        finally:
            os.umask(before)
        (record,) = files_of(folder)
        assert stat.S_IMODE(record.stat().st_mode) == 0o600
        assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(record.parent.parent.stat().st_mode) == 0o700

    def test_a_record_is_on_disk_before_the_library_is_touched(
        self, library: Library, records: UndoRecords, folder: Path
    ) -> None:
        seen: list[int] = []
        set_field = library.api.set_field

        def watched(*arguments: Any, **more: Any) -> Any:
            seen.append(len(files_of(folder)))
            return set_field(*arguments, **more)

        library.api.set_field = watched
        sync(library, records, {1: DAYS[1]})
        assert seen == [1]

    def test_an_undo_that_fails_can_be_tried_again(self, library: Library, records: UndoRecords) -> None:
        sync(library, records, {1: DAYS[1]})
        library.api.backend.execute('pragma query_only = 1')
        with pytest.raises(LibraryTrouble):
            records.undo_last(library)
        library.api.backend.execute('pragma query_only = 0')
        assert held(library)[1] == DAYS[1]
        assert len(records.undo_last(library).put_back) == 1

    def test_an_undo_in_a_library_that_was_switched_away(self, library: Library, records: UndoRecords) -> None:
        sync(library, records, {1: DAYS[1]})
        library.retire()
        with pytest.raises(LibraryTrouble, match='switched'):
            records.undo_last(library)
        assert len(records.undo_last(Library(library.api)).put_back) == 1


GOOD_CELL = [1, '#dateread', None, {'date': '2024-11-02T22:30:15+00:00'}]


def as_record(**changes: Any) -> bytes:
    return json.dumps({'format': 1, 'when': '2024-11-03T00:00:00+00:00', 'cells': [GOOD_CELL], **changes}).encode()


class TestOddRecords:
    @pytest.mark.parametrize(
        'content',
        [
            b'',
            b'{',
            as_record()[:-20],
            b'null',
            b'[]',
            b'17',
            b'"text"',
            b'\xff\xfe\x00',
            b'[' * 100_000,
            as_record(format=2),
            as_record(format=None),
            as_record(when=None),
            as_record(when='yesterday'),
            as_record(cells=None),
            as_record(cells=[None]),
            as_record(cells=[[1, '#dateread', None]]),
            as_record(cells=[[*GOOD_CELL, 1]]),
            as_record(cells=[['1', *GOOD_CELL[1:]]]),
            as_record(cells=[[1, None, None, None]]),
            as_record(cells=[[1, '#dateread', [], None]]),
            as_record(cells=[[1, '#dateread', None, {'day': 1}]]),
            as_record(cells=[[1, '#dateread', None, {'date': 1}]]),
            as_record(cells=[[1, '#dateread', {'date': '2024-01-01T00:00:00'}, GOOD_CELL[3]]]),
            as_record(cells={'a': 1, 'b': 2, 'c': 3, 'd': 4}),
        ],
    )
    def test_passed_over(self, library: Library, records: UndoRecords, folder: Path, content: bytes) -> None:
        """Truncated by a crash of the computer, written by another version, or by somebody else."""
        sync(library, records, {1: DAYS[1]})
        (good,) = files_of(folder)
        good.with_name('00000002-20240101T000000Z.json').write_bytes(content)
        outcome = records.undo_last(library)
        assert len(outcome.put_back) == 1
        assert held(library)[1] is None
        assert records.undo_last(library).when is None

    @pytest.mark.parametrize(
        ('cell', 'held_now'),
        [
            ([1, 'title', 'Other', 'A'], None),
            ([1, 'identifiers', 'Other', 'A'], None),
            ([1, 'last_modified', GOOD_CELL[3], GOOD_CELL[3]], None),
            ([True, '#whole', 10**30, 10**31], None),
            ([1, '#whole', 'a text', 42], 42),
            ([1, '#whole', 10**30, 42], 42),
            ([1, '#whole', 12.5, 42], 42),
            ([1, '#whole', True, 42], 42),
            ([1, '#percent', 'a text', 42.0], 42.0),
            ([1, '#percent', float('nan'), 42.0], 42.0),
            ([1, '#percent', float('inf'), 42.0], 42.0),
            ([1, '#percent', 10**400, 42.0], 42.0),
            ([1, '#percent', GOOD_CELL[3], 42.0], 42.0),
            ([1, '#completed', 'a text', True], True),
            ([1, '#completed', 5, True], True),
            ([1, '#dateread', {'date': '0001-01-01T00:00:00+14:00'}, GOOD_CELL[3]], DAYS[1]),
            ([1, '#dateread', {'date': '9999-12-31T23:59:59-12:00'}, GOOD_CELL[3]], DAYS[1]),
            ([1, '#dateread', 'yesterday', GOOD_CELL[3]], DAYS[1]),
            ([1, '#dateread', 5, GOOD_CELL[3]], DAYS[1]),
            ([1, '#text', 5, 'Read'], 'Read'),
            ([1, '#text', '\ud800', 'Read'], 'Read'),
            ([1, '#state', 5, 'Read'], 'Read'),
        ],
    )
    def test_what_parses_but_does_not_fit_is_passed_over(
        self,
        library: Library,
        records: UndoRecords,
        folder: Path,
        caplog: pytest.LogCaptureFixture,
        cell: list[Any],
        held_now: Value,
    ) -> None:
        """No sync writes such a record. The library holds the new value, so that the old one would be written."""
        sync(library, records, {2: DAYS[3]})
        (good,) = files_of(folder)
        odd = good.with_name('00000002-20240101T000000Z.json')
        odd.write_bytes(as_record(cells=[cell]))
        if held_now is not None:
            library.api.set_field(cell[1], {1: held_now})
        with caplog.at_level('WARNING'):
            outcome = records.undo_last(library)
        assert [cell.book_id for cell in outcome.put_back] == [2]
        assert (outcome.changed_since, outcome.gone) == (0, 0)
        assert any(odd.name in message for message in caplog.messages)
        assert odd.exists()
        assert library.api.field_for('title', 1) == 'A'
        if held_now is not None:
            assert held(library, cell[1])[1] == held_now
        assert records.undo_last(library).when is None

    @pytest.mark.parametrize('when', ['0001-01-01T00:00:00+14:00', '9999-12-31T23:59:59-12:00'])
    def test_the_time_of_a_sync_that_no_calendar_has(
        self, library: Library, records: UndoRecords, folder: Path, when: str
    ) -> None:
        sync(library, records, {1: DAYS[1]})
        (good,) = files_of(folder)
        good.with_name('00000002-20240101T000000Z.json').write_bytes(as_record(when=when))
        assert len(records.undo_last(library).put_back) == 1

    def test_a_column_that_is_of_another_type_by_now(
        self, library: Library, records: UndoRecords, open_library: OpenLibrary
    ) -> None:
        """What can be put back is; the rest counts as gone."""
        library.write([Cell(1, '#dateread', None, DAYS[1]), Cell(1, '#whole', None, 4)], records.keeping)
        path = Path(library.api.backend.library_path)
        library.api.close()
        database = open_library(path)
        database.delete_custom_column('whole')
        database.close()
        database = open_library(path)
        database.create_custom_column('whole', 'whole', 'text', False)
        database.close()
        outcome = records.undo_last(Library(open_library(path).new_api))
        assert (len(outcome.put_back), outcome.gone) == (1, 1)

    def test_the_log_says_which_and_why_and_the_file_stays(
        self, library: Library, records: UndoRecords, folder: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        sync(library, records, {1: DAYS[1]})
        (good,) = files_of(folder)
        damaged = good.with_name('00000002-20240101T000000Z.json')
        damaged.write_bytes(as_record()[:-20])
        with caplog.at_level('WARNING'):
            records.undo_last(library)
        assert caplog.messages == [f'Undo record {damaged.name} cannot be read: not JSON']
        assert damaged.read_bytes() == as_record()[:-20]

    def test_foreign_files_are_not_touched(self, library: Library, records: UndoRecords, folder: Path) -> None:
        sync(library, records, {1: DAYS[1]})
        (good,) = files_of(folder)
        foreign = [good.with_name(name) for name in ('notes.txt', '1-x.json', '00000009.json', '.00000003-a.json-x1')]
        for path in foreign:
            path.write_bytes(as_record())
        good.with_name('00000007-folder.json').mkdir()
        for day in DAYS[2:20]:
            sync(library, records, {1: day})
        while records.undo_last(library).when is not None:
            pass
        assert all(path.read_bytes() == as_record() for path in foreign)

    @pytest.mark.parametrize(
        'cell',
        [
            [10**30, '#dateread', None, GOOD_CELL[3]],
            [-1, '#dateread', None, GOOD_CELL[3]],
            [1, '#nowhere', None, 1],
            [1, '#whole', 10, 11],
        ],
    )
    def test_cells_that_make_no_sense_change_nothing(
        self, library: Library, records: UndoRecords, folder: Path, cell: list[Any]
    ) -> None:
        sync(library, records, {2: DAYS[1]})
        (good,) = files_of(folder)
        good.with_name('00000002-20240101T000000Z.json').write_bytes(as_record(cells=[cell]))
        outcome = records.undo_last(library)
        assert outcome.put_back == ()
        assert outcome.changed_since + outcome.gone == 1
        assert len(records.undo_last(library).put_back) == 1


@contextmanager
def no_room_for_files() -> Iterator[None]:
    """The system itself refuses to write more than a few bytes to any file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestRecordThatCannotBeWritten:
    def check(self, library: Library, records: UndoRecords, folder: Path, reason: str) -> None:
        """Nothing was changed, and the sentence says so."""
        with pytest.raises(LibraryTrouble) as caught:
            sync(library, records, {1: DAYS[1]})
        where = folder / 'undo' / library.library_id
        assert str(caught.value) == (
            f'The undo record could not be saved ({reason}), so nothing was changed. '
            f'Check the free space and the permissions of {where}.'
        )
        assert held(library) == {1: None, 2: None, 3: None}

    def test_no_room(self, library: Library, records: UndoRecords, folder: Path) -> None:
        with no_room_for_files():
            self.check(library, records, folder, 'File too large')
        assert files_of(folder) == []

    @pytest.mark.parametrize('code', [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO])
    def test_whatever_the_system_says(
        self, library: Library, records: UndoRecords, folder: Path, code: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(descriptor: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, 'fsync', refuse)
        self.check(library, records, folder, os.strerror(code))
        assert files_of(folder) == []

    @pytest.mark.parametrize('place', ['', 'undo', 'undo/{library}'])
    def test_a_file_where_the_folder_should_be(
        self, library: Library, records: UndoRecords, folder: Path, place: str
    ) -> None:
        path = folder / place.format(library=library.library_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('in the way')
        with pytest.raises(LibraryTrouble, match='so nothing was changed'):
            sync(library, records, {1: DAYS[1]})
        assert held(library) == {1: None, 2: None, 3: None}
        assert records.undo_last(library).when is None


# Patches the installed plugin from outside and then runs its command line.
DRIVER = """
import os, signal, sys
from pathlib import Path

def die(*ignored, **more):
    os.kill(os.getpid(), signal.SIGKILL)

from calibre_plugins.bookfusionbacksync.command_line import program
from calibre_plugins.bookfusionbacksync.library import calibre_library
from calibre_plugins.bookfusionbacksync.base import json_file

where, arguments = sys.argv[1], sys.argv[2:]
set_fields = calibre_library.Library._set_fields

if where == 'record':
    json_file.write_privately = die
elif where == 'before':
    calibre_library.Library._set_fields = die
elif where == 'after':
    def then_die(*given):
        set_fields(*given)
        die()
    calibre_library.Library._set_fields = then_die
elif where == 'undone':
    Path.unlink = die
elif where == 'copy':
    os.fsync = die
else:
    def meanwhile(self, fields):
        set_field, calls = self.api.set_field, []
        def counting(*given, **more):
            if where == 'first column':
                die()
            if where == 'second column' and calls:
                die()
            calls.append(1)
            done = set_field(*given, **more)
            if where == 'before commit' and len(calls) == len(fields):
                die()
            return done
        self.api.set_field = counting
        if where == 'commit':
            self.api.backend.conn.setcommithook(die)
        return set_fields(self, fields)
    calibre_library.Library._set_fields = meanwhile
sys.exit(program.main(arguments))
"""


@pytest.fixture
def killed(tmp_path: Path, calibre_lock: Any) -> Callable[..., int]:
    """`killed(where, 'sync', ...)` runs the command line and kills it there, as by a power cut; the exit code."""
    script = tmp_path / 'driver.py'
    script.write_text(DRIVER)

    def run_it(where: str, *arguments: str) -> int:
        with calibre_lock.free_for_subprocess(), calibre_environment(Path(config_dir)) as environment:
            command = [executable('calibre-debug'), '-e', str(script), '--', where, *arguments]
            return subprocess.run(command, env=environment, timeout=60, capture_output=True, check=False).returncode

    return run_it


class TestKilled:
    """kill -9: afterwards the library is all before or all after, and undo is right in both."""

    BLANK = ({1: None, 2: None}, {1: None, 2: None})
    BEFORE = ({1: DAYS[0], 2: None}, {1: None, 2: None})
    AFTER = ({1: DAYS[1], 2: DAYS[2]}, {1: True, 2: None})

    @pytest.fixture
    def scene(self, make_library: Any, bookfusion: BookFusionStandIn) -> Path:
        """Two books, a first sync that has written one date, and a second that has three cells to write."""
        bookfusion.records = [
            LibraryRecord(11, title='A', last_read_at='2024-11-01T22:30:15Z'),
            LibraryRecord(12, title='B'),
        ]
        write_settings(Path(config_dir), account(bookfusion, completed_column='#completed'))
        books = [{'title': title, 'identifiers': {'bookfusion': number}} for title, number in (('A', 11), ('B', 12))]
        folder = Path(make_library(books))
        assert program.main(['sync', '--library', str(folder)]) == 0
        bookfusion.records = [
            LibraryRecord(11, title='A', last_read_at='2024-11-02T22:30:15Z', percentage=100),
            LibraryRecord(12, title='B', last_read_at='2024-11-03T22:30:15Z'),
        ]
        return folder

    def state(self, folder: Path) -> tuple[dict[int, Value], dict[int, Value]]:
        database = LibraryDatabase(str(folder))
        library = Library(database.new_api)
        found = held(library), held(library, '#completed')
        database.close()
        return found

    def undo(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
        """What an undo says first."""
        capsys.readouterr()
        assert program.main(['undo', '--library', str(folder)]) == 0
        return capsys.readouterr().out.splitlines()[0].partition(' that the sync')[0]

    @pytest.mark.parametrize(
        ('where', 'written'),
        [
            ('record', False),
            ('before', False),
            ('first column', False),
            ('second column', False),
            ('before commit', False),
            ('commit', False),
            ('after', True),
        ],
    )
    def test_in_a_sync(
        self,
        scene: Path,
        bookfusion: BookFusionStandIn,
        killed: Any,
        capsys: pytest.CaptureFixture[str],
        where: str,
        written: bool,
    ) -> None:
        assert killed(where, 'sync', '--library', str(scene)) == -signal.SIGKILL
        assert self.state(scene) == (self.AFTER if written else self.BEFORE)
        records = files_of(Path(config_dir, 'plugins', IMPORT_NAME))
        assert len(records) == (1 if where == 'record' else 2)
        for record in records:
            assert not any(secret.encode() in record.read_bytes() for secret in bookfusion.secrets)
        assert self.undo(scene, capsys) == f'Put back {"3 values" if written else "1 value"}'
        assert self.state(scene) == (self.BEFORE if written else self.BLANK)
        assert self.undo(scene, capsys) == ('Put back 1 value' if written else 'There is no sync left to undo.')
        assert self.state(scene) == self.BLANK

    def test_a_copy_of_a_record_is_removed_at_the_next_start(
        self, scene: Path, killed: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert killed('copy', 'sync', '--library', str(scene)) == -signal.SIGKILL
        own = Path(config_dir, 'plugins', IMPORT_NAME)
        assert len([path for path in files_of(own) if path.name.startswith('.')]) == 1
        assert self.undo(scene, capsys) == 'Put back 1 value'
        assert files_of(own) == []
        assert self.state(scene) == self.BLANK

    def test_a_sync_can_simply_be_run_again(self, scene: Path, killed: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert killed('second column', 'sync', '--library', str(scene)) == -signal.SIGKILL
        capsys.readouterr()
        assert program.main(['sync', '--library', str(scene)]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == 'Done - 2 updated, 0 skipped.'
        assert self.state(scene) == self.AFTER
        self.undo(scene, capsys)
        assert self.state(scene) == self.BEFORE
        self.undo(scene, capsys)
        assert self.state(scene) == self.BLANK

    @pytest.mark.parametrize(('where', 'undone'), [('second column', False), ('commit', False), ('undone', True)])
    def test_in_an_undo(
        self, scene: Path, killed: Any, capsys: pytest.CaptureFixture[str], where: str, undone: bool
    ) -> None:
        assert program.main(['sync', '--library', str(scene)]) == 0
        assert killed(where, 'undo', '--library', str(scene)) == -signal.SIGKILL
        assert self.state(scene) == (self.BEFORE if undone else self.AFTER)
        assert self.undo(scene, capsys) == 'Put back 3 values'
        assert self.state(scene) == self.BEFORE
        assert self.undo(scene, capsys) == 'Put back 1 value'
        assert self.state(scene) == self.BLANK


moments = st.datetimes(datetime(1971, 1, 2), datetime(8999, 12, 30)).map(  # noqa: DTZ001 - naive bounds are asked for
    lambda moment: moment.replace(microsecond=0, tzinfo=timezone.utc)
)
words = st.sampled_from(['Reading', 'reading', 'COMPLETED', 'on the shelf', 'é', '紅樓夢', 'a  b', '🦊'])
CELL_VALUES: dict[str, st.SearchStrategy[Value]] = {
    '#dateread': st.none() | moments,
    '#completed': st.sampled_from([None, False, True]),
    '#percent': st.none() | st.floats(0, 100),
    '#whole': st.none() | st.integers(0, 100_000),
    '#text': st.none() | words,
    '#state': st.sampled_from([None, 'Reading', 'Read']),
}
reading = st.builds(
    ReadingRecord,
    ids=st.integers(1, 3).map(lambda number: (('id', str(number)),)),
    last_read_at=st.none() | moments,
    percentage=st.none() | st.floats(0, 100),
    read_time=st.none() | st.integers(0, 10**9),
    lists=st.sampled_from([(), ('completed',), ('currently_reading',), ('planned_to_read',)]),
)
PERCENT, WHOLE = Column('#percent', 'float'), Column('#whole', 'int')
RULES = [
    SyncRules(
        {
            'last_read': Column('#dateread', 'datetime'),
            'completed': Column('#completed', 'bool'),
            'progress': progress,
            'read_time': read_time,
            'status': status,
        }
    )
    for progress, read_time in ((PERCENT, WHOLE), (WHOLE, PERCENT))
    for status in (Column('#text', 'text'), Column('#state', 'enumeration', ('Reading', 'Read')))
]


def test_a_library_holds_what_was_planned_and_undo_gives_back_what_it_held(
    make_library: Any, open_library: OpenLibrary, folder: Path
) -> None:
    """On one real library, over and over: written as planned, nothing left to plan, and back as it was."""
    books = [{'title': str(number), 'identifiers': {'bookfusion': number}} for number in (1, 2, 3)]
    database = open_library(make_library(books, columns=COLUMNS))
    database.backend.execute('pragma synchronous=off')
    library = Library(database.new_api)
    records = UndoRecords(folder, library.library_id)

    @given(
        st.lists(reading, max_size=4),
        st.fixed_dictionaries({column: st.tuples(values, values, values) for column, values in CELL_VALUES.items()}),
        st.sampled_from(RULES),
    )
    @settings(max_examples=60, deadline=None)
    def check(fetched: list[ReadingRecord], values: dict[str, tuple[Value, ...]], rules: SyncRules) -> None:
        for column, given_values in values.items():
            # Emptied first, so that a text comes in with the spelling asked for.
            library.api.set_field(column, dict.fromkeys((1, 2, 3)))
            library.api.set_field(column, dict(enumerate(given_values, 1)))
        before = {column: held(library, column) for column in COLUMNS}
        account = FetchedLibrary(tuple(fetched), ('id',), 'test')
        plan = make_plan(account, take_snapshot(library, rules), rules)
        cells = [Cell(change.book_id, change.column, change.old, change.new) for change in plan.changes]
        written = library.write(cells, records.keeping)
        assert {(cell.book_id, cell.column) for cell in written.cells} == {
            (cell.book_id, cell.column) for cell in cells
        }
        assert make_plan(account, take_snapshot(library, rules), rules).changes == ()
        if cells:
            assert len(records.undo_last(library).put_back) == len(cells)
        assert {column: held(library, column) for column in COLUMNS} == before

    check()
