"""What jobs are given in tests: a reporter that records, and a library that stays open."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from calibre_plugins.bookfusionbacksync.base.text import Text
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library


class RecordingReporter:
    """A reporter that records what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.statuses: list[str] = []
        self.counts: list[tuple[int, int | None]] = []

    def status(self, sentence: Text) -> None:
        self.statuses.append(str(sentence))

    def progress(self, done: int, total: int | None) -> None:
        self.counts.append((done, total))

    def log(self, line: str) -> None:
        assert '\n' not in line
        self.lines.append(line)

    def matching(self, pattern: str) -> list[str]:
        """The lines in which a regular expression is found."""
        return [line for line in self.lines if re.search(pattern, line)]


def opener(api: Any) -> Callable[[], AbstractContextManager[Library]]:
    """Opens the library as a window does, where it stays open. `api` is Calibre's cache of it."""
    library = Library(api)
    return lambda: nullcontext(library)
