# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP over the standard library: kept-alive connections, time-outs, retries, proxies, size caps, cancel.

Knows nothing of what the services mean, and never shows a URL's query, a header or a body to anybody.
"""

from __future__ import annotations

import base64
import errno
import functools
import http.client
import io
import ipaddress
import json
import os
import random
import re
import selectors
import socket
import ssl
import string
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from ..base import errors
from ..base.address import checked_address, is_loopback, origin_of, same_service, shown_address
from ..base.cancel import Cancel
from ..base.durations import duration
from ..base.errors import BadAnswer, ServerTrouble, SettingsTrouble
from ..base.text import Text, text

MEGABYTE = 1024 * 1024
CHUNK = 64 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# 408 and 429 ask for another try; the 5xx are what a server says when it, not the request, is at fault.
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
LONGEST_RETRY_AFTER = 60.0
MOST_REDIRECTS = 5
MOST_IN_FLIGHT = 4
# How long a wait that cannot be interrupted lasts before the next look at the cancel flag.
SLICE = 0.1
CLOSED_BY_PEER = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True)
class Limits:
    """How patient and how generous a client is, in httpx's words. Times in seconds, sizes in bytes.

    `read_timeout` is for each wait for the next bytes, `total_timeout` for the whole response from connecting on;
    `retry_delays` come between the tries, so that there is one try more than delays; `max_body` is after inflating;
    a connection that was idle for longer than `keepalive_expiry` is not used again.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    total_timeout: float = 120.0
    # Own waiting between tries, 10 s together at most (the jitter adds up to a fifth).
    retry_delays: tuple[float, ...] = (0.5, 2.0, 5.0)
    max_body: int = 64 * MEGABYTE
    keepalive_expiry: float = 20.0


@dataclass(frozen=True)
class Request:
    """One request. Its URL, headers and body may hold secrets, so none of them shows in a repr."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    payload: object = field(default=None, repr=False)
    # False for a write that must not happen twice: it is tried again only when it surely was not carried out.
    repeatable: bool = True
    # Statuses that the service deals with by itself, although another try might mend them.
    hand_back: frozenset[int] = frozenset()
    # True for what is not JSON, a picture: `data` is the body then.
    raw: bool = False


@dataclass(frozen=True)
class Response:
    """An answer; header names in lower case; `data` is the parsed JSON, None where an error came without one."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: object = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success, 200 to 299."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class _RawAnswer:
    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class _Transient(Exception):
    """A try that failed in a way that another try may mend."""

    def __init__(self, sentence: Text, sent: bool, retry_after: float | None = None) -> None:
        super().__init__()
        self.sentence = sentence
        self.sent = sent
        self.retry_after = retry_after


class _Gate:
    """Lets a few requests through at a time, from the first sign of strain on only one."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._room = MOST_IN_FLIGHT
        self._inside = 0

    @contextmanager
    def passed(self, cancel: Cancel) -> Iterator[None]:
        """Waits for room; raises Cancelled as soon as the flag is set."""
        with self._changed:
            while self._inside >= self._room:
                # Not woken by the flag: that may be set by a signal handler, which must not wait for our lock.
                self._changed.wait(SLICE)
                cancel.check()
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def narrow(self) -> None:
        with self._changed:
            self._room = 1


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
        self._gate = _Gate()
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], list[_Line]] = {}

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the idle connections."""
        with self._lock:
            lines = [line for pool in self._idle.values() for line in pool]
            self._idle.clear()
        for line in lines:
            line.close()

    def send(self, request: Request, cancel: Cancel) -> Response:
        """The answer to a request, after as many tries as it takes (four at most).

        Returns whatever status is not transient: what a 401 or a 404 means is the service's business.
        Raises ServerTrouble, BadAnswer, SettingsTrouble (an address that must not be used), Cancelled.
        """
        waits = list(self._limits.retry_delays)
        while True:
            try:
                with self._gate.passed(cancel):
                    return self._follow(request, cancel)
            except _Transient as trouble:
                if not waits or (trouble.sent and not request.repeatable):
                    raise self._final(trouble) from None
                self._pause(trouble, waits.pop(0), cancel)

    def _final(self, trouble: _Transient) -> ServerTrouble:
        kind = BadAnswer if trouble.sentence.template == errors.NOT_JSON.template else ServerTrouble
        return kind(trouble.sentence)

    def _pause(self, trouble: _Transient, own: float, cancel: Cancel) -> None:
        if (trouble.retry_after or 0) > LONGEST_RETRY_AFTER:
            raise self._final(trouble) from None
        # A server that says "at once" (0, or a date that has passed) still gets our own pause.
        seconds = trouble.retry_after or own * random.uniform(0.8, 1.2)
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
            answer = self._exchange(request, url, cancel)
            location = answer.headers.get('location', '')
            if answer.status not in REDIRECTS or not location:
                return self._understood(answer, request)
            url = self._redirected(url, location)
        raise ServerTrouble(errors.UNEXPECTED_ANSWER, service=self.service, reason=text('too many redirects'))

    def _redirected(self, url: str, location: str) -> str:
        """Where a redirect leads; raises ServerTrouble where credentials must not follow it."""
        # http.client hands over bytes as Latin-1; spaces and such would break the request line.
        location = quote(location, safe=string.punctuation, encoding='latin-1')
        try:
            target = urljoin(url, location)
            host = urlsplit(target).hostname or ''
        except ValueError:
            raise ServerTrouble(
                errors.UNEXPECTED_ANSWER, service=self.service, reason=text('a redirect to nowhere')
            ) from None
        if not same_service(url, target):
            raise ServerTrouble(errors.REDIRECTED_AWAY, service=self.service, host=host[:100] or '?')
        return target

    def _understood(self, answer: _RawAnswer, request: Request) -> Response:
        """The answer with its JSON parsed; raises _Transient for what another try may mend."""
        status = answer.status
        if status in TRANSIENT_STATUSES - request.hand_back:
            raise self._server_says_later(answer)
        if request.raw:
            return Response(status, answer.headers, answer.body)
        try:
            return Response(status, answer.headers, json.loads(answer.body))
        except (ValueError, RecursionError):
            response = Response(status, answer.headers, None)
        if response.ok:
            raise _Transient(errors.NOT_JSON.with_values(service=self.service), sent=True)
        return response

    def _server_says_later(self, answer: _RawAnswer) -> _Transient:
        status = answer.status
        if status == 429 or status >= 500:
            # Here, before the gate lets anybody else in.
            self.strained = True
            self._gate.narrow()
        retry_after = parse_retry_after(answer.headers.get('retry-after', ''))
        if status == 429:
            wait = duration(retry_after) if retry_after else text('a few minutes')
            sentence = errors.TOO_MANY_REQUESTS.with_values(service=self.service, wait=wait)
        elif status == 408:
            sentence = errors.TOO_SLOW.with_values(service=self.service)
        else:
            sentence = errors.SERVER_TROUBLE.with_values(service=self.service, status=status)
        # A server that turns requests away at the door (429, 503) has not carried them out.
        carried_out = status not in (429, 503)
        return _Transient(sentence, sent=carried_out, retry_after=retry_after)

    def _exchange(self, request: Request, url: str, cancel: Cancel) -> _RawAnswer:
        """One request over one connection, a kept-alive one where there is one."""
        cancel.check()
        # What must not happen twice goes over a fresh connection: there a close without an answer says something.
        line = self._take(url) if request.repeatable else self._new_line(url)
        try:
            with self._mapped_failures(line, cancel):
                answer = line.exchange(request, url, self._user_agent, cancel)
        except _DeadLine:
            reason = text('closed without an answer')
            sentence = errors.BROKE_OFF.with_values(service=self.service, reason=reason)
            raise _Transient(sentence, sent=True) from None
        finally:
            with self._lock:
                self.requests += line.sent
        self._keep(line)
        return answer

    @contextmanager
    def _mapped_failures(self, line: _Line, cancel: Cancel) -> Iterator[None]:
        """Turns what the standard library raises into our sentences; the line is closed on any of it."""
        try:
            yield
        except _TooLarge:
            line.close()
            raise BadAnswer(
                errors.TOO_LARGE, service=self.service, megabytes=self._limits.max_body // MEGABYTE
            ) from None
        except ssl.SSLCertVerificationError as error:
            line.close()
            cancel.check()
            raise ServerTrouble(errors.CERTIFICATE, host=line.host, reason=error.verify_message) from None
        except http.client.InvalidURL:
            line.close()
            raise SettingsTrouble(errors.BAD_ADDRESS, address=line.host) from None
        except _ProxyRefused as error:
            line.close()
            raise self._not_reached(error.reason) from None
        except (OSError, http.client.HTTPException, EOFError, ValueError, zlib.error) as error:
            line.close()
            cancel.check()
            raise self._failure(line, error) from None
        except BaseException:
            line.close()
            raise

    def _failure(self, line: _Line, error: Exception) -> Exception:
        if isinstance(error, CLOSED_BY_PEER) and line.connected and not line.answering:
            return _DeadLine()
        if isinstance(error, TimeoutError) and line.connected:
            return _Transient(errors.TOO_SLOW.with_values(service=self.service), sent=True)
        sentence = errors.BROKE_OFF if line.connected else errors.NOT_REACHED
        return _Transient(sentence.with_values(service=self.service, reason=plain_reason(error)), sent=line.connected)

    def _not_reached(self, reason: Text) -> ServerTrouble:
        return ServerTrouble(errors.NOT_REACHED, service=self.service, reason=reason)

    def _take(self, url: str) -> _Line:
        origin = origin_of(urlsplit(url))
        deadline = time.monotonic() - self._limits.keepalive_expiry
        with self._lock:
            pool = self._idle.get(origin, [])
            while pool:
                line = pool.pop()
                if line.last_used > deadline and not line.has_ended:
                    return line
                line.close()
        return self._new_line(url)

    def _new_line(self, url: str) -> _Line:
        address = checked_address(url)
        try:
            return _Line(address, self._limits, self._verification)
        except _ProxyRefused as error:
            raise self._not_reached(error.reason) from None

    def _verification(self) -> ssl.SSLContext:
        """The system's certificates, read when they are first needed: that takes a while."""
        with self._lock:
            self._tls = self._tls or ssl.create_default_context()
            return self._tls

    def _keep(self, line: _Line) -> None:
        if line.is_open:
            line.last_used = time.monotonic()
            with self._lock:
                self._idle.setdefault(line.origin, []).append(line)


class _DeadLine(Exception):
    """A connection that was closed by the other side before it answered anything."""


class _ProxyRefused(Exception):
    """A proxy that cannot be used, or that will not let this through however often it is asked."""

    def __init__(self, reason: Text) -> None:
        super().__init__()
        self.reason = reason


class _TooLarge(Exception):
    """A body that goes beyond the cap."""


class _Line:
    """One connection to one origin, straight or through a proxy, that a Cancel can cut at any moment."""

    def __init__(self, address: SplitResult, limits: Limits, tls: Callable[[], ssl.SSLContext]) -> None:
        self.origin = origin_of(address)
        self.host = self.origin[1]
        self.last_used = time.monotonic()
        self.connected = False
        self.sent = False
        self.answering = False
        self._limits = limits
        self._tls = tls
        self._cancel = Cancel()
        self._deadline = 0.0
        # The connection drops its own reference while an answer is still being read.
        self._socket: socket.socket | None = None
        self._proxy = _proxy_for(self.origin)
        self._connection = self._make_connection()

    @property
    def is_open(self) -> bool:
        return self._connection.sock is not None

    @property
    def has_ended(self) -> bool:
        """Whether the other side has closed it: on a connection where nothing was asked, that is all it has to say."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._connection.sock, selectors.EVENT_READ)
            return bool(selector.select(0))

    def close(self) -> None:
        self._connection.close()

    def _make_connection(self) -> http.client.HTTPConnection:
        scheme, host, port = self.origin
        through = self._proxy
        first_hop = (through.host, through.port) if through else (host, port)
        connection: http.client.HTTPConnection
        if scheme == 'https':
            connection = _TlsConnection(*first_hop, self)
            if through:
                connection.set_tunnel(host, port, headers=through.headers)
        else:
            connection = _PlainConnection(*first_hop, self)
        connection.timeout = self._limits.read_timeout
        connection.response_class = functools.partial(_Answer, self)  # type: ignore[assignment]
        return connection

    def exchange(self, request: Request, url: str, user_agent: str, cancel: Cancel) -> _RawAnswer:
        """Sends the request and reads the whole answer, within the limits."""
        self._cancel = cancel
        self.sent = self.answering = False
        self._deadline = time.monotonic() + self._limits.total_timeout
        with cancel.interrupting(self.cut):
            if not self.is_open:
                self.connected = False
                self._connection.connect()
            self.connected = True
            self._connection.sock.settimeout(self._limits.read_timeout)
            self._send(request, urlsplit(url), user_agent)
            self.sent = True
            answer = self._connection.getresponse()
            self.answering = True
            headers = {name.lower(): value for name, value in answer.getheaders()}
            body = self._read(answer, headers)
        answer.close()
        if answer.will_close:
            self.close()
        return _RawAnswer(answer.status, headers, body)

    def _send(self, request: Request, address: SplitResult, user_agent: str) -> None:
        target = (address.path or '/') + (f'?{address.query}' if address.query else '')
        headers = {'User-Agent': user_agent, 'Accept': 'application/json', 'Accept-Encoding': 'gzip', **request.headers}
        if self._proxy and address.scheme == 'http':
            target = f'http://{address.netloc.rpartition("@")[2]}{target}'
            headers.update(self._proxy.headers)
        body = None
        if request.payload is not None:
            body = json.dumps(request.payload).encode()
            headers.setdefault('Content-Type', 'application/json')
        self._connection.request(request.method, target, body=body, headers=headers)

    def _read(self, answer: http.client.HTTPResponse, headers: Mapping[str, str]) -> bytes:
        """The body, inflated. read1 and the count of our own let a short body be told from a whole one."""
        expected = None if answer.chunked else answer.length
        if expected is not None and expected > self._limits.max_body:
            raise _TooLarge
        inflate = (
            zlib.decompressobj(16 + zlib.MAX_WBITS)
            if headers.get('content-encoding', '').strip().lower() == 'gzip'
            else None
        )
        body = bytearray()
        received = 0
        while expected is None or received < expected:
            chunk = answer.read1(CHUNK if expected is None else min(CHUNK, expected - received))
            if not chunk:
                break
            received += len(chunk)
            body += inflate.decompress(chunk, self._limits.max_body + 1 - len(body)) if inflate else chunk
            if len(body) > self._limits.max_body:
                raise _TooLarge
        if expected is not None and received < expected:
            raise http.client.IncompleteRead(b'', expected - received)
        if inflate is not None and received and not inflate.eof:
            raise http.client.IncompleteRead(b'')
        return bytes(body)

    def cut(self) -> None:
        """Shuts the socket, whatever another thread is doing with it."""
        if self._socket is not None:
            # ssl's own shutdown() drops the TLS object under the feet of a thread that is reading.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def allow_wait(self) -> None:
        """Before each wait for bytes: it ends with the deadline of the answer, however slowly that drips in."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._socket is not None:
            self._socket.settimeout(min(self._limits.read_timeout, left))

    def open_socket(self, address: tuple[str, int], *ignored: object) -> socket.socket:
        """A connected socket; the look-up and the connecting both end at once when cancelled."""
        deadline = time.monotonic() + self._limits.connect_timeout
        failure: OSError = OSError(errno.EHOSTUNREACH, 'no address')
        places = _look_up(address, deadline, self._cancel)
        for number, (family, kind, protocol, _name, place) in enumerate(places):
            sock = socket.socket(family, kind, protocol)
            try:
                # A share for each: the first may be one of an IPv6 that leads nowhere.
                now = time.monotonic()
                _connect(sock, place, now + (deadline - now) / (len(places) - number), self._cancel)
            except OSError as error:
                sock.close()
                failure = error
                continue
            except BaseException:
                sock.close()
                raise
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._guarded(sock)
        raise failure

    def _guarded(self, sock: socket.socket) -> socket.socket:
        """The socket, in the place where cut() finds it from now on."""
        sock.settimeout(self._limits.read_timeout)
        self._socket = sock
        if self._cancel.is_set:
            sock.close()
            self._cancel.check()
        return sock

    def secured(self, sock: socket.socket, connection: http.client.HTTPConnection) -> None:
        """Puts TLS on the connection. The handshake comes after the socket is in its place, where cut() finds it."""
        wrapped = self._tls().wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
        connection.sock = self._guarded(wrapped)
        wrapped.do_handshake()


class _PlainConnection(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, line: _Line) -> None:
        super().__init__(host, port)
        self._create_connection = line.open_socket


class _TlsConnection(_PlainConnection):
    # What a Host header leaves out.
    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int, line: _Line) -> None:
        super().__init__(host, port, line)
        self._line = line

    def connect(self) -> None:
        try:
            super().connect()  # opens the socket and, where there is a proxy, the tunnel through it
        except OSError as error:
            # That is how http.client says that the proxy refuses the tunnel; 407 is what it says of a wrong password.
            refused = re.search(r'Tunnel connection failed: (4\d\d)', str(error))
            if refused is None:
                raise
            raise _ProxyRefused(text('the proxy refused: HTTP {status}', status=refused.group(1))) from None
        self._line.secured(self.sock, self)


class _Answer(http.client.HTTPResponse):
    """An answer that is read through a line's patience, from its first byte on."""

    def __init__(self, line: _Line, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_PatientReader(self.fp.detach(), line))


class _PatientReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, line: _Line) -> None:
        self._raw = raw
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._line.allow_wait()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


@dataclass(frozen=True)
class _Proxy:
    host: str
    port: int
    headers: dict[str, str] = field(repr=False)


def _proxy_for(origin: tuple[str, str, int]) -> _Proxy | None:
    """The system's proxy for an address, never for this computer itself. Raises _ProxyRefused for one we cannot use."""
    scheme, wanted, _port = origin
    if is_loopback(wanted) or urllib.request.proxy_bypass(wanted):
        return None
    configured = urllib.request.getproxies()
    given = configured.get(scheme) or configured.get('all')
    if not given:
        return None
    try:
        address = checked_address(given if '://' in given else f'http://{given}')
    except SettingsTrouble:
        raise _ProxyRefused(text('the proxy {address} cannot be used', address=shown_address(given))) from None
    headers = {}
    if address.username:
        pair = f'{unquote(address.username)}:{unquote(address.password or "")}'
        headers['Proxy-Authorization'] = 'Basic ' + base64.b64encode(pair.encode()).decode()
    _scheme, host, port = origin_of(address)
    return _Proxy(host, port, headers)


def _look_up(address: tuple[str, int], deadline: float, cancel: Cancel) -> list[tuple[Any, ...]]:
    """getaddrinfo, which cannot be interrupted, on a thread that can be left behind."""
    outcome: list[object] = []
    done = threading.Event()

    def ask() -> None:
        try:
            outcome.append(socket.getaddrinfo(*address, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            outcome.append(error)
        done.set()

    try:
        ipaddress.ip_address(address[0])
        ask()
    except ValueError:
        threading.Thread(target=ask, name='look-up', daemon=True).start()
    while not done.wait(0.05):
        cancel.check()
        if time.monotonic() > deadline:
            raise TimeoutError
    found = outcome[0]
    if isinstance(found, OSError):
        raise found
    if isinstance(found, UnicodeError):
        raise socket.gaierror(socket.EAI_NONAME, 'not a host name')
    assert isinstance(found, list)
    return found


def _connect(sock: socket.socket, place: tuple[Any, ...], deadline: float, cancel: Cancel) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(place)
    if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, 'WSAEWOULDBLOCK', 0)):
        raise OSError(code, os.strerror(code))
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        while not selector.select(SLICE):
            cancel.check()
            if time.monotonic() > deadline:
                raise TimeoutError
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def parse_retry_after(value: str) -> float | None:
    """Seconds to wait, from a number of seconds or an HTTP date; None where there is neither."""
    value = value.strip()
    if re.fullmatch(r'\d{1,9}(\.\d+)?', value, re.ASCII):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    with suppress(OverflowError):
        return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
    return None


def plain_reason(error: BaseException) -> Text:
    """A few words on what the operating system or the standard library raised, without its numbers and addresses."""
    if isinstance(error, socket.gaierror):
        return text('its name could not be looked up')
    if isinstance(error, TimeoutError):
        return text('no answer')
    if isinstance(error, ConnectionRefusedError):
        return text('connection refused')
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return text('connection reset')
    if isinstance(error, http.client.IncompleteRead):
        return text('the answer was cut short')
    if isinstance(error, ssl.SSLError):
        return text('no secure connection: {reason}', reason=getattr(error, 'reason', None) or 'TLS')
    if isinstance(error, http.client.HTTPException | ValueError | zlib.error | EOFError):
        return text('the answer was garbled')
    if isinstance(error, OSError) and error.strerror:
        return text('{reason}', reason=error.strerror)
    # http.client raises a bare OSError for a proxy that refuses a tunnel.
    return text('the proxy refused: {reason}', reason=str(error)[:100]) if str(error) else text('no connection')
