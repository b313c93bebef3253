"""Sentences with values in them, and what of the values a line can show."""

from __future__ import annotations

from pathlib import Path

import pytest
from calibre_plugins.bookfusionbacksync.base.text import counted, one_line, text

HOSTILE = 'Emma\n2026-01-01 00:00:00,000 INFO forged\x1b]0;title\x07\x1b[2J\x9b2J\u202e\x00\r\u2028\ufdd0end'


@pytest.mark.parametrize('code', [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, 0x202A, 0x202E, 0x2066, 0x2069])
def test_no_control_character_is_in_a_line(code: int) -> None:
    assert one_line(f'a{chr(code)}{chr(code)}b') == 'a b'


def test_everything_else_stays() -> None:
    words = '“Émile” \u05d0\u200f \U0001f600, and half a \ud800 surrogate  '
    assert one_line(words) == words


def test_values_of_a_sentence_are_on_one_line() -> None:
    inner = text('{title} is gone', title=HOSTILE)
    sentence = text('{what}, {path}, {error}', what=inner, path=Path('/a\nb'), error=ValueError('c\x1bd'))
    shown = str(sentence)
    assert shown == one_line(shown)
    assert shown.endswith('is gone, /a b, c d')
    assert str(counted('{count} of {name}', '{count} of {name}', 2, name='a\nb')) == '2 of a b'
