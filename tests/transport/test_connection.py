"""One connection against local servers: look-up, time-outs, size caps, proxies, TLS, and a cancel at any moment."""

from __future__ import annotations

import gzip
import http.client
import signal
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from traceback import format_exception
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import BadAnswer, Cancelled
from calibre_plugins.bookfusionbacksync.transport import connection as connections
from calibre_plugins.bookfusionbacksync.transport.body import read_body
from calibre_plugins.bookfusionbacksync.transport.client import HttpClient
from calibre_plugins.bookfusionbacksync.transport.request import LARGEST_BODY, MEGABYTE, Limits, Request
from harness.network import (
    ENDLESS,
    QUICK,
    USER_AGENT,
    Echo,
    Proxy,
    ProxyHandler,
    RecordingCancel,
    black_hole,
    make_client,
    names,
    silent_server,
    trust,
    while_held,
)
from harness.threads import inside, on_another_thread, wait_until
from harness.transport import (
    TOKEN,
    WITH_ENDLESS_DELAYS,
    Verbatim,
    assert_cancelled,
    failure,
    get,
    post,
    told,
    whole_story,
)
from standins import faults
from standins.common import Action, Exchange, Response, unused_port


@pytest.mark.parametrize('host', ['nowhere.example', 'a' * 70 + '.example', 'bad..example', 'b\xfccher.example'])
def test_a_name_that_does_not_exist(client: HttpClient, host: str) -> None:
    with names({}):
        error = failure(client, Request('GET', f'http://{host}/'), RecordingCancel())
    assert 'its name could not be looked up' in str(error)


def test_an_address_that_leads_nowhere_leaves_time_for_the_next(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines: list[float] = []
    connect = connections._connect

    def note_the_deadline(sock: socket.socket, address: tuple[Any, ...], deadline: float, cancel: Cancel) -> None:
        deadlines.append(deadline)
        connect(sock, address, deadline, cancel)

    monkeypatch.setattr(connections, '_connect', note_the_deadline)
    with (
        black_hole() as hole,
        names({'books.example': [('127.0.0.1', hole), ('127.0.0.1', server.port)]}),
        make_client(replace(ENDLESS, connect_timeout=1)) as client,
    ):
        assert client.send(Request('GET', 'http://books.example/'), Cancel()).status == 200
    nowhere, somewhere = deadlines
    assert nowhere == pytest.approx(somewhere - 0.5, abs=0.1)


def test_connecting_takes_no_longer_than_allowed() -> None:
    """Nothing else would end it."""
    with black_hole() as hole, make_client(replace(ENDLESS, connect_timeout=0.2)) as client:
        error = failure(client, Request('GET', f'http://127.0.0.1:{hole}/'))
    assert 'could not be reached (no answer)' in str(error)


def test_what_is_sent(server: Echo, client: HttpClient) -> None:
    client.send(Request('GET', server.origin), Cancel())
    client.send(Request('POST', f'{server.origin}/a?b=c#d', {'Accept': 'text/x', 'X-Token': TOKEN}, [1]), Cancel())
    plain, rich = server.requests
    assert (plain.method, plain.target, plain.body) == ('GET', '/', b'')
    assert plain.header('user-agent') == USER_AGENT
    assert plain.header('accept') == 'application/json'
    assert plain.header('accept-encoding') == 'gzip'
    assert plain.header('host') == f'127.0.0.1:{server.port}'
    assert 'content-type' not in plain.headers
    assert (rich.target, rich.body) == ('/a?b=c', b'[1]')
    assert rich.header('accept') == 'text/x'
    assert rich.header('x-token') == TOKEN
    assert rich.header('content-type') == 'application/json'


@pytest.mark.parametrize('compressed', [True, False])
def test_compressed_answers(server: Echo, client: HttpClient, compressed: bool) -> None:
    server.set_options(gzip=compressed, padding=50_000)
    answer = client.send(get(server), Cancel())
    assert isinstance(answer.data, dict)
    assert len(answer.data['x']) == 50_000
    assert ('content-encoding' in answer.headers) == compressed


@pytest.mark.parametrize('content_length', [True, False])
def test_too_much_is_refused(server: Echo, content_length: bool) -> None:
    server.fail(faults.Huge(200, content_length=content_length))
    with make_client(Limits(retry_delays=(0,))) as client:
        error = failure(client, get(server, max_body=LARGEST_BODY))
    assert isinstance(error, BadAnswer)
    assert str(error).startswith('The service sent more than 64 MB in one answer, which was refused. Choose a smaller')
    assert server.count() == 1


def test_a_gzip_bomb_is_refused(server: Echo) -> None:
    server.fail(faults.GzipBomb(30))
    with make_client(replace(QUICK, max_body=2 * MEGABYTE)) as client:
        assert 'more than 2 MB' in str(failure(client, get(server)))
    assert server.count() == 1


def test_as_much_as_is_allowed_is_taken(server: Echo) -> None:
    body = b'"' + b'x' * 998 + b'"'
    with make_client(replace(QUICK, max_body=1000)) as client:
        for sent in (Response(200, {}, body), Response(200, {'Content-Encoding': 'gzip'}, gzip.compress(body))):
            server.fail(Verbatim(sent))
            assert client.send(get(server), Cancel()).data == 'x' * 998
        server.fail(Verbatim(Response(200, {}, body + b' ')))
        assert told(failure(client, get(server)), errors.TOO_LARGE)


@pytest.mark.parametrize(('head', 'bytes_per_second'), [(False, 75), (True, 150)])
def test_slow_but_in_time(server: Echo, head: bool, bytes_per_second: float) -> None:
    """All of it takes longer than a silence may last, and no silence does."""
    server.fail(faults.SlowBody(bytes_per_second, head=head))
    with make_client(replace(ENDLESS, read_timeout=0.9)) as client:
        assert client.send(get(server), Cancel()).status == 200


@pytest.mark.parametrize('head', [False, True])
def test_a_slow_answer_ends_in_time_although_it_never_falls_silent(server: Echo, head: bool) -> None:
    """It would arrive whole, if the time for all of it did not count."""
    server.fail(faults.SlowBody(30, head=head))
    with make_client(replace(ENDLESS, total_timeout=0.4)) as client:
        error = failure(client, get(server))
    assert told(error, errors.TOO_SLOW)


def test_cancelled_in_the_look_up() -> None:
    asked, released = threading.Event(), threading.Event()

    def look_up(*arguments: object, **named: object) -> list[object]:
        asked.set()
        released.wait()
        raise socket.gaierror(socket.EAI_AGAIN, 'Temporary failure')

    genuine = socket.getaddrinfo
    socket.getaddrinfo = look_up  # type: ignore[assignment]
    try:
        with make_client(WITH_ENDLESS_DELAYS) as client:
            assert_cancelled(client, Request('GET', 'http://books.example/'), asked.wait)
        left = [thread for thread in threading.enumerate() if thread.name == 'look-up']
        assert [thread.daemon for thread in left] == [True], 'nothing interrupts a look-up, so it is left behind'
    finally:
        socket.getaddrinfo = genuine
        released.set()


def test_cancelled_while_connecting() -> None:
    with black_hole() as hole, make_client(WITH_ENDLESS_DELAYS) as client:
        connecting = partial(wait_until, lambda: inside(connections._connect))
        assert_cancelled(client, Request('GET', f'http://127.0.0.1:{hole}/'), connecting)


def test_cancelled_in_the_tls_handshake() -> None:
    with silent_server() as (port, heard), make_client(WITH_ENDLESS_DELAYS) as client:
        assert_cancelled(client, Request('GET', f'https://127.0.0.1:{port}/'), heard.wait)


def test_cancelled_while_the_proxy_keeps_silent(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(server, silent=True) as proxy, make_client(WITH_ENDLESS_DELAYS) as client:
        monkeypatch.setenv('https_proxy', f'http://127.0.0.1:{proxy.port}')
        assert_cancelled(client, Request('GET', 'https://books.example/'), partial(wait_until, lambda: proxy.heads))
    assert len(proxy.heads) == 1


@dataclass(frozen=True)
class Stalled(Action):
    """A head and the beginning of a body, and nothing more."""

    headers: tuple[str, ...]

    def perform(self, exchange: Exchange) -> None:
        exchange.begin(200)
        exchange.connection.sendall('\r\n'.join(['HTTP/1.1 200 OK', *self.headers, '', '5\r\n[1, 2']).encode())
        faults.Hang().perform(exchange)


# What the server does, and where the client waits then.
HEAD, BODY = http.client.HTTPConnection.getresponse, read_body
WAITING_FOR_AN_ANSWER: dict[str, tuple[Action, object]] = {
    'no answer': (faults.Hang(), HEAD),
    'slow head': (faults.SlowBody(20, head=True), HEAD),
    'slow body': (faults.SlowBody(20), BODY),
    'body with a length': (Stalled(('Content-Length: 1000',)), BODY),
    'chunked body': (Stalled(('Transfer-Encoding: chunked',)), BODY),
    'body to the end of the connection': (Stalled(()), BODY),
    'body of a connection to be closed': (Stalled(('Content-Length: 1000', 'Connection: close')), BODY),
    'retry wait': (faults.Status(503), Cancel.wait),
    'asked-for wait': (faults.Status(429, {'Retry-After': '60'}), Cancel.wait),
}


@pytest.mark.parametrize('tls', [False, True], ids=['plain', 'TLS'])
@pytest.mark.parametrize('phase', WAITING_FOR_AN_ANSWER)
def test_cancelled_while_waiting(phase: str, tls: bool) -> None:
    with Echo(tls=tls) as server, make_client(WITH_ENDLESS_DELAYS, tls=trust(server) if tls else None) as client:
        action, where = WAITING_FOR_AN_ANSWER[phase]
        server.fail(action, times=None)

        def waiting() -> None:
            server.wait_for('/books')
            wait_until(lambda: inside(HttpClient.send, where))

        with while_held(server):
            assert_cancelled(client, get(server), waiting)
        assert server.count() == 1


def test_cancelled_by_a_signal(server: Echo) -> None:
    """The handler runs in the very thread that waits for the answer."""
    cancel = Cancel()
    server.fail(faults.Hang())
    before = signal.signal(signal.SIGUSR1, lambda number, frame: cancel.set())

    def send_a_signal() -> None:
        server.wait_for('/books')
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)  # type: ignore[arg-type]

    try:
        with (
            make_client(WITH_ENDLESS_DELAYS) as patient,
            while_held(server),
            on_another_thread(send_a_signal),
            pytest.raises(Cancelled),
        ):
            patient.send(get(server), cancel)
    finally:
        signal.signal(signal.SIGUSR1, before)


PROXY_LOGIN = 'proxy user:pR0xy/pa@ss word'
PROXY_USERINFO = 'proxy%20user:pR0xy%2Fpa%40ss%20word'


def test_plain_http_through_a_proxy(server: Echo, client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(server, PROXY_LOGIN) as proxy:
        monkeypatch.setenv('http_proxy', f'http://{PROXY_USERINFO}@127.0.0.1:{proxy.port}')
        request = Request('POST', 'http://me:secret@books.example:8080/api?a=b', {'X-Token': TOKEN}, {'page': 1})
        assert client.send(request, Cancel()).status == 200
    (head,) = proxy.heads
    assert head.startswith('POST http://books.example:8080/api?a=b HTTP/1.1\r\n')
    assert 'secret' not in head
    (sent,) = server.requests
    assert sent.header('host') == 'books.example:8080'
    assert sent.json() == {'page': 1}


def test_tls_through_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        Echo(tls=True, tls_names=('DNS:books.example',)) as server,
        Proxy(server, PROXY_LOGIN) as proxy,
        make_client(tls=trust(server)) as client,
    ):
        monkeypatch.setenv('https_proxy', f'{PROXY_USERINFO}@127.0.0.1:{proxy.port}')
        for _ in range(2):
            request = Request('GET', f'https://books.example/api?token={TOKEN}', {'X-Token': TOKEN})
            assert client.send(request, Cancel()).status == 200
        (head,) = proxy.heads
        assert head.startswith('CONNECT books.example:443 HTTP/1.')
        assert TOKEN not in head
        assert [request.header('proxy-authorization') for request in server.requests] == ['', '']
        assert [request.header('host') for request in server.requests] == ['books.example', 'books.example']


@pytest.mark.parametrize('host', ['127.0.0.1', 'localhost', 'LOCALHOST.'])
def test_this_computer_is_never_reached_through_a_proxy(
    server: Echo, client: HttpClient, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{unused_port()}')
    with names({name: [(server.host, server.port)] for name in ('localhost', 'localhost.')}):
        assert client.send(Request('GET', f'http://{host}:{server.port}/'), Cancel()).status == 200


def test_what_the_system_excepts_is_not_reached_through_a_proxy(
    server: Echo, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{unused_port()}')
    monkeypatch.setenv('no_proxy', 'other.example,books.example')
    with names({'books.example': [(server.host, server.port)]}):
        assert client.send(Request('GET', f'http://books.example:{server.port}/'), Cancel()).status == 200


def test_a_proxy_that_wants_another_password_is_asked_once(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = RecordingCancel()
    with Proxy(server, 'somebody:else') as proxy, make_client() as client:
        monkeypatch.setenv('https_proxy', f'http://{PROXY_USERINFO}@127.0.0.1:{proxy.port}')
        error = failure(client, Request('GET', 'https://books.example/'), cancel)
    assert 'could not be reached (the proxy refused: HTTP 407)' in str(error)
    assert (len(proxy.heads), cancel.waits) == (1, [])
    assert not any(part in whole_story(error) for part in ('pR0xy', 'proxy user', 'proxy%20user'))


@pytest.mark.parametrize(('status', 'tries'), [(403, 1), (407, 1), (502, 4), (300, 4), (999, 4)])
def test_of_what_a_proxy_says_only_the_number_is_told(
    server: Echo, monkeypatch: pytest.MonkeyPatch, status: int, tries: int
) -> None:
    """Its text may be anything: an advertisement, escape codes, the user's name, another status."""
    said = 'Blocked for jane.doe\x1b[31m, Tunnel connection failed: 407'
    monkeypatch.setattr(ProxyHandler, 'REASON', {status: said})
    with Proxy(server, status=status) as proxy, make_client() as client:
        monkeypatch.setenv('https_proxy', f'http://127.0.0.1:{proxy.port}')
        error = failure(client, Request('GET', 'https://books.example/'), RecordingCancel())
    assert f'could not be reached (the proxy refused: HTTP {status}). Check' in str(error)
    assert not any(part in ''.join(format_exception(error)) for part in ('Blocked', 'jane', '\x1b'))
    assert len(proxy.heads) == tries


@pytest.mark.parametrize('answer', ['Blocked for jane.doe', 'HTTP/1.1 Blocked jane.doe', 'HTTP/1.1 20 jane.doe', ''])
def test_of_a_proxy_that_speaks_no_http_nothing_is_told(
    server: Echo, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(ProxyHandler, '_say', lambda handler, status: handler.wfile.write(f'{answer}\r\n\r\n'.encode()))
    with Proxy(server, status=502) as proxy, make_client() as client:
        monkeypatch.setenv('https_proxy', f'http://127.0.0.1:{proxy.port}')
        error = failure(client, Request('GET', 'https://books.example/'), RecordingCancel())
    assert told(error, errors.NOT_REACHED)
    assert 'jane' not in ''.join(format_exception(error))


@pytest.mark.parametrize('variable', ['http_proxy', 'https_proxy', 'all_proxy'])
@pytest.mark.parametrize('proxy', [f'https://{PROXY_USERINFO}@', 'HTTPS://pR0xy@', 'https://:pR0xy@'])
def test_the_password_of_a_proxy_with_tls_is_not_sent_in_the_clear(
    server: Echo, client: HttpClient, monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str
) -> None:
    with Proxy(server) as running:
        monkeypatch.setenv(variable, f'{proxy}127.0.0.1:{running.port}')
        scheme = 'http' if variable == 'http_proxy' else 'https'
        error = failure(client, Request('GET', f'{scheme}://books.example/'))
    assert told(error, errors.NOT_REACHED)
    assert 'would be sent unencrypted' in str(error)
    assert '127.0.0.1' in str(error)
    assert not any(part in whole_story(error) for part in ('pR0xy', 'proxy user', 'proxy%20user'))
    assert running.heads == []


def test_a_proxy_without_tls_that_is_written_as_if_it_had_some_is_used(
    server: Echo, client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is nothing to protect: what goes through it is encrypted by itself."""
    with Proxy(server) as proxy:
        monkeypatch.setenv('http_proxy', f'https://127.0.0.1:{proxy.port}')
        assert client.send(Request('GET', 'http://books.example/'), Cancel()).status == 200


def test_a_proxy_with_troubles_of_its_own_is_asked_again(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = RecordingCancel()
    with Proxy(server, status=502) as proxy, make_client() as client:
        monkeypatch.setenv('https_proxy', f'http://{PROXY_USERINFO}@127.0.0.1:{proxy.port}')
        error = failure(client, Request('GET', 'https://books.example/'), cancel)
    assert 'could not be reached (the proxy refused: HTTP 502)' in str(error)
    assert (len(proxy.heads), len(cancel.waits)) == (4, 3)


@pytest.mark.parametrize(
    'proxy',
    [
        f'http://{PROXY_USERINFO}@127.0.0.1:99999',
        f'http://{PROXY_USERINFO}@127.0.0.1:port',
        f'socks5://{PROXY_USERINFO}@127.0.0.1:1080',
        f'http://{PROXY_USERINFO}@',
        f'http://{PROXY_USERINFO}@ho st:1',
    ],
)
@pytest.mark.parametrize('variable', ['https_proxy', 'all_proxy'])
def test_a_proxy_that_cannot_be_used(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch, proxy: str, variable: str
) -> None:
    monkeypatch.setenv(variable, proxy)
    error = failure(client, Request('GET', 'https://books.example/'))
    assert told(error, errors.NOT_REACHED)
    assert 'cannot be used' in str(error)
    assert not any(part in whole_story(error) for part in ('pR0xy', 'proxy user', 'proxy%20user'))


@pytest.mark.parametrize(
    ('given', 'port'),
    [('http://proxy.example', 80), ('proxy.example', 80), ('https://proxy.example', 443), ('proxy.example:3128', 3128)],
)
def test_a_proxy_without_a_port_is_where_other_programs_look_for_it(
    monkeypatch: pytest.MonkeyPatch, given: str, port: int
) -> None:
    monkeypatch.setenv('https_proxy', given)
    proxy = connections.proxy_for(('https', 'books.example', 443))
    assert proxy is not None
    assert (proxy.host, proxy.port) == ('proxy.example', port)


LOCAL_ADDRESSES = ['10.0.0.1', '192.168.1.1', '169.254.169.254', '172.16.0.1', '127.0.0.1', '0.0.0.0']


@pytest.mark.parametrize('address', LOCAL_ADDRESSES)
def test_a_name_that_resolves_to_a_local_network_is_not_connected_to(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, '_connect', lambda *arguments: pytest.fail('it was connected to'))
    with names({'covers.example': [(address, 443)]}), make_client(public_only=True) as client:
        error = failure(client, Request('GET', 'https://covers.example/1.png'), RecordingCancel())
    assert 'could not be reached (its address is one of a local network)' in str(error)


@pytest.mark.parametrize('host', ['127.0.0.1', 'localhost', '[::1]', '127.1', '2130706433', '[::ffff:127.0.0.1]'])
def test_this_computer_is_not_connected_to(server: Echo, host: str) -> None:
    with names({'localhost': [('127.0.0.1', server.port)]}), make_client(public_only=True) as client:
        failure(client, Request('GET', f'http://{host}:{server.port}/'), RecordingCancel())
    assert server.count() == 0
    assert server.connections == 0


def test_of_several_addresses_the_public_ones_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def refuse(sock: socket.socket, address: tuple[Any, ...], deadline: float, cancel: Cancel) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError(111, 'x')

    monkeypatch.setattr(connections, '_connect', refuse)
    places = [('192.168.1.1', 443), ('8.8.8.8', 443), ('10.0.0.1', 443), ('1.1.1.1', 443)]
    with names({'covers.example': places}), make_client(Limits(retry_delays=()), public_only=True) as client:
        failure(client, Request('GET', 'https://covers.example/1.png'))
    assert tried == ['8.8.8.8', '1.1.1.1']


def test_a_name_is_looked_at_each_time_that_it_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of names may say something else the second time."""
    monkeypatch.setattr(connections, '_connect', lambda *arguments: pytest.fail('it was connected to'))
    request = Request('GET', 'https://covers.example/1.png')
    with make_client(public_only=True) as client:
        with names({}):
            assert 'looked up' in str(failure(client, request, RecordingCancel()))
        with names({'covers.example': [('192.168.1.1', 443)]}):
            assert 'local network' in str(failure(client, request, RecordingCancel()))


@pytest.mark.parametrize(
    ('host', 'allowed'),
    [
        ('covers.example', True),
        ('8.8.8.8', True),
        ('192.168.1.1', False),
        ('10.1', False),
        ('0xa.0.0.1', False),
        ('167772161', False),
        ('[fd00::1]', False),
        ('[fe80::1]', False),
        ('\uff11\uff10.0.0.1', False),
    ],
)
def test_behind_a_proxy_only_hosts_that_are_written_as_an_address_are_checked(
    server: Echo, monkeypatch: pytest.MonkeyPatch, host: str, allowed: bool
) -> None:
    """The proxy itself, which looks names up, may well be in the local network."""
    with Proxy(server) as proxy, make_client(public_only=True) as client:
        monkeypatch.setenv('http_proxy', f'http://127.0.0.1:{proxy.port}')
        monkeypatch.setenv('https_proxy', f'http://127.0.0.1:{proxy.port}')
        plain, encrypted = Request('GET', f'http://{host}/'), Request('GET', f'https://{host}/')
        if allowed:
            assert client.send(plain, Cancel()).status == 200
        else:
            assert 'local network' in str(failure(client, plain, RecordingCancel()))
            assert 'local network' in str(failure(client, encrypted, RecordingCancel()))
    assert len(proxy.heads) == allowed


def test_a_proxy_does_not_show_its_password() -> None:
    proxy = connections.Proxy('proxy.example', 8080, {'Proxy-Authorization': f'Basic {TOKEN}'})
    assert TOKEN not in f'{proxy!r}{proxy}'


def test_a_certificate_that_nobody_signed() -> None:
    with Echo(tls=True) as server, make_client() as client:
        error = failure(client, get(server))
        assert told(error, errors.CERTIFICATE)
        assert 'The certificate of 127.0.0.1 could not be verified (self' in str(error)
        assert (server.connections, server.count()) == (1, 0)


def test_a_certificate_of_another_host() -> None:
    with Echo(tls=True, tls_names=('DNS:other.example',)) as server, make_client(tls=trust(server)) as client:
        error = failure(client, get(server))
        assert told(error, errors.CERTIFICATE)
        assert server.count() == 0


def test_verification_is_the_default() -> None:
    with make_client() as client:
        assert client._verification().verify_mode == ssl.CERT_REQUIRED
        assert client._verification().check_hostname
        assert client._verification() is client._verification()


def test_a_good_certificate_and_kept_alive_tls() -> None:
    with Echo(tls=True) as server, make_client(tls=trust(server)) as client:
        for _ in range(3):
            assert client.send(post(server), Cancel()).status == 200
        assert server.connections == 1
        server.refuse_connections()
        server.accept_connections()
        cancel = RecordingCancel()
        assert client.send(get(server), cancel).status == 200
        assert cancel.waits == []


def test_a_server_without_tls(client: HttpClient) -> None:
    def greet(listener: socket.socket) -> None:
        for _ in range(4):
            connection = listener.accept()[0]
            connection.sendall(b'HTTP/1.1 400 Bad Request\r\n\r\n')
            said.append(connection)

    said: list[socket.socket] = []
    with socket.create_server(('127.0.0.1', 0)) as listener, ThreadPoolExecutor(1) as pool:
        greeting = pool.submit(greet, listener)
        error = failure(client, Request('GET', f'https://127.0.0.1:{listener.getsockname()[1]}/'))
        greeting.result()
    for connection in said:
        connection.close()
    assert 'could not be reached (no secure connection: ' in str(error)
