# SPDX-License-Identifier: GPL-3.0-or-later
"""The Hardcover submenu of the toolbar button. Its entries ask the necessary questions and open the windows.

Other modules are imported only when an entry is chosen, so that Calibre starts quickly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from qt.core import QIcon, QMenu

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

    from ..base.errors import BackSyncError
    from .job_runner import Jobs

load_translations()


def build_hardcover_menu(action: Any, menu: QMenu) -> HardcoverMenu:
    """Add the submenu to the menu of an interface action. The caller must keep a reference to the result."""
    return HardcoverMenu(action, menu)


class HardcoverMenu:
    """The submenu. It opens one window at a time."""

    def __init__(self, action: Any, menu: QMenu) -> None:
        self._action = action
        self._dialog: Any = None
        self.menu = menu.addMenu(QIcon.ic('rating.png'), _('&Hardcover'))
        self._entry(
            'configure Hardcover account',
            _('Configure Hardcover &Account'),
            'user_profile.png',
            _('Load the key of your Hardcover account, and see whose it is'),
            self.configure_account,
        )
        self._entry(
            'fetch Hardcover ids',
            _('&Fetch Hardcover Book IDs'),
            'identifiers.png',
            _('Find the books on Hardcover and store their ids'),
            self.fetch_ids,
        )
        self._entry(
            'change Hardcover match',
            _('&Change or unlink match…'),
            'edit_input.png',
            _('Choose another book on Hardcover for the selected book, or none'),
            self.change_match,
        )
        self._entry(
            'ask again about skipped books',
            _('Ask about &skipped books again'),
            'view-refresh.png',
            _('Let Fetch Hardcover Book IDs ask about books that were skipped'),
            self.ask_again,
        )
        self.menu.addSeparator()
        self._entry(
            'push ratings',
            _('&Push ratings…'),
            'rating.png',
            _('Show which ratings differ on Hardcover, and send them'),
            self.push_ratings,
        )
        self._entry(
            'undo last push',
            _('&Undo last push'),
            'edit-undo.png',
            _('Put back the ratings that the last push replaced on Hardcover'),
            self.undo_push,
        )

    def _entry(self, unique_name: str, words: str, icon: str, tip: str, triggered: Callable[[], None]) -> None:
        self._action.create_menu_action(
            self.menu, unique_name, words, icon=icon, description=tip, triggered=lambda: triggered()
        )

    @property
    def _gui(self) -> Any:
        return self._action.gui

    @property
    def _jobs(self) -> Jobs:
        jobs: Jobs = self._action.jobs
        return jobs

    def configure_account(self) -> None:
        from .hardcover_account_dialog import AccountDialog

        self._open(lambda: AccountDialog(self._gui, self._jobs))

    def fetch_ids(self) -> None:
        self._showing_errors(self._fetch_ids)

    def _fetch_ids(self) -> None:
        if not self._has_account():
            return
        accepted, ids = self._ask_scope(_('Fetch Hardcover Book IDs'), _('Look up Hardcover ids of:'))
        if accepted:
            from .hardcover_dialogs import FetchDialog

            self._open(lambda: FetchDialog(self._gui, self._jobs, ids))

    def change_match(self) -> None:
        self._showing_errors(self._change_match)

    def _change_match(self) -> None:
        selected = self._selected()
        if len(selected) != 1:
            self._show_message(
                _('No book chosen'), _('Select the one book whose match on Hardcover you want to change.')
            )
            return
        book = self._jobs.library().books(selected).get(selected[0])
        if book is not None:
            from .hardcover_dialogs import ChangeDialog

            self._open(lambda: ChangeDialog(self._gui, self._jobs, book))

    def ask_again(self) -> None:
        self._showing_errors(self._ask_again)

    def _ask_again(self) -> None:
        from calibre.gui2 import question_dialog

        from ..hardcover import ask_again, skipped_books

        opener = self._jobs.library_opener()
        count = len(skipped_books(opener))
        if not count:
            self._show_message(_('No skipped books'), _('No book of this library was skipped.'))
            return
        if question_dialog(
            self._gui,
            _('Ask about skipped books again?'),
            ngettext(
                '{count} book was skipped, unlinked or not found. Ask about it again at the next fetch?',
                '{count} books were skipped, unlinked or not found. Ask about them again at the next fetch?',
                count,
            ).format(count=count),
        ):
            ask_again(opener)

    def push_ratings(self) -> None:
        self._showing_errors(self._push_ratings)

    def _push_ratings(self) -> None:
        if not self._has_account():
            return
        accepted, ids = self._ask_scope(_('Push ratings'), _('Compare with Hardcover the ratings of:'))
        if accepted:
            from .hardcover_dialogs import PushDialog

            self._open(lambda: PushDialog(self._gui, self._jobs, ids))

    def undo_push(self) -> None:
        self._showing_errors(self._undo_push)

    def _undo_push(self) -> None:
        from calibre.gui2 import question_dialog
        from calibre.utils.date import format_date

        from ..hardcover import push_to_undo

        push = push_to_undo(self._jobs.library_opener())
        if push is None:
            self._show_message(_('Nothing to undo'), _('There is no push left to undo.'))
            return
        count = len(push.changes)
        if question_dialog(
            self._gui,
            _('Undo the last push?'),
            ngettext(
                'The push of {moment} sent {count} rating. Put back what was on Hardcover before?',
                'The push of {moment} sent {count} ratings. Put back what was on Hardcover before?',
                count,
            ).format(count=count, moment=format_date(push.when, 'dd MMM yyyy hh:mm')),
        ):
            from .hardcover_dialogs import UndoPushDialog

            self._open(lambda: UndoPushDialog(self._gui, self._jobs))

    def _selected(self) -> list[int]:
        return list(self._gui.library_view.get_selected_ids())

    def _ask_scope(self, title: str, question: str) -> tuple[bool, Collection[int] | None]:
        """Ask for which books a job is meant. Returns (accepted, book ids); None as the ids stands for all books."""
        selected = self._selected()
        if not selected:
            return True, None
        from .restriction import counts_note
        from .scope_dialog import ScopeDialog

        library = self._jobs.library()
        everything = len(library.api.all_book_ids())
        note = counts_note(library, selected)
        dialog = ScopeDialog(self._gui, title, question, len(selected), everything, note)
        accepted = dialog.exec() == ScopeDialog.DialogCode.Accepted
        ids = selected if dialog.selected.isChecked() else None
        dialog.deleteLater()
        return accepted, ids

    def _has_account(self) -> bool:
        """True if a Hardcover key is set up. Otherwise the user is offered to set one up now."""
        from calibre.gui2 import question_dialog

        from ..base.settings import load

        if load().settings.hardcover_token:
            return True
        if question_dialog(
            self._gui,
            _('No Hardcover account'),
            _('No Hardcover account is set up yet. Set it up now?'),
            yes_text=_('&Set up'),
            no_text=_('&Cancel'),
        ):
            self.configure_account()
        return False

    def _open(self, make: Callable[[], Any]) -> None:
        """Open a window and start its job. If another window still runs a job, bring that one to the front instead."""
        if self._dialog is not None and not self._dialog.running:
            self._dialog.close()
        if self._dialog is None:
            dialog = self._dialog = make()
            dialog.finished.connect(lambda result: self._closed(dialog))
            dialog.show()
            dialog.start()
        self._dialog.raise_()
        self._dialog.activateWindow()

    def _closed(self, dialog: Any) -> None:
        if self._dialog is dialog:
            self._dialog = None
        dialog.deleteLater()

    def _show_message(self, title: str, words: str) -> None:
        from calibre.gui2 import info_dialog

        info_dialog(self._gui, title, words, show=True, show_copy_button=False)

    def _showing_errors(self, do: Callable[[], None]) -> None:
        from ..base.errors import BackSyncError

        try:
            do()
        except BackSyncError as error:
            self._show_error(error)

    def _show_error(self, error: BackSyncError) -> None:
        from calibre.gui2 import error_dialog

        from .widgets import plain_tip

        error_dialog(self._gui, _('Hardcover'), plain_tip(error.sentence.translated(_, ngettext)), show=True)
