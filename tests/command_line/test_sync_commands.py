"""The commands sync and undo, as a script or a person on a terminal meets them."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre_plugins.bookfusionbacksync.base import log_file
from calibre_plugins.bookfusionbacksync.command_line import sync_commands
from harness.bookfusion import account, book
from harness.command_line import ALL_COLUMNS, BOOKS, READ, hashes, one_line, plugin_folder, rows, utc
from harness.commands import calibre_environment, executable, settings_path, write_settings
from harness.libraries import COMPUTED_COLUMN, DEFAULT_COLUMNS
from harness.secrets import TEST_USER_TOKEN
from standins.bookfusion import LIBRARY, SIGN_IN, BookFusionStandIn, LibraryRecord, generate_records
from standins.faults import WrongShape

OpenLibrary = Callable[[Path], LibraryDatabase]


WRONG_CLOCK = 'is more than 2 days ahead, so it is from a wrong clock; the next one replaces it'


class TestSync:
    def test_output_of_a_sync(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, open_library: OpenLibrary
    ) -> None:
        folder = make_library(BOOKS)
        settings = account(service, completed_column='#completed')
        done = run_cli('sync', '--library', folder, settings=settings, env={'TZ': 'Asia/Kolkata'})
        assert (done.returncode, done.stderr) == (0, '')
        assert done.stdout.splitlines() == [
            'OK The Name of the Wind -> 2024-11-04 (from reading_position.updated_at, match=book_id)',
            'OK The Name of the Wind -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)',
            "SKIP Emma -> unreadable date 'yesterday' (from last_read_at, match=id)",
            'Skipped: 1 unreadable date, 1 nothing to write from BookFusion, 1 not in the BookFusion library.',
            'Done - 1 updated, 3 skipped.',
        ]
        cache = open_library(folder).new_api
        assert cache.all_field_for('#dateread', range(1, 6)) == {1: READ, 2: None, 3: None, 4: None, 5: None}
        assert cache.all_field_for('#completed', range(1, 6)) == {1: True, 2: None, 3: None, 4: None, 5: None}
        assert service.violations == []

    def test_what_it_says_is_in_the_log_file_as_well(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, config_folder: Path
    ) -> None:
        done = run_cli('sync', '--library', make_library(BOOKS), settings=account(service))
        assert done.last_line == 'Done - 1 updated, 3 skipped.'
        log = (plugin_folder(config_folder) / 'sync.log').read_text(encoding='utf-8').splitlines()
        logged = [line.partition(' INFO ')[2] for line in log]
        assert [line for line in logged if line in done.stdout.splitlines()] == done.stdout.splitlines()

    def test_a_second_sync_touches_nothing(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, config_folder: Path
    ) -> None:
        folder = make_library(BOOKS)
        run_cli('sync', '--library', folder, settings=account(service, completed_column='#completed'))
        library, undo = hashes(folder), hashes(plugin_folder(config_folder) / 'undo')
        done = run_cli('sync', '--library', folder)
        assert done.stdout.splitlines() == [
            "SKIP Emma -> unreadable date 'yesterday' (from last_read_at, match=id)",
            '1 book already held every value.',
            'Skipped: 1 unreadable date, 1 nothing to write from BookFusion, 1 not in the BookFusion library.',
            'Done - 0 updated, 3 skipped.',
        ]
        assert hashes(folder) == library
        assert hashes(plugin_folder(config_folder) / 'undo') == undo

    @pytest.mark.parametrize('keep', [True, False])
    def test_a_date_from_a_wrong_clock(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any, open_library: OpenLibrary, keep: bool
    ) -> None:
        folder = make_library([{'title': 'Emma', 'identifiers': {'bookfusion': 12}, '#dateread': READ}])
        arguments = ('sync', '--library', folder)
        settings = account(service, keep_newer_date=keep)
        service.records = [LibraryRecord(12, title='Emma', last_read_at='2099-05-06T12:00:00Z')]
        dry, done = quick_cli('sync', '--dry-run', *arguments[1:], settings=settings), quick_cli(*arguments)
        assert done.stdout.splitlines() == [
            f'Note: Emma: the date from last_read_at {WRONG_CLOCK} (match=id)',
            'OK Emma -> 2099-05-06 (from last_read_at, match=id)',
            'Done - 1 updated, 0 skipped.',
        ]
        assert dry.stdout.splitlines()[:2] == done.stdout.splitlines()[:2]
        again = quick_cli(*arguments)
        assert again.stdout.splitlines() == ['1 book already held every value.', 'Done - 0 updated, 0 skipped.']
        service.records = [LibraryRecord(12, title='Emma', last_read_at=utc(0))]
        assert quick_cli(*arguments).stdout.splitlines()[-1] == 'Done - 1 updated, 0 skipped.'
        assert open_library(folder).new_api.field_for('#dateread', 1) == READ

    def test_three_hundred_books_twice(self, make_library: Any, service: BookFusionStandIn, run_cli: Any) -> None:
        service.records = generate_records(300)
        books = [book(one) for one in service.records]
        folder = make_library(books)
        settings = account(service, completed_column='#completed')
        first = run_cli('sync', '--library', folder, '--json', settings=settings)
        read = [one for one in service.records if one.position_updated_at]
        assert (first.json['updated'], first.json['skipped']) == (len(read), 300 - len(read))
        assert first.json['completed'] == sum(one.percentage == 100 for one in read)
        with closing(sqlite3.connect(folder / 'metadata.db')) as database, database:
            database.execute('delete from metadata_dirtied')
        before = rows(folder, 'select id, last_modified from books')
        second = run_cli('sync', '--library', folder, '--json')
        assert second.stdout.splitlines()[-2] == f'Done - 0 updated, {300 - len(read)} skipped.'
        assert (second.json['updated'], second.json['unchanged']) == (0, len(read))
        assert second.json['changes'] == []
        assert rows(folder, 'select id, last_modified from books') == before
        assert rows(folder, 'select * from metadata_dirtied') == []

    def test_the_library_opened_last_by_default(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, config_folder: Path
    ) -> None:
        folder, other = make_library(BOOKS), make_library(BOOKS)
        program = "import sys; from calibre.utils.config import prefs; prefs['library_path'] = sys.argv[-1]"
        with calibre_environment(config_folder) as environment:
            command = [executable('calibre-debug'), '-c', program, str(folder)]
            subprocess.run(command, env=environment, check=True, timeout=60)
        untouched = hashes(other)
        assert run_cli('sync', settings=account(service)).last_line == 'Done - 1 updated, 3 skipped.'
        assert hashes(other) == untouched
        assert run_cli('undo').stdout.startswith('Put back 1 value')

    def test_the_librarys_own_columns_win(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any, open_library: OpenLibrary
    ) -> None:
        folder = make_library(BOOKS, columns={'#mine': 'datetime', '#dateread': 'datetime', '#completed': 'bool'})
        database = open_library(folder)
        database.new_api.set_pref('last_read_column', '#mine', namespace='BookFusionBackSync')
        database.close()
        assert quick_cli('sync', '--library', folder, settings=account(service)).returncode == 0
        cache = open_library(folder).new_api
        assert (cache.field_for('#mine', 1), cache.field_for('#dateread', 1)) == (READ, None)

    def test_a_title_that_no_encoding_but_utf8_can_write(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any
    ) -> None:
        titles = ['Ünïcödé', 'ألف ليلة', '紅樓夢', '🦊 <b>bold</b>', '{braces} %s']
        service.records = [
            LibraryRecord(number, title=title, last_read_at=utc(-number)) for number, title in enumerate(titles, 1)
        ]
        folder = make_library(
            [{'title': title, 'identifiers': {'bookfusion': number}} for number, title in enumerate(titles, 1)]
        )
        settings = account(service)
        done = run_cli('sync', '--dry-run', '--json', '--library', folder, settings=settings)
        assert [change['title'] for change in done.json['changes']] == titles
        assert [line.split(' -> ')[0] for line in done.stdout.splitlines()[:5]] == [f'OK {title}' for title in titles]
        plain = {'LC_ALL': 'C', 'LANG': 'C', 'PYTHONIOENCODING': 'ascii', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
        narrow = run_cli('sync', '--dry-run', '--json', '--library', folder, env=plain)
        assert narrow.returncode == 0, narrow
        assert [change['title'] for change in narrow.json['changes']] == titles

    def test_two_books_with_one_identifier_and_an_identifier_that_is_no_number(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any
    ) -> None:
        folder = make_library(
            [
                {'title': 'Wind', 'identifiers': {'bookfusion': '8902995'}},
                {'title': 'Wind again', 'identifiers': {'bookfusion': ' 8902995 '}},
                {'title': 'Typed by hand', 'identifiers': {'bookfusion': 'the wind'}},
            ]
        )
        done = quick_cli('sync', '--library', folder, settings=account(service))
        assert done.stdout.splitlines()[:2] == [
            'Note: 2 books share identifier 8902995 and get the same values: Wind, Wind again',
            'Note: 1 bookfusion identifier is not a number and matches nothing: Typed by hand',
        ]
        assert done.last_line == 'Done - 2 updated, 1 skipped.'


class TestJson:
    KEYS = ('updated', 'unchanged', 'skipped', 'completed', 'seconds', 'requests', 'changes')

    def test_every_kind_of_value(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, open_library: OpenLibrary
    ) -> None:
        """Through the user interface, which alone tells reading times and lists."""
        service.token = TEST_USER_TOKEN
        service._valid = {('bearer', TEST_USER_TOKEN)}
        service.records = [
            LibraryRecord(
                1, 5, 'A', last_read_at=utc(0), percentage=42.1875, read_time=18240, lists=('currently_reading',)
            )
        ]
        old = READ - timedelta(days=400)
        book = {
            'title': 'A',
            'identifiers': {'bookfusion': 5},
            '#dateread': old,
            '#progress': 12.5,
            '#state': 'Planned',
        }
        folder = make_library([book], columns=ALL_COLUMNS)
        settings = account(
            service,
            email='',
            password='',
            bookfusion_token=TEST_USER_TOKEN,
            completed_column='#completed',
            completed_threshold=42,
            progress_column='#progress',
            read_time_column='#time',
            status_column='#state',
        )
        done = run_cli('sync', '--library', folder, '--json', settings=settings, env={'TZ': 'America/Los_Angeles'})
        assert done.returncode == 0, done
        found = done.json
        assert tuple(found) == self.KEYS
        assert found['changes'] == [
            {
                'book_id': 1,
                'title': 'A',
                'column': '#dateread',
                'old': '2023-09-30T15:30:15-07:00',
                'new': '2024-11-03T14:30:15-08:00',
            },
            {'book_id': 1, 'title': 'A', 'column': '#completed', 'old': None, 'new': True},
            {'book_id': 1, 'title': 'A', 'column': '#progress', 'old': 12.5, 'new': 42.1875},
            {'book_id': 1, 'title': 'A', 'column': '#time', 'old': None, 'new': 304},
            {'book_id': 1, 'title': 'A', 'column': '#state', 'old': 'Planned', 'new': 'Completed'},
        ]
        counts = {key: found[key] for key in ('updated', 'unchanged', 'skipped', 'completed')}
        assert counts == {'updated': 1, 'unchanged': 0, 'skipped': 0, 'completed': 1}
        assert found['requests'] == len(service.requests)
        assert 0 < found['seconds'] < 60
        cache = open_library(folder).new_api
        assert [cache.field_for(column, 1) for column in ('#progress', '#time', '#state')] == [
            42.1875,
            304,
            'Completed',
        ]

    def test_an_old_date_that_the_system_cannot_put_into_local_time(self) -> None:
        class OnWindows(datetime):
            def astimezone(self, *zone: Any) -> Any:
                raise OSError(22, 'Invalid argument')

        assert sync_commands.as_json(OnWindows(1950, 1, 2, tzinfo=timezone.utc)) == '1950-01-02T00:00:00+00:00'

    def test_requests_are_those_that_were_sent(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any
    ) -> None:
        done = quick_cli('sync', '--library', make_library(BOOKS), '--json', settings=account(service))
        assert done.json['requests'] == len(service.requests)

    @pytest.mark.parametrize('trouble', ['server', 'settings', 'sign-in', 'library'])
    def test_of_a_failure(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any, tmp_path: Path, trouble: str
    ) -> None:
        folder, settings = make_library(BOOKS), account(service)
        if trouble == 'server':
            service.fail(WrongShape({'books': []}), LIBRARY, times=None)
        elif trouble == 'settings':
            settings['last_read_column'] = '#nowhere'
        elif trouble == 'sign-in':
            settings['password'] = 'wrong'
        else:
            folder = tmp_path / 'nowhere'
        done = quick_cli('sync', '--library', folder, '--json', settings=settings)
        assert done.returncode == {'server': 1, 'settings': 2, 'sign-in': 3, 'library': 2}[trouble]
        assert done.json == {'error': done.stderr.removeprefix('Error: ').rstrip('\n')}


class TestDryRun:
    def test_writes_nothing_but_the_device(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, config_folder: Path
    ) -> None:
        folder = make_library(BOOKS)
        settings = account(service, completed_column='#completed')
        before = hashes(folder)
        done = run_cli('sync', '--library', folder, '--dry-run', '--json', settings=settings)
        assert done.returncode == 0, done
        assert done.stdout.splitlines()[:-1] == [
            'OK The Name of the Wind -> 2024-11-03 (from reading_position.updated_at, match=book_id)',
            'OK The Name of the Wind -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)',
            "SKIP Emma -> unreadable date 'yesterday' (from last_read_at, match=id)",
            'Skipped: 1 unreadable date, 1 nothing to write from BookFusion, 1 not in the BookFusion library.',
            'Dry run: nothing was written.',
            'Done - 1 updated, 3 skipped.',
        ]
        counts = {key: done.json[key] for key in ('updated', 'unchanged', 'skipped', 'completed')}
        assert counts == {'updated': 1, 'unchanged': 0, 'skipped': 3, 'completed': 1}
        assert len(done.json['changes']) == 2
        assert hashes(folder) == before
        stored = json.loads(settings_path(config_folder).read_bytes())
        assert stored == {**settings, 'device': stored['device']}
        assert not (plugin_folder(config_folder) / 'undo').exists()
        sent = [request.json()['device'] for request in service.requests if request.path == SIGN_IN]
        assert sent == [stored['device']]
        run_cli('sync', '--library', folder)
        assert {request.json()['device'] for request in service.requests if request.path == SIGN_IN} == set(sent)

    def test_while_calibre_is_running(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, calibre_is_running: None
    ) -> None:
        done = run_cli('sync', '--library', make_library(BOOKS), '--dry-run', settings=account(service))
        assert done.last_line == 'Done - 1 updated, 3 skipped.'


class TestUndo:
    def test_again_and_again(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any, open_library: OpenLibrary
    ) -> None:
        folder = make_library(BOOKS)
        settings = account(service, completed_column='#completed')
        quick_cli('sync', '--library', folder, settings=settings)
        service.records = [
            LibraryRecord(11, 8902995, last_read_at=utc(5)),
            LibraryRecord(13, title='Walden', last_read_at=utc(6)),
        ]
        quick_cli('sync', '--library', folder)
        database = open_library(folder)
        database.new_api.set_field('#dateread', {3: READ})
        database.close()
        said = [quick_cli('undo', '--library', folder) for _ in range(3)]
        assert [one.returncode for one in said] == [0, 0, 0]
        moment = r'\d{4}-\d\d-\d\d \d\d:\d\d'
        patterns = [
            [
                rf'Put back 1 value that the sync of {moment} had replaced\.',
                r'1 value was changed since and left alone\.',
            ],
            [rf'Put back 2 values that the sync of {moment} had replaced\.'],
            [r'There is no sync left to undo\.'],
        ]
        for one, expected in zip(said, patterns, strict=True):
            found = one.stdout.splitlines()
            assert len(found) == len(expected), found
            assert all(re.fullmatch(pattern, line) for pattern, line in zip(expected, found, strict=True)), found
        cache = open_library(folder).new_api
        assert cache.all_field_for('#dateread', [1, 2, 3]) == {1: None, 2: None, 3: READ}
        assert cache.all_field_for('#completed', [1, 2, 3]) == {1: None, 2: None, 3: None}

    def test_nothing_to_undo_needs_no_account(self, make_library: Any, quick_cli: Any) -> None:
        done = quick_cli('undo', '--library', make_library(BOOKS), settings={})
        assert (done.returncode, done.stdout) == (0, 'There is no sync left to undo.\n')


COMPUTED = 'is computed (built from other columns) and cannot be written'


class TestErrors:
    """One line on standard error that says what to do, the right exit code, and a library as it was."""

    @pytest.mark.parametrize(
        ('changes', 'code', 'sentence'),
        [
            ({'email': ''}, 2, 'The email address of the BookFusion account is missing.'),
            ({'password': ''}, 2, 'The password of the BookFusion account is missing.'),
            ({'last_read_column': ''}, 2, 'No Last Read Column is chosen.'),
            ({'last_read_column': '#nowhere'}, 2, 'The Last Read Column #nowhere does not exist in this library.'),
            ({'last_read_column': '#completed'}, 2, 'The Last Read Column #completed is not a Date column.'),
            ({'last_read_column': 'pubdate'}, 2, 'The Last Read Column pubdate does not exist in this library.'),
            ({'bookfusion_api_base': 'http://example.org/api'}, 2, 'The address http://example.org/api is not enc'),
            ({'bookfusion_api_base': 'nonsense'}, 2, 'The address nonsense cannot be used.'),
            ({'password': 'wrong'}, 3, 'BookFusion refused the email address or the password.'),
        ],
    )
    def test_of_settings(
        self,
        make_library: Any,
        service: BookFusionStandIn,
        quick_cli: Any,
        changes: dict[str, Any],
        code: int,
        sentence: str,
    ) -> None:
        folder = make_library(BOOKS)
        before = hashes(folder)
        done = quick_cli('sync', '--library', folder, settings=account(service) | changes)
        assert done.returncode == code, done
        assert one_line(done.stderr).startswith(f'Error: {sentence}')
        assert done.stdout == ''
        assert hashes(folder) == before
        assert len(service.requests) == (1 if code == 3 else 0)

    def test_a_last_read_column_that_is_computed(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any
    ) -> None:
        folder = make_library(BOOKS, columns={**DEFAULT_COLUMNS, '#built': COMPUTED_COLUMN})
        done = quick_cli('sync', '--library', folder, settings=account(service, last_read_column='#built'))
        assert done.returncode == 2
        assert one_line(done.stderr) == (
            'Error: The Last Read Column #built is computed (built from other columns), so that it cannot be written. '
            'Choose another one in Settings.'
        )
        assert service.requests == []

    def test_other_columns_are_named_and_left_out(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any
    ) -> None:
        settings = account(
            service,
            completed_column='#gone',
            progress_column='#completed',
            status_column='#dateread',
            read_time_column='#built',
            page_size='many',
        )
        columns = {**DEFAULT_COLUMNS, '#built': COMPUTED_COLUMN}
        done = quick_cli('sync', '--library', make_library(BOOKS, columns=columns), settings=settings)
        assert done.returncode == 0
        assert done.stdout.splitlines()[:5] == [
            'Note: Setting page_size is not a number, so 100 is used.',
            'Note: the completed column #gone does not exist in this library, so it is left out.',
            'Note: the progress column #completed has the wrong type (bool), so it is left out.',
            f'Note: the read time column #built {COMPUTED}, so it is left out.',
            'Note: the status column #dateread has the wrong type (datetime), so it is left out.',
        ]
        assert done.last_line == 'Done - 1 updated, 3 skipped.'

    def test_a_column_is_never_written_for_two_things(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any, open_library: OpenLibrary
    ) -> None:
        """Each of the two would undo the other in every sync."""
        service.token = TEST_USER_TOKEN
        service._valid = {('bearer', TEST_USER_TOKEN)}
        service.records = [LibraryRecord(1, 5, 'A', last_read_at=utc(0), percentage=42.5, read_time=18000)]
        folder = make_library([{'title': 'A', 'identifiers': {'bookfusion': 5}}], columns=ALL_COLUMNS)
        settings = account(
            service,
            email='',
            password='',
            bookfusion_token=TEST_USER_TOKEN,
            progress_column='#progress',
            read_time_column='#progress',
        )
        first = quick_cli('sync', '--library', folder, settings=settings)
        assert first.returncode == 0
        assert first.stdout.splitlines()[0] == (
            'Note: the read time column #progress is the progress column as well, so it is left out.'
        )
        assert open_library(folder).new_api.field_for('#progress', 1) == 42.5
        assert quick_cli('sync', '--library', folder).last_line == 'Done - 0 updated, 0 skipped.'
        assert quick_cli('undo', '--library', folder).stdout.startswith('Put back 2 values ')
        assert open_library(folder).new_api.field_for('#progress', 1) is None

    def test_settings_that_are_not_json(self, make_library: Any, run_cli: Any, config_folder: Path) -> None:
        path = settings_path(config_folder)
        path.write_text('{"email": "reader@exam')
        done = run_cli('sync', '--library', make_library(BOOKS))
        assert done.returncode == 2
        (aside,) = path.parent.glob(f'{path.name}.unreadable-*')
        assert str(aside) in one_line(done.stderr)
        assert aside.read_text() == '{"email": "reader@exam'

    def test_a_library_that_is_none(self, quick_cli: Any, service: BookFusionStandIn, make_library: Any) -> None:
        folder = make_library(BOOKS)
        (folder / 'metadata.db').write_bytes(b'SQLite format 3\x00' + b'\xff' * 5000)
        before = hashes(folder)
        done = quick_cli('sync', '--library', folder, settings=account(service))
        assert done.returncode == 1
        assert one_line(done.stderr).startswith('Error: Calibre could not read the library (')
        assert hashes(folder) == before

    def test_a_server_that_says_something_else(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any
    ) -> None:
        folder = make_library(BOOKS)
        before = hashes(folder)
        service.fail(WrongShape({'books': []}), LIBRARY, times=None)
        done = quick_cli('sync', '--library', folder, settings=account(service))
        assert done.returncode == 1
        assert one_line(done.stderr).startswith('Error: BookFusion answered in a form that this plugin does not know')
        assert hashes(folder) == before

    @pytest.mark.parametrize('command', ['sync', 'undo'])
    def test_while_calibre_is_running(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, calibre_is_running: None, command: str
    ) -> None:
        folder = make_library(BOOKS)
        before = hashes(folder)
        done = run_cli(command, '--library', folder, settings=account(service))
        assert done.returncode == 1
        assert one_line(done.stderr) == 'Error: Calibre is running. Close it first, or start this from its window.'
        assert hashes(folder) == before
        assert service.requests == []

    def test_a_record_that_cannot_be_kept(
        self, make_library: Any, service: BookFusionStandIn, run_cli: Any, config_folder: Path
    ) -> None:
        folder = make_library(BOOKS)
        before = hashes(folder)
        plugin_folder(config_folder).mkdir(parents=True)
        (plugin_folder(config_folder) / 'undo').write_text('in the way')
        done = run_cli('sync', '--library', folder, settings=account(service))
        assert done.returncode == 1
        assert one_line(done.stderr).startswith('Error: The undo record could not be saved (')
        assert hashes(folder) == before

    def test_a_log_that_the_disk_does_not_take_does_not_deny_the_sync(
        self, make_library: Any, service: BookFusionStandIn, quick_cli: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        full = Path('/dev/full').open('a')  # noqa: SIM115  (the handler closes it)
        monkeypatch.setattr(log_file._PrivateRotatingHandler, '_open', lambda handler: full)
        done = quick_cli('sync', '--library', make_library(BOOKS), settings=account(service))
        assert (done.returncode, done.stderr) == (0, '')
        assert done.stdout.splitlines()[-1] == 'Done - 1 updated, 3 skipped.'


# Sends Ctrl-C to itself in the middle of the write.
INTERRUPTING = """
import os, signal, sys
from calibre_plugins.bookfusionbacksync.command_line import program
from calibre_plugins.bookfusionbacksync.library import calibre_library

set_fields = calibre_library.Library._set_fields

def interrupted(self, fields):
    set_field = self.api.set_field
    def slowly(*given, **more):
        os.kill(os.getpid(), signal.SIGINT)
        return set_field(*given, **more)
    self.api.set_field = slowly
    return set_fields(self, fields)

calibre_library.Library._set_fields = interrupted
sys.exit(program.main(sys.argv[1:]))
"""


def test_ctrl_c_while_writing_waits_for_the_end(
    make_library: Any,
    service: BookFusionStandIn,
    started: Any,
    config_folder: Path,
    tmp_path: Path,
    open_library: OpenLibrary,
) -> None:
    folder = make_library(BOOKS)
    write_settings(config_folder, account(service, completed_column='#completed'))
    script = tmp_path / 'interrupting.py'
    script.write_text(INTERRUPTING)
    command = [executable('calibre-debug'), '-e', str(script), '--', 'sync', '--library', str(folder)]
    with started(command) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (0, '')
    assert output.splitlines()[-1] == 'Done - 1 updated, 3 skipped.'
    cache = open_library(folder).new_api
    assert (cache.field_for('#dateread', 1), cache.field_for('#completed', 1)) == (READ, True)
