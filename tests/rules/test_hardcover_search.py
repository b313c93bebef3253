"""What is searched for on Hardcover, and how the candidates rank that a search brings, without any service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.rules.hardcover_matching import Doubt
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import Candidate, HardcoverBook
from calibre_plugins.bookfusionbacksync.rules.hardcover_search import (
    has_title,
    main_title,
    plain_author,
    plain_title,
    rank,
    search_queries,
    without_unknown_authors,
)
from calibre_plugins.bookfusionbacksync.rules.isbn import Codes, make_codes
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from calibre_plugins.bookfusionbacksync.rules.titles import Likeness
from hypothesis import given
from hypothesis import strategies as st
from standins.hardcover import isbn13

CODE = isbn13(11)
CODES = make_codes([CODE])


def book(title: str = 'Emma', *authors: str, series: str = '') -> CalibreBook:
    return CalibreBook(1, title, authors, {}, series)


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
        ('10:04', '10:04'),
        ('Re:Zero, Vol. 1', 'Re:Zero, Vol. 1'),
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
        ('Ursula K. Le Guin [Le Guin, Ursula K.]', 'Ursula K. Le Guin'),
        ('Le Guin, Ursula K. [Ursula K. Le Guin]', 'Ursula K. Le Guin'),
        ('Homer [editor]', 'Homer'),
        ('[Homer]', '[Homer]'),
    ],
)
def test_last_first_is_turned_round(name: str, plain: str) -> None:
    assert plain_author(name) == plain


@pytest.mark.parametrize(
    ('title', 'plain'),
    [
        ('The Sparrow - A Novel', 'The Sparrow'),
        ('The Sparrow \u2014 A NOVEL', 'The Sparrow'),
        ('Dune: A Novel (Dune #1)', 'Dune'),
        ('Der Fremde: Roman', 'Der Fremde'),
        ('Thrawn: Alliances', 'Thrawn: Alliances'),
        ('Overlord (Vol. 9)', 'Overlord Vol. 9'),
        ('Overlord (Overlord, Vol. 9)', 'Overlord'),
        ('Emma (1815)', 'Emma'),
        ('  Emma \n ', 'Emma'),
        ('A Novel', 'A Novel'),
        ('', ''),
    ],
)
def test_the_plain_title(title: str, plain: str) -> None:
    assert plain_title(title) == plain


@pytest.mark.parametrize(
    ('given_book', 'queries'),
    [
        (
            book('Dune: Deluxe (Dune #1)', 'Herbert, Frank', 'Somebody Else'),
            ['Dune: Deluxe Frank Herbert', 'Dune Frank Herbert'],
        ),
        (book('Dune'), ['Dune']),
        (book('Dune', 'Unknown'), ['Dune']),
        (book('Dune', 'Unbekannt', 'Frank Herbert'), ['Dune Frank Herbert']),
        (book('', 'Frank Herbert'), []),
        (book('???', 'Frank Herbert'), []),
        (book('1984'), ['1984']),
        (book('10:04', 'Ben Lerner'), ['10:04 Ben Lerner']),
        (book('4:50 from Paddington'), ['4:50 from Paddington']),
        (book('Re:Zero, Vol. 1'), ['Re:Zero, Vol. 1']),
        (book('The Sparrow: A Novel'), ['The Sparrow']),
        (book('Riftwar 01: Magician'), ['Riftwar 01: Magician', 'Magician', 'Riftwar 01']),
        (book('Star Wars: Thrawn'), ['Star Wars: Thrawn', 'Star Wars']),
        (book('Star Wars: Thrawn', series='Star Wars'), ['Star Wars: Thrawn', 'Thrawn']),
        (book('Star Wars: Thrawn: A Novel', series='Star Wars'), ['Star Wars: Thrawn', 'Thrawn']),
        (book('Star Wars - Thrawn', series='Star Wars'), ['Star Wars - Thrawn', 'Thrawn']),
        (book('Emma - Thrawn', series='Star Wars'), ['Emma - Thrawn']),
        (book('1984: Annotated'), ['1984: Annotated', '1984']),
        (book('Dune', 'Frank Herbert [Herbert, Frank]'), ['Dune Frank Herbert']),
        (book('Emma \ud800', 'Jane\udfff Austen'), ['Emma Jane Austen']),
        (book('война и мир: Том 2'), ['война и мир: Том 2', 'война и мир']),
    ],
)
def test_what_is_searched(given_book: CalibreBook, queries: list[str]) -> None:
    assert list(search_queries(without_unknown_authors(given_book, ('Unknown', 'Unbekannt')))) == queries


ODD_TITLES = [
    'x' * 10_000,
    'The ' * 2_500,
    '(' * 10_000,
    '()' * 5_000,
    '[a] ' * 2_500,
    ' ' * 10_000,
    ': ' * 5_000,
    ' - A Novel' * 1_000,
    '\ud800' * 10_000,
    '12:' * 3_000,
    '채식주의자 Вегетарианка ' * 500,
    '???',
    '',
]


@pytest.mark.parametrize('title', ODD_TITLES, ids=lambda title: repr(title[:10]))
def test_titles_of_ten_thousand_characters_and_odd_ones(title: str) -> None:
    queries = search_queries(book(title, 'y' * 10_000))
    assert all(len(query) <= 200 for query in queries)
    assert bool(queries) == any(map(str.isalnum, title))
    ranked = rank(book(title, 'y' * 10_000), [candidate(1, title), candidate(2, 'Emma', '')], CODES)
    assert {each.book_id for each in ranked} == {1, 2}


def test_a_long_title_leaves_room_for_its_author() -> None:
    (query,) = search_queries(book('word ' * 1_000, 'Jane Austen'))
    assert query.endswith('word Jane Austen')


@given(st.text(max_size=400), st.lists(st.text(max_size=60), max_size=3), st.text(max_size=20))
def test_a_query_of_anything_is_one_short_line(title: str, authors: list[str], series: str) -> None:
    for query in search_queries(CalibreBook(1, title, tuple(authors), {}, series)):
        assert 0 < len(query) <= 200
        assert query == ' '.join(query.split())
        query.encode()


@pytest.mark.parametrize(
    ('given_book', 'title', 'authors', 'found'),
    [
        (book('Riftwar 01: Magician', 'Raymond Feist'), 'Magician', ('Raymond E. Feist',), True),
        (book('Riftwar 01: Magician', 'Raymond Feist'), 'Magician', ('Owen King',), False),
        (book('Riftwar 01: Magician'), 'Riftwar 02: Silverthorn', (), False),
        (book('Dune: Deluxe Edition'), 'Dune', (), True),
        (book('Dune'), 'Dune Messiah', (), False),
        (book('Star Wars: Thrawn', series='Star Wars'), 'Thrawn', (), True),
        (book('Star Wars: Thrawn', series='Star Wars'), 'Star Wars', (), False),
    ],
)
def test_whether_a_candidate_has_the_title(
    given_book: CalibreBook, title: str, authors: tuple[str, ...], found: bool
) -> None:
    assert has_title(given_book, candidate(1, title, *authors)) is found


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


def in_doubt(book_id: int, title: str, likeness: Likeness = Likeness.DIFFERENT, merged_into: int = 0) -> Doubt:
    hit = HardcoverBook(book_id, f'slug-{book_id}', title, merged_into)
    return Doubt(hit, likeness, text('Same ISBN, other title'))


def test_hits_in_doubt_come_first_and_say_why() -> None:
    doubtful = [in_doubt(5, 'Cooking for Two'), in_doubt(6, 'Merged', Likeness.DOUBTFUL, 7)]
    ranked = rank(book('Emma', 'Jane Austen'), [candidate(1, 'Emma', 'Jane Austen')], CODES, doubtful)
    assert [each.book_id for each in ranked] == [7, 5, 1]
    assert ranked[0].slug == ''
    assert reasons(ranked[0]) == ['Same ISBN, other title']


def test_a_hit_in_doubt_is_shown_as_the_search_describes_it() -> None:
    found = candidate(5, 'Emma 2', 'Jane Austen', isbns=(CODE,), users_count=12, has_ebook=True)
    (first, second) = rank(
        book('Emma 1', 'Jane Austen'), [candidate(1, 'Emma 1'), found], CODES, [in_doubt(5, 'Emma 2')]
    )
    assert (first.book_id, first.users_count, second.book_id) == (5, 12, 1)
    assert reasons(first) == ['Same ISBN, other title', 'Same author', '12 readers', 'There is an ebook of it']


def test_forty_hits_in_doubt_leave_room_for_what_was_found() -> None:
    doubtful = [in_doubt(100 + number, f'Collected Works {number}') for number in range(40)]
    found = [candidate(1, 'Emma', 'Jane Austen'), *(candidate(number, 'Emma and I') for number in range(2, 9))]
    ranked = [each.book_id for each in rank(book('Emma', 'Jane Austen'), found, CODES, doubtful)]
    assert ranked[:6] == [100, 101, 102, 103, 104, 1]
    assert len(ranked) == 10
    assert [each.book_id for each in rank(book('Emma'), found[:1], CODES, doubtful)] == [*range(100, 109), 1]


def test_authors_that_contradict_put_the_same_title_behind_others() -> None:
    ranked = rank(
        book('Emma', 'Jane Austen'),
        [
            candidate(1, 'Emma', 'Alexander McCall Smith', users_count=90_000),
            candidate(2, 'Emma'),
            candidate(3, 'Cooking for Two'),
            candidate(4, 'Emma', 'Austen, Jane [Jane Austen]'),
        ],
        CODES,
    )
    assert [each.book_id for each in ranked] == [4, 2, 1, 3]
    assert reasons(ranked[2])[0] == 'Same title, other author'


def test_first_last_and_last_first_is_one_author() -> None:
    (found,) = rank(book('Emma', 'Jane Austen [Austen, Jane]'), [candidate(1, 'Emma', 'Jane Austen')], CODES)
    assert reasons(found) == ['Same title', 'Same author']
    (other,) = rank(book('It', 'Stephen King [King, Stephen]'), [candidate(1, 'It', 'Owen King')], CODES)
    assert 'Same title, other author' in reasons(other)


def test_an_audiobook_comes_behind_what_has_an_ebook() -> None:
    heard = candidate(1, 'Emma', 'Jane Austen', users_count=90_000, has_audiobook=True)
    ranked = rank(
        book('Emma', 'Jane Austen'),
        [heard, candidate(2, 'Emma', has_ebook=True), candidate(3, 'Emma and I', 'Jane Austen', has_ebook=True)],
        CODES,
    )
    assert [each.book_id for each in ranked] == [2, 1, 3]
    assert 'An audiobook, no ebook' in reasons(ranked[1])
    both = replace(heard, has_ebook=True)
    assert rank(book('Emma', 'Jane Austen'), [candidate(2, 'Emma', has_ebook=True), both], CODES)[0] == replace(
        both, reasons=rank(book('Emma', 'Jane Austen'), [both], CODES)[0].reasons
    )


def test_another_volume_comes_behind_a_longer_name_of_the_same_one() -> None:
    ranked = rank(
        book('Re:Zero, Vol. 1', 'Tappei Nagatsuki'),
        [
            candidate(1, 'Re:Zero, Vol. 2', 'Tappei Nagatsuki', users_count=9_000),
            candidate(2, 'Re:ZERO -Starting Life in Another World-, Vol. 1', 'Tappei Nagatsuki'),
        ],
        CODES,
    )
    assert [each.book_id for each in ranked] == [2, 1]
    assert 'Another volume' in reasons(ranked[1])


def test_the_series_that_hardcover_knows_is_no_part_of_the_title() -> None:
    ranked = rank(
        book('Star Wars: Thrawn', 'Timothy Zahn'),
        [
            candidate(1, 'Star Wars: Heir to the Empire', 'Timothy Zahn', series=('Star Wars',), users_count=9_000),
            candidate(2, 'Thrawn', 'Timothy Zahn', series=('Star Wars',)),
        ],
        CODES,
    )
    assert [each.book_id for each in ranked] == [2, 1]


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
