# SPDX-License-Identifier: GPL-3.0-or-later
"""Parsers for untrusted JSON values of servers and files.

A parser returns a value of its type, or its empty value (None, 0, '' or {}) for anything else; it never raises. Inputs
are limited in size: a longer value is refused or cut before it is processed. Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone

LONGEST_TEXT, LONGEST_LIST, LONGEST_NUMBER, LONGEST_TOKEN = 1000, 100, 50, 8192
# The largest `integer` of PostgreSQL. Hardcover's ids have that type (documented: `Int` in its GraphQL schema);
# BookFusion's are assumed to.
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
    """A JSON object, unchanged; {} for anything else."""
    return value if isinstance(value, dict) else {}


def parse_number(value: object) -> float | None:
    """A finite number from a JSON number or a string (`'42.5'`, `'1e2'`); None for anything else, also for booleans."""
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
    """An integer from 0 to LARGEST_ID; 0 for anything else, also for a string of digits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_ID else 0


def parse_number_id(value: object, largest: int = LARGEST_ID) -> int:
    """A database id from 1 to `largest`, from an integer, a float such as 7.0, or a string of digits; else 0."""
    if isinstance(value, bool):
        return 0
    if (isinstance(value, str) and _DIGITS.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    return value if isinstance(value, int) and 0 < value <= largest else 0


def parse_text(value: object) -> str:
    """A string with white space collapsed, cut to LONGEST_TEXT; '' for anything else. Lone surrogates become `?`."""
    if not isinstance(value, str):
        return ''
    # JSON can contain lone surrogates, which cannot be encoded for a file, a database or a terminal.
    return ' '.join(value[:LONGEST_TEXT].encode(errors='replace').decode().split())


def parse_texts(value: object) -> tuple[str, ...]:
    """The strings of a list, each parsed by `parse_text`, without empty ones. Only the first LONGEST_LIST are read."""
    return tuple(filter(None, map(parse_text, value[:LONGEST_LIST]))) if isinstance(value, list) else ()


def parse_token(value: object) -> str:
    """A token for an HTTP header, stripped; '' for anything else.

    A token is printable ASCII without blanks, LONGEST_TOKEN characters at most.
    """
    token = value.strip() if isinstance(value, str) and len(value) <= LONGEST_TOKEN else ''
    return token if _TOKEN.fullmatch(token) else ''


def parse_moment(value: object) -> datetime | None:
    """An ISO 8601 date or time as an aware datetime in the zone it names; None for anything else.

    Accepted: `T` or a blank between date and time, times without seconds, fractions of any length (cut to
    microseconds), zones as `Z`, `UTC`, `+02`, `+0200` or `+02:00`. The default zone is UTC, the default time midnight.
    Second 60 counts as 59. Not accepted: dates without a day (`2025-01`), week dates, dates without hyphens.
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
        # Refuse times outside the years 1-9999 in UTC: converting them would raise later.
        moment.astimezone(timezone.utc)
        return moment
    except (ValueError, OverflowError):
        return None


def parse_day(value: object) -> date | None:
    """The day at the start of an ISO 8601 date or time (`2024-03-04`); None for anything else."""
    if not isinstance(value, str) or not _DAY.match(value):
        return None
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        return None
