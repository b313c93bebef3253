"""The page of the first run: what it shows as missing, what it creates, where the settings point afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.columns_table import COLUMNS
from calibre_plugins.bookfusionbacksync.base.errors import LibraryTrouble
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.gui import sign_in_dialog
from calibre_plugins.bookfusionbacksync.jobs import columns
from calibre_plugins.bookfusionbacksync.jobs.columns import create_columns, plan_columns
from calibre_plugins.bookfusionbacksync.jobs.sync import rules_for
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
from harness.libraries import COMPUTED_COLUMN
from harness.secrets import TEST_PASSWORD, TEST_USER_TOKEN
from standins.bookfusion import SIGN_IN, LibraryRecord
from standins.faults import Status

RECORDS = [LibraryRecord(id=1, book_id=11, title='Emma', last_read_at='2024-11-03T12:00:00Z', percentage=100)]
BOOKS = [{'title': 'Emma', 'identifiers': {'bookfusion': 11}}, {'title': 'Dune'}, {'title': 'Dracula'}]
NEW_COLUMNS = {row.key: row.new for row in COLUMNS if row.new is not None}
NEEDED_KEYS = [row.key for row in COLUMNS if row.is_always_created]
ALL_KEYS = list(NEW_COLUMNS)
HEADINGS = {key: str(column.heading) for key, column in NEW_COLUMNS.items()}


@pytest.fixture
def new_desk(open_desk: Any, make_library: Any, bookfusion: Any) -> Any:
    """`new_desk(columns)`: a user who has installed the plugin and done nothing else."""
    bookfusion.records = RECORDS

    def open_it(library_columns: Any = (), **more: Any) -> Any:
        return open_desk(make_library(BOOKS, dict(library_columns)), **{'email': '', 'password': '', **more})

    return open_it


def create(library: Path, keys: list[str]) -> list[tuple[str, bool]]:
    """Creates the columns as the page does; their names, and whether they were made."""
    database = LibraryDatabase(str(library))
    try:
        opened = Library(database.new_api)
        planned = plan_columns(opened, keys)
        create_columns(opened, planned, HEADINGS)
        return [(each.name, each.create) for each in planned]
    finally:
        database.close()


def metadata(open_library: Any, library: Path) -> Any:
    return open_library(library).new_api.field_metadata


def test_shows_what_is_missing(new_desk: Any) -> None:
    desk = new_desk()
    assert desk.child('first_run').isVisible()
    assert not desk.child('log').isVisible()
    assert desk.status == 'Enter your BookFusion account below, or sign in with a browser.'
    for name in ('first_email', 'first_password', 'first_sign_in', 'first_browser', 'create_columns'):
        assert desk.child(name).isVisible(), name
    assert not desk.child('first_sync').isEnabled()
    assert not desk.child('first_preview').isEnabled()
    assert desk.child('books_state').text() == (
        '1 book in this library has a BookFusion identifier. '
        '2 books have none and are passed over: the official BookFusion plugin gives books theirs '
        'when it uploads them (Preferences > Plugins > Get new plugins).'
    )


def test_a_complete_set_up_shows_no_such_page(new_desk: Any) -> None:
    desk = new_desk({'#dateread': 'datetime'}, email='reader@example.org', password=TEST_PASSWORD)
    assert desk.child('log').isVisible()
    assert desk.status == 'Ready to sync.'
    settings.save({'email': '', 'password': '', 'bookfusion_token': TEST_USER_TOKEN})
    desk.dialog.look_for_missing()
    assert desk.child('log').isVisible()


def test_signs_in_and_goes_on(new_desk: Any, bookfusion: Any) -> None:
    desk = new_desk({'#dateread': 'datetime'})
    email, password = desk.child('first_email'), desk.child('first_password')
    desk.click('first_sign_in')
    assert not desk.jobs.busy
    email.setText(bookfusion.email)
    desk.click('first_sign_in')
    assert not desk.jobs.busy
    password.setText('nOt-7x' + TEST_PASSWORD)
    refused = 'Error: BookFusion refused the email address or the password. Correct them below.'
    assert desk.run('first_sign_in') == refused
    assert email.isVisible()
    assert password.isVisible()
    assert not desk.child('first_sync').isEnabled()
    password.setText(TEST_PASSWORD)
    assert desk.run('first_sign_in') == 'Signed in.'
    assert not password.isVisible()
    assert desk.child('account_state').text() == f'The account {bookfusion.email} is used.'
    assert settings.load().settings.password.reveal() == TEST_PASSWORD
    assert desk.run('first_sync') == 'Done - 1 updated, 0 skipped.'
    assert desk.child('log').isVisible()


def test_a_sign_in_with_a_browser_does_as_well(new_desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = new_desk({'#dateread': 'datetime'})

    def sign_in(_parent: Any) -> bool:
        settings.save({'bookfusion_token': TEST_USER_TOKEN})
        return True

    monkeypatch.setattr(sign_in_dialog, 'sign_in', sign_in)
    desk.click('first_browser')
    assert desk.child('account_state').text() == 'Signed in with a browser.'
    assert desk.run('first_sync') == 'Done - 1 updated, 0 skipped.'


def test_a_server_in_trouble_is_no_refusal(new_desk: Any, bookfusion: Any) -> None:
    desk = new_desk({'#dateread': 'datetime'})
    bookfusion.fail(Status(501), path=SIGN_IN, times=None)
    desk.child('first_email').setText(bookfusion.email)
    desk.child('first_password').setText(TEST_PASSWORD)
    assert desk.run('first_sign_in').startswith('Error: BookFusion')
    bookfusion.clear_faults()
    # What was entered is kept, and the sync will tell.
    assert settings.load().settings.email == bookfusion.email


def test_previews_the_first_sync(new_desk: Any) -> None:
    desk = new_desk({'#dateread': 'datetime'}, last_read_column='#read', email='reader@example.org')
    settings.save({'password': TEST_PASSWORD})
    desk.dialog.look_for_missing()
    box = desk.child('existing_column')
    assert [box.itemText(place) for place in range(box.count())] == ['(choose a column)', '#dateread (Dateread)']
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert settings.load(desk.api).settings.last_read_column == '#dateread'
    assert desk.child('columns_state').text() == 'Reading goes into #dateread (Dateread).'
    desk.click('first_preview')
    desk.until(lambda: desk.dialog._preview_dialog is not None)
    assert [change.title for change in desk.dialog._preview_dialog.ticked] == ['Emma']
    desk.dialog._preview_dialog.reject()


def test_a_column_that_is_computed_is_missing(new_desk: Any) -> None:
    desk = new_desk({'#dateread': 'datetime', '#built': COMPUTED_COLUMN}, last_read_column='#built', email='a@b.org')
    settings.save({'password': TEST_PASSWORD, 'completed_column': '#built'})
    desk.dialog.look_for_missing()
    assert desk.status.startswith('The Last Read Column #built is computed (built from other columns)')
    settings.save({'last_read_column': '#dateread'})
    desk.dialog.look_for_missing()
    assert desk.child('columns_state').text() == 'Reading goes into #dateread (Dateread).'


def test_creates_the_columns_after_one_question_and_one_restart(new_desk: Any, answers: Any, open_library: Any) -> None:
    desk = new_desk(email='reader@example.org')
    settings.save({'password': TEST_PASSWORD})
    desk.dialog.look_for_missing()
    assert desk.status.startswith('The Last Read Column #dateread does not exist')
    restarts: list[bool] = []
    desk.window.quit = lambda restart: restarts.append(restart)
    desk.child('with_status_column').setChecked(True)
    questions: list[str] = []

    def agree(dialog: Any) -> None:
        questions.append(dialog.msg.text())
        dialog.accept()

    answers(agree)
    asked = answers(lambda dialog: dialog.reject())
    desk.click('create_columns')
    assert len(asked) == 2
    for part in ('Last read (#dateread)', 'Completed (#completed)', 'Reading status (#readstatus)', 'Library 1'):
        assert part in questions[0]
    assert 'readprogress' not in questions[0]
    assert desk.window.must_restart_before_config
    loaded = settings.load(desk.api).settings
    assert (loaded.last_read_column, loaded.columns['completed_column']) == ('#dateread', '#completed')
    assert (loaded.columns['status_column'], loaded.columns['progress_column']) == ('#readstatus', '')
    assert restarts == []
    assert desk.status == 'The columns are created. Restart Calibre to use them.'
    assert not desk.child('create_columns').isVisible()
    desk.click('restart')
    assert restarts == [True]
    # After the restart everything is there, and the page has done its work.
    again = LibraryDatabase(desk.api.backend.library_path)
    try:
        assert columns.what_is_missing(Library(again.new_api), loaded).is_nothing
    finally:
        again.close()


def test_creates_nothing_without_consent(new_desk: Any, answers: Any) -> None:
    desk = new_desk()
    answers(lambda dialog: dialog.reject())
    desk.click('create_columns')
    assert Library(desk.api).columns_awaiting_restart() == set()
    assert settings.load(desk.api).settings.columns['completed_column'] == ''


def test_restarts_at_once_where_that_is_wanted(new_desk: Any, answers: Any) -> None:
    desk = new_desk()
    restarts: list[bool] = []
    desk.window.quit = lambda restart: restarts.append(restart)

    def restart(dialog: Any) -> None:
        button = next(each for each in dialog.bb.buttons() if 'estart' in each.text())
        button.click()

    answers(lambda dialog: dialog.accept())
    answers(restart)
    desk.click('create_columns')
    assert restarts == [True]


def test_new_columns_have_sensible_headings_and_formats(make_library: Any, open_library: Any) -> None:
    library = make_library(columns={})
    assert create(library, ALL_KEYS) == [(f'#{column.label}', True) for column in NEW_COLUMNS.values()]
    found = metadata(open_library, library)
    shape = {name: (found[name]['name'], found[name]['datatype']) for name in found.custom_field_keys()}
    assert shape == {
        '#dateread': ('Last read', 'datetime'),
        '#completed': ('Completed', 'bool'),
        '#readprogress': ('Progress', 'int'),
        '#readtime': ('Reading time', 'float'),
        '#readstatus': ('Reading status', 'enumeration'),
    }
    assert found['#readprogress']['display']['number_format'].format(42) == '42%'
    assert found['#readtime']['display']['number_format'].format(12.5) == '12.5 h'
    assert found['#readstatus']['display']['enum_values'] == ['Planned', 'Reading', 'Completed']


def test_new_columns_hold_what_a_sync_writes(make_library: Any, open_library: Any) -> None:
    """The rules of a sync take them all, and Calibre's own conditions are met."""
    library = make_library(BOOKS, {})
    create(library, ALL_KEYS)
    opened = Library(open_library(library).new_api)
    rules, problems = rules_for(opened, settings.load(opened.api).settings)
    assert problems == []
    assert {column.name for column in rules.columns} == {f'#{column.label}' for column in NEW_COLUMNS.values()}


def test_existing_columns_are_never_touched(make_library: Any, open_library: Any) -> None:
    mine = {'datatype': 'datetime', 'name': 'My dates', 'display': {'date_format': 'yyyy'}}
    library = make_library(BOOKS, {'#dateread': mine, '#completed': 'text', '#readstatus': 'bool'})
    before = {name: dict(data) for name, data in metadata(open_library, library).custom_field_metadata().items()}
    assert create(library, ALL_KEYS) == [
        ('#dateread', False),
        ('#completed_2', True),
        ('#readprogress', True),
        ('#readtime', True),
        ('#readstatus_2', True),
    ]
    again = LibraryDatabase(str(library))
    try:
        after = again.new_api.field_metadata
        for name, data in before.items():
            assert (after[name]['name'], after[name]['datatype']) == (data['name'], data['datatype'])
            assert after[name]['display'] == data['display']
        assert settings.load(again.new_api).settings.columns['completed_column'] == '#completed_2'
        # A second time all of them are there.
        assert not any(each.create for each in plan_columns(Library(again.new_api), ALL_KEYS))
    finally:
        again.close()


def test_a_column_that_is_chosen_already_stays_chosen(new_desk: Any, answers: Any) -> None:
    """Only the date is missing: the flags go on into the column that they are in."""
    desk = new_desk({'#done': 'bool', '#note': 'text'}, completed_column='#done', status_column='#gone')
    questions: list[str] = []
    answers(lambda dialog: (questions.append(dialog.msg.text()), dialog.accept()))
    answers(lambda dialog: dialog.reject())
    desk.child('with_status_column').setChecked(True)
    desk.click('create_columns')
    assert '(#done): exists and is used' in questions[0]
    assert '(#dateread): is created' in questions[0]
    loaded = settings.load(desk.api).settings
    assert (loaded.last_read_column, loaded.columns['completed_column']) == ('#dateread', '#done')
    assert loaded.columns['status_column'] == '#readstatus'
    assert Library(desk.api).columns_awaiting_restart() == {'#dateread', '#readstatus'}


def test_two_settings_never_get_the_same_column(make_library: Any, open_library: Any) -> None:
    """As a file that was edited by hand may say; each of the two would undo the other in every sync."""
    opened = Library(open_library(make_library(columns={'#hours': 'float'})).new_api)
    both = ['progress_column', 'read_time_column']
    planned = plan_columns(opened, both, settings.DEFAULTS.with_values(dict.fromkeys(both, '#hours')))
    assert [(each.name, each.create) for each in planned] == [('#hours', False), ('#readtime', True)]


def test_a_heading_that_is_taken_gets_the_name_behind_it(make_library: Any, open_library: Any) -> None:
    library = make_library(columns={'#other': {'datatype': 'int', 'name': 'Completed'}})
    create(library, NEEDED_KEYS)
    assert metadata(open_library, library)['#completed']['name'] == 'Completed (#completed)'


def test_twice_before_the_restart_creates_once(make_library: Any, open_library: Any) -> None:
    library = make_library(columns={})
    opened = Library(open_library(library).new_api)
    assert create_columns(opened, plan_columns(opened, NEEDED_KEYS), HEADINGS)
    assert opened.columns_awaiting_restart() == {'#dateread', '#completed'}
    planned = plan_columns(opened, NEEDED_KEYS)
    assert [(each.name, each.create) for each in planned] == [('#dateread', False), ('#completed', False)]
    assert create_columns(opened, planned, HEADINGS)


def test_a_column_that_waits_for_its_deletion_is_left_alone(make_library: Any, open_library: Any) -> None:
    library = make_library(columns={'#completed': 'bool'})
    api = open_library(library).new_api
    api.delete_custom_column(label='completed')
    opened = Library(api)
    planned = {each.row.key: each for each in plan_columns(opened, NEEDED_KEYS)}
    create_columns(opened, list(planned.values()), HEADINGS)
    assert planned['last_read_column'].name == '#dateread'
    again = LibraryDatabase(str(library))
    try:
        # It would be gone after the restart that brings the others.
        assert planned['completed_column'].name == '#completed_2'
        assert set(again.new_api.field_metadata.custom_field_keys()) == {'#dateread', '#completed_2'}
    finally:
        again.close()


def test_says_what_calibre_says_when_it_cannot_create(make_library: Any, open_library: Any) -> None:
    opened = Library(open_library(make_library(columns={})).new_api)
    with pytest.raises(LibraryTrouble, match=r'could not create the column #Not allowed'):
        opened.add_column('Not allowed', 'X', 'bool', {})
    opened.retire()
    with pytest.raises(LibraryTrouble, match='switched'):
        opened.add_column('allowed', 'X', 'bool', {})


def test_a_library_that_cannot_be_written_is_named(new_desk: Any, answers: Any) -> None:
    desk = new_desk({'#read': 'datetime'})
    desk.api.backend.conn.execute('PRAGMA query_only = 1')
    said: list[str] = []
    answers(lambda dialog: dialog.accept())
    answers(lambda dialog: (said.append(dialog.msg.text()), dialog.reject()))
    desk.click('create_columns')
    box = desk.child('existing_column')
    answers(lambda dialog: (said.append(dialog.msg.text()), dialog.reject()))
    box.setCurrentIndex(1)
    box.activated.emit(1)
    assert len(said) == 2
    assert [words.partition(':')[0] for words in said] == ['The library cannot be changed'] * 2
    assert settings.load(desk.api).settings.last_read_column == '#dateread'


def test_two_columns_fail_half_way(new_desk: Any, answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could be created stays, the sentence says what could not, and nothing points at what is not there."""
    desk = new_desk()
    create_one = Library.add_column

    def refuse(self: Library, label: str, *rest: Any) -> None:
        if label == 'completed':
            raise LibraryTrouble(text('Calibre could not create the column {column}.'), column='#completed')
        create_one(self, label, *rest)

    monkeypatch.setattr(Library, 'add_column', refuse)
    said: list[str] = []
    answers(lambda dialog: dialog.accept())
    answers(lambda dialog: (said.append(dialog.msg.text()), dialog.reject()))
    desk.click('create_columns')
    assert said == ['Calibre could not create the column #completed.']
    assert settings.load(desk.api).settings.columns['completed_column'] == ''
    assert desk.child('first_run').isVisible()
