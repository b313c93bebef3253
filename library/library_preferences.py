# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes settings to the preferences of a library. `base/settings` reads them together with the settings file."""

from __future__ import annotations

from collections.abc import Mapping

import apsw

from ..base import errors
from ..base.errors import LibraryTrouble
from ..base.settings import LIBRARY_KEYS, LIBRARY_NAMESPACE, LibraryPreferences, save
from .database_file import known_trouble, reason_of


def keep_in_library(preferences: LibraryPreferences, key: str, value: object) -> None:
    """Write one value to a library's preferences. Raises LibraryTrouble."""
    try:
        preferences.set_pref(key, value, namespace=LIBRARY_NAMESPACE)
    except (apsw.Error, OSError) as error:
        raise known_trouble(error) or LibraryTrouble(errors.LIBRARY_NOT_WRITTEN, reason=reason_of(error)) from None


def save_for_library(preferences: LibraryPreferences, values: Mapping[str, str]) -> None:
    """Save settings for a library, and as the default for libraries that have none of their own.

    `values` maps keys of LIBRARY_KEYS to lookup names or searches. Raises LibraryTrouble, SettingsTrouble.
    """
    for key, value in values.items():
        if key in LIBRARY_KEYS and preferences.pref(key, None, namespace=LIBRARY_NAMESPACE) != value:
            keep_in_library(preferences, key, value)
    save(values)
