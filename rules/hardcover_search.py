# SPDX-License-Identifier: GPL-3.0-or-later
"""Searching on Hardcover: the words to search for, and how the candidates rank that a search brings.

Pure: records in, words and ranks out. Asks nobody, and stores nothing: a candidate is chosen by a person.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from ..base.text import Text, counted, text
from .hardcover_matching import Doubt, title_of
from .hardcover_records import Candidate
from .isbn import Codes
from .records import CalibreBook
from .title_words import fold, tokens_of
from .titles import (
    Likeness,
    Title,
    author_names,
    authors_agree,
    best_likeness,
    compare,
    is_other_volume,
    same_book,
    title_words,
    without_description,
)

LONGEST_QUERY = 200
# Of a query; the title gets the rest.
LONGEST_AUTHOR = 60
LONGEST_TITLE = 500
CANDIDATES_SHOWN = 10
# So many of them may be books that something leads to: forty editions with one ISBN must leave room for others.
DOUBTFUL_SHOWN = 5
NAME_SUFFIXES = frozenset({'jr', 'sr', 'ii', 'iii', 'iv', 'phd', 'md', 'esq'})

SAME_TITLE = text('Same title')
SAME_MAIN_TITLE = text('Same title without the subtitle')
SAME_TITLE_OTHER_AUTHOR = text('Same title, other author')
SIMILAR_TITLE = text('Similar title')
OTHER_VOLUME = text('Another volume')
OTHER_TITLE = text('Another title')
SAME_AUTHOR = text('Same author')
SIMILAR_AUTHOR = text('Similar author')
HAS_CODE = text('Has the code {code}')
HAS_EBOOK = text('There is an ebook of it')
NO_EBOOK = text('An audiobook, no ebook')


def plain_title(title: str) -> str:
    """A title as one would type it: without ` - A Novel` and what stands in brackets, `Emma, The` the right way round.

    Brackets that hold no more than the volume's number are taken off, not what is in them.
    """
    readable = ''.join(character for character in title[:LONGEST_TITLE] if not '\ud800' <= character <= '\udfff')
    whole = ' '.join(readable.split())
    plain, before = re.sub(r'^[(\[][^()\[\]]*[)\]]\s*(?=\S)', '', whole), ''
    while plain != before:
        before, plain = plain, _without_brackets(without_description(plain).strip() or plain)
    return re.sub(r'(?i)^(.+), (the|a|an|der|die|das|le|la|les|el|los|las)$', r'\2 \1', plain)


def _without_brackets(title: str) -> str:
    """A title without what stands in brackets at its end, mostly its series."""
    end = re.search(r'\s?[(\[]([^()\[\]]*)[)\]]$', title)
    if end is None or not end.start():
        return title
    tokens = tokens_of(fold(end[1]))
    is_volume = bool(tokens) and all(token.is_number for token in tokens) and not end[1].strip().isdecimal()
    return f'{title[: end.start()]} {end[1]}' if is_volume else title[: end.start()].strip()


def main_title(title: str) -> str:
    """The plain title up to a colon that has a blank after it."""
    plain = plain_title(title)
    return re.split(r':\s', plain, maxsplit=1)[0].strip() or plain


def search_titles(book: CalibreBook) -> tuple[str, ...]:
    """The titles to search for, one after the other until a candidate has it: the whole one, and then shorter ones.

    What stands before a colon is a series (`Star Wars: Thrawn`, `Riftwar 01: Magician`) or the title without subtitle.
    """
    whole = plain_title(book.title)
    head, *subtitle = re.split(r':\s+', whole, maxsplit=1)
    found = [whole]
    if subtitle:
        if _is_series(head, book) or _ends_in_a_number(head):
            found.append(main_title(subtitle[0]))
        if not _is_series(head, book):
            found.append(head)
    else:
        head, *after_dash = re.split(r'\s[-\u2013\u2014]\s', whole, maxsplit=1)
        if after_dash and _is_series(head, book):
            found.append(after_dash[0])
    return tuple(dict.fromkeys(title.strip() for title in found if title_words(title)))


def _is_series(head: str, book: CalibreBook) -> bool:
    return bool(book.series) and compare(Title(head), Title(book.series)) is Likeness.SAME


def _ends_in_a_number(head: str) -> bool:
    """Whether a title ends in the number of a volume, and is no number itself."""
    tokens = tokens_of(fold(head))
    return bool(tokens) and tokens[-1].is_number and any(map(str.isalpha, head))


def plain_author(name: str) -> str:
    """`Le Guin, Ursula K.` and `Ursula K. Le Guin [Le Guin, Ursula K.]` as `Ursula K. Le Guin`."""
    name = ' '.join(name[:LONGEST_TITLE].split())
    name = re.sub(r'(?<=\S)\s?[\[(][^\[\]()]*[\])]$', '', name)
    parts = [part.strip() for part in name.split(',')]
    if len(parts) != 2 or not all(parts) or parts[1].casefold().rstrip('.') in NAME_SUFFIXES:
        return name
    return f'{parts[1]} {parts[0]}'


def without_unknown_authors(book: CalibreBook, unknown: Collection[str]) -> CalibreBook:
    """The book without what Calibre writes, in the user's language, where there is no author."""
    known = (name for name in book.authors if name not in unknown and author_names(name))
    return replace(book, authors=tuple(known))


def search_queries(book: CalibreBook) -> tuple[str, ...]:
    """What to search for, one query after the other until a candidate has the title; empty with nothing to go by."""
    author = _cut(plain_author(book.authors[0]), LONGEST_AUTHOR) if book.authors else ''
    titles = (_cut(title, LONGEST_QUERY - len(author) - 1) for title in search_titles(book))
    return tuple(dict.fromkeys(f'{title} {author}'.strip() for title in titles))


def _cut(words: str, longest: int) -> str:
    """The first words, in so many characters."""
    plain = ''.join(character for character in words if not '\ud800' <= character <= '\udfff')
    if len(plain) <= longest:
        return plain.strip()
    return plain[:longest].rsplit(' ', 1)[0].strip()


def has_title(book: CalibreBook, candidate: Candidate) -> bool:
    """Whether a candidate has the title that was searched for, whole or shortened, and no other author."""
    ours = [title_of(replace(book, title=title), candidate.series) for title in (book.title, *search_titles(book))]
    return same_book(ours, _titles_of(candidate), book.authors, candidate.authors) is Likeness.SAME


def _titles_of(candidate: Candidate) -> tuple[Title, ...]:
    """The titles that speak for a candidate: with its subtitle, and without."""
    plain = Title(candidate.title)
    return (Title(f'{candidate.title}: {candidate.subtitle}'), plain) if candidate.subtitle else (plain,)


def rank(
    book: CalibreBook, candidates: Iterable[Candidate], codes: Codes, doubtful: Iterable[Doubt] = ()
) -> tuple[Candidate, ...]:
    """Up to ten candidates, the likeliest first, each with its reasons.

    The books in doubt come first, for something leads to them; the others rank by title, author and codes. What is
    no ebook comes behind what is one.
    """
    doubts: dict[int, Doubt] = {}
    for doubt in sorted(doubtful, key=lambda doubt: -doubt.likeness):
        doubts.setdefault(doubt.hardcover.surviving_id, doubt)
    left = {candidate.book_id: candidate for candidate in candidates}
    first = []
    for book_id, doubt in doubts.items():
        found = left.pop(book_id, None) or left.pop(doubt.hardcover.book_id, None) or _candidate_of(doubt)
        reasons = (doubt.why, *_reasons(_weigh_others(book, found)))
        first.append(replace(found, reasons=reasons))
    others = sorted((_weigh(book, candidate, codes) for candidate in left.values()), key=lambda pair: pair[0])
    room = max(DOUBTFUL_SHOWN, CANDIDATES_SHOWN - len(others))
    return (*first[:room], *(candidate for _order, candidate in others))[:CANDIDATES_SHOWN]


def _candidate_of(doubt: Doubt) -> Candidate:
    hit = doubt.hardcover
    return Candidate(hit.surviving_id, '' if hit.canonical_id else hit.slug, hit.title)


def _weigh(book: CalibreBook, candidate: Candidate, codes: Codes) -> tuple[tuple[bool, bool, float], Candidate]:
    """A candidate with its reasons, and what it is sorted by: likely ones, of these and the others the ebooks."""
    shared = sorted(codes.all.intersection(candidate.isbns))
    by_code = [(8.0, HAS_CODE.with_values(code=shared[-1]))] if shared else []
    verdict = same_book([title_of(book, candidate.series)], _titles_of(candidate), book.authors, candidate.authors)
    weighed = [*by_code, _weigh_title(book, candidate, verdict), *_weigh_others(book, candidate)]
    is_likely = bool(shared) or verdict is Likeness.SAME
    score = sum(weight for weight, _reason in weighed)
    order = (not is_likely, _is_audio_only(candidate), -score)
    return order, replace(candidate, reasons=_reasons(weighed))


def _reasons(weighed: Iterable[tuple[float, Text]]) -> tuple[Text, ...]:
    """The reasons, the weightiest first."""
    return tuple(reason for _weight, reason in sorted(weighed, key=lambda each: -each[0]))


def _is_audio_only(candidate: Candidate) -> bool:
    return candidate.has_audiobook and not candidate.has_ebook


def _weigh_title(book: CalibreBook, candidate: Candidate, verdict: Likeness) -> tuple[float, Text]:
    ours, theirs = title_of(book, candidate.series), _titles_of(candidate)
    if verdict is Likeness.SAME:
        has_it_all = title_words(book.title) in [title_words(title.text) for title in theirs]
        return (6.0, SAME_TITLE) if has_it_all else (5.0, SAME_MAIN_TITLE)
    if best_likeness([ours], theirs) is Likeness.SAME:
        return 3.0, SAME_TITLE_OTHER_AUTHOR
    share = _shared_words(book, theirs)
    if verdict is Likeness.DOUBTFUL:
        return (4.0 * share, SIMILAR_TITLE) if share else (1.0, SIMILAR_TITLE)
    if any(is_other_volume(ours, title) for title in theirs):
        return share, OTHER_VOLUME
    return 0.0, OTHER_TITLE


def _shared_words(book: CalibreBook, others: Sequence[Title]) -> float:
    """Which part (0-1) of the words of two titles both have; the best pair decides.

    Only one side is shortened at a time: two volumes with one series before the colon have no title in common.
    """
    whole = title_words(book.title)
    ours = [whole, *map(title_words, search_titles(book))]
    pairs = [(words, title_words(other.text)) for words in ours for other in others]
    pairs += [(whole, title_words(main_title(other.text))) for other in others]
    return max((len(one & two) / max(1, len(one | two)) for one, two in pairs), default=0.0)


def _weigh_others(book: CalibreBook, candidate: Candidate) -> Iterator[tuple[float, Text]]:
    """What speaks for a candidate besides its title and its codes, and how much."""
    author = _weigh_author(book.authors, candidate.authors)
    if author is not None:
        yield author
    if candidate.users_count:
        readers = counted('{count} reader', '{count} readers', candidate.users_count)
        yield 0.3 * math.log10(candidate.users_count + 1), readers
    if candidate.has_ebook:
        yield 0.2, HAS_EBOOK
    elif candidate.has_audiobook:
        yield 0.0, NO_EBOOK


def _weigh_author(ours: Sequence[str], theirs: Sequence[str]) -> tuple[float, Text] | None:
    if authors_agree(ours, theirs):
        return 4.0, SAME_AUTHOR
    our_names, their_names = (
        {name for author in authors for name in author_names(author)} for authors in (ours, theirs)
    )
    return (2.0, SIMILAR_AUTHOR) if any(len(name) > 1 for name in our_names & their_names) else None
