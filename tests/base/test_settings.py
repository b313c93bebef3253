"""The settings: names, defaults and types as promised, and a file that nobody else reads and nothing damages."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre.utils.config import config_dir
from calibre_plugins.bookfusionbacksync.base import about, redaction, settings
from calibre_plugins.bookfusionbacksync.base.errors import SettingsTrouble
from calibre_plugins.bookfusionbacksync.base.json_file import JsonFile
from calibre_plugins.bookfusionbacksync.base.redaction import Secret, redact
from calibre_plugins.bookfusionbacksync.library.library_preferences import save_for_library
from harness.commands import calibre_environment, executable, settings_path
from harness.secrets import TEST_PASSWORD
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

OpenLibrary = Callable[[Path], LibraryDatabase]
FILE = settings_path(Path(config_dir))

# Name, default, a good other value, values that are refused.
TABLE: list[tuple[str, Any, Any, list[Any]]] = [
    ('email', '', 'reader@example.org', [None, 5, True, [], {}]),
    ('password', '', ' p w ', [None, 5, True, []]),
    ('device', '', '0123456789abcdef', [None, 5, '0123', '0123456789ABCDEF', '0123456789abcdef0', 'g' * 16]),
    ('bookfusion_token', '', 'token', [None, 5]),
    ('last_read_column', '#dateread', '#lastread', [None, 5, ['#dateread']]),
    ('completed_column', '', '#completed', [None, True]),
    ('completed_threshold', 99.9, 50, ['99.9', None, True, -0.1, 100.1, float('nan'), float('inf'), 10**400]),
    ('progress_column', '', '#progress', [None]),
    ('read_time_column', '', '#time', [None]),
    ('status_column', '', '#status', [None]),
    ('keep_newer_date', False, True, [0, 1, 'true', None]),
    ('auto_sync_hours', 0, 0.5, ['1', -1, True, None, 8761, float('-inf')]),
    ('bookfusion_api_base', 'https://bookfusion.com/api', 'http://127.0.0.1:1/api', [None, 5]),
    ('bookfusion_user_api_base', 'https://www.bookfusion.com', 'http://127.0.0.1:1', [None, 5]),
    ('page_size', 100, 5000, ['100', 9, 5001, 100.5, True, None, -(10**400), float('inf'), float('nan')]),
    ('hardcover_token', '', 'hc_token', [None, 5]),
    ('hardcover_api_url', 'https://api.hardcover.app/v1/graphql', 'http://127.0.0.1:1/', [None, 5]),
    ('rating_column', 'rating', '#mine', [None, 5]),
    ('hardcover_restriction', '', 'tags:read', [None, 5, ['tags:read']]),
    ('hardcover_add_unshelved', False, True, [1, 'yes', None]),
    ('hardcover_clear_ratings', False, True, [1, 'yes', None]),
    ('booklore_url', '', 'http://nas.local:6060', [None, 5]),
    ('booklore_username', '', 'me', [None, 5]),
    ('booklore_password', '', 'secret', [None, 5]),
]
SECRETS = {'password', 'bookfusion_token', 'hardcover_token', 'booklore_password'}


@pytest.fixture(autouse=True)
def secrets_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The secrets of these tests are ordinary words; the other tests of this process must not find them blanked out."""
    monkeypatch.setattr(redaction, '_known', set(redaction._known))
    monkeypatch.setattr(redaction, '_pattern', redaction._pattern)


def revealed(value: Any) -> Any:
    return value.reveal() if isinstance(value, Secret) else value


def write_file(content: object, mode: int = 0o600) -> None:
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    FILE.chmod(mode)


def on_disk() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_bytes())
    return found


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


class TestDefaults:
    def test_as_promised(self) -> None:
        loaded = settings.load()
        assert loaded.problems == ()
        assert {name: revealed(value) for name, value in loaded.settings.by_key().items()} == {
            name: default for name, default, _good, _bad in TABLE
        }

    def test_secrets_have_the_type_that_hides_them(self) -> None:
        for name, *_rest in TABLE:
            assert isinstance(settings.DEFAULTS.by_key()[name], Secret) is (name in SECRETS)

    def test_names_and_the_user_agent(self) -> None:
        assert about.PLUGIN_NAME == 'BookFusion Back Sync'
        assert settings.LIBRARY_NAMESPACE == 'BookFusionBackSync'
        assert settings.settings_path() == FILE
        assert settings.plugin_folder() == FILE.with_suffix('')
        assert re.fullmatch(r'BookFusionBackSync/\d+\.\d+\.\d+ \(Calibre plugin\)', about.USER_AGENT)
        assert tuple(map(int, about.VERSION.split('.'))) > (0, 0, 4)

    def test_nothing_is_written_by_reading(self) -> None:
        settings.load()
        assert not FILE.exists()


class TestReading:
    @pytest.mark.parametrize(('name', 'default', 'good', 'bad'), TABLE, ids=[row[0] for row in TABLE])
    def test_each_key(self, name: str, default: Any, good: Any, bad: list[Any]) -> None:
        write_file({name: good})
        loaded = settings.load()
        assert revealed(loaded.settings.by_key()[name]) == good
        assert loaded.problems == ()
        for value in bad:
            write_file({name: value, 'email': 'other@example.org'} if name != 'email' else {name: value})
            before = FILE.read_bytes()
            loaded = settings.load()
            assert revealed(loaded.settings.by_key()[name]) == default
            (problem,) = loaded.problems
            shown = 'nothing' if name in SECRETS else repr(default)
            assert re.fullmatch(rf'Setting {name} is n.+, so {re.escape(shown)} is used\.', problem)
            assert FILE.read_bytes() == before

    def test_several_problems_are_all_named(self) -> None:
        write_file({'page_size': 'many', 'keep_newer_date': 'no', 'password': [TEST_PASSWORD], 'unknown': None})
        loaded = settings.load()
        assert [problem.split()[1] for problem in loaded.problems] == ['password', 'keep_newer_date', 'page_size']
        assert TEST_PASSWORD not in str(loaded)

    def test_the_threshold_may_be_zero_and_a_hundred(self) -> None:
        for value in (0, 100, 0.0, 100.0, 99.99):
            write_file({'completed_threshold': value})
            assert settings.load().settings.completed_threshold == value

    def test_a_whole_number_with_a_point_is_a_whole_number(self) -> None:
        write_file({'page_size': 250.0})
        size = settings.load().settings.page_size
        assert (size, type(size)) == (250, int)

    def test_spaces_around_texts_do_not_matter_but_in_a_password(self) -> None:
        write_file({'email': ' a@b.c \n', 'password': '  x ', 'last_read_column': ' #dateread '})
        loaded = settings.load().settings
        assert (loaded.email, loaded.password.reveal(), loaded.last_read_column) == ('a@b.c', '  x ', '#dateread')

    @pytest.mark.parametrize(
        'encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32'], ids=lambda encoding: str(encoding)
    )
    def test_any_encoding_of_json(self, encoding: str) -> None:
        """Windows' editors save with a byte order mark; Calibre's own reader would take that for an empty file."""
        write_file(json.dumps({'email': 'ä@example.org', 'mine': 'ü'}, ensure_ascii=False).encode(encoding))
        assert settings.load().settings.email == 'ä@example.org'
        settings.save({'page_size': 50})
        assert on_disk() == {'email': 'ä@example.org', 'mine': 'ü', 'page_size': 50}

    def test_an_empty_file_is_a_file_without_settings(self) -> None:
        for content in (b'', b' \n'):
            write_file(content)
            assert settings.load().settings == settings.DEFAULTS

    @given(
        st.dictionaries(
            st.sampled_from([row[0] for row in TABLE] + ['unknown']),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
                lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
                max_leaves=4,
            ),
        )
    )
    @hypothesis_settings(max_examples=300, deadline=None)
    def test_whatever_stands_there_every_value_has_its_type(self, stored: dict[str, Any]) -> None:
        loaded = settings.checked(stored)
        assert len(loaded.problems) <= len(stored)
        for name, default, _good, _bad in TABLE:
            value = revealed(loaded.settings.by_key()[name])
            kind = (int, float) if name in {'completed_threshold', 'auto_sync_hours'} else (type(default),)
            assert type(value) in kind
        redact(repr(loaded))


class TestNotJson:
    CONTENTS = (
        b'{"email": "a@b.c"',
        b'not json',
        b'[]',
        b'null',
        b'"text"',
        b'17',
        b'\xff\xfe\xff',
        b'{"a": \xff}',
        b'[' * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b'9' * 10_000 + b'}',
        b'\x00' * 50,
    )

    @pytest.mark.parametrize('content', CONTENTS, ids=range(len(CONTENTS)))
    @pytest.mark.parametrize(
        'use',
        [settings.load, settings.ensure_device, lambda: settings.save({'email': 'new@example.org'})],
        ids=['load', 'device', 'save'],
    )
    def test_set_aside_named_and_never_overwritten(self, content: bytes, use: Callable[[], Any]) -> None:
        write_file(content, mode=0o644)
        with pytest.raises(SettingsTrouble) as caught:
            use()
        assert caught.value.exit_code == 2
        (aside,) = FILE.parent.glob(f'{FILE.name}.unreadable-*')
        assert str(aside) in str(caught.value)
        assert aside.read_bytes() == content
        assert mode_of(aside) == 0o600
        assert not FILE.exists()
        # The next start begins anew, and leaves what was set aside alone.
        assert settings.load().settings == settings.DEFAULTS
        settings.save({'email': 'new@example.org'})
        assert aside.read_bytes() == content

    def test_twice_in_a_row_keeps_both(self) -> None:
        for content in (b'first', b'second'):
            write_file(content)
            with pytest.raises(SettingsTrouble):
                settings.load()
        found = sorted(path.read_bytes() for path in FILE.parent.glob(f'{FILE.name}.unreadable-*'))
        assert found == [b'first', b'second']

    def test_named_until_something_takes_its_place(self) -> None:
        """The first who meets it may be the automatic sync, which nobody watches."""
        for content in (b'first', b'second'):
            write_file(content)
            with pytest.raises(SettingsTrouble) as caught:
                settings.load()
        for _ in range(2):
            assert settings.load().problems == (str(caught.value),)
        settings.save({'email': 'new@example.org'})
        assert settings.load().problems == ()

    def test_good_settings_in_memory_do_not_overwrite_a_file_that_went_bad(self) -> None:
        settings.save({'email': 'a@b.c', 'password': TEST_PASSWORD})
        write_file(b'{"email": ')
        with pytest.raises(SettingsTrouble):
            settings.save({'page_size': 50})
        assert not FILE.exists()
        assert settings.load().settings.email == ''

    def test_a_folder_in_its_place(self) -> None:
        FILE.mkdir()
        try:
            with pytest.raises(SettingsTrouble, match='could not be read') as caught:
                settings.load()
            assert str(FILE) in str(caught.value)
        finally:
            FILE.rmdir()


@contextmanager
def modes_seen() -> Iterator[set[int]]:
    """The modes that the settings file and its temporary files ever have while inside, looked at all the time."""
    seen: set[int] = set()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            for path in FILE.parent.glob(f'*{FILE.name}*'):
                try:
                    seen.add(mode_of(path))
                except FileNotFoundError:
                    continue

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        done.set()
        watcher.join()


class TestSaving:
    def test_unknown_keys_are_kept(self) -> None:
        """Also such as Calibre itself would read as something else than they are."""
        unknown = {
            'theirs': {'nested': [1, None, 'ü', 1.5]},
            'window': {'__class__': 'bytearray', '__value__': 'AAEC'},
            'broken': {'__class__': 'datetime.datetime', '__value__': None},
            'half': '\ud83d',
            'big': 10**30,
        }
        write_file({**unknown, 'email': 'a@b.c'})
        settings.save({'email': 'new@example.org', 'password': 'x'})
        assert on_disk() == {**unknown, 'email': 'new@example.org', 'password': 'x'}
        settings.ensure_device()
        assert {key: on_disk()[key] for key in unknown} == unknown

    def test_wrong_values_of_other_keys_stay_on_disk(self) -> None:
        write_file({'page_size': 'many', 'email': 'a@b.c'})
        settings.load()
        settings.save({'email': 'new@example.org'})
        assert on_disk() == {'page_size': 'many', 'email': 'new@example.org'}

    @pytest.mark.parametrize(('stored', 'new'), [(1, True), (0, False), (True, 1), ('1', 1), (None, '')])
    def test_a_value_of_the_wrong_type_is_replaced_by_the_right_one(self, stored: Any, new: Any) -> None:
        write_file({'anything': stored})
        settings.save({'anything': new})
        assert on_disk()['anything'] is new or (on_disk()['anything'] == new and type(new) is not bool)
        assert type(on_disk()['anything']) is type(new)

    def test_what_is_there_already_is_not_written_again(self) -> None:
        settings.save({'email': 'a@b.c', 'page_size': 50})
        before = FILE.stat().st_ino
        settings.save({'page_size': 50})
        assert FILE.stat().st_ino == before

    def test_all_keys_in_one_go(self) -> None:
        with modes_seen():
            settings.save({'email': 'a@b.c', 'password': 'x'})
        assert on_disk() == {'email': 'a@b.c', 'password': 'x'}

    @pytest.mark.parametrize('old_mode', [None, 0o644, 0o666, 0o400])
    def test_mode_0600_from_the_first_moment(self, old_mode: int | None) -> None:
        before = os.umask(0)
        try:
            if old_mode is not None:
                write_file({'email': 'a@b.c'}, mode=old_mode)
                settings.load()
                assert mode_of(FILE) == 0o600
            with modes_seen() as seen:
                for number in range(20):
                    settings.save({'password': f'{number}'})
        finally:
            os.umask(before)
        assert seen <= {0o600}
        assert mode_of(FILE) == 0o600

    def test_put_to_0600_before_each_save_too(self) -> None:
        settings.save({'email': 'a@b.c'})
        FILE.chmod(0o644)
        settings.save({'email': 'a@b.c'})
        assert mode_of(FILE) == 0o600

    def test_the_folder_is_the_owners_only(self) -> None:
        before = os.umask(0)
        try:
            assert mode_of(settings.plugin_folder()) == 0o700
        finally:
            os.umask(before)

    @pytest.mark.parametrize('code', [errno.ENOSPC, errno.EACCES, errno.EROFS])
    def test_a_save_that_fails_leaves_the_old_file(self, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
        settings.save({'email': 'a@b.c', 'mine': 1})
        before = FILE.read_bytes()

        def refuse(descriptor: int) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(os, 'fsync', refuse)
            with pytest.raises(SettingsTrouble) as caught:
                settings.save({'email': 'new@example.org', 'password': TEST_PASSWORD})
        assert str(caught.value) == (
            f'The settings could not be saved to {FILE} ({os.strerror(code)}). '
            'Check the free space and the permissions there.'
        )
        assert FILE.read_bytes() == before
        assert settings.load().settings.email == 'a@b.c'
        assert [path.name for path in FILE.parent.iterdir() if path.name.startswith(f'.{FILE.name}')] == []
        settings.save({'email': 'new@example.org'})
        assert on_disk() == {'email': 'new@example.org', 'mine': 1}

    def test_a_plugin_folder_that_cannot_be_made(self) -> None:
        folder = FILE.with_suffix('')
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.write_text('in the way')
        try:
            with pytest.raises(SettingsTrouble, match='could not be saved'):
                settings.save({'email': 'a@b.c'})
            assert settings.load().settings == settings.DEFAULTS
        finally:
            folder.unlink()

    def test_what_another_process_saved_meanwhile_is_kept(self) -> None:
        settings.save({'email': 'a@b.c'})
        settings.load()
        write_file({'email': 'a@b.c', 'device': '0123456789abcdef', 'hardcover_token': 'x'})
        settings.save({'page_size': 50})
        assert on_disk() == {
            'email': 'a@b.c',
            'device': '0123456789abcdef',
            'hardcover_token': 'x',
            'page_size': 50,
        }


class TestLibrarysOwnColumns:
    def test_they_win_over_the_file(self, make_library: Any, open_library: OpenLibrary) -> None:
        cache = open_library(make_library()).new_api
        write_file({'last_read_column': '#fromfile', 'completed_column': '#fromfile', 'page_size': 50})
        cache.set_pref('last_read_column', '#own', namespace='BookFusionBackSync')
        cache.set_pref('page_size', 500, namespace='BookFusionBackSync')
        loaded = settings.load(cache).settings
        assert (loaded.last_read_column, loaded.columns['completed_column']) == ('#own', '#fromfile')
        assert loaded.page_size == 50

    def test_saving_writes_them_to_both(self, make_library: Any, open_library: OpenLibrary) -> None:
        folder, other = make_library(), open_library(make_library()).new_api
        database = open_library(folder)
        chosen = {key: f'#{key}' for key in settings.COLUMN_KEYS}
        save_for_library(database.new_api, {**chosen, 'email': 'no column'})
        assert {key: on_disk()[key] for key in settings.COLUMN_KEYS} == chosen
        assert settings.load(other).settings.columns['status_column'] == '#status_column'
        save_for_library(other, {'status_column': ''})
        database.close()
        again = open_library(folder).new_api
        assert settings.load(again).settings.columns['status_column'] == '#status_column'
        assert settings.load(other).settings.columns['status_column'] == ''
        assert settings.load().settings.columns['status_column'] == ''

    def test_an_empty_choice_is_a_choice(self, make_library: Any, open_library: OpenLibrary) -> None:
        cache = open_library(make_library()).new_api
        save_for_library(cache, {'completed_column': ''})
        write_file({'completed_column': '#fromfile'})
        assert settings.load(cache).settings.columns['completed_column'] == ''

    def test_one_of_the_wrong_type_is_named(self, make_library: Any, open_library: OpenLibrary) -> None:
        cache = open_library(make_library()).new_api
        cache.set_pref('last_read_column', ['#own'], namespace='BookFusionBackSync')
        loaded = settings.load(cache)
        assert loaded.settings.last_read_column == '#dateread'
        assert loaded.problems == ("Setting last_read_column is not a text, so '#dateread' is used.",)

    def test_the_six_column_keys(self) -> None:
        assert settings.COLUMN_KEYS == (
            'last_read_column',
            'completed_column',
            'progress_column',
            'read_time_column',
            'status_column',
            'rating_column',
        )


DEVICE_SCRIPT = """
import sys
from calibre_plugins.bookfusionbacksync.base import redaction
from calibre_plugins.bookfusionbacksync.base import settings
number = sys.argv[1]
print('ready', flush=True)
sys.stdin.readline()
print(settings.ensure_device())
settings.save({'key-' + number: number})
"""


class TestDevice:
    def test_made_once_and_kept(self) -> None:
        device = settings.ensure_device()
        assert re.fullmatch('[0-9a-f]{16}', device)
        assert on_disk()['device'] == device
        assert settings.ensure_device() == device
        assert settings.load().settings.device == device

    def test_one_that_is_there_is_kept(self) -> None:
        write_file({'device': 'fedcba9876543210'})
        before = FILE.stat().st_ino
        assert settings.ensure_device() == 'fedcba9876543210'
        assert FILE.stat().st_ino == before

    @pytest.mark.parametrize('odd', ['', 'x', 'FEDCBA9876543210', 5, None])
    def test_one_that_is_none_is_replaced(self, odd: Any) -> None:
        write_file({'device': odd, 'email': 'a@b.c'})
        device = settings.ensure_device()
        assert on_disk() == {'device': device, 'email': 'a@b.c'}

    def test_not_given_out_when_it_cannot_be_saved(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, 'No space left on device')

        monkeypatch.setattr(os, 'fsync', refuse)
        with pytest.raises(SettingsTrouble):
            settings.ensure_device()

    def test_the_same_for_all_threads(self) -> None:
        devices: list[str] = []
        gate = threading.Barrier(8)

        def ask() -> None:
            gate.wait()
            devices.append(settings.ensure_device())

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(devices) == {on_disk()['device']}
        assert len(devices) == 8

    def test_the_same_for_all_processes_and_no_key_is_lost(self, config_folder: Path, tmp_path: Path) -> None:
        script = tmp_path / 'device.py'
        script.write_text(DEVICE_SCRIPT)
        names = ['0', '1', '2', '3']
        with calibre_environment(config_folder) as environment:
            running = [
                subprocess.Popen(
                    [executable('calibre-debug'), '-e', str(script), '--', name],
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
                for name in names
            ]
            for process in running:
                assert process.stdout.readline() == 'ready\n'  # type: ignore[union-attr]
            for process in running:
                process.stdin.write('go on\n')  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
            devices = [process.communicate(timeout=30)[0].strip() for process in running]
        stored = json.loads(settings_path(config_folder).read_bytes())
        assert set(devices) == {stored['device']}
        assert {key: stored[key] for key in stored if key.startswith('key-')} == {f'key-{name}': name for name in names}


@pytest.mark.parametrize(
    ('raw', 'clean'),
    [
        ('abc', 'abc'),
        ('  abc\n', 'abc'),
        ('Bearer abc', 'abc'),
        ('bearer  abc', 'abc'),
        ('\n Bearer\tabc\r\n', 'abc'),
        ('ab\nc d', 'abcd'),
        ('Bearerabc', 'Bearerabc'),
        ('Bearer ', ''),
        ('Bearer', ''),
        ('Bearer Bearer abc', 'abc'),
        ('', ''),
        ('\ufeffBearer abc', 'abc'),
        ('abc\u200b\u00a0', 'abc'),
    ],
)
def test_clean_token(raw: str, clean: str) -> None:
    assert settings.clean_token(raw) == clean
    write_file({'hardcover_token': raw})
    assert settings.load().settings.hardcover_token.reveal() == clean


def test_upgrade_from_the_original_plugin_keeps_everything() -> None:
    """0.0.4 had the same name and the same file, written by Calibre with the mode of everything else."""
    theirs = {
        'email': 'reader@example.org',
        'password': TEST_PASSWORD,
        'device': 'c0ffee0123456789',
        'last_read_column': '#lastread',
        'completed_column': '#finished',
        'completed_threshold': 95,
        'log_level': 'DEBUG',
        'window_geometry': {'__class__': 'bytearray', '__value__': 'AdnQywADAAA='},
    }
    write_file(json.dumps(theirs, indent=2).encode(), mode=0o644)
    loaded = settings.load()
    assert loaded.problems == ()
    assert loaded.settings.email == theirs['email']
    assert loaded.settings.password.reveal() == TEST_PASSWORD
    assert loaded.settings.last_read_column == '#lastread'
    assert loaded.settings.columns['completed_column'] == '#finished'
    assert loaded.settings.completed_threshold == 95
    assert settings.ensure_device() == 'c0ffee0123456789'
    assert mode_of(FILE) == 0o600
    settings.save({'page_size': 200})
    assert on_disk() == {**theirs, 'page_size': 200}


def test_a_file_of_0_1_0_is_read_and_written_as_before() -> None:
    """Byte for byte: indented, keys sorted, as that version and Calibre itself write it."""
    theirs = (
        b'{\n  "a_later_key": {\n    "a": [],\n    "b": "\\u00fc"\n  },\n  "auto_sync_hours": 6.0,\n'
        b'  "bookfusion_token": "",\n  "completed_column": "#finished",\n  "device": "c0ffee0123456789",\n'
        b'  "email": "reader@example.org",\n  "keep_newer_date": true\n}'
    )
    write_file(theirs)
    loaded = settings.load()
    assert loaded.problems == ()
    assert loaded.settings == settings.DEFAULTS.with_values(
        {
            'auto_sync_hours': 6.0,
            'completed_column': '#finished',
            'device': 'c0ffee0123456789',
            'email': 'reader@example.org',
            'keep_newer_date': True,
        }
    )
    settings.save({'page_size': 200})
    assert FILE.read_bytes() == theirs.replace(b'true\n}', b'true,\n  "page_size": 200\n}')


def test_a_file_that_is_too_large_to_be_settings_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, 'LARGEST_FILE', 1000)
    write_file({'email': 'x' * 1000})
    with pytest.raises(SettingsTrouble, match='has been set aside'):
        settings.load()


class TestOtherPrograms:
    """The file may be a link into a folder under version control, and written by another program at any moment."""

    def test_a_symbolic_link_stays_one(self, tmp_path: Path) -> None:
        real = tmp_path / 'dotfiles' / 'settings.json'
        real.parent.mkdir()
        real.write_text('{"email": "reader@example.org", "unknown": 1}')
        FILE.symlink_to(real)
        settings.save({'page_size': 200})
        assert FILE.is_symlink()
        stored = json.loads(real.read_bytes())
        assert stored == {'email': 'reader@example.org', 'unknown': 1, 'page_size': 200}
        assert mode_of(real) == 0o600
        assert [path.name for path in real.parent.iterdir()] == [real.name]

    def test_a_link_to_a_file_that_is_not_there_yet(self, tmp_path: Path) -> None:
        FILE.symlink_to(tmp_path / 'dotfiles' / 'settings.json')
        settings.save({'page_size': 200})
        assert FILE.is_symlink()
        assert on_disk() == {'page_size': 200}

    @pytest.mark.parametrize('meanwhile', [b'', b' ', b'{"email": "rea', b'\xff'])
    @pytest.mark.parametrize(
        'use',
        [settings.load, settings.ensure_device, lambda: settings.save({'page_size': 200})],
        ids=['load', 'device', 'save'],
    )
    def test_one_that_is_being_written_is_read_again(self, meanwhile: bytes, use: Callable[[], Any]) -> None:
        write_file(meanwhile)
        content = b'{"email": "reader@example.org", "password": "kept"}'
        writer = threading.Timer(0.15, FILE.write_bytes, [content])
        writer.start()
        use()
        writer.join()
        assert on_disk().items() >= json.loads(content).items()
        assert settings.load().settings.email == 'reader@example.org'
        assert list(FILE.parent.glob(f'{FILE.name}.*')) == []

    def test_an_old_one_that_is_damaged_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write_file(b'{')
        os.utime(FILE, (1, 1))
        monkeypatch.setattr(settings, 'READ_AGAIN_AFTER', 60)
        with pytest.raises(SettingsTrouble, match='set aside'):
            settings.load()

    def test_what_is_written_over_is_what_was_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another program truncates the file between any two reads, and takes its time."""
        write_file({'email': 'reader@example.org', 'password': 'kept'})
        monkeypatch.setattr(settings, 'READ_AGAIN_AFTER', 0)
        read = JsonFile.read

        def then_truncated(file: Any) -> Any:
            found = read(file)
            FILE.write_bytes(b'')
            return found

        with monkeypatch.context() as patch:
            patch.setattr(JsonFile, 'read', then_truncated)
            device = settings.ensure_device()
        assert on_disk() == {'email': 'reader@example.org', 'password': 'kept', 'device': device}

    def test_a_device_that_was_loaded_is_not_read_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write_file({'device': 'c0ffee0123456789'})
        known = settings.load().settings.device
        FILE.write_bytes(b'')
        assert settings.ensure_device(known) == 'c0ffee0123456789'
        assert FILE.read_bytes() == b''

    def test_a_fifo_holds_nobody_up(self) -> None:
        os.mkfifo(FILE)
        try:
            with pytest.raises(SettingsTrouble, match='not a plain file'):
                settings.load()
        finally:
            FILE.unlink()


def test_lock_and_folder_are_the_owners_only() -> None:
    folder = settings.plugin_folder()
    (folder / settings.LOCK_NAME).touch(0o644)
    folder.chmod(0o755)
    before = os.umask(0)
    try:
        settings.save({'page_size': 200})
    finally:
        os.umask(before)
    assert (mode_of(folder), mode_of(folder / settings.LOCK_NAME)) == (0o700, 0o600)


def test_copies_that_a_kill_left_are_removed_and_nothing_else(tmp_path: Path) -> None:
    own = settings.plugin_folder()
    records = own / 'undo' / 'some-library'
    records.mkdir(parents=True)
    real = tmp_path / 'dotfiles' / 'settings.json'
    real.parent.mkdir()
    real.write_text('{}')
    FILE.symlink_to(real)
    left = [
        FILE.with_name(f'.{FILE.name}-a1b2c3d_'),
        own / '.last_sync.json-abcdefgh',
        records / '.00000001-20240101T000000Z.pending.json-abcd1234',
        real.with_name(f'.{real.name}-abcdefgh'),
    ]
    others = [
        FILE.with_name('.another plugin.json-abcdefgh'),
        own / '.last_sync.json-abc',
        own / 'last_sync.json-abcdefgh',
        records / '00000001-20240101T000000Z.json',
        real.with_name('.gitignore-abcdefgh'),
        real,
    ]
    for path in (*left, *others):
        path.write_text('{}')
    settings.tidy()
    assert [path for path in left if path.exists()] == []
    assert [path for path in others if not path.exists()] == []
    others[0].unlink()


def test_a_copy_that_another_start_removes_is_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync
    seen: list[int] = []

    def then_tidied(handle: int) -> None:
        fsync(handle)
        if not seen:
            seen.append(1)
            settings.tidy()

    monkeypatch.setattr(os, 'fsync', then_tidied)
    settings.save({'page_size': 200})
    assert seen
    assert on_disk() == {'page_size': 200}
