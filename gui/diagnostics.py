# SPDX-License-Identifier: GPL-3.0-or-later
"""Diagnostics for bug reports: versions, settings without secrets, columns, and the end of the log.

Plain text in English, without anything that identifies the user. Opens no window.
"""

from __future__ import annotations

import platform
from contextlib import suppress
from pathlib import Path

from calibre.constants import __version__ as calibre_version
from qt.core import PYQT_VERSION_STR, qVersion

from ..base import log_file, settings
from ..base.about import PLUGIN_NAME, VERSION
from ..base.columns_table import COLUMNS, ColumnState, state_of
from ..base.errors import BackSyncError
from ..base.redaction import Secret, redact
from ..library.calibre_library import Library
from ..rules.records import IDENTIFIER

LOG_LINES = 200
# Settings that are not secret but private: their values are not shown.
PRIVATE_KEYS = frozenset({'email', 'device', 'booklore_url', 'booklore_username'})
# Characters. Shorter private values are not replaced in the log, because they may be part of ordinary words.
SHORTEST_PRIVATE = 4


def diagnostics(library: Library | None) -> str:
    """The diagnostics as one text. `library` is the open library, None if there is none."""
    log = _without_private_values(_without_the_home_folder('\n'.join(log_file.last_lines(LOG_LINES))))
    about = _without_the_home_folder('\n'.join((_versions(), *_settings(library), *_library(library))))
    return redact(f'{about}\nLog:\n{log}\n')


def _without_the_home_folder(words: str) -> str:
    """Replace the path of the home folder, which contains the user's name, by ~."""
    with suppress(RuntimeError):
        return words.replace(str(Path.home()), '~')
    return words


def _without_private_values(log: str) -> str:
    """Replace the values of private settings in the log."""
    with suppress(BackSyncError):
        current = settings.load().settings
        for value in sorted((getattr(current, key) for key in PRIVATE_KEYS), key=len, reverse=True):
            if len(value) >= SHORTEST_PRIVATE:
                log = log.replace(value, '(private)')
    return log


def _versions() -> str:
    return '\n'.join(
        (
            f'{PLUGIN_NAME} {VERSION}',
            f'Calibre {calibre_version}, Qt {qVersion()}, PyQt {PYQT_VERSION_STR}, Python {platform.python_version()}',
            platform.platform(),
        )
    )


def _settings(library: Library | None) -> list[str]:
    try:
        loaded = settings.load(library.api if library is not None else None)
    except BackSyncError as error:
        return ['Settings:', f'  {error}']
    lines = [f'  {key}: {_shown(key, value)}' for key, value in loaded.settings.by_key().items()]
    return ['Settings:', *lines, *(f'  {problem}' for problem in loaded.problems)]


def _shown(key: str, value: object) -> str:
    if isinstance(value, Secret) or key in PRIVATE_KEYS:
        return '(set)' if value else '(not set)'
    return repr(value)


def _library(library: Library | None) -> list[str]:
    if library is None:
        return ['No library is open.']
    try:
        with_identifier = len(library.identifiers(IDENTIFIER))
        columns, current = library.columns(), settings.load(library.api).settings
        lines = [f'Library: {len(library.api.all_book_ids())} books, {with_identifier} with a {IDENTIFIER} identifier']
        for row in COLUMNS:
            name, state = current.columns[row.key], state_of(row, current.columns, columns)
            if state is not ColumnState.NOT_CHOSEN and name != row.built_in:
                kind = 'does not exist' if state is ColumnState.MISSING else columns[name].datatype
                if state is ColumnState.COMPUTED:
                    kind = f'{kind}, computed from other columns and cannot be written'
                lines.append(f'  {name}: {kind}')
        return lines
    except BackSyncError as error:
        return [f'Library: {error}']
