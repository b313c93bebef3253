"""The form of the settings: what it offers, what it marks, what it saves; and that a keyboard is enough for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from calibre.customize.ui import find_plugin
from calibre_plugins.bookfusionbacksync import config
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.settings import Settings
from calibre_plugins.bookfusionbacksync.config import ConfigWidget
from calibre_plugins.bookfusionbacksync.gui import sign_in_dialog
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
from calibre_plugins.bookfusionbacksync.library.library_preferences import save_for_library
from harness.bookfusion import addresses
from harness.desk import Desk
from harness.libraries import COMPUTED_COLUMN, DEFAULT_COLUMNS
from harness.secrets import TEST_BOOKLORE_PASSWORD, TEST_HARDCOVER_TOKEN, TEST_PASSWORD, TEST_USER_TOKEN, leaks
from harness.start import PLUGIN_NAME
from qt.core import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    Qt,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

COLUMNS: dict[str, Any] = {
    '#dateread': {'datatype': 'datetime', 'name': 'Last read'},
    '#bought': {'datatype': 'datetime', 'name': 'Bought'},
    '#completed': {'datatype': 'bool', 'name': 'Done'},
    '#pages': {'datatype': 'int', 'name': 'Pages'},
    '#hours': {'datatype': 'float', 'name': 'Hours'},
    '#state': {'datatype': 'enumeration', 'name': 'State', 'display': {'enum_values': ['Reading']}},
    '#note': {'datatype': 'text', 'name': 'Note'},
    '#tags2': {'datatype': 'text', 'name': 'More tags', 'is_multiple': True},
    '#stars': {'datatype': 'rating', 'name': 'Stars'},
    '#long': {'datatype': 'comments', 'name': 'Long'},
}
# Every setting that has a field, and none of those that have none.
FIELDS = [
    'email',
    'password',
    'page_size',
    'last_read_column',
    'completed_column',
    'completed_threshold',
    'progress_column',
    'read_time_column',
    'status_column',
    'keep_newer_date',
    'auto_sync_hours',
    'rating_column',
    'hardcover_restriction',
    'hardcover_add_unshelved',
    'hardcover_clear_ratings',
    'booklore_url',
    'booklore_username',
    'booklore_password',
]
WITHOUT_FIELD = set(Settings.__dataclass_fields__) - set(FIELDS)


class Form(Desk):
    """The form in a dialog like the one that Calibre puts it into."""

    def __init__(self, qtbot: Any, database: Any) -> None:
        super().__init__(qtbot, database)
        self.library = Library(database.new_api)
        self.dialog = QDialog()
        qtbot.addWidget(self.dialog)
        layout = QVBoxLayout(self.dialog)
        self.widget = ConfigWidget(self.library, self.jobs)
        layout.addWidget(self.widget)
        standard = QDialogButtonBox.StandardButton
        self.buttons = QDialogButtonBox(standard.Ok | standard.Cancel)
        layout.addWidget(self.buttons)
        self.dialog.show()

    def child(self, name: str) -> Any:
        found = self.widget.findChild(QWidget, name)
        assert found is not None, name
        return found

    def show_tab_of(self, name: str) -> None:
        tabs: QTabWidget = self.child('tabs')
        for place in range(tabs.count()):
            page = tabs.widget(place)
            if page is not None and page.isAncestorOf(self.child(name)):
                tabs.setCurrentIndex(place)

    def choose(self, name: str, value: str) -> None:
        box: QComboBox = self.child(name)
        assert box.findData(value) >= 0, [box.itemData(place) for place in range(box.count())]
        box.setCurrentIndex(box.findData(value))

    @property
    def ok(self) -> QPushButton:
        return self.buttons.button(QDialogButtonBox.StandardButton.Ok)


@pytest.fixture
def database(make_library: Any, open_library: Any) -> Any:
    return open_library(make_library([{'title': 'Emma', 'identifiers': {'bookfusion': 11}}], COLUMNS))


@pytest.fixture
def open_form(qtbot: Any, database: Any) -> Callable[..., Form]:
    def open_it(**values: Any) -> Form:
        settings.save(values)
        return Form(qtbot, database)

    return open_it


def items(box: QComboBox) -> list[str]:
    return [box.itemText(place) for place in range(box.count())]


def stored() -> dict[str, Any]:
    return dict(json.loads(settings.settings_path().read_bytes()))


def test_has_a_field_for_every_setting_that_shall_have_one(open_form: Any) -> None:
    form = open_form()
    for name in FIELDS:
        widget = form.child(name)
        assert widget.toolTip(), name
    for name in WITHOUT_FIELD:
        assert form.widget.findChild(QWidget, name) is None, name
    assert form.child('password').echoMode() == QLineEdit.EchoMode.Password


def test_offers_the_columns_of_the_right_type(open_form: Any) -> None:
    form = open_form()
    none = '(not used)'
    assert items(form.child('last_read_column')) == ['(choose a column)', '#bought (Bought)', '#dateread (Last read)']
    assert items(form.child('completed_column')) == [none, '#completed (Done)']
    assert items(form.child('progress_column')) == [none, '#hours (Hours)', '#pages (Pages)']
    assert items(form.child('read_time_column')) == [none, '#hours (Hours)', '#pages (Pages)']
    assert items(form.child('status_column')) == [none, '#note (Note)', '#state (State)']
    assert items(form.child('rating_column')) == ['Rating (built in)', '#stars (Stars)']
    assert form.library.name in form.child('library_name').text()


def test_a_fresh_form_is_valid_and_saves_nothing_new(open_form: Any) -> None:
    form = open_form()
    assert form.child('last_read_column').currentData() == '#dateread'
    assert form.child('completed_threshold').value() == 99.9
    assert form.child('completed_threshold').decimals() == 2
    assert form.child('auto_sync_hours').text() == 'Never'
    page_size = form.child('page_size')
    assert (page_size.minimum(), page_size.value(), page_size.maximum()) == (10, 100, 5000)
    assert form.widget.validate()
    assert form.widget.changed() == {}
    assert not form.child('problems').isVisible()


def test_saves_what_was_entered(open_form: Any) -> None:
    form = open_form(some_key_of_tomorrow={'kept': True})
    form.child('email').setText(' reader@example.org ')
    form.child('password').setText(TEST_PASSWORD)
    form.child('completed_threshold').setValue(95.25)
    form.child('auto_sync_hours').setValue(6)
    form.child('page_size').setValue(250)
    for name in ('keep_newer_date', 'hardcover_add_unshelved', 'hardcover_clear_ratings'):
        form.child(name).setChecked(True)
    form.child('booklore_url').setText('https://books.example.org')
    form.child('booklore_username').setText('reader')
    form.child('booklore_password').setText(TEST_BOOKLORE_PASSWORD)
    columns = {
        'last_read_column': '#bought',
        'completed_column': '#completed',
        'progress_column': '#pages',
        'read_time_column': '#hours',
        'status_column': '#state',
        'rating_column': '#stars',
    }
    for name, value in columns.items():
        form.choose(name, value)
    assert form.widget.validate()
    form.widget.save_settings()
    file = stored()
    assert file['some_key_of_tomorrow'] == {'kept': True}
    assert {key: file[key] for key in columns} == columns
    own = {key: form.library.api.pref(key, None, namespace='BookFusionBackSync') for key in columns}
    assert own == columns
    loaded = settings.load(form.library.api).settings
    assert (loaded.email, loaded.password.reveal()) == ('reader@example.org', TEST_PASSWORD)
    assert (loaded.completed_threshold, loaded.auto_sync_hours, loaded.page_size) == (95.25, 6, 250)
    assert loaded.keep_newer_date
    assert loaded.hardcover_add_unshelved
    assert loaded.hardcover_clear_ratings
    assert loaded.booklore_password.reveal() == TEST_BOOKLORE_PASSWORD
    assert settings.settings_path().stat().st_mode & 0o777 == 0o600


def test_saves_only_what_was_changed(open_form: Any) -> None:
    """What another program wrote meanwhile stays, and so does a value of the wrong type that nobody touched."""
    form = open_form(completed_threshold='much', email='reader@example.org')
    assert 'completed_threshold' in form.child('problems').text()
    settings.save({'email': 'other@example.org'})
    form.child('keep_newer_date').setChecked(True)
    form.widget.save_settings()
    file = stored()
    assert file['email'] == 'other@example.org'
    assert file['completed_threshold'] == 'much'
    assert file['keep_newer_date'] is True


def test_a_library_keeps_its_own_columns(open_form: Any, make_library: Any, open_library: Any, qtbot: Any) -> None:
    form = open_form()
    form.choose('last_read_column', '#bought')
    form.widget.save_settings()
    other = Form(qtbot, open_library(make_library(columns={'#bought': 'text', '#read': 'datetime'})))
    # The file's value is the default for other libraries; here it has the wrong type, and that is said.
    assert other.child('last_read_column').currentData() == '#bought'
    assert 'wrong type' in other.child('last_read_column_mark').text()
    other.choose('last_read_column', '#read')
    assert not other.child('last_read_column_mark').isVisibleTo(other.widget)
    other.widget.save_settings()
    assert stored()['last_read_column'] == '#read'
    assert settings.load(form.library.api).settings.last_read_column == '#bought'
    assert settings.load(other.library.api).settings.last_read_column == '#read'


def test_marks_a_bad_column_in_place_and_keeps_it(open_form: Any) -> None:
    form = open_form(last_read_column='#gone', completed_column='#long', rating_column='#gone')
    form.show_tab_of('last_read_column')
    assert form.child('last_read_column').currentText() == '#gone (cannot be used)'
    mark = form.child('last_read_column_mark')
    assert mark.isVisible()
    assert mark.text() == '#gone does not exist in this library.'
    assert form.child('completed_column_mark').text() == (
        '#long has the wrong type. A column of type Yes/No is needed.'
    )
    assert form.child('rating_column').currentText() == '#gone (cannot be used)'
    assert form.child('rating_column_mark').text() == '#gone does not exist in this library.'
    # Saving the form is no reason to change what nobody touched.
    form.widget.save_settings()
    assert settings.load(form.library.api).settings.last_read_column == '#gone'
    form.choose('last_read_column', '#dateread')
    assert not mark.isVisible()


@pytest.mark.parametrize(
    ('key', 'type_name'), [('last_read_column', 'Date'), ('rating_column', 'Ratings, shown with stars')]
)
def test_says_that_a_column_is_computed(
    make_library: Any, open_library: Any, qtbot: Any, key: str, type_name: str
) -> None:
    settings.save({key: '#built'})
    form = Form(qtbot, open_library(make_library(columns={**DEFAULT_COLUMNS, '#built': COMPUTED_COLUMN})))
    form.show_tab_of(key)
    assert form.child(f'{key}_mark').text() == (
        f'#built is computed (built from other columns) and cannot be written. A column of type {type_name} is needed.'
    )
    assert form.child(f'{key}_mark').isVisible()
    box = form.child(key)
    assert [box.itemData(place) for place in range(box.count())].count('#built') == 1
    form.choose(key, '#dateread' if key == 'last_read_column' else 'rating')
    assert not form.child(f'{key}_mark').isVisible()


def test_says_that_a_new_column_waits_for_a_restart(open_form: Any) -> None:
    form = open_form()
    form.library.add_column('brandnew', 'Brand new', 'datetime', {})
    save_for_library(form.library.api, {'last_read_column': '#brandnew'})
    again = open_form()
    assert again.child('last_read_column_mark').text() == '#brandnew can be used after a restart of Calibre.'


def test_says_what_email_and_password_do_not_tell(open_form: Any) -> None:
    form = open_form()
    form.show_tab_of('read_time_column')
    assert not form.child('read_time_column_mark').isVisible()
    form.choose('read_time_column', '#hours')
    form.choose('status_column', '#state')
    assert 'only after a sign-in with a browser' in form.child('read_time_column_mark').text()
    assert 'Planned is not known' in form.child('status_column_mark').text()
    settings.save({'bookfusion_token': TEST_USER_TOKEN})
    form.widget._show_accounts()
    assert not form.child('read_time_column_mark').isVisible()
    assert not form.child('status_column_mark').isVisible()
    assert form.child('signed_in').text() == 'Signed in with a browser; email and password are not used.'
    assert not form.child('password').isEnabled()
    assert form.child('sign_out').isEnabled()


def test_shows_and_hides_the_password(open_form: Any) -> None:
    form = open_form(password=TEST_PASSWORD)
    switch = form.child('show_password')
    switch.click()
    assert form.child('password').echoMode() == QLineEdit.EchoMode.Normal
    switch.click()
    assert form.child('password').echoMode() == QLineEdit.EchoMode.Password


@pytest.mark.parametrize(
    ('address', 'warned', 'usable'),
    [
        ('', False, True),
        ('https://books.example.org', False, True),
        ('http://127.0.0.1:6060', False, True),
        ('http://localhost:6060/books', False, True),
        ('http://localhost?books', False, True),
        ('http://[::1]:6060', False, True),
        ('http://[::1]', False, True),
        ('http://me@localhost:6060', False, True),
        ('http://me:word@127.0.0.1', False, True),
        ('http://[fd00::1]:6060', True, True),
        ('http://localhost:6060@books.example.org', True, True),
        ('http://127.0.0.1:@books.example.org/', True, True),
        ('http://books.example.org:6060', True, True),
        ('HTTP://192.168.1.20', True, True),
        ('books.example.org', True, False),
        ('ftp://books.example.org', True, False),
        ('https://', True, False),
    ],
)
def test_judges_the_address_of_booklore(open_form: Any, answers: Any, address: str, warned: bool, usable: bool) -> None:
    form = open_form()
    form.show_tab_of('booklore_url')
    form.child('booklore_url').setText(address)
    assert form.child('booklore_warning').isVisible() is warned
    assert form.child('test_booklore').isEnabled() is (bool(address) and usable)
    # An address that cannot be used keeps the dialog open, so that nothing that was entered is lost.
    assert form.ok.isEnabled() is usable
    asked = answers(lambda dialog: dialog.reject())
    assert form.widget.validate() is usable
    assert len(asked) == (0 if usable else 1)


def test_says_how_many_books_the_search_for_hardcover_finds(open_form: Any, qtbot: Any) -> None:
    form = open_form()
    form.show_tab_of('hardcover_restriction')
    found = form.child('hardcover_restriction_found')
    assert not found.isVisible()
    form.child('hardcover_restriction').setText('title:emma')
    qtbot.waitUntil(lambda: found.text() == 'It finds 1 of 1 book.', timeout=5000)
    form.child('hardcover_restriction').setText('title:dune')
    qtbot.waitUntil(lambda: found.text() == 'It finds 0 of 1 book.', timeout=5000)
    assert form.ok.isEnabled()
    form.child('hardcover_restriction').clear()
    qtbot.waitUntil(lambda: not found.isVisible(), timeout=5000)


def test_the_search_for_hardcover_is_saved_to_the_library_and_the_file(open_form: Any) -> None:
    form = open_form()
    form.child('hardcover_restriction').setText(' title:emma ')
    assert form.widget.current_settings().hardcover_restriction == 'title:emma'
    assert form.widget.validate()
    form.widget.save_settings()
    assert stored()['hardcover_restriction'] == 'title:emma'
    settings.save({'hardcover_restriction': 'title:dune'})
    assert open_form().child('hardcover_restriction').text() == 'title:emma'


def test_what_is_no_search_is_not_saved(open_form: Any, answers: Any, qtbot: Any) -> None:
    form = open_form()
    form.show_tab_of('hardcover_restriction')
    edit = form.child('hardcover_restriction')
    edit.setFocus()
    qtbot.keyClicks(edit, 'title:emma and (')
    # Return is sooner than the pause after which it would be tried.
    qtbot.keyClick(edit, Qt.Key.Key_Return)
    assert not form.ok.isEnabled()
    assert 'does not understand the search title:emma and (' in form.child('hardcover_restriction_found').text()
    tabs: QTabWidget = form.child('tabs')
    assert [not tabs.tabIcon(place).isNull() for place in range(tabs.count())] == [False, False, True, False, False]
    asked = answers(lambda dialog: dialog.reject())
    assert not form.widget.validate()
    assert 'does not understand' in asked[0].msg.text()
    edit.setText('title:emma')
    qtbot.waitUntil(form.ok.isEnabled, timeout=5000)
    assert form.widget.validate()


def test_both_a_bad_address_and_a_bad_search_keep_ok_from_being_pressed(open_form: Any, qtbot: Any) -> None:
    form = open_form(hardcover_restriction='(', booklore_url='books.example.org')
    assert not form.ok.isEnabled()
    form.child('booklore_url').clear()
    assert not form.ok.isEnabled()
    form.child('hardcover_restriction').clear()
    qtbot.waitUntil(form.ok.isEnabled, timeout=5000)


def test_a_bad_address_in_the_file_shows_at_once(open_form: Any) -> None:
    form = open_form(booklore_url='books.example.org')
    assert not form.ok.isEnabled()
    # Also for whoever looks at another tab.
    tabs: QTabWidget = form.child('tabs')
    assert [not tabs.tabIcon(place).isNull() for place in range(tabs.count())] == [False, False, False, True, False]
    assert form.ok.toolTip() == form.child('booklore_warning').text() != ''
    form.child('booklore_url').clear()
    assert form.ok.isEnabled()
    assert form.ok.toolTip() == ''
    assert all(tabs.tabIcon(place).isNull() for place in range(tabs.count()))


def test_the_check_uses_what_is_entered_and_not_saved(
    open_form: Any, bookfusion: Any, answers: Any, qtbot: Any
) -> None:
    from standins.bookfusion import LibraryRecord

    bookfusion.records = [LibraryRecord(id=1, book_id=11, title='Emma', last_read_at='2024-11-03T12:00:00Z')]
    form = open_form(**addresses(bookfusion))
    form.child('email').setText(bookfusion.email)
    form.child('password').setText(TEST_PASSWORD)
    found: list[str] = []

    def look(dialog: Any) -> None:
        found.append(dialog.result_page.sentence.label.text())
        found.append(dialog.report.toPlainText())
        dialog._copy()
        dialog.reject()

    answers.when(lambda dialog: not dialog.running, look)
    form.child('test_connection').click()
    assert found[0] == 'A sync will work.'
    assert '1 with a bookfusion identifier' in found[1]
    copied = QApplication.clipboard().text()
    assert copied.startswith('A sync will work.\n')
    assert leaks(copied.encode(), [TEST_PASSWORD, *bookfusion.secrets]) == []
    assert stored().get('email', '') == ''


def test_the_check_says_why_a_sync_will_not_work(open_form: Any, bookfusion: Any, answers: Any) -> None:
    form = open_form(**addresses(bookfusion))
    form.child('email').setText(bookfusion.email)
    form.child('password').setText('nOt-7x' + TEST_PASSWORD)
    found: list[str] = []

    def look(dialog: Any) -> None:
        found.append(dialog.result_page.sentence.label.text())
        dialog.reject()

    answers.when(lambda dialog: not dialog.running, look)
    form.child('test_connection').click()
    assert found == ['A sync will not work: BookFusion does not accept the sign-in.']


def test_tests_the_booklore_server(open_form: Any, answers: Any) -> None:
    """Nobody listens there: the sentence says what to do, and the form is as before."""
    form = open_form()
    form.show_tab_of('booklore_url')
    form.child('booklore_url').setText('http://127.0.0.1:9')
    form.child('booklore_username').setText('reader')
    form.child('booklore_password').setText(TEST_BOOKLORE_PASSWORD)
    found: list[str] = []

    def look(dialog: Any) -> None:
        found.append(dialog.result_page.sentence.label.text())
        dialog.reject()

    answers.when(lambda dialog: not dialog.running, look)
    form.child('test_booklore').click()
    assert len(found) == 1
    assert 'BookLore could not be reached' in found[0]
    assert form.child('booklore_username').text() == 'reader'


def test_shows_the_state_of_the_hardcover_account(open_form: Any) -> None:
    assert open_form().child('hardcover_account').text() == 'No Hardcover account is set up yet.'
    form = open_form(hardcover_token=TEST_HARDCOVER_TOKEN)
    assert form.child('hardcover_account').text() == 'A Hardcover account is set up.'
    texts = [label.text() for label in form.widget.findChildren(QLabel)]
    texts += [edit.text() for edit in form.widget.findChildren(QLineEdit)]
    assert TEST_HARDCOVER_TOKEN not in ' '.join(texts)


def test_configures_the_hardcover_account(open_form: Any, answers: Any) -> None:
    form = open_form()
    form.show_tab_of('configure_hardcover')

    def look(dialog: Any) -> None:
        assert type(dialog).__name__ == 'AccountDialog'
        settings.save({'hardcover_token': TEST_HARDCOVER_TOKEN})
        dialog.reject()

    asked = answers(look)
    form.child('configure_hardcover').click()
    assert len(asked) == 1
    assert form.child('hardcover_account').text() == 'A Hardcover account is set up.'


@pytest.mark.parametrize('erased', [True, False])
def test_a_password_that_the_browser_sign_in_erased_stays_erased(
    open_form: Any, monkeypatch: pytest.MonkeyPatch, erased: bool
) -> None:
    form = open_form(email='reader@example.org', password=TEST_PASSWORD)

    def sign_in(_parent: Any) -> bool:
        settings.save({'bookfusion_token': TEST_USER_TOKEN, **({'password': ''} if erased else {})})
        return True

    monkeypatch.setattr(sign_in_dialog, 'sign_in', sign_in)
    form.child('sign_in').click()
    form.widget.save_settings()
    assert stored()['password'] == ('' if erased else TEST_PASSWORD)
    assert stored()['bookfusion_token'] == TEST_USER_TOKEN
    assert form.child('signed_in').text().startswith('Signed in')


def test_signs_out(open_form: Any) -> None:
    form = open_form(bookfusion_token=TEST_USER_TOKEN)
    form.child('sign_out').click()
    assert stored()['bookfusion_token'] == ''
    assert form.child('signed_in').text() == 'Not signed in with a browser.'
    assert form.child('password').isEnabled()
    assert not form.child('sign_out').isEnabled()


def test_fits_a_small_screen(open_form: Any) -> None:
    form = open_form(last_read_column='#gone', completed_column='#gone', status_column='#gone')
    assert form.dialog.sizeHint().height() < 700
    assert form.dialog.minimumSizeHint().height() < 400
    assert form.dialog.minimumSizeHint().width() < 640


def test_every_label_leads_to_its_field(open_form: Any) -> None:
    form = open_form()
    labels = 0
    for layout in form.widget.findChildren(QFormLayout):
        for row in range(layout.rowCount()):
            item = layout.itemAt(row, QFormLayout.ItemRole.LabelRole)
            label = item.widget() if item is not None else None
            if isinstance(label, QLabel) and label.text():
                labels += 1
                assert '&' in label.text(), label.text()
                buddy = label.buddy()
                assert buddy is not None, label.text()
                assert buddy.objectName() in FIELDS, label.text()
                # Qt follows a label's letter only where its field takes the focus itself.
                assert buddy.focusPolicy() != Qt.FocusPolicy.NoFocus, label.text()
                assert buddy.accessibleName(), label.text()
    assert labels == 15


def test_a_labels_letter_reaches_the_password(open_form: Any, qtbot: Any) -> None:
    form = open_form()
    QApplication.setActiveWindow(form.dialog)
    form.child('email').setFocus()
    qtbot.keyClick(form.dialog, Qt.Key.Key_P, Qt.KeyboardModifier.AltModifier)
    assert form.dialog.focusWidget() is form.child('password')


def letter_of(words: str) -> str:
    words = words.replace('&&', '')
    place = words.find('&')
    return words[place + 1].lower() if place >= 0 else ''


def test_letters_do_not_clash_within_a_tab(open_form: Any) -> None:
    form = open_form()
    tabs: QTabWidget = form.child('tabs')
    for place in range(tabs.count()):
        tabs.setCurrentIndex(place)
        words = [tabs.tabText(number) for number in range(tabs.count())]
        page = tabs.widget(place)
        assert page is not None
        seen: list[Any] = [widget for widget in page.findChildren(QWidget) if widget.isVisible()]
        words += [widget.text() for widget in seen if isinstance(widget, (QLabel, QAbstractButton))]
        letters = [letter_of(each) for each in words if letter_of(each)]
        assert len(letters) == len(set(letters)), (tabs.tabText(place), words)


def test_tab_key_goes_down_the_form(open_form: Any) -> None:
    """The order of the keyboard is that of the eyes."""
    form = open_form()
    tabs: QTabWidget = form.child('tabs')
    buttons = {'sign_in', 'sign_out', 'test_connection', 'test_booklore', 'configure_hardcover'}
    for number in range(tabs.count()):
        tabs.setCurrentIndex(number)
        page = tabs.widget(number)
        assert page is not None
        chain: list[QWidget] = []
        widget: QWidget | None = page.nextInFocusChain()
        while widget is not None and widget is not page:
            if page.isAncestorOf(widget) and widget.isVisible() and widget.objectName() in {*FIELDS, *buttons}:
                chain.append(widget)
            widget = widget.nextInFocusChain()
        corners = [each.mapTo(page, each.rect().topLeft()) for each in chain]
        # Fields of one line may differ by a few pixels.
        places = [(corner.y() // 8, corner.x()) for corner in corners]
        assert places
        assert places == sorted(places), [each.objectName() for each in chain]


def test_without_a_library_the_rest_can_be_set(qtbot: Any) -> None:
    """Calibre's preferences may open before there is one."""
    widget = ConfigWidget()
    qtbot.addWidget(widget)
    assert widget.library is None
    assert 'Open a library' in widget.findChild(QLabel, 'library_name').text()
    assert not widget.test_connection.isEnabled()
    widget.email.setText('reader@example.org')
    widget.save_settings()
    assert stored()['email'] == 'reader@example.org'
    assert 'last_read_column' not in stored()


def test_is_what_calibres_preferences_open(qtbot: Any) -> None:
    plugin = find_plugin(PLUGIN_NAME)
    assert plugin.is_customizable()
    widget = plugin.config_widget()
    qtbot.addWidget(widget)
    assert isinstance(widget, config.ConfigWidget)
    widget.email.setText('reader@example.org')
    plugin.save_settings(widget)
    assert stored()['email'] == 'reader@example.org'


def test_says_when_it_cannot_save(open_form: Any, answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    form = open_form()

    def full(_path: Path, _data: bytes) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('calibre_plugins.bookfusionbacksync.base.json_file.write_privately', full)
    form.child('email').setText('reader@example.org')
    asked = answers(lambda dialog: dialog.reject())
    form.widget.save_settings()
    assert len(asked) == 1
    assert 'No space left' in asked[0].msg.text()


@pytest.mark.parametrize(('hours', 'threshold'), [(0.04, 99.999), (0.25, 33.333), (6, 99.9)])
def test_what_a_field_cannot_hold_exactly_is_kept_where_nobody_touched_it(
    open_form: Any, hours: float, threshold: float
) -> None:
    form = open_form(auto_sync_hours=hours, completed_threshold=threshold)
    assert form.widget.changed() == {}
    form.widget.save_settings()
    assert (stored()['auto_sync_hours'], stored()['completed_threshold']) == (hours, threshold)
    form.child('auto_sync_hours').setValue(12)
    form.widget.save_settings()
    assert (stored()['auto_sync_hours'], stored()['completed_threshold']) == (12, threshold)


def test_a_library_that_cannot_be_written_is_named(open_form: Any, answers: Any) -> None:
    form = open_form()
    form.library.api.backend.conn.execute('PRAGMA query_only = 1')
    form.choose('last_read_column', '#bought')
    form.child('email').setText('reader@example.org')
    asked = answers(lambda dialog: dialog.reject())
    form.widget.save_settings()
    assert len(asked) == 1
    assert asked[0].msg.text().startswith('The library cannot be changed: its disk is read-only')
    # What has nothing to do with the library is saved all the same.
    assert stored()['email'] == 'reader@example.org'


def test_calibre_says_why_there_is_no_form(qapp: Any) -> None:
    """Calibre shows what it gets instead of a widget; the next time there is a form, which names the file as well."""
    plugin = find_plugin(PLUGIN_NAME)
    settings.settings_path().write_text('{not json')
    sentence, _details = plugin.config_widget()
    assert sentence.startswith('The settings file was not readable and has been set aside as ')
    form = plugin.config_widget()
    assert 'has been set aside as ' in form.problems.label.text()


def test_a_file_that_becomes_unreadable_while_the_form_is_open(open_form: Any, answers: Any) -> None:
    form = open_form(email='reader@example.org', bookfusion_token=TEST_USER_TOKEN)
    settings.settings_path().write_text('{not json')
    # Nothing is read for a mark.
    form.choose('status_column', '#state')
    assert not form.child('status_column_mark').isVisible()
    asked = answers(lambda dialog: dialog.reject())
    assert form.widget.current_settings().bookfusion_token.reveal() == TEST_USER_TOKEN
    assert 'has been set aside' in asked[0].msg.text()
