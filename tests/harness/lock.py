"""Coordinates Calibre's per-user lock between test runs and a Calibre of the user's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from calibre.utils.lock import ExclusiveFile, SingleInstance

RUNNING = (
    'A Calibre of this user is running outside the tests (or calibredb, or calibre-server). '
    'Close it: there is one lock a user, so the tests that start Calibre cannot run beside it.'
)
# Longer than the time-out of a test.
WAIT_SECONDS = 300


class CalibreLock:
    """Calibre's own lock. `isolated` is True if no other process can hold it (see start.own_network)."""

    def __init__(self, isolated: bool) -> None:
        self.isolated = isolated
        self.held_here = False

    @contextmanager
    def free_for_subprocess(self) -> Iterator[None]:
        """A context in which no other test run starts a Calibre. Raises RuntimeError if the user's own is running."""
        if self.isolated or self.held_here:
            yield
            return
        user = getattr(os, 'geteuid', os.getlogin)()
        queue = str(Path(tempfile.gettempdir(), f'backsync-tests-{user}.lock'))
        with ExclusiveFile(queue, timeout=WAIT_SECONDS):
            with SingleInstance('db') as free:
                if not free:
                    raise RuntimeError(RUNNING)
            yield

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold Calibre's lock in this process, as a running Calibre does. Raises RuntimeError."""
        with self.free_for_subprocess(), SingleInstance('db') as got:
            if not got:
                raise RuntimeError(RUNNING)
            self.held_here = True
            try:
                yield
            finally:
                self.held_here = False
