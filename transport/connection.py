# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection to a server: DNS look-up, proxy, TLS, time-outs, size limits, cancelling.

Built on http.client. That has a time-out for each read only, not for a whole response, and its look-up and its
connecting cannot be interrupted; this module adds both.
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
import re
import selectors
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from ..base.address import checked_address, is_loopback, origin_of, shown_address
from ..base.cancel import Cancel
from ..base.errors import SettingsTrouble
from ..base.text import text
from .body import read_body
from .failures import NotPublic, ProxyInTrouble, ProxyRefused, Stage
from .public_address import is_public, literal_address
from .request import Limits, RawResponse, Request

# Seconds between two checks of the cancel flag in a wait that the flag cannot interrupt.
POLL_INTERVAL = 0.1


class Connection:
    """A connection to one origin, directly or through a proxy, that a Cancel can shut down at any moment.

    `stage` is how far the current request has got, `sent` is True once it was sent completely, `max_body` is the
    limit of its response in bytes, and `last_used` is the time of the last use on the monotonic clock.

    With `public_only` it connects only to addresses of the internet. What a proxy resolves a name to is not known, so
    behind one only hosts that are written as an IP address are checked.
    Raises the exceptions of `failures.RAISED` for an address or a proxy that cannot be used.
    """

    def __init__(
        self, address: SplitResult, limits: Limits, tls: Callable[[], ssl.SSLContext], public_only: bool = False
    ) -> None:
        self.origin = origin_of(address)
        self.host = self.origin[1]
        self.last_used = time.monotonic()
        self.stage = Stage.CONNECTING
        self.sent = False
        self.max_body = limits.max_body
        self._limits = limits
        self._tls = tls
        self._public_only = public_only
        self._cancel = Cancel()
        self._deadline = 0.0
        # A separate reference: http.client drops its own while a response is still being read.
        self._socket: socket.socket | None = None
        self._proxy = proxy_for(self.origin)
        self._http = self._make_http()

    @property
    def is_open(self) -> bool:
        """True if there is a socket. It may have been closed by the server, see `has_ended`."""
        return self._http.sock is not None

    @property
    def has_ended(self) -> bool:
        """True if the server has closed the idle connection. Anything readable means that: no request is pending."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._http.sock, selectors.EVENT_READ)
            return bool(selector.select(0))

    def close(self) -> None:
        self._http.close()

    def _make_http(self) -> http.client.HTTPConnection:
        scheme, host, port = self.origin
        proxy = self._proxy
        first_hop = (proxy.host, proxy.port) if proxy else (host, port)
        underlying: http.client.HTTPConnection
        if scheme == 'https':
            underlying = _TlsHttp(*first_hop, self)
            if proxy:
                underlying.set_tunnel(host, port, headers=proxy.headers)
        else:
            underlying = _PlainHttp(*first_hop, self)
        underlying.timeout = self._limits.read_timeout
        underlying.response_class = functools.partial(_TimedResponse, self)  # type: ignore[assignment]
        return underlying

    def exchange(self, request: Request, url: str, user_agent: str, cancel: Cancel) -> RawResponse:
        """Send the request and read the whole response, within the limits.

        Raises Cancelled and the exceptions of `failures.RAISED`; the connection must be closed after either.
        """
        self._cancel = cancel
        self.sent = False
        self.max_body = min(self._limits.max_body, request.max_body)
        self._deadline = time.monotonic() + self._limits.total_timeout
        with cancel.interrupting(self.shut_down):
            if not self.is_open:
                self.stage = Stage.CONNECTING
                self._http.connect()
            self.stage = Stage.WAITING
            self._http.sock.settimeout(self._limits.read_timeout)
            self._send(request, urlsplit(url), user_agent)
            self.sent = True
            response = self._http.getresponse()
            self.stage = Stage.READING
            headers = {name.lower(): value for name, value in response.getheaders()}
            gzipped = headers.get('content-encoding', '').strip().lower() == 'gzip'
            body = read_body(response, gzipped, self.max_body)
        response.close()
        if response.will_close:
            self.close()
        return RawResponse(response.status, headers, body)

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
        self._http.request(request.method, target, body=body, headers=headers)

    def shut_down(self) -> None:
        """Shut down the socket, also while another thread reads from it."""
        if self._socket is not None:
            # SSLSocket.shutdown() would drop the TLS object while another thread is reading from it.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def limit_wait(self) -> None:
        """Limit the next read to the time that is left for the whole response. Raises TimeoutError if none is."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if self._socket is not None:
            self._socket.settimeout(min(self._limits.read_timeout, left))

    def open_socket(self, address: tuple[str, int], *ignored: object) -> socket.socket:
        """A connected socket. A cancel ends both the look-up and the connecting.

        `address` is the proxy's if there is one. Raises OSError, NotPublic, Cancelled.
        """
        deadline = time.monotonic() + self._limits.connect_timeout
        failure: OSError = OSError(errno.EHOSTUNREACH, 'no address')
        if self._public_only and self._proxy and (literal := literal_address(self.host)) and not is_public(literal):
            raise NotPublic
        found = _look_up(address, deadline, self._cancel)
        if self._public_only and not self._proxy:
            # Checked here, not before: a name may resolve to something else the next time.
            found = [candidate for candidate in found if is_public(candidate[-1][0])]
            if not found:
                raise NotPublic
        for number, (family, kind, protocol, _name, socket_address) in enumerate(found):
            sock = socket.socket(family, kind, protocol)
            try:
                # Every address gets an equal share of the time that is left: an IPv6 address may not respond at all.
                now = time.monotonic()
                _connect(sock, socket_address, now + (deadline - now) / (len(found) - number), self._cancel)
            except OSError as error:
                sock.close()
                failure = error
                continue
            except BaseException:
                sock.close()
                raise
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return self._registered(sock)
        raise failure

    def _registered(self, sock: socket.socket) -> socket.socket:
        """Register the socket for `shut_down`. Raises Cancelled."""
        sock.settimeout(self._limits.read_timeout)
        self._socket = sock
        if self._cancel.is_set:
            sock.close()
            self._cancel.check()
        return sock

    def secure(self, sock: socket.socket, underlying: http.client.HTTPConnection) -> None:
        """Start TLS. The socket is registered for `shut_down` before the handshake."""
        wrapped = self._tls().wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
        underlying.sock = self._registered(wrapped)
        wrapped.do_handshake()


class _PlainHttp(http.client.HTTPConnection):
    def __init__(self, host: str, port: int, connection: Connection) -> None:
        super().__init__(host, port)
        self._create_connection = connection.open_socket


class _TlsHttp(_PlainHttp):
    # http.client omits this port from the Host header.
    default_port = http.client.HTTPS_PORT

    def __init__(self, host: str, port: int, connection: Connection) -> None:
        super().__init__(host, port, connection)
        self._connection = connection

    def connect(self) -> None:
        try:
            super().connect()  # opens the socket and, where there is a proxy, the tunnel through it
        except OSError as error:
            # http.client raises an OSError with this text if the proxy refuses the tunnel. Behind the status follows
            # what the proxy has to say, which may be anything. 407: a wrong password.
            refused = re.match(r'Tunnel connection failed: (\d{3})\b', str(error), re.ASCII)
            if refused is None:
                raise
            kind = ProxyRefused if refused[1].startswith('4') else ProxyInTrouble
            raise kind(text('the proxy refused: HTTP {status}', status=refused[1])) from None
        self._connection.secure(self.sock, self)


class _TimedResponse(http.client.HTTPResponse):
    """A response whose reads, from the first byte on, keep to the connection's time-outs."""

    def __init__(self, connection: Connection, sock: socket.socket, *arguments: Any, **named: Any) -> None:
        super().__init__(sock, *arguments, **named)
        self.fp = io.BufferedReader(_TimedReader(self.fp.detach(), connection))


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, connection: Connection) -> None:
        self._raw = raw
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._connection.limit_wait()
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy and the headers for requests to it, with the credentials of the system's setting."""

    host: str
    port: int
    headers: dict[str, str] = field(repr=False)


def proxy_for(origin: tuple[str, str, int]) -> Proxy | None:
    """The system's proxy for an origin; None for this computer. Raises ProxyRefused if its address cannot be used.

    The proxy is connected to without TLS, whatever its address says. Many people write `https://` for a proxy that has
    none, so this is refused only where a password would be sent.
    """
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
        raise ProxyRefused(text('the proxy {address} cannot be used', address=shown_address(given))) from None
    if address.scheme.lower() == 'https' and '@' in address.netloc:
        reason = text(
            'the password of the proxy {address} would be sent unencrypted, because this plugin knows proxies with '
            'http:// only',
            address=shown_address(given),
        )
        raise ProxyRefused(reason) from None
    headers = {}
    if address.username:
        pair = f'{unquote(address.username)}:{unquote(address.password or "")}'
        headers['Proxy-Authorization'] = 'Basic ' + base64.b64encode(pair.encode()).decode()
    _scheme, host, port = origin_of(address)
    return Proxy(host, port, headers)


def _look_up(address: tuple[str, int], deadline: float, cancel: Cancel) -> list[tuple[Any, ...]]:
    """getaddrinfo on a daemon thread, which is abandoned on a cancel or at the deadline.

    Raises OSError, TimeoutError and Cancelled.
    """
    outcome: list[object] = []
    done = threading.Event()

    def ask() -> None:
        try:
            outcome.append(socket.getaddrinfo(*address, type=socket.SOCK_STREAM))
        except (OSError, ValueError) as error:
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
    if isinstance(found, ValueError):
        raise socket.gaierror(socket.EAI_NONAME, 'not a host name')
    assert isinstance(found, list)
    return found


def _connect(sock: socket.socket, socket_address: tuple[Any, ...], deadline: float, cancel: Cancel) -> None:
    sock.setblocking(False)
    code = sock.connect_ex(socket_address)
    if code not in (0, errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, 'WSAEWOULDBLOCK', 0)):
        raise OSError(code, os.strerror(code))
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_WRITE)
        while not selector.select(POLL_INTERVAL):
            cancel.check()
            if time.monotonic() > deadline:
                raise TimeoutError
    code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
