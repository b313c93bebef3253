"""Reading what Hardcover may send: any JSON gives checked records or nothing, any headers a pace that ends."""

from __future__ import annotations

from typing import Any

import pytest
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
