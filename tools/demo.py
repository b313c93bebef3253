#!/usr/bin/env python3
"""Demonstrates a sync with the installed zip, on a small library, against a local stand-in for BookFusion.

The user's own files are not used: library, configuration and log are in a temporary folder, which is deleted.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

from harness.start import PLUGIN_NAME, find_calibre, install_plugin, own_network, set_environment, temporary_folder
from standins.common import StandInProcess

EMAIL, PASSWORD = 'reader@example.org', 'only for the demo'
RECORDS = ROOT / 'tools' / 'demo_books.json'


def make_library(folder: Path, books: list[dict[str, Any]]) -> None:
    """Make a library with two custom columns, as a user has it before the first sync."""
    from harness.libraries import Columns, LibraryMaker

    columns: Columns = {
        '#dateread': {'datatype': 'datetime', 'name': 'Last read', 'display': {'date_format': 'yyyy-MM-dd'}},
        '#completed': {'datatype': 'bool', 'name': 'Completed'},
    }
    entries = [{key: book[key] for key in ('title', 'authors', 'identifiers')} for book in books]
    LibraryMaker(folder.parent / 'templates').make(folder, entries, columns)


def settings_for(service: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a user would enter in the form, with the stand-in's addresses."""
    return {
        'email': EMAIL,
        'password': PASSWORD,
        'last_read_column': '#dateread',
        'completed_column': '#completed',
        'bookfusion_api_base': service['api_base'],
        'bookfusion_user_api_base': service['user_api_base'],
    }


def sync(library: Path) -> str:
    """Run a sync with the installed plugin, show its output, and return its status line."""
    command = ['calibre-debug', '-r', PLUGIN_NAME, '--', 'sync', '--library', str(library)]
    print(f'\n$ {shlex.join(command)}', flush=True)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding='utf-8')
    assert process.stdout is not None
    line = ''
    for line in process.stdout:
        print(f'  {line}', end='', flush=True)
    if (code := process.wait()) != 0:
        raise SystemExit(f'demo: the sync ended with exit code {code}.')
    return line.strip()


def print_columns(library: Path) -> None:
    """Print the columns as calibredb lists them."""
    command = ['calibredb', 'list', '--library-path', str(library), '--for-machine']
    command += ['--fields', 'title,authors,*dateread,*completed', '--sort-by', 'title', '--ascending']
    found = subprocess.run(command, stdout=subprocess.PIPE, encoding='utf-8', check=True)
    rows = [('Title', 'Authors', '#dateread', '#completed')]
    for book in json.loads(found.stdout):
        # calibredb prints an empty date as the word None (seen).
        read = book.get('*dateread', 'None')
        day = '' if read == 'None' else datetime.fromisoformat(read).astimezone().strftime('%Y-%m-%d')
        rows.append((book['title'], book['authors'], day, {True: 'Yes', False: 'No'}.get(book.get('*completed'), '')))
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    print()
    for number, row in enumerate(rows):
        print('  ' + '  '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number == 0:
            print('  ' + '  '.join('-' * width for width in widths))


def show_on_the_command_line(library: Path) -> int:
    print('The library before the sync:', flush=True)
    print_columns(library)
    first = sync(library)
    print_columns(library)
    print('\nA second sync right after the first changes nothing:')
    second = sync(library)
    if first.startswith('Done - 0 updated') or not second.startswith('Done - 0 updated'):
        print('demo: that is not what should have happened.', file=sys.stderr)
        return 1
    return 0


def show_in_calibre(library: Path) -> int:
    """Open the library in Calibre, with the plugin's button on the toolbar, and wait until the user quits it."""
    from calibre.utils.lock import SingleInstance
    from harness.gui_driver import prepare_first_start

    with SingleInstance('db') as free:
        if not free:
            print('demo: Calibre is running. Quit it first: there can be only one at a time.', file=sys.stderr)
            return 1
    prepare_first_start()
    print(
        f'Calibre opens on a sample library. Click the button "{PLUGIN_NAME}" and then Sync now; quit to end the demo.'
    )
    with subprocess.Popen(['calibre', '--with-library', str(library), '--no-update-check']) as calibre:
        try:
            return calibre.wait()
        finally:
            calibre.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--gui', action='store_true', help='open Calibre itself on the sample library')
    gui: bool = parser.parse_args().gui
    if (
        gui
        and sys.platform.startswith('linux')
        and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY'))
    ):
        print('demo: Calibre needs a display to open on, and there is none here.', file=sys.stderr)
        return 2
    folder = temporary_folder('backsync-demo-')
    set_environment(folder)
    if not gui:
        # In its own network namespace the demo can run beside the user's Calibre.
        own_network()
    find_calibre()
    install_plugin(ROOT / 'BookfusionBackSync.zip')

    from harness.commands import write_settings

    sample = json.loads(RECORDS.read_text(encoding='utf-8'))
    library = folder / 'Sample Library'
    make_library(library, sample['books'])
    records = folder / 'records.json'
    records.write_text(json.dumps(sample['bookfusion']), encoding='utf-8')
    stand_in = ROOT / 'tests' / 'standins' / 'bookfusion.py'
    arguments = ['--records', str(records), '--email', EMAIL, '--password', PASSWORD]
    with StandInProcess(stand_in, *arguments) as service:
        write_settings(folder / 'config', settings_for(service.ready))
        return show_in_calibre(library) if gui else show_on_the_command_line(library)


if __name__ == '__main__':
    # On SIGTERM too, the temporary folder is deleted.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(4))
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(4)
