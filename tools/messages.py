#!/usr/bin/env python3
"""Prints all translatable sentences of the plugin as a template for translators (.pot).

A translation is this file with its sentences filled in, saved as translations/LANGUAGE.po. `make zip` compiles it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from build_zip import module_files

ROOT = Path(__file__).resolve().parent.parent
# The functions that mark sentences, and how many of their first arguments are sentences.
FUNCTIONS = {'_': 1, 'text': 1, 'ngettext': 2, 'counted': 2}
NOTHING_TO_TRANSLATE = re.compile(r'[^\w]*(\{\w+\}[^\w]*)*')


def messages(source: str) -> Iterator[tuple[str, str]]:
    """The sentences that a module marks for translation, as pairs (singular, plural or '')."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        wanted = FUNCTIONS.get(node.func.id, 0)
        words = [str(each.value) for each in node.args[:wanted] if isinstance(each, ast.Constant) and each.value]
        if wanted and len(words) == wanted and not NOTHING_TO_TRANSLATE.fullmatch(words[0]):
            yield words[0], words[1] if wanted == 2 else ''


def of_all_modules(root: Path) -> dict[str, str]:
    """The sentences of all shipped modules in the folder `root`, as {singular: plural or ''}, in the modules' order."""
    found: dict[str, str] = {}
    for path in module_files(root).values():
        for singular, plural in messages(path.read_text(encoding='utf-8')):
            found[singular] = plural or found.get(singular, '')
    return found


def catalogue(found: dict[str, str], translate: Callable[[str], str] = lambda words: '') -> str:
    """A .po file of these sentences, translated by `translate`; without it a template."""

    def quoted(words: str) -> str:
        return json.dumps(words, ensure_ascii=False)

    header = 'Content-Type: text/plain; charset=UTF-8', 'Plural-Forms: nplurals=2; plural=(n != 1);'
    entries = ['msgid ""\nmsgstr ""\n' + '\n'.join(f'"{line}\\n"' for line in header)]
    for singular, plural in found.items():
        one, many = quoted(translate(singular)), quoted(translate(plural))
        plural_forms = f'msgid_plural {quoted(plural)}\nmsgstr[0] {one}\nmsgstr[1] {many}'
        forms = plural_forms if plural else f'msgstr {one}'
        entries.append(f'msgid {quoted(singular)}\n{forms}')
    return '\n\n'.join(entries) + '\n'


if __name__ == '__main__':
    print(catalogue(of_all_modules(ROOT)), end='')
