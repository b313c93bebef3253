"""BookFusion in tests: the settings for a stand-in, a book for a record, and an assertion about parsed records."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from calibre_plugins.bookfusionbacksync.rules.records import ReadingRecord
from calibre_plugins.bookfusionbacksync.services.bookfusion_answers import EARLIEST, LATEST
from standins.bookfusion import BookFusionStandIn, LibraryRecord


def addresses(server: BookFusionStandIn) -> dict[str, Any]:
    """The settings that lead to the stand-in."""
    return {'bookfusion_api_base': server.api_base, 'bookfusion_user_api_base': server.user_api_base}


def account(server: BookFusionStandIn, **more: Any) -> dict[str, Any]:
    """The settings that sign in to the stand-in by password, and `more`."""
    return {**addresses(server), 'email': server.email, 'password': server.password, **more}


def browser_account(server: BookFusionStandIn, **more: Any) -> dict[str, Any]:
    """The settings of a reader who has signed in to the stand-in with a browser, and `more`."""
    return {**addresses(server), 'bookfusion_token': server.token, **more}


def book(record: LibraryRecord, key: str = 'book_id') -> dict[str, Any]:
    """A book in Calibre that is identified by this field of a record."""
    return {'title': record.title, 'identifiers': {'bookfusion': getattr(record, key)}}


def assert_sound(record: ReadingRecord) -> None:
    """Assert the types and ranges that every parsed record must have, whatever the server sent."""
    for moment in (record.last_read_at, record.position_updated_at):
        if isinstance(moment, datetime):
            assert EARLIEST <= moment < LATEST
            assert moment.utcoffset() == timedelta(0)
            assert moment.microsecond == 0
        elif moment is not None:
            assert 0 < len(moment.shown) < 400
    assert record.percentage is None or 0 <= record.percentage <= 100
    assert record.read_time is None or 0 <= record.read_time < 10**9
    assert all(isinstance(value, str) and value for pair in record.ids for value in pair)
    assert len({space for space, _value in record.ids}) == len(record.ids)
    assert all(isinstance(name, str) for name in record.lists)
    assert len(record.title) <= 1000
    hash(record)
