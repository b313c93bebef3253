# SPDX-License-Identifier: GPL-3.0-or-later
"""Cancelling a job from another thread: waits end at once, and connections in use are shut down.

Standard library only. Independent of what is cancelled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .errors import Cancelled


class Cancel:
    """A flag that is set once and never cleared. Setting a parent also sets its children, not the other way round."""

    def __init__(self, parent: Cancel | None = None) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._actions: dict[object, Callable[[], None]] = {}
        self._parent = parent
        if parent is not None:
            parent._add(self, self.set)

    def child(self) -> Cancel:
        """A separate flag for a part of the job. Call `release` on it when that part has ended."""
        return Cancel(self)

    def release(self) -> None:
        """Detach from the parent, so that a long job does not keep its finished parts in memory."""
        if self._parent is not None:
            self._parent._remove(self)

    def set(self) -> None:
        """Set the flag and run all registered actions. Safe from any thread and in a signal handler, and repeatable."""
        self._event.set()
        # No lock here: a signal handler may run on the thread that holds it. A copy that fails is tried again.
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
        """Raise Cancelled if the flag is set."""
        if self._event.is_set():
            raise Cancelled()

    def wait(self, seconds: float) -> None:
        """Sleep for so many seconds. Raises Cancelled as soon as the flag is set."""
        if self._event.wait(seconds):
            raise Cancelled()

    @contextmanager
    def interrupting(self, action: Callable[[], None]) -> Iterator[None]:
        """Call `action` when the flag is set inside this context. It must be quick; an OSError of it is ignored.

        Raises Cancelled if the flag is set already.
        """
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
