"""Secrets do not show: not by printing what holds them, not in the log, whatever was logged."""

from __future__ import annotations

import base64
import copy
import dataclasses
import errno
import io
import json
import logging
import pickle
import re
import stat
import string
import traceback
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from calibre_plugins.bookfusionbacksync.base import log_file, redaction
from calibre_plugins.bookfusionbacksync.base.redaction import HIDDEN, Secret, redact, remember
from calibre_plugins.bookfusionbacksync.base.settings import Settings
from calibre_plugins.bookfusionbacksync.services.bookfusion import Account
from harness import secrets
from hypothesis import given
from hypothesis import strategies as st

PACKAGE = 'calibre_plugins.bookfusionbacksync'
VALUE = 'gW5#nb/Q?r&é"x\\ 9%z'


@pytest.fixture(autouse=True)
def known_values_are_forgotten() -> Iterator[None]:
    """So that the odd values made up here do not blank out what other tests look at, nor theirs what these do."""
    known, pattern = set(redaction._known), redaction._pattern
    redaction._known.clear()
    redaction._pattern = None
    yield
    redaction._known.clear()
    redaction._known.update(known)
    redaction._pattern = pattern


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    log_file.stop()
    log_file.start(verbose=True)
    yield logging.getLogger(PACKAGE + '.somewhere')
    log_file.stop()


@dataclasses.dataclass(frozen=True)
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    'show',
    [
        repr,
        str,
        '{}'.format,
        '{!r:>40}'.format,
        '{:>40}'.format,
        lambda secret: f'{secret}{secret!r}{secret!s}{secret!a}{secret:x^30}',
        lambda secret: '%s %r' % (secret, secret),  # noqa: UP031
        lambda secret: string.Template('$a').substitute(a=secret),
        lambda secret: repr([secret, {'a': secret}, (secret,)]),
        lambda secret: repr(Holder(secret)),
        lambda secret: repr(Settings(password=secret, bookfusion_token=secret, hardcover_token=secret)),
        lambda secret: repr(Account('a@b.example', secret, secret, '0' * 16)),
        lambda secret: repr(ValueError(secret)) + str(ValueError(secret)),
        lambda secret: json.dumps({'a': secret}, default=str),
        lambda secret: repr(dir(secret)),
    ],
)
def test_a_secret_does_not_show(show: Callable[[Secret], str]) -> None:
    assert VALUE not in show(Secret(VALUE))
    assert 'gW5' not in show(Secret(VALUE))


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('wrapped', [lambda secret: secret, Holder, lambda secret: Settings(password=secret)])
def test_a_secret_is_not_pickled(protocol: int, wrapped: Callable[[Secret], Any]) -> None:
    with pytest.raises(TypeError, match='not written to disk'):
        pickle.dumps(wrapped(Secret(VALUE)), protocol)
    with pytest.raises(TypeError, match='not written to disk'):
        copy.deepcopy(wrapped(Secret(VALUE)))


def test_a_secret_is_no_text_and_no_json() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret(VALUE))
    with pytest.raises(TypeError):
        vars(Secret(VALUE))
    with pytest.raises(TypeError):
        'a' + Secret(VALUE)  # type: ignore[operator]


def test_a_secret_is_compared_by_its_value() -> None:
    assert Secret('a') == Secret('a') != Secret('b')
    assert Secret('a') != 'a'
    assert len({Secret('a'), Secret('a')}) == 1
    assert [bool(Secret('')), bool(Secret('a'))] == [False, True]
    assert Secret(VALUE).reveal() == VALUE


def test_a_traceback_does_not_show_it() -> None:
    def fail(secret: Secret) -> None:
        raise ValueError(f'refused: {secret}', secret)

    try:
        fail(Secret(VALUE))
    except ValueError as error:
        plain = ''.join(traceback.format_exception(error))
        with_locals = ''.join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert 'gW5' not in plain
    assert 'secret = ***' in with_locals
    assert 'gW5' not in with_locals


def lower_case_codes(value: str) -> str:
    return re.sub('%[0-9A-F]{2}', lambda code: code.group().lower(), quote(value))


@pytest.mark.parametrize('value', [VALUE, *secrets.ALL, "it's", 'aaaa', '{}{}', '\n\t\r\0', 'a\ud800b\udfffc'])
@pytest.mark.parametrize(
    'write',
    [
        str,
        repr,
        ascii,
        quote,
        lambda value: quote(value, safe=''),
        quote_plus,
        lower_case_codes,
        lambda value: urlencode({'': value}),
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: repr(value.encode()),
        lambda value: str([value]),
    ],
)
def test_a_known_value_is_taken_out_in_every_form(write: Callable[[str], str], value: str) -> None:
    remember(value)
    try:
        written = write(value)
    except UnicodeEncodeError:
        written = write('') + value
    shown = redact(f'<{written}>')
    assert re.fullmatch(r"""<[b='"\[]*\*\*\*['"\]]*>""", shown), shown


@given(st.text(min_size=4), st.text(), st.text())
def test_whatever_the_secret_it_does_not_get_through(value: str, before: str, after: str) -> None:
    Secret(value)
    for written in (value, repr(value)[1:-1], json.dumps(value)[1:-1]):
        assert written not in redact(before + written + after).replace(HIDDEN, '')


def test_short_values_do_not_blank_out_ordinary_words() -> None:
    for value in ('', 'a', 'the'):
        Secret(value)
    assert redact('the author of a book') == 'the author of a book'


NAMED = [
    'GET /api/v3/library/books.json?device=0123&token={}&page=2',
    'token={}',
    'password = {}',
    "password='{}'",
    '{{"token": "{}", "type": "password"}}',
    "{{'access_token': '{}'}}",
    '{{"hardcover_token":"{}"}}',
    '{{"booklore_password": "{}"}}',
    'X-Token: {}',
    'Authorization: Bearer {}',
    "{{'Authorization': 'Bearer {}'}}",
    'Proxy-Authorization: Basic {}',
    'accessToken={};path=/',
    'http://reader:{}@proxy.example:8080/',
    '"device_code": "{}"',
]


@pytest.mark.parametrize('text', NAMED)
@pytest.mark.parametrize('value', ['u7Kp2xQ9vL4mZ8Rt', 'YWJjOmRlZjEyMzQ1Njc4OQ==', 'eyJ0eXAi.eyJzdWIi.c2ln-nature_1'])
def test_what_stands_behind_the_name_of_a_secret_is_taken_out(text: str, value: str) -> None:
    written = text.format(value)
    shown = redact(written)
    assert value.rstrip('=') not in shown
    assert HIDDEN in shown
    assert re.split(r'[=: ]', written)[0] == re.split(r'[=: ]', shown)[0]


@pytest.mark.parametrize('value', ['pass', 'word', 'token', 'word: "x', 'a b c d', "'a', 'password': 'b'"])
def test_a_secret_that_looks_like_a_name_does_not_hide_the_names_of_others(value: str) -> None:
    remember(value)
    shown = redact(f'token={value} password=u7Kp2xQ9vL4mZ8Rt {{"password": "u7Kp2xQ9 L4mZ8Rt"}} {value}')
    assert 'u7Kp' not in shown
    assert 'L4mZ8Rt' not in shown
    assert value not in shown
    assert shown.startswith(('token=***', '***=***'))


def test_quoted_values_with_spaces_are_taken_out_whole() -> None:
    assert redact('{"password": "cor\\"rect horse", "a": 1}') == '{"password": "***", "a": 1}'
    assert redact("{'password': \"it's one\", 'a': 1}") == "{'password': \"***\", 'a': 1}"


@pytest.mark.parametrize(
    'line',
    [
        'OK Basic Economics -> 2024-11-03 (from reading_position.updated_at, match=book_id)',
        'OK Basic Electrophysiology -> 2024-11-03 (from last_read_at, match=id)',
        'OK The Bearer of Bad News -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)',
        'OK The Token: A Novel -> 2024-11-03 (from last_read_at, match=id)',
        'OK Password: Swordfish -> 2024-11-03 (from last_read_at, match=id)',
        'OK Tokens, Passwords & Secrets -> Status=Reading (lists=currently_reading, match=number)',
        "SKIP Emma -> unreadable date 'yesterday' (from last_read_at, match=id)",
        'Note: 3 books share identifier 8902995 and get the same values: Emma, Dracula',
        'OK 50:50 @ home -> 2024-11-03 (from last_read_at, match=id)',
    ],
)
def test_lines_about_books_stay_as_they_are(line: str) -> None:
    assert redact(line) == line


def test_long_lines_take_no_time() -> None:
    """Minutes, more than a test may take, if a pattern tried every start of a word again at every letter."""
    for piece in ('a', '-', 'token', 'a-', '"token": "', '://', '\\'):
        redact(piece * (200_000 // len(piece)))


def file_handler() -> log_file._PrivateRotatingHandler:
    (handler,) = (
        one for one in logging.getLogger(PACKAGE).handlers if isinstance(one, log_file._PrivateRotatingHandler)
    )
    return handler


def read_log() -> str:
    return ''.join(path.read_text(encoding='utf-8') for path in sorted(log_file.log_path().parent.glob('sync.log*')))


def test_the_log_holds_no_secret_at_any_level(log: logging.Logger) -> None:
    secret = Secret(VALUE)
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        log.log(level, 'plain %s, secret %s, url %s, json %s', VALUE, secret, quote_plus(VALUE), json.dumps(VALUE))
        log.log(level, {'password': VALUE})
    try:
        int(f'GET /?token={quote(VALUE)} {VALUE}')
    except ValueError:
        log.exception('failed with %r', VALUE, stack_info=True)
    log_file.stop()
    written = read_log()
    assert written.count(HIDDEN) >= 25
    assert 'Traceback' in written
    assert 'gW5' not in written
    assert all(form not in written for form in redaction._forms(VALUE))


def test_the_log_is_the_owners_alone_and_rotated(log: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    handler = file_handler()
    assert (handler.maxBytes, handler.backupCount) == (1024 * 1024, 2)
    monkeypatch.setattr(handler, 'maxBytes', 2000)
    for number in range(200):
        log.info('line %d', number)
    files = sorted(log_file.log_path().parent.glob('sync.log*'))
    assert [path.name for path in files] == ['sync.log', 'sync.log.1', 'sync.log.2']
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(log_file.log_path().parent.stat().st_mode) == 0o700
    assert log_file.last_lines(1)[0].endswith('line 199')


def test_debugging_is_off_unless_asked_for() -> None:
    log_file.stop()
    log_file.start()
    log = logging.getLogger(PACKAGE + '.somewhere')
    log.debug('in detail')
    log.info('in short')
    log_file.start(verbose=True)
    log.debug('in more detail')
    log_file.stop()
    lines = read_log().splitlines()
    assert [line.split(' ', 3)[3] for line in lines] == ['in short', 'in more detail']


def test_lone_surrogates_and_every_script_reach_the_log(log: logging.Logger) -> None:
    log.info('%s', 'a\ud800b \u05d0 \u4e66 \U0001f4d6')
    log_file.stop()
    assert r'a\ud800b' in read_log()
    assert '\u05d0 \u4e66 \U0001f4d6' in read_log()


def test_old_lines_are_redacted_again_when_they_are_read(log: logging.Logger) -> None:
    log.info('kL9-written-before-anybody-knew')
    log_file.stop()
    Secret('kL9-written-before-anybody-knew')
    assert log_file.last_lines(5)[-1].endswith(HIDDEN)


def test_nothing_is_printed_where_the_log_cannot_be_written(
    log: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, 'No space left on device')

    handler = file_handler()
    own, handler.stream = handler.stream, Full()  # type: ignore[assignment]
    log.error('a full disk, and %s', VALUE)
    handler.handle(logging.LogRecord(PACKAGE, logging.ERROR, __file__, 1, '%d', (VALUE,), None))
    handler.stream = own
    assert capfd.readouterr() == ('', '')


def test_nothing_is_printed_without_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    log_file.stop()
    logging.getLogger(PACKAGE + '.somewhere').error('nobody listens to %s', VALUE)
    assert capfd.readouterr() == ('', '')


def test_a_folder_that_cannot_be_written_is_no_reason_to_fail(capfd: pytest.CaptureFixture[str]) -> None:
    log_file.stop()
    log_file.log_path().mkdir()
    log_file.start()
    logging.getLogger(PACKAGE).error('no file for %s', VALUE)
    assert log_file.last_lines(5) == []
    assert capfd.readouterr() == ('', '')
    log_file.log_path().rmdir()


def test_the_root_logger_never_hears_of_it(log: logging.Logger) -> None:
    heard: list[logging.LogRecord] = []
    listener = logging.Handler()
    listener.emit = heard.append  # type: ignore[assignment, method-assign]
    logging.getLogger().addHandler(listener)
    try:
        log.error('for ourselves')
    finally:
        logging.getLogger().removeHandler(listener)
    assert heard == []


def test_basic_credentials_in_a_message() -> None:
    encoded = base64.b64encode(b'reader:u7Kp2xQ9vL4mZ8Rt').decode()
    assert encoded not in redact(f'sent Proxy-Authorization: Basic {encoded}')
