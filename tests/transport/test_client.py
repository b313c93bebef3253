"""HTTP as the plugin speaks it: retries, limits, cancelling, redirects, proxies, TLS, against local servers."""

from __future__ import annotations

import errno
import gzip
import signal
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.address import checked_address, same_service, shown_address
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.durations import duration
from calibre_plugins.bookfusionbacksync.base.errors import (
    BackSyncError,
    BadAnswer,
    Cancelled,
    ServerTrouble,
    SettingsTrouble,
)
from calibre_plugins.bookfusionbacksync.base.text import Text
from calibre_plugins.bookfusionbacksync.transport import client as http_client
from calibre_plugins.bookfusionbacksync.transport import connection as connections
from calibre_plugins.bookfusionbacksync.transport.client import TRANSIENT_STATUSES, HttpClient
from calibre_plugins.bookfusionbacksync.transport.failures import plain_reason
from calibre_plugins.bookfusionbacksync.transport.request import (
    MEGABYTE,
    Limits,
    RawResponse,
    Request,
    Response,
    parse_retry_after,
)
from harness.network import (
    QUICK,
    SOON,
    USER_AGENT,
    Echo,
    Proxy,
    RecordingCancel,
    assert_no_thread_left,
    black_hole,
    cancelled_in,
    make_client,
    names,
    silent_server,
    trust,
)
from hypothesis import given
from hypothesis import strategies as st
from standins import faults
from standins.common import Action, Answer, Exchange, http_date, json_answer, unused_port

TOKEN = 'tk-7Hq2Wz9Lm4Xc8Vb1'


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert_no_thread_left()


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with make_client() as one:
        yield one


def get(server: Echo, path: str = '/books', **options: Any) -> Request:
    return Request('GET', f'{server.origin}{path}?{urlencode({"token": TOKEN})}', **options)


def post(server: Echo, path: str = '/books', **options: Any) -> Request:
    return Request('POST', server.origin + path, {'X-Token': TOKEN}, {'page': 1}, **options)


def failure(client: HttpClient, request: Request, cancel: Cancel | None = None) -> ServerTrouble:
    with pytest.raises(ServerTrouble) as caught:
        client.send(request, cancel or Cancel())
    return caught.value


def told(error: BackSyncError, sentence: Text) -> bool:
    return error.sentence.template == sentence.template


@dataclass(frozen=True)
class Verbatim(Action):
    """An answer given word by word."""

    answer: Answer

    def perform(self, exchange: Exchange) -> None:
        exchange.send(self.answer)


# What another try may mend, and the sentence when none does.
TRANSIENT = {
    'reset': (faults.Reset(), errors.BROKE_OFF),
    'closed': (faults.CloseWithoutAnswer(), errors.BROKE_OFF),
    'truncated': (faults.Truncated(), errors.BROKE_OFF),
    'truncated to nothing': (faults.Truncated(keep=0), errors.BROKE_OFF),
    'truncated in a chunk': (faults.Truncated(chunked=True), errors.BROKE_OFF),
    'hung': (faults.Hang(), errors.TOO_SLOW),
    'slow body': (faults.SlowBody(40), errors.TOO_SLOW),
    'slow head': (faults.SlowBody(40, head=True), errors.TOO_SLOW),
    'not HTTP': (faults.NotHttp(), errors.BROKE_OFF),
    'HTML': (faults.Html(), errors.NOT_JSON),
    'empty': (faults.Empty(), errors.NOT_JSON),
    'cut JSON': (faults.BadJson(), errors.NOT_JSON),
    'not UTF-8': (faults.InvalidUtf8(), errors.NOT_JSON),
    'deep JSON': (faults.Deep(), errors.NOT_JSON),
    'gzip cut short': (
        Verbatim(Answer(200, {'Content-Encoding': 'gzip'}, gzip.compress(b'[1, 2, 3]')[:-9])),
        errors.BROKE_OFF,
    ),
    'gzip that is none': (Verbatim(Answer(200, {'Content-Encoding': 'gzip'}, b'[1, 2, 3]')), errors.BROKE_OFF),
    **{f'status {status}': (faults.Status(status), errors.SERVER_TROUBLE) for status in sorted(TRANSIENT_STATUSES)},
    'status 408': (faults.Status(408), errors.TOO_SLOW),
    'status 429': (faults.Status(429), errors.TOO_MANY_REQUESTS),
}


@pytest.mark.parametrize('name', TRANSIENT)
def test_four_tries_and_no_more(server: Echo, name: str) -> None:
    """A first request goes well, so that the tries begin on a kept-alive connection."""
    action, sentence = TRANSIENT[name]
    cancel = RecordingCancel()
    with make_client(replace(QUICK, read_timeout=0.1, total_timeout=0.15)) as client:
        client.send(get(server, '/first'), cancel)
        # On a busy machine even that one may have taken more than one try.
        cancel.waits.clear()
        server.fail(action, '/books', times=None)
        error = failure(client, get(server), cancel)
    assert told(error, sentence)
    assert isinstance(error, BadAnswer) == (sentence is errors.NOT_JSON)
    assert server.count('/books') == 4
    assert len(cancel.waits) == 3


@pytest.mark.parametrize('name', TRANSIENT)
def test_another_try_mends_it(server: Echo, name: str) -> None:
    cancel = RecordingCancel()
    with make_client(replace(QUICK, read_timeout=0.1, total_timeout=0.15)) as client:
        server.fail(TRANSIENT[name][0])
        answer = client.send(post(server), cancel)
    assert answer.status == 200
    assert isinstance(answer.data, dict)
    assert answer.data['body'] == {'page': 1}
    assert [len(cancel.waits), server.count()] == [1, 2]


@pytest.mark.parametrize('status', [201, 304, 400, 401, 403, 404, 405, 409, 410, 418, 422, 451, 501, 505])
def test_other_statuses_come_back_at_once(server: Echo, client: HttpClient, status: int) -> None:
    server.fail(faults.Status(status, body=b'' if status == 304 else None))
    answer = client.send(get(server), Cancel())
    assert answer.status == status
    assert answer.data == (None if status == 304 else {'error': f'status {status}'})
    assert server.count() == 1


@pytest.mark.parametrize(
    ('status', 'ok'), [(199, False), (200, True), (204, True), (299, True), (300, False), (404, False)]
)
def test_which_statuses_are_ok(status: int, ok: bool) -> None:
    assert Response(status, {}, None).ok is ok


def test_an_error_may_come_without_json(server: Echo, client: HttpClient) -> None:
    server.fail(faults.Html(404))
    assert client.send(get(server), Cancel()).data is None


def test_a_status_can_be_handed_back(server: Echo, client: HttpClient) -> None:
    server.fail(faults.Status(429, {'Retry-After': '5'}))
    answer = client.send(get(server, hand_back=frozenset({429})), Cancel())
    assert (answer.status, answer.headers['retry-after'], server.count()) == (429, '5', 1)


def test_a_raw_answer_is_the_body_as_it_came(server: Echo, client: HttpClient) -> None:
    server.fail(faults.RawBody(b'\x89PNG'))
    assert client.send(get(server, raw=True), Cancel()).data == b'\x89PNG'


def test_own_waits_grow_and_stay_within_ten_seconds(server: Echo) -> None:
    server.fail(faults.Status(503), times=None)
    all_waits = []
    for _ in range(5):
        cancel = RecordingCancel()
        with make_client(Limits()) as client:
            failure(client, get(server), cancel)
        assert cancel.waits == sorted(cancel.waits)
        assert sum(cancel.waits) <= 10
        all_waits.append(tuple(cancel.waits))
    assert len(set(all_waits)) > 1, 'no jitter'
    assert 1.2 * sum(Limits().retry_delays) <= 10
    assert len(Limits().retry_delays) == 3


@pytest.mark.parametrize('status', [408, 429, 500, 503])
@pytest.mark.parametrize(
    ('header', 'least', 'most'),
    [
        ('7', 7, 7),
        (' 7 ', 7, 7),
        ('0.5', 0.5, 0.5),
        ('60', 60, 60),
        (lambda: http_date(7), 5, 7),
        (lambda: format_datetime(datetime.now(timezone(timedelta(hours=5))) + timedelta(seconds=7)), 5, 7),
        ('0', 0.4, 0.6),
        (lambda: http_date(-100), 0.4, 0.6),
        ('soon', 0.4, 0.6),
        ('-5', 0.4, 0.6),
        ('', 0.4, 0.6),
    ],
)
def test_retry_after(server: Echo, status: int, header: str | Callable[[], str], least: float, most: float) -> None:
    cancel = RecordingCancel()
    server.fail(faults.Status(status, {'Retry-After': header if isinstance(header, str) else header()}))
    with make_client(Limits()) as client:
        assert client.send(get(server), cancel).status == 200
    assert len(cancel.waits) == 1
    assert least <= cancel.waits[0] <= most


@pytest.mark.parametrize(
    ('header', 'words'),
    [
        ('61', '61 seconds'),
        ('99', '99 seconds'),
        ('100', '2 minutes'),
        ('3600', '60 minutes'),
        ('86400', '24 hours'),
        ('999999999', '277778 hours'),
        (lambda: http_date(90 * 60), '90 minutes'),
    ],
)
def test_a_longer_retry_after_ends_it(
    server: Echo, client: HttpClient, header: str | Callable[[], str], words: str
) -> None:
    server.fail(faults.Status(429, {'Retry-After': header if isinstance(header, str) else header()}))
    cancel = RecordingCancel()
    error = failure(client, get(server), cancel)
    assert str(error) == f'The service asks for fewer requests. Try again in {words}.'
    assert (cancel.waits, server.count()) == ([], 1)


def test_the_wait_is_told(server: Echo) -> None:
    sentences: list[str] = []
    server.fail(faults.Status(429, {'Retry-After': '1'}))
    server.fail(faults.Status(429, {'Retry-After': '30'}))
    with make_client(report_wait=lambda sentence: sentences.append(str(sentence))) as client:
        client.send(get(server), RecordingCancel())
    assert sentences == [
        'The service is not answering as it should. Trying again in 1 second...',
        'The service is not answering as it should. Trying again in 30 seconds...',
    ]


@given(st.text() | st.from_regex(r'[\d.:+ ,a-zA-Z-]{0,40}', fullmatch=True) | st.datetimes().map(format_datetime))
def test_retry_after_may_hold_anything(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or seconds >= 0


@given(st.floats(0, 1e9))
def test_durations_are_rounded_up(seconds: float) -> None:
    unit = {'s': 1, 'm': 60, 'h': 3600}
    count, word = str(duration(seconds)).split()
    assert int(count) * unit[word[0]] >= seconds - 0.002
    assert int(count) >= 1


def test_not_reached(client: HttpClient) -> None:
    cancel = RecordingCancel()
    error = failure(client, Request('GET', f'http://127.0.0.1:{unused_port()}/'), cancel)
    assert str(error) == (
        'The service could not be reached (connection refused). '
        'Check the internet connection and the proxy of this computer, then try again.'
    )
    assert len(cancel.waits) == 3


@pytest.mark.parametrize('host', ['nowhere.example', 'a' * 70 + '.example', 'bad..example', 'b\xfccher.example'])
def test_a_name_that_does_not_exist(client: HttpClient, host: str) -> None:
    with names({}):
        error = failure(client, Request('GET', f'http://{host}/'), RecordingCancel())
    assert 'its name could not be looked up' in str(error)


def test_an_address_that_leads_nowhere_leaves_time_for_the_next(server: Echo) -> None:
    with black_hole() as hole, names({'books.example': [('127.0.0.1', hole), ('127.0.0.1', server.port)]}):
        started = time.monotonic()
        with make_client(replace(QUICK, connect_timeout=3, total_timeout=20)) as client:
            assert client.send(Request('GET', 'http://books.example/'), Cancel()).status == 200
    assert time.monotonic() - started < 3


def test_connecting_takes_no_longer_than_allowed() -> None:
    with black_hole() as hole, make_client(replace(QUICK, connect_timeout=0.2, retry_delays=())) as client:
        started = time.monotonic()
        error = failure(client, Request('GET', f'http://127.0.0.1:{hole}/'))
    assert 'could not be reached (no answer)' in str(error)
    assert time.monotonic() - started < SOON


def test_connections_are_reused(server: Echo, client: HttpClient) -> None:
    for number in range(5):
        assert client.send(post(server, f'/{number}'), Cancel()).status == 200
    assert (server.connections, server.count(), client.requests) == (1, 5, 5)


@pytest.mark.parametrize('chunked', [False, True])
def test_connections_are_reused_after_errors_and_streams(server: Echo, client: HttpClient, chunked: bool) -> None:
    server.fail(faults.Status(404))
    server.fail(faults.Huge(1, content_length=not chunked))
    for _ in range(3):
        client.send(get(server), Cancel())
    assert server.connections == 1


def test_a_server_that_says_close_is_believed(server: Echo, client: HttpClient) -> None:
    class Close(Action):
        def perform(self, exchange: Exchange) -> None:
            exchange.keep_alive = False
            exchange.send(exchange.genuine())

    server.fail(Close(), times=2)
    for _ in range(3):
        client.send(get(server), Cancel())
    assert (server.connections, server.count()) == (3, 3)


def test_a_stale_connection_is_replaced_without_a_wait(server: Echo, client: HttpClient) -> None:
    server.requests_per_connection = 1
    cancel = RecordingCancel()
    for _ in range(4):
        assert client.send(post(server), cancel).status == 200
        time.sleep(0.02)
    assert cancel.waits == []
    assert server.count() == 4


def test_a_stale_connection_is_replaced_even_where_nothing_is_tried_again(server: Echo) -> None:
    server.requests_per_connection = 1
    with make_client(replace(QUICK, retry_delays=())) as client:
        for _ in range(3):
            assert client.send(post(server), Cancel()).status == 200
            time.sleep(0.02)


class CloseUnsaid(Action):
    """503, and then the connection is closed, which the head has not said."""

    def perform(self, exchange: Exchange) -> None:
        exchange.send(json_answer({'error': 'busy'}, 503))
        exchange.keep_alive = False


def test_connections_that_go_stale_in_pauses_cost_no_try(server: Echo, client: HttpClient) -> None:
    server.fail(CloseUnsaid(), times=None)
    error = failure(client, get(server))
    assert told(error, errors.SERVER_TROUBLE)
    assert (server.count(), server.connections) == (4, 4)


def test_several_stale_connections_are_replaced_at_once(server: Echo, client: HttpClient) -> None:
    server.latency = 0.05
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: client.send(get(server), Cancel()), range(4)))
    assert server.connections == 4
    server.refuse_connections()
    server.accept_connections()
    cancel = RecordingCancel()
    assert client.send(get(server), cancel).status == 200
    assert (cancel.waits, server.connections) == ([], 5)


def test_a_connection_that_was_idle_for_long_is_not_used_again(server: Echo) -> None:
    with make_client(replace(QUICK, keepalive_expiry=0.05)) as client:
        client.send(get(server), Cancel())
        time.sleep(0.1)
        client.send(get(server), Cancel())
    assert server.connections == 2


def test_closing_the_client_closes_its_connections(server: Echo, client: HttpClient) -> None:
    client.send(get(server), Cancel())
    client.close()
    end = time.monotonic() + SOON
    while server._open and time.monotonic() < end:
        time.sleep(0.01)
    assert not server._open


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
        error = failure(client, get(server))
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
        for sent in (Answer(200, {}, body), Answer(200, {'Content-Encoding': 'gzip'}, gzip.compress(body))):
            server.fail(Verbatim(sent))
            assert client.send(get(server), Cancel()).data == 'x' * 998
        server.fail(Verbatim(Answer(200, {}, body + b' ')))
        assert told(failure(client, get(server)), errors.TOO_LARGE)


@pytest.mark.parametrize('head', [False, True])
def test_slow_but_in_time(server: Echo, head: bool) -> None:
    server.fail(faults.SlowBody(2000, head=head))
    with make_client(replace(QUICK, read_timeout=0.2, total_timeout=2)) as client:
        assert client.send(get(server), Cancel()).status == 200


@pytest.mark.parametrize('head', [False, True])
def test_a_slow_answer_ends_in_time_although_it_never_falls_silent(server: Echo, head: bool) -> None:
    server.fail(faults.SlowBody(30, head=head))
    started = time.monotonic()
    with make_client(replace(QUICK, read_timeout=0.3, total_timeout=0.4, retry_delays=())) as client:
        error = failure(client, get(server))
    assert told(error, errors.TOO_SLOW)
    assert 0.3 < time.monotonic() - started < SOON


def test_no_request_after_a_cancel(server: Echo, client: HttpClient) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        client.send(get(server), cancel)
    assert (server.count(), server.connections, client.requests) == (0, 0, 0)


PATIENT = Limits(retry_delays=(30.0, 30.0, 30.0))


def test_cancelled_in_the_look_up() -> None:
    asked, released = threading.Event(), threading.Event()

    def look_up(*arguments: object, **named: object) -> list[object]:
        asked.set()
        released.wait()
        raise socket.gaierror(socket.EAI_AGAIN, 'Temporary failure')

    genuine = socket.getaddrinfo
    socket.getaddrinfo = look_up  # type: ignore[assignment]
    try:
        with make_client(PATIENT) as client:
            request = Request('GET', 'http://books.example/')
            assert cancelled_in(lambda cancel: client.send(request, cancel), asked.wait) < SOON
        left = [thread for thread in threading.enumerate() if thread.name == 'look-up']
        assert [thread.daemon for thread in left] == [True], 'nothing interrupts a look-up, so it is left behind'
    finally:
        socket.getaddrinfo = genuine
        released.set()


def test_cancelled_while_connecting() -> None:
    with black_hole() as hole, make_client(PATIENT) as client:
        request = Request('GET', f'http://127.0.0.1:{hole}/')
        assert cancelled_in(lambda cancel: client.send(request, cancel), lambda: time.sleep(0.15)) < SOON


def test_cancelled_in_the_tls_handshake() -> None:
    with silent_server() as port, make_client(PATIENT) as client:
        request = Request('GET', f'https://127.0.0.1:{port}/')
        assert cancelled_in(lambda cancel: client.send(request, cancel), lambda: time.sleep(0.15)) < SOON


def test_cancelled_while_the_proxy_keeps_silent(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(server, silent=True) as proxy, make_client(PATIENT) as client:
        monkeypatch.setenv('https_proxy', f'http://127.0.0.1:{proxy.port}')
        request = Request('GET', 'https://books.example/')
        assert cancelled_in(lambda cancel: client.send(request, cancel), lambda: time.sleep(0.15)) < SOON
    assert len(proxy.heads) == 1


@dataclass(frozen=True)
class Stalled(Action):
    """A head and the beginning of a body, and nothing more."""

    headers: tuple[str, ...]

    def perform(self, exchange: Exchange) -> None:
        exchange.begin(200)
        exchange.connection.sendall('\r\n'.join(['HTTP/1.1 200 OK', *self.headers, '', '5\r\n[1, 2']).encode())
        faults.Hang().perform(exchange)


WAITING_FOR_AN_ANSWER: dict[str, Action] = {
    'no answer': faults.Hang(),
    'slow head': faults.SlowBody(20, head=True),
    'slow body': faults.SlowBody(20),
    'body with a length': Stalled(('Content-Length: 1000',)),
    'chunked body': Stalled(('Transfer-Encoding: chunked',)),
    'body to the end of the connection': Stalled(()),
    'body of a connection to be closed': Stalled(('Content-Length: 1000', 'Connection: close')),
    'retry wait': faults.Status(503),
    'asked-for wait': faults.Status(429, {'Retry-After': '60'}),
}


@pytest.mark.parametrize('tls', [False, True], ids=['plain', 'TLS'])
@pytest.mark.parametrize('phase', WAITING_FOR_AN_ANSWER)
def test_cancelled_while_waiting(phase: str, tls: bool) -> None:
    with Echo(tls=tls) as server, make_client(PATIENT, tls=trust(server) if tls else None) as client:
        server.fail(WAITING_FOR_AN_ANSWER[phase], times=None)

        def ready() -> None:
            server.wait_for('/books')
            time.sleep(0.05)

        assert cancelled_in(lambda cancel: client.send(get(server), cancel), ready) < SOON
        assert server.count() == 1


def test_cancelled_at_the_gate(server: Echo) -> None:
    """Four requests hang, a fifth waits for its turn; one flag ends them all."""
    server.fail(faults.Hang(), times=None)

    def five(cancel: Cancel) -> None:
        with make_client(PATIENT) as client, ThreadPoolExecutor(5) as pool:
            ends = [pool.submit(client.send, get(server), cancel) for _ in range(5)]
            assert all(isinstance(end.exception(), Cancelled) for end in ends)
        raise Cancelled

    def ready() -> None:
        server.wait_for('/books', 4)
        time.sleep(0.05)

    assert cancelled_in(five, ready) < SOON
    assert server.count() == 4


def test_a_part_is_cancelled_alone_and_with_the_whole(server: Echo, client: HttpClient) -> None:
    whole = Cancel()
    part, other = whole.child(), whole.child()
    part.set()
    with pytest.raises(Cancelled):
        client.send(get(server), part)
    assert client.send(get(server), other).status == 200
    server.fail(faults.Hang())
    ended = threading.Thread(target=lambda: (server.wait_for('/books', 2), whole.set()))
    ended.start()
    with pytest.raises(Cancelled):
        client.send(get(server), other)
    ended.join()
    assert whole.child().is_set


def test_a_released_part_is_forgotten() -> None:
    whole = Cancel()
    part = whole.child()
    part.release()
    whole.set()
    assert not part.is_set


def test_an_action_that_fails_does_not_stop_the_others() -> None:
    def fail() -> None:
        raise OSError(errno.ENOTCONN, 'not connected')

    called: list[int] = []
    cancel = Cancel()
    with cancel.interrupting(fail), cancel.interrupting(lambda: called.append(1)):
        cancel.set()
        cancel.set()
    assert called == [1, 1]
    with pytest.raises(Cancelled), cancel.interrupting(lambda: called.append(2)):
        called.append(3)
    assert called == [1, 1, 2]


def test_cancelled_by_a_signal(server: Echo, client: HttpClient) -> None:
    """The handler runs in the very thread that waits for the answer."""
    cancel = Cancel()
    server.fail(faults.Hang())
    before = signal.signal(signal.SIGUSR1, lambda number, frame: cancel.set())
    sender = threading.Thread(
        target=lambda: (server.wait_for('/books'), signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1))  # type: ignore[arg-type]
    )
    try:
        sender.start()
        started = time.monotonic()
        with pytest.raises(Cancelled), make_client(PATIENT) as patient:
            patient.send(get(server), cancel)
        assert time.monotonic() - started < SOON
    finally:
        sender.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize('code', [301, 302, 303, 307, 308])
@pytest.mark.parametrize('whole', [True, False], ids=['absolute', 'relative'])
def test_a_redirect_within_the_service_is_followed(server: Echo, client: HttpClient, code: int, whole: bool) -> None:
    server.fail(faults.Redirect((server.origin if whole else '') + '/elsewhere?page=2', code))
    answer = client.send(post(server), Cancel())
    assert isinstance(answer.data, dict)
    assert answer.data | {'x': ''} == {'method': 'POST', 'target': '/elsewhere?page=2', 'body': {'page': 1}, 'x': ''}
    assert [request.header('x-token') for request in server.requests] == [TOKEN, TOKEN]


@pytest.mark.parametrize(
    'location',
    [
        'http://127.0.0.1:{other}/books?token=x',
        '//127.0.0.1:{other}/books',
        'http://localhost:{port}/books',
        'http://127.0.0.1.example:{port}/books',
        'https://127.0.0.1:{port}/books',
        'http://user:word@localhost:{other}/',
        'ftp://127.0.0.1:{port}/books',
        'javascript:alert(1)',
        'file:///etc/passwd',
    ],
)
def test_a_redirect_to_anywhere_else_is_refused(server: Echo, client: HttpClient, location: str) -> None:
    with Echo() as other:
        server.fail(faults.Redirect(location.format(port=server.port, other=other.port)))
        error = failure(client, post(server))
        assert told(error, errors.REDIRECTED_AWAY)
        assert not any(hidden in str(error) for hidden in (TOKEN, 'token', 'word', '/books'))
        assert (server.count(), server.connections) == (1, 1)
        assert (other.count(), other.connections) == (0, 0)


@pytest.mark.parametrize('location', ['http://[::1', 'http://[nonsense]/', 'http://127.0.0.1:port/', '//['])
def test_a_redirect_to_nowhere(server: Echo, client: HttpClient, location: str) -> None:
    server.fail(faults.Redirect(location))
    error = failure(client, get(server))
    assert told(error, errors.REDIRECTED_AWAY) or told(error, errors.UNEXPECTED_ANSWER)
    assert server.count() == 1


@pytest.mark.parametrize(
    ('location', 'target'),
    [
        ('/a b', '/a%20b'),
        ('/\xfc', '/%C3%BC'),
        ('/%20?a=%2F', '/%20?a=%2F'),
        ('?page=2', '/books?page=2'),
        ('/x#fragment', '/x'),
    ],
)
def test_odd_redirects_are_followed(server: Echo, client: HttpClient, location: str, target: str) -> None:
    server.fail(faults.Redirect(location))
    client.send(get(server), Cancel())
    assert server.requests[-1].target == target


def test_a_redirect_in_a_circle(server: Echo, client: HttpClient) -> None:
    server.fail(faults.Redirect('{target}'), times=None)
    assert 'too many redirects' in str(failure(client, get(server)))
    assert server.count() == http_client.MOST_REDIRECTS + 1


def test_a_redirect_without_a_location_is_a_status(server: Echo, client: HttpClient) -> None:
    server.fail(faults.Status(302))
    assert client.send(get(server), Cancel()).status == 302


@pytest.mark.parametrize(
    ('url', 'target', 'same'),
    [
        ('https://bookfusion.com/api', 'https://www.bookfusion.com/api', True),
        ('https://www.bookfusion.com/api', 'https://bookfusion.com/other', True),
        ('https://bookfusion.com/', 'https://BOOKFUSION.com:443/', True),
        ('https://bookfusion.com:8443/', 'https://www.bookfusion.com:8443/', True),
        ('https://bookfusion.com/', 'https://www.bookfusion.com:8443/', False),
        ('https://bookfusion.com/', 'http://www.bookfusion.com/', False),
        ('https://bookfusion.com/', 'http://bookfusion.com/', False),
        ('http://bookfusion.com/', 'https://bookfusion.com/', False),
        ('http://bookfusion.com/', 'http://www.bookfusion.com/', False),
        ('https://bookfusion.com/', 'https://api.bookfusion.com/', False),
        ('https://bookfusion.com/', 'https://bookfusion.com.evil.example/', False),
        ('https://bookfusion.com/', 'https://evilbookfusion.com/', False),
        ('https://bookfusion.com/', 'https://www.evil.example/', False),
        ('https://bookfusion.com/', 'https://bookfusion.com@evil.example/', False),
        ('https://bookfusion.com/', 'https://[', False),
        ('https://bookfusion.com/', 'https://bookfusion.com:99999/', False),
    ],
)
def test_which_redirects_credentials_may_follow(url: str, target: str, same: bool) -> None:
    assert same_service(url, target) is same


@pytest.mark.parametrize('plain', ['bookfusion.example', 'www.bookfusion.example'])
def test_bare_name_and_www_are_one_service_over_tls(plain: str) -> None:
    other = {'bookfusion.example': 'www.bookfusion.example', 'www.bookfusion.example': 'bookfusion.example'}[plain]
    tls_names = ('DNS:bookfusion.example', 'DNS:www.bookfusion.example')
    with Echo(tls=True, tls_names=tls_names) as server:
        addresses = {name: [(server.host, server.port)] for name in (plain, other)}
        server.fail(faults.Redirect(f'https://{other}:{server.port}{{target}}', 307))
        with names(addresses), make_client(tls=trust(server)) as client:
            request = Request('POST', f'https://{plain}:{server.port}/books?a=b', {'X-Token': TOKEN}, {'page': 1})
            assert client.send(request, Cancel()).status == 200
        assert [request.header('host') for request in server.requests] == [
            f'{name}:{server.port}' for name in (plain, other)
        ]
        assert [request.header('x-token') for request in server.requests] == [TOKEN, TOKEN]
        assert [request.json() for request in server.requests] == [{'page': 1}, {'page': 1}]


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


def test_a_proxy_with_troubles_of_its_own_is_asked_again(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    cancel = RecordingCancel()
    with Proxy(server, status=502) as proxy, make_client() as client:
        monkeypatch.setenv('https_proxy', f'http://{PROXY_USERINFO}@127.0.0.1:{proxy.port}')
        error = failure(client, Request('GET', 'https://books.example/'), cancel)
    assert 'could not be reached (the proxy refused: ' in str(error)
    assert '502' in str(error)
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


@pytest.mark.parametrize(
    ('url', 'plain', 'allowed'),
    [
        ('https://bookfusion.com/api', 'refused', True),
        ('http://bookfusion.com/api', 'refused', False),
        ('http://bookfusion.com/api', 'allowed', True),
        ('http://127.0.0.1:8080/api', 'refused', True),
        ('http://127.9.9.9/', 'refused', True),
        ('http://[::1]:8080/', 'refused', True),
        ('http://localhost:80/', 'refused', True),
        ('http://localhost.evil.example/', 'refused', False),
        ('http://127.0.0.1.evil.example/', 'refused', False),
        ('http://0.0.0.0/', 'refused', False),
        ('http://192.168.1.2/', 'refused', False),
        ('ftp://bookfusion.com/', 'allowed', False),
        ('bookfusion.com', 'allowed', False),
        ('//bookfusion.com', 'allowed', False),
        ('https://', 'allowed', False),
        ('https://:443', 'allowed', False),
        ('https://bookfusion.com:0', 'allowed', False),
        ('https://bookfusion.com:99999', 'allowed', False),
        ('https://[::1', 'allowed', False),
        ('https://bookfusion.com/a b', 'allowed', False),
        ('https://bookfusion.com/\xfc', 'allowed', False),
        ('https://bookfusion.com/a\r\nX-Evil: yes', 'allowed', False),
        ('', 'allowed', False),
    ],
)
def test_addresses(url: str, plain: str, allowed: bool) -> None:
    if allowed:
        assert checked_address(url, allow_plain=plain == 'allowed').hostname
        return
    with pytest.raises(SettingsTrouble) as caught:
        checked_address(url, allow_plain=plain == 'allowed')
    assert caught.value.exit_code == 2


@given(st.text())
def test_an_address_may_be_anything(url: str) -> None:
    try:
        assert checked_address(url).hostname
    except SettingsTrouble:
        assert len(shown_address(url)) <= 200


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('https://user:pa55word@books.example/api?token=pa55word#pa55word', 'https://books.example/api'),
        ('https://user:pa55@pa55@books.example/api', 'https://books.example/api'),
        ('https://user:pa55/pa55@books.example/api', 'https://books.example/api'),
        ('https://user:pa55?pa55#pa55@books.example:port/', 'https://books.example:port/'),
        ('user:pa55word@books.example', 'books.example'),
        ('books.example?token=pa55', 'books.example'),
    ],
)
def test_what_is_shown_of_an_address(url: str, shown: str) -> None:
    assert shown_address(url) == shown
    with pytest.raises(SettingsTrouble) as caught:
        checked_address(url.replace('https:', 'gopher:'))
    assert 'pa55' not in whole_story(caught.value)


@pytest.mark.parametrize(
    ('action', 'tries'),
    [
        (faults.Status(500), 1),
        (faults.Status(502), 1),
        (faults.Status(408), 1),
        (faults.Status(503), 4),
        (faults.Status(429), 4),
        (faults.Hang(), 1),
        (faults.Reset(), 1),
        (faults.CloseWithoutAnswer(), 1),
        (faults.Truncated(), 1),
        (faults.Html(), 1),
    ],
    ids=repr,
)
def test_what_must_not_happen_twice_is_only_tried_again_when_it_did_not_happen(
    server: Echo, action: Action, tries: int
) -> None:
    with make_client(replace(QUICK, read_timeout=0.1)) as client:
        client.send(get(server, '/first'), Cancel())
        server.fail(action, '/books', times=None)
        failure(client, post(server, repeatable=False), RecordingCancel())
    assert server.count('/books') == tries


def test_what_must_not_happen_twice_is_sent_again_where_nobody_was_there(client: HttpClient) -> None:
    cancel = RecordingCancel()
    failure(client, Request('POST', f'http://127.0.0.1:{unused_port()}/', repeatable=False), cancel)
    assert len(cancel.waits) == 3


def test_what_must_not_happen_twice_goes_over_a_fresh_connection(server: Echo, client: HttpClient) -> None:
    client.send(get(server), Cancel())
    client.send(post(server, repeatable=False), Cancel())
    assert server.connections == 2


def at_once(client: HttpClient, server: Echo, count: int, cancel: Cancel) -> None:
    with ThreadPoolExecutor(count) as pool:
        answers = list(pool.map(lambda number: client.send(get(server, f'/{number}'), cancel), range(count)))
    assert [answer.status for answer in answers] == [200] * count


def test_at_most_four_in_flight(server: Echo, client: HttpClient) -> None:
    server.latency = 0.03
    at_once(client, server, 12, Cancel())
    assert server.max_in_flight == 4
    assert not client.strained


@pytest.mark.parametrize('status', [429, 500, 503, 524])
def test_one_at_a_time_after_the_first_sign_of_strain(server: Echo, client: HttpClient, status: int) -> None:
    server.latency = 0.02
    server.fail(faults.Status(status))
    at_once(client, server, 4, RecordingCancel())
    assert client.strained
    server.reset_log()
    at_once(client, server, 8, Cancel())
    assert server.max_in_flight == 1
    # On a busy machine one may have timed out and been sent again.
    assert server.count() >= 8


def test_the_strain_counts_for_those_who_wait_already(server: Echo, client: HttpClient) -> None:
    """Of eight requests four are let in; one of these is answered 429, and until the others end nobody else is."""
    released = threading.Event()
    server.fail(faults.Hold(released), times=3)
    server.fail(faults.Status(429))
    with ThreadPoolExecutor(1) as pool:
        eight = pool.submit(at_once, client, server, 8, RecordingCancel())
        server.wait_for('/', 4)
        time.sleep(0.15)
        assert server.count() == 4
        server.reset_log()
        released.set()
        eight.result()
    assert server.max_in_flight == 1
    assert server.count() >= 5


def test_408_is_no_strain(server: Echo, client: HttpClient) -> None:
    server.fail(faults.Status(408))
    client.send(get(server), RecordingCancel())
    assert not client.strained


def test_a_pause_lets_others_through(server: Echo) -> None:
    server.fail(faults.Status(503, {'Retry-After': '60'}), '/slow')
    cancel = Cancel()
    with make_client() as client, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.send, get(server, '/slow'), cancel)
        server.wait_for('/slow')
        for _ in range(3):
            assert client.send(get(server, '/quick'), Cancel()).status == 200
        assert not waiting.done()
        cancel.set()
        assert isinstance(waiting.exception(), Cancelled)


def whole_story(error: BaseException) -> str:
    """Whatever may be printed of an error, its causes included."""
    lines = traceback.format_exception(error)
    seen: list[BaseException] = [error]
    for one in seen:
        seen.extend(other for other in (one.__cause__, one.__context__) if other is not None and other not in seen)
    return ''.join([*lines, *(f'{one!s}{one!r}{one.args!r}' for one in seen)])


@pytest.mark.parametrize('name', [*TRANSIENT, 'huge', 'redirect', 'circle'])
def test_no_error_tells_a_url_a_header_or_a_body(server: Echo, name: str) -> None:
    more = {'huge': faults.Huge(200), 'redirect': faults.Redirect('http://other.example{target}')}
    action = more.get(name) or TRANSIENT.get(name, (faults.Redirect('{target}'),))[0]
    server.fail(action, times=None)
    request = Request('POST', f'{server.origin}/books?token={TOKEN}', {'X-Token': TOKEN}, {'password': TOKEN})
    with make_client(replace(QUICK, read_timeout=0.1, total_timeout=0.15)) as client:
        error = failure(client, request, RecordingCancel())
    assert TOKEN not in whole_story(error)
    assert 'books?' not in whole_story(error)


def test_nothing_of_a_request_or_an_answer_shows() -> None:
    request = Request('POST', f'https://books.example/?token={TOKEN}', {'X-Token': TOKEN}, {'password': TOKEN})
    response = Response(200, {'set-cookie': TOKEN}, {'token': TOKEN})
    raw = RawResponse(200, {'set-cookie': TOKEN}, TOKEN.encode())
    assert TOKEN not in f'{request!r}{response!r}{raw!r}{request}{response}{raw}'


@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (socket.gaierror(socket.EAI_NONAME, 'secret.example unknown'), 'its name could not be looked up'),
        (TimeoutError(), 'no answer'),
        (ConnectionRefusedError(111, 'x'), 'connection refused'),
        (BrokenPipeError(32, 'x'), 'connection reset'),
        (OSError(113, 'No route to host'), 'No route to host'),
        (OSError('Tunnel connection failed: 502 Bad Gateway'), 'the proxy refused: Tunnel'),
        (OSError(), 'no connection'),
        (ssl.SSLError(1, 'x'), 'no secure connection: TLS'),
        (UnicodeDecodeError('utf-8', b'secret', 0, 1, 'x'), 'the answer was garbled'),
    ],
)
def test_reasons_in_plain_words(error: Exception, words: str) -> None:
    assert str(plain_reason(error)).startswith(words)
    assert 'secret' not in str(plain_reason(error))
