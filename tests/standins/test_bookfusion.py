"""Tests of the stand-in for BookFusion, with the standard library's HTTP client."""

from __future__ import annotations

import gzip
import http.client
import json
import signal
import socket
import ssl
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from standins import faults
from standins.bookfusion import (
    ABSENT,
    DEVICE_CODE,
    DEVICE_TOKEN,
    GRANT_TYPE,
    LIBRARY,
    SEARCH,
    SIGN_IN,
    USER_IDS_BEGIN,
    USER_SIGN_IN,
    BookFusionStandIn,
    LibraryRecord,
    generate_records,
    load_records,
)
from standins.common import Action, StandInProcess, http_date, unused_port

DEVICE = '0123456789abcdef'
ACCEPT = {'Accept': 'application/json; api_version=10'}
SCRIPT = Path(__file__).parent / 'bookfusion.py'


class Reply:
    """A response with its whole body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self) -> Any:
        body = gzip.decompress(self.body) if self.headers['Content-Encoding'] == 'gzip' else self.body
        return json.loads(body)


class Client:
    """A client of both APIs with one kept-alive connection."""

    def __init__(self, server: BookFusionStandIn, timeout: float = 5) -> None:
        self.server = server
        self.token = ''
        self.connection = http.client.HTTPConnection(server.host, server.port, timeout=timeout)

    def call(self, method: str, target: str, body: Any = None, **headers: str) -> Reply:
        named = {name.replace('_', '-'): value for name, value in headers.items()}
        if body is not None:
            named['Content-Type'] = 'application/json'
        self.connection.request(method, target, None if body is None else json.dumps(body), named)
        return Reply(self.connection.getresponse())

    def sign_in(self) -> str:
        sent = {'device': DEVICE, 'login': self.server.email, 'password': self.server.password}
        self.token = self.call('POST', SIGN_IN, sent).json()['token']
        return self.token

    def page(self, page: int = 1, per_page: int = 100, device: str = DEVICE, **headers: str) -> Reply:
        query = urlencode({'device': device, 'token': self.token, 'page': page, 'per_page': per_page})
        return self.call('GET', f'{LIBRARY}?{query}', **headers)

    def ids(self, page: int = 1, per_page: int = 100) -> list[int]:
        return [record['id'] for record in self.page(page, per_page).json()]

    def search(self, page: int = 1, per_page: int = 100, sort: str = 'added_at-asc', **more: Any) -> Reply:
        body = {'page': page, 'per_page': per_page, 'sort': sort, 'list': 'all', **more}
        return self.call('POST', SEARCH, body, Authorization=f'Bearer {self.server.token}', **ACCEPT)

    def poll(self, device_code: str) -> Reply:
        sent = {'grant_type': GRANT_TYPE, 'client_id': 'koreader', 'device_code': device_code}
        return self.call('POST', DEVICE_TOKEN, sent, **ACCEPT)


@pytest.fixture
def server() -> Iterator[BookFusionStandIn]:
    with BookFusionStandIn(generate_records(25)) as running:
        yield running


@pytest.fixture
def client(server: BookFusionStandIn) -> Iterator[Client]:
    made = Client(server)
    made.sign_in()
    yield made
    made.connection.close()


def test_sign_in_and_a_walk_to_the_empty_page(server: BookFusionStandIn, client: Client) -> None:
    pages = [client.ids(page, 10) for page in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    assert list(chain.from_iterable(pages)) == [record.id for record in server.records]
    assert server.connections == 1
    assert server.count(LIBRARY) == 4
    assert server.violations == []


def test_request_log(server: BookFusionStandIn, client: Client) -> None:
    client.page(2, 10, User_Agent='Reader/1.0')
    sign_in, library = server.requests
    assert sign_in.json() == {'device': DEVICE, 'login': server.email, 'password': server.password}
    assert (library.method, library.path, library.status) == ('GET', LIBRARY, 200)
    assert library.query == {'device': DEVICE, 'token': client.token, 'page': '2', 'per_page': '10'}
    assert library.header('user-agent') == 'Reader/1.0'
    assert sign_in.connection == library.connection == 1
    assert sign_in.when <= library.when <= time.monotonic()


def test_connections_stay_apart_when_the_log_is_forgotten(server: BookFusionStandIn, client: Client) -> None:
    server.reset_log()
    other = Client(server)
    assert other.call('GET', '/nothing').status == client.call('GET', '/nothing').status == 404
    assert (server.count(), server.connections) == (2, 1)
    assert len({request.connection for request in server.requests}) == 2
    other.connection.close()


@pytest.mark.parametrize(
    ('sent', 'status'),
    [
        ({'device': DEVICE, 'login': 'reader@example.org', 'password': 'wrong'}, 401),
        ({'device': DEVICE, 'login': 'reader@example.org'}, 422),
        (['not', 'an', 'object'], 422),
    ],
)
def test_sign_in_refused(server: BookFusionStandIn, sent: Any, status: int) -> None:
    reply = Client(server).call('POST', SIGN_IN, sent)
    assert reply.status == status
    assert 'token' not in reply.json()


def test_library_wants_token_and_device(client: Client) -> None:
    assert client.page(device='fedcba9876543210').status == 401
    client.token = client.server.token
    assert client.page().status == 401


def test_private_record_and_odd_records(server: BookFusionStandIn, client: Client) -> None:
    server.records = [
        LibraryRecord(
            1234567,
            8902995,
            private_title=ABSENT,
            percentage=42.1875,
            position_updated_at='2026-04-20T18:22:31.000Z',
        ),
        LibraryRecord(2, ABSENT, title=None, reading_position='none', last_read_at=17),
        LibraryRecord(3, private_raw='not an object'),
        LibraryRecord(4, private_raw=b'1e999'),
    ]
    assert client.page().json() == [
        {
            'id': 1234567,
            'book_id': 8902995,
            'last_read_at': None,
            'reading_position': {'percentage': 42.1875, 'updated_at': '2026-04-20T18:22:31.000Z'},
        },
        {'id': 2, 'title': None, 'last_read_at': 17, 'reading_position': 'none'},
        'not an object',
        float('inf'),
    ]


def test_user_record(server: BookFusionStandIn, client: Client) -> None:
    server.records = [LibraryRecord(1, 2, title='Emma!', authors=['Jane Austen'], percentage=50, lists=['completed'])]
    record = client.search().json()[0]
    assert (record['id'], record['number'], record['title']) == (7_000_001, 7_000_002, 'Emma!')
    assert record['read_url'] == 'https://reader.bookfusion.com/books/2-emma?type=epub'
    assert record['authors'] == [{'name': 'Jane Austen'}]
    assert record['lists'] == ['completed']
    assert record['source'] == {'book_id': 2, 'type': 'user'}
    assert record['reading_position']['percentage'] == 50
    assert record['reading_position']['page_position_in_book'] == 0.5


@pytest.mark.parametrize(
    ('options', 'pages'),
    [
        ({'cap': 2}, [[0, 1], [2, 3], [4, 5]]),
        ({'ignore_page': True}, [[0, 1, 2], [0, 1, 2], [0, 1, 2]]),
        ({'repeat_page': 1}, [[0, 1, 2], [0, 1, 2], [3, 4, 5], [6], []]),
        ({'repeat_last_page': True}, [[0, 1, 2], [3, 4, 5], [6], [6], [6]]),
        ({'shift_per_page': 1}, [[0, 1, 2], [2, 3, 4], [4, 5, 6], [6], []]),
        ({'shift_per_page': 1, 'repeat_last_page': True}, [[0, 1, 2], [2, 3, 4], [4, 5, 6], [4, 5, 6]]),
        ({'shift_per_page': -1}, [[0, 1, 2], [4, 5, 6], []]),
    ],
)
def test_pages_that_do_not_behave(server: BookFusionStandIn, client: Client, options: Any, pages: Any) -> None:
    server.records = [LibraryRecord(number) for number in range(7)]
    server.set_options(**options)
    assert [client.ids(page, 3) for page in range(1, len(pages) + 1)] == pages


def test_records_that_change_in_mid_walk(server: BookFusionStandIn, client: Client) -> None:
    def add_one(page: int) -> None:
        if page == 2:
            server.records.insert(0, LibraryRecord(99))

    server.records = [LibraryRecord(number) for number in range(4)]
    server.before_page = add_one
    assert [client.ids(page, 2) for page in (1, 2, 3)] == [[0, 1], [1, 2], [3]]
    assert [record['id'] - USER_IDS_BEGIN for record in client.search(per_page=9).json()] == [99, 0, 1, 2, 3]


@pytest.mark.parametrize(('total', 'header'), [(True, '25'), (False, None), (7, '7')])
def test_total_count(server: BookFusionStandIn, client: Client, total: Any, header: str | None) -> None:
    server.set_options(total_count=total, private_total_count=total)
    assert client.search(per_page=2).headers['Total-Count'] == header
    assert client.page(1, 2).headers['Total-Count'] == header


def test_search_order_lists_and_limits(server: BookFusionStandIn, client: Client) -> None:
    server.records = [
        LibraryRecord(1, title='B', percentage=5, lists=['favorites'], added_at='2024-03-01T00:00:00Z'),
        LibraryRecord(2, title='C', percentage=None, added_at='2024-01-01T00:00:00Z'),
        LibraryRecord(3, title='A', percentage=70, lists=['favorites'], added_at='2024-02-01T00:00:00Z'),
    ]

    def order(**search: Any) -> list[int]:
        return [record['id'] - USER_IDS_BEGIN for record in client.search(**search).json()]

    assert order() == [2, 3, 1]
    assert order(sort='title-desc') == [2, 1, 3]
    assert order(sort='reading_progress-asc') == [2, 1, 3]
    assert order(list='favorites') == [3, 1]
    assert client.search(list='favorites').headers['Total-Count'] == '2'
    assert server.violations == []
    assert client.search(sort='newest').status == 422
    server.records = generate_records(150)
    assert len(client.search(per_page=150).json()) == 100
    assert len(server.violations) == 2


def test_user_api_wants_its_accept_header_and_a_credential(server: BookFusionStandIn, client: Client) -> None:
    bearer = f'Bearer {server.token}'
    assert client.call('POST', SEARCH, {}, Authorization=bearer, Accept='application/json').status == 406
    assert client.call('POST', USER_SIGN_IN, {}).status == 406
    assert client.call('POST', SEARCH, {}, **ACCEPT).status == 401
    assert client.call('POST', SEARCH, {}, Authorization=f'Bearer {client.token}', **ACCEPT).status == 401
    assert client.call('POST', SEARCH, {}, Authorization=bearer, **ACCEPT).status == 200


def test_user_sign_in_with_a_password(server: BookFusionStandIn, client: Client) -> None:
    right = {'email': server.email, 'password': server.password}
    assert client.call('POST', USER_SIGN_IN, {**right, 'password': 'wrong'}, **ACCEPT).status == 401
    response = client.call('POST', USER_SIGN_IN, right, **ACCEPT).json()
    assert response['type'] == 'password'
    assert client.call('POST', SEARCH, {}, X_Token=response['token'], X_Device=DEVICE, **ACCEPT).status == 200
    assert client.call('POST', SEARCH, {}, X_Token=response['token'], **ACCEPT).status == 401
    assert response['token'] in server.secrets
    server.account_type = 'web'
    assert client.call('POST', USER_SIGN_IN, right, **ACCEPT).json() == {'token': None, 'type': 'web'}
    assert client.call('POST', SIGN_IN, {'device': DEVICE, 'login': server.email, 'password': ''}).status == 401


def test_browser_sign_in(server: BookFusionStandIn) -> None:
    client = Client(server)
    steps = ['authorization_pending', 'invalid_grant', 'slow_down', 'access_denied', 'expired_token', 'success']
    server.set_options(device_answers=steps, device_interval=0)
    code = client.call('POST', DEVICE_CODE, {'client_id': 'koreader'}, **ACCEPT).json()
    assert code['verification_uri'].startswith(server.user_api_base)
    assert code['user_code'] in code['verification_uri_complete']
    for step in steps[:-1]:
        reply = client.poll(code['device_code'])
        assert (reply.status, reply.json()['error']) == (400, step)
    assert client.poll(code['device_code']).json()['access_token'] == server.token
    assert client.poll('another').json() == {'error': 'invalid_grant'}
    *polled_early, unknown_code = server.violations
    assert ['instead of 5 s' in text for text in polled_early] == [True] * 3
    assert 'not given out' in unknown_code


def test_positions_one_by_one(server: BookFusionStandIn, client: Client) -> None:
    server.records = [
        LibraryRecord(1, 21, user_id=11, percentage=50, position_updated_at='2024-01-01T00:00:00Z'),
        LibraryRecord(2, 22, user_id=12),
        LibraryRecord(3, 23, user_id=13, percentage=20, position_inline=True),
    ]
    server.inline_positions = False
    assert ['reading_position' in record for record in client.search().json()] == [False, False, True]
    headers = {'Authorization': f'Bearer {server.token}', **ACCEPT}
    found = client.call('GET', '/api/user/books/11/reading_position', **headers)
    assert (found.json()['percentage'], found.json()['updated_at']) == (50, '2024-01-01T00:00:00Z')
    assert client.call('GET', '/api/user/books/12/reading_position', **headers).status == 404
    # Not by the global book id, which is what Calibre's identifiers hold.
    assert client.call('GET', '/api/user/books/21/reading_position', **headers).status == 404
    assert client.call('GET', '/api/user/books/99/reading_position', **headers).status == 404
    assert server.position_writes == []
    client.call('POST', '/api/user/books/11/reading_position', {'percentage': 1}, **headers)
    assert [write.path for write in server.position_writes] == ['/api/user/books/11/reading_position']
    assert len(server.violations) == 1


@pytest.mark.parametrize('status', [404, 410])
def test_private_api_gone(server: BookFusionStandIn, client: Client, status: int) -> None:
    server.set_options(private_gone=status, private_gone_at='page')
    client.sign_in()
    assert client.page().status == status
    server.private_gone_at = 'sign-in'
    assert client.call('POST', SIGN_IN, {}).status == status
    assert client.search().status == 200


def test_token_lapses_once(server: BookFusionStandIn, client: Client) -> None:
    server.token_expires_after = 2
    assert [client.page().status for _ in range(4)] == [200, 200, 401, 401]
    lapsed = client.token
    assert client.sign_in() != lapsed
    assert [client.page().status for _ in range(4)] == [200] * 4


def test_gzip_only_where_accepted(server: BookFusionStandIn, client: Client) -> None:
    plain, packed = client.page(), client.page(Accept_Encoding='gzip')
    assert plain.headers['Content-Encoding'] is None
    assert packed.headers['Content-Encoding'] == 'gzip'
    assert len(packed.body) < len(plain.body) / 2
    assert packed.json() == plain.json()
    server.gzip = False
    assert client.page(Accept_Encoding='gzip').body == plain.body


@pytest.fixture
def pauses(server: BookFusionStandIn, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Records the stand-in's pauses, in seconds, instead of waiting."""
    made: list[float] = []

    def pause(seconds: float) -> bool:
        if seconds:
            made.append(seconds)
        return True

    monkeypatch.setattr(server, 'pause', pause)
    return made


def test_latencies(server: BookFusionStandIn, pauses: list[float]) -> None:
    def during(run: Callable[[], object]) -> list[float]:
        pauses.clear()
        run()
        return list(pauses)

    client = Client(server)
    server.connection_latency = 0.3
    assert during(client.sign_in) == [0.3]
    assert during(client.page) == []
    server.latency = 0.05
    assert during(client.page) == [0.05]
    server.record_latency = 0.005
    assert during(client.page) == [0.05, 25 * 0.005]


def test_requests_in_flight(server: BookFusionStandIn, client: Client) -> None:
    token = client.token

    def fetch(page: int) -> int:
        another = Client(server)
        another.token = token
        return len(another.ids(page, 5))

    released = threading.Event()
    server.fail(faults.Hold(released), LIBRARY, times=3)
    with ThreadPoolExecutor(3) as pool:
        counts = pool.map(fetch, range(1, 7))
        server.wait_for(LIBRARY, times=3)
        assert server.in_flight == 3
        released.set()
        assert list(counts) == [5, 5, 5, 5, 5, 0]
    assert server.max_in_flight == 3
    assert server.connections == 7
    assert server.in_flight == 0


def test_a_client_that_gave_up_is_not_in_flight(server: BookFusionStandIn, client: Client) -> None:
    server.fail(faults.Hang(), LIBRARY)
    assert client.connection.sock is not None
    client.connection.sock.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.page()
    client.connection.close()
    client.page()
    assert server.max_in_flight == 1


def test_connection_closed_after_some_answers(server: BookFusionStandIn) -> None:
    server.requests_per_connection = 2
    client = Client(server)
    client.sign_in()
    assert client.page().headers['Connection'] == 'keep-alive'
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        client.page()


def test_fault_table(server: BookFusionStandIn, client: Client) -> None:
    first = server.fail(faults.Status(500), LIBRARY, after=1, times=2)
    second = server.fail(faults.Status(429), LIBRARY, after=1, times=1)
    assert [client.page().status for _ in range(5)] == [200, 500, 500, 429, 200]
    assert (first.seen, first.hits, second.hits) == (5, 2, 1)
    server.fail(faults.Status(503), method='GET', times=None, when=lambda request: request.query['page'] == '2')
    assert [client.page(page).status for page in (1, 2, 2, 3, 2)] == [200, 503, 503, 200, 503]
    assert client.search(2).status == 200
    server.clear_faults()
    assert client.page(2).status == 200


def test_status_with_headers_and_bodies(server: BookFusionStandIn, client: Client) -> None:
    before = time.time()
    server.fail(faults.Status(429, {'Retry-After': '7'}))
    server.fail(faults.Status(503, {'Retry-After': http_date(30)}, b'busy'))
    too_many, busy = client.page(), client.page()
    assert (too_many.status, too_many.headers['Retry-After'], too_many.json()) == (429, '7', {'error': 'status 429'})
    assert busy.body == b'busy'
    until = parsedate_to_datetime(busy.headers['Retry-After']).timestamp()
    assert int(before + 30) <= until <= time.time() + 30
    assert [request.status for request in server.requests] == [200, 429, 503]


@pytest.mark.parametrize(
    ('action', 'body'),
    [
        (faults.Html(), b'<!DOCTYPE html>'),
        (faults.Empty(), b''),
        (faults.WrongShape({'books': None}), b'{"books":null}'),
        (faults.BadJson(), b'[{"id": 1, "book_id": '),
        (faults.InvalidUtf8(), b'[{"id": 1, "title": "\xff\xfe"}]'),
        (faults.Deep(), b'[' * 100_000 + b']'),
    ],
)
def test_wrong_bodies_with_status_200(server: BookFusionStandIn, client: Client, action: Action, body: bytes) -> None:
    server.fail(action, LIBRARY)
    reply = client.page()
    assert reply.status == 200
    assert reply.body.startswith(body)
    assert ('html' in reply.headers['Content-Type']) == isinstance(action, faults.Html)
    assert len(client.ids()) == 25
    assert server.connections == 1


@pytest.mark.parametrize(
    ('action', 'error'),
    [
        (faults.Reset(), ConnectionResetError),
        (faults.CloseWithoutAnswer(), http.client.RemoteDisconnected),
        (faults.NotHttp(), http.client.BadStatusLine),
        (faults.Hang(), TimeoutError),
        (faults.Truncated(), http.client.IncompleteRead),
        (faults.Truncated(keep=0), http.client.IncompleteRead),
        (faults.Truncated(chunked=True), http.client.IncompleteRead),
        (faults.SlowBody(1000), TimeoutError),
    ],
)
def test_broken_answers(server: BookFusionStandIn, action: Action, error: type[Exception]) -> None:
    client = Client(server)
    client.sign_in()
    server.fail(action, LIBRARY)
    if error is TimeoutError:
        assert client.connection.sock is not None
        client.connection.sock.settimeout(0.03)
    with pytest.raises(error) as caught:
        client.page()
    assert type(caught.value) is error
    client.connection.close()
    assert len(client.ids()) == 25


@pytest.mark.parametrize('head', [False, True])
def test_slow_body_arrives_whole(server: BookFusionStandIn, client: Client, pauses: list[float], head: bool) -> None:
    size = len(client.page(1, 1).body)
    server.fail(faults.SlowBody(size / 5, head), LIBRARY)
    assert len(client.ids(1, 1)) == 1
    assert len(pauses) >= 20
    assert sum(pauses) > 5 if head else sum(pauses) == pytest.approx(5, rel=0.05)


def test_refused_until_it_accepts_again(server: BookFusionStandIn, client: Client) -> None:
    other = Client(server)
    other.sign_in()
    server.fail(faults.Refuse(), LIBRARY)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        client.page()
    client.connection.close()
    with pytest.raises(ConnectionRefusedError):
        client.page()
    client.connection.close()
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError)):
        other.page()
    server.accept_connections()
    assert len(client.ids()) == 25
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(('127.0.0.1', unused_port()), timeout=1)


def test_held_until_released(server: BookFusionStandIn, client: Client) -> None:
    released = threading.Event()
    server.fail(faults.Hold(released), LIBRARY)
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(client.ids)
        server.wait_for(LIBRARY)
        assert server.requests[-1].status is None
        assert server.in_flight == 1
        released.set()
        assert len(response.result(timeout=5)) == 25
    with pytest.raises(TimeoutError):
        server.wait_for(LIBRARY, times=2, timeout=0.01)


@pytest.mark.parametrize('content_length', [True, False])
def test_huge_body_is_valid_json(server: BookFusionStandIn, client: Client, content_length: bool) -> None:
    server.fail(faults.Huge(2, content_length), LIBRARY)
    reply = client.page()
    assert (reply.headers['Content-Length'] is not None) == content_length
    assert 1_900_000 < len(reply.body) < 2_100_000
    assert len(reply.json()) > 20
    server.fail(faults.Huge(1, opening=b'{"token":"t","more":[', closing=b']}'), LIBRARY)
    assert client.page().json()['token'] == 't'


def test_gzip_bomb(server: BookFusionStandIn, client: Client) -> None:
    server.fail(faults.GzipBomb(300), LIBRARY)
    server.fail(faults.GzipBomb(3), LIBRARY)
    bomb = client.page()
    assert len(bomb.body) < 1_000_000
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert len(unpack.decompress(bomb.body, 5_000_000)) == 5_000_000
    small = client.page()
    assert len(gzip.decompress(small.body)) == 3_000_002
    assert small.json() == []


@pytest.mark.parametrize('code', [301, 302, 307, 308])
def test_redirect(server: BookFusionStandIn, client: Client, code: int) -> None:
    server.fail(faults.Redirect('http://127.0.0.2:1{target}', code), LIBRARY)
    reply = client.page(3, 10)
    assert reply.status == code
    assert reply.headers['Location'] == 'http://127.0.0.2:1' + server.requests[-1].target


def test_tls_with_a_certificate_nobody_knows() -> None:
    def status(server: BookFusionStandIn, host: str, context: ssl.SSLContext) -> int:
        connection = http.client.HTTPSConnection(host, server.port, timeout=5, context=context)
        connection.request('GET', '/device')
        return Reply(connection.getresponse()).status

    with BookFusionStandIn(tls=True) as server:
        assert server.api_base.startswith('https://127.0.0.1:')
        with pytest.raises(ssl.SSLCertVerificationError):
            status(server, '127.0.0.1', ssl.create_default_context())
        trusting = ssl.create_default_context(cafile=server.certificate_file)
        assert status(server, '127.0.0.1', trusting) == 200
        assert status(server, 'localhost', trusting) == 200
        assert server.count() == 2
        certificate = Path(server.certificate_file)
    assert not certificate.exists()
    with BookFusionStandIn(tls=True, tls_names=('DNS:other.example',)) as server:
        trusting = ssl.create_default_context(cafile=server.certificate_file)
        with pytest.raises(ssl.SSLCertVerificationError, match='mismatch'):
            status(server, '127.0.0.1', trusting)


def test_stop_ends_everything_at_once() -> None:
    before = threading.active_count()
    with BookFusionStandIn(generate_records(5)) as server:
        server.fail(faults.SlowBody(1))
        server.fail(faults.Hang())
        server.fail(faults.Huge(500))
        server.fail(faults.Hold(threading.Event()))
        idle = socket.create_connection((server.host, server.port))
        waiting = [socket.create_connection((server.host, server.port)) for _ in range(4)]
        for connection in waiting:
            connection.sendall(b'GET / HTTP/1.1\r\n\r\n')
        server.wait_for('/', times=4)
    assert threading.active_count() == before
    for connection in [idle, *waiting]:
        connection.settimeout(1)
        while connection.recv(1_000_000):
            pass
        connection.close()


def test_a_mistake_of_the_stand_in_itself_is_not_hidden() -> None:
    server = BookFusionStandIn([LibraryRecord(1, title={1, 2})])
    server.start()
    client = Client(server)
    client.sign_in()
    assert client.page().status == 500
    with pytest.raises(AssertionError, match='not JSON serializable'):
        server.__exit__(None, None, None)


def test_unknown_paths_methods_and_options(server: BookFusionStandIn, client: Client) -> None:
    assert client.call('GET', '/api/v2/library').status == 404
    assert client.call('GET', SIGN_IN).status == 405
    with pytest.raises(TypeError, match='repeat_pages'):
        BookFusionStandIn(repeat_pages=2)


def test_generated_records_are_always_the_same_and_plausible(tmp_path: Path) -> None:
    records = generate_records(500, seed=3)
    assert [record.user_json for record in records] == [record.user_json for record in generate_records(500, seed=3)]
    assert [record.title for record in records] != [record.title for record in generate_records(500, seed=4)]
    ids, book_ids = {record.id for record in records}, {record.book_id for record in records}
    assert (len(ids), len(book_ids), len(ids & book_ids)) == (500, 500, 0)
    finished = sum(record.percentage == 100 for record in records)
    unread = sum(record.percentage is None for record in records)
    assert 100 < finished < 200
    assert 150 < unread < 250
    padded = generate_records(500, seed=3, padding=2000)
    assert [record.title for record in padded] == [record.title for record in records]
    assert all(2000 < len(record.private_json) < 2500 for record in padded)
    file = tmp_path / 'records.json'
    file.write_text(json.dumps([{'id': 5, 'percentage': 3}, {'id': 6, 'private_raw': []}]), encoding='utf-8')
    assert [record.private_json[:7] for record in load_records(file)] == [b'{"id":5', b'[]']
    file.write_text('[{"idd": 5}]', encoding='utf-8')
    with pytest.raises(SystemExit, match='idd'):
        load_records(file)


def test_command_line() -> None:
    with StandInProcess(SCRIPT, '--count', '250', '--cap', '50', '--password', 'secret') as process:
        port = int(process.ready['api_base'].rpartition(':')[2].partition('/')[0])
        assert process.ready['user_api_base'] == f'http://127.0.0.1:{port}'
        connection = http.client.HTTPConnection('127.0.0.1', port, timeout=5)
        body = json.dumps({'device': DEVICE, 'login': 'reader@example.org', 'password': 'secret'})
        connection.request('POST', SIGN_IN, body, {'Content-Type': 'application/json'})
        token = Reply(connection.getresponse()).json()['token']
        connection.request('GET', f'{LIBRARY}?device={DEVICE}&token={token}&page=5&per_page=100')
        expected = [record.id for record in generate_records(250)[200:]]
        assert [record['id'] for record in Reply(connection.getresponse()).json()] == expected
        statistics = process.command('stats')
        assert (statistics['requests'], statistics['connections'], statistics['max_in_flight']) == (2, 1, 1)
        assert process.command('set {"latency": 0.1}')['requests'] == 2
        assert process.command('reset')['requests'] == 0
        assert process.stop() == 0


def test_command_line_ends_on_sigterm() -> None:
    with StandInProcess(SCRIPT, '--count', '1') as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
