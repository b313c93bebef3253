"""Tests of the harness: libraries, the search for secrets, the network namespace, Calibre's lock, modal dialogs."""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import subprocess
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre.utils.config import config_dir
from calibre_plugins.bookfusionbacksync.base import log_file, settings
from calibre_plugins.bookfusionbacksync.library.calibre_library import Cell
from calibre_plugins.bookfusionbacksync.library.undo import UndoRecords
from harness import secrets
from harness.commands import calibre_environment, executable, run, settings_path, write_settings
from harness.evidence import Evidence
from harness.lock import CalibreLock
from harness.modal import ModalWatchdog
from harness.start import IMPORT_NAME
from qt.core import QApplication, QMessageBox, QTimer

OpenLibrary = Callable[[Path], LibraryDatabase]


def test_library_holds_what_was_asked_for(make_library: Any, open_library: OpenLibrary) -> None:
    read = datetime(2024, 11, 3, 22, 30, tzinfo=timezone.utc)
    folder = make_library(
        [
            {'title': 'Emma', 'authors': ['Jane Austen'], 'identifiers': {'bookfusion': 8902995}, '#dateread': read},
            {'title': 'Dracula', 'rating': 8, '#completed': True},
        ]
    )
    cache = open_library(folder).new_api
    assert cache.all_field_for('title', [1, 2]) == {1: 'Emma', 2: 'Dracula'}
    assert cache.field_for('authors', 1) == ('Jane Austen',)
    assert cache.field_for('identifiers', 1) == {'bookfusion': '8902995'}
    assert cache.field_for('rating', 2) == 8
    assert cache.all_field_for('#dateread', [1, 2]) == {1: read, 2: None}
    assert cache.all_field_for('#completed', [1, 2]) == {1: None, 2: True}


def test_libraries_have_columns_and_an_id_of_their_own(make_library: Any, open_library: OpenLibrary) -> None:
    enumeration = {'datatype': 'enumeration', 'display': {'enum_values': ['Reading', 'Read']}}
    plain, other = make_library(), make_library(columns={'#note': 'text', '#state': enumeration})
    first, second = open_library(plain).new_api, open_library(other).new_api
    assert set(first.field_metadata.custom_field_keys()) == {'#dateread', '#completed'}
    assert set(second.field_metadata.custom_field_keys()) == {'#note', '#state'}
    assert second.field_metadata['#state']['display']['enum_values'] == ['Reading', 'Read']
    assert first.library_id != second.library_id
    assert first.library_id != open_library(make_library()).new_api.library_id


# More runs than workers (four at most), so that at least two are in the same process.
@pytest.mark.parametrize('_again', range(9))
def test_every_test_finds_the_plugin_as_newly_installed(_again: int) -> None:
    plugins = Path(config_dir, 'plugins')
    assert list(plugins.glob(f'{IMPORT_NAME}*')) == []
    assert settings.load() == settings.Loaded(settings.Settings(), ())
    settings.save({'email': 'left@example.org', 'page_size': 17, 'of_another_version': True})
    assert settings.load().settings.page_size == 17
    log_file.start()
    logging.getLogger(log_file.__name__).warning('left behind')
    assert len(log_file.last_lines(10)) == 1
    UndoRecords(settings.plugin_folder(), 'a library')._add([Cell(1, '#read', None, True)])


@pytest.mark.parametrize(
    'write',
    [
        lambda secret: f'token={secret}',
        lambda secret: json.dumps({'password': secret}),
        lambda secret: urlencode({'token': secret}),
        repr,
        ascii,
        lambda secret: base64.b64encode(f'me@example.org:{secret}'.encode()).decode(),
        lambda secret: base64.b64encode(f'you@example.org:{secret}!'.encode()).decode(),
        lambda secret: base64.b64encode(f'x:{secret} and more'.encode()).decode(),
    ],
)
@pytest.mark.parametrize('secret', secrets.ALL, ids=lambda secret: secret[:6])
def test_a_leaked_secret_is_found(write: Callable[[str], str], secret: str, tmp_path: Path) -> None:
    evidence = Evidence(tmp_path / 'evidence')
    evidence.add_output('test', 'stdout', 'nothing here')
    evidence.add_output('test', 'stdout', write(secret))
    assert evidence.leaks() == {'main-000001-test-stdout': [f'{secret[:6]}...']}


def test_evidence_of_several_processes_comes_together(tmp_path: Path) -> None:
    one, other = Evidence(tmp_path, 'one'), Evidence(tmp_path, 'other')
    one.add_secrets(['a secret of its own'])
    one.add_output('test', 'stdout', 'nothing here')
    other.add_output('test', 'stdout', 'a secret of its own')
    with pytest.raises(TimeoutError):
        one.wait_for_others(1, seconds=0.1)
    other.end()
    one.wait_for_others(1, seconds=0.1)
    assert one.leaks() == {'other-000000-test-stdout': ['a secr...']}


def test_secrets_are_allowed_where_they_belong_only(tmp_path: Path) -> None:
    folder = tmp_path / 'config'
    write_settings(folder, {'password': secrets.TEST_PASSWORD})
    folder.joinpath('plugins', 'sync.log').write_text(f'signing in with {secrets.TEST_TOKEN}', encoding='utf-8')
    evidence = Evidence(tmp_path / 'evidence')
    evidence.add_folder('test', folder)
    assert evidence.leaks() == {'main-000000-test-sync.log': [f'{secrets.TEST_TOKEN[:6]}...']}


def test_a_calibre_outside_the_tests_is_named_at_once(config_folder: Path, calibre_lock: CalibreLock) -> None:
    """For systems without network namespaces. A second process plays the user's Calibre."""
    if not calibre_lock.isolated:
        pytest.skip('other tests that run at the same time take the same lock')
    program = "from calibre.utils.lock import singleinstance; print(singleinstance('db'), flush=True); input()"
    shared_lock = CalibreLock(isolated=False)
    with calibre_environment(config_folder) as environment:
        command = [executable('calibre-debug'), '-c', program]
        pipes: dict[str, Any] = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'text': True}
        with subprocess.Popen(command, env=environment, **pipes) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == 'True\n'
            with (
                pytest.raises(RuntimeError, match='A Calibre of this user is running'),
                shared_lock.free_for_subprocess(),
            ):
                pass
            other.communicate('\n')
    with shared_lock.hold(), shared_lock.free_for_subprocess():
        pass


@pytest.mark.parametrize('time', ['first', 'second'])
def test_settings_of_one_test_do_not_reach_the_next(time: str) -> None:
    path = settings_path(Path(config_dir))
    own_folder = path.with_suffix('')
    assert not path.exists()
    assert not own_folder.exists()
    write_settings(Path(config_dir), {'email': f'{time}@example.org'})
    own_folder.mkdir()


def test_calibre_leaves_the_users_folders_alone() -> None:
    assert not Path(config_dir).is_relative_to(Path.home() / '.config')
    assert os.environ['CALIBRE_CONFIG_DIRECTORY'] == str(Path(config_dir))


def test_no_way_out_of_the_tests_own_network(calibre_lock: CalibreLock) -> None:
    if not calibre_lock.isolated:
        pytest.skip('this system gives an ordinary user no network namespace')
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as outside, pytest.raises(OSError, match='unreachable'):
        # An address for documentation (RFC 5737), where there is no host.
        outside.connect(('192.0.2.1', 443))


def test_lock_is_seen_by_other_processes(calibre_is_running: None, config_folder: Path, make_library: Any) -> None:
    command = [executable('calibredb'), 'list', '--library-path', str(make_library())]
    with calibre_environment(config_folder) as environment:
        done = run(command, environment, 60)
    assert done.returncode == 1, done
    assert 'Another calibre program' in done.stderr


def test_lock_is_free_otherwise(config_folder: Path, make_library: Any) -> None:
    command = [executable('calibredb'), 'list', '--library-path', str(make_library([{'title': 'Emma'}]))]
    with calibre_environment(config_folder) as environment:
        done = run(command, environment, 60)
    assert done.returncode == 0, done
    assert 'Emma' in done.stdout


def test_a_modal_dialog_that_nobody_answers_is_ended(qapp: QApplication) -> None:
    watchdog = ModalWatchdog(patience=0.5)
    box = QMessageBox(QMessageBox.Icon.Question, 'A title', 'A question')
    box.exec()
    (said,) = watchdog.stop()
    assert 'A question' in said


def test_a_modal_dialog_that_is_answered_is_left_alone(qapp: QApplication) -> None:
    watchdog = ModalWatchdog(patience=5)
    box = QMessageBox(QMessageBox.Icon.Question, 'A title', 'A question', QMessageBox.StandardButton.Yes)
    QTimer.singleShot(600, lambda: box.done(QMessageBox.StandardButton.Yes))
    assert box.exec() == QMessageBox.StandardButton.Yes
    assert watchdog.stop() == []
