"""The client against a stand-in that enforces Hardcover's limits and plays every error it documents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import (
    BackSyncError,
    BadAnswer,
    Cancelled,
    OnlyThisFailed,
    QuotaSpent,
    ScopeMissing,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
    TimedOut,
)
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import Account, NewEntry
from calibre_plugins.bookfusionbacksync.rules.isbn import make_codes
from calibre_plugins.bookfusionbacksync.services.hardcover_client import Hardcover
from calibre_plugins.bookfusionbacksync.services.hardcover_operations import SCOPES
from calibre_plugins.bookfusionbacksync.services.hardcover_quota import (
    Pace,
)
from calibre_plugins.bookfusionbacksync.transport.client import HttpClient
from harness.hardcover import Service, hardcover_service
from harness.network import ENDLESS, QUICK, USER_AGENT, cancelling
from harness.secrets import TEST_HARDCOVER_TOKEN
from standins.common import unused_port
from standins.faults import (
    BadJson,
    CloseWithoutAnswer,
    Deep,
    Empty,
    Hang,
    Html,
    ManyLists,
    RawBody,
    Redirect,
    Status,
    Truncated,
    WrongShape,
)
from standins.hardcover import Printing, ShelfRow, generate_catalogue, isbn10, isbn13

ACCOUNT = Account(7, 'reader', 1)
Ask = Callable[[Hardcover, Cancel], Any]


def who_am_i(hardcover: Hardcover, cancel: Cancel) -> Account:
    return hardcover.who_am_i(cancel)


def rate(hardcover: Hardcover, cancel: Cancel) -> Any:
    return hardcover.rate([(31, 2.5)], cancel)


def search(hardcover: Hardcover, cancel: Cancel) -> Any:
    return hardcover.search('Emma Jane Austen', cancel)


ASKS: dict[str, tuple[Ask, str]] = {
    'who_am_i': (who_am_i, 'read:me:content'),
    'editions_by_codes': (lambda it, cancel: it.editions_by_codes([make_codes([isbn13(11)])], cancel), 'read:catalog'),
    'editions_by_ids': (lambda it, cancel: it.editions_by_ids([21], cancel), 'read:catalog'),
    'books_by_ids': (lambda it, cancel: it.books_by_ids([11], cancel), 'read:catalog'),
    'books_by_slugs': (lambda it, cancel: it.books_by_slugs(['emma'], cancel), 'read:catalog'),
    'search': (search, 'read:catalog'),
    'shelf': (lambda it, cancel: it.shelf(ACCOUNT, [11], cancel), 'read:library'),
    'reads': (lambda it, cancel: it.reads([31], cancel), 'read:library'),
    'rate': (rate, 'write:library'),
    'add': (lambda it, cancel: it.add([NewEntry(13, 4.0, privacy=1)], cancel), 'write:library'),
    'add_reads': (lambda it, cancel: it.add_reads([(31, date(2024, 1, 2))], cancel), 'write:library'),
    'date_reads': (lambda it, cancel: it.date_reads([(41, date(2024, 1, 2))], cancel), 'write:library'),
}
every_ask = pytest.mark.parametrize(('ask', 'scope'), ASKS.values(), ids=ASKS)
every_read = pytest.mark.parametrize('ask', [ask for ask, scope in ASKS.values() if scope.startswith('read')])


def failure(service: Service, ask: Ask = who_am_i, token: str | None = None) -> BackSyncError:
    """The error that asking ends with; its sentence says what to do and holds no secret."""
    with pytest.raises(BackSyncError) as caught, service.client(token) as hardcover:
        ask(hardcover, service.cancel)
    sentence = str(caught.value)
    assert sentence.endswith('.')
    assert '{' not in sentence
    assert service.server.token not in repr(caught.value)
    return caught.value


def test_whose_account_it_is(service: Service) -> None:
    with service.client() as hardcover:
        assert hardcover.who_am_i(service.cancel) == ACCOUNT
        assert (hardcover.units, hardcover.requests) == (1, 1)
    (request,) = service.server.requests
    assert request.header('User-Agent') == USER_AGENT
    assert 'query' in request.json()


# Row 1 of the table of errors: 200 with errors.
@every_ask
@pytest.mark.parametrize('form', ['status', 'message'])
def test_a_missing_scope_is_named(service: Service, ask: Ask, scope: str, form: str) -> None:
    service.server.set_options(scopes=[each for each in SCOPES if each != scope], scope_errors=form)
    error = failure(service, ask)
    assert isinstance(error, ScopeMissing)
    assert scope in str(error)
    assert 'wrong' not in str(error)
    assert service.server.count() == 1


def test_a_missing_scope_that_looks_like_a_wrong_query_is_named_as_a_possibility(service: Service) -> None:
    service.server.set_options(scopes=SCOPES[:3], scope_errors='validation')
    error = failure(service, rate)
    assert type(error) is ServerTrouble
    assert 'write:library' in str(error)
    assert 'newer version' in str(error)
    assert 'mutation_root' in str(error)


def test_a_query_that_is_not_valid_any_more(service: Service) -> None:
    service.server.fail(WrongShape({'errors': [{'message': 'field "me" not found'}]}))
    assert 'newer version' in str(failure(service))


def test_errors_may_be_bare_strings(service: Service) -> None:
    service.server.fail(WrongShape({'errors': ['the sky fell']}))
    assert 'the sky fell' in str(failure(service))


# Row 2: 200, and the write failed.
def test_the_error_of_a_write_is_checked(service: Service) -> None:
    service.server.set_options(refused={11: 'Rating is locked'})
    with service.client() as hardcover:
        refused, done = hardcover.rate([(31, 2.5), (32, 3.0)], service.cancel)
    assert 'Rating is locked' in str(refused.error)
    assert (done.error, done.entry_id) == (None, 32)
    assert [row.rating for row in service.catalogue.shelf] == [4.5, 3.0]


def test_a_retired_book_is_told_from_other_failures(service: Service) -> None:
    service.catalogue.works[0].canonical_id = 12
    with service.client() as hardcover:
        (result,) = hardcover.rate([(31, 2.5)], service.cancel)
        (added,) = hardcover.add([NewEntry(11, 2.5, privacy=1)], service.cancel)
    assert result.retired
    assert added.retired


def test_a_write_without_id_and_without_error_has_failed(service: Service) -> None:
    service.server.fail(WrongShape({'data': {'r0': {'id': None, 'error': None}}}))
    with service.client() as hardcover:
        (result,) = hardcover.rate([(31, 2.5)], service.cancel)
    assert result.error is not None


def test_the_half_of_a_mutation_that_was_done_is_kept(service: Service) -> None:
    answer = {
        'data': {'r0': {'id': 31, 'error': None}, 'r1': None},
        'errors': [{'message': 'the database is busy', 'path': ['r1']}],
    }
    service.server.fail(WrongShape(answer))
    with service.client() as hardcover:
        done, failed = hardcover.rate([(31, 2.5), (32, 1.0)], service.cancel)
    assert done.error is None
    assert 'the database is busy' in str(failed.error)


def test_the_error_of_a_search_is_checked(service: Service) -> None:
    service.server.set_options(search_error='Search is down')
    error = failure(service, search)
    assert isinstance(error, OnlyThisFailed)
    assert 'Search is down' in str(error)


# Rows 3 to 7: the statuses.
def test_a_bad_request(service: Service) -> None:
    service.server.fail(Status(400, body={'error': 'invalid_query', 'error_description': 'no'}))
    error = failure(service)
    assert error.exit_code == 1
    assert 'invalid_query' in str(error)
    assert service.server.count() == 1


def test_a_wrong_or_expired_token(service: Service) -> None:
    error = failure(service, token='hc_pat_expired_000000')
    assert isinstance(error, SignInRefused)
    assert error.exit_code == 3
    assert 'expired' in str(error)
    assert service.server.count() == 1


def of_graphql(message: str, code: str = '') -> WrongShape:
    error: dict[str, Any] = {'message': message}
    if code:
        error['extensions'] = {'path': '$', 'code': code}
    return WrongShape({'errors': [error]})


KEY_REFUSALS = {
    '401': Status(401),
    '401 without JSON': Html(401),
    '400 about the header': Status(400, body={'error': 'Malformed Authorization header'}),
    '400 with errors': Status(400, body={'errors': [{'message': "Missing 'Authorization' or 'Cookie' header"}]}),
    '400 with a code': Status(400, body={'errors': [{'message': 'no', 'extensions': {'code': 'invalid-headers'}}]}),
    '400 as a text': Status(400, body=b'Bad request: the header "Authorization" is not valid'),
    '400 as a page': Status(400, body=b'<html><body><h1>Invalid Authorization header</h1></body></html>'),
    '400 with a token': Status(400, body={'error': 'invalid_token'}),
    '200 with a code': of_graphql('no', 'invalid-jwt'),
    '200 with the word': of_graphql('invalid-jwt'),
    '200 with a bare word': WrongShape({'errors': ['invalid-jwt']}),
    '200 with an error': WrongShape({'error': 'Unable to verify token'}),
    '200 with data': WrongShape({'data': None, 'errors': [{'message': 'Could not verify JWT: JWTExpired'}]}),
    '200 with null data': WrongShape({'data': {'me': None}, 'errors': ['Could not verify JWT: JWSError']}),
    '200 of a proxy': of_graphql('Missing Authorization header in JWT authentication mode', 'invalid-headers'),
}


@every_ask
@pytest.mark.parametrize('how', KEY_REFUSALS)
def test_a_refused_key_is_told_as_what_it_is(service: Service, how: str, ask: Ask, scope: str) -> None:
    service.server.fail(KEY_REFUSALS[how], times=None)
    error = failure(service, ask)
    assert type(error) is SignInRefused
    assert error.exit_code == 3
    assert str(error).startswith('Hardcover did not accept the key: it is wrong or has expired.')
    assert service.server.count() == 1


@pytest.mark.parametrize(
    'action',
    [
        of_graphql('The search for "JWT in Action" failed'),
        of_graphql('The book "Invalid Tokens, Vol. 2" is locked'),
        of_graphql("field 'me' not found in type: 'query_root'", 'validation-failed'),
        Status(400, body={'error': 'invalid_query', 'error_description': 'variables are missing'}),
        Status(400, body=b'<html><body>400 Bad Request: Request Header Or Cookie Too Large</body></html>'),
        Status(403, body={'error': 'invalid_token_scope'}),
        Status(403, body=b'<html>Invalid Authorization header</html>'),
        Status(404, body=b'<html>Authorization header</html>'),
    ],
    ids=repr,
)
def test_what_is_not_about_the_key_is_told_as_something_else(service: Service, action: Any) -> None:
    service.server.fail(action, times=None)
    assert type(failure(service)) is not SignInRefused


def test_a_write_that_was_done_in_part_is_not_taken_for_refused(service: Service) -> None:
    answer = {
        'data': {'r0': {'id': 31, 'error': None}, 'r1': None},
        'errors': [{'message': 'Could not verify JWT: JWTExpired', 'path': ['r1']}],
    }
    service.server.fail(WrongShape(answer))
    with service.client() as hardcover:
        done, failed = hardcover.rate([(31, 2.5), (32, 1.0)], service.cancel)
    assert done.error is None
    assert 'JWTExpired' in str(failed.error)


@every_read
def test_an_error_page_at_first_means_the_key(service: Service, ask: Ask) -> None:
    """It may also be what it says, so it is tried again, and the sentence begins with that."""
    service.server.fail(Html(500), times=None)
    error = failure(service, ask)
    assert type(error) is SignInRefused
    assert error.exit_code == 3
    assert 'an error page (HTTP 500), as it does for a key that it does not accept. Try again' in str(error)
    assert service.server.count() == 4


def test_an_error_page_that_goes_away_means_nothing(service: Service) -> None:
    service.server.fail(Html(500), times=2)
    with service.client() as hardcover:
        assert hardcover.who_am_i(service.cancel) == ACCOUNT


@pytest.mark.parametrize('action', [Html(502), Html(503), Status(500), Status(500, body=b'oops'), Empty(500)], ids=repr)
def test_other_trouble_at_first_is_not_the_key(service: Service, action: Any) -> None:
    service.server.fail(action, times=None)
    assert isinstance(failure(service), ServerTrouble)


def test_an_error_page_later_is_not_the_key(service: Service) -> None:
    with service.client() as hardcover:
        hardcover.who_am_i(service.cancel)
        service.server.fail(Html(500), times=None)
        with pytest.raises(ServerTrouble, match='HTTP 500'):
            hardcover.who_am_i(service.cancel)


@pytest.mark.parametrize('name', ['rate', 'add', 'add_reads', 'date_reads'])
def test_an_error_page_after_a_write_says_nothing_of_the_key(service: Service, name: str) -> None:
    """A refused key would mean that nothing was written; this may have been."""
    service.server.fail(Html(500), times=None)
    assert isinstance(failure(service, ASKS[name][0]), ServerTrouble)


def test_no_token_asks_nobody(service: Service) -> None:
    assert isinstance(failure(service, token=''), SettingsTrouble)
    assert service.server.count() == 0


def test_a_refused_operation(service: Service) -> None:
    service.server.fail(Status(403, body={'error': 'unsupported_operation'}))
    error = failure(service)
    assert not isinstance(error, SignInRefused)
    assert 'unsupported_operation' in str(error)


def test_too_many_fields_is_named_as_that(service: Service) -> None:
    service.server.fail(Status(403, body={'errors': ['top_level_limit_exceeded', '6 of 5']}))
    error = failure(service)
    assert not isinstance(error, SignInRefused)
    assert 'top_level_limit_exceeded' in str(error)


def test_a_403_of_somebody_else(service: Service) -> None:
    service.server.fail(Html(403))
    assert '403' in str(failure(service))


@every_read
def test_a_time_out_is_tried_once_more(service: Service, ask: Ask) -> None:
    service.server.fail(Status(408, body={'error': 'Request timeout'}))
    with service.client() as hardcover:
        ask(hardcover, service.cancel)
        assert hardcover.requests in (2, 3)


@every_read
def test_a_time_out_for_good(service: Service, ask: Ask) -> None:
    service.server.fail(Status(408, body={'error': 'Request timeout'}), times=None)
    assert isinstance(failure(service, ask), TimedOut)
    assert service.server.count() == 2


def test_a_batch_that_times_out_is_halved(service: Service) -> None:
    service.server.catalogue = generate_catalogue(100)
    service.server.set_options(slow_over=60)
    with service.client() as hardcover:
        books = hardcover.books_by_ids(range(100_001, 100_101), service.cancel)
    assert len(books) == 100
    assert service.server.count() == 3


def test_a_search_that_times_out_asks_for_fewer(service: Service) -> None:
    service.server.set_options(slow_search_over=5)
    with service.client() as hardcover:
        assert [each.book_id for each in hardcover.search('Emma', service.cancel)] == [11]
    assert [request.json()['variables']['per_page'] for request in service.server.requests] == [10, 5]


def test_mutations_that_time_out_are_halved(service: Service) -> None:
    service.server.catalogue = generate_catalogue(5)
    service.server.set_options(slow_over=3)
    with service.client() as hardcover:
        results = hardcover.rate([(700_000 + number, 4.0) for number in range(1, 6)], service.cancel)
    assert [result.error for result in results] == [None] * 5
    assert [row.rating for row in service.catalogue.shelf] == [4.0] * 5


def test_what_times_out_twice_fails_by_itself(service: Service) -> None:
    service.server.catalogue = generate_catalogue(5)
    # The whole of it, and then its first part.
    service.server.fail(Status(408, body={'error': 'Request timeout'}), times=2)
    with service.client() as hardcover:
        results = hardcover.rate([(700_000 + number, 4.0) for number in range(1, 6)], service.cancel)
    assert [result.error is None for result in results] == [False, False, False, True, True]
    assert [result.unsure for result in results] == [True, True, True, False, False]


@pytest.mark.parametrize('null_data', [False, True])
def test_429_waits_as_long_as_it_says(service: Service, null_data: bool) -> None:
    service.server.set_options(null_data=null_data)
    body = {'data': None} if null_data else {'error': 'Too Many Requests'}
    service.server.fail(Status(429, {'Retry-After': '17'}, body))
    with service.client() as hardcover:
        assert hardcover.who_am_i(service.cancel) == ACCOUNT
    assert service.clock.waits == [pytest.approx(17)]


def test_429_without_advice_waits_a_little(service: Service) -> None:
    service.server.fail(Status(429), times=2)
    with service.client() as hardcover:
        hardcover.who_am_i(service.cancel)
    assert 0 < service.clock.waited <= 20


def test_429_for_good_gives_up(service: Service) -> None:
    service.server.fail(Status(429, {'Retry-After': '3'}), times=None)
    error = failure(service)
    assert error.exit_code == 1
    assert service.server.count() == 4


def test_429_that_asks_for_a_long_wait_says_when_to_go_on(service: Service) -> None:
    service.server.fail(Status(429, {'Retry-After': '1800'}))
    error = failure(service)
    assert isinstance(error, QuotaSpent)
    # Now is 09:30, and there is a minute of grace.
    assert '10:01' in str(error)
    assert service.clock.waits == []


@pytest.mark.parametrize('status', [500, 503])
def test_a_server_in_trouble_is_tried_again(service: Service, status: int) -> None:
    service.server.fail(Status(status, body={'error': 'oops'}), times=2)
    with service.client() as hardcover:
        assert hardcover.who_am_i(service.cancel) == ACCOUNT
        assert hardcover.requests == 3


@pytest.mark.parametrize('status', [500, 503])
def test_a_server_in_trouble_for_good(service: Service, status: int) -> None:
    service.server.fail(Status(status, body={'error': 'oops'}), times=None)
    error = failure(service)
    assert error.exit_code == 1
    assert str(status) in str(error)
    assert service.server.count() == 4


WRONG_SHAPES: list[Any] = [
    [],
    'text',
    None,
    7,
    {},
    {'data': None},
    {'data': {}},
    {'data': {'me': None}},
    {'data': {'me': 'x'}},
    {'data': {'me': []}},
    {'data': {'me': [None]}},
    {'data': {'me': [{'id': None}]}},
    {'data': {'me': [{'id': True}]}},
    {'data': {'me': [{'id': -1}]}},
]


@pytest.mark.parametrize('shape', WRONG_SHAPES, ids=repr)
def test_answers_of_the_wrong_shape(service: Service, shape: Any) -> None:
    service.server.fail(WrongShape(shape), times=None)
    assert isinstance(failure(service), BadAnswer)


EMPTY_RESULTS: list[Any] = [None, [], {}, {'hits': None}, {'found': 0, 'hits': None}]
EMPTY_RESULTS += ['', ' ', 'null', '{}', '[]', '{"hits": null}']


@pytest.mark.parametrize(
    'answer', [None, *({'ids': [], 'results': results, 'error': None} for results in EMPTY_RESULTS)], ids=repr
)
def test_an_empty_answer_to_a_search_fails_that_search_only(service: Service, answer: Any) -> None:
    service.server.fail(WrongShape({'data': {'search': answer}}))
    error = failure(service, search)
    assert isinstance(error, OnlyThisFailed)
    assert str(error) == 'The search on Hardcover failed (its answer was empty). Try again later.'
    with service.client() as hardcover:
        assert [candidate.book_id for candidate in search(hardcover, service.cancel)] == [11]


@pytest.mark.parametrize(
    'results', ['not json', {'hits': 'x'}, {'found': 3}, [{'hits': []}], 7, '{"hits": 3}', '[1'], ids=repr
)
def test_searches_of_the_wrong_shape(service: Service, results: Any) -> None:
    service.server.fail(WrongShape({'data': {'search': {'ids': [], 'results': results, 'error': None}}}))
    assert isinstance(failure(service, search), BadAnswer)


@pytest.mark.parametrize('action', [Html(), BadJson(), Empty(), Deep(), Truncated(), CloseWithoutAnswer()], ids=repr)
def test_what_is_no_answer_at_all(service: Service, action: Any) -> None:
    service.server.fail(action, times=None)
    assert isinstance(failure(service), ServerTrouble)


def test_a_dead_server() -> None:
    clock_pace = Pace()
    with HttpClient('Hardcover', USER_AGENT, QUICK) as http:
        hardcover = Hardcover(
            http, f'http://127.0.0.1:{unused_port()}/v1/graphql', Secret(TEST_HARDCOVER_TOKEN), clock_pace
        )
        with pytest.raises(ServerTrouble) as caught:
            hardcover.who_am_i(Cancel())
    assert 'could not be reached' in str(caught.value)


def test_the_token_does_not_follow_a_redirect(service: Service) -> None:
    service.server.fail(Redirect('https://elsewhere.example/v1/graphql', 307))
    assert 'elsewhere.example' in str(failure(service))


def test_an_address_without_encryption_is_refused() -> None:
    with HttpClient('Hardcover', USER_AGENT, QUICK) as http, pytest.raises(SettingsTrouble):
        Hardcover(http, 'http://api.hardcover.example/v1/graphql', Secret(TEST_HARDCOVER_TOKEN))


def test_cancel_ends_a_request_at_once(service: Service) -> None:
    fault = service.server.fail(Hang())
    cancelling_it = cancelling(service.cancel, service.server, fault)
    with service.client(limits=ENDLESS) as hardcover, cancelling_it, pytest.raises(Cancelled):
        hardcover.who_am_i(service.cancel)


def test_cancel_ends_a_wait_for_the_quota(service: Service) -> None:
    service.server.fail(Status(429, {'Retry-After': '30'}))
    service.clock.on_wait = lambda seconds: service.cancel.set()
    assert isinstance(failure(service), Cancelled)


def test_merged_books_and_odd_rows_are_read_for_what_they_are(service: Service) -> None:
    rows = [None, 3, {}, {'id': '12', 'slug': None, 'title': 5, 'canonical_id': '11'}, {'id': 13, 'title': ' A \n B '}]
    service.server.fail(WrongShape({'data': {'books': rows}}))
    with service.client() as hardcover:
        merged, plain = hardcover.books_by_ids([12, 13], service.cancel)
    assert (merged.book_id, merged.slug, merged.title, merged.surviving_id) == (12, '', '', 11)
    assert plain.title == 'A B'


def test_candidates_are_read_with_all_they_have(service: Service) -> None:
    service.catalogue.works[2].image_url = 'https://covers.example/1.jpg'
    with service.client() as hardcover:
        (found,) = hardcover.search('Left Hand Darkness', service.cancel)
    assert found.book_id == 13
    assert found.authors == ('Ursula K. Le Guin',)
    assert found.series == ('Hainish Cycle',)
    assert found.isbns == (isbn13(13),)
    assert (found.release_year, found.pages, found.has_ebook, found.has_audiobook) == (2001, 300, True, False)
    assert found.image_url == 'https://covers.example/1.jpg'
    assert found.link == 'https://hardcover.app/id/book/13'


def test_results_may_be_json_within_json(service: Service) -> None:
    service.server.set_options(results_as_text=True)
    with service.client() as hardcover:
        assert [each.book_id for each in hardcover.search('Emma', service.cancel)] == [11]


def test_never_more_than_ten_candidates(service: Service) -> None:
    hits = [{'document': {'id': str(number), 'title': 'Emma'}} for number in range(1, 40)]
    service.server.fail(WrongShape({'data': {'search': {'results': {'hits': hits}, 'error': None}}}))
    with service.client() as hardcover:
        assert len(hardcover.search('Emma', service.cancel)) == 10


def test_an_edition_is_found_by_either_form_of_its_isbn(service: Service) -> None:
    service.catalogue.editions = [Printing(21, 11, None, isbn10(11)), Printing(22, 12, isbn13(12), None)]
    with service.client() as hardcover:
        editions = hardcover.editions_by_codes([make_codes([isbn13(11)]), make_codes([isbn10(12)])], service.cancel)
        assert [edition.edition_id for edition in editions] == [21, 22]
        assert hardcover.units == 1


@pytest.mark.parametrize('cap', [None, 40, 7])
def test_capped_pages_are_read_to_the_end(cap: int | None) -> None:
    with hardcover_service(generate_catalogue(100), cap=cap) as service:
        wanted = list(range(100_001, 100_101))
        with service.client() as hardcover:
            entries = hardcover.shelf(ACCOUNT, wanted, service.cancel)
        assert sorted(entry.book_id for entry in entries) == wanted
        assert service.server.violations == []


def test_a_short_page_that_answers_everything_is_the_last() -> None:
    with hardcover_service(generate_catalogue(60)) as service, service.client() as hardcover:
        hardcover.shelf(ACCOUNT, range(100_001, 100_061), service.cancel)
        assert hardcover.units == 1


def test_a_short_page_that_leaves_a_question_may_have_been_cut() -> None:
    with hardcover_service(generate_catalogue(60)) as service, service.client() as hardcover:
        hardcover.shelf(ACCOUNT, [*range(100_001, 100_061), 5], service.cancel)
        assert hardcover.units == 2


def test_a_second_row_of_a_book_on_the_next_page_is_not_missed() -> None:
    catalogue = generate_catalogue(100)
    catalogue.shelf.append(ShelfRow(800_000, 100_001, rating=1.0, updated_at='2025-01-01T00:00:00+00:00'))
    with hardcover_service(catalogue) as service, service.client() as hardcover:
        entries = hardcover.shelf(ACCOUNT, range(100_001, 100_101), service.cancel)
        assert len(entries) == 101


def test_a_server_that_always_sends_the_first_page_ends_the_walk(service: Service) -> None:
    row = {'id': 31, 'book_id': 11, 'rating': None, 'status_id': 3, 'edition_id': None, 'updated_at': None}
    service.server.fail(WrongShape({'data': {'user_books': [row]}}), times=None)
    with service.client() as hardcover:
        assert len(hardcover.shelf(ACCOUNT, [11, 12], service.cancel)) == 1
        assert hardcover.units == 2


def test_a_shelf_that_does_not_end_is_no_shelf(service: Service) -> None:
    """A part of it would pass for the whole, and what is missing in it would be added to it."""
    service.server.catalogue = generate_catalogue(100)
    service.server.set_options(cap=1)
    wanted = range(100_001, 100_101)
    error = failure(service, lambda hardcover, cancel: hardcover.shelf(ACCOUNT, wanted, cancel))
    assert isinstance(error, BadAnswer)
    assert 'its list does not end: 50 records so far' in str(error)


@every_ask
def test_more_than_anybody_could_have_asked_for_is_refused_unparsed(service: Service, ask: Ask, scope: str) -> None:
    service.server.fail(ManyLists(38, b'{"data": {"me": [', b']}}'))
    assert isinstance(failure(service, ask), BadAnswer)
    assert service.server.count() == 1


def test_results_within_results_are_refused_unparsed(service: Service) -> None:
    """Their brackets may be written in a way that only a parser sees."""
    results = r'"{\"hits\": \u005b' + r'\u005b\u005d\u002c' * 200_000 + r'\u005b\u005d\u005d}"'
    service.server.fail(RawBody(b'{"data": {"search": {"results": %s, "error": null}}}' % results.encode()))
    assert isinstance(failure(service, search), BackSyncError)


def test_only_the_own_shelf_is_read(service: Service) -> None:
    service.catalogue.shelf.append(ShelfRow(99, 13, rating=1.0, user_id=8))
    with service.client() as hardcover:
        assert [entry.entry_id for entry in hardcover.shelf(ACCOUNT, [11, 12, 13], service.cancel)] == [31, 32]


@pytest.mark.parametrize(
    ('raw', 'stars'),
    [
        (None, None),
        (0, None),
        (4.5, 4.5),
        ('4.5', 4.5),
        ('x', None),
        (True, None),
        (7, None),
        ('nan', None),
        ([], None),
    ],
)
def test_ratings_come_as_numbers_or_as_text(service: Service, raw: Any, stars: float | None) -> None:
    row = {'id': 31, 'book_id': 11, 'rating': raw, 'updated_at': '2025-02-03T04:05:06.789+02:00'}
    service.server.fail(WrongShape({'data': {'user_books': [row]}}))
    with service.client() as hardcover:
        (entry,) = hardcover.shelf(ACCOUNT, [11], service.cancel)
    assert entry.rating == stars
    assert entry.updated_at is not None
    assert entry.updated_at.isoformat() == '2025-02-03T04:05:06.789000+02:00'


def test_no_rating_clears(service: Service) -> None:
    with service.client() as hardcover:
        hardcover.rate([(31, None)], service.cancel)
    assert service.catalogue.shelf[0].rating is None
    assert service.server.writes == [('update_user_book', {'id': 31, 'rating': None})]


def test_a_book_is_added_with_all_that_is_known(service: Service) -> None:
    with service.client() as hardcover:
        (result,) = hardcover.add([NewEntry(13, 4.5, date(2023, 5, 6), 23, 3)], service.cancel)
    assert result.last_read == date(2023, 5, 6)
    ((name, values),) = service.server.writes
    assert name == 'insert_user_book'
    assert values == {
        'book_id': 13,
        'status_id': 3,
        'rating': 4.5,
        'privacy_setting_id': 3,
        'edition_id': 23,
        'last_read_date': '2023-05-06',
    }


def test_adding_is_not_repeated_when_the_answer_is_lost(service: Service) -> None:
    service.server.fail(CloseWithoutAnswer())
    assert isinstance(failure(service, ASKS['add'][0]), ServerTrouble)
    assert service.server.count() == 1


def test_rating_is_repeated_when_the_answer_is_lost(service: Service) -> None:
    service.server.fail(CloseWithoutAnswer())
    with service.client() as hardcover:
        rate(hardcover, service.cancel)
    assert service.server.count() == 2


def test_a_gone_edition_of_an_unknown_book_is_left_out(service: Service) -> None:
    service.server.fail(WrongShape({'data': {'editions': [{'id': 1, 'book': None}, {'book': {'id': 1}}, None]}}))
    with service.client() as hardcover:
        assert hardcover.editions_by_ids([1], service.cancel) == []
