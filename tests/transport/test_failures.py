"""What the standard library raises, as our errors."""

from __future__ import annotations

import http.client
import socket
import ssl
import zlib

import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.errors import BackSyncError, BadAnswer, ServerTrouble, SettingsTrouble
from calibre_plugins.bookfusionbacksync.base.text import Text, text
from calibre_plugins.bookfusionbacksync.transport.failures import (
    RAISED,
    Attempt,
    BodyTooLarge,
    ProxyInTrouble,
    ProxyRefused,
    Stage,
    TryFailed,
    error_for,
    plain_reason,
)

CONNECTING, WAITING, READING = Stage


def attempt(stage: Stage) -> Attempt:
    return Attempt('The service', 'books.example', stage, max_body=2_500_000)


def told(sentence: Text, reason: str = '') -> str:
    """The sentence as one of `attempt` tells it."""
    return str(
        sentence.with_values(
            service='The service', host='books.example', address='books.example', megabytes=2, reason=reason
        )
    )


@pytest.mark.parametrize(
    ('raised', 'stage', 'sent', 'sentence'),
    [
        (ConnectionRefusedError(111, 'x'), CONNECTING, False, told(errors.NOT_REACHED, 'connection refused')),
        (ConnectionResetError(104, 'x'), CONNECTING, False, told(errors.NOT_REACHED, 'connection reset')),
        (TimeoutError(), CONNECTING, False, told(errors.NOT_REACHED, 'no answer')),
        (ssl.SSLEOFError(8, 'x'), CONNECTING, False, told(errors.NOT_REACHED, 'no secure connection: TLS')),
        (ConnectionResetError(104, 'x'), WAITING, True, told(errors.BROKE_OFF, 'closed without an answer')),
        (http.client.RemoteDisconnected('x'), WAITING, True, told(errors.BROKE_OFF, 'closed without an answer')),
        (ssl.SSLZeroReturnError(6, 'x'), WAITING, True, told(errors.BROKE_OFF, 'closed without an answer')),
        (TimeoutError(), WAITING, True, told(errors.TOO_SLOW)),
        (http.client.BadStatusLine('x'), WAITING, True, told(errors.BROKE_OFF, 'the answer was garbled')),
        (OSError(113, 'No route to host'), WAITING, True, told(errors.BROKE_OFF, 'No route to host')),
        (ConnectionResetError(104, 'x'), READING, True, told(errors.BROKE_OFF, 'connection reset')),
        (TimeoutError(), READING, True, told(errors.TOO_SLOW)),
        (http.client.IncompleteRead(b''), READING, True, told(errors.BROKE_OFF, 'the answer was cut short')),
        (zlib.error('x'), READING, True, told(errors.BROKE_OFF, 'the answer was garbled')),
        (EOFError(), READING, True, told(errors.BROKE_OFF, 'the answer was garbled')),
        (ProxyInTrouble(text('HTTP 502')), CONNECTING, False, told(errors.NOT_REACHED, 'HTTP 502')),
    ],
)
def test_what_another_try_may_mend(raised: Exception, stage: Stage, sent: bool, sentence: str) -> None:
    failed = error_for(raised, attempt(stage))
    assert isinstance(failed, TryFailed)
    assert (type(failed.error), str(failed.error), failed.sent) == (ServerTrouble, sentence, sent)
    assert failed.retry_after is None


@pytest.mark.parametrize('stage', Stage)
@pytest.mark.parametrize(
    ('raised', 'kind', 'sentence'),
    [
        (BodyTooLarge(), BadAnswer, told(errors.TOO_LARGE)),
        (ssl.SSLCertVerificationError(1, 'x'), ServerTrouble, told(errors.CERTIFICATE)),
        (http.client.InvalidURL('x'), SettingsTrouble, told(errors.BAD_ADDRESS)),
        (ProxyRefused(text('not today')), ServerTrouble, told(errors.NOT_REACHED, 'not today')),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_other_try_mends(stage: Stage, raised: Exception, kind: type[BackSyncError], sentence: str) -> None:
    error = error_for(raised, attempt(stage))
    assert (type(error), str(error)) == (kind, sentence)


@pytest.mark.parametrize('stage', Stage)
@pytest.mark.parametrize('kind', RAISED)
def test_the_table_has_a_row_for_everything_at_any_time(kind: type[Exception], stage: Stage) -> None:
    raised = kind(text('x')) if issubclass(kind, ProxyRefused) else kind('x')
    assert isinstance(error_for(raised, attempt(stage)), TryFailed | BackSyncError)


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (socket.gaierror(socket.EAI_NONAME, 'secret.example unknown'), 'its name could not be looked up'),
        (TimeoutError(), 'no answer'),
        (ConnectionRefusedError(111, 'x'), 'connection refused'),
        (BrokenPipeError(32, 'x'), 'connection reset'),
        (OSError(113, 'No route to host'), 'No route to host'),
        (OSError('Tunnel connection failed: ask secret'), 'no connection'),
        (OSError('secret'), 'no connection'),
        (OSError(), 'no connection'),
        (ssl.SSLError(1, 'x'), 'no secure connection: TLS'),
        (UnicodeDecodeError('utf-8', b'secret', 0, 1, 'x'), 'the answer was garbled'),
    ],
)
def test_reasons_in_plain_words(error: Exception, words: str) -> None:
    assert str(plain_reason(error)).startswith(words)
    assert 'secret' not in str(plain_reason(error))
