"""The rules of a sync: which record a book gets, what is written, in which order, and what the log says."""

# Look-alike letters of other scripts are what some of these tests are about.
# ruff: noqa: RUF001

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.rules.records import (
    PRIVATE_ID_SPACES,
    USER_ID_SPACES,
    FetchedLibrary,
    ReadingRecord,
    Unreadable,
    parse_id,
)
from calibre_plugins.bookfusionbacksync.rules.sync_plan import (
    NOT_ON_BOOKFUSION,
    NOTHING_READ,
    TITLES_CONTRADICT,
    UNREADABLE_DATE,
    Change,
    Column,
    RecordIndex,
    Skip,
    Snapshot,
    SyncPlan,
    SyncRules,
    Value,
    log_line,
    make_plan,
    plain,
    summary_lines,
)
from calibre_plugins.bookfusionbacksync.services.bookfusion_answers import parse_private_record, parse_user_record
from harness.work import lines_run
from hypothesis import given, settings
from hypothesis import strategies as st

DATE, DONE = Column('#dateread', 'datetime'), Column('#completed', 'bool')
# Today is 2024-11-05 in Los Angeles: its third day from then begins.
LIMIT = '2024-11-08 08:00'
DATES_ONLY = SyncRules({'last_read': DATE})
FLAGS = SyncRules({'last_read': DATE, 'completed': DONE})
STATES = Column('#state', 'enumeration', ('to read', 'READING', 'Completed'))


def at(text: str) -> datetime:
    """`2024-11-03` or `2024-11-03 22:30`, in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


def utc_day(moment: datetime) -> date:
    return moment.astimezone(timezone.utc).date()


def record(book_id: object = None, own_id: object = None, title: str = '', **fields: Any) -> ReadingRecord:
    """A record of the private interface; dates as `at` takes them, 'bad ...' for one that cannot be read."""
    for name in ('last_read_at', 'position_updated_at'):
        given_date = fields.get(name)
        if isinstance(given_date, str):
            fields[name] = Unreadable(repr(given_date)) if given_date.startswith('bad') else at(given_date)
    pairs = (('book_id', parse_id(book_id)), ('id', parse_id(own_id)))
    return ReadingRecord(ids=tuple(pair for pair in pairs if pair[1]), title=title, **fields)


def plan_for(
    records: Sequence[ReadingRecord],
    books: Mapping[int, tuple[str, str]],
    rules: SyncRules = DATES_ONLY,
    values: Mapping[str, Mapping[int, Value]] | None = None,
    spaces: tuple[str, ...] = PRIVATE_ID_SPACES,
) -> SyncPlan:
    """The plan for these books, {book id: (identifier, title)}."""
    return make_plan(FetchedLibrary(tuple(records), spaces, 'test'), snapshot_of(books, rules, values), rules)


def snapshot_of(
    books: Mapping[int, tuple[str, str]], rules: SyncRules, values: Mapping[str, Mapping[int, Value]] | None = None
) -> Snapshot:
    return Snapshot(
        titles={book_id: title for book_id, (_identifier, title) in books.items()},
        identifiers={book_id: identifier for book_id, (identifier, _title) in books.items()},
        values={
            column.name: {book_id: (values or {}).get(column.name, {}).get(book_id) for book_id in books}
            for column in rules.columns
        },
    )


def cells(plan: SyncPlan) -> dict[tuple[int, str], Value]:
    return {(change.book_id, change.column): change.new for change in plan.changes}


def lines(plan: SyncPlan) -> list[str]:
    return [log_line(entry, utc_day) for entry in plan.entries]


class TestMatching:
    def test_book_id_goes_before_id(self) -> None:
        records = [
            record(own_id=5, title='Dune', last_read_at='2020-01-02'),
            record(5, 77, 'Dune', last_read_at='2019-01-01'),
        ]
        plan = plan_for(records, {1: ('5', 'Dune')})
        assert cells(plan) == {(1, '#dateread'): at('2019-01-01')}
        assert plan.changes[0].space == 'book_id'
        assert plan.notes == (
            'Note: Dune: 2 BookFusion records claim identifier 5; book_id goes before id (match=book_id)',
        )

    def test_id_where_no_book_id_fits(self) -> None:
        plan = plan_for([record(9, 5, last_read_at='2020-01-02')], {1: ('5', 'Dune'), 2: ('9', 'Emma')})
        assert {change.book_id: change.space for change in plan.changes} == {1: 'id', 2: 'book_id'}

    def test_the_two_id_spaces_are_never_mixed(self) -> None:
        """One record's `id` is another's `book_id`: each book gets the record that owns its identifier."""
        records = [record(100, 200, last_read_at='2020-01-01'), record(200, 100, last_read_at='2021-01-01')]
        plan = plan_for(records, {1: ('100', 'A'), 2: ('200', 'B')})
        assert cells(plan) == {(1, '#dateread'): at('2020-01-01'), (2, '#dateread'): at('2021-01-01')}
        assert len(plan.notes) == 2

    def test_user_interface_has_four_spaces_in_order(self) -> None:
        """A record's own numbers come last: they are of other ranges, which overlap with that of the global ids."""

        def user(last: str, **ids: str) -> ReadingRecord:
            pairs = tuple((space.replace('source_', 'source.'), value) for space, value in ids.items())
            return ReadingRecord(ids=pairs, title='Dune', last_read_at=at(last))

        by_url = user('2019-01-01', read_url='1', id='7')
        by_source = user('2022-01-01', source_book_id='1', id='9')
        by_number, by_id = user('2021-01-01', number='1', id='8'), user('2023-01-01', id='1', number='6')
        everyone = [by_id, by_number, by_source, by_url]
        for dropped, expected in enumerate(['read_url', 'source.book_id', 'number', 'id']):
            plan = plan_for(everyone[: 4 - dropped], {1: ('1', 'Dune')}, spaces=USER_ID_SPACES)
            assert [change.space for change in plan.changes] == [expected]

    @pytest.mark.parametrize('space', ['book_id', 'id'])
    def test_newest_date_wins_between_records_with_one_key(self, space: str) -> None:
        keys = {'book_id': (5, None), 'id': (None, 5)}[space]
        records = [
            record(*keys, last_read_at='2020-01-01'),
            record(*keys, last_read_at='2023-01-01'),
            record(*keys, percentage=100.0),
            record(*keys, last_read_at='bad day'),
        ]
        for order in (records, records[::-1]):
            plan = plan_for(order, {1: ('5', 'Dune')}, FLAGS)
            assert cells(plan) == {(1, '#dateread'): at('2023-01-01')}
            assert plan.notes == (
                f'Note: Dune: 4 BookFusion records claim identifier 5; the newest date wins (match={space})',
            )

    @pytest.mark.parametrize('percentages', [(9.0, 100.0), (10.0, 20.0), (None, 0.0)])
    @pytest.mark.parametrize('read', ['2023-01-01', None])
    def test_then_the_highest_percentage(self, percentages: tuple[float | None, float], read: str | None) -> None:
        records = [record(5, last_read_at=read, percentage=percentage) for percentage in percentages]
        rules = SyncRules({'last_read': DATE, 'progress': Column('#progress', 'int')})
        for order in (records, records[::-1]):
            assert cells(plan_for(order, {1: ('5', 'Dune')}, rules))[1, '#progress'] == percentages[1]

    def test_the_very_same_record_twice_is_no_collision(self) -> None:
        plan = plan_for([record(5, 6, last_read_at='2020-01-01')] * 2, {1: ('5', 'Dune')})
        assert len(plan.changes) == 1
        assert plan.notes == ()

    def test_a_record_with_the_same_value_in_both_spaces_is_no_collision(self) -> None:
        plan = plan_for([record(5, 5, last_read_at='2020-01-01')], {1: ('5', 'Dune')})
        assert [change.space for change in plan.changes] == ['book_id']
        assert plan.notes == ()

    def test_two_books_with_one_value_are_both_updated_and_named(self) -> None:
        plan = plan_for([record(5, last_read_at='2020-01-01')], {1: ('5', 'Dune'), 2: ('5', 'Düne'), 3: ('6', 'Emma')})
        assert set(cells(plan)) == {(1, '#dateread'), (2, '#dateread')}
        assert plan.notes == ('Note: 2 books share identifier 5 and get the same values: Dune, Düne',)

    def test_a_server_that_gives_all_its_records_the_same_id(self) -> None:
        """A zero, say, for whatever is not in its shop: ten thousands of them, none compared with each other one."""
        books = {**dict.fromkeys(range(1, 51), ('0', 'Dune')), 99: ('7', 'Emma')}

        def plan_of(count: int) -> SyncPlan:
            numbers = range(1, count + 1)
            return plan_for(
                [record(0, number, last_read_at='2020-01-01', percentage=number / 1000) for number in numbers], books
            )

        assert lines_run(lambda: plan_of(2000)) < 3 * lines_run(lambda: plan_of(1000))
        plan = plan_of(12_000)
        assert len(plan.changes) == 51
        assert plan.notes[0] == (
            'Note: Dune: 12000 BookFusion records claim identifier 0; the newest date wins (match=book_id)'
        )

    def test_long_lists_of_books_are_shortened_in_notes(self) -> None:
        books = {number: ('5', f'Copy {number}') for number in range(1, 31)}
        (note,) = plan_for([record(5, last_read_at='2020-01-01')], books).notes
        assert note.startswith('Note: 30 books share identifier 5 and get the same values: Copy 1, Copy 2, ')
        assert note.endswith(' and 20 more')

    @pytest.mark.parametrize('identifier', ['5', ' 5 ', '005', '0005\n', '\t5'])
    def test_blanks_and_leading_zeros_do_not_matter(self, identifier: str) -> None:
        assert cells(plan_for([record(5, last_read_at='2020-01-01')], {1: (identifier, 'Dune')}))

    @pytest.mark.parametrize('given_id', [5, '5', '005', ' 5 ', 5.0])
    def test_ids_come_as_numbers_or_texts(self, given_id: object) -> None:
        assert cells(plan_for([record(given_id, last_read_at='2020-01-01')], {1: ('5', 'Dune')}))

    def test_a_zero_is_a_number_like_any_other(self) -> None:
        assert cells(plan_for([record(0, last_read_at='2020-01-01')], {1: ('000', 'Dune')}))

    @pytest.mark.parametrize('identifier', ['abc', '5x', '-5', '5.0', '5 6', '٥', '５', '²', '9' * 101])
    def test_identifiers_that_are_no_numbers(self, identifier: str) -> None:
        plan = plan_for([record(5, last_read_at='2020-01-01')], {1: (identifier, 'Dune'), 2: ('5', 'Emma')})
        assert set(cells(plan)) == {(2, '#dateread')}
        assert plan.skipped == {1: NOT_ON_BOOKFUSION}
        assert plan.notes == ('Note: 1 bookfusion identifier is not a number and matches nothing: Dune',)

    def test_several_identifiers_that_are_no_numbers_are_one_line(self) -> None:
        plan = plan_for([], {1: ('x', 'Dune'), 2: ('y', 'Emma'), 3: ('12', 'Walden')})
        assert plan.notes == ('Note: 2 bookfusion identifiers are not numbers and match nothing: Dune, Emma',)

    def test_an_odd_identifier_that_bookfusion_has_too_is_a_match(self) -> None:
        plan = plan_for([record('ab-12', last_read_at='2020-01-01')], {1: ('ab-12', 'Dune')})
        assert len(plan.changes) == 1
        assert plan.notes == ()

    def test_no_match_is_skipped_silently(self) -> None:
        plan = plan_for([record(5, last_read_at='2020-01-01')], {1: ('6', 'Dune')})
        assert (plan.entries, plan.notes, plan.skipped) == ((), (), {1: NOT_ON_BOOKFUSION})

    def test_records_of_an_unknown_id_space_are_passed_over(self) -> None:
        odd = ReadingRecord(ids=(('isbn', '5'), ('id', '5')), last_read_at=at('2020-01-01'))
        assert [match.space for match in RecordIndex([odd], PRIVATE_ID_SPACES).claims('5')] == ['id']


class TestTitles:
    """Titles decide between several records, and whether a weak number counts at all."""

    def test_one_record_under_a_global_id_is_never_questioned(self) -> None:
        plan = plan_for([record(5, 6, 'Moby-Dick', last_read_at='2020-01-01')], {1: ('5', 'Emma')})
        assert len(plan.changes) == 1
        assert plan.notes == ()

    def test_several_records_none_of_which_has_the_title(self) -> None:
        for second in (record(5, 2, 'Walden', last_read_at='2019-01-01'), record(7, 5, 'Walden')):
            first = record(5, 1, 'Moby-Dick', last_read_at='2020-01-01')
            plan = plan_for([first, second], {1: ('5', 'Emma')}, FLAGS)
            assert plan.changes == ()
            assert plan.skipped == {1: TITLES_CONTRADICT}
            assert lines(plan) == ["SKIP Emma -> 'Moby-Dick' has the same number (match=book_id)"]

    def test_the_same_title_wins_before_spaces_dates_and_percentages(self) -> None:
        records = [
            record(5, 1, 'Emma and the Others', last_read_at='2024-01-01', percentage=100.0),
            record(7, 5, 'Emma', last_read_at='2020-01-01'),
        ]
        plan = plan_for(records, {1: ('5', 'Emma')})
        assert lines(plan) == ['OK Emma -> 2020-01-01 (from last_read_at, match=id)']
        assert plan.notes == ('Note: Emma: 2 BookFusion records claim identifier 5; the same title wins (match=id)',)

    def test_the_claim_that_does_not_contradict_is_taken(self) -> None:
        records = [
            record(5, 1, 'Moby-Dick', last_read_at='2024-01-01'),
            record(7, 5, 'Emma and the Others', last_read_at='2020-01-01'),
        ]
        plan = plan_for(records, {1: ('5', 'Emma')})
        assert lines(plan) == ['OK Emma -> 2020-01-01 (from last_read_at, match=id)']
        assert plan.notes[0].endswith('; the other titles contradict (match=id)')

    @pytest.mark.parametrize(
        ('spaces', 'space', 'theirs', 'counts'),
        [
            (PRIVATE_ID_SPACES, 'book_id', 'Moby-Dick', True),
            (PRIVATE_ID_SPACES, 'id', 'Moby-Dick', False),
            (PRIVATE_ID_SPACES, 'id', 'Dune Messiah', True),
            (PRIVATE_ID_SPACES, 'id', '', True),
            (USER_ID_SPACES, 'read_url', 'Moby-Dick', True),
            (USER_ID_SPACES, 'source.book_id', 'Moby-Dick', True),
            (USER_ID_SPACES, 'number', 'Moby-Dick', False),
            (USER_ID_SPACES, 'number', 'Dune Messiah', True),
            (USER_ID_SPACES, 'number', '', False),
            (USER_ID_SPACES, 'id', 'Dune, Vol. 2', True),
            (USER_ID_SPACES, 'id', 'Moby-Dick', False),
            (USER_ID_SPACES, 'id', '  ', False),
        ],
    )
    def test_a_number_is_only_as_good_as_its_space(
        self, spaces: tuple[str, ...], space: str, theirs: str, counts: bool
    ) -> None:
        """Another volume, another book: the number of a record in somebody's library says little by itself."""
        one = ReadingRecord(ids=((space, '5'),), title=theirs, last_read_at=at('2020-01-01'))
        plan = plan_for([one], {1: ('5', 'Dune')}, spaces=spaces)
        assert bool(plan.changes) is counts
        if not counts:
            shown = theirs.strip() or '(no title)'
            assert lines(plan) == [f"SKIP Dune -> '{shown}' has the same number (match={space})"]

    def test_another_volume_is_another_book(self) -> None:
        one = ReadingRecord(ids=(('number', '5'),), title='Overlord, Vol. 1', last_read_at=at('2020-01-01'))
        assert plan_for([one], {1: ('5', 'Overlord, Vol. 9')}, spaces=USER_ID_SPACES).changes == ()

    def test_a_weak_number_without_a_title_is_no_rival(self) -> None:
        records = [
            ReadingRecord(ids=(('read_url', '5'),), title='Moby-Dick', last_read_at=at('2020-01-01')),
            ReadingRecord(ids=(('number', '5'),), last_read_at=at('2024-01-01')),
        ]
        plan = plan_for(records, {1: ('5', 'Emma')}, spaces=USER_ID_SPACES)
        assert [change.space for change in plan.changes] == ['read_url']

    def test_the_series_in_calibre_is_no_title(self) -> None:
        records = [
            ReadingRecord(ids=(('number', '5'),), title='Star Wars: Thrawn', last_read_at=at('2020-01-01')),
            ReadingRecord(ids=(('read_url', '5'),), title='Star Wars', last_read_at=at('2024-01-01')),
        ]
        snapshot = snapshot_of({1: ('5', 'Star Wars: Thrawn')}, DATES_ONLY)
        snapshot = replace(snapshot, series={1: 'Star Wars'})
        plan = make_plan(FetchedLibrary(tuple(records), USER_ID_SPACES, 'test'), snapshot, DATES_ONLY)
        assert [change.space for change in plan.changes] == ['number']

    def test_overlapping_ranges_give_no_book_to_another(self) -> None:
        """As user libraries are: every book's own numbers are global ids of other books in it."""
        count = 200
        records = [
            ReadingRecord(
                ids=(
                    ('read_url', str(8_000_000 + place)),
                    ('source.book_id', str(8_000_000 + place)),
                    ('number', str(8_000_000 + (place * 7 + 3) % count)),
                    ('id', str(8_000_000 + (place * 11 + 5) % count)),
                ),
                title=f'The Book Number {place}',
                last_read_at=at('2020-01-01') + timedelta(days=place),
            )
            for place in range(count)
        ]
        books = {place + 1: (str(8_000_000 + place), f'Book Number {place}') for place in range(count)}
        for lacking in (set(), {'read_url'}, {'read_url', 'source.book_id'}):
            kept = [replace(one, ids=tuple(pair for pair in one.ids if pair[0] not in lacking)) for one in records]
            plan = plan_for(kept, books, spaces=USER_ID_SPACES)
            right = {(place + 1, '#dateread'): at('2020-01-01') + timedelta(days=place) for place in range(count)}
            assert cells(plan).items() <= right.items()
            assert len(plan.changes) == (0 if 'source.book_id' in lacking else count)

    @pytest.mark.parametrize('theirs', ['', 'EMMA', 'Emma: A Novel', 'émma', '...', 'the'])
    def test_absent_and_agreeing_titles_do_not_contradict(self, theirs: str) -> None:
        records = [record(5, 1, theirs, last_read_at='2020-01-01'), record(9, 5, 'Moby-Dick')]
        plan = plan_for(records, {1: ('5', 'Emma')})
        if theirs == 'the':
            # A title of little words only still is a title.
            assert plan.skipped == {1: TITLES_CONTRADICT}
            return
        assert len(plan.changes) == 1
        assert plan.notes[0].startswith('Note: Emma: 2 BookFusion records claim identifier 5')

    def test_a_book_without_a_title_in_calibre_contradicts_nothing(self) -> None:
        records = [record(5, 1, 'Walden', last_read_at='2020-01-01'), record(9, 5, 'Moby-Dick')]
        plan = plan_for(records, {1: ('5', '')})
        assert lines(plan) == ['OK (no title) -> 2020-01-01 (from last_read_at, match=book_id)']


class TestDates:
    def test_last_read_at_goes_before_the_reading_position(self) -> None:
        both = record(5, last_read_at='2020-01-01', position_updated_at='2024-01-01')
        assert lines(plan_for([both], {1: ('5', 'Dune')})) == [
            'OK Dune -> 2020-01-01 (from last_read_at, match=book_id)'
        ]

    def test_reading_position_where_last_read_at_is_absent(self) -> None:
        plan = plan_for(
            [record(5, position_updated_at='2024-11-03 22:30')], {1: ('5', 'The Name of the Wind')}, DATES_ONLY
        )
        assert cells(plan) == {(1, '#dateread'): at('2024-11-03 22:30')}
        assert lines(plan) == [
            'OK The Name of the Wind -> 2024-11-03 (from reading_position.updated_at, match=book_id)'
        ]

    def test_unreadable_first_field_ends_it_and_the_flag_is_still_written(self) -> None:
        bad = record(own_id=5, last_read_at='bad yesterday', position_updated_at='2024-01-01', percentage=100.0)
        plan = plan_for([bad], {1: ('5', 'Emma')}, FLAGS)
        assert cells(plan) == {(1, '#completed'): True}
        assert lines(plan) == [
            "SKIP Emma -> unreadable date 'bad yesterday' (from last_read_at, match=id)",
            'OK Emma -> Completed=True (percentage=100.000, threshold=99.90, match=id)',
        ]
        assert plan.skipped == {}

    def test_unreadable_second_field(self) -> None:
        plan = plan_for([record(5, position_updated_at='bad 2025-01')], {1: ('5', 'Emma')})
        assert lines(plan) == [
            "SKIP Emma -> unreadable date 'bad 2025-01' (from reading_position.updated_at, match=book_id)"
        ]
        assert plan.skipped == {1: UNREADABLE_DATE}

    def test_the_skip_line_of_the_contract_from_a_real_answer(self) -> None:
        raw = parse_private_record({'id': 5, 'book_id': None, 'last_read_at': 'yesterday'})
        assert raw is not None
        assert lines(plan_for([raw], {1: ('5', 'Emma')})) == [
            "SKIP Emma -> unreadable date 'yesterday' (from last_read_at, match=id)"
        ]

    def test_an_unreadable_date_leaves_the_old_date_alone(self) -> None:
        plan = plan_for(
            [record(5, last_read_at='bad')], {1: ('5', 'Emma')}, values={'#dateread': {1: at('2020-01-01')}}
        )
        assert plan.changes == ()

    def test_no_date_at_all(self) -> None:
        plan = plan_for([record(5)], {1: ('5', 'Emma')}, FLAGS)
        assert (plan.entries, plan.skipped) == ((), {1: NOTHING_READ})

    def test_an_older_date_replaces_a_newer_one(self) -> None:
        plan = plan_for(
            [record(5, last_read_at='2020-01-01')], {1: ('5', 'Dune')}, values={'#dateread': {1: at('2024-01-01')}}
        )
        assert (plan.changes[0].old, plan.changes[0].new) == (at('2024-01-01'), at('2020-01-01'))

    @pytest.mark.parametrize(
        ('held', 'kept'),
        [('2024-01-01', True), ('2020-01-01 00:01', True), ('2020-01-01', True), ('2019-12-31', False), (None, False)],
    )
    def test_keep_newer_date(self, held: str | None, kept: bool) -> None:
        rules = SyncRules({'last_read': DATE, 'completed': DONE}, keep_newer_date=True)
        values = {'#dateread': {1: None if held is None else at(held)}}
        plan = plan_for([record(5, last_read_at='2020-01-01')], {1: ('5', 'Dune')}, rules, values)
        assert (plan.changes == ()) is kept
        assert (plan.unchanged == {1}) is kept
        assert plan.skipped == {}

    @pytest.mark.parametrize(
        ('held', 'kept'), [('2099-01-01', False), (LIMIT, False), ('2024-11-08 07:59:59', True), ('2020-01-02', True)]
    )
    def test_a_date_from_a_wrong_clock_is_not_newer(self, held: str, kept: bool) -> None:
        rules = SyncRules({'last_read': DATE}, keep_newer_date=True, clock_limit=at(LIMIT))
        values = {'#dateread': {1: at(held)}}
        plan = plan_for([record(5, last_read_at='2020-01-01')], {1: ('5', 'Dune')}, rules, values)
        assert cells(plan) == ({} if kept else {(1, '#dateread'): at('2020-01-01')})
        assert (plan.unchanged == {1}) is kept
        assert plan.notes == ()

    @pytest.mark.parametrize('held', [None, '2020-01-01', '2098-01-01', '2100-01-01'])
    @pytest.mark.parametrize('keep', [True, False])
    def test_a_date_from_a_wrong_clock_is_written_once_and_noted(self, held: str | None, keep: bool) -> None:
        rules = SyncRules({'last_read': DATE}, keep_newer_date=keep, clock_limit=at(LIMIT))
        records, books = [record(5, position_updated_at='2099-01-01')], {1: ('5', 'Dune')}
        plan = plan_for(records, books, rules, {'#dateread': {1: None if held is None else at(held)}})
        assert lines(plan) == ['OK Dune -> 2099-01-01 (from reading_position.updated_at, match=book_id)']
        (note,) = plan.notes
        assert note == (
            'Note: Dune: the date from reading_position.updated_at is more than 2 days ahead, so it is from a wrong '
            'clock; the next one replaces it (match=book_id)'
        )
        again = plan_for(records, books, rules, {'#dateread': {1: at('2099-01-01')}})
        assert (again.entries, again.notes, again.unchanged) == ((), (), frozenset({1}))
        later = plan_for([record(5, last_read_at='2024-11-05')], books, rules, {'#dateread': {1: at('2099-01-01')}})
        assert (cells(later), later.notes) == ({(1, '#dateread'): at('2024-11-05')}, ())

    def test_a_date_from_a_wrong_clock_is_not_the_newest_of_several_records(self) -> None:
        records = [
            record(5, last_read_at='2099-01-01', percentage=100.0),
            record(5, last_read_at='2024-11-05', percentage=10.0),
            record(5, last_read_at='2023-01-01', percentage=20.0),
            record(6, percentage=30.0),
            record(6, last_read_at='2098-01-01', percentage=40.0),
            record(6, last_read_at='2099-01-01', percentage=50.0),
        ]
        rules = SyncRules({'last_read': DATE}, clock_limit=at(LIMIT))
        books = {1: ('5', 'Dune'), 2: ('6', 'Emma')}
        for order in (records, records[::-1]):
            # Where all are from wrong clocks one of them is better than none.
            expected = {(1, '#dateread'): at('2024-11-05'), (2, '#dateread'): at('2099-01-01')}
            assert cells(plan_for(order, books, rules)) == expected

    def test_keep_newer_date_does_not_keep_the_flag_away(self) -> None:
        rules = SyncRules({'last_read': DATE, 'completed': DONE}, keep_newer_date=True)
        values = {'#dateread': {1: at('2024-01-01')}}
        plan = plan_for([record(5, last_read_at='2020-01-01', percentage=100.0)], {1: ('5', 'Dune')}, rules, values)
        assert cells(plan) == {(1, '#completed'): True}
        assert plan.unchanged == frozenset()

    def test_the_same_instant_in_another_time_zone_is_the_same(self) -> None:
        held = at('2020-01-01').astimezone(timezone(timedelta(hours=14)))
        plan = plan_for([record(5, last_read_at='2020-01-01')], {1: ('5', 'Dune')}, values={'#dateread': {1: held}})
        assert plan.changes == ()
        assert plan.unchanged == {1}

    def test_the_day_in_the_log_is_the_one_that_calibre_shows(self) -> None:
        (entry,) = plan_for([record(5, last_read_at='2024-11-03 22:30')], {1: ('5', 'Dune')}).entries
        east = timezone(timedelta(hours=14))
        assert '-> 2024-11-04 (' in log_line(entry, lambda moment: moment.astimezone(east).date())


class TestCompleted:
    @pytest.mark.parametrize(
        ('percentage', 'threshold', 'completed'),
        [
            (99.9, 99.9, True),
            (99.89, 99.9, False),
            (100.0, 99.9, True),
            (100.0, 100.0, True),
            (99.999, 100.0, False),
            (0.0, 0.0, True),
            (None, 0.0, False),
            (50.0, 49.5, True),
        ],
    )
    def test_at_or_above_the_threshold(self, percentage: float | None, threshold: float, completed: bool) -> None:
        rules = SyncRules({'last_read': DATE, 'completed': DONE}, threshold=threshold)
        plan = plan_for([record(5, percentage=percentage)], {1: ('5', 'Dune')}, rules)
        assert cells(plan) == ({(1, '#completed'): True} if completed else {})
        assert plan.of_role('completed') == completed

    def test_the_line_of_the_contract(self) -> None:
        plan = plan_for([record(5, percentage=100.0)], {1: ('5', 'Dune')}, FLAGS)
        assert lines(plan) == ['OK Dune -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)']

    def test_the_readers_own_mark_counts_too(self) -> None:
        plan = plan_for([record(5, percentage=12.0, lists=('favorites', 'completed'))], {1: ('5', 'Dune')}, FLAGS)
        assert lines(plan) == ['OK Dune -> Completed=True (lists=completed, match=book_id)']

    @pytest.mark.parametrize('held', [True, False, None])
    def test_never_false(self, held: bool | None) -> None:
        plan = plan_for([record(5, percentage=1.0)], {1: ('5', 'Dune')}, FLAGS, values={'#completed': {1: held}})
        assert plan.changes == ()
        assert plan.skipped == {1: NOTHING_READ}

    def test_a_false_becomes_true(self) -> None:
        plan = plan_for([record(5, percentage=100.0)], {1: ('5', 'Dune')}, FLAGS, values={'#completed': {1: False}})
        assert [(change.old, change.new) for change in plan.changes] == [(False, True)]

    def test_off_without_a_column(self) -> None:
        plan = plan_for([record(5, percentage=100.0)], {1: ('5', 'Dune')})
        assert plan.skipped == {1: NOTHING_READ}


class TestOtherColumns:
    @pytest.mark.parametrize(
        ('percentage', 'datatype', 'expected'),
        [
            (99.9, 'int', 99),
            (99.999, 'int', 99),
            (100.0, 'int', 100),
            (0.4, 'int', 0),
            (42.1875, 'float', 42.1875),
            (0.0, 'float', 0.0),
            (99.996, 'float', 99.996),
            (57.14, 'float', 57.14),
        ],
    )
    def test_progress(self, percentage: float, datatype: str, expected: float) -> None:
        rules = SyncRules({'last_read': DATE, 'progress': Column('#progress', datatype)})
        plan = plan_for([record(5, percentage=percentage)], {1: ('5', 'Dune')}, rules)
        assert cells(plan) == {(1, '#progress'): expected}
        assert type(plan.changes[0].new) is (int if datatype == 'int' else float)
        assert lines(plan) == [
            f'OK Dune -> Progress={round(expected, 3)} (from reading_position.percentage, match=book_id)'
        ]

    @pytest.mark.parametrize(
        ('seconds', 'datatype', 'expected'),
        [
            (18240, 'float', 18240 / 3600),
            (18240, 'int', 304),
            (3600, 'float', 1.0),
            (89, 'int', 1),
            (0, 'int', None),
            (None, 'float', None),
            (20, 'int', None),
            (10, 'float', 10 / 3600),
        ],
    )
    def test_read_time(self, seconds: int | None, datatype: str, expected: float | None) -> None:
        rules = SyncRules({'last_read': DATE, 'read_time': Column('#time', datatype)})
        plan = plan_for([record(5, read_time=seconds)], {1: ('5', 'Dune')}, rules)
        assert cells(plan) == ({} if expected is None else {(1, '#time'): expected})
        if expected is not None:
            assert type(plan.changes[0].new) is (int if datatype == 'int' else float)
            assert lines(plan) == [f'OK Dune -> Reading time={round(expected, 3)} (from read_time, match=book_id)']

    @pytest.mark.parametrize(
        ('fields', 'expected', 'source'),
        [
            ({'percentage': 100.0}, 'Completed', 'percentage=100.000, threshold=99.90'),
            ({'percentage': 5.0, 'lists': ('completed',)}, 'Completed', 'lists=completed'),
            ({'lists': ('currently_reading', 'planned_to_read')}, 'Reading', 'lists=currently_reading'),
            ({'percentage': 0.5}, 'Reading', 'percentage=0.500'),
            ({'percentage': 0.5, 'lists': ('planned_to_read',)}, 'Reading', 'percentage=0.500'),
            ({'percentage': 0.0, 'lists': ('planned_to_read',)}, 'Planned', 'lists=planned_to_read'),
            ({'percentage': 0.0}, None, ''),
            ({'lists': ('favorites',)}, None, ''),
        ],
    )
    def test_status_as_text(self, fields: dict[str, Any], expected: str | None, source: str) -> None:
        rules = SyncRules({'last_read': DATE, 'status': Column('#state', 'text')})
        plan = plan_for([record(5, **fields)], {1: ('5', 'Dune')}, rules)
        assert cells(plan) == ({} if expected is None else {(1, '#state'): expected})
        assert lines(plan) == ([] if expected is None else [f'OK Dune -> Status={expected} ({source}, match=book_id)'])
        assert plan.notes == ()

    def test_an_enumerations_own_spelling_wins(self) -> None:
        plan = plan_for(
            [record(5, percentage=10.0)], {1: ('5', 'Dune')}, SyncRules({'last_read': DATE, 'status': STATES})
        )
        assert cells(plan) == {(1, '#state'): 'READING'}

    def test_an_enumeration_that_lacks_a_value(self) -> None:
        records = [record(number, lists=('planned_to_read',)) for number in (5, 6)]
        plan = plan_for(records, {1: ('5', 'A'), 2: ('6', 'B')}, SyncRules({'last_read': DATE, 'status': STATES}))
        assert plan.changes == ()
        assert plan.notes == ("Note: column #state has no value 'Planned'; 2 books keep theirs. Add it to the column.",)
        assert plan.skipped == {1: NOTHING_READ, 2: NOTHING_READ}

    def test_a_status_written_in_other_letters_is_the_same_status(self) -> None:
        """Calibre has each text once, whatever its case: another spelling would rename it in every book."""
        rules = SyncRules({'last_read': DATE, 'status': Column('#state', 'text')})
        plan = plan_for([record(5, percentage=10.0)], {1: ('5', 'A')}, rules, {'#state': {1: 'reading'}})
        assert plan.changes == ()
        assert plan.unchanged == {1}

    def test_an_unusable_percentage_is_named(self) -> None:
        odd = parse_private_record({'id': 5, 'reading_position': {'percentage': 'half', 'updated_at': '2020-01-01'}})
        assert odd is not None
        plan = plan_for([odd], {1: ('5', 'Dune')}, FLAGS)
        assert plan.notes == ("Note: Dune: percentage 'half' cannot be used (match=id)",)
        assert len(plan.changes) == 1


class TestOrderAndCounts:
    def test_newest_first_and_without_a_date_last(self) -> None:
        records = [
            record(1, last_read_at='2020-01-01', percentage=100.0),
            record(2, percentage=100.0),
            record(3, last_read_at='2024-01-01'),
            record(4, last_read_at='bad day'),
            record(5, position_updated_at='2022-01-01'),
        ]
        plan = plan_for(records, {number: (str(number), f'Book {number}') for number in range(1, 6)}, FLAGS)
        assert lines(plan) == [
            'OK Book 3 -> 2024-01-01 (from last_read_at, match=book_id)',
            'OK Book 5 -> 2022-01-01 (from reading_position.updated_at, match=book_id)',
            'OK Book 1 -> 2020-01-01 (from last_read_at, match=book_id)',
            'OK Book 1 -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)',
            'OK Book 2 -> Completed=True (percentage=100.000, threshold=99.90, match=book_id)',
            "SKIP Book 4 -> unreadable date 'bad day' (from last_read_at, match=book_id)",
        ]
        assert plan.changes == tuple(entry for entry in plan.entries if isinstance(entry, Change))

    def test_seconds_count_within_a_day(self) -> None:
        records = [record(1, last_read_at='2020-01-01 10:00:01'), record(2, last_read_at='2020-01-01 10:00:02')]
        plan = plan_for(records, {1: ('1', 'A'), 2: ('2', 'B')})
        assert [change.book_id for change in plan.changes] == [2, 1]

    def test_counts(self) -> None:
        records = [
            record(1, last_read_at='2020-01-01', percentage=100.0),
            record(2, last_read_at='2020-01-01', percentage=100.0),
            record(3, last_read_at='2020-01-01'),
            record(4),
            record(5, last_read_at='bad'),
            record(6, last_read_at='bad', percentage=100.0),
        ]
        values: dict[str, dict[int, Value]] = {
            '#dateread': {2: at('2020-01-01'), 3: at('2020-01-01')},
            '#completed': {6: True},
        }
        books = {number: (str(number), f'Book {number}') for number in range(1, 9)}
        plan = plan_for(records, books, FLAGS, values)
        assert plan.updated == {1, 2}
        assert plan.unchanged == {3, 6}
        assert plan.skipped == {
            4: NOTHING_READ,
            5: UNREADABLE_DATE,
            7: NOT_ON_BOOKFUSION,
            8: NOT_ON_BOOKFUSION,
        }
        assert (plan.of_role('last_read'), plan.of_role('completed')) == (1, 2)
        assert list(summary_lines(plan)) == [
            '2 books already held every value.',
            f'Skipped: 2 {NOT_ON_BOOKFUSION}, 1 {NOTHING_READ}, 1 {UNREADABLE_DATE}.',
        ]

    def test_summary_of_one_and_of_none(self) -> None:
        held = plan_for(
            [record(1, last_read_at='2020-01-01')], {1: ('1', 'A')}, values={'#dateread': {1: at('2020-01-01')}}
        )
        assert list(summary_lines(held)) == ['1 book already held every value.']
        assert list(summary_lines(plan_for([], {}))) == []

    def test_tick_tells_how_far_it_is(self) -> None:
        told: list[tuple[int, int]] = []
        books = {number: (str(number), 'A') for number in range(1, 1202)}
        make_plan(
            FetchedLibrary((), PRIVATE_ID_SPACES, 'test'),
            snapshot_of(books, DATES_ONLY),
            DATES_ONLY,
            lambda done, total: told.append((done, total)),
        )
        assert told == [*((done, 1201) for done in range(0, 1201, 100)), (1201, 1201)]


TITLES = [
    'Ünïcödé — “quotes”',
    'Война и мир',
    'ألف ليلة وليلة',
    'שיר השירים',
    '紅樓夢',
    'हरिवंश राय',
    '🦊👩‍👩‍👧',
    '<b>Bold</b> &amp; <img src=x onerror=alert(1)>',
    '{book} %s %(name)s {0}',
    'e\u0301tude',
    'A' * 3000,
]


class TestTitlesInTheLog:
    @pytest.mark.parametrize('title', TITLES)
    def test_shown_as_they_are(self, title: str) -> None:
        plan = plan_for([record(5, last_read_at='2020-01-01')], {1: ('5', title)})
        assert lines(plan) == [f'OK {title} -> 2020-01-01 (from last_read_at, match=book_id)']

    @pytest.mark.parametrize(
        ('title', 'shown'),
        [
            ('two\nlines', 'two lines'),
            ('tab\there\r\n', 'tab here'),
            ('bell\x07 and \x1b[31mred', 'bell  and  [31mred'),
            ('turned \u202eround', 'turned  round'),
            ('a frame\ufdd0 of Qt\ufdd1\uffff', 'a frame  of Qt'),
            ('isolate\u2066d\u2069', 'isolate d'),
            ('lone \ud83d half', 'lone   half'),
            ('line\u2028paragraph\u2029', 'line paragraph'),
            ('\x00', '(no title)'),
            ('', '(no title)'),
            ('   ', '(no title)'),
        ],
    )
    def test_what_would_break_a_line_is_replaced(self, title: str, shown: str) -> None:
        assert plain(title) == shown
        plan = plan_for([record(5, last_read_at='2020-01-01')], {1: ('5', title)})
        assert lines(plan) == [f'OK {shown} -> 2020-01-01 (from last_read_at, match=book_id)']
        lines(plan)[0].encode('utf-8')

    def test_identifiers_and_titles_from_the_server_cannot_break_a_line_either(self) -> None:
        records = [record('a\n\u202eb', title='x\ny', last_read_at='2020-01-01'), record('a\n\u202eb', title='x')]
        plan = plan_for(records, {1: ('a\n\u202eb', 'x'), 2: ('a\n\u202eb', '')})
        for line in (*plan.notes, *lines(plan)):
            assert line.isprintable(), ascii(line)
        assert len(plan.notes) == 3


# The oracle below states the rules once more, without the plan's own code.

MOMENTS = [at('2020-01-01') + timedelta(hours=6 * step) for step in range(12)]
FAMILIES = {'': '', 'Emma': 'emma', 'EMMA: a novel': 'emma', 'Dune': 'dune', 'Dune (1)': 'dune', 'Ἰλιάς': 'iliad'}
ALL_COLUMNS = SyncRules(
    {
        'last_read': DATE,
        'completed': DONE,
        'progress': Column('#progress', 'float'),
        'read_time': Column('#time', 'int'),
        'status': Column('#state', 'text'),
    },
    threshold=90.0,
)

dates = st.one_of(st.none(), st.sampled_from(MOMENTS), st.just(Unreadable("'bad'")))
id_values = st.sampled_from(['1', '2', '3', '4', 'x', ''])
percentages = st.one_of(st.none(), st.sampled_from([0.0, 1.0, 42.1875, 89.99, 90.0, 100.0]))


@st.composite
def reading_records(draw: st.DrawFn, spaces: tuple[str, ...]) -> ReadingRecord:
    ids = tuple((space, draw(id_values)) for space in spaces)
    return ReadingRecord(
        ids=tuple(pair for pair in ids if pair[1]),
        title=draw(st.sampled_from(sorted(FAMILIES))),
        last_read_at=draw(dates),
        position_updated_at=draw(dates),
        percentage=draw(percentages),
        read_time=draw(st.sampled_from([None, 0, 29, 600, 18240])),
        lists=draw(
            st.lists(st.sampled_from(['completed', 'currently_reading', 'planned_to_read', 'mine']), max_size=2).map(
                tuple
            )
        ),
    )


@st.composite
def worlds(draw: st.DrawFn) -> tuple[FetchedLibrary, Snapshot, SyncRules]:
    """Records, a library and rules, small enough that keys, dates and titles collide all the time."""
    spaces = draw(st.sampled_from([PRIVATE_ID_SPACES, USER_ID_SPACES]))
    records = draw(st.lists(reading_records(spaces), max_size=6))
    columns = {
        'last_read': DATE,
        'completed': draw(st.sampled_from([None, DONE])),
        'progress': draw(st.sampled_from([None, Column('#progress', 'float'), Column('#progress', 'int')])),
        'read_time': draw(st.sampled_from([None, Column('#time', 'float'), Column('#time', 'int')])),
        'status': draw(st.sampled_from([None, Column('#state', 'text'), STATES])),
    }
    rules = SyncRules(
        {role: column for role, column in columns.items() if column is not None},
        threshold=draw(st.sampled_from([0.0, 90.0, 99.9, 100.0])),
        keep_newer_date=draw(st.booleans()),
        clock_limit=draw(st.sampled_from([None, *MOMENTS])),
    )
    count = draw(st.integers(0, 5))
    identifiers = st.sampled_from(['1', '2', ' 03 ', '4', 'x', '99', 'not a number'])
    books = {number: (draw(identifiers), draw(st.sampled_from(sorted(FAMILIES)))) for number in range(1, count + 1)}
    held: dict[str, st.SearchStrategy[Value]] = {
        '#dateread': st.one_of(st.none(), st.sampled_from(MOMENTS)),
        '#completed': st.sampled_from([None, True, False]),
        '#progress': st.sampled_from([None, 0, 42, 100]),
        '#time': st.sampled_from([None, 0, 10, 304]),
        '#state': st.sampled_from([None, 'Reading', 'Completed', 'to read', 'something']),
    }
    values = {column.name: {number: draw(held[column.name]) for number in books} for column in rules.columns}
    return FetchedLibrary(tuple(records), spaces, 'test'), snapshot_of(books, rules, values), rules


REFUSED = 'refused'


def verdict(here: str, there: str) -> str:
    """What two of the FAMILIES are to each other: 'same', 'doubtful', 'different', or '' where one says nothing."""
    if not here or not there:
        return ''
    if FAMILIES[here] != FAMILIES[there]:
        return 'different'
    return 'doubtful' if (here == 'Dune (1)') != (there == 'Dune (1)') else 'same'


def expected_records(
    identifier: str, title: str, fetched: FetchedLibrary, limit: datetime | None
) -> list[ReadingRecord] | str:
    """The records that may be taken for a book (several where dates tie), REFUSED where titles leave none, or []."""
    plain_value = {' 03 ': '3'}.get(identifier, identifier)
    claims: dict[str, tuple[int, ReadingRecord]] = {}
    for place, space in enumerate(fetched.id_spaces):
        for one in fetched.records:
            if (space, plain_value) in one.ids:
                claims.setdefault(repr(one), (place, one))
    user = fetched.id_spaces == USER_ID_SPACES
    weak = {place for place, space in enumerate(fetched.id_spaces) if space in ('id', 'number')}
    counted = [
        (place, one) for place, one in claims.values() if not (user and place in weak and not verdict(title, one.title))
    ]
    left = [
        (place, one)
        for place, one in counted
        if verdict(title, one.title) != 'different' or (len(counted) == 1 and place not in weak)
    ]
    if not left:
        return REFUSED if claims else []
    same = [(place, one) for place, one in left if verdict(title, one.title) == 'same'] or left
    first = min(place for place, _one in same)
    newest = max(newness(one, limit) for place, one in same if place == first)
    return [one for place, one in same if place == first and newness(one, limit) == newest]


def newness(one: ReadingRecord, limit: datetime | None) -> tuple[bool, datetime]:
    """The greater the newer; a date from a wrong clock, from `limit` on, is newer than none at all."""
    when = date_of(one)
    if when is None:
        return False, datetime.min.replace(tzinfo=timezone.utc)
    return limit is None or when < limit, when


def date_of(one: ReadingRecord) -> datetime | None:
    first = one.last_read_at if one.last_read_at is not None else one.position_updated_at
    return first if isinstance(first, datetime) else None


def justified(one: ReadingRecord, rules: SyncRules, held: Mapping[str, Value]) -> dict[str, Value]:
    """{column: value} that a record justifies, whatever the library holds; `held` only for keep_newer_date."""

    def is_whole(role: str) -> bool:
        return role in rules.by_role and rules.by_role[role].datatype == 'int'

    wanted: dict[str, Value] = {}
    when, kept = date_of(one), held.get('#dateread')
    limit = rules.clock_limit or datetime.max.replace(tzinfo=timezone.utc)
    if when is not None and not (rules.keep_newer_date and isinstance(kept, datetime) and limit > kept > when):
        wanted['#dateread'] = when
    done = (one.percentage is not None and one.percentage >= rules.threshold) or 'completed' in one.lists
    if done:
        wanted['#completed'] = True
    if one.percentage is not None:
        whole = is_whole('progress')
        wanted['#progress'] = int(one.percentage) if whole else one.percentage
    if one.read_time:
        whole = is_whole('read_time')
        wanted['#time'] = {29: None, 600: 10, 18240: 304}[one.read_time] if whole else one.read_time / 3600
        if wanted['#time'] is None:
            del wanted['#time']
    reading = 'currently_reading' in one.lists or bool(one.percentage)
    status = 'Completed' if done else 'Reading' if reading else 'Planned' if 'planned_to_read' in one.lists else None
    if status is not None and 'status' in rules.by_role:
        if rules.by_role['status'].datatype == 'text':
            wanted['#state'] = status
        elif status != 'Planned':
            wanted['#state'] = {'Completed': 'Completed', 'Reading': 'READING'}[status]
    names = {column.name for column in rules.columns}
    return {column: value for column, value in wanted.items() if column in names}


def held_by(snapshot: Snapshot, book_id: int) -> dict[str, Value]:
    return {column: values[book_id] for column, values in snapshot.values.items()}


def agrees(plan: SyncPlan, book_id: int, one: ReadingRecord, snapshot: Snapshot, rules: SyncRules) -> bool:
    """Whether what the plan says of a book is exactly what taking this record leads to."""
    changed = {change.column: change.new for change in plan.changes if change.book_id == book_id}
    held = held_by(snapshot, book_id)
    anything = justified(one, rules, {})
    wanted = {
        column: value
        for column, value in justified(one, rules, held).items()
        if (str(held[column]).lower() != str(value).lower() if isinstance(value, str) else held[column] != value)
    }
    if wanted:
        return changed == wanted and book_id not in plan.skipped and book_id not in plan.unchanged
    if anything:
        return not changed and book_id in plan.unchanged
    first = one.last_read_at if one.last_read_at is not None else one.position_updated_at
    reason = UNREADABLE_DATE if isinstance(first, Unreadable) else NOTHING_READ
    return not changed and plan.skipped.get(book_id) == reason


@given(worlds())
@settings(max_examples=400, deadline=None)
def test_every_change_is_justified_by_its_record_and_none_is_missing(
    world: tuple[FetchedLibrary, Snapshot, SyncRules],
) -> None:
    fetched, snapshot, rules = world
    plan = make_plan(fetched, snapshot, rules)
    assert plan.updated | plan.unchanged | set(plan.skipped) == set(snapshot.identifiers)
    assert len(plan.updated) + len(plan.unchanged) + len(plan.skipped) == len(snapshot.identifiers)
    for book_id, identifier in snapshot.identifiers.items():
        allowed = expected_records(identifier, snapshot.titles[book_id], fetched, rules.clock_limit)
        if allowed == REFUSED or not allowed:
            assert plan.skipped[book_id] == (TITLES_CONTRADICT if allowed else NOT_ON_BOOKFUSION)
            assert not any(change.book_id == book_id for change in plan.changes)
        else:
            assert any(agrees(plan, book_id, one, snapshot, rules) for one in allowed if isinstance(one, ReadingRecord))
    for change in plan.changes:
        assert change.old == snapshot.values[change.column][change.book_id] != change.new
        assert change.new is not None
        assert change.new is not False


@given(worlds())
@settings(max_examples=200, deadline=None)
def test_planning_twice_and_planning_after_applying(world: tuple[FetchedLibrary, Snapshot, SyncRules]) -> None:
    fetched, snapshot, rules = world
    plan = make_plan(fetched, snapshot, rules)
    assert make_plan(fetched, snapshot, rules) == plan
    values = {column: dict(held) for column, held in snapshot.values.items()}
    for change in plan.changes:
        values[change.column][change.book_id] = change.new
    again = make_plan(fetched, Snapshot(snapshot.titles, snapshot.identifiers, values), rules)
    assert again.changes == ()
    assert again.unchanged == plan.unchanged | plan.updated
    assert again.skipped == plan.skipped


@given(worlds(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_the_order_of_records_does_not_matter(
    world: tuple[FetchedLibrary, Snapshot, SyncRules], chance: random.Random
) -> None:
    """Not even between records of one key and one date: of those the one that says most wins."""
    fetched, snapshot, rules = world
    shuffled = list(fetched.records)
    chance.shuffle(shuffled)
    other = make_plan(FetchedLibrary(tuple(shuffled), fetched.id_spaces, 'test'), snapshot, rules)
    assert other == make_plan(fetched, snapshot, rules)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
timestamps = st.sampled_from(['2024-11-03T22:30:00.000Z', '2025-01', '', 'yesterday', '0001-01-01', '2024-02-30'])
odd_records = st.fixed_dictionaries(
    {},
    optional={
        'id': json_values | st.integers(1, 5),
        'book_id': json_values | st.integers(1, 5),
        'number': json_values | st.integers(1, 5),
        'title': json_values,
        'last_read_at': json_values | timestamps,
        'reading_position': json_values
        | st.fixed_dictionaries(
            {}, optional={'percentage': json_values | st.floats(0, 100), 'updated_at': json_values | timestamps}
        ),
        'read_time': json_values,
        'lists': json_values | st.lists(st.sampled_from(['completed', 'currently_reading'])),
        'source': json_values | st.fixed_dictionaries({'book_id': json_values}),
    },
)
any_text = st.text(st.characters(exclude_categories=()), max_size=30)


@given(
    st.lists(odd_records | json_values, max_size=6),
    st.lists(st.tuples(any_text | st.integers(1, 5).map(str), any_text), max_size=5),
    st.sampled_from([(parse_private_record, PRIVATE_ID_SPACES), (parse_user_record, USER_ID_SPACES)]),
)
@settings(max_examples=300, deadline=None)
def test_whatever_the_server_sends_makes_a_plan_whose_lines_are_lines(
    raw: list[Any], books: list[tuple[str, str]], interface: tuple[Any, tuple[str, ...]]
) -> None:
    parse, spaces = interface
    records = [one for one in map(parse, raw) if one is not None]
    plan = plan_for(records, dict(enumerate(books, 1)), ALL_COLUMNS, spaces=spaces)
    for line in (*plan.notes, *lines(plan), *summary_lines(plan)):
        assert len(line.splitlines()) == 1
        assert line.encode('utf-8')
        assert line.startswith(('OK ', 'SKIP ', 'Note: ')) or line.endswith('.')


def test_a_skip_needs_no_record() -> None:
    assert log_line(Skip(1, 'Emma', UNREADABLE_DATE, 'why'), utc_day) == 'SKIP Emma -> why'
