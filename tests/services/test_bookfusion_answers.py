"""Reading what BookFusion may send: any JSON gives checked records or nothing."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.errors import BadAnswer
from calibre_plugins.bookfusionbacksync.rules.records import ReadingRecord, Unreadable, parse_id
from calibre_plugins.bookfusionbacksync.services.bookfusion_answers import (
    EARLIEST,
    LATEST,
    book_id_of,
    own_id,
    parse_percentage,
    parse_private_record,
    parse_read_date,
    parse_user_record,
    record_page,
    shown,
    total_of,
)
from calibre_plugins.bookfusionbacksync.transport.request import Response
from harness.bookfusion import assert_sound
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ('given', 'moment'),
    [
        ('2026-04-20T18:22:31.000Z', '2026-04-20T18:22:31'),
        ('2026-04-20T18:22:31.999999999Z', '2026-04-20T18:22:31'),
        ('2026-04-20T18:22:31.0123456789Z', '2026-04-20T18:22:31'),
        ('2026-04-20T18:22:31,5Z', '2026-04-20T18:22:31'),
        ('2026-04-20T18:22:31Z', '2026-04-20T18:22:31'),
        ('2026-04-20T18:22:31+00:00', '2026-04-20T18:22:31'),
        ('2026-04-20T18:22:31.5+02:00', '2026-04-20T16:22:31'),
        ('2026-04-20T18:22:31-0730', '2026-04-21T01:52:31'),
        ('2026-04-20T18:22:31 +02:00', '2026-04-20T16:22:31'),
        ('2026-04-20 18:22:31.123456+00', '2026-04-20T18:22:31'),
        ('2026-04-20T18:22:31-07', '2026-04-21T01:22:31'),
        ('2026-04-20t18:22:31z', '2026-04-20T18:22:31'),
        ('2026-04-20 18:22:31 UTC', '2026-04-20T18:22:31'),
        ('2026-04-20 18:22:31', '2026-04-20T18:22:31'),
        ('2026-04-20T18:22Z', '2026-04-20T18:22:00'),
        (' 2026-04-20T18:22:31Z\n', '2026-04-20T18:22:31'),
        ('2026-04-20', '2026-04-20T00:00:00'),
        ('2024-02-29', '2024-02-29T00:00:00'),
        ('2016-12-31T23:59:60Z', '2016-12-31T23:59:59'),
        ('1971-01-01T00:00:00Z', '1971-01-01T00:00:00'),
        ('8999-12-31T23:59:59Z', '8999-12-31T23:59:59'),
    ],
)
def test_dates(given: str, moment: str) -> None:
    assert parse_read_date(given) == datetime.fromisoformat(moment + '+00:00')


@pytest.mark.parametrize('given', [None, '', ' ', '\n'])
def test_no_date(given: Any) -> None:
    assert parse_read_date(given) is None


@pytest.mark.parametrize(
    'given',
    [
        '2025-01',
        '2025',
        'yesterday',
        '20260420',
        '20260420T182231Z',
        '2026-110',
        '2026-W17-1',
        '20.04.2026',
        '2026-13-01',
        '2023-02-29',
        '2026-04-20T25:00:00Z',
        '2026-04-20T18:22:31+24:00',
        '2026-04-20T18:22:31+99:99',
        '2026-04-20T18',
        '2026-04-20T18:22:31 Europe/Berlin',
        '0000-00-00T00:00:00Z',
        '0001-01-01T00:00:00+12:00',
        '1970-01-01T00:00:00Z',
        '1970-01-01',
        '9999-12-31T23:59:59Z',
        '9999-12-31T23:59:59-12:00',
        '\uff12\uff10\uff12\uff16-04-20',
        '<b>2026-04-20</b>',
        '2026-04-20\x00',
        0,
        1713600000,
        1.5,
        float('nan'),
        float('inf'),
        True,
        False,
        [],
        ['2026-04-20'],
        {},
        {'date': '2026-04-20'},
    ],
    ids=repr,
)
def test_unreadable_dates(given: Any) -> None:
    unreadable = parse_read_date(given)
    assert isinstance(unreadable, Unreadable)
    assert unreadable.shown == repr(given)


def test_what_is_shown_of_an_odd_value_is_short_and_on_one_line() -> None:
    assert shown('x' * 1000) == repr('x' * 60)
    assert len(shown(['x' * 1000])) < 70
    assert shown('a\nb\u202e\ud800') == r"'a\nb\u202e\ud800'"


@given(
    st.datetimes(EARLIEST.replace(tzinfo=None) + timedelta(1), LATEST.replace(tzinfo=None) - timedelta(1)),
    st.integers(-14 * 60, 14 * 60),
    st.sampled_from(['T', ' ', 't']),
    st.sampled_from(['', '.0', '.123', ',123456789']),
    st.booleans(),
)
def test_every_way_to_write_a_moment(moment: datetime, offset: int, mark: str, fraction: str, colon: bool) -> None:
    zone = timezone(timedelta(minutes=offset))
    expected = moment.replace(microsecond=0, tzinfo=zone)
    sign = '-' if offset < 0 else '+'
    written = f'{sign}{abs(offset) // 60:02}{":" if colon else ""}{abs(offset) % 60:02}'
    read = parse_read_date(f'{moment:%Y-%m-%d}{mark}{moment:%H:%M:%S}{fraction}{written}')
    assert read == expected
    assert isinstance(read, datetime)
    assert read.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ('given', 'percentage'),
    [
        (0, 0.0),
        (0.0, 0.0),
        (42.1875, 42.1875),
        (100, 100.0),
        (100.4, 100.0),
        ('42.5', 42.5),
        (' 7 ', 7.0),
        ('1e2', 100.0),
        (-0.01, None),
        (101, None),
        (5300, None),
        ('-1', None),
        ('101', None),
        ('50%', None),
        ('12,5', None),
        ('', None),
        ('nan', None),
        ('inf', None),
        (float('nan'), None),
        (float('inf'), None),
        (10**400, None),
        ('9' * 400, None),
        (True, None),
        (None, None),
        ([50], None),
        ({'value': 50}, None),
    ],
    ids=repr,
)
def test_percentages(given: Any, percentage: float | None) -> None:
    assert parse_percentage(given) == percentage
    for parse in (parse_private_record, parse_user_record):
        record = parse({'id': 1, 'reading_position': {'percentage': given}})
        assert record is not None
        assert record.percentage == percentage
        assert bool(record.odd) == (percentage is None and given is not None)


@pytest.mark.parametrize(
    ('given', 'parsed'),
    [
        (7, '7'),
        (0, '0'),
        ('7', '7'),
        (' 007 ', '7'),
        ('000', '0'),
        (7.0, '7'),
        (1e15, '1000000000000000'),
        (7.5, ''),
        (float('nan'), ''),
        (float('inf'), ''),
        (1e308, ''),
        (10**50, ''),
        (True, ''),
        (False, ''),
        (None, ''),
        ('', ''),
        ('x' * 101, ''),
        ('abc-7', 'abc-7'),
        ([7], ''),
        ({'id': 7}, ''),
    ],
    ids=repr,
)
def test_ids(given: Any, parsed: str) -> None:
    assert parse_id(given) == parsed
    private, user = parse_private_record({'book_id': given}), parse_user_record({'source': {'book_id': given}})
    assert private is not None
    assert user is not None
    assert private.ids == ((('book_id', parsed),) if parsed else ())
    assert user.ids == ((('source.book_id', parsed),) if parsed else ())


def test_the_records_of_the_documentation() -> None:
    private = json.loads(
        '{"id": 1234567, "book_id": 8902995, "last_read_at": null,'
        ' "reading_position": {"percentage": 42.1875, "updated_at": "2026-04-20T18:22:31.000Z"}}'
    )
    assert parse_private_record(private) == ReadingRecord(
        ids=(('book_id', '8902995'), ('id', '1234567')),
        position_updated_at=datetime(2026, 4, 20, 18, 22, 31, tzinfo=timezone.utc),
        percentage=42.1875,
    )
    user = json.loads(
        '{"id": 10798945, "number": 1234567,'
        ' "read_url": "https://reader.bookfusion.com/books/8902995-the-name-of-the-wind?type=epub",'
        ' "title": "The Name of the Wind", "authors": [{"name": "Patrick Rothfuss"}],'
        ' "lists": ["currently_reading"], "last_read_at": "2026-07-09T14:51:09.000Z", "read_time": 18240,'
        ' "format": "epub", "type": "book", "source": {"book_id": 8902995, "type": "user"},'
        ' "reading_position": {"chapter_index": 12, "percentage": 53.86, "page_position_in_book": 0.4123,'
        ' "cfi": "epubcfi(/6/26!/4/2/1:0)", "updated_at": "2026-07-09T14:51:09.000Z"}}'
    )
    moment = datetime(2026, 7, 9, 14, 51, 9, tzinfo=timezone.utc)
    assert parse_user_record(user) == ReadingRecord(
        ids=(('read_url', '8902995'), ('source.book_id', '8902995'), ('number', '1234567'), ('id', '10798945')),
        title='The Name of the Wind',
        last_read_at=moment,
        position_updated_at=moment,
        percentage=53.86,
        read_time=18240,
        lists=('currently_reading',),
    )


@pytest.mark.parametrize(
    ('read_url', 'book_id'),
    [
        ('https://reader.bookfusion.com/books/8902995-the-name-of-the-wind?type=epub', '8902995'),
        ('https://reader.bookfusion.com/books/8902995', '8902995'),
        ('https://reader.bookfusion.com/books/8902995/', '8902995'),
        ('https://reader.bookfusion.com/books/8902995?type=epub_reflowable#5|37', '8902995'),
        ('https://reader.bookfusion.com/books/8902995#5', '8902995'),
        ('https://reader.bookfusion.com/books/8902995-1984-12?type=pdf', '8902995'),
        ('https://reader.bookfusion.com/books/8902995-紅樓夢?type=epub', '8902995'),
        ('https://reader.bookfusion.com/books/8902995-?type=epub', '8902995'),
        (' HTTPS://Reader.BookFusion.com:443/books/08902995-x\n', '8902995'),
        ('http://reader.bookfusion.com/books/8902995-x', ''),
        ('//reader.bookfusion.com/books/8902995-x', ''),
        ('/books/8902995-x', ''),
        ('8902995', ''),
        ('https://bookfusion.com/books/8902995-x', ''),
        ('https://reader.bookfusion.com.example.org/books/8902995-x', ''),
        ('https://example.org/books/8902995-x', ''),
        ('https://reader.bookfusion.com@example.org/books/8902995-x', ''),
        ('https://me:secret@reader.bookfusion.com/books/8902995-x', ''),
        ('https://reader.bookfusion.com:8080/books/8902995-x', ''),
        ('https://reader.bookfusion.com:port/books/8902995-x', ''),
        ('https://[reader.bookfusion.com]/books/8902995-x', ''),
        ('https://[::1/books/8902995-x', ''),
        ('https://reader.bookfusion.com/book/8902995-x', ''),
        ('https://reader.bookfusion.com/books/8902995/highlights', ''),
        ('https://reader.bookfusion.com/en/books/8902995', ''),
        ('https://reader.bookfusion.com/books/8902995x', ''),
        ('https://reader.bookfusion.com/books/x-8902995', ''),
        ('https://reader.bookfusion.com/books/', ''),
        ('https://reader.bookfusion.com/books/-8902995', ''),
        ('https://reader.bookfusion.com/books/890\n2995-x', ''),
        ('https://reader.bookfusion.com/books/٨٩٠٢٩٩٥-x', ''),
        ('https://reader.bookfusion.com/books/0', '0'),
        ('https://reader.bookfusion.com/books/' + '9' * 21, ''),
        ('https://reader.bookfusion.com/books/8902995-' + 'x' * 100_000, ''),
        ('', ''),
        (None, ''),
        (8902995, ''),
        (['https://reader.bookfusion.com/books/8902995'], ''),
    ],
    ids=lambda value: repr(value)[:80],
)
def test_the_book_id_in_the_address_of_the_reader(read_url: object, book_id: str) -> None:
    assert book_id_of(read_url) == book_id


ADDRESS = st.builds(
    '{}{}{}{}{}'.format,
    st.sampled_from(['https://', 'http://', 'HTTPS://', '//', 'javascript:', '', '\x00https://', 'https:/']),
    st.sampled_from(['', 'me@', 'me:secret@', '[', '@', 'reader.bookfusion.com@']),
    st.sampled_from(
        ['reader.bookfusion.com', 'example.org', '[::1]', '[::1', ']', '[v1.x]', '127.0.0.1', 'reader\u2024bookfusion']
    ),
    st.sampled_from(['', ':443', ':8080', ':', ':99999999', ':x', '\ud800']),
    st.text()
    | st.sampled_from(['/books/7', '/books/7-emma?type=epub', '/books/7/8', '/books/\u0667', '/books//7', '?', '#']),
)


@given(st.text() | ADDRESS)
def test_an_address_may_be_anything(read_url: str) -> None:
    """Any text gives an id in the form of `parse_id` or none, and one only where it is an address of the reader."""
    book_id = book_id_of(read_url)
    assert book_id == parse_id(book_id)
    if book_id:
        address = read_url.strip().lower().replace(':443/', '/', 1)
        assert address.startswith('https://reader.bookfusion.com/books/')
        assert book_id in address


@pytest.mark.parametrize('lacking', ['read_url', 'source', 'source.book_id', 'number', 'id', 'title'])
def test_a_record_may_lack_any_field(lacking: str) -> None:
    raw: dict[str, object] = {
        'id': 4,
        'number': 3,
        'read_url': 'https://reader.bookfusion.com/books/1-emma?type=epub',
        'title': 'Emma',
        'source': {'book_id': 2, 'type': 'user'},
    }
    whole = parse_user_record(raw)
    assert whole is not None
    nothings: list[object] = [None, '', [], {}]
    for nothing in nothings:
        changed = {**raw, 'source': {'book_id': nothing}} if lacking == 'source.book_id' else {**raw, lacking: nothing}
        record = parse_user_record(changed)
        assert record is not None
        gone = 'source.book_id' if lacking == 'source' else lacking
        assert record.ids == tuple((space, number) for space, number in whole.ids if space != gone)
        assert record.title == ('' if lacking == 'title' else 'Emma')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
PLAUSIBLE = JSON | st.sampled_from(
    [
        7,
        '7',
        1e300,
        10**60,
        '2026-04-20T18:22:31Z',
        '2025-01',
        'completed',
        ['completed', 5],
        '\ud800',
        '\x00',
        'https://reader.bookfusion.com/books/7-emma?type=epub',
        101,
        '5',
    ]
)
POSITION = JSON | st.fixed_dictionaries({}, optional={'percentage': PLAUSIBLE, 'updated_at': PLAUSIBLE})
RECORD = JSON | st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ('id', 'book_id', 'number', 'read_url', 'title', 'last_read_at', 'read_time', 'lists'), PLAUSIBLE
        ),
        'source': JSON | st.fixed_dictionaries({}, optional={'book_id': PLAUSIBLE}),
        'reading_position': POSITION,
    },
)


@given(RECORD)
def test_a_record_may_be_anything(raw: Any) -> None:
    for parse in (parse_private_record, parse_user_record):
        record = parse(raw)
        assert (record is None) == (not isinstance(raw, dict))
        if record is not None:
            assert_sound(record)


@given(JSON | st.lists(RECORD, max_size=5), st.dictionaries(st.just('total-count'), st.text(max_size=12)))
def test_a_page_may_be_anything(data: Any, headers: dict[str, str]) -> None:
    response = Response(200, headers, data)
    for parse in (parse_private_record, parse_user_record):
        if not isinstance(data, list):
            with pytest.raises(BadAnswer, match='a list of books was expected'):
                record_page(response, parse, 2)
            continue
        page = record_page(response, parse, 2)
        assert len(page.items) == len(data)
        assert page.full == (len(data) >= 2)
        assert page.total is None or page.total >= 0
        for _key, (record, _came) in page.items:
            assert_sound(record)


@pytest.mark.parametrize(
    ('header', 'total'),
    [('250', 250), ('0', 0), (' 7 ', 7), ('', None), ('-1', None), ('many', None), ('9' * 10, None), ('7.0', None)],
)
def test_totals(header: str, total: int | None) -> None:
    assert total_of(Response(200, {'total-count': header}, [])) == total
    assert total_of(Response(200, {}, [])) is None


def test_records_without_an_id_of_their_own_have_keys_all_the_same() -> None:
    data = [{'id': ' 007 '}, {'id': None, 'title': 'a'}, {'title': 'b'}, {'title': 'b'}, 5, None]
    keys = [key for key, _record in record_page(Response(200, {}, data), parse_private_record, 10).items]
    assert keys[0] == '7'
    assert len(set(keys)) == len(keys) - 1
    assert [own_id(raw) for raw in data] == ['7', '', '', '', '', '']
