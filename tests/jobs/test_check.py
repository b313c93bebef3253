"""The check: what it finds on each interface, what it says of what is wrong, and what it never shows."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import (
    LIBRARY_NOT_READ,
    ApiGone,
    Cancelled,
    LibraryTrouble,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from calibre_plugins.bookfusionbacksync.jobs.check import check
from calibre_plugins.bookfusionbacksync.jobs.check_findings import CheckReport
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library, opened
from calibre_plugins.bookfusionbacksync.services.bookfusion_survey import (
    FIELD_NAME,
    Asked,
    PageSizes,
    fields_of,
    judge_page_sizes,
)
from harness.bookfusion import account, book, browser_account
from harness.jobs import RecordingReporter
from harness.libraries import COMPUTED_COLUMN
from harness.network import ENDLESS, ONE_TRY, cancelling
from harness.secrets import (
    ALL,
    TEST_BOOKLORE_PASSWORD,
    TEST_BOOKLORE_TOKEN,
    TEST_HARDCOVER_TOKEN,
    TEST_PASSWORD,
    TEST_USER_TOKEN,
    leaks,
)
from hypothesis import given
from hypothesis import strategies as st
from standins import faults
from standins.bookfusion import (
    ABSENT,
    LIBRARY,
    SEARCH,
    SIGN_IN,
    USER_SIGN_IN,
    BookFusionStandIn,
    LibraryRecord,
    generate_records,
)
from standins.booklore import BookLoreStandIn
from standins.hardcover import HardcoverStandIn

# A pace belongs to a key, and tests that share one would wait for each other.
KEYS = (f'{TEST_HARDCOVER_TOKEN}{number}' for number in itertools.count())


@pytest.fixture
def server() -> Iterator[BookFusionStandIn]:
    with BookFusionStandIn(generate_records(250), token=TEST_USER_TOKEN, password=TEST_PASSWORD) as running:
        yield running
        assert running.position_writes == []
        assert running.violations == []


def configure(server: BookFusionStandIn, browser: bool = False, **more: Any) -> None:
    settings.save((browser_account if browser else account)(server, **more))


def opener(folder: Path) -> Any:
    def open_it() -> AbstractContextManager[Library]:
        return opened(str(folder), read_only=True)

    return open_it


def checked(folder: Path, **arguments: Any) -> CheckReport:
    return check(opener(folder), RecordingReporter(), Cancel(), limits=ONE_TRY, **arguments)


def shown(report: CheckReport) -> list[str]:
    lines = [str(line) for line in (*report.lines, report.verdict)]
    assert not any('{' in line for line in lines)
    # What is for programs is fit for them.
    json.dumps(report.data)
    return lines


def books(records: Sequence[LibraryRecord], key: str = 'book_id') -> list[dict[str, Any]]:
    return [book(record, key) for record in records]


def test_private_interface(server: BookFusionStandIn, make_library: Any) -> None:
    configure(server)
    report = checked(make_library(books(server.records[:40])))
    lines = shown(report)
    assert lines[1:6] == [
        'Library: 40 books, 40 with a bookfusion identifier.',
        'Last Read Column #dateread can be used.',
        "BookFusion's library interface (v3) answers.",
        'BookFusion: 100 records or more; no Total-Count was sent.',
        'per_page is honoured: 10 of 10, 100 of 100.',
    ]
    assert '  id: integer 100' in lines
    assert any(line.startswith('  reading_position.updated_at: date as text ') for line in lines)
    assert lines[-3:] == [
        '40 of 40 bookfusion identifiers are the book_id of one of these records; 40 titles agree, 0 contradict.',
        '0 of 40 bookfusion identifiers are the id of one of these records; 0 titles agree, 0 contradict.',
        'A sync will work.',
    ]
    assert report.works
    assert [request.path for request in server.requests] == [SIGN_IN, LIBRARY, LIBRARY]


def test_user_interface(server: BookFusionStandIn, make_library: Any) -> None:
    configure(server, browser=True)
    report = checked(make_library(books(server.records[:30])))
    found: Any = report.data['bookfusion']
    assert (found['interface'], found['records'], found['total_count'], found['per_page']) == (
        'user',
        250,
        250,
        'honoured',
    )
    unread = sum(record.percentage is None for record in server.records[:100])
    assert found['reading_position'] == {'inline': 100 - unread, 'null': unread, 'absent': 0, 'single': None}
    identifiers = {record.book_id for record in server.records[:30]}

    def coincidences(key: str) -> dict[str, int]:
        """The weak numbers that are an identifier: of another book but for a record whose own it happens to be."""
        found = [record for record in server.records[:100] if getattr(record, key) in identifiers]
        own = sum(getattr(record, key) == record.book_id for record in found)
        assert len(found) > own
        return {'matched': len(found), 'agree': own, 'contradict': len(found) - own}

    assert report.data['id_spaces'] == {
        'read_url': {'matched': 30, 'agree': 30, 'contradict': 0},
        'source.book_id': {'matched': 30, 'agree': 30, 'contradict': 0},
        'number': coincidences('user_number'),
        'id': coincidences('identifier'),
    }
    assert 'BookFusion: 250 records, as Total-Count says.' in shown(report)
    assert (
        '30 of 30 bookfusion identifiers are the read_url of one of these records; 30 titles agree, 0 contradict.'
    ) in shown(report)
    assert [request.path for request in server.requests] == [SEARCH, SEARCH]
    assert [request.json()['per_page'] for request in server.requests] == [10, 100]


def test_the_user_interface_is_never_asked_for_more_than_it_allows(
    server: BookFusionStandIn, make_library: Any
) -> None:
    configure(server, browser=True, page_size=5000)
    found: Any = checked(make_library()).data['bookfusion']
    assert found['pages'] == [{'asked': 10, 'came': 10}, {'asked': 100, 'came': 100}]
    assert found['per_page'] == 'honoured'


@pytest.mark.parametrize(
    ('count', 'options', 'page_size', 'records', 'per_page', 'requests'),
    [
        (250, {}, 100, None, 'honoured', 3),
        (250, {'private_total_count': True}, 100, 250, 'honoured', 3),
        (250, {'cap': 50}, 100, None, 'capped', 4),
        (250, {'cap': 5}, 100, None, 'capped', 4),
        (250, {'cap': 50, 'private_total_count': True}, 100, 250, 'capped', 3),
        (250, {}, 5000, 250, 'honoured', 4),
        (250, {}, 10, None, 'honoured', 3),
        (30, {}, 100, 30, 'honoured', 4),
        (30, {'repeat_last_page': True}, 100, 30, 'honoured', 4),
        (7, {}, 100, 7, 'unclear', 4),
        (7, {'private_total_count': True}, 100, 7, 'unclear', 3),
        (0, {}, 100, 0, 'unclear', 3),
    ],
)
def test_page_sizes_and_counts(
    server: BookFusionStandIn,
    make_library: Any,
    count: int,
    options: dict[str, Any],
    page_size: int,
    records: int | None,
    per_page: str,
    requests: int,
) -> None:
    server.records = server.records[:count]
    server.set_options(**options)
    configure(server, page_size=page_size)
    report = checked(make_library())
    found: Any = report.data['bookfusion']
    assert (found['records'], found['per_page'], len(server.requests)) == (records, per_page, requests)
    assert found['requests'] == requests
    assert report.works


@given(st.integers(0, 40), st.integers(0, 40), st.booleans())
def test_page_sizes_are_judged_soundly(small: int, large: int, whole: bool) -> None:
    verdict = judge_page_sizes(Asked(10, small), Asked(20, large), whole)
    assert (verdict is PageSizes.IGNORED) == (small > 10 or large > 20)
    if verdict is PageSizes.HONOURED:
        assert small == 10
        assert whole or large == 20


def test_a_server_that_ignores_the_page_size(server: BookFusionStandIn, make_library: Any) -> None:
    configure(server)
    page = [{'id': number, 'book_id': number + 1000} for number in range(1, 21)]
    server.fail(faults.WrongShape(page), LIBRARY, times=None)
    report = checked(make_library())
    assert 'per_page is ignored: 20 of 10, 20 of 100.' in shown(report)


def test_positions_that_do_not_come_inline(server: BookFusionStandIn, make_library: Any) -> None:
    server.set_options(inline_positions=False)
    configure(server, browser=True)
    report = checked(make_library())
    found: Any = report.data['bookfusion']
    assert found['reading_position'] == {'inline': 0, 'null': 0, 'absent': 100, 'single': True}
    assert [request.method for request in server.requests] == ['POST', 'POST', 'GET']
    assert any('came when it was asked for by itself' in line for line in shown(report))


def test_positions_that_are_nowhere(server: BookFusionStandIn, make_library: Any) -> None:
    server.records = [replace(one, percentage=None, position_updated_at=None) for one in server.records]
    server.records[3] = replace(server.records[3], last_read_at='2024-01-01T00:00:00Z')
    server.set_options(inline_positions=False)
    configure(server, browser=True)
    found: Any = checked(make_library()).data['bookfusion']
    assert found['reading_position']['single'] is False


@pytest.mark.parametrize(
    ('browser', 'key', 'lacking', 'spaces'),
    [
        (False, 'book_id', (), ['book_id']),
        (False, 'id', (), ['id']),
        (True, 'book_id', (), ['read_url', 'source.book_id']),
        (True, 'book_id', ('read_url',), ['source.book_id']),
        (True, 'book_id', ('source',), ['read_url']),
        (True, 'user_number', ('read_url', 'source'), ['number']),
        (True, 'identifier', ('read_url', 'source'), ['id']),
        # What is one record's number is another's id: the titles tell which of the two it is.
        (True, 'user_number', (), ['number']),
        (True, 'identifier', (), ['id']),
    ],
)
def test_the_id_space_that_matches(
    server: BookFusionStandIn,
    make_library: Any,
    browser: bool,
    key: str,
    lacking: Sequence[str],
    spaces: Sequence[str],
) -> None:
    absent = dict.fromkeys(lacking, ABSENT)
    server.records = [replace(record, **absent) for record in server.records]
    configure(server, browser)
    report = checked(make_library(books(server.records[10:15], key)))
    counts: Any = report.data['id_spaces']
    assert {name: count['agree'] for name, count in counts.items() if count['agree']} == dict.fromkeys(spaces, 5)
    assert all(counts[name]['matched'] == 5 for name in spaces)
    assert report.verdict.template == 'A sync will work.'


@pytest.mark.parametrize(
    ('space', 'record', 'matched', 'contradict', 'works'),
    [
        ('number', LibraryRecord(1, 100, 'Dune', number=5, user_id=6), 1, 1, False),
        ('id', LibraryRecord(1, 100, 'Dune', number=6, user_id=5), 1, 1, False),
        ('number', LibraryRecord(1, 100, 'Emma: A Novel', number=5, user_id=6), 1, 0, True),
        ('number', LibraryRecord(1, 100, ABSENT, number=5, user_id=6), 1, 0, False),
        ('read_url', LibraryRecord(1, 5, 'Dune', source=ABSENT, number=7, user_id=6), 1, 1, True),
        ('read_url', LibraryRecord(1, 5, ABSENT, source=ABSENT, number=7, user_id=6), 1, 0, True),
    ],
)
def test_a_number_that_belongs_to_another_title_will_not_match(
    server: BookFusionStandIn,
    make_library: Any,
    space: str,
    record: LibraryRecord,
    matched: int,
    contradict: int,
    works: bool,
) -> None:
    server.records = [record]
    configure(server, browser=True)
    report = checked(make_library([{'title': 'Emma', 'identifiers': {'bookfusion': 5}}]))
    counts: Any = report.data['id_spaces']
    agree = 1 if space == 'number' and works else 0
    assert counts[space] == {'matched': matched, 'agree': agree, 'contradict': contradict}
    assert str(report.verdict) == (
        'A sync will work.'
        if works
        else 'A sync will work, but no bookfusion identifier of this library is in the BookFusion library.'
    )


def test_titles_that_contradict_and_records_that_compete(server: BookFusionStandIn, make_library: Any) -> None:
    server.records = [
        LibraryRecord(1, 100, 'Emma'),
        LibraryRecord(2, 200, 'Dracula'),
        LibraryRecord(200, 300, 'Ulysses'),
        LibraryRecord(4, 400, ABSENT),
    ]
    configure(server)
    given_books = [
        {'title': title, 'identifiers': {'bookfusion': identifier}}
        for title, identifier in (('Emma (annotated)', 100), ('Ulysses', 200), ('Middlemarch', 400), ('Walden', 'x'))
    ]
    report = checked(make_library([*given_books, {'title': 'Nothing'}]))
    assert report.data['id_spaces'] == {
        'book_id': {'matched': 3, 'agree': 1, 'contradict': 1},
        'id': {'matched': 1, 'agree': 1, 'contradict': 0},
    }
    assert report.data['claimed_by_several'] == 1
    assert report.data['library'] == {'books': 5, 'identifiers': 4}
    assert '1 identifiers are claimed by more than one of these records.' in shown(report)


@pytest.mark.parametrize(
    ('records', 'identifiers', 'verdict'),
    [
        (250, [], 'A sync will work, but no book in this library has a bookfusion identifier, so none will match.'),
        (0, [1], 'A sync will work, but the BookFusion library is empty.'),
        (
            30,
            [1],
            'A sync will work, but no bookfusion identifier of this library is in the BookFusion library.',
        ),
        (
            250,
            [1],
            (
                'A sync will work, but no bookfusion identifier of this library is among the records read here, '
                'so whether any matches remains to be seen.'
            ),
        ),
    ],
)
def test_the_last_sentence(
    server: BookFusionStandIn, make_library: Any, records: int, identifiers: list[int], verdict: str
) -> None:
    server.records = server.records[:records]
    configure(server)
    report = checked(make_library([{'title': 'Emma', 'identifiers': {'bookfusion': one}} for one in identifiers]))
    assert str(report.verdict) == verdict
    assert report.data['verdict'] == verdict
    assert report.works


COLUMNS = {
    '#dateread': 'datetime',
    '#done': 'bool',
    '#words': 'text',
    '#stars': 'rating',
    '#built': COMPUTED_COLUMN,
}


def test_columns(server: BookFusionStandIn, make_library: Any) -> None:
    configure(
        server,
        completed_column='#done',
        progress_column='#words',
        read_time_column='#gone',
        status_column='#built',
        rating_column='#stars',
    )
    report = checked(make_library(columns=COLUMNS))
    assert report.data['columns'] == {
        'last_read_column': 'usable',
        'completed_column': 'usable',
        'progress_column': 'wrong type',
        'read_time_column': 'missing',
        'status_column': 'computed',
        'rating_column': 'usable',
    }
    assert [line for line in shown(report) if 'Column' in line] == [
        'Last Read Column #dateread can be used.',
        'Completed Column #done can be used.',
        'Progress Column #words has the wrong type.',
        'Reading Time Column #gone does not exist in this library.',
        'Status Column #built is computed (built from other columns) and cannot be written.',
        'Rating Column #stars can be used.',
    ]
    assert report.works


def test_a_column_that_is_chosen_twice(server: BookFusionStandIn, make_library: Any) -> None:
    configure(server, progress_column='#hours', read_time_column='#hours', status_column='#gone')
    report = checked(make_library(columns={**COLUMNS, '#hours': 'float'}))
    assert 'Note: the read time column #hours is the progress column as well, so it is left out.' in shown(report)
    assert report.works


def test_columns_that_the_interface_cannot_fill(server: BookFusionStandIn, make_library: Any) -> None:
    configure(server, read_time_column='#hours')
    report = checked(make_library(columns={**COLUMNS, '#hours': 'float'}))
    assert any('#hours stays as it is' in line and 'reading time' in line for line in shown(report))


@pytest.mark.parametrize('column', ['#gone', '#done', ''])
def test_a_last_read_column_that_cannot_be_used(server: BookFusionStandIn, make_library: Any, column: str) -> None:
    configure(server, last_read_column=column)
    report = checked(make_library(columns=COLUMNS))
    assert isinstance(report.problem, SettingsTrouble)
    assert str(report.verdict) == 'A sync will not work: the Last Read Column cannot be used.'
    assert 'hoose' in str(report.problem)
    assert str(report.problem) in shown(report)
    # The rest is looked at all the same.
    assert report.data['bookfusion'] is not None


def test_the_librarys_own_columns_count(server: BookFusionStandIn, make_library: Any, open_library: Any) -> None:
    configure(server, last_read_column='#elsewhere')
    folder = make_library()
    open_library(folder).new_api.set_pref('last_read_column', '#dateread', namespace='BookFusionBackSync')
    assert checked(folder).works


@pytest.mark.parametrize('status', [404, 410])
@pytest.mark.parametrize('place', ['sign-in', 'page'])
def test_the_user_interface_where_the_private_one_is_gone(
    server: BookFusionStandIn, make_library: Any, status: int, place: str
) -> None:
    server.set_options(private_gone=status, private_gone_at=place)
    configure(server)
    report = checked(make_library(books(server.records[:5])))
    found: Any = report.data['bookfusion']
    assert found['interface'] == 'user'
    assert report.works
    notes = [line for line in shown(report) if line.startswith('Note:')]
    assert len(notes) == 1
    assert 'gone' in notes[0]


def failing(server: BookFusionStandIn, make_library: Any, **more: Any) -> CheckReport:
    configure(server, **more)
    report = checked(make_library())
    assert not report.works
    assert report.data['works'] is False
    assert report.data['error'] == str(report.problem)
    assert f'BookFusion: {report.problem}' in shown(report)
    return report


def test_nothing_set_up(make_library: Any) -> None:
    report = checked(make_library())
    assert isinstance(report.problem, SettingsTrouble)
    assert str(report.verdict) == 'A sync will not work: the BookFusion account is not set up as it should be.'


def test_a_wrong_password(server: BookFusionStandIn, make_library: Any) -> None:
    report = failing(server, make_library, password='wrong password')
    assert isinstance(report.problem, SignInRefused)
    assert str(report.verdict) == 'A sync will not work: BookFusion does not accept the sign-in.'


def test_an_expired_browser_sign_in(server: BookFusionStandIn, make_library: Any) -> None:
    server.expire_tokens()
    report = failing(server, make_library, browser=True)
    assert isinstance(report.problem, SignInRefused)
    assert server.count(SEARCH) == 1


@pytest.mark.parametrize(
    'fault', [faults.Status(500), faults.Html(), faults.WrongShape({}), faults.Status(418), faults.Reset()]
)
def test_a_server_in_trouble(server: BookFusionStandIn, make_library: Any, fault: Any) -> None:
    server.fail(fault, LIBRARY, times=None)
    report = failing(server, make_library)
    assert isinstance(report.problem, ServerTrouble)
    assert str(report.verdict) == 'A sync will not work: the BookFusion library cannot be read.'


def test_both_interfaces_gone(server: BookFusionStandIn, make_library: Any) -> None:
    server.set_options(private_gone=404)
    server.fail(faults.Status(404), USER_SIGN_IN)
    assert isinstance(failing(server, make_library).problem, ApiGone)


def test_no_library(server: BookFusionStandIn, tmp_path: Path) -> None:
    configure(server)
    report = checked(tmp_path / 'nowhere')
    assert isinstance(report.problem, LibraryTrouble)
    assert str(report.verdict) == 'A sync will not work: the Calibre library cannot be read.'
    assert report.data['bookfusion'] is not None


def test_a_library_that_fails_in_the_middle(server: BookFusionStandIn, make_library: Any) -> None:
    configure(server, page_size='many')

    @contextmanager
    def failing_at_the_end() -> Iterator[Library]:
        with opener(make_library())() as library:
            yield library
        raise LibraryTrouble(LIBRARY_NOT_READ, reason='the disk is gone')

    report = check(failing_at_the_end, RecordingReporter(), Cancel(), limits=ONE_TRY)
    assert isinstance(report.problem, LibraryTrouble)
    assert shown(report)[1:3] == [
        f'Library: {report.problem}',
        'Setting page_size is not a number, so 100 is used.',
    ]
    assert 'library' not in report.data
    assert sum('page_size' in line for line in shown(report)) == 1


def test_two_problems_in_one_sentence(make_library: Any) -> None:
    settings.save({'last_read_column': '#gone'})
    assert str(checked(make_library()).verdict) == (
        'A sync will not work: the BookFusion account is not set up as it should be, '
        'and the Last Read Column cannot be used.'
    )


def test_settings_that_are_not_saved_yet(server: BookFusionStandIn, make_library: Any) -> None:
    """What a form holds is checked instead of the file."""
    settings.save({'email': 'someone@else.example', 'password': 'not this one'})
    unsaved = settings.checked(
        {'bookfusion_token': server.token, 'bookfusion_user_api_base': server.user_api_base}
    ).settings
    assert checked(make_library(), settings=unsaved).works
    assert 'bookfusion_token' not in json.loads(settings.settings_path().read_text())


def test_settings_of_the_wrong_type_are_named(server: BookFusionStandIn, make_library: Any) -> None:
    configure(server, page_size='many')
    assert 'Setting page_size is not a number, so 100 is used.' in shown(checked(make_library()))


def test_nothing_is_written(server: BookFusionStandIn, make_library: Any, calibre_is_running: None) -> None:
    """Neither to the library nor to the settings, but for the device id that a first use needs."""
    configure(server)
    folder = make_library(books(server.records[:5]))
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob('*') if path.is_file()}
    saved = json.loads(settings.settings_path().read_text())
    assert checked(folder).works
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in folder.rglob('*') if path.is_file()} == before
    after = json.loads(settings.settings_path().read_text())
    assert len(after.pop('device')) == 16
    assert after == saved
    assert {request.path for request in server.requests} == {SIGN_IN, LIBRARY}


def test_no_secret_and_no_value(server: BookFusionStandIn, make_library: Any) -> None:
    server.records[0] = replace(
        server.records[0],
        title='A title that is mine',
        extra={
            'reader@example.org': 1,
            'note': 'a note that is mine',
            'token': TEST_USER_TOKEN,
            'shelves of mine': {'a key that is mine': 1},
            'my_shelf': {'a_key_that_is_mine': 1},
            'source': {'type': 'a source that is mine', 'a b': 1},
        },
        last_read_at='yesterday, in bed',
    )
    for browser in (False, True):
        configure(server, browser)
        report = checked(make_library(books(server.records[:3])))
        output = '\n'.join(shown(report)) + json.dumps(report.data) + repr(report)
        for private in ('mine', 'example.org', server.email, 'in bed', 'The Name', str(server.records[0].book_id)):
            assert private not in output
        assert not leaks(output.encode(), ALL)
        assert 'Dates that cannot be read: 1.' in output


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)
KEYS_OF_RECORDS = st.sampled_from(['id', 'reading_position', 'source', 'authors', 'title']) | st.text(max_size=8)


@given(st.lists(st.dictionaries(KEYS_OF_RECORDS, JSON, max_size=5) | JSON, max_size=5))
def test_fields_are_names_and_types_whatever_comes(records: list[Any]) -> None:
    for name, kinds in fields_of(records).items():
        for part in name.replace('[]', '').split('.'):
            assert FIELD_NAME.fullmatch(part) or part in ('(other names)', '(a record)')
        assert sum(kinds.values()) > 0


def test_a_server_cannot_fill_the_report(server: BookFusionStandIn, make_library: Any) -> None:
    server.records[0] = replace(server.records[0], extra={f'field_{number}': number for number in range(5000)})
    configure(server)
    assert len(checked(make_library()).lines) < 120


def test_a_cancel_ends_the_check(server: BookFusionStandIn, make_library: Any) -> None:
    configure(server)
    fault = server.fail(faults.Hang(), LIBRARY, times=None)
    cancel = Cancel()
    with cancelling(cancel, server, fault), pytest.raises(Cancelled):
        check(opener(make_library()), RecordingReporter(), cancel, limits=ENDLESS)


def test_hardcover(server: BookFusionStandIn, make_library: Any) -> None:
    with HardcoverStandIn(token=next(KEYS), username='jane') as hardcover:
        configure(server, hardcover_token=hardcover.token, hardcover_api_url=hardcover.api_url)
        report = checked(make_library())
        assert hardcover.writes == []
        assert hardcover.units == 3
    found: Any = report.data['hardcover']
    assert found['account'] == 'jane'
    assert found['working'] == ['read:me:content', 'read:catalog', 'read:library']
    assert (found['missing'], found['untested'], found['units_left_today']) == ([], ['write:library'], 4997)
    assert any(line.startswith('Hardcover: the account of jane; ') for line in shown(report))
    assert report.works


@pytest.mark.parametrize(
    ('search', 'line', 'told'),
    [
        ('', '', None),
        (
            'identifiers:bookfusion:true',
            'Hardcover: only the 0 books that the search identifiers:bookfusion:true finds are looked up or sent.',
            {'search': 'identifiers:bookfusion:true', 'books': 0},
        ),
        ('(', 'Hardcover: Calibre does not understand the search ( (', {'error': 'Calibre does not understand'}),
    ],
)
def test_which_books_go_to_hardcover(
    server: BookFusionStandIn, make_library: Any, search: str, line: str, told: Any
) -> None:
    with HardcoverStandIn(token=next(KEYS)) as hardcover:
        configure(
            server,
            hardcover_token=hardcover.token,
            hardcover_api_url=hardcover.api_url,
            hardcover_restriction=search,
        )
        report = checked(make_library())
    lines = [str(each) for each in report.lines if 'search' in str(each)]
    assert [each[: len(line)] for each in lines] == ([line] if line else [])
    found: Any = report.data.get('hardcover_restriction')
    if told and 'error' in told:
        found = {'error': found['error'][: len(told['error'])]}
    assert found == told


def test_hardcover_that_refuses_does_not_stop_a_sync(server: BookFusionStandIn, make_library: Any) -> None:
    with HardcoverStandIn(token=next(KEYS)) as hardcover:
        configure(server, hardcover_token=next(KEYS), hardcover_api_url=hardcover.api_url)
        report = checked(make_library())
    assert any(line.startswith('Hardcover: Hardcover did not accept the key') for line in shown(report))
    assert report.works


def test_hardcover_without_a_permission(server: BookFusionStandIn, make_library: Any) -> None:
    scopes = ('read:me:content', 'read:catalog')
    with HardcoverStandIn(token=next(KEYS), scopes=scopes) as hardcover:
        configure(server, hardcover_token=hardcover.token, hardcover_api_url=hardcover.api_url)
        found: Any = checked(make_library()).data['hardcover']
    assert (found['working'], found['missing']) == (['read:me:content', 'read:catalog'], ['read:library'])


def test_booklore(server: BookFusionStandIn, make_library: Any) -> None:
    with BookLoreStandIn(password=TEST_BOOKLORE_PASSWORD, token=TEST_BOOKLORE_TOKEN) as booklore:
        configure(
            server,
            booklore_url=booklore.address,
            booklore_username=booklore.username,
            booklore_password=TEST_BOOKLORE_PASSWORD,
        )
        report = checked(make_library())
        assert any(line.startswith('BookLore answered: 0 books') for line in shown(report))
        settings.save({'booklore_password': 'wrong'})
        report = checked(make_library())
    assert any(line.startswith('BookLore: BookLore refused') for line in shown(report))
    assert report.works
