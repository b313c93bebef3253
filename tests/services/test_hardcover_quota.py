"""Keeping within the quota: against a stand-in that enforces it, and for whatever headers may say."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import QuotaSpent
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.services.hardcover_quota import (
    BURST,
    LEGACY_BURST,
    Pace,
    is_legacy,
    parse_limits,
    shared_pace,
)
from harness.hardcover import Service, StillClock, hardcover_service
from hypothesis import given
from hypothesis import strategies as st
from standins.faults import Status
from standins.hardcover import generate_catalogue


@pytest.mark.parametrize('headers', ['standard', 'legacy', 'both', 'none'])
@pytest.mark.parametrize('burst', [10, 15, 5])
def test_sixty_a_minute_without_a_single_429(headers: str, burst: int) -> None:
    with hardcover_service(generate_catalogue(1), headers=headers, burst=burst) as service:
        service.new_pace(5 if burst == 5 else 10)
        with service.client() as hardcover:
            for _ in range(40):
                hardcover.rate([(700_001, 4.0), (700_001, 4.5)], service.cancel)
        assert service.server.turned_away == 0
        assert service.server.units == 80
        # What the bucket held comes at once, the rest a unit a second.
        known_burst = burst if headers in ('standard', 'both') else min(burst, 10)
        assert service.clock.waited == pytest.approx(80 - known_burst, abs=2)


def test_a_bucket_that_somebody_else_emptied(service: Service) -> None:
    with service.client() as hardcover:
        hardcover.who_am_i(service.cancel)
        with service.client() as other:
            other.pace = Pace(clock=service.clock)
            for _ in range(8):
                other.who_am_i(service.cancel)
        # Our own count says that there is room; the server turns this one away and says how long to wait.
        hardcover.rate([(31, 1.0), (32, 1.0)], service.cancel)
    assert service.server.turned_away == 1
    assert service.clock.waited <= 3


def test_what_an_answer_says_of_the_bucket_is_believed(service: Service) -> None:
    with service.client() as hardcover, service.client() as other:
        other.pace = Pace(clock=service.clock)
        for _ in range(7):
            other.who_am_i(service.cancel)
        # This answer says that two units are left.
        hardcover.who_am_i(service.cancel)
        hardcover.rate([(31, 1.0), (32, 1.0), (31, 2.0), (32, 2.0), (31, 3.0)], service.cancel)
    assert service.server.turned_away == 0
    assert service.clock.waited == pytest.approx(3)


@pytest.mark.parametrize('at_once', ['0', 'Wed, 21 Oct 2015 07:28:00 GMT'])
def test_who_is_told_to_come_back_at_once_still_waits_a_little(service: Service, at_once: str) -> None:
    service.server.fail(Status(429, {'Retry-After': at_once}), times=3)
    with service.client() as hardcover:
        hardcover.who_am_i(service.cancel)
    assert service.clock.waits == [2.0, 3.0, 5.0]


def test_a_date_to_come_back_at_is_measured_against_the_server_clock(service: Service) -> None:
    headers = {'Retry-After': 'Wed, 21 Oct 2015 12:00:17 GMT', 'Date': 'Wed, 21 Oct 2015 12:00:00 GMT'}
    service.server.fail(Status(429, headers))
    with service.client() as hardcover:
        hardcover.who_am_i(service.cancel)
    assert service.clock.waits == [pytest.approx(17)]


def test_the_days_quota_is_not_overdrawn(service: Service) -> None:
    service.server.set_options(daily=3)
    with service.client() as hardcover:
        hardcover.who_am_i(service.cancel)
        assert hardcover.pace.left_today == 2
        assert hardcover.pace.room(5) == 2
        hardcover.rate([(31, 1.0), (32, 1.0)], service.cancel)
        with pytest.raises(QuotaSpent) as caught:
            hardcover.who_am_i(service.cancel)
    assert service.server.turned_away == 0
    # Midnight UTC is 14.5 h away, a minute of grace on top.
    assert '2025-06-16 00:01' in str(caught.value)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize('retry_after', [True, False])
def test_a_daily_quota_of_zero(service: Service, retry_after: bool) -> None:
    service.server.set_options(daily=0, retry_after=retry_after)
    with service.client() as hardcover, pytest.raises(QuotaSpent):
        hardcover.who_am_i(service.cancel)
    assert service.clock.waits == []


def test_the_day_after_there_is_room_again(service: Service) -> None:
    service.server.set_options(daily=1)
    with service.client() as hardcover:
        hardcover.who_am_i(service.cancel)
        service.clock.time += 15 * 3600
        service.server.set_options(daily=100)
        assert hardcover.pace.left_today is None
        hardcover.who_am_i(service.cancel)


def test_a_night_that_the_computer_slept_through_counts(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that waits are measured with stands still meanwhile; Hardcover's day does not."""
    service.server.set_options(daily=1)
    with service.client() as hardcover:
        hardcover.who_am_i(service.cancel)
        assert hardcover.pace.left_today == 0
        tomorrow = service.clock.local_time() + timedelta(hours=15)
        monkeypatch.setattr(service.clock, 'local_time', lambda: tomorrow)
        service.server.set_options(daily=100)
        hardcover.who_am_i(service.cancel)


def test_a_reset_beyond_all_reason_is_no_crash(service: Service) -> None:
    quota = {'RateLimit-Policy': '"daily";q=1;w=86400', 'RateLimit': '"daily";r=0;t=999999999999'}
    service.server.fail(Status(429, quota))
    with service.client() as hardcover, pytest.raises(QuotaSpent):
        hardcover.who_am_i(service.cancel)
    assert service.server.count() == 1


@pytest.mark.parametrize(
    ('token', 'legacy'),
    [('hc_pat_' + 'a' * 30, False), ('hc_at_' + 'b' * 30, False), ('e30.e30.c2ln', True), ('plain', False)],
)
def test_tokens_of_the_old_kind_get_half_of_the_burst(token: str, legacy: bool) -> None:
    assert is_legacy(Secret(token)) is legacy
    assert shared_pace(Secret(token)).seconds_for(int(BURST)) == pytest.approx(
        BURST - LEGACY_BURST if legacy else 0, abs=0.1
    )
    assert shared_pace(Secret(token)) is shared_pace(Secret(token))


@pytest.mark.parametrize(
    ('header', 'limits'),
    [
        ('"Free";r=8;t=42, "daily";r=4231;t=51234', {'Free': {'r': 8, 't': 42}, 'daily': {'r': 4231, 't': 51234}}),
        ('"Free";q=60;w=60;burst=10', {'Free': {'q': 60, 'w': 60, 'burst': 10}}),
        ('"Free" ; r = 8', {'Free': {'r': 8}}),
        ('', {}),
        ('free;r=8', {}),
        ('"x";r=-1', {}),
        ('"x";r=' + '9' * 50, {}),
    ],
)
def test_quota_headers(header: str, limits: dict[str, dict[str, int]]) -> None:
    assert parse_limits(header) == limits


headers = st.dictionaries(
    st.sampled_from(['ratelimit', 'ratelimit-policy', 'x-ratelimit-remaining', 'retry-after', 'date']),
    st.text(max_size=60)
    | st.builds(
        '"{}";r={};t={}, "daily";r={};t={}'.format,
        st.sampled_from(['Free', 'Supporter', 'daily']),
        st.integers(0, 100),
        st.integers(0, 100),
        st.integers(0, 6000),
        st.integers(0, 90_000),
    )
    | st.builds('"Free";q={};w={};burst={}'.format, st.integers(0, 600), st.integers(0, 600), st.integers(0, 30))
    | st.integers(0, 90).map(str),
)


@given(st.lists(st.tuples(headers, st.integers(1, 5), st.booleans()), max_size=12))
def test_whatever_the_headers_say_a_pace_waits_a_bounded_time_or_gives_up(
    steps: list[tuple[dict[str, str], int, bool]],
) -> None:
    clock = StillClock()
    pace = Pace(clock=clock)
    for given_headers, units, refused in steps:
        before = clock.waited
        with suppress(QuotaSpent):
            pace.take(pace.room(units), Cancel())
            if refused:
                pace.turned_away(given_headers, 0)
            else:
                pace.learn(given_headers)
        # A minute's closed door, and a minute until there are units.
        assert clock.waited - before <= 121
        assert pace.left_today is None or pace.left_today >= 0
        assert 'Start this again after' in str(pace.spent())


@given(st.lists(st.integers(1, 5), min_size=1, max_size=60))
def test_never_more_than_the_bucket_and_a_unit_a_second(requests: list[int]) -> None:
    clock = StillClock()
    pace = Pace(clock=clock)
    for units in requests:
        pace.take(units, Cancel())
    assert sum(requests) <= 10 + clock.waited + 1e-3
    assert clock.waited <= max(0, sum(requests) - 10) + 1e-3


def test_seconds_are_told_beforehand() -> None:
    clock = StillClock()
    pace = Pace(clock=clock)
    assert pace.seconds_for(10) == 0
    assert pace.seconds_for(100) == pytest.approx(90)
    pace.take(5, Cancel())
    assert pace.seconds_for(100) == pytest.approx(95)


def test_when_to_go_on_names_the_day_only_when_it_is_another() -> None:
    clock = StillClock()
    pace = Pace(clock=clock)
    pace.learn({'ratelimit': '"daily";r=0;t=3600'})
    assert '10:31;' in str(pace.spent())
    pace.learn({'ratelimit': '"daily";r=0;t=90000'})
    tomorrow = (clock.local_time() + timedelta(days=1)).date().isoformat()
    assert f'{tomorrow} 10:31;' in str(pace.spent())
    # Where no time is given, it is midnight UTC.
    pace.learn({'ratelimit': '"daily";r=0'})
    assert f'{tomorrow} 00:01;' in str(pace.spent())
    # By the server's clock it is two hours later than by ours, which says 09:30.
    pace.learn({'ratelimit': '"daily";r=0', 'date': 'Sun, 15 Jun 2025 11:30:00 GMT'})
    assert '22:01;' in str(pace.spent())
    pace.learn({'ratelimit': '"daily";r=0', 'date': 'Fri, 31 Dec 9999 23:59:59 -1200'})
    assert f'{tomorrow} 00:01;' in str(pace.spent())
