"""Which book of Hardcover a book of Calibre is: identifiers, editions, queries and ranks, without any service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.rules.hardcover_matching import (
    Clue,
    Look,
    best_edition,
    clues,
    main_title,
    number_id,
    plain_author,
    rank,
    search_query,
    slug_of,
    stored_id,
    stored_slug,
    to_store,
    verify_editions,
)
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import Candidate, Edition, HardcoverBook, Match
from calibre_plugins.bookfusionbacksync.rules.isbn import Codes, codes_of, make_codes
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from hypothesis import given
from hypothesis import strategies as st
from standins.hardcover import isbn10, isbn13

CODE = isbn13(11)
CODES = make_codes([CODE])
HOW = text('chosen')


def book(title: str = 'Emma', *authors: str, **identifiers: str) -> CalibreBook:
    return CalibreBook(1, title, authors, {key.replace('_', '-'): value for key, value in identifiers.items()})


def edition(edition_id: int, book_id: int = 11, title: str = 'Emma', **more: Any) -> Edition:
    canonical_id = more.pop('merged_into', 0)
    return Edition(edition_id, HardcoverBook(book_id, 'slug', title, canonical_id), frozenset({CODE}), **more)


# Identifiers.


@pytest.mark.parametrize(
    ('value', 'number'),
    [
        ('12', 12),
        (' 12 ', 12),
        ('0', 0),
        ('', 0),
        (None, 0),
        ('12a', 0),
        ('-3', 0),
        ('9' * 30, 0),
        ('٣', 0),
        ('1.5', 0),
    ],
)
def test_only_digits_are_an_id(value: str | None, number: int) -> None:
    assert number_id(value) == number


@pytest.mark.parametrize(
    ('value', 'slug'),
    [
        ('dune', 'dune'),
        (' dune ', 'dune'),
        ('https://hardcover.app/books/dune', 'dune'),
        ('https://hardcover.app/books/dune/', 'dune'),
        ('1984', '1984'),
        ('two words', ''),
        ('a?b', ''),
        ('', ''),
        (None, ''),
        ('x' * 400, ''),
    ],
)
def test_slugs_stand_alone_or_at_the_end_of_an_address(value: str | None, slug: str) -> None:
    assert slug_of(value) == slug


def test_all_keys_are_read_in_their_order() -> None:
    everything = book(
        hardcover_id='1', hardcover_book='2', hardcover_edition='3', hardcover_slug='four', hardcover='five'
    ).identifiers
    assert stored_id(everything) == 1
    assert clues(everything) == [
        Clue(Look.BOOK, '2', 'hardcover-book'),
        Clue(Look.EDITION, '3', 'hardcover-edition'),
        Clue(Look.SLUG, 'four', 'hardcover-slug'),
        Clue(Look.SLUG, 'five', 'hardcover'),
    ]


def test_a_bare_number_is_only_a_hint() -> None:
    identifiers = book(hardcover='1984').identifiers
    assert stored_id(identifiers) == 0
    assert stored_slug(identifiers) == ''
    assert {clue.look for clue in clues(identifiers)} == set(Look)
    assert all(clue.unsure for clue in clues(identifiers))


def test_a_number_may_be_a_slug_where_slugs_stand() -> None:
    assert clues({'hardcover-slug': '1984'}) == [Clue(Look.SLUG, '1984', 'hardcover-slug')]


def test_other_plugins_numbers_count_for_a_push() -> None:
    assert stored_id({'hardcover-book': '12'}) == 12
    assert stored_id({'hardcover-id': 'dune', 'hardcover-book': '12'}) == 12
    assert stored_id({'hardcover-edition': '12', 'hardcover': '12', 'hardcover-slug': 'x'}) == 0


# What is stored.


def test_what_is_there_already_stays() -> None:
    hit = HardcoverBook(11, 'emma', 'Emma')
    assert to_store(Match(book(), hit, HOW, 21)) == {
        'hardcover-id': '11',
        'hardcover-slug': 'emma',
        'hardcover-edition': '21',
    }
    assert to_store(Match(book(hardcover_slug='old', hardcover_edition='9'), hit, HOW, 21)) == {'hardcover-id': '11'}
    assert to_store(Match(book(), hit, HOW)) == {'hardcover-id': '11', 'hardcover-slug': 'emma'}
    assert to_store(Match(book(), HardcoverBook(11), HOW)) == {'hardcover-id': '11'}


keys = st.sampled_from(
    ['hardcover', 'hardcover-id', 'hardcover-book', 'hardcover-slug', 'hardcover-edition', 'isbn', 'x']
)


@given(st.dictionaries(keys, st.text(max_size=20)), st.integers(0, 5))
def test_nothing_but_three_keys_is_ever_written_and_none_replaced(identifiers: dict[str, str], edition_id: int) -> None:
    match = Match(CalibreBook(1, 'Emma', (), identifiers), HardcoverBook(11, 'emma'), HOW, edition_id)
    stored = to_store(match)
    assert stored.keys() <= {'hardcover-id', 'hardcover-slug', 'hardcover-edition'} - identifiers.keys()
    assert ('hardcover-edition' in stored) == (edition_id > 0 and 'hardcover-edition' not in identifiers)
    for clue in clues(identifiers):
        assert clue.value
        assert clue.look is Look.SLUG or int(clue.value) > 0


# Which edition.


def test_an_ebook_first_then_print_then_anything_audio_last() -> None:
    audio, other, paper, ebook = (edition(number, reading_format=kind) for number, kind in enumerate((2, 3, 1, 4), 1))
    ranked = [audio, other, paper, ebook]
    while ranked:
        best = best_edition(ranked)
        assert best is ranked.pop()


def test_audio_is_not_first_however_many_listen() -> None:
    heard, read = edition(1, reading_format=2, users_count=10**6), edition(2, reading_format=1, users_count=0)
    assert best_edition([heard, read]) is read


def test_then_the_one_with_most_readers() -> None:
    assert best_edition([edition(1, users_count=3), edition(2, users_count=9)]).edition_id == 2


def test_the_best_edition_of_the_right_title_is_taken() -> None:
    hits = [edition(1, users_count=1), edition(2, users_count=50), edition(3, 12, 'Persuasion', users_count=900)]
    verified = verify_editions(book('Emma'), CODES, hits)
    assert verified.edition is hits[1]


def test_a_title_with_nothing_in_common_is_only_a_candidate() -> None:
    verified = verify_editions(book('Emma'), CODES, [edition(1, 12, 'Cooking for Two')])
    assert verified.edition is None
    assert [hit.book_id for hit in verified.doubtful] == [12]


def test_a_title_that_says_nothing_is_only_a_candidate() -> None:
    assert verify_editions(book('Emma'), CODES, [edition(1, 12, '')]).edition is None
    assert verify_editions(book(''), CODES, [edition(1, 12, 'Emma')]).edition is None


PUBLIC_REPORTS = [
    ('Defiance of the Fall 17', 'Defiance of the Fall 7'),
    ('Dune Messiah', 'Dune'),
    ('Overlord, Vol. 9', 'Overlord, Vol. 1'),
    ('C++ How to Program', 'C How to Program'),
    ('The Two Towers', 'The Lord of the Rings: The Return of the King'),
    ('Foundation and Empire', 'Foundation'),
    ('Dune', 'Dune: The Graphic Novel, Book 1'),
    ('On the Road', 'The Road'),
    ('Harry Potter and the Goblet of Fire', 'Harry Potter and the Chamber of Secrets'),
]


@pytest.mark.parametrize(('title', 'other'), PUBLIC_REPORTS)
def test_another_volume_under_the_same_isbn_is_only_a_candidate(title: str, other: str) -> None:
    verified = verify_editions(book(title), CODES, [edition(1, 12, other)])
    assert verified.edition is None
    assert [hit.book_id for hit in verified.doubtful] == [12]


def test_the_title_of_a_translation_is_enough() -> None:
    hit = edition(1, 12, "L'Étranger")
    assert verify_editions(book('Der Fremde'), CODES, [hit]).edition is None
    translated = replace(hit, edition_id=2, title='Der Fremde: Roman')
    assert verify_editions(book('Der Fremde'), CODES, [hit, translated]).edition is translated


def test_what_may_be_the_book_comes_before_what_is_not() -> None:
    hits = [edition(1, 12, 'Cooking for Two', users_count=900), edition(2, 13, 'Emma and the Vampires')]
    assert [hit.book_id for hit in verify_editions(book('Emma'), CODES, hits).doubtful] == [13, 12]


def test_the_series_before_a_colon_is_no_title() -> None:
    thrawn = CalibreBook(1, 'Star Wars: Thrawn', series='Star Wars')
    hits = [edition(1, 12, 'Star Wars'), edition(2, 13, 'Star Wars: Heir to the Empire')]
    assert verify_editions(thrawn, CODES, hits).edition is None
    assert verify_editions(thrawn, CODES, [*hits, edition(3, 14, 'Thrawn')]).edition is not None


def test_two_books_with_a_likely_title_are_a_choice() -> None:
    hits = [edition(1, 12, 'Emma and the Vampires'), edition(2, 13, 'Emma: a Biography of Lady Hamilton')]
    verified = verify_editions(book('The Story of Emma'), CODES, hits)
    assert verified.edition is None
    assert {hit.book_id for hit in verified.doubtful} == {12, 13}


def test_of_two_books_the_one_with_the_same_title() -> None:
    hits = [edition(1, 12, 'Emma and the Vampires', users_count=10**5), edition(2, 13, 'EMMA: Annotated')]
    assert verify_editions(book('Emma'), CODES, hits).edition is hits[1]


def test_books_that_were_merged_are_one() -> None:
    hits = [edition(1, 12, 'Emma the First', merged_into=13), edition(2, 13, 'Emma the First')]
    assert verify_editions(book('Emma the First'), CODES, hits).edition is not None


def test_an_edition_of_another_book_of_the_batch_is_no_hit() -> None:
    assert verify_editions(book(), make_codes([isbn13(99)]), [edition(1)]).edition is None
    assert verify_editions(book(), Codes(), [edition(1)]).edition is None


def test_a_hit_by_the_other_form_of_the_isbn_counts() -> None:
    hit = Edition(1, HardcoverBook(11, 'emma', 'Emma'), frozenset({isbn10(11)}))
    assert verify_editions(book(), make_codes([CODE]), [hit]).edition is hit


def test_codes_of_all_kinds_are_taken_from_identifiers() -> None:
    spaced = f'{CODE[:3]}-{CODE[3:]}'
    codes = codes_of(book(isbn=f'{spaced}, {isbn10(12)}, 9780000000000', mobi_asin='b00abcdefg'))
    assert {isbn13(11), isbn10(11), isbn13(12), isbn10(12), 'B00ABCDEFG'} == codes.all


# Titles and queries.


@pytest.mark.parametrize(
    ('title', 'plain'),
    [
        ('Dune', 'Dune'),
        ('Dune: Deluxe Edition', 'Dune'),
        ('Dune (Dune Chronicles #1)', 'Dune'),
        ('Dune (Dune Chronicles #1) [Illustrated]', 'Dune'),
        ('[Dune 01] Dune', 'Dune'),
        ('Name of the Wind, The', 'The Name of the Wind'),
        ('Zauberberg, Der', 'Der Zauberberg'),
        ('(Untitled)', '(Untitled)'),
        (': A Novel', ': A Novel'),
        ('Hello, World', 'Hello, World'),
    ],
)
def test_the_main_title(title: str, plain: str) -> None:
    assert main_title(title) == plain


@pytest.mark.parametrize(
    ('name', 'plain'),
    [
        ('Le Guin, Ursula K.', 'Ursula K. Le Guin'),
        ('Jane Austen', 'Jane Austen'),
        ('King, Martin Luther, Jr.', 'King, Martin Luther, Jr.'),
        ('Kurt Vonnegut, Jr.', 'Kurt Vonnegut, Jr.'),
        ('Homer', 'Homer'),
        (', ', ','),
    ],
)
def test_last_first_is_turned_round(name: str, plain: str) -> None:
    assert plain_author(name) == plain


@pytest.mark.parametrize(
    ('given_book', 'query'),
    [
        (book('Dune: Deluxe (Dune #1)', 'Herbert, Frank', 'Somebody Else'), 'Dune Frank Herbert'),
        (book('Dune'), 'Dune'),
        (book('Dune', 'Unknown'), 'Dune'),
        (book('Dune', 'Unbekannt', 'Frank Herbert'), 'Dune Frank Herbert'),
        (book('', 'Frank Herbert'), ''),
        (book('???', 'Frank Herbert'), ''),
    ],
)
def test_what_is_searched(given_book: CalibreBook, query: str) -> None:
    assert search_query(given_book, ('Unknown', 'Unbekannt')) == query


@given(st.text(max_size=400), st.lists(st.text(max_size=60), max_size=3))
def test_a_query_of_anything_is_one_short_line(title: str, authors: list[str]) -> None:
    query = search_query(CalibreBook(1, title, tuple(authors)))
    assert len(query) <= 200
    assert query == ' '.join(query.split())


# Ranks.


def candidate(book_id: int, title: str, *authors: str, **more: Any) -> Candidate:
    return Candidate(book_id, f'slug-{book_id}', title, authors=authors, **more)


def reasons(one: Candidate) -> list[str]:
    return [str(reason) for reason in one.reasons]


def test_title_and_author_beat_readers() -> None:
    ranked = rank(
        book('Emma', 'Austen, Jane'),
        [candidate(1, 'Emma', 'Kate Smith', users_count=90_000), candidate(2, 'Emma', 'Jane Austen', users_count=12)],
        CODES,
    )
    assert [each.book_id for each in ranked] == [2, 1]
    assert reasons(ranked[0]) == ['Same title', 'Same author', '12 readers']


def test_a_code_beats_everything() -> None:
    ranked = rank(
        book('Emma', 'Jane Austen'),
        [candidate(1, 'Emma', 'Jane Austen', users_count=9), candidate(2, 'Emma (German)', isbns=(CODE,))],
        CODES,
    )
    assert ranked[0].book_id == 2
    assert reasons(ranked[0])[0] == f'Has the code {CODE}'


def test_a_subtitle_is_no_hindrance() -> None:
    (one,) = rank(book('Dune'), [candidate(1, 'Dune: Deluxe Edition', has_ebook=True)], CODES)
    assert reasons(one) == ['Same title without the subtitle', 'There is an ebook of it']
    (two,) = rank(book('Dune: Deluxe Edition'), [candidate(1, 'Dune', subtitle='Deluxe Edition')], CODES)
    assert reasons(two) == ['Same title']


def test_a_hit_in_doubt_is_among_the_candidates() -> None:
    doubtful = [HardcoverBook(5, 'cooking', 'Cooking for Two'), HardcoverBook(6, 'merged', 'Merged', 7)]
    ranked = rank(book('Emma'), [candidate(1, 'Emma')], CODES, doubtful)
    assert {each.book_id for each in ranked} == {1, 5, 7}
    merged = next(each for each in ranked if each.book_id == 7)
    assert merged.slug == ''
    assert 'Named by an identifier of this book' in reasons(merged)


def test_equal_candidates_stay_in_hardcovers_order() -> None:
    ranked = rank(book('Emma'), [candidate(number, 'Emma') for number in range(1, 15)], CODES)
    assert [each.book_id for each in ranked] == list(range(1, 11))


@given(
    st.text(max_size=30),
    st.lists(st.text(max_size=20), max_size=2),
    st.lists(
        st.builds(
            Candidate,
            book_id=st.integers(1, 30),
            title=st.text(max_size=30),
            authors=st.lists(st.text(max_size=20), max_size=2).map(tuple),
            users_count=st.integers(0, 10**6),
        ),
        max_size=15,
        unique_by=lambda each: each.book_id,
    ),
)
def test_ranking_keeps_candidates_and_gives_each_a_reason(
    title: str, authors: list[str], candidates: list[Candidate]
) -> None:
    ranked = rank(CalibreBook(1, title, tuple(authors)), candidates, Codes())
    assert len(ranked) == min(10, len(candidates))
    assert {each.book_id for each in ranked} <= {each.book_id for each in candidates}
    assert all(each.reasons for each in ranked)
