# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences that are English in logs and on the command line, and translated in windows.

Knows neither Qt nor Calibre: whoever shows a Text brings the translating functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Gettext = Callable[[str], str]
Ngettext = Callable[[str, str, int], str]


def _as_written(message: str) -> str:
    return message


def _english_plural(singular: str, plural: str, count: int) -> str:
    return singular if count == 1 else plural


@dataclass(frozen=True)
class Text:
    """A sentence with named placeholders, kept apart from its values until somebody reads it.

    `values` may hold further Texts; `plural` is set only where `count` decides between two forms.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    plural: str = ''
    count: int = 0

    def __str__(self) -> str:
        return self.translated(_as_written, _english_plural)

    def translated(self, gettext: Gettext, ngettext: Ngettext) -> str:
        """The sentence in the language that the two gettext functions speak."""
        template = ngettext(self.template, self.plural, self.count) if self.plural else gettext(self.template)
        values = {
            name: value.translated(gettext, ngettext) if isinstance(value, Text) else value
            for name, value in self.values.items()
        }
        try:
            return template.format(count=self.count, **values) if self.plural else template.format(**values)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError):
            # A translation with a broken placeholder must not hide the sentence.
            return str(self) if gettext is not _as_written else template

    def with_values(self, **values: object) -> Text:
        """The same sentence with (more of) its placeholders filled."""
        return Text(self.template, {**self.values, **values}, self.plural, self.count)


def text(template: str, **values: object) -> Text:
    """A translatable sentence; the first argument is what translators see."""
    return Text(template, values)


def counted(singular: str, plural: str, count: int, **values: object) -> Text:
    """A translatable sentence with a number in it, `{count}`; both forms are what translators see."""
    return Text(singular, values, plural, count)
