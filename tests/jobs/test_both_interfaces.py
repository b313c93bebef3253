"""BookFusion's two interfaces lead to the same sync, one takes over from the other, and neither is ever written to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import ApiGone, BackSyncError, SignInRefused
from calibre_plugins.bookfusionbacksync.jobs.sync import PreparedSync, SyncJob
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library, opened
from calibre_plugins.bookfusionbacksync.rules.sync_plan import TITLES_CONTRADICT, Change, SyncPlan
from harness.bookfusion import account, addresses, book, browser_account
from harness.jobs import RecordingReporter
from harness.network import ONE_TRY
from harness.secrets import TEST_PASSWORD, TEST_USER_TOKEN
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from standins import faults
from standins.bookfusion import (
    ABSENT,
    DERIVED,
    LIBRARY,
    SEARCH,
    SIGN_IN,
    USER_SIGN_IN,
    BookFusionStandIn,
    LibraryRecord,
    generate_records,
)

COLUMNS: dict[str, Any] = {'#dateread': 'datetime', '#completed': 'bool', '#progress': 'float'}
SWITCHED = "Note: BookFusion's private interface is gone (404 or 410), so its user interface is used."
EXPIRED = 'The sign-in to BookFusion has expired. Sign in again in Settings.'


# Which of the user API's numbers of a record is the private API's `id` is not known for sure.
WORLDS = ['number', 'id']


def in_world(record: LibraryRecord, world: str) -> LibraryRecord:
    numbers = {'number': DERIVED, 'user_id': DERIVED, {'number': 'number', 'id': 'user_id'}[world]: record.id}
    return replace(record, **numbers)


@pytest.fixture
def server() -> Iterator[BookFusionStandIn]:
    records = [in_world(record, 'number') for record in generate_records(230)]
    # One as it comes after a rounding error, one with a date that nobody can read, one without a place in Calibre.
    records[0] = replace(records[0], percentage=99.999, position_updated_at='2024-11-03T08:00:00Z', last_read_at=None)
    records[1] = replace(records[1], last_read_at='yesterday')
    records[2] = replace(records[2], last_read_at='', percentage=None, position_updated_at=None, lists=())
    with BookFusionStandIn(records, token=TEST_USER_TOKEN, password=TEST_PASSWORD) as running:
        yield running
        assert running.position_writes == []
        assert running.violations == []


@pytest.fixture
def library(server: BookFusionStandIn, make_library: Any) -> Path:
    """A library with every second of the records, identified as BookFusion's own plugin would, and one stray book."""
    books = [book(record) for record in server.records[::2]]
    books += [book(record, 'id') for record in server.records[1:20:2]]
    folder: Path = make_library([*books, {'title': 'Stray', 'identifiers': {'bookfusion': '77'}}], COLUMNS)
    return folder


def configure(server: BookFusionStandIn, browser: bool) -> None:
    empty = {'bookfusion_token': '', 'email': '', 'password': ''}
    columns = {'completed_column': '#completed', 'progress_column': '#progress'}
    settings.save({**empty, **(browser_account if browser else account)(server, **columns)})


def prepared(library: Path | Library, told: RecordingReporter | None = None) -> PreparedSync:
    def open_it() -> AbstractContextManager[Library]:
        return nullcontext(library) if isinstance(library, Library) else opened(str(library), read_only=True)

    return SyncJob(open_it, told or RecordingReporter(), Cancel(), limits=ONE_TRY).run_to_preview()


def effects(plan: SyncPlan) -> list[tuple[Any, ...]]:
    """What a plan comes to, in its order, without the names of the id spaces."""
    return [
        (entry.book_id, entry.title, entry.column, entry.old, entry.new, entry.source)
        if isinstance(entry, Change)
        else (entry.book_id, entry.title, entry.reason, re.sub(r'match=\S+', '', entry.detail))
        for entry in plan.entries
    ]


def spaces(plan: SyncPlan) -> set[str]:
    return {change.space for change in plan.changes}


@pytest.mark.parametrize(('space', 'lacking'), [('read_url', ()), ('source.book_id', ('read_url',))])
@pytest.mark.parametrize('world', WORLDS)
@pytest.mark.parametrize('inline', [True, False], ids=['inline', 'singly'])
def test_both_interfaces_lead_to_the_same_plan(
    server: BookFusionStandIn, library: Path, inline: bool, world: str, space: str, lacking: Sequence[str]
) -> None:
    absent = dict.fromkeys(lacking, ABSENT)
    server.records = [replace(in_world(record, world), **absent) for record in server.records]
    configure(server, browser=False)
    private = prepared(library).plan
    assert {request.path for request in server.requests} == {SIGN_IN, LIBRARY}
    server.reset_log()
    # Without positions, those books are asked for singly that something says were read; here every read one says so.
    server.records = [
        replace(one, lists=one.lists or (('currently_reading',) if one.percentage is not None else ()))
        for one in server.records
    ]
    server.set_options(inline_positions=inline)
    configure(server, browser=True)
    told = RecordingReporter()
    user = prepared(library, told).plan
    assert server.count(SIGN_IN) == server.count(LIBRARY) == 0

    assert len(private.changes) > 100
    assert effects(user) == effects(private)
    assert (user.skipped, user.unchanged) == (private.skipped, private.unchanged)
    # The same ids are called differently.
    assert spaces(private) == {'book_id', 'id'}
    assert spaces(user) == {space, world}
    singly = [line for line in told.lines if 'asking for each of them' in line]
    assert len(singly) == (0 if inline else 1)
    assert server.max_in_flight <= 4


RECORDS = st.lists(
    st.builds(
        LibraryRecord,
        id=st.integers(101, 112),
        book_id=st.integers(1, 12) | st.none(),
        title=st.sampled_from(['Emma', 'Dracula', 'Ulysses', '']),
        last_read_at=st.sampled_from(
            [None, '', 'soon', '2024-11-03T08:00:00.000Z', '2025-01-02T23:30:00+00:00', '2025']
        ),
        percentage=st.none() | st.sampled_from([0, 12.5, 99.9, 100, '100', -1, 'much']),
        position_updated_at=st.sampled_from([None, '2024-11-04T08:00:00Z', '2026-04-20T18:22:31.000Z', 'x']),
    ),
    max_size=6,
    unique_by=lambda record: record.id,
)


@given(records=RECORDS, world=st.sampled_from(WORLDS))
@hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_library_leads_to_the_same_plan(
    shared_server: BookFusionStandIn, shared_library: Library, records: list[LibraryRecord], world: str
) -> None:
    """Whatever the records hold, odd values included: nothing depends on the way they came.

    But for one thing: a record without a title is found by its private `id`, and by no such number of the user API.
    """
    shared_server.records = [in_world(record, world) for record in records]
    plans = []
    for browser in (False, True):
        configure(shared_server, browser)
        plans.append(prepared(shared_library).plan)
    private, user = plans
    untitled = {book_with(record.id) for record in records if not record.title}
    assert [effect for effect in effects(user) if effect[0] not in untitled] == [
        effect for effect in effects(private) if effect[0] not in untitled
    ]
    assert {book: user.skipped[book] for book in untitled} == dict.fromkeys(untitled, TITLES_CONTRADICT)
    assert {**private.skipped, **user.skipped} == user.skipped
    assert user.skipped.keys() - private.skipped.keys() <= untitled


SHARED_IDENTIFIERS = (*range(1, 13), *range(101, 113))


def book_with(identifier: int) -> int:
    """The book of the shared library that has this identifier."""
    return SHARED_IDENTIFIERS.index(identifier) + 1


@pytest.fixture(scope='module')
def shared_server() -> Iterator[BookFusionStandIn]:
    with BookFusionStandIn(token=TEST_USER_TOKEN, password=TEST_PASSWORD) as running:
        yield running
        assert running.position_writes == []


@pytest.fixture(scope='module')
def shared_library(library_maker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    books = [{'title': 'Emma', 'identifiers': {'bookfusion': number}} for number in SHARED_IDENTIFIERS]
    folder = library_maker.make(tmp_path_factory.mktemp('both') / 'Library', books, COLUMNS)
    with opened(str(folder), read_only=True) as library:
        yield library


@pytest.mark.parametrize('status', [404, 410])
@pytest.mark.parametrize('place', ['sign-in', 'page'])
def test_the_user_interface_takes_over(server: BookFusionStandIn, library: Path, status: int, place: str) -> None:
    configure(server, browser=False)
    before = effects(prepared(library).plan)
    server.reset_log()
    server.set_options(private_gone=status, private_gone_at=place)
    told = RecordingReporter()
    assert effects(prepared(library, told).plan) == before
    assert told.lines.count(SWITCHED) == 1
    assert server.count(USER_SIGN_IN) == 1
    # One try each: what is gone does not come back by asking again.
    assert server.count(SIGN_IN) == 1
    assert server.count(LIBRARY) == (0 if place == 'sign-in' else 1)


@pytest.mark.parametrize('status', [401, 403, 422, 400])
def test_a_refusal_is_no_reason_to_change_over(server: BookFusionStandIn, library: Path, status: int) -> None:
    configure(server, browser=False)
    server.fail(faults.Status(status), SIGN_IN)
    with pytest.raises(SignInRefused):
        prepared(library)
    assert [request.path for request in server.requests] == [SIGN_IN]


def test_a_later_page_that_is_missing_is_no_reason_to_change_over(server: BookFusionStandIn, library: Path) -> None:
    configure(server, browser=False)
    server.fail(faults.Status(404), LIBRARY, when=lambda request: request.query.get('page') == '2', times=None)
    with pytest.raises(BackSyncError) as caught:
        prepared(library)
    assert not isinstance(caught.value, ApiGone)
    assert server.count(USER_SIGN_IN) == 0


def test_both_gone(server: BookFusionStandIn, library: Path) -> None:
    configure(server, browser=False)
    server.set_options(private_gone=410)
    server.fail(faults.Status(404), USER_SIGN_IN)
    with pytest.raises(ApiGone, match='no longer answers'):
        prepared(library)


def test_an_account_without_a_password_is_told_of_the_browser(server: BookFusionStandIn, library: Path) -> None:
    configure(server, browser=False)
    server.set_options(private_gone=404, account_type='web')
    with pytest.raises(SignInRefused, match='has no password for apps'):
        prepared(library)


@pytest.mark.parametrize('page', [1, 2])
def test_an_expired_browser_sign_in_is_one_sentence(server: BookFusionStandIn, library: Path, page: int) -> None:
    configure(server, browser=True)
    server.set_options(before_page=lambda number: server.expire_tokens() if number == page - 1 else None)
    if page == 1:
        server.expire_tokens()
    told = RecordingReporter()
    with pytest.raises(SignInRefused) as caught:
        prepared(library, told)
    assert str(caught.value) == EXPIRED
    assert caught.value.exit_code == 3
    assert server.count(SIGN_IN) == server.count(USER_SIGN_IN) == 0


@pytest.mark.parametrize('inline', [True, False])
def test_a_browsers_token_needs_no_password_and_sends_none(
    server: BookFusionStandIn, library: Path, inline: bool
) -> None:
    server.set_options(inline_positions=inline)
    configure(server, browser=True)
    settings.save({'email': 'reader@example.org', 'password': TEST_PASSWORD})
    prepared(library)
    for request in server.requests:
        assert request.header('Authorization') == f'Bearer {TEST_USER_TOKEN}'
        assert request.header('X-Token') == ''
        assert TEST_USER_TOKEN not in request.target
        assert TEST_PASSWORD.encode() not in request.body
        # Whatever is not the search only reads.
        assert request.method == ('POST' if request.path == SEARCH else 'GET')


# The commands, as the installed plugin runs them.


def given_settings(server: BookFusionStandIn, **account: str) -> dict[str, str]:
    return {**addresses(server), 'completed_column': '#completed', **account}


def test_command_with_an_expired_browser_sign_in(server: BookFusionStandIn, run_cli: Any, library: Path) -> None:
    done = run_cli(
        'sync', '--json', '--library', library, settings=given_settings(server, bookfusion_token='expired-0123456789')
    )
    assert done.returncode == 3
    assert done.json == {'error': EXPIRED}
    assert done.stderr.splitlines()[-1] == f'Error: {EXPIRED}'


def test_commands_through_both_interfaces(
    server: BookFusionStandIn, run_cli: Any, library: Path, config_folder: Path
) -> None:
    """A sync through one interface leaves nothing to do for the other; the log says which one answered."""
    password = given_settings(server, email=server.email, password=server.password)
    first = run_cli('sync', '--json', '--library', library, settings=password)
    assert first.returncode == 0, first
    assert first.json['updated'] > 50
    token = given_settings(server, bookfusion_token=server.token)
    again = run_cli('sync', '--json', '--library', library, settings=token)
    assert again.returncode == 0, again
    assert again.json['updated'] == 0
    assert again.json['unchanged'] == first.json['updated']
    assert again.json['skipped'] == first.json['skipped']
    server.set_options(private_gone=404)
    switched = run_cli('sync', '--json', '--library', library, settings=password)
    assert switched.returncode == 0, switched
    assert (switched.json['updated'], SWITCHED in switched.stdout) == (0, True)
    log = (config_folder / 'plugins' / 'bookfusionbacksync' / 'sync.log').read_text()
    assert SWITCHED in log
    assert json.dumps(server.password)[1:-1] not in log
