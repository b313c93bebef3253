# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP to one service: kept-alive connections, retries, redirects, a limit on requests in flight, cancel.

Knows nothing of what the services mean, and never shows a URL's query, a header or a body to anybody.
"""

from __future__ import annotations

import json
import random
import ssl
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, urljoin, urlsplit

from ..base import errors
from ..base.address import checked_address, origin_of, same_service
from ..base.cancel import Cancel
from ..base.durations import duration
from ..base.errors import BadAnswer, RedirectedAway, ServerTrouble
from ..base.text import Text, text
from .connection import SLICE, Connection
from .failures import RAISED, Attempt, ProxyRefused, TryFailed, error_for
from .request import LONGEST_RETRY_AFTER, Limits, RawResponse, Request, Response, parse_retry_after

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# 408 and 429 ask for another try; the 5xx are what a server says when it, not the request, is at fault.
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
MOST_REDIRECTS = 5
MOST_IN_FLIGHT = 4


class InFlightLimit:
    """Lets four requests be in flight at a time, and only one after `tighten`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._most = MOST_IN_FLIGHT
        self._in_flight = 0

    @contextmanager
    def slot(self, cancel: Cancel) -> Iterator[None]:
        """Waits until one more request may be in flight; raises Cancelled as soon as the flag is set."""
        with self._changed:
            while self._in_flight >= self._most:
                # Not woken by the flag: that may be set by a signal handler, which must not wait for our lock.
                self._changed.wait(SLICE)
                cancel.check()
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def tighten(self) -> None:
        """From now on one at a time; what is in flight already is left to end."""
        with self._changed:
            self._most = 1


class HttpClient:
    """Talks to one service, from any number of threads, each request over a kept-alive connection.

    `service` is its name in sentences. `requests` counts what was sent. At most four requests are in flight; at the
    first 429 or 5xx `strained` turns True, and from then on it is one at a time.
    """

    def __init__(
        self,
        service: str,
        user_agent: str,
        limits: Limits | None = None,
        report_wait: Callable[[Text], None] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.service = service
        self.requests = 0
        self.strained = False
        self._user_agent = user_agent
        self._limits = limits or Limits()
        self._report_wait = report_wait or (lambda sentence: None)
        self._tls = tls
        self._in_flight = InFlightLimit()
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the idle connections."""
        with self._lock:
            connections = [connection for pool in self._idle.values() for connection in pool]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def send(self, request: Request, cancel: Cancel) -> Response:
        """The response to a request, after as many tries as it takes (four at most).

        Returns whatever status is not transient: what a 401 or a 404 means is the service's business.
        Raises ServerTrouble, BadAnswer, SettingsTrouble (an address that must not be used), Cancelled.
        """
        delays = list(self._limits.retry_delays)
        while True:
            try:
                with self._in_flight.slot(cancel):
                    return self._follow(request, cancel)
            except TryFailed as failed:
                if not delays or (failed.sent and not request.repeatable):
                    raise failed.error from None
                self._pause(failed, delays.pop(0), cancel)

    def _pause(self, failed: TryFailed, own: float, cancel: Cancel) -> None:
        if (failed.retry_after or 0) > LONGEST_RETRY_AFTER:
            raise failed.error from None
        # A server that says "at once" (0, or a date that has passed) still gets our own pause.
        seconds = failed.retry_after or own * random.uniform(0.8, 1.2)
        self._report_wait(
            text(
                '{service} is not answering as it should. Trying again in {wait}...',
                service=self.service,
                wait=duration(seconds),
            )
        )
        cancel.wait(seconds)

    def _follow(self, request: Request, cancel: Cancel) -> Response:
        url = request.url
        for _hop in range(MOST_REDIRECTS + 1):
            response = self._exchange(request, url, cancel)
            location = response.headers.get('location', '')
            if response.status not in REDIRECTS or not location:
                return self._parsed(response, request)
            url = self._redirected(url, location)
        raise ServerTrouble(errors.UNEXPECTED_ANSWER, service=self.service, reason=text('too many redirects'))

    def _redirected(self, url: str, location: str) -> str:
        """Where a redirect leads; raises ServerTrouble where credentials must not follow it."""
        # http.client hands over bytes as Latin-1; spaces and such would break the request line.
        location = quote(location, safe=string.punctuation, encoding='latin-1')
        try:
            target = urljoin(url, location)
            address = urlsplit(target)
            host = address.hostname or ''
        except ValueError:
            raise ServerTrouble(
                errors.UNEXPECTED_ANSWER, service=self.service, reason=text('a redirect to nowhere')
            ) from None
        if not same_service(url, target):
            origin = f'{address.scheme}://{address.netloc.rpartition("@")[2]}'
            raise RedirectedAway(self.service, host[:100] or '?', origin[:100])
        return target

    def _parsed(self, raw: RawResponse, request: Request) -> Response:
        """The response with its JSON parsed; raises TryFailed for what another try may mend."""
        if raw.status in TRANSIENT_STATUSES - request.hand_back:
            raise self._server_says_later(raw)
        if request.raw:
            return Response(raw.status, raw.headers, raw.body)
        try:
            return Response(raw.status, raw.headers, json.loads(raw.body))
        except (ValueError, RecursionError):
            response = Response(raw.status, raw.headers, None)
        if response.ok:
            raise TryFailed(BadAnswer(errors.NOT_JSON, service=self.service), sent=True)
        return response

    def _server_says_later(self, response: RawResponse) -> TryFailed:
        status = response.status
        if status == 429 or status >= 500:
            # Before this request gives up its slot, so that no other one takes it.
            self.strained = True
            self._in_flight.tighten()
        retry_after = parse_retry_after(response.headers.get('retry-after', ''))
        if status == 429:
            wait = duration(retry_after) if retry_after else text('a few minutes')
            error = ServerTrouble(errors.TOO_MANY_REQUESTS, service=self.service, wait=wait)
        elif status == 408:
            error = ServerTrouble(errors.TOO_SLOW, service=self.service)
        else:
            error = ServerTrouble(errors.SERVER_TROUBLE, service=self.service, status=status)
        # A server that turns requests away at the door (429, 503) has not carried them out.
        carried_out = status not in (429, 503)
        return TryFailed(error, sent=carried_out, retry_after=retry_after)

    def _exchange(self, request: Request, url: str, cancel: Cancel) -> RawResponse:
        """One request over one connection, a kept-alive one where there is one; raises what failures.py makes of it."""
        cancel.check()
        # What must not happen twice goes over a fresh connection: there a close without a response says something.
        connection = self._take_connection(url) if request.repeatable else self._new_connection(url)
        try:
            response = connection.exchange(request, url, self._user_agent, cancel)
        except RAISED as error:
            connection.close()
            cancel.check()
            attempt = Attempt(self.service, connection.host, connection.stage, self._limits.max_body)
            raise error_for(error, attempt) from None
        except BaseException:
            connection.close()
            raise
        finally:
            with self._lock:
                self.requests += connection.sent
        self._keep_connection(connection)
        return response

    def _take_connection(self, url: str) -> Connection:
        origin = origin_of(urlsplit(url))
        deadline = time.monotonic() - self._limits.keepalive_expiry
        with self._lock:
            pool = self._idle.get(origin, [])
            while pool:
                connection = pool.pop()
                if connection.last_used > deadline and not connection.has_ended:
                    return connection
                connection.close()
        return self._new_connection(url)

    def _new_connection(self, url: str) -> Connection:
        address = checked_address(url)
        try:
            return Connection(address, self._limits, self._verification)
        except ProxyRefused as error:
            raise ServerTrouble(errors.NOT_REACHED, service=self.service, reason=error.reason) from None

    def _verification(self) -> ssl.SSLContext:
        """The system's certificates, read when they are first needed: that takes a while."""
        with self._lock:
            self._tls = self._tls or ssl.create_default_context()
            return self._tls

    def _keep_connection(self, connection: Connection) -> None:
        if connection.is_open:
            connection.last_used = time.monotonic()
            with self._lock:
                self._idle.setdefault(connection.origin, []).append(connection)
