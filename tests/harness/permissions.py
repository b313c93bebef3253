"""Files and disks that may not be written, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Version, number of 32-bit words, and the bits that let root pass by permissions: linux/capability.h.
VERSION, WORDS, PASS_BY = 0x20080522, 2, 0b110


class _Header(ctypes.Structure):
    _fields_ = (('version', ctypes.c_uint32), ('pid', ctypes.c_int))


class _Word(ctypes.Structure):
    _fields_ = (('effective', ctypes.c_uint32), ('permitted', ctypes.c_uint32), ('inheritable', ctypes.c_uint32))


@contextmanager
def permissions_count() -> Iterator[None]:
    """While inside, this thread may open and change only what the permissions of a file allow its owner."""
    if os.geteuid() != 0 or not sys.platform.startswith('linux'):
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header, words = _Header(VERSION, 0), (_Word * WORDS)()
    assert libc.capget(ctypes.byref(header), words) == 0, os.strerror(ctypes.get_errno())
    before = words[0].effective
    words[0].effective = before & ~PASS_BY
    assert libc.capset(ctypes.byref(header), words) == 0, os.strerror(ctypes.get_errno())
    try:
        yield
    finally:
        words[0].effective = before
        assert libc.capset(ctypes.byref(header), words) == 0, os.strerror(ctypes.get_errno())


def can_mount() -> bool:
    """Whether this user may have mounts that nobody else sees."""
    return shutil.which('unshare') is not None and subprocess.run([*OWN_MOUNTS, 'true'], check=False).returncode == 0


OWN_MOUNTS = ('unshare', '--mount', '--map-root-user')


def on_read_only_disk(folder: Path, command: Sequence[str]) -> list[str]:
    """The command, for which the folder is on a file system that is mounted read-only."""
    script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    return [*OWN_MOUNTS, 'sh', '-c', script, str(folder), *command]


def on_small_disk(folder: Path, kilobytes: int, command: Sequence[str]) -> list[str]:
    """The command, for which the folder is an empty disk with that much space."""
    script = f'mount -t tmpfs -o size={kilobytes}k none "$0" && exec "$@"'
    return [*OWN_MOUNTS, 'sh', '-c', script, str(folder), *command]
