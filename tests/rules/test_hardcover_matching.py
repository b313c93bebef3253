"""Which book of Hardcover a book of Calibre is: identifiers, editions, queries and ranks, without any service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.rules.hardcover_matching import (
    NAMED_BY,
    SAME_ISBN,
    Clue,
    Hit,
    Look,
    Verified,
    best_edition,
    clues,
    number_id,
    slug_of,
    source_clues,
    stored_id,
    stored_slug,
    to_store,
    verify_clue,
    verify_editions,
    verify_merger,
)
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import Edition, HardcoverBook, Match, SourceMatch
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


def whys(verified: Verified) -> list[str]:
    return [str(doubt.why) for doubt in verified.doubtful]


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
    assert (verified.hardcover, verified.edition_id) == (hits[1].book, 2)


def test_a_title_with_nothing_in_common_is_only_a_candidate() -> None:
    verified = verify_editions(book('Emma'), CODES, [edition(1, 12, 'Cooking for Two')])
    assert verified.hardcover is None
    assert [doubt.hardcover.book_id for doubt in verified.doubtful] == [12]


def test_a_title_that_says_nothing_is_only_a_candidate() -> None:
    assert verify_editions(book('Emma'), CODES, [edition(1, 12, '')]).hardcover is None
    assert verify_editions(book(''), CODES, [edition(1, 12, 'Emma')]).hardcover is None


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
    assert verified.hardcover is None
    assert [doubt.hardcover.book_id for doubt in verified.doubtful] == [12]


def test_the_title_of_a_translation_is_enough() -> None:
    original, translated = (
        edition(1, 12, "L'Étranger"),
        replace(edition(2, 12, "L'Étranger"), title='Der Fremde: Roman'),
    )
    assert verify_editions(book('Der Fremde'), CODES, [original]).hardcover is None
    assert verify_editions(book('Der Fremde'), CODES, [original, translated]).edition_id == 2


def test_an_edition_that_was_put_to_another_volume_leads_to_that_volume() -> None:
    hit = replace(edition(1, 12, 'Overlord, Vol. 1'), title='Overlord, Vol. 9')
    verified = verify_editions(book('Overlord, Vol. 9'), CODES, [hit])
    assert verified.hardcover is None
    assert whys(verified) == ['Same ISBN, other volume']


def test_what_may_be_the_book_comes_before_what_is_not() -> None:
    hits = [edition(1, 12, 'Cooking for Two', users_count=900), edition(2, 13, 'Emma and the Vampires')]
    assert [doubt.hardcover.book_id for doubt in verify_editions(book('Emma'), CODES, hits).doubtful] == [13, 12]


def test_the_series_before_a_colon_is_no_title() -> None:
    thrawn = CalibreBook(1, 'Star Wars: Thrawn', series='Star Wars')
    hits = [edition(1, 12, 'Star Wars'), edition(2, 13, 'Star Wars: Heir to the Empire')]
    assert verify_editions(thrawn, CODES, hits).hardcover is None
    assert verify_editions(thrawn, CODES, [*hits, edition(3, 14, 'Thrawn')]).edition_id == 3


def test_two_books_with_a_likely_title_are_a_choice() -> None:
    hits = [edition(1, 12, 'Emma and the Vampires'), edition(2, 13, 'Emma: a Biography of Lady Hamilton')]
    verified = verify_editions(book('The Story of Emma'), CODES, hits)
    assert verified.hardcover is None
    assert {doubt.hardcover.book_id for doubt in verified.doubtful} == {12, 13}


def test_of_two_books_the_one_with_the_same_title() -> None:
    hits = [edition(1, 12, 'Emma and the Vampires', users_count=10**5), edition(2, 13, 'EMMA: Annotated')]
    assert verify_editions(book('Emma'), CODES, hits).edition_id == 2


def test_books_that_were_merged_are_one() -> None:
    hits = [edition(1, 12, 'Emma the First', merged_into=13), edition(2, 13, 'Emma the First')]
    assert verify_editions(book('Emma the First'), CODES, hits).hardcover is not None


def test_an_edition_of_another_book_of_the_batch_is_no_hit() -> None:
    assert verify_editions(book(), make_codes([isbn13(99)]), [edition(1)]) == Verified()
    assert verify_editions(book(), Codes(), [edition(1)]) == Verified()


def test_a_hit_by_the_other_form_of_the_isbn_counts() -> None:
    hit = Edition(1, HardcoverBook(11, 'emma', 'Emma'), frozenset({isbn10(11)}))
    assert verify_editions(book(), make_codes([CODE]), [hit]).hardcover is hit.book


@pytest.mark.parametrize(
    ('title', 'other', 'why'),
    [
        ('Defiance of the Fall 17', 'Defiance of the Fall 7', 'Same ISBN, other volume'),
        ('Overlord, Vol. 9', 'Overlord (Vol. 1)', 'Same ISBN, other volume'),
        ('Foundation', 'Foundation and Empire', 'Same ISBN, other title'),
        ('Emma', 'Cooking for Two', 'Same ISBN, other title'),
        ('Emma', '', 'Same ISBN, no title to compare'),
        ('', 'Emma', 'Same ISBN, no title to compare'),
    ],
)
def test_what_is_in_doubt_says_why(title: str, other: str, why: str) -> None:
    assert whys(verify_editions(book(title), CODES, [edition(1, 12, other)])) == [why]


def test_an_asin_is_called_one() -> None:
    hit = Edition(1, HardcoverBook(11, 'emma', 'Persuasion'), frozenset({'B00ABCDEFG'}))
    assert whys(verify_editions(book('Emma'), make_codes([], ['B00ABCDEFG']), [hit])) == ['Same ASIN, other title']


def test_an_isbn_on_forty_editions_leads_to_the_book_with_the_same_title_or_to_none() -> None:
    hits = [edition(number, 100 + number, f'Collected Works {number}') for number in range(1, 41)]
    verified = verify_editions(book('Collected Works 33'), CODES, hits)
    assert verified.hardcover is hits[32].book
    undecided = verify_editions(book('Emma'), CODES, hits)
    assert (undecided.hardcover, len(undecided.doubtful)) == (None, 40)


# Identifiers and BookLore: what they lead to.

BY_ID = Clue(Look.BOOK, '12', 'hardcover-book')


def hit(book_id: int, title: str, edition_title: str = '', merged_into: int = 0) -> Hit:
    return Hit(HardcoverBook(book_id, f'slug-{book_id}', title, merged_into), edition_title)


@pytest.mark.parametrize(('title', 'other'), PUBLIC_REPORTS)
def test_an_identifier_that_leads_to_another_volume_is_only_a_candidate(title: str, other: str) -> None:
    verified = verify_clue(book(title), BY_ID, [hit(12, other)])
    assert verified.hardcover is None
    assert whys(verified)[0].startswith('Named by an identifier, other ')


def test_an_identifier_with_the_same_title_is_enough() -> None:
    assert verify_clue(book('Emma'), BY_ID, [hit(12, 'Emma')]).hardcover == hit(12, 'Emma').hardcover
    assert verify_clue(book('Der Fremde'), BY_ID, [hit(12, "L'Étranger", 'Der Fremde')]).hardcover is not None
    assert verify_clue(book('Emma'), BY_ID, []) == Verified()


def test_booklore_is_a_clue_by_id_and_by_slug() -> None:
    assert source_clues(SourceMatch(11, 'emma')) == [Clue(Look.BOOK, '11'), Clue(Look.SLUG, 'emma')]
    assert source_clues(SourceMatch(slug='emma')) == [Clue(Look.SLUG, 'emma')]
    assert source_clues(SourceMatch()) == []
    clue = source_clues(SourceMatch(11))[0]
    assert (str(clue.how), whys(verify_clue(book('Emma'), clue, [hit(11, 'Dune')]))) == (
        'from BookLore',
        ['From BookLore, other title'],
    )


def test_booklore_with_one_book_under_two_ids_is_believed_where_one_has_the_title() -> None:
    twice = SourceMatch(11, 'emma', others=(SourceMatch(12, 'emma'),))
    assert source_clues(twice) == [Clue(Look.BOOK, '11', rivals=('12',))]
    (clue,) = source_clues(twice)
    assert verify_clue(book('Emma'), clue, [hit(11, 'Dune'), hit(12, 'Emma')]).hardcover == hit(12, 'Emma').hardcover
    both = verify_clue(book('Emma'), clue, [hit(11, 'Emma'), hit(12, 'EMMA')])
    assert both.hardcover is None
    assert whys(both) == ['From BookLore, one of several with this title'] * 2
    merged = verify_clue(book('Emma'), clue, [hit(11, 'Emma', merged_into=12), hit(12, 'Emma')])
    assert merged.hardcover == hit(12, 'Emma').hardcover


# Mergers.


def merged(title: str, merged_title: str = 'Emma') -> Match:
    return Match(book(title), HardcoverBook(12, 'emma', merged_title, 13), HOW, 21)


def test_what_a_book_was_merged_into_is_stored_where_its_title_is_the_same_too() -> None:
    verified = verify_merger(merged('Emma'), HardcoverBook(13, 'emma-13', 'Emma: A Novel'), SAME_ISBN)
    assert (verified.hardcover, verified.edition_id) == (HardcoverBook(13, 'emma-13', 'Emma: A Novel'), 21)
    other = verify_merger(merged('Emma'), HardcoverBook(13, 'emma-13', 'Emma and Persuasion'), SAME_ISBN)
    assert other.hardcover is None
    assert [doubt.hardcover.book_id for doubt in other.doubtful] == [13]
    assert whys(other) == ['Same ISBN, other title']
    nameless = verify_merger(merged('Emma'), HardcoverBook(13, 'emma-13', ''), NAMED_BY)
    assert whys(nameless) == ['Named by an identifier, no title to compare']


def test_a_translation_stays_what_it_is_where_its_book_was_merged_under_the_same_title() -> None:
    translation = merged('Der Fremde', "L'Étranger")
    assert verify_merger(translation, HardcoverBook(13, 'x', "L'étranger"), SAME_ISBN).hardcover is not None
    assert verify_merger(translation, HardcoverBook(13, 'x', 'The Plague'), SAME_ISBN).hardcover is None


def test_a_merger_that_cannot_be_followed_is_in_doubt() -> None:
    verified = verify_merger(merged('Emma'), HardcoverBook(12, 'emma', 'Emma', 13), SAME_ISBN)
    assert verified.hardcover is None
    assert verified.doubtful[0].hardcover == HardcoverBook(13, '', 'Emma')
    assert whys(verified) == ['Same ISBN, merged into a book that was not found']


def test_codes_of_all_kinds_are_taken_from_identifiers() -> None:
    spaced = f'{CODE[:3]}-{CODE[3:]}'
    codes = codes_of(book(isbn=f'{spaced}, {isbn10(12)}, 9780000000000', mobi_asin='b00abcdefg'))
    assert {isbn13(11), isbn10(11), isbn13(12), isbn10(12), 'B00ABCDEFG'} == codes.all
