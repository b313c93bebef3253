"""What is asked and what came back, without a connection."""

from __future__ import annotations

from email.utils import format_datetime

import pytest
from calibre_plugins.bookfusionbacksync.transport.request import RawResponse, Request, Response, parse_retry_after
from harness.transport import TOKEN
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ('status', 'ok'), [(199, False), (200, True), (204, True), (299, True), (300, False), (404, False)]
)
def test_which_statuses_are_ok(status: int, ok: bool) -> None:
    assert Response(status, {}, None).ok is ok


@given(st.text() | st.from_regex(r'[\d.:+ ,a-zA-Z-]{0,40}', fullmatch=True) | st.datetimes().map(format_datetime))
def test_retry_after_may_hold_anything(value: str) -> None:
    seconds = parse_retry_after(value)
    assert seconds is None or seconds >= 0


def test_nothing_of_a_request_or_an_answer_shows() -> None:
    request = Request('POST', f'https://books.example/?token={TOKEN}', {'X-Token': TOKEN}, {'password': TOKEN})
    response = Response(200, {'set-cookie': TOKEN}, {'token': TOKEN})
    raw = RawResponse(200, {'set-cookie': TOKEN}, TOKEN.encode())
    assert TOKEN not in f'{request!r}{response!r}{raw!r}{request}{response}{raw}'
