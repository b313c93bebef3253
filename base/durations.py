# SPDX-License-Identifier: GPL-3.0-or-later
"""Durations in words, for users."""

from __future__ import annotations

from .text import Text, counted


def duration(seconds: float) -> Text:
    """A waiting time in seconds, minutes or hours, rounded up: at least 1 second."""
    whole = max(1, round(seconds + 0.499))
    if whole < 100:
        return counted('{count} second', '{count} seconds', whole)
    if whole < 100 * 60:
        return counted('{count} minute', '{count} minutes', -(-whole // 60))
    return counted('{count} hour', '{count} hours', -(-whole // 3600))


def duration_words(seconds: float) -> Text:
    """A duration in seconds or minutes, rounded to the nearest: at least 1 second."""
    whole = max(1, round(seconds))
    if whole < 100:
        return counted('{count} second', '{count} seconds', whole)
    return counted('{count} minute', '{count} minutes', round(whole / 60))
