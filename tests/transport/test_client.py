"""A client against local servers: retries, kept connections, redirects, requests in flight, what no error tells."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import BackSyncError, BadAnswer, Cancelled, ErrorPage
from calibre_plugins.bookfusionbacksync.transport import client as http_client
from calibre_plugins.bookfusionbacksync.transport.client import TRANSIENT_STATUSES, HttpClient, InFlightLimit
from calibre_plugins.bookfusionbacksync.transport.request import Limits, Request
from harness.network import (
    ENDLESS,
    QUICK,
    Echo,
    Proxy,
    RecordingCancel,
    cancelling,
    make_client,
    names,
    trust,
    while_held,
)
from harness.threads import inside, wait_until
from harness.transport import TOKEN, WITH_ENDLESS_DELAYS, Verbatim, failure, get, post, told, whole_story
from hypothesis import given, settings
from hypothesis import strategies as st
from standins import faults
from standins.common import Action, Exchange, Response, http_date, json_response, unused_port

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
        Verbatim(Response(200, {'Content-Encoding': 'gzip'}, gzip.compress(b'[1, 2, 3]')[:-9])),
        errors.BROKE_OFF,
    ),
    'gzip that is none': (Verbatim(Response(200, {'Content-Encoding': 'gzip'}, b'[1, 2, 3]')), errors.BROKE_OFF),
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
    # A second response that is late on a busy machine would be one try more.
    with make_client(replace(QUICK, read_timeout=0.5, total_timeout=0.75)) as client:
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


def test_an_error_may_come_without_json(server: Echo, client: HttpClient) -> None:
    server.fail(faults.Html(404))
    assert client.send(get(server), Cancel()).data is None


def test_a_status_can_be_handed_back(server: Echo, client: HttpClient) -> None:
    server.fail(faults.Status(429, {'Retry-After': '5'}))
    answer = client.send(get(server, hand_back=frozenset({429})), Cancel())
    assert (answer.status, answer.headers['retry-after'], server.count()) == (429, '5', 1)


def test_what_an_error_said_without_json_is_kept_but_not_shown(server: Echo, client: HttpClient) -> None:
    server.fail(faults.Status(400, body=b'Bad Authorization header ' + b'x' * 20_000))
    response = client.send(get(server), Cancel())
    assert (response.data, response.page[:25], len(response.page)) == (None, 'Bad Authorization header ', 10_000)
    assert 'Authorization' not in repr(response)
    server.fail(faults.Status(400))
    assert client.send(get(server), Cancel()).page == ''


@pytest.mark.parametrize('status', [403, 418])
def test_a_status_may_be_that_of_a_gateway(server: Echo, status: int) -> None:
    request = get(server, gateways=frozenset({status}))
    cancel = RecordingCancel()
    with make_client() as client:
        server.fail(faults.Status(status))
        assert client.send(request, cancel).status == status
        server.fail(faults.Html(status), times=2)
        assert client.send(request, cancel).status == 200
        assert (len(cancel.waits), client.strained) == (2, True)
        server.fail(faults.Html(status), times=None)
        assert told(failure(client, request, cancel), errors.SERVER_TROUBLE)
        server.clear_faults()
        server.fail(faults.Status(status, {'Retry-After': '17'}, b'go away'))
        assert client.send(request, cancel).status == 200
        assert cancel.waits[-1] == 17


@pytest.mark.parametrize(
    ('body', 'page'),
    [
        (b'<html></html>', True),
        (b' \r\n\t<!DOCTYPE html>', True),
        (b'\xef\xbb\xbf<html>', True),
        (b'{"error": "<b>no</b>"}', False),
        (b'oops', False),
        (b'', False),
    ],
)
def test_a_web_page_in_place_of_an_error_is_told_apart(
    server: Echo, client: HttpClient, body: bytes, page: bool
) -> None:
    server.fail(faults.Status(500, body=body), times=None)
    error = failure(client, get(server), RecordingCancel())
    assert isinstance(error, ErrorPage) is page
    assert told(error, errors.SERVER_TROUBLE)


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


@pytest.mark.parametrize('clock', [-86_400, -30, 30, 86_400])
def test_a_clock_that_is_wrong_does_not_change_the_wait(server: Echo, clock: float) -> None:
    """The server's clock is ahead of this computer's by so many seconds, or behind it."""
    cancel = RecordingCancel()
    server.fail(faults.Status(503, {'Retry-After': http_date(clock + 20), 'Date': http_date(clock)}))
    with make_client(Limits()) as client:
        assert client.send(get(server), cancel).status == 200
    (wait,) = cancel.waits
    assert 19 <= wait <= 21


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


def test_not_reached(client: HttpClient) -> None:
    cancel = RecordingCancel()
    error = failure(client, Request('GET', f'http://127.0.0.1:{unused_port()}/'), cancel)
    assert str(error) == (
        'The service could not be reached (connection refused). '
        'Check the internet connection and the proxy of this computer, then try again.'
    )
    assert len(cancel.waits) == 3


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
        wait_until(lambda: server.open_connections == 0)
    assert cancel.waits == []
    assert server.count() == 4


def test_a_stale_connection_is_replaced_even_where_nothing_is_tried_again(server: Echo) -> None:
    server.requests_per_connection = 1
    with make_client(replace(QUICK, retry_delays=())) as client:
        for _ in range(3):
            assert client.send(post(server), Cancel()).status == 200
            wait_until(lambda: server.open_connections == 0)


class CloseUnsaid(Action):
    """503, and then the connection is closed, which the head has not said."""

    def perform(self, exchange: Exchange) -> None:
        exchange.send(json_response({'error': 'busy'}, 503))
        exchange.keep_alive = False


def test_connections_that_go_stale_in_pauses_cost_no_try(server: Echo, client: HttpClient) -> None:
    server.fail(CloseUnsaid(), times=None)
    error = failure(client, get(server))
    assert told(error, errors.SERVER_TROUBLE)
    assert (server.count(), server.connections) == (4, 4)


def test_several_stale_connections_are_replaced_at_once(server: Echo, client: HttpClient) -> None:
    released = threading.Event()
    server.fail(faults.Hold(released), times=None)
    with at_once(client, server, 4):
        server.wait_for('/', 4)
        released.set()
    assert server.connections == 4
    server.refuse_connections()
    server.accept_connections()
    cancel = RecordingCancel()
    assert client.send(get(server), cancel).status == 200
    assert (cancel.waits, server.connections) == ([], 5)


def test_a_connection_that_was_idle_for_long_is_not_used_again(server: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    later = 0.0
    monkeypatch.setattr(http_client, 'time', SimpleNamespace(monotonic=lambda: time.monotonic() + later))
    with make_client(replace(QUICK, keepalive_expiry=1000)) as client:
        client.send(get(server), Cancel())
        later = 900.0
        client.send(get(server), Cancel())
        assert server.connections == 1
        later = 2000.0
        client.send(get(server), Cancel())
    assert server.connections == 2


def test_closing_the_client_closes_its_connections(server: Echo, client: HttpClient) -> None:
    client.send(get(server), Cancel())
    client.close()
    wait_until(lambda: server.open_connections == 0)


def test_no_request_after_a_cancel(server: Echo, client: HttpClient) -> None:
    cancel = Cancel()
    cancel.set()
    with pytest.raises(Cancelled):
        client.send(get(server), cancel)
    assert (server.count(), server.connections, client.requests) == (0, 0, 0)


def test_cancelled_while_waiting_for_a_slot(server: Echo) -> None:
    """Four requests hang, a fifth waits for its slot; one flag ends them all."""
    server.fail(faults.Hang(), times=None)

    cancel = Cancel()
    with make_client(WITH_ENDLESS_DELAYS) as client, while_held(server), ThreadPoolExecutor(5) as pool:
        ends = [pool.submit(client.send, get(server), cancel) for _ in range(5)]
        server.wait_for('/books', 4)
        wait_until(lambda: inside(InFlightLimit.slot) == 1)
        cancel.set()
        assert all(isinstance(end.exception(), Cancelled) for end in ends)
    assert server.count() == 4


def test_a_part_is_cancelled_alone_and_with_the_whole(server: Echo) -> None:
    whole, client = Cancel(), make_client(ENDLESS)
    part, other = whole.child(), whole.child()
    part.set()
    with pytest.raises(Cancelled):
        client.send(get(server), part)
    assert client.send(get(server), other).status == 200
    with cancelling(whole, server, server.fail(faults.Hang())), pytest.raises(Cancelled):
        client.send(get(server), other)
    client.close()
    assert whole.child().is_set


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


@contextmanager
def at_once(client: HttpClient, server: Echo, count: int) -> Iterator[None]:
    """Meanwhile so many requests are under way; all of them must go well in the end."""
    with ThreadPoolExecutor(count) as pool:
        responses = pool.map(lambda number: client.send(get(server, f'/{number}'), RecordingCancel()), range(count))
        yield
        assert [response.status for response in responses] == [200] * count


def test_at_most_four_in_flight(server: Echo) -> None:
    released = threading.Event()
    server.fail(faults.Hold(released), times=None)
    with make_client(WITH_ENDLESS_DELAYS) as client, at_once(client, server, 12):
        server.wait_for('/', 4)
        wait_until(lambda: inside(InFlightLimit.slot) == 8)
        assert server.in_flight == 4
        released.set()
    assert (server.max_in_flight, server.count()) == (4, 12)
    assert not client.strained


@pytest.mark.parametrize('status', [429, 500, 503, 524])
def test_one_at_a_time_after_the_first_sign_of_strain(server: Echo, status: int) -> None:
    released = threading.Event()
    server.fail(faults.Status(status))
    with make_client(WITH_ENDLESS_DELAYS) as client:
        client.send(get(server), RecordingCancel())
        assert client.strained
        server.reset_log()
        server.fail(faults.Hold(released))
        with at_once(client, server, 8):
            server.wait_for('/', 1)
            wait_until(lambda: inside(InFlightLimit.slot) == 7)
            assert server.in_flight == 1
            released.set()
    assert (server.max_in_flight, server.count()) == (1, 8)


def test_the_strain_counts_for_those_who_wait_already(server: Echo) -> None:
    """Of eight requests four are let in; one of these is answered 429, and until the others end nobody else is."""
    released = threading.Event()
    server.fail(faults.Hold(released), times=3)
    server.fail(faults.Status(429))
    with make_client(WITH_ENDLESS_DELAYS) as client, at_once(client, server, 8):
        server.wait_for('/', 4)
        wait_until(lambda: client.strained and inside(InFlightLimit.slot) == 5)
        assert server.count() == 4
        server.reset_log()
        released.set()
    assert (server.max_in_flight, server.count()) == (1, 5)


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


ODD_ADDRESSES = [
    'https://[::1',
    'https://[',
    'https://]',
    'https://[]',
    'https://[::g]/',
    'https://[::1]x/',
    'https://books.example:99999/',
    'https://books.example:-1/',
    'https://books.example:x/',
    'https://books.example:\u0663/',
    'https://books.example:0/',
    'https://',
    'https://:443/',
    'https://@/',
    'https://.',
    'https://..',
    'https://.books.example/',
    'https://books..example/',
    'https://-books-.example/',
    'https://' + 'x' * 64 + '.example/',
    'https://' + 'x.' * 500 + 'example/',
    'https://b\xfccher..example/',
    'https://\xfc' + '\xfc' * 70 + '/',
    'https://\u2100.example/',
    'https://\ud800/',
    'https://\U0001f600/',
    'https://\u200b/',
    'https://xn--/',
    'https://xn--\xfc/',
    'https://books%00.example/',
    'https://books%2eexample/',
    'https://*/',
    'https://a,b;c/',
    'https://"/',
    'https://<script>/',
    'https://\\\\server/share',
    'https:///etc/passwd',
    'https:books.example',
    'https://books.example\\@other.example/',
    'https://1.2.3.4.5/',
    'https://999.1.1.1/',
    'https://0x/',
    'https://[v1.x]/',
    'https://[::1%eth0]/',
    'https://[::1%25]/',
    'http://books.example:80:80/',
    'http://books.example/\xfc',
    'http://books.example/a b',
    'http://books.example/\x00',
    'http://\x7f/',
    'ftp://books.example/',
    'javascript:alert(1)',
    '//books.example',
    'books.example',
    '?',
    '#',
    '',
]


@pytest.mark.parametrize('repeatable', [True, False])
@pytest.mark.parametrize('proxy', [False, True], ids=['direct', 'proxy'])
@pytest.mark.parametrize('url', ODD_ADDRESSES, ids=ascii)
def test_an_odd_address_is_an_error_of_ours(
    server: Echo, client: HttpClient, monkeypatch: pytest.MonkeyPatch, url: str, proxy: bool, repeatable: bool
) -> None:
    with Proxy(server, status=502) as running, names({}):
        if proxy:
            monkeypatch.setenv('all_proxy', f'http://127.0.0.1:{running.port}')
        with pytest.raises(BackSyncError):
            client.send(Request('GET', url, repeatable=repeatable), RecordingCancel())


HOSTS = st.text(max_size=12) | st.text(st.sampled_from('a1.:[]%@-\xfc\u2100\uff11\u3002'), max_size=12)


@settings(max_examples=300, deadline=None)
@given(HOSTS, st.sampled_from(['', ':1', ':99999', ':x', '/a', '?b', '#c', ':0/']))
def test_a_host_may_be_anything(host: str, rest: str) -> None:
    with names({}), make_client(Limits(retry_delays=()), public_only=True) as client, pytest.raises(BackSyncError):
        client.send(Request('GET', f'https://{host}{rest}'), Cancel())
