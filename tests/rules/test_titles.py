"""Which titles are those of one book: a table of real pairs, and what must hold for any titles at all."""

# Look-alike letters of other scripts are what some of these tests are about.

from __future__ import annotations

import unicodedata
from collections import Counter
from dataclasses import dataclass

import pytest
from calibre_plugins.bookfusionbacksync.rules.titles import (
    Likeness,
    Title,
    authors_agree,
    best_likeness,
    compare,
    same_book,
    title_keys,
)
from harness.start import ROOT
from hypothesis import given
from hypothesis import strategies as st

TABLE = ROOT / 'tests' / 'data' / 'title-pairs.tsv'


@dataclass(frozen=True)
class Pair:
    verdict: Likeness
    title: Title
    other: Title


def pairs() -> list[Pair]:
    found = []
    for line in TABLE.read_text(encoding='utf-8').splitlines():
        if line and not line.startswith('# '):
            verdict, title, other, *series = line.split('\t')
            found.append(Pair(Likeness[verdict.upper()], Title(title, tuple(series)), Title(other)))
    return found


PAIRS = pairs()


@pytest.mark.parametrize('pair', PAIRS, ids=lambda pair: f'{pair.title.text} | {pair.other.text}')
def test_the_table(pair: Pair) -> None:
    assert compare(pair.title, pair.other) is pair.verdict
    assert compare(pair.other, pair.title) is pair.verdict


def test_the_table_has_enough_of_each_kind() -> None:
    verdicts = Counter(pair.verdict for pair in PAIRS)
    assert len(PAIRS) >= 250
    assert min(verdicts[verdict] for verdict in Likeness) >= 60
    assert len({(pair.title, pair.other) for pair in PAIRS}) == len(PAIRS)


def test_titles_that_are_the_same_share_a_key() -> None:
    """What an index of many titles relies on."""
    for pair in PAIRS:
        if pair.verdict is Likeness.SAME and any(map(str.isalnum, pair.title.text)):
            assert title_keys(pair.title) & title_keys(pair.other), pair


# Titles as people write them, and titles as nobody does.
TITLE_TEXTS = st.sampled_from(sorted({pair.title.text for pair in PAIRS} | {pair.other.text for pair in PAIRS}))
ANY_TEXTS = st.text(max_size=60)
WORDS = st.sampled_from(
    'Dune Emma Vol. 1 2 II the of and & - : ( ) [ ] # Part One Book Étranger C++ C# 第1巻 森 채식 दिन'.split()
)
MADE_UP = st.lists(WORDS, max_size=8).map(' '.join)
TITLES = st.one_of(TITLE_TEXTS, MADE_UP, ANY_TEXTS)
SERIES = st.one_of(st.just(()), TITLE_TEXTS.map(lambda text: (text,)))


@given(TITLES, SERIES, TITLES, SERIES)
def test_the_order_does_not_matter(
    title: str, series: tuple[str, ...], other: str, other_series: tuple[str, ...]
) -> None:
    one, two = Title(title, series), Title(other, other_series)
    assert compare(one, two) is compare(two, one)


@given(TITLES, SERIES)
def test_a_title_is_its_own(title: str, series: tuple[str, ...]) -> None:
    verdict = compare(Title(title, series), Title(title, series))
    assert verdict is (Likeness.SAME if title.strip() else verdict)


PLAIN_LETTERS = st.text(st.characters(whitelist_categories=('Lu', 'Ll'), max_codepoint=0x17F), min_size=1, max_size=12)
PLAIN_TITLES = st.lists(PLAIN_LETTERS, min_size=1, max_size=5).map(' '.join)


@given(PLAIN_TITLES, TITLES)
def test_case_does_not_matter(title: str, other: str) -> None:
    verdicts = {compare(Title(turned), Title(other)) for turned in (title, title.upper(), title.lower(), title.title())}
    assert len(verdicts) == 1


@given(PLAIN_TITLES, st.sampled_from('\u0300\u0301\u0302\u0303\u0308\u030a\u0327\u0328\u0331'), TITLES, st.data())
def test_accents_do_not_matter(title: str, accent: str, other: str, data: st.DataObject) -> None:
    letters = [place for place, letter in enumerate(title) if letter.isalpha()]
    place = data.draw(st.sampled_from(letters))
    accented = unicodedata.normalize('NFC', title[: place + 1] + accent + title[place + 1 :])
    assert compare(Title(accented), Title(other)) is compare(Title(title), Title(other))


WITHOUT_BRACKETS = [
    pair.title.text
    for pair in PAIRS
    if not set(pair.title.text) & set('([{') and any(map(str.isalnum, pair.title.text))
]


@given(st.sampled_from(WITHOUT_BRACKETS), TITLES)
def test_a_series_in_brackets_does_not_matter(title: str, other: str) -> None:
    assert compare(Title(f'{title} (Some Strange Chronicles)'), Title(other)) is compare(Title(title), Title(other))


@given(st.text(max_size=30), TITLES)
def test_hostile_titles_get_a_verdict(title: str, other: str) -> None:
    for odd in (
        title * 400,
        '\u0301',
        f'\ud800{title}\udfff',
        f'({title}',
        f'{title})',
        title + ':',
        ': ' * 30 + title,
    ):
        assert compare(Title(odd), Title(other)) in Likeness


@pytest.mark.parametrize('piece', ['x', '(', 'a: ', '1 ', 'i ', '-', '森', '(a) ', 'one ', "l'"])
def test_a_title_of_ten_thousand_characters(piece: str) -> None:
    title = piece * (10_000 // len(piece))
    assert compare(Title(title), Title(title)) is Likeness.SAME
    assert compare(Title(title), Title('Dune')) in Likeness


def test_the_best_pair_decides() -> None:
    fremde = [Title('Der Fremde')]
    assert best_likeness(fremde, [Title("L'Étranger")]) is Likeness.DIFFERENT
    assert best_likeness(fremde, [Title("L'Étranger"), Title('Der Fremde: Roman')]) is Likeness.SAME
    assert best_likeness(fremde, []) is Likeness.DOUBTFUL
    assert best_likeness(fremde, [Title(''), Title('  ')]) is Likeness.DOUBTFUL


AUTHORS = [
    ('Ursula K. Le Guin', 'Le Guin, Ursula K.', True),
    ('Ursula K. Le Guin', 'U. K. LeGuin', True),
    ('Ursula K. Le Guin', 'Ursula Le Guin [Le Guin, Ursula]', True),
    ('Ursula K. Le Guin', 'Ursula Kroeber Le Guin', True),
    ('J.R.R. Tolkien', 'John Ronald Reuel Tolkien', True),
    ('J.R.R. Tolkien', 'Tolkien, J. R. R.', True),
    ('J.R.R. Tolkien', 'Christopher Tolkien', False),
    ('Stephen King', 'Owen King', False),
    ('Mary Shelley', 'Percy Bysshe Shelley', False),
    ('Fyodor Dostoevsky', 'Fyodor Dostoyevsky', True),
    ('Gabriel García Márquez', 'GARCIA MARQUEZ, Gabriel', True),
    ('Лев Толстой', 'Толстой, Лев Николаевич', True),
    ('村上春樹', '村上 春樹', True),
    ('Homer', 'Homer', True),
    ('Jane Austen', 'Charlotte Brontë', False),
    ('Unknown', 'Jane Austen', None),
    ('', 'Jane Austen', None),
]


@pytest.mark.parametrize(('author', 'other', 'agree'), AUTHORS)
def test_authors(author: str, other: str, agree: bool | None) -> None:
    assert authors_agree([author], [other]) is agree
    assert authors_agree([other], [author]) is agree
    if agree is False:
        assert authors_agree([author, 'Somebody Else'], [other, 'Else, Somebody']) is True


def test_other_authors_make_the_same_title_doubtful_and_never_a_doubtful_one_the_same() -> None:
    wells, other = ['H. G. Wells'], ['Somebody Else']
    invisible, machine = [Title('The Invisible Man')], [Title('The Time Machine and The Invisible Man')]
    assert same_book(invisible, invisible, wells, ['Wells, H.G.']) is Likeness.SAME
    assert same_book(invisible, invisible, wells, other) is Likeness.DOUBTFUL
    assert same_book(invisible, invisible, wells, []) is Likeness.SAME
    assert same_book(invisible, machine, wells, wells) is Likeness.DOUBTFUL
    assert same_book(invisible, [Title('Emma')], wells, wells) is Likeness.DIFFERENT
