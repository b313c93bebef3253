# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing titles and names as people would: without case, accents, punctuation and little words.

Pure: text in, text out.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LITTLE_WORDS = frozenset(
    'a an the of and or in on at to for by with from '
    'der die das ein eine und von im le la les un une des du de et el los las una y il lo gli i e o os as um uma '
    'и в на о с'.split()  # noqa: RUF001 - these are Cyrillic
)
# Scripts written without spaces: every character counts as a word.
_UNSPACED = re.compile(
    r'[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]'
)


@lru_cache(maxsize=4096)
def words(title: str) -> tuple[str, ...]:
    """The words that matter, lower case, accents dropped; all words where only little ones are there."""
    flat = unicodedata.normalize('NFKD', title[:1000].casefold())
    flat = ''.join(character for character in flat if not unicodedata.combining(character))
    flat = re.sub(r"['\u2019\u02bc`]", '', flat)
    flat = _UNSPACED.sub(lambda match: f' {match.group()} ', flat)
    found = re.findall(r'\w+', flat.replace('_', ' '))
    return tuple(word for word in found if word not in LITTLE_WORDS) or tuple(found)


def nothing_in_common(title: str, other: str) -> bool:
    """Whether two titles contradict each other: both say something, and they share no word of weight."""
    here, there = set(words(title)), set(words(other))
    return bool(here and there) and not here & there


def same_title(title: str, other: str) -> bool:
    """Whether two titles are the same but for case, accents, punctuation and little words."""
    return bool(words(title)) and words(title) == words(other)


def without_subtitle(title: str) -> str:
    """The title up to its colon, without what stands in brackets at its end (mostly a series)."""
    plain = re.sub(r'\s*[(\[][^()\[\]]*[)\]]\s*$', '', title).strip()
    main = plain.split(':', 1)[0].strip()
    return main or plain or title.strip()
