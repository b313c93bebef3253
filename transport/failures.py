# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps exceptions of the standard library during a request to the plugin's errors: the table FAILURES.

Besides the exception, the stage of the request decides: a time-out while connecting has another message than one while
reading. The table also says which errors are worth a retry. Nothing here opens a connection.
"""

from __future__ import annotations

import enum
import http.client
import socket
import ssl
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from ..base import errors
from ..base.errors import BackSyncError, BadAnswer, ServerTrouble, SettingsTrouble
from ..base.text import Text, text
from .request import MEGABYTE


class BodyTooLarge(Exception):
    """A body larger than Limits.max_body."""


class ProxyRefused(Exception):
    """A proxy whose address cannot be used, or that refuses the connection. A retry would not help."""

    def __init__(self, reason: Text) -> None:
        super().__init__()
        self.reason = reason


class ProxyInTrouble(ProxyRefused):
    """A proxy that cannot connect to the server. A retry may help."""


class NotPublic(Exception):
    """A host in a local network or this computer, in place of one on the internet."""


class TryFailed(Exception):
    """A try that failed; a retry may succeed. `error` is to be raised if there is no further retry.

    `sent` is True if the server may have executed the request. `retry_after` is the wait in seconds that the server
    asked for, None if it did not.
    """

    def __init__(self, error: ServerTrouble, sent: bool, retry_after: float | None = None) -> None:
        super().__init__()
        self.error = error
        self.sent = sent
        self.retry_after = retry_after


class Stage(enum.Enum):
    """How far a request has got."""

    CONNECTING = 'looking up, connecting, TLS'
    WAITING = 'sending the request, and waiting for a response to begin'
    READING = 'reading the response'


@dataclass(frozen=True)
class Attempt:
    """One try of a request: the service's name in messages, the host, the stage, and Limits.max_body in bytes."""

    service: str
    host: str
    stage: Stage
    max_body: int


@dataclass(frozen=True)
class Failure:
    """A row of the table: the exceptions, the stages, the error to make of them, and whether to retry."""

    raised: tuple[type[Exception], ...]
    stages: frozenset[Stage]
    error: Callable[[Attempt, Exception], BackSyncError]
    try_again: bool


def _too_large(attempt: Attempt, _raised: Exception) -> BackSyncError:
    return BadAnswer(errors.TOO_LARGE, service=attempt.service, megabytes=attempt.max_body // MEGABYTE)


def _certificate(attempt: Attempt, raised: Exception) -> BackSyncError:
    return ServerTrouble(errors.CERTIFICATE, host=attempt.host, reason=getattr(raised, 'verify_message', ''))


def _bad_address(attempt: Attempt, _raised: Exception) -> BackSyncError:
    return SettingsTrouble(errors.BAD_ADDRESS, address=attempt.host)


def _too_slow(attempt: Attempt, _raised: Exception) -> BackSyncError:
    return ServerTrouble(errors.TOO_SLOW, service=attempt.service)


def _not_reached(attempt: Attempt, raised: Exception) -> BackSyncError:
    return ServerTrouble(errors.NOT_REACHED, service=attempt.service, reason=plain_reason(raised))


def _not_public(attempt: Attempt, _raised: Exception) -> BackSyncError:
    reason = text('its address is one of a local network')
    return ServerTrouble(errors.NOT_REACHED, service=attempt.service, reason=reason)


def _closed(attempt: Attempt, _raised: Exception) -> BackSyncError:
    return ServerTrouble(errors.BROKE_OFF, service=attempt.service, reason=text('closed without an answer'))


def _broke_off(attempt: Attempt, raised: Exception) -> BackSyncError:
    return ServerTrouble(errors.BROKE_OFF, service=attempt.service, reason=plain_reason(raised))


ANY_TIME = frozenset(Stage)
CONNECTING = frozenset({Stage.CONNECTING})
WAITING = frozenset({Stage.WAITING})
CONNECTED = ANY_TIME - CONNECTING
CLOSED_BY_PEER = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
ANY_OTHER = (OSError, http.client.HTTPException, EOFError, ValueError, zlib.error)

# The first matching row applies.
FAILURES = (
    Failure((BodyTooLarge,), ANY_TIME, _too_large, try_again=False),
    Failure((ssl.SSLCertVerificationError,), ANY_TIME, _certificate, try_again=False),
    Failure((http.client.InvalidURL,), ANY_TIME, _bad_address, try_again=False),
    Failure((NotPublic,), ANY_TIME, _not_public, try_again=False),
    Failure((ProxyInTrouble,), ANY_TIME, _not_reached, try_again=True),
    Failure((ProxyRefused,), ANY_TIME, _not_reached, try_again=False),
    Failure(CLOSED_BY_PEER, WAITING, _closed, try_again=True),
    Failure((TimeoutError,), CONNECTED, _too_slow, try_again=True),
    Failure(ANY_OTHER, CONNECTING, _not_reached, try_again=True),
    Failure(ANY_OTHER, CONNECTED, _broke_off, try_again=True),
)
# All exceptions in the table. Others, a Cancelled or a bug, are not mapped.
RAISED = tuple(dict.fromkeys(kind for failure in FAILURES for kind in failure.raised))


def error_for(raised: Exception, attempt: Attempt) -> Exception:
    """The exception to raise in place of one of RAISED: TryFailed if a retry may succeed, else a BackSyncError."""
    failure = next(row for row in FAILURES if isinstance(raised, row.raised) and attempt.stage in row.stages)
    error = failure.error(attempt, raised)
    if not failure.try_again:
        return error
    assert isinstance(error, ServerTrouble)
    return TryFailed(error, sent=attempt.stage is not Stage.CONNECTING)


# Short reasons for messages. The first matching row applies.
REASONS: tuple[tuple[tuple[type[Exception], ...], Text], ...] = (
    ((socket.gaierror,), text('its name could not be looked up')),
    ((TimeoutError,), text('no answer')),
    ((ConnectionRefusedError,), text('connection refused')),
    ((ConnectionResetError, BrokenPipeError, ConnectionAbortedError), text('connection reset')),
    ((http.client.IncompleteRead,), text('the answer was cut short')),
    ((http.client.HTTPException, ValueError, zlib.error, EOFError), text('the answer was garbled')),
)


def plain_reason(error: BaseException) -> Text:
    """A short reason for an exception of the operating system or the standard library, without codes and addresses."""
    if isinstance(error, ProxyRefused):
        return error.reason
    if isinstance(error, ssl.SSLError):
        # Only errors from OpenSSL have a reason.
        return text('no secure connection: {reason}', reason=getattr(error, 'reason', None) or 'TLS')
    for kinds, words in REASONS:
        if isinstance(error, kinds):
            return words
    if isinstance(error, OSError) and error.strerror:
        return text('{reason}', reason=error.strerror)
    # Any other message is not shown: it may contain what a server or a proxy sent.
    return text('no connection')
