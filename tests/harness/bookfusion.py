"""An assertion about parsed records of BookFusion."""

from __future__ import annotations

from datetime import datetime, timedelta

from calibre_plugins.bookfusionbacksync.rules.records import ReadingRecord
from calibre_plugins.bookfusionbacksync.services.bookfusion_answers import EARLIEST, LATEST


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
