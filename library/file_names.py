# SPDX-License-Identifier: GPL-3.0-or-later
"""The names under which the plugin keeps what it remembers of a library, made of the library's id and place.

Ids are UUIDs, but a damaged or hand-made database may hold any text.
"""

from __future__ import annotations

import hashlib
import re

# As Calibre makes them. Upper case is left out: some file systems do not tell it from lower case.
_ORDINARY = re.compile(r'[0-9a-z-]{8,64}')
_LONGEST_SHOWN = 40


def name_of(library_id: str) -> str:
    """A name that no other library id has, on every file system."""
    if _ORDINARY.fullmatch(library_id):
        return library_id
    return f'{old_name_of(library_id)[:_LONGEST_SHOWN]}-{mark_of(library_id)}'


def old_name_of(library_id: str) -> str:
    """The name that 0.1.0 used. It may be empty, too long for a file, or that of several libraries."""
    return re.sub(r'[^0-9A-Za-z-]', '_', library_id)


def mark_of(words: str) -> str:
    """Sixteen hexadecimal characters that stand for these words."""
    return hashlib.sha256(words.encode('utf-8', 'surrogatepass')).hexdigest()[:16]
