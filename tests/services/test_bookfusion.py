"""Signing in to BookFusion and reading a library through both of its interfaces, against the local stand-in."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import (
    ApiGone,
    BackSyncError,
    BadAnswer,
    Cancelled,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.base.settings import Settings
from calibre_plugins.bookfusionbacksync.rules.records import FetchedLibrary
from calibre_plugins.bookfusionbacksync.services import bookfusion
from calibre_plugins.bookfusionbacksync.services.bookfusion import (
    SWITCHED_NOTE,
    Account,
    UserApi,
    fetch_library,
)
from calibre_plugins.bookfusionbacksync.services.bookfusion_answers import parse_read_date
from calibre_plugins.bookfusionbacksync.transport.request import Limits
from harness.bookfusion import assert_sound
from harness.jobs import RecordingReporter
from harness.network import (
    ENDLESS,
    QUICK,
    USER_AGENT,
    RecordingCancel,
    cancelling,
    make_client,
)
from harness.secrets import TEST_PASSWORD, TEST_USER_TOKEN
from harness.threads import assert_no_thread_left
from standins import faults
from standins.bookfusion import (
    ABSENT,
    LIBRARY,
    SEARCH,
    SIGN_IN,
    USER_SIGN_IN,
    BookFusionStandIn,
    LibraryRecord,
    generate_records,
)

DEVICE = '0123456789abcdef'
POSITIONS = '/api/user/books/'
WAYS = ('private', 'user', 'browser')


@pytest.fixture
def server(bookfusion: BookFusionStandIn) -> Iterator[BookFusionStandIn]:
    """Whatever a test does: nothing is written, no thread is left."""
    yield bookfusion
    assert bookfusion.violations == []
    assert bookfusion.position_writes == []
    assert_no_thread_left()


@dataclass
class Reader:
    """Reads the stand-in's library in one of the three ways; keeps what was told and how many requests were sent."""

    server: BookFusionStandIn
    way: str = 'private'
    page_size: int = 10
    password: str = TEST_PASSWORD
    need_percentage: bool = True
    limits: Limits = QUICK

    def __post_init__(self) -> None:
        self.told = RecordingReporter()
        self.requests = 0
        if self.way == 'user':
            self.server.private_gone = 404

    @property
    def settings(self) -> Settings:
        return Settings(
            bookfusion_api_base=self.server.api_base,
            bookfusion_user_api_base=self.server.user_api_base,
            page_size=self.page_size,
        )

    @property
    def account(self) -> Account:
        token = TEST_USER_TOKEN if self.way == 'browser' else ''
        return Account(self.server.email, Secret(self.password), Secret(token), DEVICE)

    @property
    def page_path(self) -> str:
        return LIBRARY if self.way == 'private' else SEARCH

    @property
    def sign_in_path(self) -> str:
        return SIGN_IN if self.way == 'private' else USER_SIGN_IN

    def read(self, cancel: Cancel | None = None, account: Account | None = None) -> FetchedLibrary:
        with make_client(self.limits, 'BookFusion') as client:
            try:
                return fetch_library(
                    client,
                    self.settings,
                    account or self.account,
                    self.told,
                    cancel or RecordingCancel(),
                    self.need_percentage,
                )
            finally:
                self.requests = client.requests

    def error(self) -> BackSyncError:
        with pytest.raises(BackSyncError) as caught:
            self.read()
        return caught.value


def ids(library: FetchedLibrary, space: str = 'id') -> list[str]:
    return [dict(record.ids)[space] for record in library.records]


def pages_asked(reader: Reader) -> Counter[int]:
    """How often each page was asked for."""
    requests = [request for request in reader.server.requests if request.path == reader.page_path]
    return Counter(int(request.query.get('page') or request.json()['page']) for request in requests)


def own_ids(records: Iterable[LibraryRecord], way: str) -> list[str]:
    """The ids by which an interface calls these records."""
    return [str(record.id if way == 'private' else record.identifier) for record in records]


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('depth', [10, 300, 900])
def test_deep_values_in_records(server: BookFusionStandIn, way: str, depth: int) -> None:
    deep = b'[' * depth + b'7' + b']' * depth
    record = b'{"id": 5, "title": %s, "last_read_at": %s, "reading_position": {"percentage": %s}}' % (deep, deep, deep)
    server.records = [
        LibraryRecord(1, private_raw=record, user_raw=record),
        LibraryRecord(2, private_raw=deep, user_raw=deep),
        LibraryRecord(3, private_raw=b'{"a": %s}' % deep, user_raw=b'{"a": %s}' % deep),
    ]
    library = Reader(server, way).read()
    assert ids(FetchedLibrary(library.records[:1], library.id_spaces, '')) == ['5']
    assert len(library.records) == 2


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('count', [0, 1, 10, 25, 40, 95])
def test_a_whole_library(server: BookFusionStandIn, way: str, count: int) -> None:
    server.records = generate_records(count)
    reader = Reader(server, way)
    library = reader.read()
    assert ids(library) == own_ids(server.records, way)
    for record, original in zip(library.records, server.records, strict=True):
        assert record.title == original.title
        assert record.percentage == original.percentage
        assert record.last_read_at == parse_read_date(original.last_read_at)
        assert record.position_updated_at == parse_read_date(original.position_updated_at)
        assert record.lists == (() if way == 'private' else original.lists)
        assert record.read_time == (None if way == 'private' else original.read_time)
    # Those beyond the end are cut off as soon as they are sent.
    server.wait_for(times=reader.requests)
    assert reader.requests == server.count()
    assert server.max_in_flight <= 4
    pages = -(-count // 10)
    assert server.count(reader.page_path) <= pages + (4 if way == 'private' else 2)
    assert reader.told.statuses[:2] == ['Authenticating...', 'Fetching BookFusion library...']


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize(
    'options',
    [
        {'cap': 3},
        {'cap': 1},
        {'ignore_page': True},
        {'repeat_page': 1},
        {'repeat_page': 2},
        {'repeat_page': 3},
        {'repeat_last_page': True},
        {'shift_per_page': 1},
        {'shift_per_page': 4},
        {'shift_per_page': 1, 'repeat_last_page': True},
        {'repeat_page': 2, 'repeat_last_page': True, 'cap': 4},
    ],
    ids=str,
)
@pytest.mark.parametrize('total', [True, False, 12, 1000])
def test_pages_that_do_not_behave(
    server: BookFusionStandIn, way: str, options: Mapping[str, Any], total: bool | int
) -> None:
    server.records = generate_records(25)
    server.set_options(total_count=total, private_total_count=total, **options)
    reader = Reader(server, way)
    wanted = server.records[:10] if 'ignore_page' in options else server.records
    assert ids(reader.read()) == own_ids(wanted, way)
    pages = -(-25 // (min(options.get('cap', 10), 10) - options.get('shift_per_page', 0))) + 1
    assert server.count(reader.page_path) <= pages + 7


@pytest.mark.parametrize('way', WAYS)
def test_a_library_with_far_more_records_than_it_says_is_no_library(server: BookFusionStandIn, way: str) -> None:
    """A server that never stops sending records must not be followed for ever, and a part is not the whole."""
    server.records = generate_records(95)
    server.set_options(total_count=5, private_total_count=5)
    reader = Reader(server, way)
    error = reader.error()
    assert isinstance(error, BadAnswer)
    assert 'BookFusion answered in a form that this plugin does not know (its list does not end' in str(error)
    assert server.count(reader.page_path) <= 3 + 4


@pytest.mark.parametrize('page_size', [10, 5000])
@pytest.mark.parametrize(
    ('way', 'where'),
    [
        ('private', 'sign-in'),
        ('private', 'page'),
        ('user', 'sign-in'),
        ('user', 'page'),
        ('user', 'position'),
        ('browser', 'page'),
        ('browser', 'position'),
    ],
)
def test_more_than_anybody_could_have_asked_for_is_refused_unparsed(
    server: BookFusionStandIn, way: str, where: str, page_size: int
) -> None:
    server.records = [LibraryRecord(1, lists=['completed'])]
    server.inline_positions = False
    reader = Reader(server, way, page_size, limits=replace(QUICK, read_timeout=10, total_timeout=20))
    position_path = f'{POSITIONS}{server.records[0].identifier}/'
    path = {'sign-in': reader.sign_in_path, 'page': reader.page_path, 'position': position_path}[where]
    server.fail(faults.ManyLists(60), path, times=None)
    assert isinstance(reader.error(), BadAnswer)
    assert server.count(path) == 1


@pytest.mark.parametrize('way', WAYS)
def test_stopped_in_the_middle_of_a_long_page(
    server: BookFusionStandIn, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that ignores the size of a page may send a great many records in it."""
    parsed = []
    cancel = RecordingCancel()

    def stopping(parse: Any) -> Any:
        def parse_one(raw: object) -> Any:
            parsed.append(raw)
            if len(parsed) == 3:
                cancel.set()
            return parse(raw)

        return parse_one

    for name in ('parse_private_record', 'parse_user_record'):
        monkeypatch.setattr(bookfusion, name, stopping(getattr(bookfusion, name)))
    reader = Reader(server, way)
    server.fail(faults.WrongShape([{'id': number} for number in range(500)]), reader.page_path, times=None)
    with pytest.raises(Cancelled):
        reader.read(cancel)
    assert len(parsed) == 3


@pytest.mark.parametrize('way', WAYS)
def test_a_book_added_while_pages_are_read(server: BookFusionStandIn, way: str) -> None:
    """The pages shift: one record comes twice, and with another percentage, so that both are kept."""
    added = threading.Event()

    def add_one(page: int) -> None:
        if page == 2:
            server.records[9] = replace(server.records[9], percentage=77)
            server.records.insert(0, LibraryRecord(99, added_at='2000-01-01T00:00:00.000Z'))
            added.set()
        elif page > 2:
            added.wait(5)

    server.records = generate_records(25)
    server.before_page = add_one
    library = Reader(server, way).read()
    (twice,) = own_ids(server.records[10:11], way)
    found = ids(library)
    assert set(found) == set(own_ids(server.records[1:], way))
    both = [record.percentage for record, number in zip(library.records, found, strict=True) if number == twice]
    assert both == [generate_records(25)[9].percentage, 77]


@pytest.mark.parametrize('way', WAYS)
def test_entries_that_are_no_records_are_counted_and_passed_over(server: BookFusionStandIn, way: str) -> None:
    server.records = [
        *generate_records(4),
        *(LibraryRecord(n, private_raw=raw, user_raw=raw) for n, raw in enumerate([None, 'text', 5, [], [1]])),
        *generate_records(25)[4:],
    ]
    reader = Reader(server, way)
    assert len(reader.read().records) == 25
    assert reader.told.lines[-1] == ('Note: 5 entries of the BookFusion library are not books and were passed over.')


def test_records_without_an_id_of_their_own_are_told_apart(server: BookFusionStandIn) -> None:
    server.records = [LibraryRecord(ABSENT, book_id=number) for number in range(25)]
    assert ids(Reader(server).read(), 'book_id') == [str(number) for number in range(25)]


@pytest.mark.parametrize('status', [400, 401, 403, 422])
@pytest.mark.parametrize('way', ['private', 'user'])
def test_a_refused_sign_in_is_tried_once(server: BookFusionStandIn, way: str, status: int) -> None:
    reader = Reader(server, way, password='wrong')
    server.refusal = status
    if way == 'user':
        server.fail(faults.Status(status), USER_SIGN_IN, times=None)
    error = reader.error()
    assert isinstance(error, SignInRefused)
    assert str(error) == (
        'BookFusion refused the email address or the password. '
        'Correct them in Settings, or sign in with a browser there.'
    )
    assert error.exit_code == 3
    assert server.count(reader.sign_in_path) == 1
    assert server.count() == (1 if way == 'private' else 2)


@pytest.mark.parametrize('status', [400, 401, 422])
def test_a_refusal_may_come_as_a_web_page(server: BookFusionStandIn, status: int) -> None:
    server.fail(faults.Html(status))
    assert isinstance(Reader(server).error(), SignInRefused)
    assert server.count() == 1


GATEWAY_PAGES = {
    'a page': faults.Html(403),
    'a text': faults.Status(403, body=b'error code: 1020'),
    'nothing': faults.Empty(403),
    'cut JSON': faults.Status(403, body=b'{"error": '),
}


@pytest.mark.parametrize('way', ['private', 'user'])
@pytest.mark.parametrize('page', GATEWAY_PAGES)
def test_a_403_without_json_is_that_of_a_gateway(server: BookFusionStandIn, way: str, page: str) -> None:
    """Nobody's password is wrong: it is trouble, and tried again like any other."""
    reader = Reader(server, way)
    server.fail(GATEWAY_PAGES[page], reader.sign_in_path, times=None)
    error = reader.error()
    assert error.sentence.template == errors.SERVER_TROUBLE.template
    assert 'HTTP 403' in str(error)
    assert error.exit_code == 1
    assert server.count(reader.sign_in_path) == 4


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('where', ['sign-in', 'page', 'later page', 'position'])
def test_a_gateway_that_lets_the_next_try_through(server: BookFusionStandIn, way: str, where: str) -> None:
    server.records = generate_records(25)
    server.inline_positions = False
    reader = Reader(server, way)
    path = {'sign-in': reader.sign_in_path, 'position': POSITIONS}.get(where, reader.page_path)
    fault = server.fail(faults.Html(403), path, after=1 if where == 'later page' else 0)
    assert len(reader.read().records) == 25
    assert fault.hits == (0 if (way, where) in (('browser', 'sign-in'), ('private', 'position')) else 1)


@pytest.mark.parametrize('way', ['private', 'user'])
def test_a_gateway_in_the_way_of_a_renewal_is_not_a_wrong_password(server: BookFusionStandIn, way: str) -> None:
    server.records = generate_records(25)
    reader = Reader(server, way)
    server.fail(faults.Status(401), reader.page_path, after=1, times=None)
    server.fail(faults.Html(403), reader.sign_in_path, after=1, times=None)
    assert reader.error().exit_code == 1


@pytest.mark.parametrize('status', [404, 410])
@pytest.mark.parametrize('where', ['sign-in', 'page'])
def test_where_the_private_interface_is_gone_the_user_interface_is_used(
    server: BookFusionStandIn, status: int, where: str
) -> None:
    server.records = generate_records(25)
    server.set_options(private_gone=status, private_gone_at=where)
    reader = Reader(server)
    library = reader.read()
    assert ids(library) == own_ids(server.records, 'user')
    assert library.interface == UserApi.interface
    assert library.id_spaces == UserApi.id_spaces
    assert reader.told.lines == [SWITCHED_NOTE]
    paths = [request.path for request in server.requests]
    private = [SIGN_IN] if where == 'sign-in' else [SIGN_IN, LIBRARY]
    assert paths[: len(private) + 1] == [*private, USER_SIGN_IN]
    assert set(paths[len(private) + 1 :]) == {SEARCH}


@pytest.mark.parametrize('path', [USER_SIGN_IN, SEARCH])
@pytest.mark.parametrize('status', [404, 410])
def test_where_both_interfaces_are_gone_it_ends(server: BookFusionStandIn, path: str, status: int) -> None:
    server.fail(faults.Status(status), path, times=None)
    error = Reader(server, 'user').error()
    assert isinstance(error, ApiGone)
    assert str(error) == str(errors.API_GONE)
    assert server.count(path) == 1


@pytest.mark.parametrize('way', WAYS)
@pytest.mark.parametrize('status', [404, 410])
def test_a_later_page_that_is_not_found_is_no_switch_off(server: BookFusionStandIn, way: str, status: int) -> None:
    server.records = generate_records(25)
    reader = Reader(server, way)
    server.fail(faults.Status(status), reader.page_path, after=1, times=None)
    error = reader.error()
    assert error.sentence.template == errors.REFUSED_REQUEST.template
    assert f'HTTP {status}' in str(error)
    assert server.count(USER_SIGN_IN) == (1 if way == 'user' else 0)


@pytest.mark.parametrize('way', ['private', 'user'])
@pytest.mark.parametrize(
    'answer',
    [
        {},
        {'token': None},
        {'token': ''},
        {'token': '  '},
        {'token': 5},
        {'token': ['a']},
        {'token': 'two\nlines'},
        {'token': 'b\xfccher'},
        {'token': '\ud800'},
        {'Token': 'x'},
        [],
        ['token'],
        'token',
        None,
        5,
        True,
    ],
    ids=repr,
)
def test_a_sign_in_without_a_usable_token(server: BookFusionStandIn, way: str, answer: Any) -> None:
    reader = Reader(server, way)
    server.fail(faults.WrongShape(answer), reader.sign_in_path, times=None)
    error = reader.error()
    assert isinstance(error, BadAnswer)
    assert str(error) == str(errors.SIGN_IN_WITHOUT_TOKEN)
    assert server.count(reader.sign_in_path) == 1


def test_an_account_without_a_password_is_told_to_use_the_browser(server: BookFusionStandIn) -> None:
    server.account_type = 'web'
    error = Reader(server, 'user').error()
    assert isinstance(error, SignInRefused)
    assert str(error) == str(errors.BROWSER_ACCOUNT)


@pytest.mark.parametrize('way', ['private', 'user'])
@pytest.mark.parametrize('uses', range(11))
@pytest.mark.parametrize('same_token', [False, True], ids=['another token', 'the same token'])
def test_a_token_that_lapses_in_mid_walk_is_renewed_once(
    server: BookFusionStandIn, way: str, uses: int, same_token: bool
) -> None:
    """Ten pages and the empty one behind them, up to four in flight when the token is refused."""
    server.records = generate_records(95)
    server.set_options(token_expires_after=uses, latency=0.002, same_token=same_token)
    reader = Reader(server, way)
    assert ids(reader.read()) == own_ids(server.records, way)
    refused = [request for request in server.requests if request.status == 401]
    assert server.count(reader.sign_in_path) == 2
    assert 1 <= len(refused) <= 4
    asked = pages_asked(reader)
    assert set(asked) >= set(range(1, 12))
    assert max(asked.values()) == 2


@pytest.mark.parametrize('way', ['private', 'user'])
def test_the_page_that_was_refused_is_asked_again(server: BookFusionStandIn, way: str) -> None:
    server.records = generate_records(45)
    reader = Reader(server, way)
    server.fail(faults.Status(401), reader.page_path, after=2)
    assert len(reader.read().records) == 45
    asked = pages_asked(reader)
    assert set(asked) >= set(range(1, 7))
    assert asked.most_common()[0][1] == 2
    assert list(asked.values()).count(2) == 1
    assert server.count(reader.sign_in_path) == 2


@pytest.mark.parametrize('way', ['private', 'user'])
@pytest.mark.parametrize('uses', [0, 1, 2, 5])
def test_a_token_that_lapses_again_ends_it(server: BookFusionStandIn, way: str, uses: int) -> None:
    server.records = generate_records(95)
    server.set_options(token_expires_after=uses, token_expiries=99)
    reader = Reader(server, way)
    error = reader.error()
    assert isinstance(error, SignInRefused)
    assert str(error) == 'The sign-in to BookFusion has expired. Sign in again in Settings.'
    assert error.exit_code == 3
    assert server.count(reader.sign_in_path) == 2


@pytest.mark.parametrize('way', ['private', 'user'])
@pytest.mark.parametrize(
    ('fault', 'sentence', 'tries'),
    [
        (faults.Status(503), errors.SERVER_TROUBLE, 4),
        (faults.Status(401), errors.SIGN_IN_REFUSED, 1),
        (faults.Html(), errors.NOT_JSON, 4),
        (faults.WrongShape([]), errors.SIGN_IN_WITHOUT_TOKEN, 1),
    ],
    ids=['server trouble', 'password changed', 'web page', 'no token'],
)
def test_what_goes_wrong_when_the_token_is_renewed_is_what_is_told(
    server: BookFusionStandIn, way: str, fault: Any, sentence: Any, tries: int
) -> None:
    """Four pages are refused together; only one of them signs in, and all end with what that one met."""
    server.records = generate_records(95)
    reader = Reader(server, way)
    server.latency = 0.01
    server.fail(faults.Status(401), reader.page_path, after=1, times=None)
    server.fail(fault, reader.sign_in_path, after=1, times=None)
    error = reader.error()
    assert error.sentence.template == sentence.template
    assert server.count(reader.sign_in_path) == 1 + tries


def test_a_browser_sign_in_that_has_lapsed(server: BookFusionStandIn) -> None:
    server.expire_tokens()
    reader = Reader(server, 'browser')
    error = reader.error()
    assert (type(error), error.exit_code) == (SignInRefused, 3)
    assert str(error) == 'The sign-in to BookFusion has expired. Sign in again in Settings.'
    assert [request.path for request in server.requests] == [SEARCH]


def test_a_browser_sign_in_that_lapses_in_mid_walk(server: BookFusionStandIn) -> None:
    server.records = generate_records(95)
    server.token_expires_after = 3
    assert str(Reader(server, 'browser').error()) == str(errors.SIGN_IN_AGAIN)
    assert {request.path for request in server.requests} == {SEARCH}


@pytest.mark.parametrize('token', ['two\r\nX-Evil: lines', 'b\xfccher', 'a b', '\x00'])
def test_a_browser_token_that_no_header_can_carry(server: BookFusionStandIn, token: str) -> None:
    reader = Reader(server, 'browser')
    with pytest.raises(SignInRefused, match='Sign in again in Settings'):
        reader.read(account=Account('', Secret(''), Secret(token), DEVICE))
    assert server.count() == 0


def test_with_a_browser_token_the_password_is_not_used(server: BookFusionStandIn) -> None:
    server.records = generate_records(5)
    Reader(server, 'browser').read()
    assert {request.path for request in server.requests} == {SEARCH}
    assert all(TEST_PASSWORD not in str(request.headers) + str(request.json()) for request in server.requests)


def test_what_the_private_interface_is_sent(server: BookFusionStandIn) -> None:
    server.records = generate_records(25)
    Reader(server).read()
    sign_in, *pages = server.requests
    assert (sign_in.method, sign_in.path, sign_in.query) == ('POST', SIGN_IN, {})
    assert sign_in.json() == {'device': DEVICE, 'login': server.email, 'password': TEST_PASSWORD}
    assert sign_in.header('content-type') == 'application/json'
    for request in pages:
        assert (request.method, request.path, request.body) == ('GET', LIBRARY, b'')
        assert set(request.query) == {'device', 'token', 'page', 'per_page'}
        assert (request.query['device'], request.query['per_page']) == (DEVICE, '10')
        assert request.query['token'] in server.secrets
        assert 'content-type' not in request.headers
    for request in server.requests:
        assert request.header('user-agent') == USER_AGENT
        assert request.header('accept') == 'application/json, application/*+json'


@pytest.mark.parametrize('way', ['user', 'browser'])
@pytest.mark.parametrize(('page_size', 'asked'), [(10, 10), (100, 100), (5000, 100)])
def test_what_the_user_interface_is_sent(server: BookFusionStandIn, way: str, page_size: int, asked: int) -> None:
    server.records = generate_records(120)
    server.inline_positions = False
    Reader(server, way, page_size).read()
    sent = [request for request in server.requests if request.path != SIGN_IN]
    if way == 'user':
        sign_in = sent.pop(0)
        assert sign_in.json() == {'email': server.email, 'password': TEST_PASSWORD}
        assert sign_in.header('accept') == 'application/json; api_version=10'
    assert {request.path.partition('/books/')[2].rpartition('/')[2] for request in sent} == {
        'search',
        'reading_position',
    }
    for request in sent:
        assert request.header('user-agent') == USER_AGENT
        assert request.header('accept') == 'application/json; api_version=10'
        if way == 'browser':
            assert request.header('authorization') == f'Bearer {TEST_USER_TOKEN}'
            assert 'x-token' not in request.headers
        else:
            assert request.header('x-token') in server.secrets
            assert request.header('x-device') == DEVICE
            assert 'authorization' not in request.headers
        if request.path == SEARCH:
            page = request.json()['page']
            assert request.method == 'POST'
            assert request.json() == {'page': page, 'per_page': asked, 'sort': 'added_at-asc', 'list': 'all'}
        else:
            assert (request.method, request.body) == ('GET', b'')


@pytest.mark.parametrize('way', WAYS)
def test_addresses_may_end_with_a_slash(server: BookFusionStandIn, way: str) -> None:
    server.records = generate_records(3)

    class Slashed(Reader):
        @property
        def settings(self) -> Settings:
            plain = super().settings
            return replace(
                plain,
                bookfusion_api_base=plain.bookfusion_api_base + '/',
                bookfusion_user_api_base=plain.bookfusion_user_api_base + '/',
            )

    assert len(Slashed(server, way).read().records) == 3


@pytest.mark.parametrize('key', ['bookfusion_api_base', 'bookfusion_user_api_base'])
@pytest.mark.parametrize('address', ['http://bookfusion.example/api', 'ftp://bookfusion.example', 'bookfusion.com', ''])
def test_addresses_that_are_refused(server: BookFusionStandIn, key: str, address: str) -> None:
    changed: dict[str, Any] = {key: address}
    settings = replace(Reader(server).settings, **changed)
    account = Reader(server).account
    with make_client() as client, pytest.raises(SettingsTrouble) as caught:
        fetch_library(client, settings, account, RecordingReporter(), Cancel())
    assert caught.value.exit_code == 2
    assert server.count() == 0


@pytest.mark.parametrize(
    ('settings', 'sentence'),
    [
        (Settings(), errors.EMAIL_MISSING),
        (Settings(password=Secret('x')), errors.EMAIL_MISSING),
        (Settings(email='a@b.example'), errors.PASSWORD_MISSING),
    ],
)
def test_an_incomplete_account(settings: Settings, sentence: Any) -> None:
    with pytest.raises(SettingsTrouble) as caught:
        Account.from_settings(settings, DEVICE)
    assert str(caught.value) == str(sentence)
    assert caught.value.exit_code == 2


def test_a_complete_account() -> None:
    assert Account.from_settings(Settings(bookfusion_token=Secret('abc')), DEVICE).token.reveal() == 'abc'
    account = Account.from_settings(Settings(email='a@b.example', password=Secret('cAr6Lm2p')), DEVICE)
    assert (account.email, account.password.reveal(), account.device) == ('a@b.example', 'cAr6Lm2p', DEVICE)
    assert 'cAr6Lm2p' not in repr(account)


def worth(record: LibraryRecord) -> bool:
    return bool(record.last_read_at or {'completed', 'currently_reading'} & set(record.lists))


@pytest.mark.parametrize('way', ['user', 'browser'])
def test_positions_that_do_not_come_inline(server: BookFusionStandIn, way: str) -> None:
    server.records = generate_records(60)
    server.set_options(inline_positions=False, latency=0.002)
    reader = Reader(server, way, page_size=100)
    library = reader.read()
    wanted = [record for record in server.records if worth(record)]
    assert 10 < len(wanted) < 50
    asked = [request.path for request in server.requests if request.path.endswith('/reading_position')]
    assert sorted(asked) == sorted(f'{POSITIONS}{record.identifier}/reading_position' for record in wanted)
    assert 1 < server.max_in_flight <= 4
    for record, original in zip(library.records, server.records, strict=True):
        assert record.percentage == (original.percentage if worth(original) else None)
        assert record.position_updated_at == (
            parse_read_date(original.position_updated_at) if worth(original) else None
        )
    assert reader.told.lines[-1] == (
        f'{len(wanted)} of 60 books came without a reading position; asking for each of them.'
    )


def test_positions_are_asked_one_at_a_time_under_strain(server: BookFusionStandIn) -> None:
    server.records = generate_records(60)
    server.set_options(inline_positions=False, latency=0.002)
    server.fail(faults.Status(429), SEARCH)
    Reader(server, 'browser', page_size=100).read()
    assert server.count(POSITIONS) > 10
    assert server.max_in_flight == 1


def test_only_the_positions_that_are_missing_are_asked_for(server: BookFusionStandIn) -> None:
    read: dict[str, Any] = {'last_read_at': '2026-04-20T18:22:31Z', 'percentage': 40}
    server.records = [
        LibraryRecord(1, user_id=11, position_inline=True, **read),
        LibraryRecord(2, user_id=12, position_inline=False, **read),
        LibraryRecord(3, user_id=13, position_inline=False, lists=['completed']),
        LibraryRecord(4, user_id=14, position_inline=False, lists=['currently_reading'], percentage=3),
        LibraryRecord(5, user_id=15, position_inline=False, lists=['planned_to_read'], percentage=3),
        LibraryRecord(6, user_id=16, position_inline=False, percentage=3),
        LibraryRecord(7, user_id='../../x', position_inline=False, **read),
        LibraryRecord(8, user_id=ABSENT, position_inline=False, **read),
        LibraryRecord(9, user_id=19, position_inline=True, reading_position=None, lists=['completed']),
        LibraryRecord(10, user_id=20, position_inline=True, reading_position='odd', lists=['completed']),
    ]
    library = Reader(server, 'browser').read()
    asked = {
        request.path for request in server.requests if request.path.startswith(POSITIONS) and request.path != SEARCH
    }
    assert asked == {f'{POSITIONS}{number}/reading_position' for number in (12, 13, 14, 19, 20)}
    assert [record.percentage for record in library.records] == [40, 40, None, 3, None, None, None, None, None, None]


@pytest.mark.parametrize('need_percentage', [True, False])
def test_no_position_is_asked_for_where_only_the_date_counts(server: BookFusionStandIn, need_percentage: bool) -> None:
    server.inline_positions = False
    server.records = [
        LibraryRecord(1, last_read_at='2026-04-20T18:22:31Z', percentage=40),
        LibraryRecord(2, lists=['completed'], percentage=100, position_updated_at='2026-04-20T18:22:31Z'),
    ]
    library = Reader(server, 'browser', need_percentage=need_percentage).read()
    assert server.count(POSITIONS) - server.count(SEARCH) == (2 if need_percentage else 1)
    assert library.records[1].known_date is not None


@pytest.mark.parametrize(
    'answer',
    [None, [], 'text', 5, {}, {'percentage': 'x', 'updated_at': 5}, {'percentage': None, 'updated_at': None}],
    ids=repr,
)
def test_a_position_may_be_anything(server: BookFusionStandIn, answer: Any) -> None:
    server.inline_positions = False
    server.records = [LibraryRecord(1, lists=['completed'])]
    fault = server.fail(faults.WrongShape(answer), f'{POSITIONS}{server.records[0].identifier}/', times=None)
    (record,) = Reader(server, 'browser').read().records
    assert fault.hits == 1
    assert record.percentage is None
    assert_sound(record)


@pytest.mark.parametrize(
    ('status', 'sentence'),
    [
        (401, errors.SIGN_IN_AGAIN),
        (403, errors.REFUSED_REQUEST),
        (410, errors.REFUSED_REQUEST),
        (503, errors.SERVER_TROUBLE),
    ],
)
def test_a_position_that_is_refused_ends_it(server: BookFusionStandIn, status: int, sentence: Any) -> None:
    server.inline_positions = False
    server.records = generate_records(60)
    server.fail(faults.Status(status), POSITIONS, after=7, when=lambda request: request.method == 'GET', times=None)
    error = Reader(server, 'browser', page_size=100).error()
    assert error.sentence.template == sentence.template


def test_a_password_token_that_lapses_among_the_positions_is_renewed(server: BookFusionStandIn) -> None:
    server.set_options(inline_positions=False, token_expires_after=9)
    server.records = generate_records(60)
    reader = Reader(server, 'user', page_size=100)
    assert len(reader.read().records) == 60
    assert server.count(USER_SIGN_IN) == 2


@pytest.mark.parametrize('way', WAYS)
def test_pages_come_one_at_a_time_after_the_first_429(server: BookFusionStandIn, way: str) -> None:
    server.records = generate_records(95)
    server.latency = 0.002
    reader = Reader(server, way)
    server.fail(faults.Status(429), reader.page_path)
    assert len(reader.read().records) == 95
    assert server.max_in_flight == 1


PHASES = {
    'private': ('sign-in', 'first page', 'later page'),
    'user': ('sign-in', 'first page', 'later page', 'positions'),
    'browser': ('first page', 'later page', 'positions'),
}


@pytest.mark.parametrize(('way', 'phase'), [(way, phase) for way in WAYS for phase in PHASES[way]])
def test_cancelled_in_every_phase(server: BookFusionStandIn, way: str, phase: str) -> None:
    server.records = generate_records(60)
    server.inline_positions = False
    reader = Reader(server, way, limits=ENDLESS)
    path, after = {
        'sign-in': (reader.sign_in_path, 0),
        'first page': (reader.page_path, 0),
        'later page': (reader.page_path, 2),
        'positions': (POSITIONS, 2),
    }[phase]
    method = 'GET' if phase == 'positions' else None
    fault = server.fail(faults.Hang(), path, method, after=after, times=None)
    cancel = Cancel()
    with cancelling(cancel, server, fault), pytest.raises(Cancelled):
        reader.read(cancel)


def test_json_numbers_beyond_all_bounds(server: BookFusionStandIn) -> None:
    server.records = [
        LibraryRecord(1, private_raw=b'{"id": 1e999, "book_id": -1e999, "reading_position": {"percentage": NaN}}'),
        LibraryRecord(2, private_raw=b'{"id": 12345678901234567890123456789012345678901234567890, "book_id": 3}'),
    ]
    library = Reader(server).read()
    assert [record.ids for record in library.records] == [(), (('book_id', '3'),)]
    assert library.records[0].odd == ('percentage nan',)


def test_a_cancelled_walk_is_a_cancel_and_not_an_error(server: BookFusionStandIn) -> None:
    cancel = Cancel()
    server.before_page = lambda page: cancel.set() if page == 2 else None
    server.records = generate_records(25)
    with pytest.raises(Cancelled):
        Reader(server).read(cancel)


def test_trouble_is_no_refusal(server: BookFusionStandIn) -> None:
    server.fail(faults.Status(500), SIGN_IN, times=None)
    assert type(Reader(server).error()) is ServerTrouble
    assert server.count(SIGN_IN) == 4
