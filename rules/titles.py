# SPDX-License-Identifier: GPL-3.0-or-later
"""Which book is this? The one judgement behind every write: whether two titles are those of one book.

Pure: titles in, a verdict out. Stricter than "they share a word", because a wrong book gets somebody's date or a public
rating; what is neither surely the same nor surely another book is doubtful, and a person decides.
"""

from __future__ import annotations

import enum
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .title_words import (
    CONJUNCTIONS,
    LANGUAGES,
    LITTLE_WORDS,
    Token,
    fold,
    is_unspaced,
    kind_of,
    signs_of_a_word,
    tokens_of,
    words_of,
)


class Likeness(enum.IntEnum):
    """What two titles say of their books; the greater one decides where several titles speak for a side."""

    DIFFERENT = 0
    DOUBTFUL = 1
    SAME = 2


@dataclass(frozen=True, slots=True)
class Title:
    """A title, and the series of its book where that is known: `Star Wars` before a colon is then no title."""

    text: str
    series: tuple[str, ...] = ()


# Where a subtitle begins: a colon with a blank (`10:04` and `Re:Zero` have none), or the old-fashioned `; or, `, which
# comes with and without its comma: `The Hobbit, or There and Back Again`.
_SUBTITLE = re.compile(r'(?::|[,;](?=\s+or\b))\s+(?:or[,:]?\s+)?')
_DESCRIPTION = re.compile(
    r'(?:\s*[:,;]|\s+[\u2012-\u2015-])\s*'
    r"(?:(?:an?|the)\s+(?:[\w'.-]+\s+){0,3}(?:novel|novella|memoir|thriller|mystery|romance)(?:\s+of\s+[\w'-]+)?"
    r'|(?:ein\s+|kriminal|historischer\s+)*roman|romanzo|una?\s+novela|novela|роман)\s*$',
    re.IGNORECASE,
)
_ANNIVERSARY = re.compile(r'[\s,:(\[\u2013-]*\b\d+\s*(?:st|nd|rd|th)\s+anniversary(?:\s+edition)?\b')
_BRACKETS = re.compile(
    r'(?<![^\s:,;.!?])[(\[{\u3010\u3014]([^()\[\]{}\u3010\u3011\u3014\u3015]*)[)\]}\u3011\u3015](?![^\s:,;.!?])'
)
# What stands in brackets and means another book than the one without it.
_OTHER_WORKS = frozenset(
    'graphic manga comic comics abridged summary analysis guide workbook companion omnibus collection box boxed boxset '
    'set bundle excerpt sampler preview adaptation screenplay dramatized young'.split()
)
# The same for a subtitle: fewer, because `A Guide to Everything` is what a book says of itself.
_OTHER_WORKS_IN_SUBTITLES = frozenset('graphic manga comic comics abridged summary omnibus boxed boxset'.split())
SHORTEST_PART = 4
SHARED_BEGINNING = 3


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to read a title: its letters without blanks, and where a blank has to be or may be."""

    letters: str
    required: frozenset[int]
    breaks: frozenset[int]


@dataclass(frozen=True, slots=True)
class _Parsed:
    """A title taken to pieces: whole, without its subtitle, without its series; its numbers and its weighty words.

    `bracketed` are the numbers in dropped brackets, `bracket_words` the words there.
    """

    whole: _Form
    whole_without_numbers: _Form
    without_subtitle: tuple[_Form, ...]
    without_series: tuple[_Form, ...]
    has_subtitle: bool
    numbers: tuple[str, ...]
    bracketed: frozenset[str]
    bracket_words: frozenset[str]
    words: frozenset[str]
    languages: frozenset[str]
    literal: str

    @property
    def literal_letters(self) -> str:
        return ''.join(filter(kind_of, self.literal))


def _form(tokens: Sequence[Token]) -> _Form:
    letters = ''
    required: set[int] = set()
    breaks: set[int] = set()
    for token in tokens:
        if letters:
            breaks.add(len(letters))
            if not (token.optional_break or is_unspaced(letters[-1]) or is_unspaced(token.text[0])):
                required.add(len(letters))
        letters += token.text
    return _Form(letters, frozenset(required), frozenset(breaks))


def _alike(one: _Form, other: _Form) -> bool:
    return (
        bool(one.letters)
        and one.letters == other.letters
        and one.required <= other.breaks
        and other.required <= one.breaks
    )


def _is_year(words: Sequence[Token]) -> bool:
    return len(words) == 1 and words[0].is_number and len(words[0].text) == 4 and '1400' <= words[0].text <= '2100'


class _Brackets:
    """Takes out of folded text what stands in brackets beside the title: mostly a series."""

    def __init__(self, text: str) -> None:
        self.numbers: set[str] = set()
        self.words: set[str] = set()
        kept = _BRACKETS.sub(self._dropped, text)
        self.rest = kept if any(map(str.isalnum, kept)) else text
        if self.rest is text:
            self.numbers, self.words = set(), set()

    def _dropped(self, match: re.Match[str]) -> str:
        tokens = tokens_of(match[1])
        numbers = {token.text for token in tokens if token.is_number}
        words = {token.text for token in tokens if not token.is_number}
        leading = not match.string[: match.start()].strip()
        part_of_title = bool(words & _OTHER_WORKS) and not numbers
        if part_of_title or (leading and match[0][0] == '(' and not numbers):
            return match[0]
        if not words and not _is_year(tokens):
            # `(Vol. 9)` is the title's own number.
            return f' {match[1]} '
        self.numbers |= numbers if words else set()
        self.words |= words
        return ' '


def _segments(text: str) -> list[str]:
    """The title and its subtitles; what only says that it is a novel is dropped."""
    text = without_description(text)
    return [part for part in _SUBTITLE.split(text) if any(map(str.isalnum, part))] or [text]


def without_description(text: str) -> str:
    """A title without ` - A Novel`, `: Roman` and the like at its end."""
    while (found := _DESCRIPTION.search(text)) and not _is_another_work(words_of(found[0])):
        text = text[: found.start()]
    return text


def _is_another_work(tokens: Iterable[Token]) -> bool:
    """Whether a subtitle of these words is that of another book than the one without it: `The Graphic Novel`."""
    return any(token.text in _OTHER_WORKS_IN_SUBTITLES for token in tokens)


def _common_words(tokens: Sequence[Token]) -> frozenset[str]:
    """The words that two titles can have in common; little ones only where there are no others."""
    # Either half of `Spider-Man`, and the whole.
    words = {one.text + two.text for one, two in itertools.pairwise(tokens) if two.optional_break}
    for unspaced, run in itertools.groupby(tokens, key=lambda token: is_unspaced(token.text[0])):
        texts = [token.text for token in run]
        words.update(_pieces(''.join(texts)) if unspaced else texts)
    weighty = {word for word in words if word not in LITTLE_WORDS}
    return frozenset(weighty or words)


def _pieces(text: str) -> Iterator[str]:
    """What may be words in a text of a script without blanks."""
    for length, signs in itertools.groupby(text, key=signs_of_a_word):
        run = ''.join(signs)
        yield from (run[place : place + length] for place in range(max(1, len(run) - length + 1)))


def _series_first(segments: Sequence[str], text: str, series: Sequence[str]) -> tuple[str, bool]:
    """(what follows the series at the beginning of a title, '' where it does not begin with it; whether by a colon)."""
    for name in series:
        wanted = _letters_only(tokens_of(fold(name)))
        if not wanted:
            continue
        if len(segments) > 1 and _letters_only(tokens_of(segments[0])) == wanted:
            return ': '.join(segments[1:]), True
        head, dash, rest = text.partition(' \u2013 ')
        if not dash:
            head, dash, rest = text.partition(' - ')
        if dash and rest.strip() and _letters_only(tokens_of(head)) == wanted:
            return rest, False
    return '', False


def _letters_only(tokens: Iterable[Token]) -> str:
    return ''.join(token.text for token in tokens if not token.is_number)


@lru_cache(maxsize=16384)
def _parsed(title: Title) -> _Parsed:
    text = _ANNIVERSARY.sub(' ', fold(title.text))
    brackets = _Brackets(text)
    segments = _segments(brackets.rest)
    parts = [tokens_of(segment) for segment in segments]
    whole = tuple(itertools.chain.from_iterable(parts))
    after_series, by_colon = _series_first(segments, brackets.rest, title.series)
    shortened = []
    for length in range(1, len(parts)):
        dropped = itertools.chain.from_iterable(parts[length:])
        if not by_colon and not any(token.is_number or _is_another_work((token,)) for token in dropped):
            shortened.append(_form(tuple(itertools.chain.from_iterable(parts[:length]))))
    without_series: tuple[_Form, ...] = ()
    bracketed = set(brackets.numbers)
    numbers = [token.text for token in whole if token.is_number]
    if after_series:
        rest = tokens_of(after_series)
        without_series = (_form(rest),)
        left = Counter(numbers)
        left.subtract(token.text for token in rest if token.is_number)
        bracketed.update(+left)
        numbers = [token.text for token in rest if token.is_number]
    return _Parsed(
        whole=_form(whole),
        whole_without_numbers=_form([token for token in whole if not token.is_number]),
        without_subtitle=tuple(shortened),
        without_series=without_series,
        has_subtitle=len(parts) > 1,
        numbers=tuple(sorted(numbers)),
        bracketed=frozenset(bracketed),
        bracket_words=frozenset(brackets.words - LITTLE_WORDS),
        words=_common_words(whole),
        languages=frozenset(token.text for token in whole) & frozenset(LANGUAGES.values()),
        literal=' '.join(fold(title.text).split()),
    )


class _Numbers(enum.Enum):
    """What the numbers of two titles say."""

    AGREE = enum.auto()
    AGREE_WITH_BRACKETS = enum.auto()
    ONE_SIDE_ONLY = enum.auto()
    DIFFER = enum.auto()


def _compare_numbers(one: _Parsed, other: _Parsed) -> _Numbers:
    ours, theirs = Counter(one.numbers), Counter(other.numbers)
    only_ours, only_theirs = ours - theirs, theirs - ours
    if only_ours and only_theirs:
        return _Numbers.DIFFER
    if only_ours or only_theirs:
        left, bracketed = (only_ours, other.bracketed) if only_ours else (only_theirs, one.bracketed)
        if not bracketed:
            return _Numbers.ONE_SIDE_ONLY
        return _Numbers.AGREE_WITH_BRACKETS if set(left) <= bracketed else _Numbers.DIFFER
    same_series = bool(one.bracket_words & other.bracket_words)
    if same_series and one.bracketed and other.bracketed and not one.bracketed & other.bracketed:
        return _Numbers.DIFFER
    return _Numbers.AGREE


def _pairs(one: _Parsed, other: _Parsed) -> Iterator[tuple[_Form, _Form]]:
    """The readings of two titles that make them the same: whole, or with one thing dropped that one side lacks."""
    yield one.whole, other.whole
    if not other.has_subtitle:
        yield from ((form, other.whole) for form in one.without_subtitle)
    if not one.has_subtitle:
        yield from ((one.whole, form) for form in other.without_subtitle)
    yield from ((form, other.whole) for form in one.without_series)
    yield from ((one.whole, form) for form in other.without_series)
    yield from itertools.product(one.without_series, other.without_series)


def _have_something_in_common(one: _Parsed, other: _Parsed) -> bool:
    if one.words & other.words:
        return True
    # `Spider Man` and `Spiderman`, `Seven Eves` and `Seveneves`.
    for ours, theirs in ((one.whole.letters, other.whole.letters), (one.literal_letters, other.literal_letters)):
        short, long = sorted((ours, theirs), key=len)
        if short == long or (len(short) >= SHORTEST_PART and short in long):
            return True
    return False


@lru_cache(maxsize=65536)
def compare(title: Title, other: Title) -> Likeness:
    """Whether two titles are those of one book. A title that says nothing is doubtful to all but its like."""
    one, two = _parsed(title), _parsed(other)
    if not one.whole.letters or not two.whole.letters:
        like = one.literal == two.literal and (one.literal or title.text.strip() == other.text.strip() != '')
        return Likeness.SAME if like else Likeness.DOUBTFUL
    if one.languages and two.languages and one.languages != two.languages:
        return Likeness.DIFFERENT
    numbers = _compare_numbers(one, two)
    if numbers is _Numbers.DIFFER:
        return Likeness.DIFFERENT
    if numbers is _Numbers.AGREE and any(itertools.starmap(_alike, _pairs(one, two))):
        return Likeness.SAME
    if numbers is _Numbers.AGREE_WITH_BRACKETS and _alike(one.whole_without_numbers, two.whole_without_numbers):
        return Likeness.SAME
    return Likeness.DOUBTFUL if _have_something_in_common(one, two) else Likeness.DIFFERENT


def is_other_volume(title: Title, other: Title) -> bool:
    """Whether two titles have something in common, but other numbers, as two volumes of a series have."""
    one, two = _parsed(title), _parsed(other)
    return _compare_numbers(one, two) is _Numbers.DIFFER and _have_something_in_common(one, two)


def best_likeness(titles: Iterable[Title], others: Iterable[Title]) -> Likeness:
    """The verdict where several titles speak for a side: the best pair decides. Empty titles have no say."""
    theirs = [other for other in others if has_title(other.text)]
    pairs = itertools.product([title for title in titles if has_title(title.text)], theirs)
    return max(itertools.starmap(compare, pairs), default=Likeness.DOUBTFUL)


def has_title(title: str) -> bool:
    """Whether a title says anything at all."""
    return bool(title.strip())


_UNKNOWN_AUTHORS = frozenset({'', 'unknown', 'anonymous', 'various', 'variousauthors', 'неизвестный'})


@lru_cache(maxsize=16384)
def author_names(name: str) -> tuple[str, ...]:
    """The names and initials of an author, folded, in their order; none for `Unknown`."""
    names = tuple(token.text for token in words_of(fold(name)) if token.text not in CONJUNCTIONS)
    return () if ''.join(names) in _UNKNOWN_AUTHORS else names


def _may_be_one_name(name: str, other: str) -> bool:
    """Whether a name may be another spelling, or the initial, of another."""
    short, long = sorted((name, other), key=len)
    return long.startswith(short[:SHARED_BEGINNING])


def _unshared(names: Sequence[str], others: Collection[str]) -> list[str]:
    """The names that another author has not; `Le Guin` is had by whoever has `LeGuin`."""
    left = [name for name in names if name not in others or not _says_something(name)]
    for one, two in itertools.pairwise(names):
        if one + two in others:
            left = [name for name in left if name not in (one, two)]
    return left


def _says_something(name: str) -> bool:
    return len(name) > 1 or is_unspaced(name)


def _same_author(names: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two authors share a name, and do not differ in all the others: Stephen King is not Owen King."""
    ours = _unshared(names, {*others, *map(''.join, itertools.pairwise(others))})
    theirs = _unshared(others, {*names, *map(''.join, itertools.pairwise(names))})
    if len(ours) == len(names) or len(theirs) == len(others):
        return False
    return not ours or not theirs or any(itertools.starmap(_may_be_one_name, itertools.product(ours, theirs)))


def authors_agree(authors: Collection[str], others: Collection[str]) -> bool | None:
    """Whether two books have an author in common; None where a side names none."""
    ours = [names for author in authors if (names := author_names(author))]
    theirs = [names for author in others if (names := author_names(author))]
    if not ours or not theirs:
        return None
    return any(itertools.starmap(_same_author, itertools.product(ours, theirs)))


def same_book(
    titles: Iterable[Title], others: Iterable[Title], authors: Collection[str] = (), other_authors: Collection[str] = ()
) -> Likeness:
    """The verdict on two books: authors that contradict make the same title doubtful, never a doubtful one the same."""
    likeness = best_likeness(titles, others)
    if likeness is Likeness.SAME and authors_agree(authors, other_authors) is False:
        return Likeness.DOUBTFUL
    return likeness


def title_keys(title: Title) -> frozenset[str]:
    """What two titles that are the same have in common, for looking up many: at least one key of each."""
    parsed = _parsed(title)
    forms = (parsed.whole, parsed.whole_without_numbers, *parsed.without_subtitle, *parsed.without_series)
    return frozenset(form.letters for form in forms if form.letters)


def title_words(title: str) -> frozenset[str]:
    """The weighty words of a title, folded; the little ones where it has no others."""
    return _parsed(Title(title)).words
