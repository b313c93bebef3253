# SPDX-License-Identifier: GPL-3.0-or-later
"""Titles taken to pieces: folded letters, words, numbers in one notation, and where one word ends and the next begins.

Pure: text in, text out. What the pieces say of two titles is in `titles`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

LONGEST_TITLE = 2000

# Characters that nobody sees: soft hyphens, zero-width blanks and joiners, direction marks, variation selectors.
_INVISIBLE = re.compile(
    '[\u00ad\u034f\u061c\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0100-\U000e01ef]'
)
_APOSTROPHES = re.compile(
    '[\u2018\u2019\u201b\u00b4\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8`\uff07\ua78c]'
)
_HYPHENS = re.compile('[\u2010\u2011\u2043\u30a0\ufe63\uff0d]')
_DASHES = re.compile('[\u2012-\u2015\u2e3a\u2e3b\u301c\uff5e~]')
# Letters that are no accents to Unicode, and the plain ones that people write for them.
_PLAIN_LETTERS = str.maketrans(
    {
        'ł': 'l',
        'ø': 'o',
        'đ': 'd',
        'ð': 'd',
        'ħ': 'h',
        'ŧ': 't',
        '\u0131': 'i',
        'ŋ': 'n',
        'æ': 'ae',
        'œ': 'oe',
        'ß': 'ss',
        'þ': 'th',
    }
)
# Marks that change how a letter sounds rather than which letter it is. The others tell words apart: vowel signs,
# viramas and tone marks of Indic scripts and of Thai, and the voicing marks of Japanese.
_ACCENT_CLASSES = frozenset({1, *range(10, 37), *range(200, 241)})

LITTLE_WORDS = frozenset(
    'a an the of and or in on at to for by with from '
    'der die das ein eine und von im le la les l un une des du de et el los las una y il lo gli i e o os as um uma '
    'и в на о с '  # noqa: RUF001 - these are Cyrillic
    'の は が を に と も で へ 的 之 와 과 의'.split()
)
ARTICLES = frozenset(
    'a an the der die das dem den ein eine le la les l un une des el los las una il lo gli het een um uma'.split()
)
CONJUNCTIONS = frozenset('and und et y og och и'.split())
# Words that say that a number follows; those of one or two letters only before digits.
MARKERS = frozenset(
    'volume volumes vol vols volumen tome tomes tom том band bände baende bd buch book books bk part parts pt parte '
    'partie teil livre libro livro книга часть deel del cilt episode ep season issue number nummer nr no num '
    't v b'.split()
)
ONLY_BEFORE_DIGITS = frozenset('no t v b del nr num'.split())
NEVER_BEFORE_NUMBER_WORDS = ONLY_BEFORE_DIGITS | frozenset('tom том ep pt bk bd'.split())
MARKERS_AROUND_DIGITS = frozenset('第 巻 卷 권 冊 册 部 集 話 话 제 편'.split())
# Counters that follow a number in Chinese signs also without the `第` before it.
COUNTERS_OF_VOLUMES = frozenset('巻 卷 冊 册'.split())
# The first, the middle and the last volume of two or three; they tell books apart as numbers do.
HALVES = frozenset('上 中 下 상 중 하'.split())
EDITION_WORDS = frozenset('edition editions auflage ausgabe edicion edizione edicao'.split())
# What `C++` and its kin are called here; as words they tell books apart as numbers do.
LANGUAGES = {'c++': 'cplusplus', 'c#': 'csharp', 'f#': 'fsharp', 'c': 'c'}

_UNITS = {
    word: number
    for number, word in enumerate(
        'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen '
        'seventeen eighteen nineteen'.split()
    )
}
_TENS = {
    word: 10 * number
    for number, word in enumerate('twenty thirty forty fifty sixty seventy eighty ninety'.split(), start=2)
}


def _numbered(words: str) -> dict[str, int]:
    """The number of each word: those before the first stroke mean 1, those after it 2, and so on."""
    return {word: number for number, same in enumerate(words.split('/'), start=1) for word in same.split()}


# Number words of other languages, folded. They are numbers only after a marker: `Tome deux`, `Teil zwei`.
_OTHER_UNITS = _numbered(
    'eins un une uno una um een один одна / zwei deux dos due dois duas twee два две / drei trois tres tre drie три /'
    'vier quatre cuatro quattro quatro четыре / funf fuenf cinq cinco cinque vijf пять / sechs six seis sei zes шесть /'
    'sieben sept siete sette sete zeven семь / acht huit ocho otto oito восемь / neun neuf nueve nove negen девять /'
    'zehn dix diez dieci dez tien десять'
)
# Ordinals are numbers only beside a marker: `Zweiter Band`, `Book the Second`, `Часть вторая`.
_ORDINALS = _numbered(
    'first erster erste erstes premier premiere primer primero primera primo prima primeiro primeira eerste '
    'первый первая первое /'
    'second zweiter zweite zweites deuxieme seconde segundo segunda secondo seconda tweede второй вторая второе /'
    'third dritter dritte drittes troisieme tercer tercero tercera terzo terza terceiro terceira derde '
    'третий третья третье /'
    'fourth vierter vierte viertes quatrieme cuarto cuarta quarto quarta vierde четвертый четвертая четвертое /'
    'fifth funfter funfte funftes cinquieme quinto quinta vijfde пятый пятая пятое /'
    'sixth sechster sechste sechstes sixieme sexto sexta sesto sesta zesde шестой шестая шестое /'
    'seventh siebter siebte siebtes siebenter septieme septimo septima settimo settima setimo setima zevende '
    'седьмой седьмая седьмое /'
    'eighth achter achte achtes huitieme octavo octava ottavo ottava oitavo oitava achtste восьмой восьмая восьмое /'
    'ninth neunter neunte neuntes neuvieme noveno novena nono nona negende девятый девятая девятое /'
    'tenth zehnter zehnte zehntes dixieme decimo decima tiende десятый десятая десятое'
)
_CHINESE_DIGITS = {sign: number for number, sign in enumerate('〇一二三四五六七八九')}
_ROMAN = re.compile(r'(?=[ivx])x{0,3}(?:ix|iv|v?i{0,3})')
_ROMAN_VALUES = {'i': 1, 'v': 5, 'x': 10}

# Scripts that are written without blanks, or with blanks that writers set as they like.
_UNSPACED = re.compile(
    r'[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u303f\u3040-\u9fff\uac00-\ud7af\uf900-\ufaff'
    r'\U00020000-\U0003ffff]'
)


# Of these, the scripts of which one sign is not a word: how many of them make a piece that two titles can share.
_SYLLABLES = re.compile(r'[\u1100-\u11ff\u3040-\u30ff\u31f0-\u31ff\uac00-\ud7af]')
_LETTERS = re.compile(r'[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]')


@dataclass(frozen=True, slots=True)
class Token:
    """A word or a number of a title. `optional_break`: the blank before it may as well be missing.

    `is_number` holds for numbers in any notation; `text` is then their digits.
    """

    text: str
    optional_break: bool = False
    is_number: bool = False


@lru_cache(maxsize=16384)
def fold(title: str) -> str:
    """The title without what never tells two books apart: case, accents, invisible characters, kinds of apostrophes."""
    flat = title[:LONGEST_TITLE].replace('：', ': ')  # noqa: RUF001 - the colon of Chinese and Japanese
    flat = _HYPHENS.sub('-', _APOSTROPHES.sub("'", _INVISIBLE.sub('', flat)))
    flat = _DASHES.sub(' \u2013 ', flat)
    flat = unicodedata.normalize('NFKD', unicodedata.normalize('NFKD', flat).casefold())
    flat = flat.replace('и\u0306', 'й')
    flat = ''.join(character for character in flat if unicodedata.combining(character) not in _ACCENT_CLASSES)
    return unicodedata.normalize('NFC', _APOSTROPHES.sub("'", flat).translate(_PLAIN_LETTERS))


def is_unspaced(character: str) -> bool:
    """Whether a character is of a script that is written without blanks."""
    return _UNSPACED.match(character) is not None


def signs_of_a_word(character: str) -> int:
    """How many signs of the character's script make a word, roughly: one ideograph, two syllables, three letters."""
    if _SYLLABLES.match(character):
        return 2
    return 3 if _LETTERS.match(character) else 1


_PIECES = re.compile(
    r"(?P<language>(?<!\w)c\+\+|(?<!\w)[cf]#(?!\w))|(?P<hyphen>-)|(?P<and>&|\+)|(?P<apostrophe>')|(?P<other>.)",
    re.DOTALL,
)


def kind_of(character: str) -> str:
    """'letter' (vowel signs included), 'digit', or '' for what stands between words."""
    category = unicodedata.category(character)
    if category == 'Nd':
        return 'digit'
    return 'letter' if category[0] in 'LMN' else ''


def _raw_tokens(text: str) -> Iterator[Token]:
    """The words and numbers of folded text, before markers and Roman numerals are looked at."""
    word, kind, optional, seen_break = '', '', False, True

    def finished() -> Iterator[Token]:
        if word:
            yield Token(word, optional and not seen_break, kind == 'digit')

    for piece in _PIECES.finditer(text):
        what, character = piece.lastgroup, piece.group()
        if what == 'apostrophe':
            continue
        now = kind_of(character) if what == 'other' else ''
        if now:
            if now == 'digit':
                character = str(unicodedata.decimal(character))
            loose = bool(word) and (now != kind or (is_unspaced(word[-1]) or is_unspaced(character)))
            if loose:
                yield from finished()
                word, optional, seen_break = '', True, False
            word, kind = word + character, now
            continue
        yield from finished()
        if word:
            seen_break, optional = False, False
        word, kind = '', ''
        if what == 'language':
            yield Token(LANGUAGES[character])
            seen_break = True
        elif what == 'and':
            yield Token('and')
            seen_break = True
        elif what == 'hyphen':
            optional = True
        else:
            seen_break = True
    yield from finished()


def words_of(text: str) -> tuple[Token, ...]:
    """The words and digits of folded text as they stand."""
    return tuple(_raw_tokens(text))


def roman_number(word: str) -> int:
    """The value of a Roman numeral up to 39 in lower case, 0 for any other word."""
    if not word or not _ROMAN.fullmatch(word):
        return 0
    values = [_ROMAN_VALUES[letter] for letter in word]
    following = [*values[1:], 0]
    return sum(-value if value < after else value for value, after in zip(values, following, strict=True))


def _number_words(tokens: Sequence[Token], place: int) -> tuple[int, int]:
    """(value, how many tokens) of the English number words at a place; (0, 0) where there are none."""
    total = current = 0
    used = 0
    last = ''
    for token in tokens[place:]:
        word = token.text
        if word in _UNITS:
            small = _UNITS[word]
            if last == 'unit' or (last == 'ten' and not 0 < small < 10):
                # `nineteen eighty`, `four fifty`: years and times are read in pairs.
                break
            current, last = current + small, 'unit'
        elif word in _TENS:
            if last == 'unit' and 10 <= current <= 99:
                current, last = current * 100 + _TENS[word], 'ten'
            elif last in ('', 'hundred', 'thousand'):
                current, last = current + _TENS[word], 'ten'
            else:
                break
        elif word == 'hundred' and last in ('', 'unit', 'ten'):
            current, last = (current or 1) * 100, 'hundred'
        elif word == 'thousand' and last != 'thousand':
            total, current, last = total + (current or 1) * 1000, 0, 'thousand'
        else:
            break
        used += 1
    return total + current, used


def _number_at(tokens: Sequence[Token], place: int, after_marker: str) -> tuple[str, int]:
    """(digits, how many tokens) of the number at a place, ('', 0) where there is none."""
    if place >= len(tokens):
        return '', 0
    token = tokens[place]
    if token.is_number:
        return token.text.lstrip('0') or '0', 1
    if after_marker in ONLY_BEFORE_DIGITS:
        return '', 0
    if after_marker:
        between = 1 if token.text == 'the' and place + 1 < len(tokens) else 0
        if ordinal := _ORDINALS.get(tokens[place + between].text):
            return str(ordinal), 1 + between
        if after_marker not in NEVER_BEFORE_NUMBER_WORDS and token.text in _OTHER_UNITS:
            return str(_OTHER_UNITS[token.text]), 1
    value, used = _number_words(tokens, place)
    if used and after_marker not in NEVER_BEFORE_NUMBER_WORDS:
        return str(value), used
    if after_marker and (value := roman_number(token.text)):
        return str(value), 1
    return '', 0


def _ordinal_at(tokens: Sequence[Token], place: int) -> tuple[str, int]:
    """(digits, how many tokens) of an ordinal before a marker, `Zweiter Band`, or an edition; ('', 0) elsewhere."""
    ordinal = _ORDINALS.get(tokens[place].text)
    if not ordinal or place + 1 >= len(tokens):
        return '', 0
    following = tokens[place + 1].text
    if following in EDITION_WORDS:
        return str(ordinal), 1
    return (str(ordinal), 2) if following in MARKERS - ONLY_BEFORE_DIGITS else ('', 0)


def _chinese_number_at(tokens: Sequence[Token], place: int) -> tuple[str, int]:
    """(digits, how many tokens) of `第二部`, `三巻`, `上巻`, and of a `上` or `하` that ends the title."""
    start = place + (tokens[place].text == '第')
    signs = ''
    for token in tokens[start : start + 3]:
        if token.text not in _CHINESE_DIGITS and token.text != '十':
            break
        signs += token.text
    after = tokens[start + len(signs)].text if start + len(signs) < len(tokens) else ''
    counters = COUNTERS_OF_VOLUMES if start == place else MARKERS_AROUND_DIGITS
    if signs and after in counters:
        return _chinese_value(signs), start - place + len(signs) + 1
    if tokens[place].text in HALVES:
        following = tokens[place + 1].text if place + 1 < len(tokens) else ''
        if following in COUNTERS_OF_VOLUMES:
            return tokens[place].text, 2
        if not following and not tokens[place].optional_break:
            return tokens[place].text, 1
    return '', 0


def _chinese_value(signs: str) -> str:
    """The digits of a number up to 99 in Chinese signs: `十二` is 12, `二十` is 20, `一二` is 12."""
    tens, ten, units = signs.partition('十')
    if not ten:
        return ''.join(str(_CHINESE_DIGITS[sign]) for sign in signs).lstrip('0') or '0'
    value = 10 * _CHINESE_DIGITS.get(tens[-1:], 1) + _CHINESE_DIGITS.get(units[:1], 0)
    return str(value)


def _is_roman_here(tokens: Sequence[Token], place: int) -> bool:
    """Whether a word of i, v and x is a number: not the first word, and if it is one letter, the last one."""
    word = tokens[place].text
    if place == 0 or not roman_number(word):
        return False
    if len(word) > 1:
        return True
    before = tokens[place - 1]
    return place == len(tokens) - 1 and before.text not in LITTLE_WORDS and not before.is_number


def _with_numbers(tokens: Sequence[Token]) -> Iterator[Token]:
    """The tokens with numbers in one notation and without the words that announce them."""
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.text in MARKERS:
            digits, used = _number_at(tokens, place + 1, token.text)
            if used:
                yield Token(digits, token.optional_break, is_number=True)
                place += 1 + used
                continue
        digits, used = _ordinal_at(tokens, place)
        if not used:
            digits, used = _chinese_number_at(tokens, place)
        if used:
            yield Token(digits, token.optional_break, is_number=True)
            place += used
            continue
        neighbours = (*tokens[max(0, place - 1) : place], *tokens[place + 1 : place + 2])
        if token.text in MARKERS_AROUND_DIGITS and any(neighbour.is_number for neighbour in neighbours):
            place += 1
            continue
        digits, used = _number_at(tokens, place, '')
        if used:
            yield Token(digits, token.optional_break, is_number=True)
            place += used
            # `1st` and the like.
            if token.is_number and place < len(tokens) and tokens[place].text in ('st', 'nd', 'rd', 'th'):
                place += 1
            continue
        if _is_roman_here(tokens, place):
            yield Token(str(roman_number(token.text)), token.optional_break, is_number=True)
        else:
            yield token
        place += 1


def tokens_of(text: str) -> tuple[Token, ...]:
    """The words and numbers of folded text: numbers in one notation, without leading article and conjunctions."""
    text = re.sub(r'(\d)(?:,(?=\d{3}(?!\d))|[ .](?=000(?!\d)))', r'\1', text)
    moved = re.fullmatch(r"(.*\S),\s*([^\s,]+?)'?\s*", text)
    if moved and moved[2] in ARTICLES:
        text = moved[1]
    text = re.sub(r"^\W*l'\s*(?=\w)", '', text)
    found = list(_with_numbers(words_of(text)))
    if len(found) > 1 and found[0].text in ARTICLES:
        del found[0]
    inner = [token for token in found[1:-1] if token.text not in CONJUNCTIONS]
    return (*found[:1], *inner, *found[1:][-1:])
