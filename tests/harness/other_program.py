"""Another program at work on a library's database: Calibre-Web, say, or one that is killed in the middle of a write."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = """
import json, sqlite3, sys

database = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    print(json.dumps(database.execute(json.loads(line)).fetchall()), flush=True)
database.close()
"""


class OtherProgram:
    """A process of its own with a database open, from entering to leaving: `do(sql)` runs one statement there.

    With `wal` it keeps the database as Calibre-Web-Automated does: commits stay in a file beside it.
    """

    def __init__(self, file: Path, wal: bool = False) -> None:
        command = [sys.executable, '-c', PROGRAM, str(file)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if wal:
            assert self.do('pragma journal_mode = wal') == [['wal']]

    def do(self, sql: str) -> list[Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(sql), file=self._process.stdin, flush=True)
        answer: list[Any] = json.loads(self._process.stdout.readline())
        return answer

    def kill(self) -> None:
        """Ends it in the middle of what it does."""
        self._process.kill()
        self._process.communicate()

    def __enter__(self) -> OtherProgram:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.communicate(timeout=30)
