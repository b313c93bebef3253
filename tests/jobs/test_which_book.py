"""No book gets another book's date, through either interface, whatever numbers records have and fields they lack."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.jobs.sync import SyncJob
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library, opened
from calibre_plugins.bookfusionbacksync.rules.records import PRIVATE_ID_SPACES, USER_ID_SPACES, FetchedLibrary
from calibre_plugins.bookfusionbacksync.rules.sync_plan import (
    TITLES_CONTRADICT,
    Column,
    Snapshot,
    SyncPlan,
    SyncRules,
    make_plan,
)
from calibre_plugins.bookfusionbacksync.rules.titles import Likeness, Title, compare
from calibre_plugins.bookfusionbacksync.services.bookfusion_answers import parse_private_record, parse_user_record
from harness.bookfusion import account, browser_account
from harness.jobs import RecordingReporter
from harness.network import ONE_TRY
from harness.secrets import TEST_PASSWORD, TEST_USER_TOKEN
from hypothesis import given
from hypothesis import strategies as st
from standins.bookfusion import ABSENT, BookFusionStandIn, LibraryRecord

# As Calibre has them, and as BookFusion has them: each is the title of one book and of no other.
TITLES = [
    ('Overlord, Vol. 1', 'Overlord, Band I'),
    ('Overlord, Vol. 9', 'Overlord #9'),
    ('Defiance of the Fall 7', 'Defiance of the Fall (Defiance of the Fall #7)'),
    ('Defiance of the Fall 17', 'Defiance of the Fall 17'),
    ('Pride & Prejudice', 'PRIDE AND PREJUDICE'),
    ('L’Étranger', "Étranger, L'"),  # noqa: RUF001 - the apostrophe is what it is about
    ('채식 주의자', '채식주의자'),
    ('10:04', '10:04: A Novel'),
    ('Frankenstein; or, The Modern Prometheus', 'Frankenstein'),
    ('C# in Depth', 'C# in Depth'),
    ('दिन', 'दिन'),
    ('दीन', 'दीन'),
]
COUNT = len(TITLES)
FIRST = 8_902_995
GLOBAL_IDS = [FIRST + place for place in range(COUNT)]
DATES = [datetime(2024, 1, 1, 12, tzinfo=timezone.utc) + timedelta(days=place) for place in range(COUNT)]


def shifted(by: int, place: int) -> int:
    """The global id of another book, so many places on."""
    return GLOBAL_IDS[(place + by) % COUNT]


def record_at(place: int, **numbers: Any) -> LibraryRecord:
    """The record of the book at a place: whatever number it has is also the global id of another book."""
    made = LibraryRecord(
        id=shifted(1, place),
        number=shifted(2, place),
        user_id=shifted(3, place),
        book_id=GLOBAL_IDS[place],
        title=TITLES[place][1],
        last_read_at=DATES[place].isoformat(),
    )
    return replace(made, **numbers)


def test_the_titles_are_of_different_books() -> None:
    for place, (here, there) in enumerate(TITLES):
        assert compare(Title(here), Title(there)) is Likeness.SAME
        for other, (_here, other_title) in enumerate(TITLES):
            assert place == other or compare(Title(here), Title(other_title)) is Likeness.DIFFERENT


@dataclass(frozen=True)
class Case:
    """Records of an interface that lack fields, or that repeat their global id in another field.

    `space` is the id space in which every book is found, '' where none is. Only the records at every `step`th place
    are so; the others have all their fields and are found in the first space.
    """

    interface: str
    lacking: Sequence[str] = ()
    space: str = ''
    repeated_in: str = ''
    step: int = 1

    def records(self) -> list[LibraryRecord]:
        changed: dict[str, Any] = dict.fromkeys(self.lacking, ABSENT)
        return [
            record_at(place)
            if place % self.step
            else record_at(place, **changed, **({self.repeated_in: GLOBAL_IDS[place]} if self.repeated_in else {}))
            for place in range(COUNT)
        ]

    def spaces(self) -> Mapping[int, str]:
        """By book id, where a book is found."""
        first = PRIVATE_ID_SPACES[0] if self.interface == 'private' else USER_ID_SPACES[0]
        found = {place + 1: first if place % self.step else self.space for place in range(COUNT)}
        return {book_id: space for book_id, space in found.items() if space}

    def __str__(self) -> str:
        parts = [self.interface, f'no {"+".join(self.lacking)}' if self.lacking else 'all fields']
        parts += [f'global id in {self.repeated_in}'] if self.repeated_in else []
        return ', '.join([*parts, f'every {self.step}'] if self.step > 1 else parts)


PRIVATE_CASES = [
    Case('private', (), 'book_id'),
    Case('private', ('id',), 'book_id'),
    Case('private', ('title',), 'book_id'),
    Case('private', ('book_id',)),
    Case('private', ('book_id',), 'id', repeated_in='id'),
    Case('private', ('book_id', 'title'), 'id', repeated_in='id'),
]
USER_CASES = [
    Case('user', (), 'read_url'),
    Case('user', ('read_url',), 'source.book_id'),
    Case('user', ('source',), 'read_url'),
    Case('user', ('number',), 'read_url'),
    Case('user', ('user_id',), 'read_url'),
    Case('user', ('number', 'user_id'), 'read_url'),
    Case('user', ('title',), 'read_url'),
    Case('user', ('read_url', 'title'), 'source.book_id'),
    Case('user', ('read_url', 'source')),
    Case('user', ('read_url', 'source', 'title')),
    Case('user', ('read_url', 'source', 'number')),
    Case('user', ('read_url', 'source', 'user_id')),
    Case('user', ('read_url', 'source'), 'number', repeated_in='number'),
    Case('user', ('read_url', 'source'), 'id', repeated_in='user_id'),
    Case('user', ('read_url', 'source', 'title'), repeated_in='number'),
    Case('user', ('read_url', 'source', 'title'), repeated_in='user_id'),
]
CASES = [replace(case, step=step) for case in (*PRIVATE_CASES, *USER_CASES) for step in (1, 2, 5)]


@pytest.fixture(scope='module')
def server() -> Iterator[BookFusionStandIn]:
    with BookFusionStandIn(token=TEST_USER_TOKEN, password=TEST_PASSWORD) as running:
        yield running
        assert running.position_writes == []
        assert running.violations == []


@pytest.fixture(scope='module')
def library(library_maker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    books = [
        {'title': title, 'identifiers': {'bookfusion': global_id}}
        for (title, _other), global_id in zip(TITLES, GLOBAL_IDS, strict=True)
    ]
    folder = library_maker.make(tmp_path_factory.mktemp('which') / 'Library', books, {'#dateread': 'datetime'})
    with opened(str(folder), read_only=True) as library:
        yield library


def planned(server: BookFusionStandIn, library: Library, interface: str) -> SyncPlan:
    way = account(server, bookfusion_token='') if interface == 'private' else browser_account(server)
    settings.save(way)
    return SyncJob(lambda: nullcontext(library), RecordingReporter(), Cancel(), limits=ONE_TRY).run_to_preview().plan


def dates_of(plan: SyncPlan) -> dict[int, object]:
    return {change.book_id: change.new for change in plan.changes}


@pytest.mark.parametrize('case', CASES, ids=str)
def test_every_book_gets_its_own_date_or_none(server: BookFusionStandIn, library: Library, case: Case) -> None:
    server.records = case.records()
    plan = planned(server, library, case.interface)
    assert {change.book_id: change.space for change in plan.changes} == case.spaces()
    assert dates_of(plan) == {book_id: DATES[book_id - 1] for book_id in case.spaces()}
    not_found = set(range(1, COUNT + 1)) - case.spaces().keys()
    assert plan.skipped == dict.fromkeys(not_found, TITLES_CONTRADICT)


def permutations() -> st.SearchStrategy[list[int]]:
    return st.permutations(GLOBAL_IDS)


@dataclass(frozen=True)
class World:
    """Books of Calibre by title, and the records of both interfaces, each number a global id of some book."""

    records: Sequence[LibraryRecord]
    titles: Mapping[int, str] = field(default_factory=dict)


@st.composite
def worlds(draw: st.DrawFn, untitled: bool) -> World:
    private_ids, numbers, user_ids = draw(permutations()), draw(permutations()), draw(permutations())
    fields = ('id', 'number', 'user_id', 'book_id', 'read_url', 'source', *(('title',) if untitled else ()))
    records = []
    for place in range(COUNT):
        lacking = draw(st.sets(st.sampled_from(fields), max_size=4))
        record = record_at(place, id=private_ids[place], number=numbers[place], user_id=user_ids[place])
        records.append(replace(record, **dict.fromkeys(lacking, ABSENT)))
    no_title = draw(st.sets(st.integers(1, COUNT), max_size=3)) if untitled else set()
    titles = {place + 1: '' if place + 1 in no_title else title for place, (title, _other) in enumerate(TITLES)}
    return World(draw(st.permutations(records)), titles)


def plan_through(interface: str, world: World) -> SyncPlan:
    private = interface == 'private'
    raw = [json.loads(record.private_json if private else record.user_json) for record in world.records]
    parsed = map(parse_private_record if private else parse_user_record, raw)
    spaces = PRIVATE_ID_SPACES if private else USER_ID_SPACES
    fetched = FetchedLibrary(tuple(record for record in parsed if record), spaces, interface)
    books = Snapshot(world.titles, dict(enumerate(map(str, GLOBAL_IDS), 1)), {'#dateread': {}})
    return make_plan(fetched, books, SyncRules({'last_read': Column('#dateread', 'datetime')}))


@given(worlds(untitled=False))
def test_no_book_gets_another_ones_date(world: World) -> None:
    for interface in ('private', 'user'):
        for book_id, date in dates_of(plan_through(interface, world)).items():
            assert date == DATES[book_id - 1]


@given(worlds(untitled=True))
def test_in_the_user_interface_not_even_where_titles_are_missing(world: World) -> None:
    """The private interface is specified to fall back on `id`, also where it gives no titles."""
    for book_id, date in dates_of(plan_through('user', world)).items():
        assert date == DATES[book_id - 1]


@given(worlds(untitled=False))
def test_a_global_id_is_found_whatever_else_is_wrong(world: World) -> None:
    found = {interface: dates_of(plan_through(interface, world)).keys() for interface in ('private', 'user')}
    for record, interface in itertools.product(world.records, found):
        read_url = interface == 'user' and record.reader_address is not ABSENT
        source = interface == 'user' and record.source is not ABSENT and record.book_id is not ABSENT
        if (interface == 'private' and record.book_id is not ABSENT) or read_url or source:
            place = next(place for place, (_title, other) in enumerate(TITLES) if other == record.title)
            assert place + 1 in found[interface]
