"""Which books of a BookLore server are Calibre's: what counts as the same book, and what contradicts itself."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from calibre_plugins.bookfusionbacksync.rules.booklore_matching import BookLoreBook, match_books, worth_asking
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import SourceMatch
from calibre_plugins.bookfusionbacksync.rules.isbn import codes_of, isbns_in, make_codes
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from calibre_plugins.bookfusionbacksync.rules.titles import Likeness, Title, best_likeness
from hypothesis import assume, given
from hypothesis import strategies as st
from standins.hardcover import isbn10, isbn13


def calibre_book(book_id: int, title: str = 'Dune', author: str = 'Frank Herbert', **identifiers: str) -> CalibreBook:
    return CalibreBook(book_id, title, (author,), identifiers)


def known(book_id: int, hardcover_id: int, slug: str = '', title: str = 'Dune', **codes: str) -> BookLoreBook:
    return BookLoreBook(
        book_id,
        title,
        ('Frank Herbert',),
        make_codes(isbns_in(codes.get('isbn')), {codes['asin']} if 'asin' in codes else ()),
        SourceMatch(hardcover_id, slug),
    )


def test_a_code_weighs_more_than_names() -> None:
    server_books = [known(1, 11), known(2, 22, isbn=isbn13(5)), known(3, 33, asin='B000000001')]
    ours = [
        calibre_book(1),
        calibre_book(2, isbn=isbn10(5)),
        calibre_book(3, mobi_asin='x', **{'mobi-asin': 'b000000001'}),
    ]
    assert match_books(ours[1:], server_books) == {2: SourceMatch(22), 3: SourceMatch(33)}
    # Three books of the same names that are different books on Hardcover: nobody can tell yet which one it is.
    assert match_books(ours[:1], server_books) == {1: SourceMatch(11, others=(SourceMatch(22), SourceMatch(33)))}


def test_an_isbn_that_was_used_for_another_book_is_no_hit() -> None:
    server_books = [known(1, 11, title='Gardening for Everybody', isbn=isbn13(5))]
    assert match_books([calibre_book(1, isbn=isbn13(5))], server_books) == {}
    assert match_books([calibre_book(1, isbn=isbn13(5))], [*server_books, known(2, 22)]) == {1: SourceMatch(22)}


@pytest.mark.parametrize(
    ('hits', 'found'),
    [
        ([(11, 'dune'), (11, 'dune')], SourceMatch(11, 'dune')),
        ([(11, 'dune'), (11, 'dune-1965')], SourceMatch(11, '')),
        ([(11, 'dune'), (0, 'dune')], SourceMatch(11, 'dune')),
        ([(11, ''), (0, 'dune')], SourceMatch(0, 'dune', others=(SourceMatch(11, ''),))),
        ([(0, 'dune'), (0, 'dune')], SourceMatch(0, 'dune')),
        ([(0, 'dune'), (0, 'dune-messiah')], SourceMatch(0, 'dune', others=(SourceMatch(0, 'dune-messiah'),))),
        ([(11, 'dune'), (12, 'dune')], SourceMatch(11, 'dune', others=(SourceMatch(12, 'dune'),))),
        ([(11, 'dune'), (0, '')], SourceMatch(11, 'dune')),
        ([(0, '')], None),
    ],
)
def test_several_hits(hits: list[tuple[int, str]], found: SourceMatch | None) -> None:
    server_books = [known(place, *hit, isbn=isbn13(5)) for place, hit in enumerate(hits, 1)]
    assert match_books([calibre_book(1, isbn=isbn13(5))], server_books).get(1) == found


@pytest.mark.parametrize(
    ('title', 'authors', 'matches'),
    [
        ('THE Left hand of darkness!', ('Ursula K. Le Guin',), True),
        ('The Left Hand of Darkness', ('Le Guin, Ursula K.',), True),
        ('The Left Hand of Darkness', ('Ursula Le Guin',), False),
        ('The Left Hand of Darkness', (), False),
        ('The Left Hand of Darkness', ('Unknown',), False),
        ('Left Hand of Darkness, The: Annotated', ('Ursula K. Le Guin',), True),
        ('The Left Hand of Darkness (Hainish Cycle #4)', ('Ursula K. Le Guin',), True),
        ('The Left Hand of Darkness 2', ('Ursula K. Le Guin',), False),
        ('The Left Hand of Darkness: The Graphic Novel', ('Ursula K. Le Guin',), False),
        ('The Left Hand of Darkness Annotated', ('Ursula K. Le Guin',), False),
        ('The Left Hand of Darkness', ('Ursula K. Le Guin', 'David Mitchell'), False),
        ('', ('Ursula K. Le Guin',), False),
    ],
)
def test_names_match_where_the_title_is_the_same_and_the_authors_are_exactly_the_same(
    title: str, authors: tuple[str, ...], matches: bool
) -> None:
    server_book = BookLoreBook(
        1, 'The Left Hand of Darkness', ('Ursula K. Le Guin',), hardcover=SourceMatch(5, 'left-hand')
    )
    assert (1 in match_books([CalibreBook(1, title, authors)], [server_book])) is matches


def test_the_series_in_calibre_is_no_part_of_a_title() -> None:
    server_book = BookLoreBook(1, 'Magician', ('Raymond E. Feist',), hardcover=SourceMatch(5))
    magician = CalibreBook(1, 'Riftwar 01: Magician', ('Raymond E. Feist',), series='Riftwar')
    assert 1 in match_books([magician], [server_book])
    assert match_books([replace(magician, series='')], [server_book]) == {}


def test_no_author_is_nobody_in_particular() -> None:
    server_book = BookLoreBook(1, 'Poems', ('Unknown',), hardcover=SourceMatch(5))
    assert match_books([CalibreBook(1, 'Poems', ('Unknown',))], [server_book]) == {}


def test_only_what_could_change_a_match_is_worth_asking() -> None:
    unknown_namesake, by_code = known(1, 0), known(2, 22, isbn=isbn13(5))
    assert worth_asking([calibre_book(1, isbn=isbn13(5))], [unknown_namesake, by_code]) == []
    assert worth_asking([calibre_book(1)], [unknown_namesake]) == [1]
    assert worth_asking([calibre_book(1, title='Emma')], [unknown_namesake]) == []


@given(st.integers(0, 10**9 - 1))
def test_either_form_of_an_isbn_finds_the_other(number: int) -> None:
    assume(isbn13(number) in isbns_in(isbn13(number)))
    assume(isbn10(number) in isbns_in(isbn10(number)))
    for ours, theirs in ((isbn13(number), isbn10(number)), (isbn10(number), isbn13(number))):
        assert match_books([calibre_book(1, isbn=ours)], [known(1, 9, isbn=theirs)]) == {1: SourceMatch(9)}


SERVER_BOOKS = st.builds(
    BookLoreBook,
    book_id=st.integers(1, 30),
    title=st.sampled_from(['Dune', 'Dune Messiah', 'Emma', '']),
    authors=st.sampled_from([('Frank Herbert',), ('Jane Austen',), ()]),
    codes=st.sets(st.integers(1, 4).map(isbn13), max_size=2).map(make_codes),
    hardcover=st.builds(SourceMatch, st.integers(0, 3), st.sampled_from(['', 'dune', 'emma'])),
)


OUR_BOOKS = st.builds(
    CalibreBook,
    book_id=st.integers(1, 5),
    title=st.sampled_from(['Dune', 'DUNE!', 'Emma', 'Other', '']),
    authors=st.sampled_from([('Herbert, Frank',), ('Jane Austen',), ()]),
    identifiers=st.sampled_from([{}, {'isbn': isbn13(1)}, {'isbn': isbn10(2)}, {'isbn': isbn13(3)}]),
)


@given(
    OUR_BOOKS,
    st.lists(SERVER_BOOKS, max_size=8, unique_by=lambda book: book.book_id),
    st.randoms(use_true_random=False),
)
def test_a_match_is_all_that_the_server_says(
    book: CalibreBook, server_books: list[BookLoreBook], chance: random.Random
) -> None:
    found = match_books([book], server_books).get(book.book_id)
    chance.shuffle(server_books)
    assert match_books([book], server_books).get(book.book_id) == found
    if found is None:
        return
    by_code = [
        other.hardcover
        for other in server_books
        if other.is_known
        and other.codes.all & codes_of(book).all
        and best_likeness([Title(other.title)], [Title(book.title)]) is not Likeness.DIFFERENT
    ]
    if by_code:
        said = (found, *found.others)
        assert {hit.book_id for hit in by_code} <= {0, *(match.book_id for match in said)}
        assert {match.slug for match in said} <= {'', *(hit.slug for hit in by_code)}
    else:
        assert book.authors
        assert any(found.book_id in (0, other.hardcover.book_id) for other in server_books if other.authors)
