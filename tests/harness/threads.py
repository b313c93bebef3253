"""Threads in tests: which are running, where in the code they are, and how to wait for them without guessing."""

from __future__ import annotations

import contextlib
import inspect
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

OWN_THREADS = ('page', 'single', 'look-up')
# Seconds. Only something that hangs takes longer, and then the test fails.
LONGEST_WAIT = 20.0
LOOK_SECONDS = 0.002


def own_threads() -> list[threading.Thread]:
    """The running threads of the plugin's transport."""
    return [thread for thread in threading.enumerate() if thread.name.startswith(OWN_THREADS)]


def assert_no_thread_left() -> None:
    for thread in own_threads():
        thread.join(LONGEST_WAIT)
    assert own_threads() == []


@contextlib.contextmanager
def on_another_thread(work: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait until `condition()` is true. Raises TimeoutError after LONGEST_WAIT. In the GUI thread use qtbot instead."""
    deadline = time.monotonic() + LONGEST_WAIT
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(inspect.getsource(condition))
        time.sleep(LOOK_SECONDS)


def inside(*functions: Any) -> int:
    """The number of threads that are inside all of these Python functions, at any depth."""
    codes = {inspect.unwrap(function).__code__ for function in functions}

    def stack(frame: FrameType | None) -> Iterator[object]:
        while frame is not None:
            yield frame.f_code
            frame = frame.f_back

    return sum(codes <= set(stack(frame)) for frame in sys._current_frames().values())
