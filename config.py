# SPDX-License-Identifier: GPL-3.0-or-later
"""ConfigWidget: the settings form. Each widget has the key of its setting as its object name.

Reads and writes settings only through `base/settings` and `library/library_preferences`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from calibre.gui2 import error_dialog
from qt.core import (
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QIcon,
    QScrollArea,
    QShowEvent,
    QSize,
    QSpinBox,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from .base import settings
from .base.about import PLUGIN_NAME
from .base.address import checked_address, goes_in_the_clear
from .base.columns_table import COLUMNS, ROW_OF_KEY, SYNC_COLUMNS, ColumnRow, ColumnState, state_of, usable_columns
from .base.errors import BackSyncError
from .base.redaction import Secret
from .base.settings import Settings
from .gui.column_box import ColumnBox
from .gui.restriction import RestrictionEdit
from .gui.widgets import (
    Notice,
    PasswordEdit,
    add_row,
    check_box,
    line_edit,
    plain_label,
    plain_tip,
    push_button,
)
from .library.calibre_library import Library
from .library.library_preferences import save_for_library

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

    from .gui.job_runner import Jobs

load_translations()


class ConfigWidget(QWidget):
    """The form, in tabs, less than 700 pixels high.

    `library` and `jobs` are by default those of Calibre's main window, None if it has no open library. Raises
    SettingsTrouble if the settings cannot be read.
    """

    def __init__(self, library: Library | None = None, jobs: Jobs | None = None) -> None:
        super().__init__()
        self.jobs = jobs or _open_jobs()
        self.library = library or _open_library()
        loaded = settings.load(self.library.api if self.library else None)
        self.loaded: Settings = loaded.settings
        self._has_token = bool(self.loaded.bookfusion_token)
        self.columns = self.library.columns() if self.library else {}
        self._boxes: dict[str, ColumnBox] = {}
        self._marks: dict[str, Notice] = {}
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.problems = Notice('problems', self)
        self.problems.say('\n'.join(loaded.problems))
        layout.addWidget(self.problems)
        self.tabs = QTabWidget(self)
        self.tabs.setObjectName('tabs')
        layout.addWidget(self.tabs)
        self._add_tab(self._bookfusion_tab, _('&BookFusion'))
        self._add_tab(self._columns_tab, _('C&olumns'))
        self._add_tab(self._hardcover_tab, _('&Hardcover'))
        self._add_tab(self._booklore_tab, _('Book&Lore'))
        self._add_tab(self._automatic_tab, _('&Automatic'))
        self._show_accounts()
        self._check_booklore_address()
        self._initial_values = self.values()

    def sizeHint(self) -> QSize:
        return QSize(640, 460)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._check_booklore_address()

    def _add_tab(self, fill: Any, title: str) -> None:
        """Add a page with its own scroll bars: only Calibre 6.26 and later put the form into a scroll area (seen)."""
        page = QWidget(self)
        form = QFormLayout(page)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.setRowWrapPolicy(QFormLayout.RowWrapPolicy.WrapLongRows)
        fill(page, form)
        scroll = QScrollArea(self)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidget(page)
        self.tabs.addTab(scroll, title)

    def _bookfusion_tab(self, page: QWidget, form: QFormLayout) -> None:
        self.email = line_edit('email', self.loaded.email, _('The email address of your BookFusion account'), page)
        add_row(form, _('&Email:'), self.email)
        self.password = PasswordEdit('password', _('The password of your BookFusion account'), page)
        self.password.edit.setText(self.loaded.password.reveal())
        add_row(form, _('&Password:'), self.password)
        self.sign_in = push_button(
            'sign_in',
            _('S&ign in with a browser…'),
            _('For accounts of every kind; no password is stored'),
            self._sign_in,
            page,
        )
        self.sign_out = push_button(
            'sign_out', _('Sign o&ut'), _('Forget the sign-in with a browser'), self._sign_out, page
        )
        form.addRow('', _button_row(self.sign_in, self.sign_out))
        self.signed_in = Notice('signed_in', page)
        form.addRow('', self.signed_in)
        self.test_connection = push_button(
            'test_connection',
            _('&Test Connection…'),
            _('Sign in, look at one page, and say what was found. What you have entered need not be saved'),
            lambda: self._test('everything'),
            page,
        )
        self.test_connection.setEnabled(self.jobs is not None)
        form.addRow('', _button_row(self.test_connection))
        self.page_size = self._page_size_box(page)
        add_row(form, _('&Records per page:'), self.page_size)

    def _page_size_box(self, page: QWidget) -> QSpinBox:
        box = QSpinBox(page)
        box.setObjectName('page_size')
        smallest, largest = settings.RANGES['page_size']
        box.setRange(int(smallest), int(largest))
        box.setValue(self.loaded.page_size)
        box.setToolTip(
            _(
                'How many records BookFusion is asked for at once; after a sign-in with a browser never more than 100. '
                'Rarely worth a change'
            )
        )
        return box

    def _columns_tab(self, page: QWidget, form: QFormLayout) -> None:
        if self.library is None:
            words = _('Open a library to choose its columns.')
        else:
            words = _('These columns are for the library {name}.').format(name=self.library.name)
        form.addRow(plain_label(words, page, 'library_name'))
        for row in SYNC_COLUMNS:
            self._add_column_box(row, page, form)
        self.completed_threshold = self._threshold_box(page)
        add_row(form, _('Completed &from:'), self.completed_threshold)
        self.keep_newer_date = check_box(
            'keep_newer_date',
            _("&Keep a date in Calibre that is newer than BookFusion's"),
            _('Otherwise the date of BookFusion always replaces the one in Calibre'),
            self.loaded.keep_newer_date,
            page,
        )
        form.addRow('', self.keep_newer_date)

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

    def _add_column_box(self, row: ColumnRow, page: QWidget, form: QFormLayout) -> None:
        """Add a form row for choosing a column, and one for what is wrong with it. It offers the right types only."""
        box = ColumnBox(row.key, row.tip.translated(_, ngettext), page)
        first_text = row.first_entry.translated(_, ngettext)
        box.fill(usable_columns(row, self.columns), self.loaded.columns[row.key], first_text, row.built_in)
        add_row(form, row.label.translated(_, ngettext), box)
        self._boxes[row.key] = box
        box.currentIndexChanged.connect(lambda _place: self._mark(row))
        mark = self._marks[row.key] = Notice(f'{row.key}_mark', page)
        form.addRow('', mark)

    def _mark(self, row: ColumnRow) -> None:
        """Show a hint below the box of a column that cannot be used, or that the account cannot fill."""
        chosen, words, icon = self._boxes[row.key].chosen, '', 'dialog_warning.png'
        if chosen and self.library is not None:
            words = self._column_problem(row, chosen)
        if chosen and not words and row.user_api_only is not None and not self._has_token:
            # The private API, which email and password sign in to, lacks the data for this column.
            words, icon = row.user_api_only.hint.translated(_, ngettext), 'dialog_information.png'
        self._marks[row.key].say(words, icon)

    def _column_problem(self, row: ColumnRow, name: str) -> str:
        assert self.library is not None
        chosen = {**self.loaded.columns, **self.chosen_columns()}
        state = state_of(row, chosen, self.columns, self.library.columns_awaiting_restart())
        if state is ColumnState.AWAITING_RESTART:
            return _('{column} can be used after a restart of Calibre.').format(column=name)
        if state is ColumnState.MISSING:
            return _('{column} does not exist in this library.').format(column=name)
        wanted = row.type_name.translated(_, ngettext)
        if state is ColumnState.COMPUTED:
            return _(
                '{column} is computed (built from other columns) and cannot be written. '
                'A column of type {type} is needed.'
            ).format(column=name, type=wanted)
        if state is ColumnState.WRONG_TYPE:
            return _('{column} has the wrong type. A column of type {type} is needed.').format(column=name, type=wanted)
        return ''

    def _hardcover_tab(self, page: QWidget, form: QFormLayout) -> None:
        self.hardcover_account = Notice('hardcover_account', page)
        form.addRow(self.hardcover_account)
        self.configure_hardcover = push_button(
            'configure_hardcover',
            _('Configure acco&unt…'),
            _('Load the key of your Hardcover account, and see whose it is'),
            self._configure_hardcover,
            page,
        )
        self.configure_hardcover.setEnabled(self.jobs is not None)
        form.addRow(_button_row(self.configure_hardcover))
        self._add_column_box(ROW_OF_KEY['rating_column'], page, form)
        self.hardcover_restriction = RestrictionEdit(
            'hardcover_restriction',
            self.loaded.hardcover_restriction,
            _(
                'A search, as in the search box of Calibre. Only the books that it finds are looked up on Hardcover '
                'or sent there. Empty: all books'
            ),
            self.library,
            page,
        )
        self.hardcover_restriction.judged.connect(self._update_ok_button)
        add_row(form, _('Onl&y these books:'), self.hardcover_restriction)
        self.hardcover_add_unshelved = check_box(
            'hardcover_add_unshelved',
            _('A&dd rated books that are on no Hardcover shelf'),
            _('They are added as Read, with the date from the Last Read Column'),
            self.loaded.hardcover_add_unshelved,
            page,
        )
        form.addRow('', self.hardcover_add_unshelved)
        self.hardcover_clear_ratings = check_box(
            'hardcover_clear_ratings',
            _('&Clear ratings on Hardcover that Calibre does not have'),
            _('Otherwise a book without a rating in Calibre keeps the one it has on Hardcover'),
            self.loaded.hardcover_clear_ratings,
            page,
        )
        form.addRow('', self.hardcover_clear_ratings)

    def _booklore_tab(self, page: QWidget, form: QFormLayout) -> None:
        form.addRow(
            plain_label(
                _(
                    'A BookLore server can tell the Hardcover ids of its books. '
                    'Leave the address empty if you have none.'
                ),
                page,
            )
        )
        self.booklore_url = line_edit(
            'booklore_url',
            self.loaded.booklore_url,
            _('The address of the server, such as https://books.example.org'),
            page,
        )
        add_row(form, _('Server a&ddress:'), self.booklore_url)
        self.booklore_warning = Notice('booklore_warning', page)
        form.addRow('', self.booklore_warning)
        self.booklore_username = line_edit(
            'booklore_username', self.loaded.booklore_username, _('The user name on that server'), page
        )
        add_row(form, _('User &name:'), self.booklore_username)
        self.booklore_password = PasswordEdit('booklore_password', _('The password on that server'), page)
        self.booklore_password.edit.setText(self.loaded.booklore_password.reveal())
        add_row(form, _('&Password:'), self.booklore_password)
        self.test_booklore = push_button(
            'test_booklore',
            _('&Test Connection…'),
            _('Log in to the server and count its books. What you have entered need not be saved'),
            lambda: self._test('booklore'),
            page,
        )
        form.addRow('', _button_row(self.test_booklore))
        self.booklore_url.textChanged.connect(self._check_booklore_address)

    def _automatic_tab(self, page: QWidget, form: QFormLayout) -> None:
        self.auto_sync_hours = QDoubleSpinBox(page)
        self.auto_sync_hours.setObjectName('auto_sync_hours')
        self.auto_sync_hours.setRange(0, settings.RANGES['auto_sync_hours'][1])
        self.auto_sync_hours.setDecimals(1)
        self.auto_sync_hours.setSpecialValueText(_('Never'))
        self.auto_sync_hours.setSuffix(_(' hours'))
        self.auto_sync_hours.setValue(self.loaded.auto_sync_hours)
        self.auto_sync_hours.setToolTip(_('Sync by itself at start and then every so many hours while Calibre is open'))
        add_row(form, _('&Sync every:'), self.auto_sync_hours)
        form.addRow(
            plain_label(
                _(
                    'A sync by itself runs when Calibre starts and then every so many hours. It is silent '
                    'unless a book changed or something failed; then the status bar says so.'
                ),
                page,
            )
        )

    def _saved_settings(self) -> Settings:
        """Read the saved settings. If that fails, show an error and return the settings from the form's start."""
        try:
            return settings.load(self.library.api if self.library else None).settings
        except BackSyncError as error:
            error_dialog(self, _('Settings not read'), error.sentence.translated(_, ngettext), show=True)
            return self.loaded

    def _show_accounts(self) -> None:
        """Show the state of the browser sign-in and of the Hardcover account, which have no form fields."""
        saved = self._saved_settings()
        signed_in = self._has_token = bool(saved.bookfusion_token)
        if signed_in:
            self.signed_in.say(_('Signed in with a browser; email and password are not used.'), 'ok.png')
        else:
            self.signed_in.say(_('Not signed in with a browser.'), 'dialog_information.png')
        self.sign_out.setEnabled(signed_in)
        # With a browser sign-in no password is needed, so none should be entered by mistake.
        self.password.setEnabled(not signed_in)
        for row in COLUMNS:
            self._mark(row)
        if saved.hardcover_token:
            self.hardcover_account.say(_('A Hardcover account is set up.'), 'ok.png')
        else:
            self.hardcover_account.say(_('No Hardcover account is set up yet.'), 'dialog_information.png')

    def _sign_in(self) -> None:
        from .gui.sign_in_dialog import sign_in

        if sign_in(self) and not self._saved_settings().password:
            # The user has chosen to erase the stored password; saving the form must not restore it.
            self.password.edit.clear()
        self._show_accounts()

    def _sign_out(self) -> None:
        from .gui.sign_in_dialog import sign_out

        sign_out(self)
        self._show_accounts()

    def _configure_hardcover(self) -> None:
        from .gui.hardcover_account_dialog import AccountDialog

        assert self.jobs is not None
        dialog = AccountDialog(self.window(), self.jobs)
        dialog.start()
        dialog.exec()
        dialog.deleteLater()
        self._show_accounts()

    def _test(self, what: str) -> None:
        from .gui.check_dialog import run_check

        assert self.jobs is not None
        run_check(self.window(), self.jobs, self.current_settings(), what)

    def current_settings(self) -> Settings:
        """The saved settings, overridden by the values in the form."""
        saved = self._saved_settings()
        form: dict[str, Any] = {**self.values(), **self.library_values()}
        secret = {key: Secret(form[key]) for key in ('password', 'booklore_password')}
        return saved.with_values({**form, **secret})

    def _check_booklore_address(self) -> None:
        """Show a warning if the BookLore address is unencrypted or invalid. An invalid one also disables OK."""
        address = self.booklore_url.text().strip()
        words, usable = '', True
        if address:
            try:
                if goes_in_the_clear(checked_address(address)):
                    words = _(
                        'This address is not encrypted: everybody on the network between here and the server can read '
                        'the password.'
                    )
            except BackSyncError as error:
                words, usable = error.sentence.translated(_, ngettext), False
        self.booklore_warning.say(words)
        self.test_booklore.setEnabled(bool(address) and usable and self.jobs is not None)
        self._booklore_trouble = '' if usable else words
        self._update_ok_button()

    def _troubles(self) -> dict[QWidget, str]:
        """The error message for every field that may have an invalid value, '' if its value is valid."""
        return {
            self.hardcover_restriction: self.hardcover_restriction.trouble,
            self.booklore_url: self._booklore_trouble,
        }

    def _update_ok_button(self) -> None:
        """Disable OK and show a warning icon on the tab while a field has an invalid value.

        Calibre closes its dialog before it calls `validate`, so a refusal there would lose all input.
        """
        troubles = self._troubles()
        for place in range(self.tabs.count()):
            page = self.tabs.widget(place)
            marked = page is not None and any(words and page.isAncestorOf(field) for field, words in troubles.items())
            self.tabs.setTabIcon(place, QIcon.ic('dialog_warning.png') if marked else QIcon())
        words = next(filter(None, troubles.values()), '')
        box = self.window().findChild(QDialogButtonBox)
        ok = box.button(QDialogButtonBox.StandardButton.Ok) if box is not None else None
        if ok is not None:
            ok.setEnabled(not words)
            ok.setToolTip(plain_tip(words))

    def values(self) -> dict[str, object]:
        """The values in the form by key, without the settings that belong to the library."""
        return {
            'email': self.email.text().strip(),
            'password': self.password.edit.text(),
            'page_size': self.page_size.value(),
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
        """The chosen columns: lookup names by key, '' for none."""
        return {key: box.chosen for key, box in self._boxes.items()}

    def library_values(self) -> dict[str, str]:
        """The values of the settings that belong to the library, by key."""
        return {**self.chosen_columns(), 'hardcover_restriction': self.hardcover_restriction.search}

    def changed(self) -> Mapping[str, object]:
        """The values that the user has changed. Only these are saved.

        They are compared with the form's initial values, not with the settings: a field may have fewer decimals than
        the file, which is no change.
        """
        return {key: value for key, value in self.values().items() if value != self._initial_values[key]}

    def validate(self) -> bool:
        """Called by Calibre before saving. Shows an error and returns False if a value cannot be saved."""
        self.hardcover_restriction.judge()
        titles = {self.hardcover_restriction: _('Search not usable'), self.booklore_url: _('Address not usable')}
        for field, words in self._troubles().items():
            if words:
                error_dialog(self, titles[field], plain_tip(words), show=True)
                return False
        return True

    def save_settings(self) -> None:
        """Save changed values to the file, and the library's settings to the library and the file.

        Shows an error if that fails.
        """
        try:
            if changed := self.changed():
                settings.save(changed)
            if self.library is not None:
                save_for_library(self.library.api, self.library_values())
        except BackSyncError as error:
            error_dialog(self, _('Settings not saved'), error.sentence.translated(_, ngettext), show=True)


def make_form() -> ConfigWidget | tuple[str, str]:
    """The form, or (message, details), which Calibre shows instead, if the settings cannot be read."""
    try:
        return ConfigWidget()
    except BackSyncError as error:
        return error.sentence.translated(_, ngettext), ''


def _main_window() -> Any:
    """Calibre's main window, None if there is none or it has no library yet."""
    from calibre.gui2.ui import get_gui

    gui = get_gui()
    return gui if getattr(gui, 'library_view', None) is not None else None


def _open_library() -> Library | None:
    gui = _main_window()
    return Library(gui.current_db.new_api) if gui is not None else None


def _open_jobs() -> Jobs | None:
    gui = _main_window()
    action = gui.iactions.get(PLUGIN_NAME) if gui is not None else None
    jobs: Jobs | None = action.jobs if action is not None else None
    return jobs


def _button_row(*buttons: QWidget) -> QHBoxLayout:
    row = QHBoxLayout()
    for button in buttons:
        row.addWidget(button)
    row.addStretch(1)
    return row
