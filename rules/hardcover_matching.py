# SPDX-License-Identifier: GPL-3.0-or-later
"""Which book of Hardcover a book of Calibre is: what its identifiers say, which hit to believe, how candidates rank.

Pure: records in, decisions out. Asks nobody.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..base.text import Text, counted, text
from .hardcover_records import Candidate, Edition, HardcoverBook, Match
from .isbn import Codes
from .records import CalibreBook
from .titles import nothing_in_common, same_title, without_subtitle, words

ID_KEY, SLUG_KEY, EDITION_KEY = 'hardcover-id', 'hardcover-slug', 'hardcover-edition'
# Written by other plugins; read, never written.
OTHER_ID_KEY, OTHER_SLUG_KEY = 'hardcover-book', 'hardcover'
LARGEST_ID = 2**31 - 1
LONGEST_SLUG = 300
LONGEST_QUERY = 200
CANDIDATES_SHOWN = 10
# An ebook first, then print; an audiobook only where there is nothing else.
FORMAT_ORDER = {4: 0, 1: 1, 2: 3}
OTHER_FORMAT = 2
NAME_SUFFIXES = frozenset({'jr', 'sr', 'ii', 'iii', 'iv', 'phd', 'md', 'esq'})

SAME_TITLE = text('Same title')
SAME_MAIN_TITLE = text('Same title without the subtitle')
SIMILAR_TITLE = text('Similar title')
OTHER_TITLE = text('Another title')
SAME_AUTHOR = text('Same author')
SIMILAR_AUTHOR = text('Similar author')
HAS_CODE = text('Has the code {code}')
HAS_EBOOK = text('There is an ebook of it')
NAMED_BY = text('Named by an identifier of this book')


class Look(enum.Enum):
    """By what a book is looked up."""

    BOOK = 'book id'
    EDITION = 'edition id'
    SLUG = 'slug'


@dataclass(frozen=True, slots=True)
class Clue:
    """One way to look a book up by an identifier it has. An `unsure` one counts only where the titles are the same."""

    look: Look
    value: str
    key: str | Text
    unsure: bool = False


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
    if number_id(identifiers.get(OTHER_ID_KEY)):
        found.append(Clue(Look.BOOK, identifiers[OTHER_ID_KEY].strip(), OTHER_ID_KEY))
    if number_id(identifiers.get(EDITION_KEY)):
        found.append(Clue(Look.EDITION, identifiers[EDITION_KEY].strip(), EDITION_KEY))
    if slug := slug_of(identifiers.get(SLUG_KEY)):
        found.append(Clue(Look.SLUG, slug, SLUG_KEY))
    other = slug_of(identifiers.get(OTHER_SLUG_KEY))
    if other and number_id(other):
        # Three plugins mean three different things by a bare number.
        found += [Clue(look, other, OTHER_SLUG_KEY, unsure=True) for look in (Look.BOOK, Look.SLUG, Look.EDITION)]
    elif other:
        found.append(Clue(Look.SLUG, other, OTHER_SLUG_KEY))
    return found


def titles_agree(title: str, other: str, strictly: bool = False) -> bool:
    """Whether a hit's title may be that of the book; strictly: whether it is the same, but for a subtitle of one."""
    if not strictly:
        return not nothing_in_common(title, other)
    if same_title(title, other):
        return True
    one_is_plain = any(words(each) == words(main_title(each)) for each in (title, other))
    return one_is_plain and same_title(main_title(title), main_title(other))


def main_title(title: str) -> str:
    """The title without its subtitle and whatever stands in brackets, `Emma, The` the right way round."""
    plain = re.sub(r'^\s*[(\[][^()\[\]]*[)\]]\s*(?=\S)', '', title)
    before = None
    while plain != before:
        before, plain = plain, without_subtitle(plain)
    return re.sub(r'(?i)^(.+), (the|a|an|der|die|das|le|la|les|el|los|las)$', r'\2 \1', plain)


@dataclass(frozen=True, slots=True)
class Verified:
    """What the hits on a book's codes or identifiers say: the edition to take, or those that are in doubt."""

    edition: Edition | None = None
    doubtful: tuple[HardcoverBook, ...] = ()


def verify_editions(book: CalibreBook, codes: Codes, editions: Iterable[Edition]) -> Verified:
    """Which of the editions that share a code with the book to take.

    None where their titles contradict the book's, and where they belong to several books none of which is better.
    """
    hits = [edition for edition in editions if edition.codes & codes.all]
    pool = [edition for edition in hits if titles_agree(book.title, edition.book.title)]
    same = [edition for edition in pool if titles_agree(book.title, edition.book.title, strictly=True)]
    if same:
        return Verified(best_edition(same))
    if pool and len({edition.book.surviving_id for edition in pool}) == 1:
        return Verified(best_edition(pool))
    doubtful = {edition.book.book_id: edition.book for edition in sorted(pool or hits, key=edition_order)}
    return Verified(doubtful=tuple(doubtful.values()))


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


def plain_author(name: str) -> str:
    """`Le Guin, Ursula K.` as `Ursula K. Le Guin`."""
    parts = [part.strip() for part in name.split(',')]
    if len(parts) != 2 or not all(parts) or parts[1].casefold().rstrip('.') in NAME_SUFFIXES:
        return ' '.join(name.split())
    return f'{parts[1]} {parts[0]}'


def search_query(book: CalibreBook, unknown_authors: Collection[str] = ()) -> str:
    """What to search for: main title and first author; '' where there is nothing to go by."""
    title = main_title(book.title)
    if not words(title):
        return ''
    known = [name for name in book.authors if name.strip() and name not in unknown_authors]
    author = plain_author(known[0]) if known else ''
    return ' '.join(f'{title} {author}'.split())[:LONGEST_QUERY].strip()


def rank(
    book: CalibreBook, candidates: Sequence[Candidate], codes: Codes, doubtful: Sequence[HardcoverBook] = ()
) -> tuple[Candidate, ...]:
    """Up to ten candidates, the likeliest first, each with its reasons. Hits that were in doubt are among them."""
    named = {hit.surviving_id for hit in doubtful} | {hit.book_id for hit in doubtful}
    known = {candidate.book_id for candidate in candidates}
    missing = [
        Candidate(hit.surviving_id, '' if hit.canonical_id else hit.slug, hit.title)
        for hit in doubtful
        if hit.surviving_id not in known and hit.book_id not in known
    ]
    scored = []
    for place, candidate in enumerate([*candidates, *missing]):
        weighed = [*_weigh(book, candidate, codes), *_weigh_name(candidate.book_id in named)]
        reasons = tuple(reason for _weight, reason in sorted(weighed, key=lambda each: -each[0]))
        score = sum(weight for weight, _reason in weighed)
        scored.append((-score, place, replace(candidate, reasons=reasons)))
    return tuple(
        candidate for _score, _place, candidate in sorted(scored, key=lambda each: each[:2])[:CANDIDATES_SHOWN]
    )


def _weigh(book: CalibreBook, candidate: Candidate, codes: Codes) -> Iterable[tuple[float, Text]]:
    """What speaks for a candidate, and how much."""
    shared = sorted(codes.all.intersection(candidate.isbns))
    if shared:
        yield 8.0, HAS_CODE.with_values(code=shared[-1])
    yield _weigh_title(book.title, candidate)
    author = _weigh_author(book.authors, candidate.authors)
    if author is not None:
        yield author
    if candidate.users_count:
        readers = counted('{count} reader', '{count} readers', candidate.users_count)
        yield 0.3 * math.log10(candidate.users_count + 1), readers
    if candidate.has_ebook:
        yield 0.2, HAS_EBOOK


def _weigh_name(named: bool) -> Iterable[tuple[float, Text]]:
    if named:
        yield 3.0, NAMED_BY


def _weigh_title(title: str, candidate: Candidate) -> tuple[float, Text]:
    whole = f'{candidate.title}: {candidate.subtitle}' if candidate.subtitle else candidate.title
    if same_title(title, whole) or same_title(title, candidate.title):
        return 6.0, SAME_TITLE
    if titles_agree(title, candidate.title, strictly=True):
        return 5.0, SAME_MAIN_TITLE
    ours, theirs = set(words(main_title(title))), set(words(main_title(candidate.title)))
    share = len(ours & theirs) / max(1, len(ours | theirs))
    return (4.0 * share, SIMILAR_TITLE) if share else (0.0, OTHER_TITLE)


def _weigh_author(ours: Sequence[str], theirs: Sequence[str]) -> tuple[float, Text] | None:
    our_names = [frozenset(words(plain_author(name))) for name in ours]
    their_names = [frozenset(words(name)) for name in theirs]
    if set(our_names) & set(their_names):
        return 4.0, SAME_AUTHOR
    if any(one & other for one in our_names for other in their_names):
        return 2.0, SIMILAR_AUTHOR
    return None
