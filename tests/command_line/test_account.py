"""The commands sign-in, sign-out and check, as the installed plugin runs them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.bookfusion import account, book
from harness.commands import calibre_environment, plugin_command, settings_path, write_settings
from harness.secrets import ALL, TEST_DEVICE_CODE, TEST_PASSWORD, TEST_USER_TOKEN, leaks
from standins import faults
from standins.bookfusion import DEVICE_CODE, DEVICE_TOKEN, BookFusionStandIn, generate_records

SIGN_IN_TIMES = {'device_interval': 0.1}


@pytest.fixture
def server() -> Iterator[BookFusionStandIn]:
    with BookFusionStandIn(generate_records(250), token=TEST_USER_TOKEN, password=TEST_PASSWORD) as running:
        yield running
        assert running.violations == []


def test_sign_in_and_sign_out(server: BookFusionStandIn, run_cli: Any, config_folder: Path) -> None:
    server.set_options(**SIGN_IN_TIMES)
    done = run_cli('sign-in', settings={'bookfusion_user_api_base': server.user_api_base})
    assert done.returncode == 0, done
    assert done.stdout.splitlines() == [
        f'Open {server.origin}/device in a browser, on any device, and enter this code: BKFN-2468',
        f'Or open {server.origin}/device?code=BKFN-2468, where it is filled in.',
        'Waiting until you have done so; the code is good for 10 minutes.',
        'Signed in to BookFusion: 250 books in the library.',
    ]
    assert done.stderr == ''
    assert json.loads(settings_path(config_folder).read_text())['bookfusion_token'] == TEST_USER_TOKEN
    log = (config_folder / 'plugins' / 'bookfusionbacksync' / 'sync.log').read_text()
    assert 'Signed in' in log
    assert 'BKFN-2468' not in log

    again = run_cli('sign-out')
    assert (again.returncode, again.stdout) == (0, 'Signed out of BookFusion.\n')
    assert json.loads(settings_path(config_folder).read_text())['bookfusion_token'] == ''
    assert run_cli('sign-out').stdout == 'There was no browser sign-in to forget.\n'


@pytest.mark.parametrize('token', ['', TEST_USER_TOKEN], ids=['failing', 'succeeding'])
def test_sign_in_shows_no_secret_though_it_is_debugged(
    server: BookFusionStandIn, run_cli: Any, config_folder: Path, token: str
) -> None:
    answer = {
        'device_code': TEST_DEVICE_CODE,
        'user_code': 'BKFN-2468',
        'verification_uri': 'https://www.bookfusion.com/device',
        'verification_uri_complete': 'https://www.bookfusion.com/device?code=BKFN-2468',
        'interval': 0.1,
        'expires_in': 0.5,
    }
    server.fail(faults.WrongShape(answer), DEVICE_CODE)
    server.fail(faults.WrongShape({'access_token': token}), DEVICE_TOKEN, times=None)
    given = {'bookfusion_user_api_base': server.user_api_base}
    done = run_cli('sign-in', settings=given, env={'CALIBRE_DEBUG': '1'})
    assert done.returncode == (0 if token else 3), done
    log = (config_folder / 'plugins' / 'bookfusionbacksync' / 'sync.log').read_text()
    assert not leaks((log + done.stdout + done.stderr).encode(), ALL)


def test_sign_in_keeps_a_password_that_nobody_can_be_asked_about(
    server: BookFusionStandIn, run_cli: Any, config_folder: Path
) -> None:
    server.set_options(**SIGN_IN_TIMES)
    given = {'bookfusion_user_api_base': server.user_api_base, 'email': 'a@example.org', 'password': TEST_PASSWORD}
    done = run_cli('sign-in', settings=given, stdin='y\n')
    assert done.returncode == 0, done
    assert 'The stored password was kept' in done.stdout
    assert json.loads(settings_path(config_folder).read_text())['password'] == TEST_PASSWORD


@pytest.mark.parametrize(
    ('answers', 'sentence'),
    [
        (['access_denied'], 'Error: The sign-in was denied in the browser. Start it again and choose Allow there.\n'),
        (['expired_token'], 'Error: The code was not entered in time. Start the sign-in again.\n'),
    ],
)
def test_sign_in_says_why_it_did_not(
    server: BookFusionStandIn, run_cli: Any, answers: list[str], sentence: str
) -> None:
    server.set_options(device_answers=answers, **SIGN_IN_TIMES)
    done = run_cli('sign-in', settings={'bookfusion_user_api_base': server.user_api_base})
    assert done.returncode == 3
    assert done.stderr.endswith(sentence)


def test_sign_in_fails_where_there_is_no_such_thing(server: BookFusionStandIn, run_cli: Any) -> None:
    server.fail(faults.Status(404), DEVICE_CODE)
    done = run_cli('sign-in', settings={'bookfusion_user_api_base': server.user_api_base})
    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.splitlines()[-1].startswith('Error: BookFusion no longer answers at the address')


class OnATerminal:
    """The command in a terminal of its own, where somebody types."""

    def __init__(self, config: Path, arguments: tuple[str, ...], answers: dict[str, str]) -> None:
        self.answers = dict(answers)
        self.output = ''
        master, slave = os.openpty()
        with calibre_environment(config) as environment:
            self.process = subprocess.Popen(
                plugin_command(*arguments),
                stdin=slave,
                stdout=slave,
                stderr=slave,
                env=environment,
                start_new_session=True,
            )
            os.close(slave)
            self.read(master)
            self.returncode = self.process.wait(timeout=30)
        os.close(master)

    def read(self, master: int) -> None:
        # The end of the other side's terminal is an error here.
        with contextlib.suppress(OSError):
            while data := os.read(master, 4096):
                self.output += data.decode(errors='replace')
                self.output = self.output.replace('\r\x1b[K', '\n')
                for prompt in [prompt for prompt in self.answers if prompt in self.output]:
                    answer = self.answers.pop(prompt)
                    if answer == 'SIGINT':
                        os.killpg(self.process.pid, signal.SIGINT)
                    else:
                        os.write(master, answer.encode())


QUESTION = 'Erase it? [y/n] '


@pytest.mark.skipif(sys.platform == 'win32', reason='there are no pseudo-terminals on Windows')
@pytest.mark.parametrize(
    ('typed', 'erased', 'code', 'last'),
    [
        ('maybe\ny\n', True, 0, 'The stored password was erased.'),
        ('N\n', False, 0, 'The stored password was kept; it is not used as long as you are signed in with a browser.'),
        ('\x04', False, 0, 'The stored password was kept; it is not used as long as you are signed in with a browser.'),
        ('SIGINT', False, 4, 'Cancelled - you are signed in, and the stored password was kept.'),
    ],
)
def test_sign_in_asks_about_the_password_on_a_terminal(
    server: BookFusionStandIn, config_folder: Path, evidence: Any, typed: str, erased: bool, code: int, last: str
) -> None:
    server.set_options(**SIGN_IN_TIMES)
    given = {'bookfusion_user_api_base': server.user_api_base, 'email': 'a@example.org', 'password': TEST_PASSWORD}
    write_settings(config_folder, given)
    done = OnATerminal(config_folder, ('sign-in',), {QUESTION: typed})
    evidence.add_output('sign-in on a terminal', 'command-stdout', done.output)
    assert done.returncode == code, done.output
    assert done.output.strip().splitlines()[-1] == last
    after = json.loads(settings_path(config_folder).read_text())
    assert after['password'] == ('' if erased else TEST_PASSWORD)
    assert after['bookfusion_token'] == TEST_USER_TOKEN


@pytest.mark.skipif(sys.platform == 'win32', reason='there are no pseudo-terminals on Windows')
def test_ctrl_c_ends_the_wait_of_sign_in(server: BookFusionStandIn, config_folder: Path) -> None:
    server.set_options(device_answers=['authorization_pending'])
    write_settings(config_folder, {'bookfusion_user_api_base': server.user_api_base})
    done = OnATerminal(config_folder, ('sign-in',), {'Waiting for the code': 'SIGINT'})
    assert done.returncode == 4, done.output
    assert done.output.rstrip().endswith('Cancelled - not signed in.')
    assert json.loads(settings_path(config_folder).read_text()).get('bookfusion_token', '') == ''


def test_check(server: BookFusionStandIn, run_cli: Any, make_library: Any) -> None:
    records = server.records[:5]
    library = make_library([book(record) for record in records])
    done = run_cli('check', '--library', library, settings=account(server))
    assert (done.returncode, done.stderr) == (0, '')
    assert done.stdout.splitlines()[0].startswith('BookFusion Back Sync 0.')
    assert done.last_line == 'A sync will work.'
    done = run_cli('check', '--json', '--library', library)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2] == 'A sync will work.'
    assert done.json['works'] is True
    assert done.json['bookfusion']['per_page'] == 'honoured'


def test_check_that_finds_a_problem(server: BookFusionStandIn, run_cli: Any, make_library: Any) -> None:
    library = make_library()
    given_settings = {'bookfusion_token': 'expired-0123456789', 'bookfusion_user_api_base': server.user_api_base}
    done = run_cli('check', '--json', '--library', library, settings=given_settings)
    assert done.returncode == 3
    assert done.stdout.splitlines()[-2] == 'A sync will not work: BookFusion does not accept the sign-in.'
    sentence = 'The sign-in to BookFusion has expired. Sign in again in Settings.'
    assert done.json['error'] == sentence
    assert done.stderr.splitlines()[-1] == f'Error: {sentence}'


def test_check_without_a_library(server: BookFusionStandIn, run_cli: Any, tmp_path: Path) -> None:
    given_settings = {'bookfusion_token': server.token, 'bookfusion_user_api_base': server.user_api_base}
    done = run_cli('check', '--library', tmp_path / 'nowhere', settings=given_settings)
    assert done.returncode == 2
    assert 'BookFusion: 250 records, as Total-Count says.' in done.stdout
    assert 'There is no Calibre library at' in done.stderr


def test_check_while_calibre_is_running(
    server: BookFusionStandIn, run_cli: Any, make_library: Any, calibre_is_running: None
) -> None:
    given_settings = {'bookfusion_token': server.token, 'bookfusion_user_api_base': server.user_api_base}
    done = run_cli('check', '--library', make_library(), settings=given_settings)
    assert done.returncode == 0, done
