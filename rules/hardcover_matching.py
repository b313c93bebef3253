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
from .titles import Likeness, Title, author_names, authors_agree, best_likeness, title_words

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


def likeness(book: CalibreBook, *titles: str) -> Likeness:
    """What the titles that Hardcover has for a book say of it; the best one decides."""
    return best_likeness([title_of(book)], map(Title, titles))


def title_of(book: CalibreBook) -> Title:
    """The title of a book in Calibre, with its series."""
    return Title(book.title, (book.series,) if book.series else ())


def main_title(title: str) -> str:
    """The title without its subtitle and whatever stands in brackets, `Emma, The` the right way round."""
    plain = re.sub(r'^\s*[(\[][^()\[\]]*[)\]]\s*(?=\S)', '', title)
    before = None
    while plain != before:
        before, plain = plain, _without_subtitle(plain)
    return re.sub(r'(?i)^(.+), (the|a|an|der|die|das|le|la|les|el|los|las)$', r'\2 \1', plain)


def _without_subtitle(title: str) -> str:
    """The title up to a colon with a blank after it, without what stands in brackets at its end (mostly a series)."""
    plain = re.sub(r'\s*[(\[][^()\[\]]*[)\]]\s*$', '', title).strip()
    main = re.split(r':\s', plain, maxsplit=1)[0].strip()
    return main or plain or title.strip()


@dataclass(frozen=True, slots=True)
class Verified:
    """What the hits on a book's codes or identifiers say: the edition to take, or those that are in doubt."""

    edition: Edition | None = None
    doubtful: tuple[HardcoverBook, ...] = ()


def verify_editions(book: CalibreBook, codes: Codes, editions: Iterable[Edition]) -> Verified:
    """Which of the editions that share a code with the book to take: one with the same title, its own or its book's.

    People reuse ISBNs, and a volume may have that of another: without such an edition all of them are in doubt.
    """
    hits = [edition for edition in editions if edition.codes & codes.all]
    verdicts = [(likeness(book, edition.title, edition.book.title), edition) for edition in hits]
    same = [edition for verdict, edition in verdicts if verdict is Likeness.SAME]
    if same:
        return Verified(best_edition(same))
    in_order = sorted(verdicts, key=lambda pair: (-pair[0], *edition_order(pair[1])))
    return Verified(doubtful=tuple({edition.book.book_id: edition.book for _verdict, edition in in_order}.values()))


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
    if not title_words(title):
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
    yield _weigh_title(book, candidate)
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


def _weigh_title(book: CalibreBook, candidate: Candidate) -> tuple[float, Text]:
    whole = f'{candidate.title}: {candidate.subtitle}' if candidate.subtitle else candidate.title
    if likeness(book, whole, candidate.title) is Likeness.SAME:
        has_it_all = title_words(book.title) in (title_words(whole), title_words(candidate.title))
        return (6.0, SAME_TITLE) if has_it_all else (5.0, SAME_MAIN_TITLE)
    ours, theirs = title_words(main_title(book.title)), title_words(main_title(candidate.title))
    share = len(ours & theirs) / max(1, len(ours | theirs))
    return (4.0 * share, SIMILAR_TITLE) if share else (0.0, OTHER_TITLE)


def _weigh_author(ours: Sequence[str], theirs: Sequence[str]) -> tuple[float, Text] | None:
    if authors_agree(ours, theirs):
        return 4.0, SAME_AUTHOR
    our_names, their_names = (
        {name for author in authors for name in author_names(author)} for authors in (ours, theirs)
    )
    return (2.0, SIMILAR_AUTHOR) if any(len(name) > 1 for name in our_names & their_names) else None
