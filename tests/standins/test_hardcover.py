"""Tests of the stand-in for Hardcover: what it refuses and counts, and that it serves as a program."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from standins.common import StandInProcess
from standins.hardcover import (
    Catalogue,
    HardcoverStandIn,
    Printing,
    ShelfRow,
    Work,
    generate_catalogue,
    isbn10,
    isbn13,
)

ME = 'me { id }'


@pytest.fixture
def server() -> Iterator[HardcoverStandIn]:
    catalogue = Catalogue([Work(11, 'Emma')], [Printing(21, 11, isbn13(11))], [ShelfRow(31, 11)])
    with HardcoverStandIn(catalogue, clock=lambda: 0.0) as running:
        yield running


def ask(
    server: HardcoverStandIn, query: Any, variables: Any = None, token: str | None = None
) -> tuple[int, Any, Mapping[str, str]]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        headers = {
            'Authorization': f'Bearer {server.token if token is None else token}',
            'User-Agent': 'Tests/1.0',
            'Content-Type': 'application/json',
        }
        connection.request('POST', '/v1/graphql', json.dumps({'query': query, 'variables': variables}), headers)
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return response.status, json.loads(response.read()), headers
    finally:
        connection.close()


def aliases(count: int, field: str) -> str:
    return ' '.join(f'a{number}: {field}' for number in range(count))


@pytest.mark.parametrize(
    ('query', 'status', 'word'),
    [
        (f'{{ {aliases(6, ME)} }}', 403, 'top_level_limit_exceeded'),
        (
            f'mutation {{ {aliases(6, "update_user_book(id: 31, object: {}) { id }")} }}',
            403,
            'top_level_limit_exceeded',
        ),
        (f'{{ search(query: "x") {{ ids }} {ME} }}', 403, 'top_level_limit_exceeded'),
        ('{ user_books(where: {user_id: {_eq: 7}}) { id book_id } books { id } ' + aliases(4, ME) + ' }', 403, 'limit'),
        ('mutation { insert_user_book(object: {book_id: 11}) { user_book { book_id { id } } } }', 403, 'depth'),
        ('{ books(where: {slug: {_ilike: "e%"}}) { id } }', 403, 'unsupported_operation'),
        ('{ books(where: {slug: {_nregex: "e"}}) { id } }', 403, 'unsupported_operation'),
        ('{ books { nonsense } }', 200, 'nonsense'),
        ('{ books {', 200, 'Syntax'),
        (None, 400, 'invalid_query'),
    ],
)
def test_what_is_refused(server: HardcoverStandIn, query: Any, status: int, word: str) -> None:
    found, body, _headers = ask(server, query)
    assert found == status
    assert word in json.dumps(body)


def test_a_wrong_token(server: HardcoverStandIn) -> None:
    assert ask(server, f'{{ {ME} }}', token='wrong')[:2] == (401, {'error': 'invalid_token'})


def test_aliases_cost_a_unit_each_and_the_bucket_ends(server: HardcoverStandIn) -> None:
    for expected in (5, 10):
        status, body, headers = ask(server, f'{{ {aliases(5, ME)} }}')
        assert (status, body['data']['a4']) == (200, [{'id': 7}])
        assert server.units == expected
    assert headers['ratelimit'] == '"Free";r=0;t=42, "daily";r=4990;t=52200'
    status, body, headers = ask(server, f'{{ {ME} }}')
    assert (status, body, headers['retry-after']) == (429, {'error': 'Too Many Requests'}, '1')
    assert (server.units, server.turned_away) == (10, 1)


def test_a_days_quota(server: HardcoverStandIn) -> None:
    server.use_daily(5000)
    status, _body, headers = ask(server, f'{{ {ME} }}')
    assert status == 429
    assert int(headers['retry-after']) > 3600


def test_filters_pages_and_caps(server: HardcoverStandIn) -> None:
    server.catalogue = generate_catalogue(5)
    query = '{ books(where: {id: {_in: [100001, 100003, 100005]}}, limit: 2, offset: %d) { id } }'
    pages = [[row['id'] for row in ask(server, query % offset)[1]['data']['books']] for offset in (0, 2, 4)]
    assert pages == [[100001, 100003], [100005], []]
    server.set_options(cap=1)
    assert len(ask(server, query % 0)[1]['data']['books']) == 1


def test_only_given_keys_are_written(server: HardcoverStandIn) -> None:
    mutation = (
        'mutation ($id: Int!, $rating: numeric) { update_user_book(id: $id, object: {rating: $rating}) { id error } }'
    )
    assert ask(server, mutation, {'id': 31, 'rating': 4.5})[1]['data']['update_user_book'] == {'id': 31, 'error': None}
    assert ask(server, mutation, {'id': 31})[0] == 200
    assert server.catalogue.shelf[0].rating == 4.5
    ask(server, mutation, {'id': 31, 'rating': None})
    assert server.catalogue.shelf[0].rating is None
    wrong = ask(server, mutation, {'id': 31, 'rating': 4.3})[1]['data']['update_user_book']
    assert wrong['id'] is None
    assert 'halves' in wrong['error']


def test_misuse_is_noted(server: HardcoverStandIn) -> None:
    ask(server, '{ user_books { id } }')
    ask(server, 'mutation { insert_user_book(object: {book_id: 11}) { id } }')
    assert len(server.violations) == 3


@pytest.mark.parametrize('number', [1, 11, 123_456_789, 987_654_321])
def test_isbns_are_valid(number: int) -> None:
    from calibre.ebooks.metadata import check_isbn

    assert check_isbn(isbn13(number)) == isbn13(number)
    assert check_isbn(isbn10(number)) == isbn10(number)


def test_it_serves_by_itself() -> None:
    script = Path(__file__).parent / 'hardcover.py'
    with StandInProcess(script, '--count', '3', '--token', 'tok', '--daily', '0') as process:
        assert process.ready['api_url'].endswith('/v1/graphql')
        assert process.command('stats')['units'] == 0
