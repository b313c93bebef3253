# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders and files that only their owner can read. Files are written atomically.

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
    """Create a folder and its missing parents with mode 0700. Raises OSError."""
    # Path.mkdir(parents=True) gives the parents the default mode.
    if folder.parent != folder and not folder.parent.is_dir():
        make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_privately(path: Path, data: bytes) -> None:
    """Replace a file atomically, with mode 0600, flushed to disk. Raises OSError; the old file then remains."""
    # mkstemp creates the file with mode 0600, whatever the umask.
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
    """Path.replace with retries: on Windows a virus scanner or an indexer may hold the old file open for a moment."""
    for remaining in reversed(range(REPLACE_TRIES)):
        try:
            Path(name).replace(path)
            return
        except PermissionError:
            if not remaining:
                raise
            time.sleep(0.1)
