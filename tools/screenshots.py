#!/usr/bin/env python3
"""Takes pictures of all windows of the plugin in all states, in a real Calibre: light, dark, large, right to left.

The user's own files are not used: library and configuration are in a temporary folder, which is deleted at the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

from harness.start import find_calibre, install_plugin, own_network, set_environment, temporary_folder
from messages import catalogue, of_all_modules

RECORDS = ROOT / 'tools' / 'demo_books.json'
TOUR = ROOT / 'tools' / 'screenshot_tour.py'
COLUMNS: dict[str, Any] = {
    '#dateread': {'datatype': 'datetime', 'name': 'Last read', 'display': {'date_format': 'yyyy-MM-dd'}},
    '#completed': {'datatype': 'bool', 'name': 'Completed'},
    '#progress': {'datatype': 'int', 'name': 'Progress', 'display': {'number_format': '{}%'}},
    '#hours': {'datatype': 'float', 'name': 'Reading time', 'display': {'number_format': '{:.1f} h'}},
    '#title_notes': {'datatype': 'comments', 'name': 'Notes'},
}
# The pictures in the README and the documentation: the name in the tour, and the name of the file.
FOR_THE_README = {'done': 'main', 'preview': 'preview', 'first-run': 'first-run'}


@dataclass(frozen=True)
class Mode:
    """How Calibre looks in a set of pictures. With `long` all sentences of the plugin are half as long again.

    `mirrored` sets the layout from right to left. Calibre takes the direction from Qt's translations, which Debian's
    package of Calibre does not contain (seen).
    """

    name: str
    palette: str = 'light'
    environment: dict[str, str] = field(default_factory=dict)
    long: bool = False
    mirrored: bool = False


MODES = (
    Mode('light'),
    Mode('dark', 'dark'),
    Mode('double', environment={'QT_SCALE_FACTOR': '2'}),
    Mode('hebrew', environment={'CALIBRE_OVERRIDE_LANG': 'he'}, mirrored=True),
    Mode('long', environment={'CALIBRE_OVERRIDE_LANG': 'de'}, long=True),
)


def lengthened(words: str) -> str:
    """The sentence followed by filling text of half its length. Placeholders and the mnemonic are kept."""
    filling = 'lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor '
    return f'{words} {(filling * 5)[: max(3, len(words) // 2)].strip()}'


def long_language(root: Path) -> str:
    """A .po file in which all sentences are longer than in English, to find layouts that break."""
    return catalogue(of_all_modules(root), lengthened)


def build_zip_for(mode: Mode, folder: Path) -> Path:
    """Build the plugin as it is shipped, or for a mode with `long`, with the translation of `long_language`."""
    import build_zip

    root = ROOT
    if mode.long:
        root = folder / 'source'
        root.mkdir()
        build_zip.copy_sources(ROOT, root)
        (root / 'translations').mkdir(exist_ok=True)
        language = mode.environment['CALIBRE_OVERRIDE_LANG']
        (root / 'translations' / f'{language}.po').write_text(long_language(root), encoding='utf-8')
    return build_zip.build(folder / 'plugin.zip', root)


def make_libraries(folder: Path) -> tuple[Path, Path]:
    """Make a library without columns, as a new user has it, and one that is ready for a sync."""
    from harness.libraries import LibraryMaker

    books = json.loads(RECORDS.read_text(encoding='utf-8'))['books']
    entries = [{key: book[key] for key in ('title', 'authors', 'identifiers')} for book in books]
    maker = LibraryMaker(folder / 'templates')
    return maker.make(folder / 'New Library', entries, {}), maker.make(folder / 'Classics', entries, COLUMNS)


def take_pictures(mode: Mode, folder: Path, target: Path) -> list[str]:
    """Run Calibre once and return the names of the pictures in `target`."""
    from calibre.gui2 import gprefs
    from harness.commands import settings_path
    from harness.gui import run_calibre

    config = folder / 'config'
    settings_path(config).unlink(missing_ok=True)
    install_plugin(build_zip_for(mode, folder))
    gprefs['color_palette'] = mode.palette
    new_library, ready_library = make_libraries(folder)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    argument = {
        'folder': str(target),
        'records': str(RECORDS),
        'library': str(ready_library),
        'mirrored': mode.mirrored,
    }
    environment = {'QT_QPA_PLATFORM': 'offscreen', **mode.environment}
    done = run_calibre(TOUR, new_library, config, argument=argument, environment=environment, timeout=180)
    if done.returncode != 0:
        raise SystemExit(f'screenshots: Calibre ended with {done.returncode} ({mode.name}).\n{done.stderr}')
    return list(done.result)


def run_mode(mode: Mode, target: Path) -> None:
    """Take the pictures of one mode. Only one per process: Calibre reads its configuration folder once."""
    folder = temporary_folder('backsync-pictures-')
    set_environment(folder)
    own_network()
    find_calibre()
    names = take_pictures(mode, folder, target)
    print(f'{mode.name}: {len(names)} pictures in {target}')


def update_the_readme(light: Path) -> None:
    """Copy the README's pictures to docs/images, with the best lossless compression of PNG."""
    from PyQt6.QtGui import QImage

    target = ROOT / 'docs' / 'images'
    target.mkdir(parents=True, exist_ok=True)
    for picture in sorted(light.glob('*.png')):
        name = picture.stem.partition('-')[2]
        if name in FOR_THE_README:
            kept = target / f'{FOR_THE_README[name]}.png'
            QImage(str(picture)).convertToFormat(QImage.Format.Format_RGB888).save(str(kept), 'PNG', 0)
            print(kept)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', nargs='?', type=Path, default=ROOT / 'build' / 'screenshots')
    parser.add_argument('--mode', choices=[mode.name for mode in MODES], action='append', help='default: all')
    parser.add_argument('--readme', action='store_true', help='also renew the pictures in docs/images')
    options = parser.parse_args()
    wanted = [mode for mode in MODES if not options.mode or mode.name in options.mode]
    if len(wanted) == 1 and not options.readme:
        run_mode(wanted[0], options.folder / wanted[0].name)
        return 0
    import subprocess

    for mode in wanted:
        command = [sys.executable, __file__, str(options.folder), '--mode', mode.name]
        if subprocess.run(command, check=False).returncode != 0:
            return 1
    if options.readme:
        update_the_readme(options.folder / 'light')
    return 0


if __name__ == '__main__':
    sys.exit(main())
