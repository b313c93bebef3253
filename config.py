# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigWidget: the form of the settings, one widget a setting, named as its key.

Reads and writes through the settings room only; the columns it offers are the open library's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from calibre.gui2 import error_dialog
from qt.core import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QIcon,
    QLabel,
    QLineEdit,
    QPushButton,
    QSize,
    Qt,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from . import settings
from .errors import BackSyncError
from .library import ColumnInfo, Library
from .redaction import Secret
from .settings import Settings
from .steps import usable_columns
from .transport import checked_address, is_loopback

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()


@dataclass(frozen=True)
class ColumnField:
    """A combo box for one column setting: its label, its tooltip, and what its type is called."""

    key: str
    label: str
    tip: str
    type_name: str


def column_fields() -> tuple[ColumnField, ...]:
    """The columns of a sync, in the order of the form."""
    return (
        ColumnField(
            'last_read_column',
            _('&Last Read Column:'),
            _('The Date column that gets the date of the last reading on BookFusion'),
            _('Date'),
        ),
        ColumnField(
            'completed_column',
            _('&Completed Column:'),
            _('The Yes/No column that is set to Yes for finished books. It is never set to No. Empty: not used'),
            _('Yes/No'),
        ),
        ColumnField(
            'progress_column',
            _('Pro&gress Column:'),
            _('The number column that gets the reading progress in percent. Empty: not used'),
            _('Integers or Floating point numbers'),
        ),
        ColumnField(
            'read_time_column',
            _('Reading &Time Column:'),
            _(
                'The number column that gets the reading time: hours where it holds floating point numbers, '
                'minutes where it holds integers. Needs the sign-in with a browser. Empty: not used'
            ),
            _('Integers or Floating point numbers'),
        ),
        ColumnField(
            'status_column',
            _('&Status Column:'),
            _(
                'The text or enumeration column that gets Reading, Completed or Planned. '
                'Planned needs the sign-in with a browser. Empty: not used'
            ),
            _('Text or Text with fixed set of permitted values'),
        ),
    )


class PasswordEdit(QWidget):
    """A hidden password with a switch that shows it. The line edit carries the object name."""

    def __init__(self, name: str, tip: str, parent: QWidget) -> None:
        super().__init__(parent)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self.edit = QLineEdit(self)
        self.edit.setObjectName(name)
        self.edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.edit.setToolTip(tip)
        self.show_switch = QCheckBox(_('Sho&w'), self)
        self.show_switch.setObjectName(f'show_{name}')
        self.show_switch.setToolTip(_('Show the password'))
        self.show_switch.toggled.connect(self._toggled)
        row.addWidget(self.edit, 1)
        row.addWidget(self.show_switch)
        self.setFocusProxy(self.edit)

    def _toggled(self, shown: bool) -> None:
        self.edit.setEchoMode(QLineEdit.EchoMode.Normal if shown else QLineEdit.EchoMode.Password)


class ColumnBox(QComboBox):
    """The columns of the right type as `#lookup (Name)`, after an empty entry; a bad choice is kept and marked."""

    def __init__(self, name: str, tip: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setToolTip(tip)
        self.setMinimumContentsLength(24)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)

    def fill(self, usable: list[ColumnInfo], chosen: str, empty_text: str) -> None:
        self.clear()
        self.addItem(empty_text, '')
        for column in usable:
            self.addItem(column.label, column.name)
        self.choose(chosen)

    def choose(self, name: str) -> None:
        place = self.findData(name)
        if place < 0:
            self.addItem(QIcon.ic('dialog_warning.png'), _('{column} (cannot be used)').format(column=name), name)
            place = self.count() - 1
        self.setCurrentIndex(place)

    @property
    def chosen(self) -> str:
        return str(self.currentData() or '')


class ConfigWidget(QWidget):
    """The form, in tabs, below 700 pixels high. `library` is the one that is open in Calibre's window."""

    def __init__(self, library: Library | None = None) -> None:
        super().__init__()
        self.library = library or _open_library()
        loaded = settings.load(self.library.api if self.library else None)
        self.loaded: Settings = loaded.settings
        self.columns = self.library.columns() if self.library else {}
        self._boxes: dict[str, ColumnBox] = {}
        self._marks: dict[str, QLabel] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.tabs = QTabWidget(self)
        self.tabs.setObjectName('tabs')
        layout.addWidget(self.tabs)
        self.tabs.addTab(self._bookfusion_tab(), _('&BookFusion'))
        self.tabs.addTab(self._columns_tab(), _('C&olumns'))
        self.tabs.addTab(self._hardcover_tab(), _('&Hardcover'))
        self.tabs.addTab(self._booklore_tab(), _('Book&Lore'))
        self.tabs.addTab(self._automatic_tab(), _('&Automatic'))
        if loaded.problems:
            layout.insertWidget(0, self._problems_label(loaded.problems))

    def sizeHint(self) -> QSize:
        return QSize(620, 440)

    def _problems_label(self, problems: tuple[str, ...]) -> QLabel:
        label = _plain_label('\n'.join(problems), self)
        label.setObjectName('problems')
        return label

    def _bookfusion_tab(self) -> QWidget:
        page, form = _form_page(self)
        self.email = _line_edit('email', self.loaded.email, _('The email address of your BookFusion account'), page)
        form.addRow(_('&Email:'), self.email)
        self.password = PasswordEdit('password', _('The password of your BookFusion account'), page)
        self.password.edit.setText(self.loaded.password.reveal())
        form.addRow(_('&Password:'), self.password)
        form.addRow('', self._sign_in_row(page))
        self.signed_in = _plain_label('', page)
        self.signed_in.setObjectName('signed_in')
        form.addRow('', self.signed_in)
        self._show_signed_in()
        return page

    def _sign_in_row(self, page: QWidget) -> QWidget:
        holder = QWidget(page)
        row = QHBoxLayout(holder)
        row.setContentsMargins(0, 0, 0, 0)
        self.sign_in = _push_button(
            'sign_in',
            _('S&ign in with a browser…'),
            _('For accounts of every kind; no password is stored'),
            self._sign_in,
        )
        self.sign_out = _push_button('sign_out', _('Sign o&ut'), _('Forget the sign-in with a browser'), self._sign_out)
        self.test_connection = _push_button(
            'test_connection',
            _('Test &Connection…'),
            _('Sign in, look at one page, and say what was found'),
            self._test,
        )
        for button in (self.sign_in, self.sign_out, self.test_connection):
            row.addWidget(button)
        row.addStretch(1)
        return holder

    def _columns_tab(self) -> QWidget:
        page, form = _form_page(self)
        form.addRow(self._library_label(page))
        for field in column_fields():
            box = ColumnBox(field.key, field.tip, page)
            empty = _('(choose a column)') if field.key == 'last_read_column' else _('(not used)')
            box.fill(usable_columns(self.columns, field.key), getattr(self.loaded, field.key), empty)
            box.currentIndexChanged.connect(lambda place, key=field.key: self._mark(key))
            form.addRow(field.label, box)
            self._boxes[field.key] = box
            mark = self._marks[field.key] = _plain_label('', page)
            mark.setObjectName(f'{field.key}_mark')
            form.addRow('', mark)
            self._mark(field.key)
        self.completed_threshold = self._threshold_box(page)
        form.addRow(_('Completed &from:'), self.completed_threshold)
        self.keep_newer_date = QCheckBox(_("&Keep a date in Calibre that is newer than BookFusion's"), page)
        self.keep_newer_date.setObjectName('keep_newer_date')
        self.keep_newer_date.setToolTip(_('Otherwise the date of BookFusion always replaces the one in Calibre'))
        self.keep_newer_date.setChecked(self.loaded.keep_newer_date)
        form.addRow('', self.keep_newer_date)
        return page

    def _library_label(self, page: QWidget) -> QLabel:
        if self.library is None:
            words = _('Open a library to choose its columns.')
        else:
            words = _('These columns are for the library {name}.').format(name=self.library.name)
        label = _plain_label(words, page)
        label.setObjectName('library_name')
        return label

    def _threshold_box(self, page: QWidget) -> QDoubleSpinBox:
        box = QDoubleSpinBox(page)
        box.setObjectName('completed_threshold')
        box.setRange(0, 100)
        box.setDecimals(2)
        box.setSingleStep(0.1)
        box.setSuffix(_(' %'))
        box.setValue(self.loaded.completed_threshold)
        box.setToolTip(_('A book counts as completed when its progress on BookFusion is at or above this'))
        return box

    def _mark(self, key: str) -> None:
        """Says below a box what is wrong with its column, where something is."""
        name, mark = self._boxes[key].chosen, self._marks[key]
        words = ''
        if name and self.library is not None and name not in self.columns:
            words = _('{column} does not exist in this library.').format(column=name)
        elif name and self.library is not None and self.columns[name] not in usable_columns(self.columns, key):
            wanted = next(field.type_name for field in column_fields() if field.key == key)
            words = _('{column} has the wrong type. A column of type {type} is needed.').format(
                column=name, type=wanted
            )
        mark.setText(words)
        mark.setVisible(bool(words))

    def _hardcover_tab(self) -> QWidget:
        page, form = _form_page(self)
        rating_columns = [column for column in self.columns.values() if column.datatype == 'rating']
        self.rating_column = ColumnBox('rating_column', _('The column whose ratings are pushed to Hardcover'), page)
        self.rating_column.clear()
        self.rating_column.addItem(_('Rating (built in)'), 'rating')
        for column in rating_columns:
            self.rating_column.addItem(column.label, column.name)
        self.rating_column.choose(self.loaded.rating_column)
        form.addRow(_('&Rating Column:'), self.rating_column)
        self.hardcover_add_unshelved = _check_box(
            'hardcover_add_unshelved',
            _('A&dd rated books that are on no Hardcover shelf'),
            _('They are added as Read, with the date from the Last Read Column'),
            self.loaded.hardcover_add_unshelved,
            page,
        )
        form.addRow('', self.hardcover_add_unshelved)
        self.hardcover_clear_ratings = _check_box(
            'hardcover_clear_ratings',
            _('&Clear ratings on Hardcover that Calibre does not have'),
            _('Otherwise a book without a rating in Calibre keeps the one it has on Hardcover'),
            self.loaded.hardcover_clear_ratings,
            page,
        )
        form.addRow('', self.hardcover_clear_ratings)
        return page

    def _booklore_tab(self) -> QWidget:
        page, form = _form_page(self)
        words = _plain_label(
            _('A BookLore server can tell the Hardcover ids of its books. Leave the address empty if you have none.'),
            page,
        )
        form.addRow(words)
        self.booklore_url = _line_edit(
            'booklore_url',
            self.loaded.booklore_url,
            _('The address of the server, such as https://books.example.org'),
            page,
        )
        form.addRow(_('Server &address:'), self.booklore_url)
        self.plain_warning = _plain_label('', page)
        self.plain_warning.setObjectName('booklore_warning')
        form.addRow('', self.plain_warning)
        self.booklore_username = _line_edit(
            'booklore_username', self.loaded.booklore_username, _('The user name on that server'), page
        )
        form.addRow(_('User &name:'), self.booklore_username)
        self.booklore_password = PasswordEdit('booklore_password', _('The password on that server'), page)
        self.booklore_password.edit.setText(self.loaded.booklore_password.reveal())
        form.addRow(_('&Password:'), self.booklore_password)
        self.booklore_url.textChanged.connect(self._warn_of_plain_http)
        self._warn_of_plain_http()
        return page

    def _warn_of_plain_http(self) -> None:
        address = self.booklore_url.text().strip()
        plain = address.lower().startswith('http://')
        host = address[len('http://') :].split('/', 1)[0].rsplit(':', 1)[0] if plain else ''
        warn = plain and not is_loopback(host)
        self.plain_warning.setText(
            _(
                'This address is not encrypted: everybody on the network between here and the server can read the password.'
            )
            if warn
            else ''
        )
        self.plain_warning.setVisible(warn)

    def _automatic_tab(self) -> QWidget:
        page, form = _form_page(self)
        self.auto_sync_hours = QDoubleSpinBox(page)
        self.auto_sync_hours.setObjectName('auto_sync_hours')
        self.auto_sync_hours.setRange(0, 24 * 365)
        self.auto_sync_hours.setDecimals(1)
        self.auto_sync_hours.setSpecialValueText(_('Never'))
        self.auto_sync_hours.setSuffix(_(' hours'))
        self.auto_sync_hours.setValue(self.loaded.auto_sync_hours)
        self.auto_sync_hours.setToolTip(_('Sync by itself at start and then every so many hours while Calibre is open'))
        form.addRow(_('&Sync every:'), self.auto_sync_hours)
        return page

    def _show_signed_in(self) -> None:
        signed_in = bool(settings.load().settings.bookfusion_token)
        self.signed_in.setText(
            _('Signed in with a browser; email and password are not used.')
            if signed_in
            else _('Not signed in with a browser.')
        )
        self.sign_out.setEnabled(signed_in)

    def _sign_in(self) -> None:
        from .sign_in_dialog import sign_in

        if sign_in(self):
            stored = settings.load().settings
            self.password.edit.setText(stored.password.reveal())
        self._show_signed_in()

    def _sign_out(self) -> None:
        from .sign_in_dialog import sign_out

        sign_out(self)
        self._show_signed_in()

    def _test(self) -> None:
        raise NotImplementedError

    def values(self) -> dict[str, object]:
        """What the form says now, for the settings file; the columns are apart."""
        return {
            'email': self.email.text().strip(),
            'password': self.password.edit.text(),
            'completed_threshold': self.completed_threshold.value(),
            'keep_newer_date': self.keep_newer_date.isChecked(),
            'auto_sync_hours': self.auto_sync_hours.value(),
            'hardcover_add_unshelved': self.hardcover_add_unshelved.isChecked(),
            'hardcover_clear_ratings': self.hardcover_clear_ratings.isChecked(),
            'booklore_url': self.booklore_url.text().strip(),
            'booklore_username': self.booklore_username.text().strip(),
            'booklore_password': self.booklore_password.edit.text(),
        }

    def chosen_columns(self) -> dict[str, str]:
        """The column settings, by key."""
        return {**{key: box.chosen for key, box in self._boxes.items()}, 'rating_column': self.rating_column.chosen}

    def changed(self) -> Mapping[str, object]:
        """The values that differ from those the form began with; only these are written."""
        return {key: value for key, value in self.values().items() if value != _plain_value(getattr(self.loaded, key))}

    def validate(self) -> bool:
        """False keeps everything unsaved; a dialog has said why."""
        address = self.booklore_url.text().strip()
        if address:
            try:
                checked_address(address)
            except BackSyncError as error:
                self.tabs.setCurrentWidget(self.booklore_url.parentWidget())
                error_dialog(self, _('Address not usable'), error.sentence.translated(_, ngettext), show=True)
                return False
        return True

    def save_settings(self) -> None:
        """Writes what was changed: the columns to the library and the file, the rest to the file."""
        try:
            if changed := self.changed():
                settings.save(changed)
            if self.library is not None:
                settings.save_columns(self.library.api, self.chosen_columns())
        except BackSyncError as error:
            error_dialog(self, _('Settings not saved'), error.sentence.translated(_, ngettext), show=True)


def _plain_value(value: object) -> object:
    return value.reveal() if isinstance(value, Secret) else value


def _open_library() -> Library | None:
    from calibre.gui2.ui import get_gui

    gui = get_gui()
    return (
        Library(gui.current_db.new_api) if gui is not None and getattr(gui, 'library_view', None) is not None else None
    )


def _form_page(parent: QWidget) -> tuple[QWidget, QFormLayout]:
    page = QWidget(parent)
    form = QFormLayout(page)
    form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return page, form


def _plain_label(words: str, parent: QWidget) -> QLabel:
    label = QLabel(words, parent)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    return label


def _line_edit(name: str, value: str, tip: str, parent: QWidget) -> QLineEdit:
    edit = QLineEdit(value, parent)
    edit.setObjectName(name)
    edit.setToolTip(tip)
    return edit


def _check_box(name: str, words: str, tip: str, checked: bool, parent: QWidget) -> QCheckBox:
    box = QCheckBox(words, parent)
    box.setObjectName(name)
    box.setToolTip(tip)
    box.setChecked(checked)
    return box


def _push_button(name: str, label: str, tip: str, clicked: Callable[[], None]) -> QPushButton:
    button = QPushButton(label)
    button.setObjectName(name)
    button.setToolTip(tip)
    button.setAutoDefault(False)
    button.clicked.connect(lambda: clicked())
    return button
