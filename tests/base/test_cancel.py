"""The flag that stops a job: its parts, and what it calls."""

from __future__ import annotations

import errno

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import Cancelled


def test_a_released_part_is_forgotten() -> None:
    whole = Cancel()
    part = whole.child()
    part.release()
    whole.set()
    assert not part.is_set


def test_an_action_that_fails_does_not_stop_the_others() -> None:
    def fail() -> None:
        raise OSError(errno.ENOTCONN, 'not connected')

    called: list[int] = []
    cancel = Cancel()
    with cancel.interrupting(fail), cancel.interrupting(lambda: called.append(1)):
        cancel.set()
        cancel.set()
    assert called == [1, 1]
    with pytest.raises(Cancelled), cancel.interrupting(lambda: called.append(2)):
        called.append(3)
    assert called == [1, 1, 2]
