"""The log file: of bounded size, for its owner's eyes, without secrets, and never a reason for anything to fail."""

from __future__ import annotations

import errno
import logging
import stat
from collections.abc import Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path

import pytest
from calibre_plugins.bookfusionbacksync.base import log_file as logs
from calibre_plugins.bookfusionbacksync.base.redaction import Secret

logger = logging.getLogger(logs.__name__)
MEGABYTE = 1024 * 1024
# Not one that other tests use: pytest keeps what was logged as it came, and all of that is searched for those.
OWN_SECRET = 'uN4+vXw of this module alone'


@pytest.fixture(autouse=True)
def log_file() -> Iterator[Path]:
    """A log file that begins empty, and is gone at the end."""

    def files() -> list[Path]:
        return list(logs.log_path().parent.glob(f'{logs.FILE_NAME}*'))

    logs.stop()
    for path in files():
        path.unlink()
    yield logs.log_path()
    logs.stop()
    for path in files():
        path.unlink()


def test_three_files_of_a_megabyte_for_their_owner_alone(log_file: Path) -> None:
    logs.start()
    line = 'x' * 10_000
    for number in range(500):
        logger.info('%d %s', number, line)
    files = sorted(log_file.parent.glob(f'{log_file.name}*'))
    assert [path.name for path in files] == ['sync.log', 'sync.log.1', 'sync.log.2']
    assert all(path.stat().st_size <= MEGABYTE for path in files)
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert log_file.read_text().splitlines()[-1].endswith(f'INFO 499 {line}'), 'the newest is in the first file'


def test_one_that_others_could_read_is_closed_to_them(log_file: Path) -> None:
    log_file.write_text('from before\n')
    log_file.chmod(0o644)
    logs.start()
    logger.info('from now')
    assert stat.S_IMODE(log_file.stat().st_mode) == 0o600
    assert [line.rpartition(' ')[2] for line in logs.last_lines(10)] == ['before', 'now']
    assert [line.rpartition(' ')[2] for line in logs.last_lines(1)] == ['now']


def test_no_secret_gets_in_even_by_a_traceback(log_file: Path) -> None:
    logs.start()
    secret = Secret(OWN_SECRET)
    try:
        int(secret.reveal())
    except ValueError:
        logger.exception('It failed with %s', secret.reveal())
    logger.info('%s', secret)
    written = log_file.read_text()
    assert OWN_SECRET not in written
    assert "ValueError: invalid literal for int() with base 10: '***'" in written


def test_started_twice_every_line_is_there_once(log_file: Path) -> None:
    logs.start()
    logs.start()
    logger.info('once')
    logs.stop()
    logger.info('after the end')
    assert len(log_file.read_text().splitlines()) == 1


@pytest.mark.parametrize('verbose', [False, True])
def test_details_only_where_they_are_asked_for(log_file: Path, verbose: bool) -> None:
    logs.start(verbose)
    logger.debug('a detail')
    assert ('a detail' in log_file.read_text()) == verbose


def test_texts_that_no_encoding_can_write(log_file: Path) -> None:
    logs.start()
    logger.info('half a \ud800 surrogate, \u05d0 and \U0001f600')
    assert log_file.read_text(encoding='utf-8').rstrip().endswith('half a \\ud800 surrogate, \u05d0 and \U0001f600')


def test_a_log_that_cannot_be_written_is_no_trouble(log_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log_file.mkdir()
    try:
        logs.start()
        logger.warning('nobody hears this')
        assert logs.last_lines(5) == []
    finally:
        log_file.rmdir()
    assert 'nobody hears this' not in capfd.readouterr().err


def test_a_disk_that_takes_no_more_shows_nothing_to_anybody(
    log_file: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What logging itself prints then is a traceback, with the message as it was before redaction."""
    logs.start()
    root = logging.getLogger(logs.__package__.rpartition('.')[0])
    (handler,) = (one for one in root.handlers if isinstance(one, RotatingFileHandler))

    def full(text: str) -> int:
        raise OSError(errno.ENOSPC, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(handler.stream, 'write', full, raising=False)
        logger.info('the password is %s', Secret(OWN_SECRET).reveal())
    assert capfd.readouterr().err == ''
    logger.info('and on')
    assert len(log_file.read_text().splitlines()) == 1


def test_no_message_and_no_exception_forges_a_line(log_file: Path) -> None:
    logs.start()
    hostile = 'Emma\n2026-01-01 00:00:00,000 INFO forged\x1b[2J\x07\u202e\x00\x9b'

    def fail() -> None:
        raise ValueError(hostile)

    logger.info('%s', hostile)
    try:
        fail()
    except ValueError:
        logger.exception('It failed')
    written = log_file.read_text()
    assert not {*written} & {*'\x1b\x07\u202e\x00\x9b'}
    lines = written.splitlines()
    assert lines[0].endswith('INFO Emma 2026-01-01 00:00:00,000 INFO forged [2J ')
    assert [line for line in lines if line.startswith('2026-01-01')] == []
    assert lines[2] == 'Traceback (most recent call last):'
    assert lines[-1].startswith('    2026-01-01 00:00:00,000 INFO forged')


def test_a_log_that_cannot_be_closed_is_no_trouble(log_file: Path) -> None:
    """What a full disk did not take is still in the buffer, and closing tries to write it again."""
    logs.start()
    root = logging.getLogger(logs.__package__.rpartition('.')[0])
    (handler,) = (one for one in root.handlers if isinstance(one, RotatingFileHandler))
    handler.setStream(Path('/dev/full').open('a'))  # noqa: SIM115  (the handler closes it)
    logger.info('x' * 100)
    logs.stop()
    assert not any(isinstance(one, RotatingFileHandler) for one in root.handlers)
