# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface by which a job reports to a window or a terminal."""

from __future__ import annotations

from typing import Protocol

from .text import Text


class Reporter(Protocol):
    """Receives the reports of a job. Its methods are called from any thread and must return quickly."""

    def status(self, sentence: Text) -> None:
        """Show what the job is doing now, or how it ended."""

    def progress(self, done: int, total: int | None) -> None:
        """Show how much is done. `total` is None if it is not known."""

    def log(self, line: str) -> None:
        """Add one line to the log: English, without secrets. A line break in it is shown as a space."""
