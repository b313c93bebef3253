# SPDX-License-Identifier: GPL-3.0-or-later
"""A small JSON object in a file that only its owner reads: the settings, and what the plugin remembers.

Standard library only. What an OSError means to the user is the caller's to say.
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

from .private_files import make_private_folder, write_privately

logger = logging.getLogger(__name__)

# Bytes. No file of the plugin comes near; what is larger is somebody else's, and is not read into memory.
LARGEST = 256 * 1024 * 1024


class Damaged(ValueError):
    """A file that does not hold a JSON object; the message says in a few words why, and nothing of what it holds."""


class JsonFile:
    """One file. A read takes any encoding of JSON; a write is UTF-8, in one step, mode 0600, in folders of mode 0700.

    `indent` and `sort_keys` are how it is written, as for `json.dumps`; keys that are not sorted keep their order.
    """

    def __init__(self, path: Path, *, indent: int | None = 2, sort_keys: bool = False, largest: int = LARGEST) -> None:
        self.path = path
        self._indent = indent
        self._sort_keys = sort_keys
        self._largest = largest

    def read(self) -> dict[str, Any]:
        """What the file holds; {} where there is none, or an empty one. Raises OSError, Damaged."""
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
        with self.path.open('rb') as file:
            size = os.fstat(file.fileno()).st_size
            if size > self._largest:
                raise Damaged(f'larger than {self._largest} bytes')
            return file.read(size)

    def read_or_set_aside(self) -> dict[str, Any]:
        """What the file holds; a damaged one is set aside and logged, and counts as none. Raises OSError."""
        try:
            return self.read()
        except Damaged as error:
            aside = self.set_aside()
            logger.warning('%s cannot be read (%s), so it is set aside as %s', self.path.name, error, aside.name)
            return {}

    def set_aside(self) -> Path:
        """Renames the file, so that the next write does not overwrite it, and says to what. Raises OSError."""
        self.make_private()
        stamp = datetime.now().astimezone().strftime('%Y%m%d-%H%M%S-%f')
        return self.path.replace(self.path.with_name(f'{self.path.name}.unreadable-{stamp}'))

    def set_aside_last(self) -> Path | None:
        """The file that was set aside last, as long as no other has taken its place."""
        if self.path.exists():
            return None
        return max(self.path.parent.glob(f'{self.path.name}.unreadable-*'), default=None)

    def write(self, data: Mapping[str, object]) -> None:
        """Replaces what the file holds; makes the folder if needed. Raises OSError, with the old file untouched."""
        try:
            written = json.dumps(data, indent=self._indent, sort_keys=self._sort_keys)
        except RecursionError:
            # Json reads a little deeper than it writes.
            raise OSError(errno.EINVAL, 'nested too deep') from None
        make_private_folder(self.path.parent)
        write_privately(self.path, written.encode())

    def make_private(self) -> None:
        """Puts the file to mode 0600 where there is one, whatever is in it."""
        with suppress(OSError):
            if stat.S_IMODE(self.path.stat().st_mode) != 0o600:
                self.path.chmod(0o600)
