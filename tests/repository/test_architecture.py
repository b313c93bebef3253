"""Who may import whom: the table of docs/architecture.md, held by reading the source of every module.

Imports inside functions and under `if TYPE_CHECKING:` are held to the same table; only they may go in a circle.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

import build_zip
import pytest
from harness.modules import plugin_modules
from harness.start import IMPORT_NAME, ROOT

ABSOLUTE_NAME = f'calibre_plugins.{IMPORT_NAME}'

# The modules at the top, by row of the table.
DOORS = {
    '__init__': 'windows',
    'ui': 'windows',
    'main': 'windows',
    'config': 'windows',
    'sync_worker': 'workers',
    'hardcover': 'workers',
}
EVERYTHING = frozenset({'*'})
# Row -> what it may import: a package, or the modules at the top ('doors'), and which modules of it.
MAY_IMPORT: dict[str, dict[str, frozenset[str]]] = {
    'windows': {
        'doors': EVERYTHING,
        'gui': EVERYTHING,
        'command_line': EVERYTHING,
        'jobs': EVERYTHING,
        'library': EVERYTHING,
        'rules': EVERYTHING,
        'base': EVERYTHING,
    },
    'gui': {
        'doors': frozenset({'sync_worker', 'hardcover'}),
        'gui': EVERYTHING,
        'jobs': EVERYTHING,
        'library': EVERYTHING,
        'rules': EVERYTHING,
        'base': EVERYTHING,
    },
    'command_line': {
        'doors': frozenset({'hardcover'}),
        'command_line': EVERYTHING,
        'jobs': EVERYTHING,
        'library': EVERYTHING,
        'rules': EVERYTHING,
        'base': EVERYTHING,
    },
    'workers': {'jobs': EVERYTHING, 'rules': EVERYTHING, 'base': EVERYTHING},
    'jobs': {
        'jobs': EVERYTHING,
        'services': EVERYTHING,
        'library': EVERYTHING,
        'rules': EVERYTHING,
        'transport': EVERYTHING,
        'base': EVERYTHING,
    },
    'services': {'services': EVERYTHING, 'rules': EVERYTHING, 'transport': EVERYTHING, 'base': EVERYTHING},
    'library': {'library': EVERYTHING, 'rules': EVERYTHING, 'base': EVERYTHING},
    'rules': {'rules': EVERYTHING, 'base': frozenset({'text', 'errors', 'cancel', 'columns_table'})},
    'transport': {'transport': EVERYTHING, 'base': EVERYTHING},
    'base': {'base': EVERYTHING},
}
# Single modules that may do more, or less, than their row.
ONLY_LAZILY = {('windows', 'command_line'): '__init__'}
NAMES_OF_THE_PLUGIN = ('base/about', '__init__')

# Modules from outside that only some rows may import, at any depth of their names.
ONLY_IN: dict[str, frozenset[str]] = {
    'qt': frozenset({'windows', 'workers', 'gui'}),
    'PyQt6': frozenset(),
    'calibre.db': frozenset({'library'}),
    'calibre.library': frozenset({'library'}),
    'apsw': frozenset({'library'}),
    'http': frozenset({'transport'}),
    'socket': frozenset({'transport'}),
    'ssl': frozenset({'transport'}),
    'urllib.request': frozenset({'transport'}),
}
# The rules know no Calibre but how to check an ISBN, and no clock.
RULES_MAY_KNOW = {'calibre.ebooks.metadata': {'check_isbn', 'check_digit_for_isbn10', 'check_digit_for_isbn13'}}
CLOCKS = frozenset({'time', 'calibre.utils.date'})
CLOCK_CALLS = frozenset({'now', 'utcnow', 'today', 'fromtimestamp'})


@dataclass(frozen=True)
class Import:
    """One import of a module of the plugin by another; names as in `base/text`, `ui`."""

    importer: str
    imported: str
    line: int
    at_load: bool


def package_of(module: str) -> str:
    """The package of a module, '' at the top."""
    package, slash, _name = module.partition('/')
    return package if slash else ''


def row_of(module: str) -> str:
    """The row of the table that a module belongs to; KeyError where the house has no place for it."""
    return package_of(module) or DOORS[module]


def nodes(tree: ast.AST, at_load: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import statement, and whether it runs while the module is loaded."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_load
        elif isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.dump(node.test):
            for child in node.body:
                yield from nodes(ast.Module([child], []), at_load=False)
            for child in node.orelse:
                yield from nodes(ast.Module([child], []), at_load)
        else:
            inside_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from nodes(node, at_load and not inside_function)


def imported_by(module: str, source: str, known: frozenset[str]) -> Iterator[Import]:
    """The modules of the plugin that a module imports; one that does not exist is named all the same."""
    for node, at_load in nodes(ast.parse(source)):
        for target in targets(module, node, known):
            yield Import(module, target, node.lineno, at_load)


def targets(module: str, node: ast.Import | ast.ImportFrom, known: frozenset[str]) -> Iterator[str]:
    package, slash, _name = module.partition('/')
    if isinstance(node, ast.Import):
        for alias in node.names:
            if f'{alias.name}.'.startswith(f'{ABSOLUTE_NAME}.'):
                yield alias.name.removeprefix(ABSOLUTE_NAME).strip('.').replace('.', '/') or '__init__'
        return
    path = (node.module or '').replace('.', '/')
    if node.level:
        above = [package] if slash and node.level == 1 else []
        assert node.level <= (2 if slash else 1), f'{module}: an import from beyond the plugin'
    elif f'{node.module}.'.startswith(f'{ABSOLUTE_NAME}.'):
        above, path = [], path.removeprefix(ABSOLUTE_NAME.replace('.', '/')).strip('/')
    else:
        return
    base = '/'.join(part for part in (*above, path) if part)
    for alias in node.names:
        inner = f'{base}/{alias.name}'.strip('/')
        if inner in known:
            yield inner
        elif base in known:
            yield base
        elif f'{base}/__init__'.strip('/') in known:
            yield f'{base}/__init__'.strip('/')
        else:
            yield base or alias.name


def allowed(link: Import, lazily_too: bool = True) -> bool:
    """Whether the table allows this import."""
    if (link.importer, link.imported) == NAMES_OF_THE_PLUGIN:
        return True
    row = row_of(link.importer)
    package, slash, name = link.imported.partition('/')
    column = package if slash else 'doors'
    if name == '__init__':
        return False
    if (only := ONLY_LAZILY.get((row, column))) is not None and (link.importer != only or link.at_load):
        return False
    wanted = MAY_IMPORT[row].get(column, frozenset())
    return wanted == EVERYTHING or (name if slash else package) in wanted


def links(sources: dict[str, str]) -> list[Import]:
    known = frozenset(sources)
    return [link for module, source in sources.items() for link in imported_by(module, source, known)]


SOURCES = {module: path.read_text(encoding='utf-8') for module, path in plugin_modules().items()}


def outside_imports(source: str) -> Iterator[tuple[str, str, int]]:
    """(module, name or '', line) of everything imported from outside the plugin."""
    for node, _at_load in nodes(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, '', node.lineno) for alias in node.names)
        elif not node.level and node.module:
            yield from ((node.module, alias.name, node.lineno) for alias in node.names)


def is_within(module: str, name: str, package: str) -> bool:
    return any(f'{path}.'.startswith(f'{package}.') for path in (module, f'{module}.{name}'))


def outside_problems(module: str, source: str) -> list[str]:
    row = row_of(module)
    problems = [
        f'{module}:{line}: {package} belongs in {sorted(rows) or "no module"}'
        for imported, name, line in outside_imports(source)
        for package, rows in ONLY_IN.items()
        if is_within(imported, name, package) and row not in rows
    ]
    if row == 'rules':
        problems += rule_problems(module, source)
    return problems


def rule_problems(module: str, source: str) -> list[str]:
    problems = [
        f'{module}:{line}: rules do not know {imported} {name}'
        for imported, name, line in outside_imports(source)
        if imported in CLOCKS
        or (is_within(imported, name, 'calibre') and name not in RULES_MAY_KNOW.get(imported, set()))
    ]
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    problems += [
        f'{module}:{call.lineno}: rules know no clock'
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in CLOCK_CALLS
    ]
    return problems


def circle(found: list[Import]) -> list[str]:
    """The modules of a circle of imports at load, [] where there is none."""
    graph: dict[str, set[str]] = {}
    for link in found:
        if link.at_load and link.importer != link.imported:
            graph.setdefault(link.importer, set()).add(link.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_every_module_has_a_place() -> None:
    homeless = [module for module in SOURCES if '/' not in module and module not in DOORS]
    homeless += [module for module in SOURCES if '/' in module and module.partition('/')[0] not in MAY_IMPORT]
    assert homeless == []


def test_every_import_is_in_the_table() -> None:
    wrong = [
        f'{link.importer}:{link.line} imports {link.imported}'
        for link in links(SOURCES)
        if link.imported not in SOURCES or not allowed(link)
    ]
    assert wrong == []


def test_windows_and_commands_call_the_hardcover_jobs_through_their_door() -> None:
    behind_the_door = {'jobs/fetch_ids', 'jobs/change_match', 'jobs/push_ratings'}
    around_it = [
        link
        for link in links(SOURCES)
        if link.imported in behind_the_door and package_of(link.importer) != 'jobs' and link.importer != 'hardcover'
    ]
    assert around_it == []
    assert behind_the_door <= {link.imported for link in links(SOURCES) if link.importer == 'hardcover'}


def test_no_circle() -> None:
    assert circle(links(SOURCES)) == []


def test_the_command_line_stands_in_three_layers() -> None:
    """The terminal below, the commands between, the program above; also where an import is inside a function."""
    layers = {'command_line/terminal': 0, 'command_line/program': 2}
    inner = [
        link for link in links(SOURCES) if package_of(link.importer) == package_of(link.imported) == 'command_line'
    ]
    assert [link for link in inner if layers.get(link.importer, 1) <= layers.get(link.imported, 1)] == []
    # Whichever command is forgotten in the program is not in the help.
    below = {module for module in SOURCES if package_of(module) == 'command_line' and not module.endswith('__init__')}
    above = {link.imported for link in inner if link.importer == 'command_line/program'}
    assert above == below - {'command_line/program'}


@pytest.mark.parametrize('module', SOURCES)
def test_what_is_from_outside_is_where_it_belongs(module: str) -> None:
    assert outside_problems(module, SOURCES[module]) == []


@pytest.mark.parametrize('package', sorted({module.partition('/')[0] for module in SOURCES if '/' in module}))
def test_a_package_says_what_it_is_for_and_holds_no_code(package: str) -> None:
    tree = ast.parse(SOURCES[f'{package}/__init__'])
    docstring = ast.get_docstring(tree, clean=False)
    assert docstring
    assert 1 <= len(docstring.strip().splitlines()) <= 4
    assert len(tree.body) == 1


def test_a_package_bears_no_name_of_a_module() -> None:
    packages = {module.partition('/')[0] for module in SOURCES if '/' in module}
    assert not packages & {module for module in SOURCES if '/' not in module}


def test_the_zip_has_every_module() -> None:
    assert {f'{module}.py' for module in SOURCES} == set(build_zip.module_files(ROOT))


PAGE = (ROOT / 'docs' / 'architecture.md').read_text(encoding='utf-8')


def rows_of_the_page() -> dict[str, str]:
    """Row of the table -> the cell of docs/architecture.md that says what it may import."""
    found = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        first = re.findall(r'`(\w+)(?:\.py|/)`', cells[0])
        if len(cells) == 3 and first and first[0] not in ('tests', 'tools'):
            found[DOORS.get(first[0], first[0])] = cells[2]
    return found


def test_the_page_has_the_same_table() -> None:
    packages = {row for row in MAY_IMPORT if row not in DOORS.values()}
    rows = rows_of_the_page()
    assert rows.keys() == MAY_IMPORT.keys()
    for row, cell in rows.items():
        named = set(re.findall(r'\w+', cell))
        allowed_here = MAY_IMPORT[row]
        assert named & packages == allowed_here.keys() - {'doors'}, row
        doors = allowed_here.get('doors', frozenset())
        assert (named & DOORS.keys() == doors) if doors != EVERYTHING else 'doors' in named, row


def test_the_page_names_what_exists() -> None:
    named = set(re.findall(r'`((?:\w+/)*\w+\.(?:py|md))`', PAGE))
    assert len(named) > 15
    assert [name for name in sorted(named) if not ROOT.joinpath(name).exists()] == []


# That each kind of fault is found, by sources of our own.
GOOD = {
    '__init__': 'def f():\n    from .command_line.program import main',
    'ui': 'from .gui.widgets import a\nfrom . import sync_worker',
    'sync_worker': 'from .jobs.sync import SyncJob',
    'hardcover': '',
    'gui/__init__': '"""x"""',
    'gui/widgets': 'from ..hardcover import a\nfrom ..base.text import text',
    'command_line/__init__': '"""x"""',
    'command_line/program': 'from ..jobs import sync',
    'jobs/__init__': '"""x"""',
    'jobs/sync': 'from ..services.booklore import b\nfrom . import check',
    'jobs/check': '',
    'services/__init__': '"""x"""',
    'services/booklore': 'from ..rules import titles',
    'rules/__init__': '"""x"""',
    'rules/titles': 'from ..base import text',
    'base/__init__': '"""x"""',
    'base/text': '',
    'base/settings': '',
    'base/about': 'from .. import BackSyncPlugin',
}


def test_what_is_allowed_passes() -> None:
    assert [link for link in links(GOOD) if not allowed(link)] == []
    assert len(links(GOOD)) == 12


@pytest.mark.parametrize(
    ('module', 'source'),
    [
        ('rules/titles', 'from ..base.settings import load'),
        ('rules/titles', 'from ..jobs.sync import SyncJob'),
        ('rules/titles', 'def f():\n    from ..services import booklore'),
        ('rules/titles', 'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..gui.widgets import a'),
        ('gui/widgets', 'from .. import ui'),
        ('gui/widgets', 'from ..services.booklore import b'),
        ('gui/widgets', 'import calibre_plugins.bookfusionbacksync.services.booklore'),
        ('gui/widgets', 'from calibre_plugins.bookfusionbacksync.services import booklore'),
        ('command_line/program', 'from .. import sync_worker'),
        ('ui', 'def f():\n    from .command_line.program import main'),
        ('__init__', 'from .command_line.program import main'),
        ('base/text', 'from .. import BackSyncPlugin'),
        ('services/booklore', 'from ..jobs import sync'),
        ('jobs/sync', 'from ..services import name_of_nothing'),
    ],
)
def test_what_is_not_allowed_is_found(module: str, source: str) -> None:
    sources = {**GOOD, module: source}
    assert [link.importer for link in links(sources) if not allowed(link)] == [module]


def test_a_circle_is_found_and_a_lazy_one_allowed() -> None:
    here = 'from . import {}'
    lazy = 'def f():\n    from . import {}'
    assert circle(links({**GOOD, 'jobs/check': here.format('sync')})) != []
    assert circle(links({**GOOD, 'jobs/check': lazy.format('sync')})) == []


@pytest.mark.parametrize(
    ('module', 'source'),
    [
        ('jobs/sync', 'from qt.core import QThread'),
        ('gui/widgets', 'import apsw'),
        ('gui/widgets', 'from PyQt6.QtCore import Qt'),
        ('jobs/sync', 'from calibre.db.legacy import LibraryDatabase'),
        ('jobs/sync', 'from calibre import library'),
        ('services/booklore', 'import http.client'),
        ('rules/titles', 'from calibre.utils.icu import lower'),
        ('rules/titles', 'import time'),
        ('rules/titles', 'from datetime import date\ndate.today()'),
    ],
)
def test_what_is_out_of_place_is_found(module: str, source: str) -> None:
    assert len(outside_problems(module, source)) == 1


def test_the_rules_may_check_an_isbn() -> None:
    assert outside_problems('rules/isbn', 'from calibre.ebooks.metadata import check_isbn') == []
