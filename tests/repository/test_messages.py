"""What translators are given: every sentence of the plugin, once, as it is looked up when it is shown."""

from __future__ import annotations

import importlib
import itertools
import re
import tokenize
from ast import literal_eval
from pathlib import Path

import messages
import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.text import Text
from harness.modules import plugin_modules
from harness.start import IMPORT_NAME, ROOT

FOUND = messages.of_all_modules(ROOT)
MARKING = {*messages.FUNCTIONS, 'Text'}
SOURCE = """
print(_('One'), ngettext('{count} book', '{count} books', 2))
A = text('Two {places}' ' in one', places=3)
B = counted('{count} row', '{count} rows', 4)
C = text('Three: {words}', words='-')
text('{line}', line='-'); text('')
self.text('a method'); _(name); text(f'{name} is no constant'); other('neither')
"""


def test_finds_what_is_marked_and_nothing_else() -> None:
    assert set(messages.messages(SOURCE)) == {
        ('One', ''),
        ('{count} book', '{count} books'),
        ('Two {places} in one', ''),
        ('{count} row', '{count} rows'),
        ('Three: {words}', ''),
    }


def marked_sentences(path: Path) -> set[str]:
    """The first argument of every call of a marking function, where it is a literal; read word by word."""
    with path.open(encoding='utf-8') as source:
        read = tokenize.generate_tokens(source.readline)
        words = [word.string for word in read if word.string.strip() and word.type != tokenize.COMMENT]
    found = set()
    for number, word in enumerate(words):
        if word in MARKING and words[number + 1] == '(' and words[number - 1] != 'def':
            pieces = itertools.takewhile(lambda piece: piece[0] in '\'"', words[number + 2 :])
            found.add(literal_eval(' '.join(pieces) or "''"))
    # A template without a word of its own needs no translation.
    return {sentence for sentence in found if re.search(r'\w', re.sub(r'{\w+}', '', sentence))}


def test_every_sentence_of_every_package_is_among_them() -> None:
    marked = {name: marked_sentences(path) for name, path in plugin_modules().items()}
    assert {name: forgotten for name, sentences in marked.items() if (forgotten := sentences - set(FOUND))} == {}
    packages = {name.rpartition('/')[0] for name, sentences in marked.items() if sentences}
    assert {'', 'base', 'gui', 'jobs', 'services', 'transport'} <= packages


@pytest.mark.parametrize('name', plugin_modules())
def test_every_sentence_that_a_module_keeps_is_among_them(name: str) -> None:
    dotted = f'calibre_plugins.{IMPORT_NAME}.{name.replace("/", ".")}'
    module = importlib.import_module(dotted.removesuffix('.__init__'))
    for sentence in vars(module).values():
        if isinstance(sentence, Text) and not messages.NOTHING_TO_TRANSLATE.fullmatch(sentence.template):
            assert FOUND.get(sentence.template) == sentence.plural, sentence


def test_the_sentences_of_errors_are_kept_by_a_module() -> None:
    assert sum(isinstance(sentence, Text) for sentence in vars(errors).values()) > 50


def test_a_template_is_empty_and_a_translation_has_every_form() -> None:
    found = {'Say "no"': '', '{count} row': '{count} rows'}
    assert messages.catalogue(found).endswith(
        '\n\nmsgid "Say \\"no\\""\nmsgstr ""\n\n'
        'msgid "{count} row"\nmsgid_plural "{count} rows"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    )
    assert 'msgstr[0] "{COUNT} ROW"\nmsgstr[1] "{COUNT} ROWS"' in messages.catalogue(found, str.upper)
