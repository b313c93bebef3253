# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests, responses and limits of HTTP, as data.

Reprs never show a URL, a header or a body: any of them may contain a secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

MEGABYTE = 1024 * 1024
LARGEST_BODY = 64 * MEGABYTE
# Bytes. A record of BookFusion has 2.5 kB (seen); some servers send more records than were asked for.
SMALLEST_LIMIT = 4 * MEGABYTE
LARGEST_RECORD = 64 * 1024
# Bytes of a body's limit for each value of its JSON. Records of BookFusion have 25 bytes a value, texts included, and
# are a small part of the limit.
BYTES_A_VALUE = 32
# Bytes of an error page that are kept.
LONGEST_PAGE = 10_000
# Seconds. If a server asks for a longer pause, the request fails instead.
LONGEST_RETRY_AFTER = 60.0


@dataclass(frozen=True)
class Limits:
    """Time-outs, retries and sizes of a client. Times in seconds, sizes in bytes.

    `connect_timeout`   for the look-up and the connecting
    `read_timeout`      for each wait for the next bytes
    `total_timeout`     for one try, from connecting to the end of the body
    `retry_delays`      the pauses between tries, so there is one try more than pauses
    `max_body`          the largest body, after inflating
    `keepalive_expiry`  an idle connection is not used again after this time
    """

    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    total_timeout: float = 120.0
    # At most 10 s altogether, with up to 20 % of jitter.
    retry_delays: tuple[float, ...] = (0.5, 2.0, 5.0)
    max_body: int = LARGEST_BODY
    keepalive_expiry: float = 20.0


def body_limit(records: int) -> int:
    """The most bytes that a response with so many records may have, with much to spare."""
    return min(SMALLEST_LIMIT + records * LARGEST_RECORD, LARGEST_BODY)


@dataclass(frozen=True)
class Request:
    """One request; `payload` is sent as JSON, None for no body.

    `repeatable`  False for a write that must not happen twice: it is retried only if it was surely not executed
    `hand_back`   transient statuses that are returned instead of retried
    `raw`         True if the response is not JSON but, for instance, a picture; `data` then is the body
    `max_body`    the largest body of the response in bytes, after inflating, if Limits.max_body is not smaller
    `gateways`    error statuses that come from a gateway, and are retried, if the body is not JSON
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    payload: object = field(default=None, repr=False)
    repeatable: bool = True
    hand_back: frozenset[int] = frozenset()
    raw: bool = False
    max_body: int = body_limit(1)
    gateways: frozenset[int] = frozenset()

    @property
    def max_values(self) -> int:
        """How many values the JSON of the response may have."""
        return self.max_body // BYTES_A_VALUE


def is_web_page(page: str) -> bool:
    """True if a body is HTML or XML, judged by its beginning: JSON never begins with `<`."""
    return page.lstrip('\ufeff \t\r\n').startswith('<')


@dataclass(frozen=True)
class Response:
    """A response. Header names are in lower case. `data` is the parsed JSON, None for an error without JSON.

    `page` is the beginning of such an error's body. It must not be shown: it may be anything.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: object = field(repr=False)
    page: str = field(default='', repr=False)

    @property
    def ok(self) -> bool:
        """True if the status means success: 200 to 299."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class RawResponse:
    """A response whose body is inflated but not parsed."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def page(self) -> str:
        """The first LONGEST_PAGE bytes of the body as text."""
        return self.body[:LONGEST_PAGE].decode(errors='replace')


def parse_http_date(value: str) -> datetime | None:
    """An HTTP date as an aware datetime; None for anything else. The default zone is UTC."""
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    if not 1900 < moment.year < 9000:
        # Near the limits of datetime a conversion to another time zone would raise.
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that `Retry-After` asks to wait, as a number or as an HTTP date; None for anything else.

    A date is measured against the response's own `Date`: the clock of this computer may be wrong.
    """
    value = headers.get('retry-after', '').strip()
    if re.fullmatch(r'\d{1,9}(\.\d+)?', value, re.ASCII):
        return float(value)
    moment = parse_http_date(value)
    if moment is None:
        return None
    now = parse_http_date(headers.get('date', '')) or datetime.now(timezone.utc)
    return max(0.0, (moment - now).total_seconds())
