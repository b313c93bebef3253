# SPDX-License-Identifier: GPL-3.0-or-later
"""Which book of Hardcover a book of Calibre is: what its identifiers say, and which of the hits on them to store.

Pure: records in, decisions out. Asks nobody.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..base.text import Text, text
from .hardcover_records import Edition, HardcoverBook, Match, SourceMatch
from .isbn import Codes
from .records import CalibreBook
from .titles import Likeness, Title, best_likeness, compare, has_title, is_other_volume

ID_KEY, SLUG_KEY, EDITION_KEY = 'hardcover-id', 'hardcover-slug', 'hardcover-edition'
# Written by other plugins; read, never written.
OTHER_ID_KEY, OTHER_SLUG_KEY = 'hardcover-book', 'hardcover'
LARGEST_ID = 2**31 - 1
LONGEST_SLUG = 300
# An ebook first, then print; an audiobook only where there is nothing else.
FORMAT_ORDER = {4: 0, 1: 1, 2: 3}
OTHER_FORMAT = 2

BY_KEY = text('by {key}')
FROM_BOOKLORE = text('from BookLore')

# Why a hit is in doubt: what led to it, and what contradicts.
IN_DOUBT = text('{led}, {contradiction}')
SAME_ISBN = text('Same ISBN')
SAME_ASIN = text('Same ASIN')
NAMED_BY = text('Named by an identifier')
BOOKLORE_SAYS = text('From BookLore')
OTHER_VOLUME = text('other volume')
OTHER_TITLE = text('other title')
NO_TITLE = text('no title to compare')
ONE_OF_SEVERAL = text('one of several with this title')
MERGER_NOT_FOUND = text('merged into a book that was not found')


class Look(enum.Enum):
    """By what a book is looked up."""

    BOOK = 'book id'
    EDITION = 'edition id'
    SLUG = 'slug'


@dataclass(frozen=True, slots=True)
class Clue:
    """One way to look a book up: by the identifier under `key`, or, where that is empty, by what BookLore says.

    `rivals` are further values where BookLore has several for the one book.
    """

    look: Look
    value: str
    key: str = ''
    rivals: tuple[str, ...] = ()

    @property
    def values(self) -> tuple[str, ...]:
        return (self.value, *self.rivals)

    @property
    def how(self) -> Text:
        """How a match by it was found, for the log."""
        return BY_KEY.with_values(key=self.key) if self.key else FROM_BOOKLORE

    @property
    def led(self) -> Text:
        """The same for the picker."""
        return NAMED_BY if self.key else BOOKLORE_SAYS


def number_id(value: str | None) -> int:
    """The id that an identifier holds, 0 where it holds something else."""
    plain = (value or '').strip()
    if not re.fullmatch(r'\d{1,10}', plain, re.ASCII):
        return 0
    return int(plain) if int(plain) <= LARGEST_ID else 0


def slug_of(value: str | None) -> str:
    """The slug that an identifier holds, alone or at the end of an address."""
    plain = (value or '').strip().rstrip('/').rsplit('/', 1)[-1]
    return plain if re.fullmatch(r'[^\s?#]+', plain) and len(plain) <= LONGEST_SLUG else ''


def stored_id(identifiers: Mapping[str, str]) -> int:
    """The book id that a push uses: a numeric one, written by this plugin or by another."""
    return number_id(identifiers.get(ID_KEY)) or number_id(identifiers.get(OTHER_ID_KEY))


def stored_slug(identifiers: Mapping[str, str]) -> str:
    """The slug among the identifiers; a bare number under `hardcover` is not taken for one."""
    other = slug_of(identifiers.get(OTHER_SLUG_KEY))
    return slug_of(identifiers.get(SLUG_KEY)) or ('' if other.isdecimal() else other)


def clues(identifiers: Mapping[str, str]) -> list[Clue]:
    """The ways to look a book up by its identifiers, the most trustworthy first."""
    found = []
    if book_id := number_id(identifiers.get(OTHER_ID_KEY)):
        found.append(Clue(Look.BOOK, str(book_id), OTHER_ID_KEY))
    if edition_id := number_id(identifiers.get(EDITION_KEY)):
        found.append(Clue(Look.EDITION, str(edition_id), EDITION_KEY))
    if slug := slug_of(identifiers.get(SLUG_KEY)):
        found.append(Clue(Look.SLUG, slug, SLUG_KEY))
    other = slug_of(identifiers.get(OTHER_SLUG_KEY))
    if number := number_id(other):
        # Three plugins mean three different things by a bare number.
        by_look = ((Look.BOOK, str(number)), (Look.SLUG, other), (Look.EDITION, str(number)))
        found += [Clue(look, value, OTHER_SLUG_KEY) for look, value in by_look]
    elif other:
        found.append(Clue(Look.SLUG, other, OTHER_SLUG_KEY))
    return found


def source_clues(source: SourceMatch) -> list[Clue]:
    """The ways to look a book up by what BookLore says of it: its ids, then its slugs."""
    said = (source, *source.others)
    ids = dict.fromkeys(str(match.book_id) for match in said if match.book_id)
    # Where it has several ids for the one book, a slug would only pick one of them by chance.
    slugs = dict.fromkeys(match.slug for match in said if match.slug and len(ids) < 2)
    by_look = ((Look.BOOK, tuple(ids)), (Look.SLUG, tuple(slugs)))
    return [Clue(look, values[0], rivals=values[1:]) for look, values in by_look if values]


def likeness(book: CalibreBook, *titles: str) -> Likeness:
    """What the titles that Hardcover has for a book say of it; the best one decides."""
    return best_likeness([title_of(book)], map(Title, titles))


def title_of(book: CalibreBook, series: Sequence[str] = ()) -> Title:
    """The title of a book in Calibre, with its series there and those that the other side knows."""
    return Title(book.title, (*((book.series,) if book.series else ()), *series))


@dataclass(frozen=True, slots=True)
class Hit:
    """A book that Hardcover has under an id, a slug or a code; `edition_title` where that named an edition."""

    hardcover: HardcoverBook
    edition_title: str = ''

    @property
    def titles(self) -> tuple[Title, ...]:
        """Those that speak for it."""
        return tuple(Title(title) for title in (self.edition_title, self.hardcover.title) if has_title(title))


@dataclass(frozen=True, slots=True)
class Doubt:
    """A book of Hardcover that something leads to, but that is not stored unasked.

    `likeness` is what the titles say, `why` says in words what led there and what contradicts.
    """

    hardcover: HardcoverBook
    likeness: Likeness
    why: Text


@dataclass(frozen=True, slots=True)
class Verified:
    """What the hits of one kind say of a book: the one to store, or those in doubt.

    `edition_id` is 0 unless a code named the edition; `led` says in words what led to the one to store.
    """

    hardcover: HardcoverBook | None = None
    edition_id: int = 0
    led: Text = SAME_ISBN
    doubtful: tuple[Doubt, ...] = ()


def verdict_of(book: CalibreBook, hit: Hit) -> Likeness:
    """What the titles say of a hit, the edition's or the book's; the better one decides.

    But an edition that was put to another volume of the series leads to that volume, whatever its own title.
    """
    if is_other_volume(title_of(book), Title(hit.hardcover.title)):
        return Likeness.DIFFERENT
    return best_likeness([title_of(book)], hit.titles)


def doubt(book: CalibreBook, hit: Hit, led: Text, contradiction: Text | None = None) -> Doubt:
    """Why a hit is not stored unasked; `contradiction` where it is not the titles that contradict."""
    contradiction = contradiction or contradiction_of(title_of(book), hit.titles)
    why = IN_DOUBT.with_values(led=led, contradiction=contradiction)
    return Doubt(hit.hardcover, verdict_of(book, hit), why)


def contradiction_of(title: Title, others: Sequence[Title]) -> Text:
    """In words why titles are not the same."""
    if not others or not has_title(title.text):
        return NO_TITLE
    return OTHER_VOLUME if any(is_other_volume(title, other) for other in others) else OTHER_TITLE


def verify_editions(book: CalibreBook, codes: Codes, editions: Iterable[Edition]) -> Verified:
    """Which of the editions that share a code with the book to store: one with the same title, its own or its book's.

    People reuse ISBNs, and a volume may have that of another: without such an edition the books of all are in doubt.
    """
    hits = [edition for edition in editions if edition.codes & codes.all]
    found = [(verdict_of(book, Hit(edition.book, edition.title)), edition) for edition in hits]
    same = [edition for verdict, edition in found if verdict is Likeness.SAME]
    if same:
        best = best_edition(same)
        return Verified(best.book, best.canonical_id or best.edition_id, _led_by(best, codes))
    in_order = sorted(found, key=lambda pair: (-pair[0], *edition_order(pair[1])))
    doubts: dict[int, Doubt] = {}
    for _verdict, edition in in_order:
        hit = Hit(edition.book, edition.title)
        doubts.setdefault(edition.book.surviving_id, doubt(book, hit, _led_by(edition, codes)))
    return Verified(doubtful=tuple(doubts.values()))


def _led_by(edition: Edition, codes: Codes) -> Text:
    return SAME_ISBN if edition.codes & (codes.isbn13 | codes.isbn10) else SAME_ASIN


def verify_clue(book: CalibreBook, clue: Clue, hits: Sequence[Hit]) -> Verified:
    """Which of the hits on a clue to store: the one with the same title, where there is exactly one."""
    same = [hit for hit in hits if verdict_of(book, hit) is Likeness.SAME]
    if len({hit.hardcover.surviving_id for hit in same}) == 1:
        # One that was not merged needs no further look.
        return Verified(min(same, key=lambda hit: hit.hardcover.canonical_id).hardcover, led=clue.led)
    # Of several with the same title none is more likely than the others.
    doubts = (doubt(book, hit, clue.led, ONE_OF_SEVERAL if same else None) for hit in same or hits)
    return Verified(doubtful=tuple(doubts))


def verify_merger(match: Match, survivor: HardcoverBook, led: Text) -> Verified:
    """Whether to store what a matched book was merged into in the end: only where its title is the same, too.

    A survivor that is still said to be merged could not be looked up, or leads round in circles.
    """
    book, merged = match.book, match.hardcover
    if survivor.canonical_id:
        hit = Hit(HardcoverBook(survivor.surviving_id, '', merged.title))
        return Verified(doubtful=(doubt(book, hit, led, MERGER_NOT_FOUND),))
    if survives(book, merged, survivor, edition_agrees=True):
        return Verified(survivor, match.edition_id, led)
    return Verified(doubtful=(doubt(book, Hit(survivor), led),))


def survives(book: CalibreBook, merged: HardcoverBook, survivor: HardcoverBook, edition_agrees: bool = False) -> bool:
    """Whether what a book on Hardcover was merged into is still this book: it has the same title.

    `edition_agrees`: an edition has its title, a translation perhaps; then a survivor with the title that the merged
    book had will do.
    """
    if survivor.canonical_id:
        return False
    if verdict_of(book, Hit(survivor)) is Likeness.SAME:
        return True
    by_edition = edition_agrees and verdict_of(book, Hit(merged)) is not Likeness.SAME
    return by_edition and compare(Title(merged.title), Title(survivor.title)) is Likeness.SAME


def best_edition(editions: Iterable[Edition]) -> Edition:
    return min(editions, key=edition_order)


def edition_order(edition: Edition) -> tuple[int, int, int]:
    """Sorts ebook, print, anything else, audio; then the one with most readers; then the oldest."""
    return FORMAT_ORDER.get(edition.reading_format, OTHER_FORMAT), -edition.users_count, edition.edition_id


def to_store(match: Match) -> dict[str, str]:
    """The identifiers that a match adds to its book. What is there already stays, whoever wrote it."""
    wanted = {ID_KEY: str(match.hardcover.book_id)}
    if match.hardcover.slug:
        wanted[SLUG_KEY] = match.hardcover.slug
    if match.edition_id:
        wanted[EDITION_KEY] = str(match.edition_id)
    return {key: value for key, value in wanted.items() if key not in match.book.identifiers}
