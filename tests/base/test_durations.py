"""Lengths of time in words."""

from __future__ import annotations

from calibre_plugins.bookfusionbacksync.base.durations import duration
from hypothesis import given
from hypothesis import strategies as st


@given(st.floats(0, 1e9))
def test_durations_are_rounded_up(seconds: float) -> None:
    unit = {'s': 1, 'm': 60, 'h': 3600}
    count, word = str(duration(seconds)).split()
    assert int(count) * unit[word[0]] >= seconds - 0.002
    assert int(count) >= 1
