"""What docstrings name exists: `Class.member` of the plugin's own classes, and modules as `base/text`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness.start import ROOT

# Between single backticks, with or without a call's brackets behind it.
DOTTED = re.compile(r'(?<!`)`([A-Z]\w*)\.([a-z_]\w*)(?:\([^`]*\))?`(?!`)')
MODULE = re.compile(r'(?<!`)`([a-z_]+)/([a-z_]+)`(?!`)')
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def sources(root: Path = ROOT) -> dict[str, str]:
    """Every module of the plugin, by path without suffix: `base/text`, `ui`."""
    folders = [
        root,
        *(path.parent for path in root.glob('*/__init__.py') if path.parent.name not in ('tests', 'tools')),
    ]
    return {
        path.relative_to(root).with_suffix('').as_posix(): path.read_text(encoding='utf-8')
        for folder in folders
        for path in folder.glob('*.py')
    }


def docstrings(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED):
            yield ast.get_docstring(node) or ''


def members_of(definition: ast.ClassDef) -> Iterator[str]:
    """Methods, fields, signals, and whatever is assigned to `self`; of base classes only their names."""
    for node in ast.walk(definition):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def unknown_names(modules: dict[str, str]) -> list[str]:
    """`module: name` for everything that a docstring names and that exists nowhere."""
    trees = {name: ast.parse(source) for name, source in modules.items()}
    definitions = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = {definition.name: [getattr(base, 'id', '') for base in definition.bases] for definition in definitions}
    members: dict[str, set[str]] = {}
    for definition in definitions:
        members.setdefault(definition.name, set()).update(members_of(definition))
    packages = {name.split('/')[0] for name in modules if '/' in name}

    def has(kind: str, member: str) -> bool:
        return member in members.get(kind, ()) or any(has(base, member) for base in bases.get(kind, ()))

    def missing(words: str) -> Iterable[str]:
        for kind, member in DOTTED.findall(words):
            if kind in members and not has(kind, member):
                yield f'{kind}.{member}'
        for package, module in MODULE.findall(words):
            if package in packages and f'{package}/{module}' not in modules:
                yield f'{package}/{module}'

    return [
        f'{module}: {name}' for module, tree in trees.items() for words in docstrings(tree) for name in missing(words)
    ]


def test_docstrings_name_what_exists() -> None:
    assert unknown_names(sources()) == []


def test_a_name_that_does_not_exist_is_found() -> None:
    shop = '''"""See `base/till`, `base/shop` and `v3/library`."""
class Shop:
    """Opened by `Shop.open`, emptied by `Bakery.sell(bread)`, `Shop.close` and `Other.close`."""
    def open(self): self.stock = 1
class Bakery(Shop):
    """Holds `Bakery.stock`."""
'''
    assert unknown_names({'base/shop': shop}) == [
        'base/shop: base/till',
        'base/shop: Bakery.sell',
        'base/shop: Shop.close',
    ]
