# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP over the standard library: kept-alive connections, time-outs, retries, proxies, size caps, cancel.

Knows nothing of what the services mean, and never shows a URL's query, a header or a body to anybody.
"""

from __future__ import annotations

import base64
import errno
import http.client
import ipaddress
import json
import os
import random
import re
import selectors
import socket
import ssl
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
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from . import errors
from .cancel import Cancel
from .errors import BadAnswer, ServerTrouble, SettingsTrouble
from .text import Text, counted, text

MEGABYTE = 1024 * 1024
CHUNK = 64 * 1024
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# 408 and 429 ask for another try; the 5xx are what a server says when it, not the request, is at fault.
TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524})
LONGEST_RETRY_AFTER = 60.0
MOST_REDIRECTS = 5
CONNECT_SLICE = 0.1
CLOSED_BY_PEER = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(frozen=True)
class Limits:
    """How patient and how generous a client is. Times in seconds, sizes in bytes."""

    connect: float = 10.0
    silence: float = 30.0
    whole_answer: float = 120.0
    # Own waiting between tries, 10 s together at most (the jitter adds up to a fifth).
    waits: tuple[float, ...] = (0.5, 2.0, 5.0)
    body: int = 64 * MEGABYTE
    idle: float = 20.0


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


@dataclass(frozen=True)
class _RawAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class _Transient(Exception):
    """A try that failed in a way that another try may mend."""

    def __init__(self, sentence: Text, sent: bool, retry_after: float | None = None, strain: bool = False) -> None:
        super().__init__()
        self.sentence = sentence
        self.sent = sent
        self.retry_after = retry_after
        self.strain = strain


class HttpClient:
    """Talks to one service, from any number of threads, each request over a kept-alive connection.

    `service` is its name in sentences. `requests` counts what was sent. `strained` turns True at the first
    429 or 5xx: whoever sends several requests at once should go on one at a time then.
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
        waits = iter(self._limits.waits)
        while True:
            try:
                return self._follow(request, cancel)
            except _Transient as trouble:
                self.strained = self.strained or trouble.strain
                pause = next(waits, None)
                if pause is None or (trouble.sent and not request.repeatable):
                    raise self._final(trouble) from None
                self._pause(trouble, pause, cancel)

    def _final(self, trouble: _Transient) -> ServerTrouble:
        kind = BadAnswer if trouble.sentence.template == errors.NOT_JSON.template else ServerTrouble
        return kind(trouble.sentence)

    def _pause(self, trouble: _Transient, own: float, cancel: Cancel) -> None:
        seconds = own * random.uniform(0.8, 1.2)
        if trouble.retry_after is not None:
            if trouble.retry_after > LONGEST_RETRY_AFTER:
                raise self._final(trouble) from None
            seconds = max(trouble.retry_after, 0.0)
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
            target = urljoin(url, location)
            if not same_service(url, target):
                raise ServerTrouble(
                    errors.REDIRECTED_AWAY, service=self.service, host=(urlsplit(target).hostname or '?')[:100]
                )
            url = target
        raise ServerTrouble(errors.UNEXPECTED_ANSWER, service=self.service, reason='too many redirects')

    def _understood(self, answer: _RawAnswer, request: Request) -> Response:
        """The answer with its JSON parsed; raises _Transient for what another try may mend."""
        status = answer.status
        if status in TRANSIENT_STATUSES - request.hand_back:
            raise self._server_says_later(answer)
        if request.raw:
            return Response(status, answer.headers, answer.body)
        try:
            data = json.loads(answer.body)
        except (ValueError, RecursionError):
            if 200 <= status < 300:
                raise _Transient(errors.NOT_JSON.with_values(service=self.service), sent=True) from None
            data = None
        return Response(status, answer.headers, data)

    def _server_says_later(self, answer: _RawAnswer) -> _Transient:
        status = answer.status
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
        return _Transient(sentence, sent=carried_out, retry_after=retry_after, strain=status == 429 or status >= 500)

    def _exchange(self, request: Request, url: str, cancel: Cancel) -> _RawAnswer:
        """One request over one connection; a kept-alive one that turns out dead is replaced once, unnoticed."""
        # What must not happen twice goes over a fresh connection: there a close without an answer says something.
        line = self._take(url) if request.repeatable else self._new_line(url)
        try:
            if line.is_open:
                with suppress(_DeadLine):
                    return self._over(line, request, url, cancel)
                line = self._new_line(url)
            return self._over(line, request, url, cancel)
        except _DeadLine:
            reason = text('closed without an answer')
            raise _Transient(errors.BROKE_OFF.with_values(service=self.service, reason=reason), sent=True) from None

    def _over(self, line: _Line, request: Request, url: str, cancel: Cancel) -> _RawAnswer:
        cancel.check()
        with self._lock:
            self.requests += 1
        with self._mapped_failures(line, cancel):
            answer = line.exchange(request, url, self._user_agent, cancel)
        self._keep(line)
        return answer

    @contextmanager
    def _mapped_failures(self, line: _Line, cancel: Cancel) -> Iterator[None]:
        """Turns what the standard library raises into our sentences; the line is closed on any of it."""
        try:
            yield
        except _TooLarge:
            line.close()
            raise BadAnswer(errors.TOO_LARGE, service=self.service, megabytes=self._limits.body // MEGABYTE) from None
        except ssl.SSLCertVerificationError as error:
            line.close()
            cancel.check()
            raise ServerTrouble(errors.CERTIFICATE, host=line.host, reason=error.verify_message) from None
        except http.client.InvalidURL:
            line.close()
            raise SettingsTrouble(errors.BAD_ADDRESS, address=line.host) from None
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

    def _take(self, url: str) -> _Line:
        origin = _origin(urlsplit(url))
        deadline = time.monotonic() - self._limits.idle
        with self._lock:
            pool = self._idle.get(origin, [])
            while pool:
                line = pool.pop()
                if line.last_used > deadline:
                    return line
                line.close()
        return self._new_line(url)

    def _new_line(self, url: str) -> _Line:
        if self._tls is None:
            with self._lock:
                self._tls = self._tls or ssl.create_default_context()
        return _Line(checked_address(url), self._limits, self._tls)

    def _keep(self, line: _Line) -> None:
        if line.is_open:
            line.last_used = time.monotonic()
            with self._lock:
                self._idle.setdefault(line.origin, []).append(line)


class _DeadLine(Exception):
    """A connection that was closed by the other side before it answered anything."""


class _TooLarge(Exception):
    """A body that goes beyond the cap."""


class _Line:
    """One connection to one origin, straight or through a proxy, that a Cancel can cut at any moment."""

    def __init__(self, address: SplitResult, limits: Limits, tls: ssl.SSLContext) -> None:
        self.origin = _origin(address)
        self.host = self.origin[1]
        self.last_used = time.monotonic()
        self.connected = False
        self.answering = False
        self._limits = limits
        self._tls = tls
        self._cancel = Cancel()
        self._proxy = _proxy_for(self.origin)
        self._connection = self._make_connection()

    @property
    def is_open(self) -> bool:
        return self._connection.sock is not None

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
        connection.timeout = self._limits.silence
        return connection

    def exchange(self, request: Request, url: str, user_agent: str, cancel: Cancel) -> _RawAnswer:
        """Sends the request and reads the whole answer, within the limits."""
        self._cancel = cancel
        self.answering = False
        deadline = time.monotonic() + self._limits.whole_answer
        with cancel.interrupting(self.cut):
            if not self.is_open:
                self.connected = False
                self._connection.connect()
            self.connected = True
            self._send(request, urlsplit(url), user_agent)
            answer = self._connection.getresponse()
            self.answering = True
            headers = {name.lower(): value for name, value in answer.getheaders()}
            body = self._read(answer, headers, deadline)
        answer.close()
        if answer.will_close:
            self.close()
        return _RawAnswer(answer.status, headers, body)

    def _send(self, request: Request, address: SplitResult, user_agent: str) -> None:
        target = (address.path or '/') + (f'?{address.query}' if address.query else '')
        headers = {'User-Agent': user_agent, 'Accept': 'application/json', 'Accept-Encoding': 'gzip', **request.headers}
        if self._proxy and address.scheme == 'http':
            target = f'http://{address.netloc}{target}'
            headers.update(self._proxy.headers)
        body = None
        if request.payload is not None:
            body = json.dumps(request.payload).encode()
            headers.setdefault('Content-Type', 'application/json')
        self._connection.request(request.method, target, body=body, headers=headers)

    def _read(self, answer: http.client.HTTPResponse, headers: Mapping[str, str], deadline: float) -> bytes:
        """The body, inflated. read1 and the count of our own let a slow or a short body be told from a whole one."""
        expected = None if answer.chunked else answer.length
        if expected is not None and expected > self._limits.body:
            raise _TooLarge
        inflate = (
            zlib.decompressobj(16 + zlib.MAX_WBITS)
            if headers.get('content-encoding', '').strip().lower() == 'gzip'
            else None
        )
        body = bytearray()
        received = 0
        while expected is None or received < expected:
            if time.monotonic() > deadline:
                raise TimeoutError
            chunk = answer.read1(CHUNK if expected is None else min(CHUNK, expected - received))
            if not chunk:
                break
            received += len(chunk)
            body += inflate.decompress(chunk, self._limits.body + 1 - len(body)) if inflate else chunk
            if len(body) > self._limits.body:
                raise _TooLarge
        if expected is not None and received < expected:
            raise http.client.IncompleteRead(b'', expected - received)
        if inflate is not None and received and not inflate.eof:
            raise http.client.IncompleteRead(b'')
        return bytes(body)

    def cut(self) -> None:
        """Shuts the socket, whatever another thread is doing with it."""
        sock = self._connection.sock
        if sock is not None:
            # ssl's own shutdown() drops the TLS object under the feet of a thread that is reading.
            socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def open_socket(self, address: tuple[str, int], *ignored: object) -> socket.socket:
        """A connected socket; the look-up and the connecting both end at once when cancelled."""
        deadline = time.monotonic() + self._limits.connect
        failure: OSError = OSError(errno.EHOSTUNREACH, 'no address')
        for family, kind, protocol, _name, place in _look_up(address, deadline, self._cancel):
            sock = socket.socket(family, kind, protocol)
            try:
                _connect(sock, place, deadline, self._cancel)
            except OSError as error:
                sock.close()
                failure = error
                continue
            except BaseException:
                sock.close()
                raise
            sock.settimeout(self._limits.silence)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        raise failure

    def secured(self, sock: socket.socket, connection: http.client.HTTPConnection) -> None:
        """Puts TLS on the connection. The handshake comes after the socket is in its place, where cut() finds it."""
        connection.sock = self._tls.wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
        self._cancel.check()
        connection.sock.do_handshake()


class _PlainConnection(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, line: _Line) -> None:
        super().__init__(host, port)
        self._create_connection = line.open_socket


class _TlsConnection(_PlainConnection):
    def __init__(self, host: str, port: int, line: _Line) -> None:
        super().__init__(host, port, line)
        self._line = line

    def connect(self) -> None:
        super().connect()  # opens the socket and, where there is a proxy, the tunnel through it
        self._line.secured(self.sock, self)


@dataclass(frozen=True)
class _Proxy:
    host: str
    port: int
    headers: dict[str, str] = field(repr=False)


def _proxy_for(origin: tuple[str, str, int]) -> _Proxy | None:
    """The system's proxy for an address, never for this computer itself."""
    scheme, host, _port = origin
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    configured = urllib.request.getproxies()
    given = configured.get(scheme) or configured.get('all')
    if not given:
        return None
    address = urlsplit(given if '://' in given else f'http://{given}')
    if not address.hostname:
        return None
    headers = {}
    if address.username:
        pair = f'{unquote(address.username)}:{unquote(address.password or "")}'
        headers['Proxy-Authorization'] = 'Basic ' + base64.b64encode(pair.encode()).decode()
    return _Proxy(address.hostname, address.port or 8080, headers)


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
        while not selector.select(CONNECT_SLICE):
            cancel.check()
            if time.monotonic() > deadline:
                raise TimeoutError
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _origin(address: SplitResult) -> tuple[str, str, int]:
    scheme = address.scheme.lower()
    port = address.port or (443 if scheme == 'https' else 80)
    return scheme, (address.hostname or '').lower(), port


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this computer."""
    if host.lower().rstrip('.') == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return False


def checked_address(url: str, allow_plain: bool = True) -> SplitResult:
    """The parts of an http or https address; raises SettingsTrouble for anything else.

    `allow_plain=False` refuses plain http too, but for this computer itself.
    """
    try:
        address = urlsplit(url)
        usable = address.scheme.lower() in ('http', 'https') and bool(address.hostname) and (address.port or 1) > 0
    except ValueError:
        usable = False
    if not usable or re.search(r'[\s\x00-\x1f]', url):
        raise SettingsTrouble(errors.BAD_ADDRESS, address=shown_address(url))
    if not allow_plain and address.scheme.lower() == 'http' and not is_loopback(address.hostname or ''):
        raise SettingsTrouble(errors.NOT_ENCRYPTED, address=shown_address(url))
    return address


def shown_address(url: str) -> str:
    """The address without user name, password, query and fragment: what may be shown."""
    return re.sub(r'//[^/@]*@', '//', re.split(r'[?#]', url, maxsplit=1)[0])[:200]


def same_service(url: str, target: str) -> bool:
    """Whether credentials may follow a redirect: the same origin, or the same name with or without www. over https."""
    try:
        here, there = _origin(urlsplit(url)), _origin(urlsplit(target))
    except ValueError:
        return False
    if here == there:
        return True
    return (
        here[0] == there[0] == 'https'
        and here[2] == there[2]
        and here[1].removeprefix('www.') == there[1].removeprefix('www.')
    )


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


def duration(seconds: float) -> Text:
    """A waiting time for people: seconds, minutes or hours, rounded up."""
    whole = max(1, round(seconds + 0.499))
    if whole < 100:
        return counted('{count} second', '{count} seconds', whole)
    if whole < 100 * 60:
        return counted('{count} minute', '{count} minutes', -(-whole // 60))
    return counted('{count} hour', '{count} hours', -(-whole // 3600))


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
        return text('no secure connection: {reason}', reason=error.reason or 'TLS')
    if isinstance(error, http.client.HTTPException | ValueError | zlib.error | EOFError):
        return text('the answer was garbled')
    if isinstance(error, OSError) and error.strerror:
        return text('{reason}', reason=error.strerror)
    # http.client raises a bare OSError for a proxy that refuses a tunnel.
    return text('the proxy refused: {reason}', reason=str(error)[:100]) if str(error) else text('no connection')
