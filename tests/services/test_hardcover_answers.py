"""Reading what Hardcover may send: any JSON gives checked records or nothing, any headers a pace that ends."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import QuotaSpent
from calibre_plugins.bookfusionbacksync.base.parsers import LARGEST_ID
from calibre_plugins.bookfusionbacksync.services.hardcover_answers import (
    error_messages,
    keyed_read,
    normal_code,
    parse_book,
    parse_candidate,
    parse_edition,
    parse_shelf_entry,
    parse_slug,
    parse_stars,
    parse_write_result,
    plain_reason,
)
from calibre_plugins.bookfusionbacksync.services.hardcover_quota import Pace, parse_limits
from harness.hardcover import StillClock
from hypothesis import example, given
from hypothesis import strategies as st

KEYS = (
    'id book_id slug title canonical_id isbn_13 isbn_10 asin reading_format_id users_count book rating status_id '
    'edition_id updated_at document author_names isbns image url series_names release_year error errors message path '
    'user_book last_read_date user_book_id finished_at'
).split()
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just('2024-01-02T03:04:05Z'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=12,
)


@given(anything)
def test_anything_is_read_or_left_out(raw: Any) -> None:
    book, edition, entry, candidate = parse_book(raw), parse_edition(raw), parse_shelf_entry(raw), parse_candidate(raw)
    assert book is None or 0 < book.book_id <= LARGEST_ID
    assert edition is None or 0 < edition.edition_id <= LARGEST_ID
    assert entry is None or 0 < entry.entry_id <= LARGEST_ID
    assert candidate is None or candidate.title
    assert entry is None or entry.rating is None or 0 < entry.rating <= 5
    assert isinstance(plain_reason(raw), str)
    assert all(isinstance(message, str) for message in error_messages(raw))
    result = parse_write_result(raw, None)
    assert (result.error is None) == (result.entry_id > 0)
    read = keyed_read(raw)
    assert read is None or read[1][0] > 0


@given(anything)
def test_single_values(raw: Any) -> None:
    assert normal_code(raw).isascii()
    stars = parse_stars(raw)
    assert stars is None or (isinstance(stars, float) and 0 < stars <= 5)


@example('\ud800')
@given(st.text(st.characters(), max_size=40))
def test_every_text_can_be_written_down(raw: str) -> None:
    """JSON can carry half a surrogate pair, on which Calibre's database, files and terminals choke."""
    document = {'id': 1, 'title': raw, 'slug': raw, 'author_names': [raw]}
    candidate, book = parse_candidate({'document': document}), parse_book(document)
    for found in (candidate, book):
        if found is not None:
            f'{found.title}{found.slug}'.encode()
    plain_reason(raw).encode()


@pytest.mark.parametrize('slug', ['emma', '1984', 'l-étranger', '罪与罚', 'c++', 'mr.-fox', 'a%20b', 'e_m~ma'])
def test_slugs(slug: str) -> None:
    assert parse_slug(slug) == slug


@pytest.mark.parametrize(
    'slug', ['', ' emma', 'a b', 'a,b', 'a:b', 'a|b', 'a/b', 'a?b', '\ud800', 'x\x00', 'a' * 301, 5, None]
)
def test_what_is_no_slug(slug: object) -> None:
    assert parse_slug(slug) == ''


def test_reasons_are_short_and_hold_no_secret() -> None:
    reason = plain_reason('x' * 500 + ' Bearer abcdef123456')
    assert len(reason) <= 200
    assert 'abcdef' not in plain_reason('refused: Authorization: Bearer abcdef0123456789abcdef')


@pytest.mark.parametrize(
    ('header', 'limits'),
    [
        ('"Free";r=8;t=42, "daily";r=4231;t=51234', {'Free': {'r': 8, 't': 42}, 'daily': {'r': 4231, 't': 51234}}),
        ('"Free";q=60;w=60;burst=10', {'Free': {'q': 60, 'w': 60, 'burst': 10}}),
        ('"Free" ; r = 8', {'Free': {'r': 8}}),
        ('', {}),
        ('free;r=8', {}),
        ('"x";r=-1', {}),
        ('"x";r=' + '9' * 50, {}),
    ],
)
def test_quota_headers(header: str, limits: dict[str, dict[str, int]]) -> None:
    assert parse_limits(header) == limits


headers = st.dictionaries(
    st.sampled_from(['ratelimit', 'ratelimit-policy', 'x-ratelimit-remaining', 'retry-after']),
    st.text(max_size=60)
    | st.builds(
        '"{}";r={};t={}, "daily";r={};t={}'.format,
        st.sampled_from(['Free', 'Supporter', 'daily']),
        st.integers(0, 100),
        st.integers(0, 100),
        st.integers(0, 6000),
        st.integers(0, 90_000),
    )
    | st.builds('"Free";q={};w={};burst={}'.format, st.integers(0, 600), st.integers(0, 600), st.integers(0, 30))
    | st.integers(0, 90).map(str),
)


@given(st.lists(st.tuples(headers, st.integers(1, 5), st.booleans()), max_size=12))
def test_whatever_the_headers_say_a_pace_waits_a_bounded_time_or_gives_up(
    steps: list[tuple[dict[str, str], int, bool]],
) -> None:
    clock = StillClock()
    pace = Pace(clock=clock)
    for given_headers, units, refused in steps:
        before = clock.waited
        with suppress(QuotaSpent):
            pace.take(pace.room(units), Cancel())
            if refused:
                pace.turned_away(given_headers, 0)
            else:
                pace.learn(given_headers)
        # A minute's closed door, and a minute until there are units.
        assert clock.waited - before <= 121
        assert pace.left_today is None or pace.left_today >= 0
        assert 'Start this again after' in str(pace.spent())


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60))
def test_never_more_than_the_bucket_and_a_unit_a_second(requests: list[int]) -> None:
    clock = StillClock()
    pace = Pace(clock=clock)
    for units in requests:
        pace.take(units, Cancel())
    assert sum(requests) <= 10 + clock.waited + 1e-3
    assert clock.waited <= max(0, sum(requests) - 10) + 1e-3


def test_seconds_are_told_beforehand() -> None:
    clock = StillClock()
    pace = Pace(clock=clock)
    assert pace.seconds_for(10) == 0
    assert pace.seconds_for(100) == pytest.approx(90)
    pace.take(5, Cancel())
    assert pace.seconds_for(100) == pytest.approx(95)


def test_when_to_go_on_names_the_day_only_when_it_is_another() -> None:
    clock = StillClock()
    pace = Pace(clock=clock)
    pace.learn({'ratelimit': '"daily";r=0;t=3600'})
    assert '10:31;' in str(pace.spent())
    pace.learn({'ratelimit': '"daily";r=0;t=90000'})
    tomorrow = (clock.local_time() + timedelta(days=1)).date().isoformat()
    assert f'{tomorrow} 10:31;' in str(pace.spent())
    # Where no time is given, it is midnight UTC.
    pace.learn({'ratelimit': '"daily";r=0'})
    assert f'{tomorrow} 00:01;' in str(pace.spent())
