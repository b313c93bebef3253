# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to stop a job from another thread: every wait ends at once, and connections in use are shut.

Standard library only; knows nothing of what is being stopped.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .errors import Cancelled


class Cancel:
    """A flag that is set once. Children are set with their parent, not the other way round."""

    def __init__(self, parent: Cancel | None = None) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._actions: dict[object, Callable[[], None]] = {}
        self._parent = parent
        if parent is not None:
            parent._add(self, self.set)

    def child(self) -> Cancel:
        """A flag of its own for a part of the job; `release` it when that part is over."""
        return Cancel(self)

    def release(self) -> None:
        """Forgets the parent, so that a finished part is not kept alive by a long job."""
        if self._parent is not None:
            self._parent._remove(self)

    def set(self) -> None:
        """Stops the job. Safe from any thread and from a signal handler; more than once is fine."""
        self._event.set()
        # A signal may arrive while this very thread holds the lock: the copy needs no lock, only a retry.
        while True:
            with suppress(RuntimeError):
                actions = list(self._actions.values())
                break
        for action in actions:
            with suppress(OSError):
                action()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def check(self) -> None:
        """Raises Cancelled once the flag is set."""
        if self._event.is_set():
            raise Cancelled()

    def wait(self, seconds: float) -> None:
        """Sleeps; raises Cancelled as soon as the flag is set."""
        if self._event.wait(seconds):
            raise Cancelled()

    @contextmanager
    def interrupting(self, action: Callable[[], None]) -> Iterator[None]:
        """While inside, setting the flag also calls `action` (it must be quick and may fail with OSError)."""
        key = object()
        self._add(key, action)
        try:
            self.check()
            yield
        finally:
            self._remove(key)

    def _add(self, key: object, action: Callable[[], None]) -> None:
        with self._lock:
            self._actions[key] = action
        if self._event.is_set():
            with suppress(OSError):
                action()

    def _remove(self, key: object) -> None:
        with self._lock:
            self._actions.pop(key, None)
