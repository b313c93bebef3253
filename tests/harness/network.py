"""Shared by the tests of the network: an echo service, a proxy, ports that do not respond.

Uses the plugin's transport, not Calibre.
"""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.transport.client import HttpClient
from calibre_plugins.bookfusionbacksync.transport.request import Limits
from harness.threads import LONGEST_WAIT, on_another_thread
from standins.common import Fault, Request, Response, StandIn, json_response

USER_AGENT = 'BookFusionBackSync/0.0.0 (Calibre plugin)'
# Short time-outs, but long enough for a slow machine.
QUICK = Limits(connect_timeout=1.0, read_timeout=0.3, total_timeout=1.0, retry_delays=(0.01, 0.02, 0.03))
# For a slow machine, on which a request that is sent again would be counted twice. Retries do not wait.
PATIENT = Limits(connect_timeout=10.0, read_timeout=30.0, total_timeout=60.0, retry_delays=(0.01, 0.02, 0.03))
ONE_TRY = replace(PATIENT, retry_delays=())
# Longer than a test's time-out: a request with these limits can only be ended by something else, such as a cancel.
ENDLESS = Limits(connect_timeout=600.0, read_timeout=600.0, total_timeout=600.0, retry_delays=())


class Echo(StandIn):
    """Responds to every request with the request itself; `padding` makes the response so many bytes longer."""

    padding: int = 0

    def respond(self, request: Request) -> Response:
        sent = {'method': request.method, 'target': request.target, 'body': request.json(), 'x': 'x' * self.padding}
        return json_response(sent)


class RecordingCancel(Cancel):
    """A cancel flag whose `wait` does not wait. It records the seconds in `waits`, together with its children."""

    def __init__(self, parent: RecordingCancel | None = None) -> None:
        super().__init__(parent)
        self.waits: list[float] = parent.waits if parent else []

    def child(self) -> RecordingCancel:
        return RecordingCancel(self)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.check()


def make_client(limits: Limits = QUICK, service: str = 'The service', **options: Any) -> HttpClient:
    return HttpClient(service, USER_AGENT, limits, **options)


def trust(server: StandIn) -> ssl.SSLContext:
    """A TLS context that trusts the stand-in's certificate only."""
    return ssl.create_default_context(cafile=server.certificate_file)


@contextlib.contextmanager
def while_held(server: StandIn) -> Iterator[None]:
    """Assert that the block ends while the server still holds back its response.

    If the block hangs for LONGEST_WAIT, the server closes all connections so that it ends, and the assertion fails.
    """
    ended = threading.Event()
    let_go: list[str] = []

    def watch() -> None:
        if not ended.wait(LONGEST_WAIT):
            let_go.append('it ended only when the server let go')
            server.refuse_connections()

    with on_another_thread(watch):
        try:
            yield
        finally:
            ended.set()
    assert let_go == []


@contextlib.contextmanager
def cancelling_once(cancel: Cancel, ready: Callable[[], object]) -> Iterator[None]:
    """Set the flag, from another thread, as soon as `ready` returns."""

    def stop() -> None:
        try:
            ready()
        finally:
            cancel.set()

    with on_another_thread(stop):
        yield


@contextlib.contextmanager
def cancelling(cancel: Cancel, server: StandIn, once: Fault | Callable[[], object]) -> Iterator[None]:
    """Set the flag once a fault is being performed, or once `once` returns. The block must end, see `while_held`."""
    ready = (lambda: server.wait_for_fault(once)) if isinstance(once, Fault) else once
    with while_held(server), cancelling_once(cancel, ready):
        yield


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port on 127.0.0.1 that neither accepts nor refuses connections: its backlog is full."""
    with contextlib.ExitStack() as opened:
        listener = opened.enter_context(socket.socket())
        listener.bind(('127.0.0.1', 0))
        listener.listen(0)
        while True:
            filler = opened.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            if not select.select([], [filler], [], 0.1)[1]:
                break
        yield listener.getsockname()[1]


@contextlib.contextmanager
def silent_server() -> Iterator[tuple[int, threading.Event]]:
    """A port on 127.0.0.1 that accepts a connection and never sends anything, and an event: it has heard something."""
    heard, released = threading.Event(), threading.Event()

    def listen(listener: socket.socket) -> None:
        with contextlib.suppress(OSError), listener.accept()[0] as connection:
            connection.recv(1)
            heard.set()
            released.wait()

    with socket.create_server(('127.0.0.1', 0)) as listener, on_another_thread(lambda: listen(listener)):
        try:
            yield listener.getsockname()[1], heard
        finally:
            released.set()
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def names(addresses: Mapping[str, list[tuple[str, int]]]) -> Iterator[None]:
    """A context in which only these host names exist. They resolve to these addresses, for any port."""

    def look_up(host: str, port: int, *ignored: object, type: int = 0) -> list[tuple[Any, ...]]:  # noqa: A002
        with contextlib.suppress(OSError):
            return genuine(host, port, type=type, flags=socket.AI_NUMERICHOST)
        if host not in addresses:
            raise socket.gaierror(socket.EAI_NONAME, 'Name or service not known')
        return [(socket.AF_INET, type, 6, '', place) for place in addresses[host]]

    genuine = socket.getaddrinfo
    socket.getaddrinfo = look_up  # type: ignore[assignment]
    try:
        yield
    finally:
        socket.getaddrinfo = genuine


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy on 127.0.0.1 that forwards requests for any host to one stand-in.

    `heads` are the heads of the requests. `login` ('user:password') is required if it is set. `status` is sent as the
    response to every request instead of forwarding it. With `silent` nothing is sent at all.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, server: StandIn, login: str = '', status: int = 0, silent: bool = False) -> None:
        self.target = (server.host, server.port)
        self.login = login
        self.status = status
        self.silent = silent
        self.heads: list[str] = []
        self.released = threading.Event()
        super().__init__(('127.0.0.1', 0), ProxyHandler)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> Proxy:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.released.set()
        self.shutdown()
        self.server_close()

    def refusal(self, head: str) -> int:
        """The status with which this request is refused, 0 if it is forwarded."""
        expected = f'proxy-authorization: basic {base64.b64encode(self.login.encode()).decode()}'
        if self.login and expected.casefold() not in head.casefold():
            return 407
        return self.status


class ProxyHandler(socketserver.StreamRequestHandler):
    server: Proxy
    # Unbuffered, so that nothing is read that has to be forwarded.
    rbufsize = 0
    REASON: ClassVar = {200: 'Connection established', 407: 'Proxy Authentication Required', 502: 'Bad Gateway'}

    def handle(self) -> None:
        lines = []
        while (line := self.rfile.readline().decode('latin-1')).strip():
            lines.append(line)
        head = ''.join(lines)
        self.server.heads.append(head)
        if self.server.silent:
            self.server.released.wait()
            return
        status = self.server.refusal(head)
        if status:
            self._say(status)
            return
        with contextlib.suppress(OSError), socket.create_connection(self.server.target) as upstream:
            if head.startswith('CONNECT '):
                self._say(200)
            else:
                upstream.sendall(self._forwarded(lines))
            self._pump(upstream)

    def _say(self, status: int) -> None:
        self.wfile.write(f'HTTP/1.1 {status} {self.REASON.get(status, "?")}\r\n\r\n'.encode())

    def _forwarded(self, lines: list[str]) -> bytes:
        method, target, version = lines[0].split()
        path = '/' + target.split('://', 1)[1].partition('/')[2]
        kept = [line for line in lines[1:] if not line.lower().startswith(('proxy-', 'connection:'))]
        return ''.join([f'{method} {path} {version}\r\n', *kept, 'Connection: close\r\n\r\n']).encode('latin-1')

    def _pump(self, upstream: socket.socket) -> None:
        ends = {self.connection: upstream, upstream: self.connection}
        while not self.server.released.is_set():
            for end in select.select(list(ends), [], [], 0.05)[0]:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)
