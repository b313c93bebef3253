#!/usr/bin/env python3
"""Makes tests/data/calibre-6.2.1-names.json: the names of Calibre 6.2.1 and Qt 6.3 that the shipped modules need.

Needs a full list of Calibre 6.2.1's names (made from its source: `modules` -> name -> argument names of a function,
`{bases, members}` of a class, or null; `qt_core` -> names) and pip for the stubs of PyQt6 6.3. With a Python 3.10 and
the newest Python it also compares their standard libraries again. Run it when a shipped module uses another module of
Calibre or another class of Qt; the test of the names then fails and names this script.
"""

from __future__ import annotations

import argparse
import ast
import json
import shlex
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / 'tests'), str(ROOT / 'tools')]

from build_zip import module_files
from harness.names import CONVENTION_MODULES, QT, imported_modules

TARGET = ROOT / 'tests' / 'data' / 'calibre-6.2.1-names.json'
QT_STUBS = 'PyQt6==6.3.1'
QT_MODULES = ('QtCore', 'QtGui', 'QtWidgets', 'QtNetwork')
# The classes that the test of the search for newer names uses as examples.
TRIED_QT_CLASSES = {'QCheckBox', 'QColor', 'QLabel', 'QWidget', 'Qt'}
# All modules of the standard library, except those with side effects on import.
LIST_PYTHON = """
import builtins, importlib, json, pkgutil, sys, warnings
warnings.simplefilter('ignore')
names = [name for name in sys.stdlib_module_names if name[0] != '_' and name not in ('antigravity', 'idlelib', 'this')]
packages = 'collections concurrent email http importlib json logging multiprocessing unittest urllib xml'.split()
for package in packages:
    path = importlib.import_module(package).__path__
    names += [f'{package}.{found.name}' for found in pkgutil.iter_modules(path) if found.name[0] != '_']
found = {}
for name in names:
    try:
        found[name] = [member for member in dir(importlib.import_module(name)) if member[0] != '_']
    except ImportError:
        found[name] = []
found['builtins'] = [name for name in dir(builtins) if name[0] != '_']
print(json.dumps({'version': sys.version_info[:2], 'modules': found}))
"""


def shipped_trees() -> list[ast.Module]:
    return [ast.parse(path.read_text(encoding='utf-8')) for path in module_files(ROOT).values()]


def used_qt_names(trees: Iterable[ast.Module]) -> set[str]:
    imports = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {alias.name for node in imports if node.module == QT for alias in node.names}


def python_names(command: str) -> tuple[tuple[int, ...], dict[str, list[str]]]:
    """The version and the names of the standard library of the Python that `command` starts."""
    done = subprocess.run([*shlex.split(command), '-c', LIST_PYTHON], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return tuple(found['version']), found['modules']


def newer_python_names(old: str, new: str) -> dict[str, Any]:
    """The modules that were added to the standard library since 3.10, and the new names of older modules."""
    (old_version, before), (new_version, now) = python_names(old), python_names(new)
    if old_version != (3, 10) or new_version <= old_version:
        raise SystemExit(f'reduce_names: need Python 3.10 and a newer one, not {old_version} and {new_version}.')
    both = sorted(set(before) & set(now))
    added = {name: sorted(set(now[name]) - set(before[name])) for name in both if before[name]}
    return {
        'newer_python': '.'.join(map(str, new_version)),
        'newer_modules': sorted(set(now) - set(before)),
        'newer_names': {name: names for name, names in added.items() if names},
    }


def download_stubs(folder: Path) -> Path:
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', str(folder), QT_STUBS]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(folder.glob('*.whl'))) as wheel:
        wheel.extractall(folder)
    return folder / 'PyQt6'


def stub_classes(body: list[ast.stmt], prefix: str = '') -> dict[str, dict[str, list[str]]]:
    """The classes of a stub by name, nested ones as Outer.Inner, with their bases (last parts only) and members."""
    found: dict[str, dict[str, list[str]]] = {}
    for node in body:
        if not isinstance(node, ast.ClassDef):
            continue
        members: set[str] = set()
        for inner in node.body:
            if isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
                members.add(inner.name)
            elif isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                members.add(inner.target.id)
            elif isinstance(inner, ast.Assign):
                members.update(target.id for target in inner.targets if isinstance(target, ast.Name))
        bases = [ast.unparse(base).rpartition('.')[2] for base in node.bases]
        found[prefix + node.name] = {'bases': bases, 'members': sorted(members)}
        found |= stub_classes(node.body, f'{prefix}{node.name}.')
    return found


def qt_classes(stubs: Path, used: set[str]) -> dict[str, Any]:
    """The used classes with their bases and nested classes. Bases that are not Qt's own are omitted."""
    everything: dict[str, Any] = {}
    for module in QT_MODULES:
        everything |= stub_classes(ast.parse((stubs / f'{module}.pyi').read_text(encoding='utf-8')).body)
    wanted = [name for name in sorted(used) if name in everything]
    for name in wanted:
        more = [base for base in everything[name]['bases'] if base in everything]
        more += [nested for nested in everything if nested.startswith(f'{name}.') and '.' not in name]
        wanted += [further for further in more if further not in wanted]
    for name in wanted:
        everything[name]['bases'] = [base for base in everything[name]['bases'] if base in everything]
    return {name: everything[name] for name in sorted(wanted)}


def reduce(full: dict[str, Any], stubs: Path, newer: dict[str, Any]) -> dict[str, Any]:
    """The contents of the file: what the shipped modules need of `full`, Qt's classes, and the `newer` names."""
    trees = shipped_trees()
    imported = set().union(*map(imported_modules, trees))
    tops = set(full['modules']) | CONVENTION_MODULES
    wanted = {name for name in imported | CONVENTION_MODULES if name in tops}
    # `import a.b` reaches a as well.
    wanted |= {name.rpartition('.')[0] for name in wanted} & tops
    modules = {name: full['modules'][name] for name in sorted(wanted)}
    entries = [entry for names in modules.values() for entry in names.values() if isinstance(entry, dict)]
    qt_bases = {base for entry in entries for base in entry['bases']}
    return {
        **{key: full[key] for key in ('calibre', 'python', 'qt')},
        'modules': modules,
        'qt_core': full['qt_core'],
        'qt_classes': qt_classes(stubs, used_qt_names(trees) | qt_bases | TRIED_QT_CLASSES),
        **newer,
    }


def write(data: dict[str, Any], target: Path) -> None:
    """Write JSON with one line per module and class, so that diffs are readable."""
    parts = []
    for key, value in sorted(data.items()):
        if isinstance(value, dict):
            lines = [
                f'{json.dumps(name)}: {json.dumps(entry, sort_keys=True)}' for name, entry in sorted(value.items())
            ]
            parts.append(f'{json.dumps(key)}: {{\n' + ',\n'.join(lines) + '\n}')
        else:
            parts.append(f'{json.dumps(key)}: {json.dumps(value)}')
    target.parent.mkdir(exist_ok=True)
    target.write_text('{\n' + ',\n'.join(parts) + '\n}\n', encoding='utf-8')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('full', type=Path, help='the full list of names, JSON')
    parser.add_argument('--python310', metavar='COMMAND', help='default: Python is left as it is in the list')
    parser.add_argument('--newest-python', metavar='COMMAND', default=sys.executable, help='default: %(default)s')
    chosen = parser.parse_args()
    full = json.loads(chosen.full.read_text(encoding='utf-8'))
    if chosen.python310:
        newer = newer_python_names(chosen.python310, chosen.newest_python)
    else:
        before = json.loads(TARGET.read_text(encoding='utf-8'))
        newer = {key: before[key] for key in before if key.startswith('newer_')}
    with tempfile.TemporaryDirectory() as scratch:
        reduced = reduce(full, download_stubs(Path(scratch)), newer)
    write(reduced, TARGET)
    print(f'{TARGET}: {TARGET.stat().st_size:,} bytes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
