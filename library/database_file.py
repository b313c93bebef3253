# SPDX-License-Identifier: GPL-3.0-or-later
"""The file metadata.db of a library: where it is, whether Calibre made it, and a copy that can be read at leisure.

Looking at a library leaves its folder as it is: no file is changed, and none appears beside the others.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import apsw
from calibre.ptempfile import TemporaryDirectory

from ..base import errors
from ..base.errors import LibraryLocked, LibraryReadOnly, LibraryTrouble, NoLibrary

logger = logging.getLogger(__name__)

FILE_NAME = 'metadata.db'
# Calibre's own variable for users whose library is on a network drive (documented in its manual).
OVERRIDE = 'CALIBRE_OVERRIDE_DATABASE_PATH'
# How long another program's write is waited for, in milliseconds; as long as Calibre waits.
BUSY_TIMEOUT = 10_000
# What SQLite keeps beside a database, and a copy needs: commits not yet moved into it, or how to take one back.
COMMITS, JOURNAL = '-wal', '-journal'
ENDINGS = ('', COMMITS, JOURNAL)
# The index of the commits. It is there while a program has the database open; a copy gets its own.
COMMITS_INDEX = '-shm'
MOST_COPIES, BETWEEN_COPIES = 10, 0.2
OUT_OF_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
WRITE_PROTECTED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})
# Windows: a file that another program has opened for itself alone, or a part that it has locked.
IN_USE_ON_WINDOWS = frozenset({32, 33})


def known_trouble(error: apsw.Error | OSError) -> LibraryTrouble | None:
    """The error to raise for one of Calibre's or SQLite's that says what helps; None if the cause is not known."""
    if isinstance(error, apsw.BusyError | apsw.LockedError) or getattr(error, 'winerror', None) in IN_USE_ON_WINDOWS:
        return LibraryLocked()
    if isinstance(error, apsw.ReadOnlyError) or (isinstance(error, OSError) and error.errno in WRITE_PROTECTED):
        return LibraryReadOnly(reason_of(error))
    return None


def reason_of(error: Exception) -> str:
    """What an error says, for the brackets of a sentence."""
    words = (isinstance(error, OSError) and error.strerror) or str(error)
    # Newer apsw puts the name of the class in front.
    return words.removeprefix(f'{type(error).__name__}: ')[:200]


def find_library(given: str) -> tuple[str, Path]:
    """The absolute path of a library's folder, and its database, which Calibre may have been told to keep elsewhere.

    Raises NoLibrary if there is no database that this user can see.
    """
    folder = given
    override = os.environ.get(OVERRIDE)
    try:
        folder = str(Path(given).expanduser().absolute())
        file = Path(folder, FILE_NAME) if override is None else Path(override).absolute()
        exists = file.is_file()
    except (OSError, RuntimeError):
        # A folder without permission, a name that is too long, or `~name` of an unknown user.
        exists = False
    if exists:
        return folder, file
    if override is not None:
        raise NoLibrary(errors.NO_DATABASE, path=override, variable=OVERRIDE)
    raise NoLibrary(errors.NO_LIBRARY, path=folder)


@contextmanager
def found_in_folder() -> Iterator[None]:
    """While inside, Calibre opens the metadata.db in a library's folder, whatever the environment says."""
    override = os.environ.pop(OVERRIDE, None)
    try:
        yield
    finally:
        if override is not None:
            os.environ[OVERRIDE] = override


def check_database(file: Path) -> None:
    """Raise apsw.Error if a file is not a database, and NoLibrary if it is not one of Calibre's.

    Calibre itself does not check it. A file that is not a database crashes the process in some builds (seen: Debian's
    9.17), and an empty file, as an interrupted copy leaves it, becomes an empty library in all of them (seen).
    Raises LibraryTrouble if this user may not read the file.
    """
    try:
        connection = _connect(file)
        if connection is None and not _has_commits(file):
            # Nobody has it open, and all of it is in the one file.
            connection = _connection(file, 'immutable=1')
        if connection is not None:
            with closing(connection):
                _check_tables(connection, file)
    except (apsw.NotADBError, apsw.CorruptError):
        raise
    except apsw.Error:
        # Locked, or left by a crash in the middle of a write: Calibre handles both.
        logger.debug('Not looked into %s before it is opened', file.name, exc_info=True)


@contextmanager
def copied(file: Path) -> Iterator[str]:
    """A private folder with a copy of a library's database, as another program would read it at this moment.

    It holds what other programs have committed, also where that is not in the file itself yet, and an interrupted
    write is taken back in the copy. (Calibre's own read-only mode copies the file alone.)
    Raises apsw.Error and NoLibrary as `check_database` does, OSError and LibraryTrouble.
    """
    with ExitStack() as cleaning:
        try:
            folder = cleaning.enter_context(TemporaryDirectory('-library'))
            _copy(file, Path(folder, FILE_NAME))
        except (apsw.FullError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in OUT_OF_SPACE:
                raise
            raise LibraryTrouble(errors.LIBRARY_NOT_COPIED, reason=reason_of(error)) from None
        yield folder


def _copy(file: Path, copy: Path) -> None:
    """Raises LibraryLocked if the files change all the time."""
    for attempt in range(MOST_COPIES):
        if attempt:
            time.sleep(BETWEEN_COPIES)
        if _back_up(file, copy) or _copy_files(file, copy):
            break
    else:
        raise LibraryLocked
    with closing(apsw.Connection(str(copy))) as connection:
        _check_tables(connection, file)
        # Else Calibre would begin to index all books, in a process of its own. Old libraries have no such table.
        with suppress(apsw.SQLError):
            connection.cursor().execute("UPDATE preferences SET val = 'false' WHERE key = 'fts_enabled'")


def _check_tables(connection: apsw.Connection, file: Path) -> None:
    if not connection.cursor().execute("SELECT name FROM sqlite_master WHERE name = 'books'").fetchall():
        raise NoLibrary(errors.NO_LIBRARY, path=str(file.parent))


def _back_up(file: Path, copy: Path) -> bool:
    """Copy through SQLite, which keeps other programs from writing meanwhile. False if that leaves something behind."""
    try:
        source = _connect(file)
        if source is None:
            return False
        with closing(source), closing(apsw.Connection(str(copy))) as target:
            # Nobody needs the copy after a crash: 0.1 s for 100 MB (measured).
            target.cursor().execute('PRAGMA synchronous = off; PRAGMA journal_mode = off').fetchall()
            with target.backup('main', source, 'main') as backup:
                backup.step()
        return True
    except (apsw.CantOpenError, apsw.ReadOnlyError):
        # A write was interrupted, and taking it back is not for a reader (SQLITE_READONLY_ROLLBACK).
        logger.debug('%s is copied file by file', file.name, exc_info=True)
        return False


def _copy_files(file: Path, copy: Path) -> bool:
    """Copy the files of a database that no program has open. False if one has opened or written it meanwhile."""
    before = _state(file)
    # The database first: what is written to it afterwards is still in the others, or shows in their state.
    for ending in ENDINGS:
        _beside(copy, ending).unlink(missing_ok=True)
        with suppress(FileNotFoundError), _readable(_beside(file, ending)):
            shutil.copyfile(_beside(file, ending), _beside(copy, ending))
    return _state(file) == before


def _state(file: Path) -> list[tuple[int, int, int] | None]:
    """Inode, size and time of change of each file, None if there is none. Whoever opens a database makes one of them,
    or takes one away, if it is in WAL mode or a write was interrupted.
    """
    found: list[tuple[int, int, int] | None] = []
    for ending in (*ENDINGS, COMMITS_INDEX):
        try:
            state = _beside(file, ending).stat()
            found.append((state.st_ino, state.st_size, state.st_mtime_ns))
        except FileNotFoundError:
            found.append(None)
    return found


def _beside(file: Path, ending: str) -> Path:
    return file.with_name(file.name + ending)


def _has_commits(file: Path) -> bool:
    commits = _beside(file, COMMITS)
    return commits.exists() and commits.stat().st_size > 0


def _connect(file: Path) -> apsw.Connection | None:
    """A connection that only reads, None if it would leave files behind. Raises LibraryTrouble if nobody may read it.

    In WAL mode SQLite makes -wal and -shm where they are missing, and a reader does not remove them (seen).
    """
    if not _is_in_wal_mode(file):
        return _connection(file, 'mode=ro')
    if _beside(file, COMMITS).exists() and _beside(file, COMMITS_INDEX).exists():
        # An index that a crash left is read as well, and stays as it is (seen; since SQLite 3.22).
        return _connection(file, 'mode=ro&readonly_shm=1')
    return None


def _connection(file: Path, options: str) -> apsw.Connection:
    path = quote(os.fsencode(file.as_posix()))
    address = f'file://{"" if path.startswith("/") else "/"}{path}?{options}'
    connection = apsw.Connection(address, flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    connection.setbusytimeout(BUSY_TIMEOUT)
    return connection


def _is_in_wal_mode(file: Path) -> bool:
    """Read the header (https://sqlite.org/fileformat.html). Raises LibraryTrouble if the file may not be read."""
    with _readable(file), file.open('rb') as opened:
        header = opened.read(20)
    return header.startswith(b'SQLite format 3\x00') and header[18:] == b'\x02\x02'


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """While inside, a file that this user may not read raises LibraryTrouble."""
    try:
        yield
    except PermissionError as error:
        if getattr(error, 'winerror', None) in IN_USE_ON_WINDOWS:
            raise
        raise LibraryTrouble(errors.LIBRARY_CLOSED, path=file, reason=reason_of(error)) from None
