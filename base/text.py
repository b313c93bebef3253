# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts that are English in logs and on the command line, and translated in windows.

No Qt, no Calibre: the code that shows a Text passes the gettext functions.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

Gettext = Callable[[str], str]
Ngettext = Callable[[str, str, int], str]

# A character class, for use in a pattern: control characters (newlines and the escape codes of terminals among them),
# separators, marks that turn the direction of the rest of a line, and noncharacters, of which some break lines in Qt.
UNSHOWABLE = '\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufffe\uffff'
_UNSHOWABLE = re.compile(f'[{UNSHOWABLE}]+')


def one_line(words: str) -> str:
    """Words as a line of a log, a terminal or a table can show them: what could break or forge a line is a space."""
    return _UNSHOWABLE.sub(' ', words)


def _as_written(message: str) -> str:
    return message


def _english_plural(singular: str, plural: str, count: int) -> str:
    return singular if count == 1 else plural


def _shown(value: object) -> object:
    return one_line(str(value)) if isinstance(value, str | PurePath | Exception) else value


@dataclass(frozen=True)
class Text:
    """A sentence with named placeholders, which are filled in when it is shown.

    `template` is the English sentence, `values` maps placeholders to values, which may be Texts; other texts
    are shown on one line. `plural` is the plural form for sentences with a count, else ''. `str()` gives the English
    sentence.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    plural: str = ''
    count: int = 0

    def __str__(self) -> str:
        return self.translated(_as_written, _english_plural)

    def translated(self, gettext: Gettext, ngettext: Ngettext) -> str:
        """The sentence in the language of the two gettext functions."""
        template = ngettext(self.template, self.plural, self.count) if self.plural else gettext(self.template)
        values = {
            name: value.translated(gettext, ngettext) if isinstance(value, Text) else _shown(value)
            for name, value in self.values.items()
        }
        try:
            return template.format(count=self.count, **values) if self.plural else template.format(**values)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError):
            # A translation with a broken placeholder falls back to English.
            return str(self) if gettext is not _as_written else template

    def with_values(self, **values: object) -> Text:
        """A copy with these values added."""
        return Text(self.template, {**self.values, **values}, self.plural, self.count)


def text(template: str, **values: object) -> Text:
    """A translatable sentence. `make messages` collects the first argument, which must be a literal."""
    return Text(template, values)


def counted(singular: str, plural: str, count: int, **values: object) -> Text:
    """A translatable sentence with the placeholder `{count}`. `make messages` collects both forms."""
    return Text(singular, values, plural, count)
