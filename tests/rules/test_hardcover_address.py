"""What counts as the address or the id of a book on Hardcover, and what as words to search for."""

from __future__ import annotations

import pytest
from calibre_plugins.bookfusionbacksync.rules.hardcover_address import (
    NamedBook,
    book_at,
    book_named,
    is_address,
    search_page,
    words_for,
)
from calibre_plugins.bookfusionbacksync.rules.hardcover_matching import Look
from calibre_plugins.bookfusionbacksync.rules.hardcover_search import LONGEST_QUERY
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ('address', 'slug'),
    [
        ('https://hardcover.app/books/emma', 'emma'),
        ('http://hardcover.app/books/emma', 'emma'),
        ('https://www.hardcover.app/books/emma/', 'emma'),
        ('  https://hardcover.app/books/emma  ', 'emma'),
        ('HTTPS://Hardcover.App/books/emma', 'emma'),
        ('hardcover.app/books/emma', 'emma'),
        ('www.hardcover.app/books/emma?referrer=me', 'emma'),
        ('https://hardcover.app/books/emma/editions/30404', 'emma'),
        ('https://hardcover.app/books/emma/reviews?order=top#first', 'emma'),
        ('https://hardcover.app:443//books//emma', 'emma'),
        ('https://hardcover.app/books/1984', '1984'),
        ('https://hardcover.app/books/%D7%99%D7%93-%D7%A9', 'יד-ש'),
        ('https://hardcover.app/books/the-left-hand-of-darkness-b1c4', 'the-left-hand-of-darkness-b1c4'),
    ],
)
def test_the_page_of_a_book(address: str, slug: str) -> None:
    assert book_named(address) == NamedBook(Look.SLUG, slug)
    assert is_address(address)


@pytest.mark.parametrize(
    ('words', 'book_id'),
    [
        ('427578', '427578'),
        (' 11 ', '11'),
        ('0011', '11'),
        ('https://hardcover.app/id/book/427578', '427578'),
        ('hardcover.app/id/book/427578/', '427578'),
        ('https://www.hardcover.app/id/book/11?x=1', '11'),
    ],
)
def test_an_id(words: str, book_id: str) -> None:
    assert book_named(words) == NamedBook(Look.BOOK, book_id)


@pytest.mark.parametrize(
    'address',
    [
        'https://hardcover.app',
        'hardcover.app',
        'https://hardcover.app/books',
        'https://hardcover.app/books/',
        'https://hardcover.app/books/a%20b',
        'https://hardcover.app/books/a%2Fb',
        'https://hardcover.app/books/' + 'x' * 301,
        'https://hardcover.app/authors/jane-austen',
        'https://hardcover.app/id/book/emma',
        'https://hardcover.app/id/book/0',
        'https://hardcover.app/id/book/99999999999',
        'https://hardcover.app/id/edition/30404',
        'https://hardcover.app.example.org/books/emma',
        'https://hardcover.app@example.org/books/emma',
        'https://example.org/hardcover.app/books/emma',
        'https://www.goodreads.com/book/show/6969.Emma',
        'https://[hardcover.app/books/emma',
    ],
)
def test_addresses_of_other_pages_are_no_books(address: str) -> None:
    assert is_address(address)
    assert book_named(address) is None


@pytest.mark.parametrize(
    'words',
    [
        '',
        'Emma',
        'emma-b1c4',
        'Emma Jane Austen',
        '10:04',
        '11 12',
        '-1',
        '²',
        '99999999999',
        'ftp://hardcover.app',
        '/',
    ],
)
def test_words_to_search_for(words: str) -> None:
    assert not is_address(words)
    assert book_named(words) is None


@given(st.text(max_size=300))
def test_any_text_is_taken_without_an_error(words: str) -> None:
    for address in (words, f'https://hardcover.app/{words}', f'hardcover.app/books/{words}', f'https://{words}'):
        named = book_at(address)
        assert named is None or named.value
        assert search_page(address).startswith('https://hardcover.app/search?q=')
        assert search_page(address).isascii()


def test_links_lead_back() -> None:
    for named in (NamedBook(Look.BOOK, '11'), NamedBook(Look.SLUG, 'emma'), NamedBook(Look.SLUG, 'יד?%')):
        assert named.link.isascii()
    assert book_at(NamedBook(Look.BOOK, '11').link) == NamedBook(Look.BOOK, '11')
    assert book_at(NamedBook(Look.SLUG, 'יד').link) == NamedBook(Look.SLUG, 'יד')


@pytest.mark.parametrize(
    ('title', 'authors', 'words'),
    [
        ('Emma', ('Jane Austen',), 'Emma Jane Austen'),
        ('Emma', ('Austen, Jane', 'Somebody Else'), 'Emma Jane Austen'),
        ('Emma', (), 'Emma'),
        ('Emma', ('Unknown',), 'Emma'),
        ('Emma', ('Unknown', 'Jane Austen'), 'Emma Jane Austen'),
        ('  Dune:\tDeluxe\nEdition ', ('Frank Herbert',), 'Dune: Deluxe Edition Frank Herbert'),
        ('', (), ''),
        ('x' * 10_000, ('Jane Austen',), 'x' * LONGEST_QUERY),
    ],
)
def test_what_a_search_by_hand_starts_with(title: str, authors: tuple[str, ...], words: str) -> None:
    assert words_for(CalibreBook(1, title, authors), ('Unknown',)) == words
