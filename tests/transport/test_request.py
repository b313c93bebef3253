"""What is asked and what came back, without a connection."""

from __future__ import annotations

from datetime import timedelta, timezone
from email.utils import format_datetime

import pytest
from calibre_plugins.bookfusionbacksync.transport.request import (
    RawResponse,
    Request,
    Response,
    parse_http_date,
    retry_after,
)
from harness.transport import TOKEN
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ('status', 'ok'), [(199, False), (200, True), (204, True), (299, True), (300, False), (404, False)]
)
def test_which_statuses_are_ok(status: int, ok: bool) -> None:
    assert Response(status, {}, None).ok is ok


HEADER = (
    st.text()
    | st.from_regex(r'[\d.:+ ,a-zA-Z-]{0,40}', fullmatch=True)
    | st.datetimes().map(format_datetime)
    | st.datetimes(timezones=st.timezones()).map(format_datetime)
)


@given(HEADER, HEADER | st.none())
def test_retry_after_may_hold_anything(value: str, date: str | None) -> None:
    seconds = retry_after({'retry-after': value} if date is None else {'retry-after': value, 'date': date})
    assert seconds is None or seconds >= 0


@given(HEADER)
def test_a_date_may_hold_anything(value: str) -> None:
    moment = parse_http_date(value)
    if moment is not None:
        assert moment.astimezone(timezone.utc) + timedelta(days=1)


NOON = 'Wed, 21 Oct 2015 12:00:00 GMT'


@pytest.mark.parametrize(
    ('value', 'date', 'seconds'),
    [
        ('Wed, 21 Oct 2015 12:00:07 GMT', NOON, 7),
        ('Wed, 21 Oct 2015 14:00:07 +0200', NOON, 7),
        ('Wed, 21 Oct 2015 12:00:07 GMT', 'Wed, 21 Oct 2015 12:00:00', 7),
        ('Wed, 21 Oct 2099 12:00:07 GMT', 'Wed, 21 Oct 2099 12:00:00 GMT', 7),
        (NOON, NOON, 0),
        ('Wed, 21 Oct 2015 11:59:59 GMT', NOON, 0),
        ('7', NOON, 7),
        ('soon', NOON, None),
        ('', NOON, None),
        # Without a Date to compare with, only this computer's clock is left.
        (NOON, '', 0),
        (NOON, 'today', 0),
        (NOON, 'Fri, 31 Dec 9999 23:59:59 -1200', 0),
    ],
)
def test_a_date_is_measured_against_the_server_clock(value: str, date: str, seconds: float | None) -> None:
    assert retry_after({'retry-after': value, 'date': date}) == seconds


def test_nothing_of_a_request_or_an_answer_shows() -> None:
    request = Request('POST', f'https://books.example/?token={TOKEN}', {'X-Token': TOKEN}, {'password': TOKEN})
    response = Response(200, {'set-cookie': TOKEN}, {'token': TOKEN})
    raw = RawResponse(200, {'set-cookie': TOKEN}, TOKEN.encode())
    assert TOKEN not in f'{request!r}{response!r}{raw!r}{request}{response}{raw}'
