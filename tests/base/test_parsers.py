"""Values from outside: any JSON gives a checked value or none, and what is taken is taken as promised."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.parsers import (
    LARGEST_ID,
    LONGEST_LIST,
    LONGEST_TEXT,
    LONGEST_TOKEN,
    mapping,
    parse_count,
    parse_day,
    parse_moment,
    parse_number,
    parse_number_id,
    parse_text,
    parse_texts,
    parse_token,
)
from hypothesis import example, given
from hypothesis import strategies as st

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20)
    | st.sampled_from(['7', ' 42.5\n', '2024-01-02T03:04:05Z', '9' * 5000, 'x' * 20_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(anything)
@example(10**400)
@example('\ud800')
def test_anything_gives_a_value_of_its_type(raw: Any) -> None:
    assert mapping(raw) == (raw if isinstance(raw, dict) else {})
    number = parse_number(raw)
    assert number is None or (type(number) is float and math.isfinite(number))
    assert 0 <= parse_count(raw) <= LARGEST_ID
    assert 0 <= parse_number_id(raw) <= LARGEST_ID
    words = parse_text(raw)
    words.encode()
    assert words == ' '.join(words.split())
    assert len(words) <= LONGEST_TEXT
    assert '' not in parse_texts(raw)
    token = parse_token(raw)
    assert (token.isascii() and token.isprintable() and ' ' not in token) or not token
    moment = parse_moment(raw)
    assert moment is None or moment.astimezone(timezone.utc) == moment
    assert parse_day(raw) is None or type(parse_day(raw)) is date


@pytest.mark.parametrize(
    ('raw', 'number'),
    [
        (0, 0.0),
        (-3, -3.0),
        ('42.5', 42.5),
        (' 7 ', 7.0),
        ('1e2', 100.0),
        ('9' * 50, float('9' * 50)),
        ('9' * 51, None),
        ('1e999', None),
        ('nan', None),
        (float('inf'), None),
        (10**400, None),
        ('12,5', None),
        ('', None),
        (True, None),
        (None, None),
        ([7], None),
    ],
    ids=repr,
)
def test_numbers(raw: object, number: float | None) -> None:
    assert parse_number(raw) == number


@pytest.mark.parametrize(
    ('raw', 'count'),
    [(0, 0), (7, 7), (LARGEST_ID, LARGEST_ID), (LARGEST_ID + 1, 0), (-1, 0), ('7', 0), (7.0, 0), (True, 0), (None, 0)],
)
def test_counts(raw: object, count: int) -> None:
    assert parse_count(raw) == count


@pytest.mark.parametrize(
    ('raw', 'number_id'),
    [
        (7, 7),
        ('7', 7),
        (' 007 ', 7),
        (7.0, 7),
        (LARGEST_ID, LARGEST_ID),
        (LARGEST_ID + 1, 0),
        ('9' * 5000, 0),
        (7.5, 0),
        (float('nan'), 0),
        (float('inf'), 0),
        (1e308, 0),
        (0, 0),
        (-7, 0),
        ('-7', 0),
        ('7a', 0),
        ('\uff17', 0),
        ('', 0),
        (True, 0),
        (None, 0),
        ([7], 0),
    ],
    ids=repr,
)
def test_number_ids(raw: object, number_id: int) -> None:
    assert parse_number_id(raw) == number_id


def test_a_number_id_may_be_as_large_as_the_caller_says() -> None:
    assert parse_number_id(2**63 - 1, 2**63 - 1) == parse_number_id(str(2**63 - 1), 2**63 - 1) == 2**63 - 1
    assert parse_number_id(2**63, 2**63 - 1) == 0


def test_texts_are_of_one_line_and_bounded() -> None:
    assert parse_text(' The\n Name\tof\u00a0the \u2028Wind\x85') == 'The Name of the Wind'
    assert parse_text('x' * 5000) == 'x' * LONGEST_TEXT
    assert parse_text('half \ud83d') == 'half ?'
    assert parse_text(5) == parse_text(None) == parse_text(['a']) == ''


def test_lists_of_texts() -> None:
    assert parse_texts(['a', '', ' \n', 5, None, ['b'], ' b ']) == ('a', 'b')
    assert len(parse_texts(['a'] * 5000)) == LONGEST_LIST
    assert parse_texts('ab') == parse_texts({'a': 'b'}) == parse_texts(None) == ()


@pytest.mark.parametrize('raw', ['eyJhbGciOi.x-_~+/=', ' token\n', '!', 'x' * LONGEST_TOKEN])
def test_tokens(raw: str) -> None:
    assert parse_token(raw) == raw.strip()


@pytest.mark.parametrize(
    'raw',
    ['', ' ', 'a b', 'a\nb', 'tök', 'a\x00', 'a\x7f', '\u200b', 'x' * (LONGEST_TOKEN + 1), 5, None, ['a']],
    ids=repr,
)
def test_what_no_header_can_carry_is_no_token(raw: object) -> None:
    assert parse_token(raw) == ''


@pytest.mark.parametrize(
    ('raw', 'moment'),
    [
        ('2024-03-04T05:06:07+00:00', '2024-03-04T05:06:07'),
        ('2024-03-04T05:06:07Z', '2024-03-04T05:06:07'),
        ('2024-03-04T05:06:07', '2024-03-04T05:06:07'),
        ('2024-03-04 05:06:07.5+02', '2024-03-04T05:06:07.500000+02:00'),
        ('2024-03-04T05:06:07.123456-0330', '2024-03-04T05:06:07.123456-03:30'),
        ('2024-03-04T05:06:07,1234567899Z', '2024-03-04T05:06:07.123456'),
        ('2024-03-04T05:06:07.000001Z', '2024-03-04T05:06:07.000001'),
        ('2024-03-04t05:06z', '2024-03-04T05:06:00'),
        ('2024-03-04 05:06:07 UTC', '2024-03-04T05:06:07'),
        ('2024-03-04', '2024-03-04T00:00:00'),
        (' 2024-03-04\n', '2024-03-04T00:00:00'),
        ('2016-12-31T23:59:60Z', '2016-12-31T23:59:59'),
        ('0001-01-01', '0001-01-01T00:00:00'),
    ],
)
def test_moments(raw: str, moment: str) -> None:
    found = parse_moment(raw)
    assert found is not None
    assert found.isoformat() == (moment if moment[-6] in '+-' else f'{moment}+00:00')


@pytest.mark.parametrize(
    'raw',
    [
        '2024-13-04T05:06:07Z',
        '2023-02-29',
        '2024-03-04T24:00:00Z',
        '2024-03-04T05:06:61Z',
        '2024-03-04T05:06:07+99:99',
        '2024-03-04T05:06:07+24:00',
        '0001-01-01T00:00:00+12:00',
        '9999-12-31T23:59:59-12:00',
        '0000-00-00',
        '2024-03',
        '2024',
        '20240304',
        '2024-W10-1',
        '2024-064',
        '2024-03-04T05',
        '2024-03-04Z',
        '2024-03-04T05:06:07 Europe/Berlin',
        '\uff12\uff10\uff12\uff14-03-04',
        '2024-03-04T05:06:07.' + '1' * 100,
        'yesterday',
        '',
        0,
        1709528767,
        True,
        None,
        ['2024-03-04'],
    ],
    ids=repr,
)
def test_what_is_no_moment(raw: object) -> None:
    assert parse_moment(raw) is None


@given(st.datetimes(timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))))
def test_what_python_writes_is_read_as_written(written: datetime) -> None:
    found = parse_moment(written.isoformat())
    if 1 < written.year < 9999:
        assert found == written
    assert found is None or found.utcoffset() == written.utcoffset()


@pytest.mark.parametrize('raw', ['2024-03-04', '2024-03-04T05:06:07Z', '2024-03-04 and more'])
def test_days(raw: str) -> None:
    assert parse_day(raw) == date(2024, 3, 4)


@pytest.mark.parametrize(
    'raw', ['', '2024-13-04', '2024-03', '20240304', ' 2024-03-04', 20240304, None, ['2024-03-04']]
)
def test_what_is_no_day(raw: object) -> None:
    assert parse_day(raw) is None
