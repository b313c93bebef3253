# SPDX-License-Identifier: GPL-3.0-or-later
"""How a job tells what it is doing, to a window or to a terminal alike.

Knows neither of them.
"""

from __future__ import annotations

from typing import Protocol

from .text import Text


class Reporter(Protocol):
    """May be called from any thread; must be quick."""

    def status(self, sentence: Text) -> None:
        """What goes on now, or how it ended."""

    def progress(self, done: int, total: int | None) -> None:
        """How far it is; no total means that nobody knows."""

    def log(self, line: str) -> None:
        """A line of the log: English, one line, no secrets."""
