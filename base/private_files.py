# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders that only their owner reads, and writing a file there so that a crash leaves the old one or the new one.

Standard library only.
"""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

REPLACE_TRIES = 5


def make_private_folder(folder: Path) -> None:
    """Makes a folder, and those above it that are missing, mode 0700. Raises OSError."""
    # Path.mkdir gives the ones above the mode of everything else.
    if folder.parent != folder and not folder.parent.is_dir():
        make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_privately(path: Path, data: bytes) -> None:
    """Replaces the file in one step, mode 0600, flushed to disk. Raises OSError with the old file untouched."""
    # mkstemp makes the file with mode 0600 from its first moment, whatever the umask.
    handle, name = tempfile.mkstemp(prefix=f'.{path.name}-', dir=path.parent)
    try:
        with os.fdopen(handle, 'wb') as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _replace(name, path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _replace(name: str, path: Path) -> None:
    """Path.replace, tried again where a virus scanner or an indexer holds the old file open for a moment (Windows)."""
    for remaining in reversed(range(REPLACE_TRIES)):
        try:
            Path(name).replace(path)
            return
        except PermissionError:
            if not remaining:
                raise
            time.sleep(0.1)
