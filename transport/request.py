# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked and what came back over HTTP, and how much patience there is for it.

Opens no connection. A repr never shows a URL, a header or a body: any of them may hold a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

MEGABYTE = 1024 * 1024
# A server that asks for a longer pause than this, in seconds, is not waited for.
LONGEST_RETRY_AFTER = 60.0


@dataclass(frozen=True)
class Limits:
    """How patient and how generous a client is, in httpx's words. Times in seconds, sizes in bytes.

    `read_timeout` is for each wait for the next bytes, `total_timeout` for the whole response from connecting on;
    `retry_delays` come between the tries, so that there is one try more than delays; `max_body` is after inflating;
    a connection that was idle for longer than `keepalive_expiry` is not used again.
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    total_timeout: float = 120.0
    # Own waiting between tries, 10 s together at most (the jitter adds up to a fifth).
    retry_delays: tuple[float, ...] = (0.5, 2.0, 5.0)
    max_body: int = 64 * MEGABYTE
    keepalive_expiry: float = 20.0


@dataclass(frozen=True)
class Request:
    """One request. Its URL, headers and body may hold secrets, so none of them shows in a repr."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    payload: object = field(default=None, repr=False)
    # False for a write that must not happen twice: it is tried again only when it surely was not carried out.
    repeatable: bool = True
    # Statuses that the service deals with by itself, although another try might mend them.
    hand_back: frozenset[int] = frozenset()
    # True for what is not JSON, a picture: `data` is the body then.
    raw: bool = False


@dataclass(frozen=True)
class Response:
    """A response; header names in lower case; `data` is the parsed JSON, None where an error came without one."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: object = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the status is one of success, 200 to 299."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class RawResponse:
    """A response whose body, inflated, has not been looked at."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def parse_retry_after(value: str) -> float | None:
    """Seconds to wait, from a number of seconds or an HTTP date; None where there is neither."""
    value = value.strip()
    if re.fullmatch(r'\d{1,9}(\.\d+)?', value, re.ASCII):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    with suppress(OverflowError):
        return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())
    return None
