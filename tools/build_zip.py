#!/usr/bin/env python3
"""Builds BookfusionBackSync.zip, the file that Calibre installs, from an explicit list of files.

Standard library only. The zip depends on the contents of the files only: the same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ZIP_NAME = 'BookfusionBackSync.zip'
IMPORT_NAME = 'bookfusionbacksync'

# What is shipped: these top-level modules, whose names Calibre and users rely on, and all modules of these packages.
# The build fails if a module or a package is not listed, or if a listed one does not exist.
MODULES = (
    '__init__',
    'config',
    'hardcover',
    'main',
    'sync_worker',
    'ui',
)
PACKAGES: tuple[str, ...] = (
    'base',
    'command_line',
    'gui',
    'jobs',
    'library',
    'rules',
    'services',
    'transport',
)
NOT_SHIPPED = frozenset({'tests', 'tools'})
PLAIN_FILES = (f'plugin-import-name-{IMPORT_NAME}.txt', 'LICENSE', 'CHANGELOG.md')
IMAGE_SUFFIXES = {'.png', '.svg'}

README = 'README.md'
HELP = 'help.md'
HELP_BEGIN, HELP_END = '<!-- help -->', '<!-- /help -->'

# The fields that Calibre's plugin index reads from the syntax tree, with their types.
METADATA = {
    'name': str,
    'version': tuple,
    'author': str,
    'description': str,
    'minimum_calibre_version': tuple,
    'supported_platforms': list,
}
# A fixed time, the earliest that a zip file can store.
TIMESTAMP = (1980, 1, 1, 0, 0, 0)


class BuildError(Exception):
    """The zip cannot be built. The message says what to do."""


def check_listed(name: str, listed: tuple[str, ...], present: set[str]) -> None:
    """Raise BuildError unless the list `name` has exactly the names that are present."""
    if unlisted := sorted(present - set(listed)):
        raise BuildError(f'Add to {name} in tools/build_zip.py: {", ".join(unlisted)}.')
    if absent := sorted(set(listed) - present):
        raise BuildError(f'Listed in {name} in tools/build_zip.py, but not there: {", ".join(absent)}.')


def module_files(root: Path) -> dict[str, Path]:
    """The shipped modules by their name in the zip, such as `base/text.py`. Raises BuildError if a list is wrong."""
    check_listed('MODULES', MODULES, {path.stem for path in root.glob('*.py')})
    check_listed('PACKAGES', PACKAGES, {path.parent.name for path in root.glob('*/__init__.py')} - NOT_SHIPPED)
    paths = [*root.glob('*.py'), *(path for package in PACKAGES for path in (root / package).glob('*.py'))]
    return {path.relative_to(root).as_posix(): path for path in sorted(paths)}


def copy_sources(root: Path, target: Path) -> None:
    """Copy everything that the zip is built from into an existing folder."""
    for name in (*module_files(root), *PLAIN_FILES, README):
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(root / name, target / name)
    for folder in ('images', 'translations'):
        if (root / folder).is_dir():
            shutil.copytree(root / folder, target / folder)


def wrapper_class(tree: ast.Module) -> ast.ClassDef:
    """The class in ``__init__.py`` that Calibre uses as the plugin: the one that sets ``name``. Raises BuildError."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and 'name' in assignments(node):
            return node
    raise BuildError('__init__.py has no class that sets `name`: Calibre would find no plugin in the zip.')


def assignments(node: ast.ClassDef) -> dict[str, ast.expr]:
    """The values assigned in the body of a class, by name."""
    found: dict[str, ast.expr] = {}
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            found.update((target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name))
        elif isinstance(statement, ast.AnnAssign) and statement.value and isinstance(statement.target, ast.Name):
            found[statement.target.id] = statement.value
    return found


def literal(field: str, node: ast.expr) -> object:
    """The value of a metadata field. Raises BuildError unless it is a literal.

    ``description`` may be wrapped in ``_()``: Calibre's plugin index unwraps it (seen in its source).
    """
    if field == 'description' and isinstance(node, ast.Call) and len(node.args) == 1 and not node.keywords:
        node = node.args[0]
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise BuildError(
            f"`{field}` in __init__.py must be a literal: Calibre's plugin index cannot read it."
        ) from None


def read_metadata(source: str) -> dict[str, object]:
    """The plugin's metadata, read from the syntax tree as Calibre's plugin index does. Raises BuildError."""
    given = assignments(wrapper_class(ast.parse(source)))
    found: dict[str, object] = {}
    for field, kind in METADATA.items():
        if field not in given:
            raise BuildError(f'`{field}` is missing in __init__.py.')
        value = literal(field, given[field])
        if not isinstance(value, kind):
            raise BuildError(f'`{field}` in __init__.py must be a {kind.__name__}, not {value!r}.')
        found[field] = value
    return found


def help_text(readme: str) -> str:
    """The user's part of the README, between the two markers, without pictures and links to files of the repository.

    Raises BuildError if there are no markers.
    """
    begin, end = readme.find(HELP_BEGIN), readme.find(HELP_END)
    if begin < 0 or end < begin:
        raise BuildError(f"{README} needs the markers {HELP_BEGIN} and {HELP_END} around the user's part.")
    part = readme[begin + len(HELP_BEGIN) : end]
    # Pictures and other files of the repository are not in the zip.
    part = re.sub(r'!\[[^\]]*\]\([^)]*\)\n?', '', part)
    part = re.sub(r'\[([^\]]*)\]\((?!https?:|#)[^)]*\)', r'\1', part)
    return part.strip() + '\n'


def compile_translations(folder: Path) -> dict[str, bytes]:
    """The ``.po`` files in a folder as ``.mo``, by their name in the zip. Compiled by Calibre's msgfmt."""
    sources = sorted(folder.glob('*.po'))
    if not sources:
        return {}
    with tempfile.TemporaryDirectory() as scratch:
        results = {source: Path(scratch, source.stem + '.mo') for source in sources}
        program = (
            'import json, sys; from calibre.translations.msgfmt import run_batch; list(run_batch(json.load(sys.stdin)))'
        )
        done = subprocess.run(
            ['calibre-debug', '-c', program],
            input=json.dumps([[str(source), str(result)] for source, result in results.items()]).encode(),
            capture_output=True,
            check=False,
        )
        if missing := [source.name for source, result in results.items() if not result.exists()]:
            details = done.stderr.decode(errors='replace').strip()
            raise BuildError(f"Calibre's msgfmt cannot compile {', '.join(missing)}: {details}")
        return {f'translations/{result.name}': result.read_bytes() for result in results.values()}


def contents(root: Path) -> dict[str, bytes]:
    """The contents of the zip by name. Raises BuildError."""
    files = module_files(root) | {name: root / name for name in PLAIN_FILES}
    for path in sorted((root / 'images').glob('*')):
        if path.suffix not in IMAGE_SUFFIXES:
            raise BuildError(f'images/{path.name} is not an image; the folder is shipped whole.')
        files[f'images/{path.name}'] = path
    if absent := sorted(name for name, path in {**files, README: root / README}.items() if not path.is_file()):
        raise BuildError(f'Missing in the repository: {", ".join(absent)}.')
    read_metadata(files['__init__.py'].read_text(encoding='utf-8'))
    found = {name: path.read_bytes() for name, path in files.items()}
    found[HELP] = help_text((root / README).read_text(encoding='utf-8')).encode('utf-8')
    return found | compile_translations(root / 'translations')


def build(target: Path, root: Path = ROOT) -> Path:
    """Write the zip and return its path. Raises BuildError."""
    found = contents(root)
    with zipfile.ZipFile(target, 'w') as archive:
        for name in sorted(found):
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.compress_type = zipfile.ZIP_DEFLATED
            # A Unix file of mode 0644, on whatever system the zip is built.
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, found[name])
    return target


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('target', nargs='?', type=Path, default=ROOT / ZIP_NAME, help='default: %(default)s')
    target: Path = parser.parse_args(arguments).target
    try:
        build(target, ROOT)
    except BuildError as error:
        print(f'build_zip: {error}', file=sys.stderr)
        return 1
    version = read_metadata((ROOT / '__init__.py').read_text(encoding='utf-8'))['version']
    assert isinstance(version, tuple)
    print(f'{target} ({target.stat().st_size:,} bytes, version {".".join(map(str, version))})')
    return 0


if __name__ == '__main__':
    sys.exit(main())
