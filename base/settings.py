# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings: names, types and defaults, the settings file, and settings that belong to a library.

Values are checked when they are read, so other modules never see a value of the wrong type.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

from calibre.utils.config import config_dir
from calibre.utils.lock import ExclusiveFile

from . import errors
from .about import IMPORT_NAME
from .columns_table import COLUMNS
from .errors import SettingsTrouble
from .json_file import Damaged, JsonFile
from .private_files import make_folder_private, make_private_folder, remove_copies
from .redaction import Secret

LIBRARY_NAMESPACE = 'BookFusionBackSync'
LOCK_NAME = 'settings.lock'
# Bytes.
LARGEST_FILE = 16 * 1024 * 1024
# Seconds. A file that changed so short a time ago may be being written by another program: it is read again.
FRESH, READ_AGAIN_AFTER = 5.0, 0.05
READS = 10
COLUMN_KEYS = tuple(row.key for row in COLUMNS)
# The settings that a library may have of its own, in its preferences.
LIBRARY_KEYS = (*COLUMN_KEYS, 'hardcover_restriction')


def _default_columns() -> dict[str, str]:
    return {row.key: row.default for row in COLUMNS}


@dataclass(frozen=True)
class Settings:
    """All settings, checked. Field names are keys of the settings file; keys and defaults must stay as they are.

    `columns` maps the keys of the table of columns to lookup names, '' if no column is chosen.
    `hardcover_restriction` is a Calibre search, '' for all books.
    """

    email: str = ''
    password: Secret = Secret('')
    device: str = ''
    bookfusion_token: Secret = Secret('')
    columns: Mapping[str, str] = field(default_factory=_default_columns)
    completed_threshold: float = 99.9
    keep_newer_date: bool = False
    auto_sync_hours: float = 0
    bookfusion_api_base: str = 'https://bookfusion.com/api'
    bookfusion_user_api_base: str = 'https://www.bookfusion.com'
    page_size: int = 100
    hardcover_token: Secret = Secret('')
    hardcover_api_url: str = 'https://api.hardcover.app/v1/graphql'
    hardcover_restriction: str = ''
    hardcover_add_unshelved: bool = False
    hardcover_clear_ratings: bool = False
    booklore_url: str = ''
    booklore_username: str = ''
    booklore_password: Secret = Secret('')

    @property
    def last_read_column(self) -> str:
        return self.columns['last_read_column']

    @property
    def rating_column(self) -> str:
        return self.columns['rating_column']

    def by_key(self) -> dict[str, Any]:
        """All settings by their key in the settings file."""
        found: dict[str, Any] = {}
        for setting in fields(self):
            found.update(self.columns if setting.name == 'columns' else {setting.name: getattr(self, setting.name)})
        return found

    def with_values(self, values: Mapping[str, Any]) -> Settings:
        """A copy with some settings replaced; `values` uses the keys of the settings file."""
        chosen = {key: values.get(key, name) for key, name in self.columns.items()}
        others = {key: value for key, value in values.items() if key not in chosen}
        return replace(self, columns=chosen, **others)


DEFAULTS = Settings()
RANGES: dict[str, tuple[float, float]] = {
    'completed_threshold': (0, 100),
    'auto_sync_hours': (0, 24 * 365),
    'page_size': (10, 5000),
}


@dataclass(frozen=True)
class Loaded:
    """The settings for one run, and one English sentence for every value that could not be used."""

    settings: Settings
    problems: tuple[str, ...]


class LibraryPreferences(Protocol):
    """The methods of Calibre's `new_api` that read and write the preferences of a library."""

    def pref(self, name: str, default: object = None, namespace: str | None = None) -> Any: ...

    def set_pref(self, name: str, val: object, namespace: str | None = None) -> None: ...


_lock = threading.RLock()


def settings_path() -> Path:
    return Path(config_dir) / 'plugins' / f'{IMPORT_NAME}.json'


def plugin_folder() -> Path:
    """The plugin's own folder, created if it is missing, with mode 0700."""
    folder = Path(config_dir) / 'plugins' / IMPORT_NAME
    # An error shows again when a file is written there, where the message can say which one.
    with suppress(OSError):
        make_private_folder(folder)
        make_folder_private(folder)
    return folder


def _file() -> JsonFile:
    """The settings file, formatted as by Calibre's JSONConfig, which version 0.0.4 used."""
    return JsonFile(settings_path(), sort_keys=True, largest=LARGEST_FILE)


def make_private() -> None:
    """Set the mode of the settings file to 0600, without reading it."""
    _file().make_private()


def tidy() -> None:
    """Put the modes of the plugin's files right and remove temporary copies that a kill left. For every start."""
    make_private()
    for path in {settings_path(), Path(os.path.realpath(settings_path()))}:
        remove_copies(path.parent, path.name)
    own = plugin_folder()
    remove_copies(own)
    with suppress(OSError):
        for folder in list((own / 'undo').iterdir()):
            remove_copies(folder)


def _stored() -> dict[str, object]:
    """The contents of the settings file, never cached: another process may have changed it. Raises SettingsTrouble.

    A file that is not a JSON object is renamed, so that no save overwrites it, and the error gives its new path.
    """
    file = _file()
    try:
        try:
            stored = _read(file)
        except Damaged:
            raise SettingsTrouble(errors.SETTINGS_NOT_JSON, path=file.set_aside()) from None
    except OSError as error:
        raise SettingsTrouble(errors.SETTINGS_NOT_READ, path=file.path, reason=error.strerror) from None
    file.make_private()
    return stored


def _read(file: JsonFile) -> dict[str, object]:
    """As JsonFile.read, but a file that is damaged or empty may be being written, and is read again shortly."""
    for remaining in reversed(range(READS)):
        try:
            stored = file.read()
            if stored or not remaining or not _is_fresh(file.path):
                return stored
        except Damaged:
            if not remaining or not _is_fresh(file.path):
                raise
        time.sleep(READ_AGAIN_AFTER)
    raise AssertionError('the last read returns or raises')


def _is_fresh(path: Path) -> bool:
    try:
        return time.time() - path.stat().st_mtime < FRESH
    except OSError:
        return False


@contextmanager
def _file_locked() -> Iterator[None]:
    """Lock the settings file against other threads and other processes. Raises SettingsTrouble."""
    with _lock, ExitStack() as stack:
        lock = plugin_folder() / LOCK_NAME
        try:
            # Calibre would make it with the mode of everything else.
            os.close(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600))
            with suppress(OSError):
                lock.chmod(0o600)
            stack.enter_context(ExclusiveFile(str(lock)))
        except OSError as error:
            raise SettingsTrouble(errors.SETTINGS_NOT_SAVED, path=settings_path(), reason=error.strerror) from None
        yield


def save(values: Mapping[str, object]) -> None:
    """Write these keys to the settings file; all other keys, also unknown ones, are kept. Raises SettingsTrouble."""
    with _file_locked():
        _write(values)


def _write(values: Mapping[str, object]) -> None:
    _write_over(_stored(), values)


def _write_over(stored: Mapping[str, object], values: Mapping[str, object]) -> None:
    """Write values over the contents of the file, as read under the same lock."""
    # Compared as JSON, because in Python True equals 1: a stored value of the wrong type must be replaced.
    if all(key in stored and json.dumps(stored[key]) == json.dumps(value) for key, value in values.items()):
        return
    try:
        _file().write({**stored, **values})
    except OSError as error:
        raise SettingsTrouble(errors.SETTINGS_NOT_SAVED, path=settings_path(), reason=error.strerror) from None


def load(preferences: LibraryPreferences | None = None) -> Loaded:
    """Read the settings. Those in the `preferences` of a library win over the file. Raises SettingsTrouble."""
    with _lock:
        stored = _stored()
    if preferences is not None:
        for key in LIBRARY_KEYS:
            own = preferences.pref(key, None, namespace=LIBRARY_NAMESPACE)
            if own is not None:
                stored[key] = own
    loaded = checked(stored)
    aside = _file().set_aside_last()
    if aside is None:
        return loaded
    # The error may have been raised in an automatic sync, where nobody saw it.
    return replace(loaded, problems=(str(errors.SETTINGS_NOT_JSON.with_values(path=aside)), *loaded.problems))


def checked(stored: Mapping[str, object]) -> Loaded:
    """Settings from the contents of the file. A value of the wrong type or out of range is replaced by its default."""
    values: dict[str, Any] = {}
    problems = []
    for key, default in DEFAULTS.by_key().items():
        if key not in stored:
            continue
        try:
            values[key] = _fit(key, stored[key], default)
        except ValueError as error:
            shown = repr(default) if not isinstance(default, Secret) else 'nothing'
            problems.append(f'Setting {key} {error}, so {shown} is used.')
    return Loaded(DEFAULTS.with_values(values), tuple(problems))


def _fit(key: str, value: object, default: object) -> object:
    """Convert a value to the type of its default. Raises ValueError, with the reason as the end of a sentence."""
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise ValueError('is neither true nor false')
        return value
    if isinstance(default, int | float):
        return _number(key, value, whole=isinstance(default, int) and key == 'page_size')
    if not isinstance(value, str):
        raise ValueError('is not a text')
    if key == 'hardcover_token':
        return Secret(clean_token(value))
    if isinstance(default, Secret):
        return Secret(value)
    if key == 'device' and value and not re.fullmatch(r'[0-9a-f]{16}', value):
        raise ValueError('is not 16 hexadecimal characters')
    return value if key == 'device' else value.strip()


def _number(key: str, value: object, whole: bool) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise ValueError('is not a number')
    least, most = RANGES[key]
    # Compared before any conversion: an integer may be too large for a float.
    if not least <= value <= most:
        raise ValueError(f'is not between {least} and {most}')
    if whole and value != int(value):
        raise ValueError('is not a whole number')
    return int(value) if whole else value


# Before a key that was copied with its name: `HARDCOVER_TOKEN=`, `export TOKEN="`, `"token": "`, `Authorization:`.
_NAME_OF_TOKEN = re.compile(
    r"""(?ix) ^ [{(]? [ ]? (?: (?: export | set | setx | env ) [ ] )? (["'`]?) \$? [a-z_] [\w.:-]*? \1 [ ]? [:=] [ ]?
    (?= ["'`]? \w )"""
)
# How Hardcover's keys begin (documented): personal and OAuth tokens, and the headers of legacy ones.
_BEGINNING = re.compile(r'hc_(?:pat|at)_|eyJ(?:hbGciOi|0eXAiOi)')


def clean_token(raw: str) -> str:
    """A pasted token without white space, without a leading `Bearer`, and without a name in front of it."""
    # Text copied from a web page may contain zero-width characters.
    token = re.sub(r'[\s\u200b-\u200d\u2060\ufeff]+', ' ', raw)
    before = None
    while token != before:
        before = token
        token = re.sub(r'(?i)^ ?(bearer( |$))+', '', token)
        named = _NAME_OF_TOKEN.match(token)
        if named is not None:
            token = token[named.end() :].rstrip(' ,;})')
        if token[:1] in ('"', "'", '`') and token.rstrip()[-1:] == token[:1]:
            token = token.rstrip()[1:-1]
    token = token.replace(' ', '')
    beginning = _BEGINNING.search(token)
    # A dot belongs to a key that has begun already.
    if beginning is not None and '.' not in token[: beginning.start()]:
        return token[beginning.start() :]
    return token


def ensure_device(known: str = '') -> str:
    """The device id for BookFusion: 16 lower-case hexadecimal characters, created and saved on the first call.

    `known` is that of settings which were loaded. The file is read only if they have none, once for looking and for
    writing: between two reads another program may have truncated it. Raises SettingsTrouble.
    """
    if known:
        return known
    with _file_locked():
        stored = _stored()
        device = stored.get('device', '')
        if not isinstance(device, str) or not re.fullmatch(r'[0-9a-f]{16}', device):
            device = secrets.token_hex(8)
            _write_over(stored, {'device': device})
    return device
