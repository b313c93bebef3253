# SPDX-License-Identifier: GPL-3.0-or-later
"""FirstRunPage: guides a new user through the steps sign-in, columns and first sync.

Starts no job: the window that contains the page does. `jobs/columns` finds out what is missing.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from calibre.gui2 import error_dialog, question_dialog, show_restart_warning
from qt.core import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QGroupBox,
    QHBoxLayout,
    QPushButton,
    QScrollArea,
    Qt,
    QVBoxLayout,
    QWidget,
    pyqtSignal,
)

from ..base import settings
from ..base.columns_table import COLUMNS, ROW_OF_KEY, SYNC_COLUMNS, ColumnState, state_of, usable_columns
from ..base.errors import BackSyncError
from ..base.settings import Settings
from ..jobs.columns import (
    RESTART_FIRST,
    Missing,
    PlannedColumn,
    count_identifiers,
    create_columns,
    plan_columns,
    what_is_missing,
)
from ..library.calibre_library import Library
from ..library.library_preferences import save_for_library
from .widgets import Notice, PasswordEdit, add_row, check_box, column_label, line_edit, plain_label, push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()


class FirstRunPage(QScrollArea):
    """Three steps; a finished one shows a check mark. Saves the user's input, and leaves jobs to its window.

    Signals:
        sign_in_wanted(): email and password have been saved and should be tested.
        browser_wanted(): the user wants to sign in with a browser.
        preview_wanted(): the user wants a preview.
        sync_wanted(): the user wants a sync.
        settings_changed(): settings were saved or columns created; call `refresh`.
    """

    sign_in_wanted = pyqtSignal()
    browser_wanted = pyqtSignal()
    preview_wanted = pyqtSignal()
    sync_wanted = pyqtSignal()
    settings_changed = pyqtSignal()

    def __init__(self, gui: Any, parent: QWidget) -> None:
        super().__init__(parent)
        self._gui = gui
        self._library: Library | None = None
        self._refused = False
        self.setObjectName('first_run')
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        page = QWidget(self)
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._account_step(page))
        layout.addWidget(self._columns_step(page))
        layout.addWidget(self._sync_step(page))
        layout.addStretch(1)
        self.setWidget(page)

    def _account_step(self, page: QWidget) -> QGroupBox:
        box = QGroupBox(_('1. Sign in to BookFusion'), page)
        layout = QVBoxLayout(box)
        self.account_state = Notice('account_state', box)
        layout.addWidget(self.account_state)
        self._account_fields = QWidget(box)
        form = QFormLayout(self._account_fields)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        self.email = line_edit('first_email', '', _('The email address of your BookFusion account'), box)
        add_row(form, _('&Email:'), self.email)
        self.password = PasswordEdit('first_password', _('The password of your BookFusion account'), box)
        add_row(form, _('Pass&word:'), self.password)
        self.password.show_switch.setText(_('S&how'))
        row = QHBoxLayout()
        self.sign_in = push_button(
            'first_sign_in',
            _('Si&gn in'),
            _('Save email and password, and try them'),
            self._sign_in,
            box,
            'user_profile.png',
        )
        self.browser = push_button(
            'first_browser',
            _('Sign in with a &browser…'),
            _('For accounts of every kind, also those of Google, Facebook or Apple; no password is stored'),
            self.browser_wanted.emit,
            box,
        )
        self.email.returnPressed.connect(self.password.edit.setFocus)
        self.password.edit.returnPressed.connect(self._sign_in)
        row.addWidget(self.sign_in)
        row.addWidget(self.browser)
        row.addStretch(1)
        form.addRow('', row)
        layout.addWidget(self._account_fields)
        return box

    def _columns_step(self, page: QWidget) -> QGroupBox:
        box = QGroupBox(_('2. Columns for what you have read'), page)
        layout = QVBoxLayout(box)
        self.columns_state = Notice('columns_state', box)
        layout.addWidget(self.columns_state)
        self._columns_fields = QWidget(box)
        inner = QVBoxLayout(self._columns_fields)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(
            plain_label(
                _(
                    'The date of the last reading goes into a Date column, the flag for finished books into a '
                    'Yes/No column. If you like, there can be columns for more:'
                ),
                box,
            )
        )
        self.optional: dict[str, QCheckBox] = {}
        for row in COLUMNS:
            if row.new is not None and row.new.offer is not None:
                words, tip = row.new.offer.translated(_, ngettext), row.new.offer_tip
                tip_words = tip.translated(_, ngettext) if tip is not None else ''
                self.optional[row.key] = check_box(f'with_{row.key}', words, tip_words, False, box)
                inner.addWidget(self.optional[row.key])
        buttons = QHBoxLayout()
        self.create_columns = push_button(
            'create_columns',
            _('Create the columns &for me…'),
            _('Shows what would be created, and asks first'),
            self._create_columns,
            box,
            'column.png',
        )
        buttons.addWidget(self.create_columns)
        buttons.addStretch(1)
        inner.addLayout(buttons)
        inner.addWidget(self._existing_columns(box))
        layout.addWidget(self._columns_fields)
        self.restart = push_button(
            'restart',
            _('Restart Cal&ibre now'),
            _('New columns can be used after a restart'),
            self._restart,
            box,
            'lt.png',
        )
        layout.addWidget(self.restart, 0, Qt.AlignmentFlag.AlignLeading)
        return box

    def _existing_columns(self, box: QWidget) -> QWidget:
        self._existing = QWidget(box)
        form = QFormLayout(self._existing)
        form.setContentsMargins(0, 0, 0, 0)
        self.existing_column = QComboBox(box)
        self.existing_column.setObjectName('existing_column')
        self.existing_column.setToolTip(_('The Date column that gets the date of the last reading'))
        self.existing_column.activated.connect(lambda _place: self._choose_existing())
        add_row(form, _('Or use a &Date column that you have:'), self.existing_column)
        return self._existing

    def _sync_step(self, page: QWidget) -> QGroupBox:
        box = QGroupBox(_('3. The first sync'), page)
        layout = QVBoxLayout(box)
        self.books_state = Notice('books_state', box)
        layout.addWidget(self.books_state)
        row = QHBoxLayout()
        self.first_preview: QPushButton = push_button(
            'first_preview',
            _('&View what it would change…'),
            _('Nothing is written before you have seen it'),
            self.preview_wanted.emit,
            box,
            'view.png',
        )
        self.first_sync: QPushButton = push_button(
            'first_sync', _('S&ync now'), _('Sync the whole library'), self.sync_wanted.emit, box, 'sync.png'
        )
        row.addWidget(self.first_preview)
        row.addWidget(self.first_sync)
        row.addStretch(1)
        layout.addLayout(row)
        return box

    def refresh(self, library: Library | None) -> Missing:
        """Show and return what library and settings still lack. Raises SettingsTrouble, LibraryTrouble."""
        if library is not self._library:
            self._library = library
            self._refused = False
        current = settings.load(library.api if library is not None else None).settings
        missing = what_is_missing(library, current)
        self._show_account(current, missing)
        self._show_columns(current, missing)
        self._show_books()
        ready = missing.is_nothing and not self._refused
        self.first_preview.setEnabled(ready)
        self.first_sync.setEnabled(ready)
        return missing

    def refused(self) -> None:
        """Show the account fields again after the next `refresh`: BookFusion refused the account."""
        self._refused = True

    def accepted(self) -> None:
        """The account works, so the next `refresh` hides its fields."""
        self._refused = False

    def _show_account(self, current: Settings, missing: Missing) -> None:
        done = missing.account is None and not self._refused
        if not done:
            words, icon = '', ''
        elif current.bookfusion_token:
            words, icon = _('Signed in with a browser.'), 'ok.png'
        else:
            words, icon = _('The account {email} is used.').format(email=current.email), 'ok.png'
        self.account_state.say(words, icon)
        self._account_fields.setVisible(not done)
        if not self.email.text():
            self.email.setText(current.email)

    def _show_columns(self, current: Settings, missing: Missing) -> None:
        if missing.restart:
            words, icon = RESTART_FIRST.translated(_, ngettext), 'dialog_information.png'
        elif missing.column is None and self._library is not None:
            columns = self._library.columns()
            usable = (row for row in SYNC_COLUMNS if state_of(row, current.columns, columns) is ColumnState.USABLE)
            shown = (columns[current.columns[row.key]].label for row in usable)
            words, icon = _('Reading goes into {columns}.').format(columns=', '.join(shown)), 'ok.png'
        else:
            words, icon = '', ''
        self.columns_state.say(words, icon)
        self._columns_fields.setVisible(missing.column is not None and not missing.restart)
        self.create_columns.setEnabled(self._library is not None)
        self.restart.setVisible(missing.restart)
        self._fill_existing()

    def _fill_existing(self) -> None:
        columns = self._library.columns() if self._library is not None else {}
        usable = usable_columns(ROW_OF_KEY['last_read_column'], columns)
        self.existing_column.clear()
        self.existing_column.addItem(_('(choose a column)'), '')
        for column in sorted(usable, key=lambda column: column.name):
            self.existing_column.addItem(column_label(column.label), column.name)
        self._existing.setVisible(bool(usable))

    def _show_books(self) -> None:
        if self._library is None:
            self.books_state.say('')
            return
        with_identifier, without = count_identifiers(self._library)
        sentences = [
            ngettext(
                '{count} book in this library has a BookFusion identifier.',
                '{count} books in this library have a BookFusion identifier.',
                with_identifier,
            ).format(count=with_identifier)
        ]
        if without:
            sentences.append(
                ngettext(
                    '{count} book has none and is passed over: the official BookFusion plugin gives books theirs '
                    'when it uploads them (Preferences > Plugins > Get new plugins).',
                    '{count} books have none and are passed over: the official BookFusion plugin gives books theirs '
                    'when it uploads them (Preferences > Plugins > Get new plugins).',
                    without,
                ).format(count=without)
            )
        self.books_state.say(' '.join(sentences), 'dialog_information.png' if with_identifier else 'dialog_warning.png')

    def _sign_in(self) -> None:
        """Save email and password, and ask the window to test them."""
        email, password = self.email.text().strip(), self.password.edit.text()
        if not email or not password:
            (self.password.edit if email else self.email).setFocus()
            return
        if self._saved(lambda: settings.save({'email': email, 'password': password})):
            self.sign_in_wanted.emit()

    def _choose_existing(self) -> None:
        name, library = self.existing_column.currentData(), self._library
        if name and library is not None:
            self._saved(lambda: save_for_library(library.api, {'last_read_column': name}))

    def _saved(self, save: Any) -> bool:
        try:
            save()
        except BackSyncError as error:
            error_dialog(self, _('Settings not saved'), error.sentence.translated(_, ngettext), show=True)
            return False
        self.settings_changed.emit()
        return True

    def _create_columns(self) -> None:
        library = self._library
        if library is None:
            return
        keys = [row.key for row in COLUMNS if row.is_always_created]
        keys += [key for key, box in self.optional.items() if box.isChecked()]
        try:
            current = settings.load(library.api).settings
        except BackSyncError as error:
            error_dialog(self, _('Columns not created'), error.sentence.translated(_, ngettext), show=True)
            return
        planned = plan_columns(library, keys, current)
        if not self._confirmed(library, planned):
            return
        headings = {column.row.key: column.new.heading.translated(_, ngettext) for column in planned}
        try:
            restart = create_columns(library, planned, headings)
        except BackSyncError as error:
            error_dialog(self, _('Columns not created'), error.sentence.translated(_, ngettext), show=True)
            restart = False
        self.settings_changed.emit()
        if restart:
            # Calibre's own preferences set this flag too: its lists of columns are outdated until the restart.
            self._gui.must_restart_before_config = True
            if show_restart_warning(_('The columns are created. They can be used after a restart of Calibre.'), self):
                self._restart()

    def _confirmed(self, library: Library, planned: list[PlannedColumn]) -> bool:
        rows = []
        for column in planned:
            heading = column.new.heading.translated(_, ngettext)
            what = _('is created') if column.create else _('exists and is used')
            rows.append(f'<li>{escape(heading)} ({column.name}): {escape(what)}</li>')
        question = _('These columns are set up in the library {name}, and Calibre has to be restarted once:').format(
            name=escape(library.name)
        )
        return bool(question_dialog(self, _('Create columns'), f'<p>{question}<ul>{"".join(rows)}</ul>'))

    def _restart(self) -> None:
        self._gui.quit(restart=True)
