"""What translators are given: every sentence of the plugin, once, as it is looked up when it is shown."""

from __future__ import annotations

from pathlib import Path

import messages
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.text import Text
from calibre_plugins.bookfusionbacksync.jobs import columns
from calibre_plugins.bookfusionbacksync.rules import rating_plan

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """
print(_('One'), ngettext('{count} book', '{count} books', 2))
A = text('Two {places}' ' in one', places=3)
B = counted('{count} row', '{count} rows', 4)
self.say('Three: {words}', words='-')
self.say('{line}', line='-'); self.say('')
say('not a method'); _(name); text(f'{name} is no constant'); other('neither')
"""


def test_finds_what_is_marked_and_nothing_else() -> None:
    assert set(messages.messages(SOURCE)) == {
        ('One', ''),
        ('{count} book', '{count} books'),
        ('Two {places} in one', ''),
        ('{count} row', '{count} rows'),
        ('Three: {words}', ''),
    }


def test_every_sentence_that_a_module_keeps_is_among_them() -> None:
    found = messages.of_all_modules(ROOT)
    kept = [
        value for module in (errors, columns, rating_plan) for value in vars(module).values() if isinstance(value, Text)
    ]
    assert len(kept) > 50
    for sentence in kept:
        assert found.get(sentence.template) == sentence.plural, sentence


def test_a_template_is_empty_and_a_translation_has_every_form() -> None:
    found = {'Say "no"': '', '{count} row': '{count} rows'}
    assert messages.catalogue(found).endswith(
        '\n\nmsgid "Say \\"no\\""\nmsgstr ""\n\n'
        'msgid "{count} row"\nmsgid_plural "{count} rows"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    )
    assert 'msgstr[0] "{COUNT} ROW"\nmsgstr[1] "{COUNT} ROWS"' in messages.catalogue(found, str.upper)
