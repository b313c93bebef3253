# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP client of one service: kept-alive connections, retries, redirects, the in-flight limit, cancelling.

Queries of URLs, headers and bodies never appear in logs or errors: they may contain secrets.
"""

from __future__ import annotations

import random
import ssl
import string
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, urljoin, urlsplit

from ..base import errors
from ..base.address import checked_address, origin_of, same_service, shown_address
from ..base.cancel import Cancel
from ..base.durations import duration
from ..base.errors import BadAnswer, ErrorPage, RedirectedAway, ServerTrouble
from ..base.text import Text, text
from .body import TooManyValues, parse_json
from .connection import POLL_INTERVAL, Connection
from .failures import RAISED, Attempt, Stage, TryFailed, error_for
from .request import LONGEST_RETRY_AFTER, Limits, RawResponse, Request, Response, is_web_page, retry_after

REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Statuses after which a request is retried. 520 to 524 are those of Cloudflare's gateways (documented).
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
MOST_REDIRECTS = 5
MOST_IN_FLIGHT = 4


class InFlightLimit:
    """Limits the requests in flight to MOST_IN_FLIGHT at a time, and to one after `tighten`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._most = MOST_IN_FLIGHT
        self._in_flight = 0

    @contextmanager
    def slot(self, cancel: Cancel) -> Iterator[None]:
        """Wait until one more request may be sent, and hold its place. Raises Cancelled as soon as the flag is set."""
        with self._changed:
            while self._in_flight >= self._most:
                # Polled, because a signal handler that sets the flag must not wait for this lock to notify it.
                self._changed.wait(POLL_INTERVAL)
                cancel.check()
            self._in_flight += 1
        try:
            yield
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def tighten(self) -> None:
        """Allow only one request at a time from now on. Requests that are in flight already are not stopped."""
        with self._changed:
            self._most = 1


class HttpClient:
    """Sends requests to one service over kept-alive connections. Safe to use from several threads.

    Attributes:
        service   the service's name in messages
        requests  how many requests were sent, retries and redirects included
        strained  True after the first 429 or 5xx; from then on only one request is in flight at a time

    `report_wait` is called with a sentence for the user before each pause. `tls` replaces the system's certificates.
    With `public_only` it never connects to this computer or a local network: for URLs that a server sent.
    """

    def __init__(
        self,
        service: str,
        user_agent: str,
        limits: Limits | None = None,
        report_wait: Callable[[Text], None] | None = None,
        tls: ssl.SSLContext | None = None,
        public_only: bool = False,
    ) -> None:
        self.service = service
        self.requests = 0
        self.strained = False
        self._user_agent = user_agent
        self._limits = limits or Limits()
        self._report_wait = report_wait or (lambda sentence: None)
        self._tls = tls
        self._public_only = public_only
        self._in_flight = InFlightLimit()
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections."""
        with self._lock:
            connections = [connection for pool in self._idle.values() for connection in pool]
            self._idle.clear()
        for connection in connections:
            connection.close()

    def send(self, request: Request, cancel: Cancel) -> Response:
        """Send a request and return the response, with retries and redirects.

        Returns responses of any status outside TRANSIENT_STATUSES, 401 and 404 for instance, and of those in the
        request's `hand_back`. There is one try more than Limits.retry_delays has pauses.
        Raises ServerTrouble, BadAnswer, SettingsTrouble (the address cannot be used) and Cancelled.
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
        # After "Retry-After: 0", or a date in the past, the client's own delay applies.
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
        """The target of a redirect. Raises RedirectedAway if it leads to another service."""
        # http.client decodes headers as Latin-1. Spaces and control characters would break the request line.
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
        """Parse the body's JSON. Raises TryFailed if a retry may succeed."""
        if raw.status in TRANSIENT_STATUSES - request.hand_back:
            raise self._server_says_later(raw)
        if request.raw:
            return Response(raw.status, raw.headers, raw.body)
        too_much = False
        try:
            return Response(raw.status, raw.headers, parse_json(raw.body, request.max_values))
        except TooManyValues:
            too_much = True
        except (ValueError, RecursionError):
            pass
        if raw.status in request.gateways and not too_much:
            raise self._server_says_later(raw)
        response = Response(raw.status, raw.headers, None, raw.page)
        if not response.ok:
            return response
        if too_much:
            raise BadAnswer(errors.UNEXPECTED_ANSWER, service=self.service, reason=text('far too many values'))
        raise TryFailed(BadAnswer(errors.NOT_JSON, service=self.service), sent=True)

    def _server_says_later(self, response: RawResponse) -> TryFailed:
        status = response.status
        if status != 408:
            # The limit changes before this request frees its place, so that no other request takes it.
            self.strained = True
            self._in_flight.tighten()
        pause = retry_after(response.headers)
        if status == 429:
            wait = duration(pause) if pause else text('a few minutes')
            error = ServerTrouble(errors.TOO_MANY_REQUESTS, service=self.service, wait=wait)
        elif status == 408:
            error = ServerTrouble(errors.TOO_SLOW, service=self.service)
        elif is_web_page(response.page):
            error = ErrorPage(self.service, status)
        else:
            error = ServerTrouble(errors.SERVER_TROUBLE, service=self.service, status=status)
        # A server that responds with 429 or 503 has not executed the request (assumed).
        carried_out = status not in (429, 503)
        return TryFailed(error, sent=carried_out, retry_after=pause)

    def _exchange(self, request: Request, url: str, cancel: Cancel) -> RawResponse:
        """Send the request once. Raises what `transport/failures` makes of an error."""
        cancel.check()
        # A request that must not happen twice gets a new connection: if the server has closed a kept-alive one, nobody
        # knows whether the request arrived.
        connection = self._take_connection(url) if request.repeatable else self._new_connection(url)
        try:
            response = connection.exchange(request, url, self._user_agent, cancel)
        except RAISED as error:
            connection.close()
            cancel.check()
            attempt = Attempt(self.service, connection.host, connection.stage, connection.max_body)
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
        origin = origin_of(checked_address(url))
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
        """Raises SettingsTrouble for a URL that cannot be used, and what `transport/failures` makes of an error."""
        address = checked_address(url)
        try:
            return Connection(address, self._limits, self._verification, self._public_only)
        except RAISED as error:
            host = shown_address(address.hostname or '')
            raise error_for(error, Attempt(self.service, host, Stage.CONNECTING, self._limits.max_body)) from None

    def _verification(self) -> ssl.SSLContext:
        """The TLS context with the system's certificates, loaded on first use because that is slow."""
        with self._lock:
            self._tls = self._tls or ssl.create_default_context()
            return self._tls

    def _keep_connection(self, connection: Connection) -> None:
        if connection.is_open:
            connection.last_used = time.monotonic()
            with self._lock:
                self._idle.setdefault(connection.origin, []).append(connection)
