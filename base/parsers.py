# SPDX-License-Identifier: GPL-3.0-or-later
"""Values from outside, checked: whatever JSON a server or a file holds, each parser returns its type or its "none".

Nothing raises. Every parser is bounded: a value of any size is refused or shortened before work is done with it.
Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone

LONGEST_TEXT, LONGEST_LIST, LONGEST_NUMBER, LONGEST_TOKEN = 1000, 100, 50, 8192
# PostgreSQL's `integer`, which is what the services number their rows with.
LARGEST_ID = 2**31 - 1
_TOKEN = re.compile(r'[\x21-\x7e]+')
_DIGITS = re.compile(r'\s*\d{1,20}\s*', re.ASCII)
_DAY = re.compile(r'\d{4}-\d\d-\d\d', re.ASCII)
_MOMENT = re.compile(
    r'\s*(\d{4})-(\d\d)-(\d\d)'
    r'(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?'
    r'\s?(?:Z|UTC|([+-])(\d\d)(?::?(\d\d))?)?)?\s*',
    re.ASCII | re.IGNORECASE,
)


def mapping(value: object) -> Mapping[str, object]:
    """A JSON object as it is; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def parse_number(value: object) -> float | None:
    """A finite number, given as such or as a text (`'42.5'`, `'1e2'`); None for anything else, booleans included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and len(value) > LONGEST_NUMBER:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def parse_count(value: object) -> int:
    """A whole number from 0 to LARGEST_ID, given as such; 0 for anything else, a text with digits included."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ID else 0


def parse_number_id(value: object, largest: int = LARGEST_ID) -> int:
    """A database id from 1 to `largest`, given as a whole number or as a text of digits; 0 for anything else."""
    if isinstance(value, bool):
        return 0
    if (isinstance(value, str) and _DIGITS.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if isinstance(value, int) and 0 < value <= largest else 0


def parse_text(value: object) -> str:
    """A text on one line, shortened to LONGEST_TEXT; '' for anything else. Halves of characters become `?`."""
    if not isinstance(value, str):
        return ''
    # JSON can carry a lone surrogate, which no file, database or terminal takes.
    return ' '.join(value[:LONGEST_TEXT].encode(errors='replace').decode().split())


def parse_texts(value: object) -> tuple[str, ...]:
    """The texts in a list, as `parse_text` reads them, without empty ones; of a longer list the first LONGEST_LIST."""
    return tuple(filter(None, map(parse_text, value[:LONGEST_LIST]))) if isinstance(value, list) else ()


def parse_token(value: object) -> str:
    """A token that an HTTP header can carry: printable ASCII without blanks, LONGEST_TOKEN at most, stripped.

    '' for anything else.
    """
    token = value.strip() if isinstance(value, str) and len(value) <= LONGEST_TOKEN else ''
    return token if _TOKEN.fullmatch(token) else ''


def parse_moment(value: object) -> datetime | None:
    """An ISO 8601 date, with or without a time, as an aware datetime in its own zone; None for anything else.

    Taken are `T` or a blank between date and time, times without seconds, fractions of any length (cut to
    microseconds), and a zone as `Z`, `UTC`, `+02`, `+0200` or `+02:00`. Without a zone it is UTC, without a time
    midnight. A leap second is the end of its minute. Not taken are dates without a full day (`2025-01`), in weeks, or
    without hyphens.
    """
    found = _MOMENT.fullmatch(value) if isinstance(value, str) and len(value) < 100 else None
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            59 if second == '60' else int(second or 0),
            int((fraction or '0')[:6].ljust(6, '0')),
            timezone.utc,
        )
        if sign is None:
            return moment
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
        moment = moment.replace(tzinfo=timezone(-offset if sign == '-' else offset))
        # Refuse what lies outside the years 1-9999 in UTC: it would raise wherever it is converted.
        moment.astimezone(timezone.utc)
        return moment
    except (ValueError, OverflowError):
        return None


def parse_day(value: object) -> date | None:
    """The day with which an ISO 8601 date begins (`2024-03-04`, whatever follows it); None for anything else."""
    if not isinstance(value, str) or not _DAY.match(value):
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None
