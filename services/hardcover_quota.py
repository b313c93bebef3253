# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps within Hardcover's quota: a bucket of units that refills, and a number of units for the day.

Knows neither HTTP nor GraphQL: it is told the headers of every answer, and asked before every request.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Protocol

from ..base.cancel import Cancel
from ..base.errors import QuotaSpent
from ..base.redaction import Secret
from ..base.text import counted
from ..transport.request import LONGEST_RETRY_AFTER, parse_http_date, retry_after

# Until an answer says otherwise: the smallest quota that Hardcover gives to a key, and to one of the old kind.
BURST, LEGACY_BURST = 10.0, 5.0
UNITS_A_SECOND = 1.0
SHORTEST_DAILY_WINDOW, LONGEST_WINDOW = 12 * 3600, 366 * 24 * 3600
# Where a 429 does not say how long to wait; 10 s together, as long as any request may wait of its own accord.
WAITS_WITHOUT_ADVICE = (2.0, 3.0, 5.0)
_MEMBER = re.compile(r'"([^"]{1,40})"((?:\s*;\s*[a-z]+\s*=\s*\d{1,12}(?!\d))+)', re.ASCII)
_PARAMETER = re.compile(r'([a-z]+)\s*=\s*(\d+)', re.ASCII)


class Clock(Protocol):
    """Time as a pace needs it; tests bring one that never sleeps."""

    def now(self) -> float:
        """Seconds, from anywhere, never backwards."""

    def local_time(self) -> datetime:
        """The time of day, aware."""

    def wait(self, seconds: float, cancel: Cancel) -> None:
        """Sleeps; raises Cancelled as soon as the flag is set."""


class SystemClock:
    """The real time."""

    def now(self) -> float:
        return time.monotonic()

    def local_time(self) -> datetime:
        return datetime.now(timezone.utc).astimezone()

    def wait(self, seconds: float, cancel: Cancel) -> None:
        cancel.wait(seconds)


def parse_limits(header: str) -> dict[str, dict[str, int]]:
    """`"Free";r=8;t=42, "daily";r=4231;t=51234` as {'Free': {'r': 8, 't': 42}, 'daily': {'r': 4231, 't': 51234}}."""
    members = _MEMBER.finditer(header[:1000])
    return {member[1]: {name: int(value) for name, value in _PARAMETER.findall(member[2])} for member in members}


def is_legacy(token: Secret) -> bool:
    """Whether a token is of the old kind, a JWT, which gets half of the burst."""
    value = token.reveal()
    return not value.startswith('hc_') and value.count('.') == 2


class Pace:
    """When the next request may be sent. One for a token, shared by every job that uses it. Any thread may ask."""

    def __init__(self, burst: float = BURST, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._burst = burst
        self._rate = UNITS_A_SECOND
        self._units = burst
        self._counted_at = self.clock.now()
        self._closed_until = self._counted_at
        self._left_today: int | None = None
        # By the time of day: the other clock stands still while the computer sleeps, Hardcover's day does not.
        self._next_day = self.clock.local_time()

    @property
    def left_today(self) -> int | None:
        """Units left for the day, None as long as no answer has said so."""
        with self._lock:
            return self._left_today if self.clock.local_time() < self._next_day else None

    def room(self, wanted: int) -> int:
        """How many of these units can go into one request now. Raises QuotaSpent where the day's are used up."""
        left = self.left_today
        if left is not None and left <= 0:
            raise self.spent()
        with self._lock:
            return max(1, min(wanted, int(self._burst), wanted if left is None else left))

    def seconds_for(self, units: int) -> float:
        """How long sending so many units takes, those at hand first."""
        with self._lock:
            self._refill()
            return max(0.0, (units - self._units) / self._rate)

    def take(self, units: int, cancel: Cancel) -> None:
        """Waits until so many units may be sent, and takes them. Raises QuotaSpent, Cancelled."""
        while True:
            left = self.left_today
            if left is not None and left < units:
                raise self.spent()
            pause = self._try_to_take(units)
            if pause <= 0:
                return
            if pause > LONGEST_RETRY_AFTER:
                raise self._spent_for(pause)
            self.clock.wait(pause, cancel)

    def _try_to_take(self, units: int) -> float:
        with self._lock:
            self._refill()
            now = self.clock.now()
            if now < self._closed_until:
                return self._closed_until - now
            needed = min(float(units), self._burst)
            # A rounding error must not turn into a wait that ends at once, over and over.
            if self._units < needed - 1e-6:
                return (needed - self._units) / self._rate
            self._units = max(0.0, self._units - units)
            if self._left_today is not None:
                self._left_today -= units
            return 0.0

    def _refill(self) -> None:
        now = self.clock.now()
        self._units = min(self._burst, self._units + (now - self._counted_at) * self._rate)
        self._counted_at = now

    def learn(self, headers: Mapping[str, str]) -> None:
        """Takes over what an answer says of the quota (names of headers in lower case)."""
        policy = parse_limits(headers.get('ratelimit-policy', ''))
        state = parse_limits(headers.get('ratelimit', ''))
        with self._lock:
            self._refill()
            for name, rule in policy.items():
                if not _is_daily(name, rule):
                    self._learn_rule(rule)
            for name, values in state.items():
                if 'r' in values:
                    self._learn_rest(_is_daily(name, policy.get(name, {})), values, headers.get('date', ''))
            legacy = headers.get('x-ratelimit-remaining', '').strip()
            if not state and re.fullmatch(r'\d{1,9}', legacy, re.ASCII):
                self._units = min(self._units, float(legacy))

    def _learn_rule(self, rule: Mapping[str, int]) -> None:
        if rule.get('q') and rule.get('w'):
            self._rate = rule['q'] / rule['w']
        burst = float(rule.get('burst') or rule.get('q') or self._burst)
        # A larger bucket than was thought is as full as the one that was thought of.
        self._units = max(0.0, min(burst, self._units + burst - self._burst))
        self._burst = burst

    def _learn_rest(self, daily: bool, values: Mapping[str, int], date: str) -> None:
        if daily:
            self._left_today = values['r']
            seconds = values.get('t', self._until_midnight(date))
            self._next_day = self.clock.local_time() + timedelta(seconds=min(seconds, LONGEST_WINDOW))
        else:
            self._units = min(self._units, float(values['r']))

    def _until_midnight(self, date: str) -> float:
        """Seconds until the day's quota is renewed, at midnight UTC by the server's `Date` where it sent one."""
        now = (parse_http_date(date) or self.clock.local_time()).astimezone(timezone.utc)
        tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (tomorrow - now).total_seconds()

    def turned_away(self, headers: Mapping[str, str], attempt: int) -> None:
        """Takes over a 429: nothing is sent before it allows. Raises QuotaSpent where that is not soon."""
        self.learn(headers)
        seconds = retry_after(headers)
        # "At once" (0, or a date that has passed) was tried just now.
        if not seconds:
            seconds = WAITS_WITHOUT_ADVICE[min(attempt, len(WAITS_WITHOUT_ADVICE) - 1)]
        if seconds > LONGEST_RETRY_AFTER:
            raise self._spent_for(seconds)
        with self._lock:
            self._closed_until = self.clock.now() + seconds

    def spent(self) -> QuotaSpent:
        """The error for a day whose units are used up."""
        return self._spent_for(max(0.0, (self._next_day - self.clock.local_time()).total_seconds()))

    def _spent_for(self, seconds: float) -> QuotaSpent:
        now = self.clock.local_time()
        # A minute more, so that nobody comes a moment too early.
        moment = now + timedelta(seconds=seconds + 60)
        when = moment.strftime('%H:%M') if moment.date() == now.date() else moment.strftime('%Y-%m-%d %H:%M')
        return QuotaSpent(seconds, when, counted('{count} request sent', '{count} requests sent', 0))


def _is_daily(name: str, rule: Mapping[str, int]) -> bool:
    return name.lower() == 'daily' or rule.get('w', 0) >= SHORTEST_DAILY_WINDOW


_shared: dict[Secret, Pace] = {}
_shared_lock = threading.Lock()


def shared_pace(token: Secret) -> Pace:
    """The one pace of a token in this process."""
    with _shared_lock:
        return _shared.setdefault(token, Pace(LEGACY_BURST if is_legacy(token) else BURST))
