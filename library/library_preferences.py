# SPDX-License-Identifier: GPL-3.0-or-later
"""What a library keeps of the plugin's in its own preferences; `base/settings` reads it with the file."""

from __future__ import annotations

from collections.abc import Mapping

import apsw

from ..base import errors
from ..base.errors import LibraryTrouble
from ..base.settings import COLUMN_KEYS, LIBRARY_NAMESPACE, LibraryPreferences, save


def keep_in_library(preferences: LibraryPreferences, key: str, value: object) -> None:
    """Stores what a library has of its own. Raises LibraryTrouble where it cannot be written."""
    try:
        preferences.set_pref(key, value, namespace=LIBRARY_NAMESPACE)
    except (apsw.Error, OSError) as error:
        raise LibraryTrouble(errors.LIBRARY_NOT_WRITTEN, reason=str(error)[:200]) from None


def save_columns(preferences: LibraryPreferences, columns: Mapping[str, str]) -> None:
    """Chooses columns for a library, and as the default for libraries that have no choice of their own.

    Raises LibraryTrouble, SettingsTrouble.
    """
    for key, lookup_name in columns.items():
        if key in COLUMN_KEYS and preferences.pref(key, None, namespace=LIBRARY_NAMESPACE) != lookup_name:
            keep_in_library(preferences, key, lookup_name)
    save(columns)
