"""The base of the local stand-ins for web services: an HTTP/1.1 server, a request log, a table of faults.

A service is a subclass of `StandIn` with a `respond` method. The faults are in `faults`. This module must not import
any service, Calibre or the plugin.
"""

from __future__ import annotations

import contextlib
import email.utils
import functools
import gzip
import http
import inspect
import io
import itertools
import json
import os
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlsplit

JSON_HEADERS: Mapping[str, str] = {'Content-Type': 'application/json; charset=utf-8'}
COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(',', ':'))
SMALLEST_COMPRESSED = 512
LONGEST_LINE = 65536
PIECE = 65536


@dataclass(frozen=True)
class Request:
    """One request.

    `path` is percent-decoded and without the query; `target` is path and query as they were sent. The names in
    `headers` are in lower case. `when` is `time.monotonic()` at arrival. `connection` is the number of the connection,
    from 1. `status` is the status of the response, None if there is none (yet).
    """

    number: int
    connection: int
    method: str
    target: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    when: float
    status: int | None = None
    version: str = 'HTTP/1.1'

    def header(self, name: str) -> str:
        """The value of a header, '' if it is missing. The case of the name does not matter."""
        return self.headers.get(name.lower(), '')

    def json(self) -> Any:
        """The body parsed as JSON, None if it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def wants_close(self) -> bool:
        return self.version == 'HTTP/1.0' or self.header('Connection').lower() == 'close'


@dataclass(frozen=True)
class Response:
    """A complete response. Content-Length and Connection are added when it is sent."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b''


def dump_json(value: Any) -> bytes:
    """`value` as compact JSON in UTF-8. Lone surrogates are escaped."""
    try:
        return COMPACT.encode(value).encode()
    except UnicodeEncodeError:
        return json.dumps(value).encode()


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, {**JSON_HEADERS, **(headers or {})}, dump_json(value))


def http_date(seconds_from_now: float) -> str:
    """An HTTP date for a Retry-After header."""
    return email.utils.formatdate(time.time() + seconds_from_now, usegmt=True)


def unused_port() -> int:
    """A port on 127.0.0.1 where no server listens."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        return int(server.getsockname()[1])


class Exchange:
    """A request and the methods to respond to it, passed to actions."""

    def __init__(self, server: StandIn, request: Request, connection: socket.socket) -> None:
        self.server = server
        self.request = request
        self.connection = connection
        self.keep_alive = not request.wants_close()

    def genuine(self) -> Response:
        """The service's response without a fault, compressed if the client accepts that."""
        return self.server.genuine_response(self.request)

    def begin(self, status: int | None) -> None:
        """Log the status. Call it before the first byte is sent, so that the client finds the log complete."""
        self.server._note_status(self.request, status)

    def finish(self) -> None:
        """Remove the request from those in flight. Call it before the last byte is sent, see `begin`."""
        self.server._finish(self.request)

    def head(self, status: int, headers: Mapping[str, str]) -> bytes:
        try:
            reason = http.HTTPStatus(status).phrase
        except ValueError:
            reason = 'Unknown'
        lines = [f'HTTP/1.1 {status} {reason}']
        lines += [f'{name}: {value}' for name, value in headers.items()]
        lines += ['Connection: ' + ('keep-alive' if self.keep_alive else 'close'), '', '']
        return '\r\n'.join(lines).encode('utf-8')

    def send(self, response: Response) -> None:
        """Send a complete response."""
        headers = {**response.headers, 'Content-Length': str(len(response.body))}
        self.begin(response.status)
        self.finish()
        self.connection.sendall(self.head(response.status, headers) + response.body)

    def stream(self, status: int, headers: Mapping[str, str], pieces: Iterable[bytes], length: int | None) -> None:
        """Send a body in pieces, with Content-Length if `length` (in bytes) is given, else chunked."""
        framing = {'Transfer-Encoding': 'chunked'} if length is None else {'Content-Length': str(length)}
        self.begin(status)
        self.connection.sendall(self.head(status, {**headers, **framing}))
        last = b''
        for piece in pieces:
            if last:
                self.connection.sendall(last)
            last = piece if length is not None else chunk(piece)
        self.finish()
        self.connection.sendall(last if length is not None else last + chunk(b''))

    def close(self, status: int | None = None) -> None:
        """Close the connection after what has been sent so far."""
        self.keep_alive = False
        self.begin(status)
        self.finish()


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body. Empty data ends the body."""
    return b'%x\r\n%s\r\n' % (len(data), data)


class Action:
    """Something that is performed instead of the genuine response, see `faults`."""

    def perform(self, exchange: Exchange) -> None:
        raise NotImplementedError


@dataclass
class Fault:
    """One row of the table of faults, see `StandIn.fail`.

    `seen` counts the matching requests, `hits` those for which the action was performed.
    """

    action: Action
    path: str | None = None
    method: str | None = None
    after: int = 0
    times: int | None = 1
    when: Callable[[Request], bool] | None = None
    seen: int = 0
    hits: int = 0

    def matches(self, request: Request) -> bool:
        return (
            (self.path is None or request.path.startswith(self.path))
            and (self.method is None or request.method == self.method)
            and (self.when is None or self.when(request))
        )

    def due(self) -> bool:
        return self.seen > self.after and (self.times is None or self.hits < self.times)


Self = TypeVar('Self', bound='StandIn')


class StandIn:
    """A service on 127.0.0.1, used as a context manager. Subclasses implement `respond`.

    Attributes:
        errors            tracebacks of bugs in the stand-in; leaving the context raises AssertionError if there are any
        violations        sentences about requests that a well-behaved client does not send
        connections       the number of connections since `reset_log`
        max_in_flight     the largest number of requests in flight since `reset_log`
        certificate_file  the path of the self-signed certificate with `tls`

    The following class attributes are options. They are given as keyword arguments or set at any time, in seconds:
    """

    latency: float = 0.0
    """Wait before every response."""
    connection_latency: float = 0.0
    """Wait before the first request of a connection is read."""
    gzip: bool = True
    """Compress responses if the client accepts that."""
    requests_per_connection: int | None = None
    """Close a connection after so many responses, without announcing it."""

    def __init__(
        self,
        *,
        host: str = '127.0.0.1',
        port: int = 0,
        tls: bool = False,
        tls_names: tuple[str, ...] = ('DNS:localhost', 'IP:127.0.0.1'),
        **options: Any,
    ) -> None:
        self.host = host
        self.port = port
        self.tls = tls
        self.certificate_file = ''
        self.connections = 0
        self.max_in_flight = 0
        self.errors: list[str] = []
        self.violations: list[str] = []
        self.stopping = threading.Event()
        self._tls_names = tls_names
        self._tls_context: ssl.SSLContext | None = None
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._log: dict[int, Request] = {}
        self._numbers = itertools.count(1)
        self._connection_numbers = itertools.count(1)
        self._active: dict[int, socket.socket] = {}
        self._open: dict[int, socket.socket] = {}
        self._threads: list[threading.Thread] = []
        self._faults: list[Fault] = []
        self._listener: socket.socket | None = None
        self._compress = functools.lru_cache(maxsize=512)(functools.partial(gzip.compress, compresslevel=1))
        self._cleanup = contextlib.ExitStack()
        self.set_options(**options)

    def respond(self, request: Request) -> Response:
        """The service's response to a request. Called on one thread per connection."""
        raise NotImplementedError

    def set_options(self, **options: Any) -> None:
        """Set options by name. Raises TypeError for an unknown name."""
        for name, value in options.items():
            if name not in self.option_names():
                raise TypeError(f'{type(self).__name__} has no option {name!r}')
            setattr(self, name, value)

    @classmethod
    def option_names(cls) -> set[str]:
        return {name for part in cls.__mro__ for name in inspect.get_annotations(part)}

    @property
    def origin(self) -> str:
        """`http://127.0.0.1:PORT`, with `tls` https."""
        return f'{"https" if self.tls else "http"}://{self.host}:{self.port}'

    def __enter__(self: Self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if kind is None and self.errors:
            raise AssertionError('the stand-in itself failed:\n' + '\n'.join(self.errors))

    def start(self) -> None:
        if self.tls:
            folder = self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix='stand-in-'))
            self.certificate_file, key_file = make_certificate(Path(folder), self._tls_names)
            self._tls_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls_context.load_cert_chain(self.certificate_file, key_file)
        self.accept_connections()

    def stop(self) -> None:
        """Stop listening, close all connections, and wait for the threads."""
        self.stopping.set()
        self.refuse_connections()
        for thread in list(self._threads):
            thread.join(timeout=10)
        self._cleanup.close()

    def accept_connections(self) -> None:
        """Listen. After `refuse_connections` it is the same port."""
        if self._listener is None:
            self._listener = socket.create_server((self.host, self.port), backlog=128)
            self.port = self._listener.getsockname()[1]
            self._listener.settimeout(0.1)
            self._start_thread(self._accept, self._listener)

    def refuse_connections(self) -> None:
        """Stop listening, so that new connections are refused, and close the open ones."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            for connection in self._open.values():
                with contextlib.suppress(OSError):
                    # SSLSocket.shutdown() would change the socket's state while another thread uses it.
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def pause(self, seconds: float) -> bool:
        """Wait. Returns False if the server was stopped meanwhile."""
        return not (self.stopping.wait(seconds) if seconds > 0 else self.stopping.is_set())

    def fail(
        self,
        action: Action,
        path: str | None = None,
        method: str | None = None,
        after: int = 0,
        times: int | None = 1,
        when: Callable[[Request], bool] | None = None,
    ) -> Fault:
        """Perform `action` for requests whose path starts with `path`, with this method, for which `when` is true.

        The first `after` matching requests get the genuine response. Then the action is performed `times` times (None:
        from then on). Every row counts all matching requests. If several rows are due, the first one is performed.
        """
        fault = Fault(action, path, method, after, times, when)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    @property
    def requests(self) -> list[Request]:
        """A copy of the request log, in order of arrival."""
        with self._lock:
            return list(self._log.values())

    @property
    def in_flight(self) -> int:
        """The number of requests without a complete response whose client is still connected."""
        with self._lock:
            return sum(not client_gone(connection) for connection in self._active.values())

    @property
    def open_connections(self) -> int:
        with self._lock:
            return len(self._open)

    def count(self, path: str = '', method: str | None = None) -> int:
        """The number of requests whose path starts with `path`."""
        with self._lock:
            return sum(
                request.path.startswith(path) and method in (None, request.method) for request in self._log.values()
            )

    def wait_for(self, path: str = '', times: int = 1, timeout: float = 10.0) -> None:
        """Wait until so many requests for `path` have arrived, whether or not they have a response. Or TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.count(path) >= times, timeout):
                raise TimeoutError(f'{self.count(path)} of {times} requests for {path!r} in {timeout} s')

    def wait_for_fault(self, fault: Fault, times: int = 1, timeout: float = 10.0) -> None:
        """Wait until the action of a fault has been started so many times. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: fault.hits >= times, timeout):
                raise TimeoutError(f'{fault} in {timeout} s')

    def reset_log(self) -> None:
        """Clear the request log, the counts and the violations, but not faults and options."""
        with self._lock:
            self._log.clear()
            self.connections = self.max_in_flight = 0
            self.violations.clear()

    def violation(self, text: str) -> None:
        """Record something that a well-behaved client does not do."""
        with self._lock:
            self.violations.append(text)

    def statistics(self) -> dict[str, Any]:
        with self._lock:
            return {
                'requests': len(self._log),
                'connections': self.connections,
                'max_in_flight': self.max_in_flight,
                'violations': list(self.violations),
            }

    def genuine_response(self, request: Request) -> Response:
        """The service's response, compressed if the client accepts that."""
        try:
            response = self.respond(request)
        except Exception:  # noqa: BLE001 - `__exit__` reports any exception
            with self._lock:
                self.errors.append(traceback.format_exc())
            return json_response({'error': 'the stand-in itself failed'}, 500)
        accepts = self.gzip and 'gzip' in request.header('Accept-Encoding')
        if not accepts or len(response.body) < SMALLEST_COMPRESSED or 'Content-Encoding' in response.headers:
            return response
        headers = {**response.headers, 'Content-Encoding': 'gzip', 'Vary': 'Accept-Encoding'}
        return replace(response, headers=headers, body=self._compress(response.body))

    def _start_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=function, args=arguments, daemon=True, name=type(self).__name__)
        with self._lock:
            self._threads = [other for other in self._threads if other.is_alive()]
            thread.start()
            self._threads.append(thread)

    def _accept(self, listener: socket.socket) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            with self._lock:
                if self._listener is not listener:
                    connection.close()
                    return
                self.connections += 1
                # A separate counter: `connections` is reset by `reset_log` while older connections are still open.
                number = next(self._connection_numbers)
                self._open[number] = connection
            self._start_thread(self._serve, connection, number)

    def _serve(self, connection: socket.socket, number: int) -> None:
        try:
            with (
                contextlib.suppress(OSError),
                self._opened(connection, number) as opened,
                opened.makefile('rb', PIECE) as reader,
            ):
                self._serve_requests(cast(io.BufferedReader, reader), opened, number)
        except Exception:  # noqa: BLE001 - `__exit__` reports any exception
            with self._lock:
                self.errors.append(traceback.format_exc())

    @contextlib.contextmanager
    def _opened(self, connection: socket.socket, number: int) -> Iterator[socket.socket]:
        """The connection after `connection_latency` and the TLS handshake. It is closed at the end."""
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pause(self.connection_latency)
            if self._tls_context is not None:
                connection = self._tls_context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                with self._lock:
                    self._open[number] = connection
                connection.do_handshake()
            yield connection
        finally:
            with self._lock:
                del self._open[number]
                connection.close()

    def _serve_requests(self, reader: io.BufferedReader, connection: socket.socket, number: int) -> None:
        responses = 0
        while not self.stopping.is_set():
            request = read_request(reader, next(self._numbers), number)
            # A server that refuses connections also ignores requests on connections that are being closed.
            if request is None or self._listener is None:
                return
            exchange = Exchange(self, request, connection)
            try:
                self._converse(exchange)
            finally:
                self._finish(request)
            responses += 1
            if not exchange.keep_alive or responses == self.requests_per_connection:
                return

    def _converse(self, exchange: Exchange) -> None:
        action = self._arrived(exchange)
        if not self.pause(self.latency):
            return
        if action is None:
            exchange.send(exchange.genuine())
        else:
            action.perform(exchange)

    def _arrived(self, exchange: Exchange) -> Action | None:
        """Log the request, and return the action of the fault that applies to it, None for none."""
        request = exchange.request
        with self._changed:
            self._log[request.number] = request
            self._active[request.number] = exchange.connection
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
            self._changed.notify_all()
            action: Action | None = None
            for fault in self._faults:
                if fault.matches(request):
                    fault.seen += 1
                    if action is None and fault.due():
                        fault.hits += 1
                        action = fault.action
            return action

    def _note_status(self, request: Request, status: int | None) -> None:
        with self._lock:
            if request.number in self._log:
                self._log[request.number] = replace(request, status=status)

    def _finish(self, request: Request) -> None:
        with self._lock:
            self._active.pop(request.number, None)


def client_gone(connection: socket.socket) -> bool:
    """True if the client has closed the connection. On one machine that is visible before the serving thread wakes up.

    The clients here do not pipeline requests, so unread bytes on a TLS connection are its closing message.
    """
    try:
        waiting = socket.socket.recv(connection, 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return not waiting or isinstance(connection, ssl.SSLSocket)


def read_request(reader: io.BufferedReader, number: int, connection: int) -> Request | None:
    """The next request of a connection, None at its end or if it is not an HTTP request."""
    line = reader.readline(LONGEST_LINE)
    words = line.decode('latin-1').split()
    if len(words) != 3:
        return None
    method, target, version = words
    headers: dict[str, str] = {}
    while (line := reader.readline(LONGEST_LINE)) not in (b'\r\n', b'\n'):
        if not line:
            return None
        name, _, value = line.decode('latin-1').partition(':')
        headers[name.strip().lower()] = value.strip()
    digits = headers.get('content-length', '0')
    length = int(digits) if digits.isdecimal() else 0
    body = reader.read(length)
    if len(body) < length:
        return None
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    when = time.monotonic()
    return Request(number, connection, method, target, unquote(parts.path), query, headers, body, when, version=version)


def make_certificate(folder: Path, names: tuple[str, ...]) -> tuple[str, str]:
    """Make a self-signed certificate for `names` (`DNS:…`, `IP:…`) with openssl. Returns its path and its key's."""
    certificate, key = folder / 'certificate.pem', folder / 'key.pem'
    command = ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
    command += ['-keyout', str(key), '-out', str(certificate), '-days', '2', '-subj', '/CN=stand-in']
    command += ['-addext', 'subjectAltName=' + ','.join(names)]
    command += ['-addext', 'keyUsage=critical,digitalSignature,keyCertSign']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError('openssl made no certificate: ' + done.stderr)
    return str(certificate), str(key)


def _commands() -> Iterator[str]:
    """The lines of standard input."""
    while True:
        # A signal right before a blocking read would be handled only after the next line.
        while os.name == 'posix' and not select.select([sys.stdin], [], [], 0.2)[0]:
            pass
        line = sys.stdin.readline()
        if not line:
            return
        yield line


def serve_until_told(server: StandIn, ready: Mapping[str, Any]) -> None:
    """Print `ready` as one line of JSON and serve until standard input closes.

    A line on standard input is a command: `stats`, `reset` (the log), or `set {"latency": 0.05}` (options). The reply
    is one line of JSON with the statistics.
    """
    print(json.dumps(ready), flush=True)
    for line in _commands():
        command, _, argument = line.strip().partition(' ')
        if command == 'reset':
            server.reset_log()
        elif command == 'set':
            server.set_options(**json.loads(argument))
        print(json.dumps(server.statistics()), flush=True)


class StandInProcess:
    """A stand-in in a separate process, so that it does not slow down the client's interpreter.

    `script` is the stand-in's file, `arguments` its command line. `ready` is the JSON object that it prints first.
    """

    def __init__(self, script: Path | str, *arguments: str, python: str = sys.executable) -> None:
        self._process = subprocess.Popen(
            [python, str(script), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.ready: dict[str, Any] = self._read()

    def __enter__(self) -> StandInProcess:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def command(self, line: str) -> dict[str, Any]:
        """Send a command of `serve_until_told`. Returns the statistics: `requests`, `connections`, `max_in_flight`…"""
        assert self._process.stdin is not None
        self._process.stdin.write(line + '\n')
        self._process.stdin.flush()
        return self._read()

    def stop(self) -> int:
        """Close its standard input and wait for its end. Returns its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        return self.wait()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end, then kill it after 15 s. Returns its exit code."""
        try:
            return self._process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f'the stand-in ended with exit code {self._process.wait()}')
        return cast('dict[str, Any]', json.loads(line))
