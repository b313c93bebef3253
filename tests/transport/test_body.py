"""What a response may hold: bytes as sent and as inflated, and values of its JSON before it is parsed."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import BadAnswer
from calibre_plugins.bookfusionbacksync.transport.body import LONGEST_INTEGER, TooManyValues, parse_json
from calibre_plugins.bookfusionbacksync.transport.client import HttpClient
from calibre_plugins.bookfusionbacksync.transport.request import (
    BYTES_A_VALUE,
    LARGEST_BODY,
    MEGABYTE,
    Limits,
    Request,
    body_limit,
)
from harness.network import PATIENT, Echo, make_client
from harness.transport import failure, get, told
from standins import faults
from standins.common import Action


@pytest.mark.parametrize(
    ('records', 'megabytes'), [(0, 4), (1, 4), (10, 4), (100, 10), (500, 35), (1337, 64), (5000, 64), (10**9, 64)]
)
def test_a_limit_fits_what_was_asked_for(records: int, megabytes: int) -> None:
    assert body_limit(records) // MEGABYTE == megabytes
    # A record has some 2.5 kB and a hundred values (seen).
    assert body_limit(records) >= min(records, 20_000) * 2_500 * 1.2
    assert Request('GET', '', max_body=body_limit(records)).max_values >= min(records, 18_000) * 110


def test_a_request_that_says_nothing_expects_little() -> None:
    assert Request('GET', '').max_body == body_limit(1)
    assert Limits().max_body == LARGEST_BODY


@pytest.mark.parametrize(
    ('records', 'megabytes'), [(1, 20), (10, 60), (5000, 30)], ids=['a record', 'a page', 'a large page']
)
def test_many_values_in_few_bytes_are_refused_unparsed(
    server: Echo, records: int, megabytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.fail(faults.ManyLists(megabytes))
    # Parsing holds Python's lock, so that meanwhile nobody hears a stop.
    monkeypatch.setattr(json, 'loads', lambda body, **options: pytest.fail('it was parsed'))
    with make_client(PATIENT) as client:
        error = failure(client, get(server, max_body=body_limit(records)))
    assert isinstance(error, BadAnswer)
    assert told(error, errors.UNEXPECTED_ANSWER if records == 5000 else errors.TOO_LARGE)
    assert server.count() == 1, 'another try would not mend it'


def test_many_values_in_an_error_are_an_error_without_json(server: Echo, client: HttpClient) -> None:
    body = b'[' + b'[],' * 200_000 + b'[]]'
    server.fail(faults.Status(404, body=body))
    response = client.send(get(server), Cancel())
    assert (response.status, response.data) == (404, None)


@pytest.mark.parametrize('action', [faults.GzipAndMore(), faults.GzipOfNothing()], ids=['behind its end', 'of nothing'])
def test_bytes_that_inflate_to_nothing_count_too(server: Echo, action: Action) -> None:
    server.fail(action)
    with make_client(PATIENT) as client:
        assert told(failure(client, get(server, max_body=2 * MEGABYTE)), errors.TOO_LARGE)
    assert server.count() == 1


def test_a_little_behind_the_end_of_a_gzip_body_is_passed_over(server: Echo) -> None:
    server.fail(faults.GzipAndMore(b'[1]', megabytes=1))
    with make_client(PATIENT) as client:
        assert client.send(get(server, max_body=2 * MEGABYTE), Cancel()).data == [1]


def test_the_smaller_limit_counts(server: Echo) -> None:
    server.fail(faults.Huge(6), times=2)
    with make_client(replace(PATIENT, max_body=3 * MEGABYTE)) as client:
        assert 'more than 3 MB' in str(failure(client, get(server)))
    with make_client(PATIENT) as client:
        assert isinstance(client.send(get(server, max_body=body_limit(100)), Cancel()).data, list)


@pytest.mark.parametrize(
    ('body', 'values'),
    [('1', 0), ('[]', 1), ('[1]', 1), ('[1, 2]', 2), ('{"a": 1}', 1), ('{"a": [1, {}], "b": 2}', 5), ('",,,"', 3)],
)
def test_values_are_counted_before_they_are_made(body: str, values: int) -> None:
    for form in (body, body.encode(), body.encode('utf-16'), body.encode('utf-32-le')):
        assert parse_json(form, values) == json.loads(body)
        if values:
            with pytest.raises(TooManyValues):
                parse_json(form, values - 1)


def test_a_limit_of_values_fits_records_with_long_texts() -> None:
    """A hundred records as BookFusion sends them, but with summaries of ten pages."""
    summary = 'Once, long ago, in a land far, far away, there lived a king, a queen, and, of course, a dragon. ' * 200
    record = {'id': 1, 'title': 'Dune', 'summary': summary, **{f'field {number}': [number] for number in range(80)}}
    body = json.dumps([record] * 100)
    limit = body_limit(100)
    assert len(body) < limit
    assert parse_json(body, limit // BYTES_A_VALUE) == [record] * 100


@pytest.mark.parametrize('digits', [1, 40, LONGEST_INTEGER])
@pytest.mark.parametrize('sign', ['', '-'])
def test_integers(sign: str, digits: int) -> None:
    text = sign + '7' * (digits - len(sign) or 1)
    assert parse_json(text, 9) == int(text)


def test_an_integer_without_end_does_not_take_the_square_of_its_length() -> None:
    """Python 3.10 would work on this one for a quarter of an hour; later ones refuse the whole answer."""
    assert parse_json(b'[1, ' + b'9' * 3_000_000 + b']', 9) == [1, float('inf')]


@pytest.mark.parametrize('body', [b'', b'<html>', b'[1', b'[' * 100_000, b'\xff\xfe\xfd', b'"\xff"', '\ud800', 'nope'])
def test_what_is_not_json(body: bytes | str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        parse_json(body, 10**6)
