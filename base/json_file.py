# SPDX-License-Identifier: GPL-3.0-or-later
"""A small JSON file that only its owner can read: for the settings and for what the plugin remembers.

Standard library only. Callers turn an OSError into a message for the user.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from .private_files import make_private_folder, open_plain, write_privately

logger = logging.getLogger(__name__)

# Bytes. The plugin's own files are far smaller; a larger file is not read into memory.
LARGEST = 256 * 1024 * 1024


class Damaged(ValueError):
    """The file does not hold a JSON object. The message gives the reason and never the contents."""


class JsonFile:
    """A JSON object in a file at `path`.

    Reading accepts UTF-8, UTF-16 and UTF-32. Writing uses UTF-8 and replaces the file atomically, with mode 0600 and
    new folders of mode 0700; a symbolic link stays one. `indent` and `sort_keys` are those of `json.dumps`. `largest`
    is the size in bytes above which a file counts as damaged.
    """

    def __init__(self, path: Path, *, indent: int | None = 2, sort_keys: bool = False, largest: int = LARGEST) -> None:
        self.path = path
        self._indent = indent
        self._sort_keys = sort_keys
        self._largest = largest

    def read(self) -> dict[str, Any]:
        """The object in the file; {} if the file is missing or empty. Raises OSError, Damaged."""
        try:
            raw = self._bytes()
        except FileNotFoundError:
            return {}
        if not raw.strip():
            return {}
        try:
            data = json.loads(raw)
        except RecursionError:
            raise Damaged('nested too deep') from None
        except ValueError:
            raise Damaged('not JSON') from None
        if not isinstance(data, dict):
            raise Damaged('not an object')
        return data

    def _bytes(self) -> bytes:
        with open_plain(self.path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > self._largest:
                raise Damaged(f'larger than {self._largest} bytes')
            return file.read(size)

    def read_or_set_aside(self) -> dict[str, Any]:
        """As `read`, but a damaged file is renamed and logged, and the result is {}. Raises OSError."""
        try:
            return self.read()
        except Damaged as error:
            aside = self.set_aside()
            logger.warning('%s cannot be read (%s), so it is set aside as %s', self.path.name, error, aside.name)
            return {}

    def set_aside(self) -> Path:
        """Rename the file, so that the next write does not overwrite it. Returns the new path. Raises OSError."""
        self.make_private()
        stamp = datetime.now().astimezone().strftime('%Y%m%d-%H%M%S-%f')
        return self.path.replace(self.path.with_name(f'{self.path.name}.unreadable-{stamp}'))

    def set_aside_last(self) -> Path | None:
        """The path of the file that was set aside last; None if there is none, or if a new file has replaced it."""
        if self.path.exists():
            return None
        return max(self.path.parent.glob(f'{self.path.name}.unreadable-*'), default=None)

    def write(self, data: Mapping[str, object]) -> None:
        """Replace the file's contents, and create its folder if needed. Raises OSError; the old file then remains."""
        try:
            written = json.dumps(data, indent=self._indent, sort_keys=self._sort_keys)
        except RecursionError:
            # The json module reads slightly deeper nesting than it can write.
            raise OSError(errno.EINVAL, 'nested too deep') from None
        make_private_folder(Path(os.path.realpath(self.path)).parent)
        write_privately(self.path, written.encode())

    def make_private(self) -> None:
        """Set the file's mode to 0600 if the file exists. Errors are ignored."""
        with suppress(OSError):
            if stat.S_IMODE(self.path.stat().st_mode) != 0o600:
                self.path.chmod(0o600)
