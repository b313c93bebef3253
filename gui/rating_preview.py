# SPDX-License-Identifier: GPL-3.0-or-later
"""PushPreview: what a push of ratings would change on Hardcover, a check box a book, before anything is sent.

Shows a plan and says what of it was ticked; sends nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from calibre.ebooks.metadata import rating_to_stars
from calibre.gui2 import question_dialog, rating_font
from calibre.utils.date import format_date
from qt.core import (
    QAbstractTableModel,
    QCheckBox,
    QFont,
    QHBoxLayout,
    QHeaderView,
    QKeyEvent,
    QLabel,
    QModelIndex,
    QSortFilterProxyModel,
    Qt,
    QTableView,
    QVBoxLayout,
    QWidget,
    pyqtSignal,
)

from ..base.durations import duration_words
from ..base.text import Text, counted
from ..rules.hardcover_records import Action, Cost, PlannedPush, RatingChange
from ..rules.rating_plan import MANY_FOR_A_FEED
from .widgets import Notice, plain_tip, push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

BOOK, IN_CALIBRE, ON_HARDCOVER, WHAT_HAPPENS = range(4)
SORT_VALUE = Qt.ItemDataRole.UserRole
BOOK_WIDTH, STARS_WIDTH = 300, 90


def shown_stars(stars: float | None) -> str:
    """Stars as Calibre draws them."""
    return rating_to_stars(stars * 2, True) if stars else ''


def spoken_stars(stars: float | None) -> str:
    """Stars in words, for tooltips and for who cannot see them."""
    if not stars:
        return _('not rated')
    return ngettext('{stars} star', '{stars} stars', 1 if stars == 1 else 2).format(stars=f'{stars:g}')


def cost_words(cost: Cost) -> Text:
    """How many requests sending takes, and how long."""
    return counted(
        '{count} request, about {wait}',
        '{count} requests, about {wait}',
        cost.requests,
        wait=duration_words(cost.seconds),
    )


def what_happens(change: RatingChange) -> str:
    """In words what is done with a book, and for one that is left alone why."""
    words = change.action.words.translated(_, ngettext)
    if change.action is Action.SKIP:
        why = change.why.translated(_, ngettext)
        return _('{what}. {why}').format(what=words, why=why) if why else words
    if change.action is Action.ADD and change.read_on is not None:
        return _('{what}, read on {day}').format(what=words, day=format_date(change.read_on, 'dd MMM yyyy'))
    return words


class PreviewModel(QAbstractTableModel):
    """The changes of a plan, ticked, and after them the books that are left alone."""

    ticks_changed = pyqtSignal()

    def __init__(self, changes: Sequence[RatingChange], skipped: Sequence[RatingChange]) -> None:
        super().__init__()
        self.rows = [*changes, *skipped]
        self.ticks = [True] * len(changes) + [False] * len(skipped)
        self._stars_font = QFont(rating_font())

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else 4

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and orientation == Qt.Orientation.Horizontal:
            return (_('Book'), _('Calibre'), _('Hardcover'), _('What will happen'))[section]
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        common = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
        checkable = index.column() == BOOK and self.rows[index.row()].action is not Action.SKIP
        return common | Qt.ItemFlag.ItemIsUserCheckable if checkable else common

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        change, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._words(change, column)
        if role == Qt.ItemDataRole.CheckStateRole and column == BOOK and change.action is not Action.SKIP:
            return Qt.CheckState.Checked if self.ticks[index.row()] else Qt.CheckState.Unchecked
        if role == Qt.ItemDataRole.FontRole and column in (IN_CALIBRE, ON_HARDCOVER):
            return self._stars_font
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            if column in (IN_CALIBRE, ON_HARDCOVER):
                return spoken_stars(self._stars(change, column))
            words = self._words(change, column)
            return plain_tip(words) if role == Qt.ItemDataRole.ToolTipRole else words
        if role == SORT_VALUE:
            return self._sort_value(change, column)
        return None

    def _stars(self, change: RatingChange, column: int) -> float | None:
        return change.calibre_stars if column == IN_CALIBRE else change.hardcover_stars

    def _words(self, change: RatingChange, column: int) -> str:
        if column == BOOK:
            return change.title
        return what_happens(change) if column == WHAT_HAPPENS else shown_stars(self._stars(change, column))

    def _sort_value(self, change: RatingChange, column: int) -> object:
        if column in (IN_CALIBRE, ON_HARDCOVER):
            return self._stars(change, column) or 0.0
        return self._words(change, column).casefold()

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole or self.rows[index.row()].action is Action.SKIP:
            return False
        self.ticks[index.row()] = Qt.CheckState(value) == Qt.CheckState.Checked
        self.dataChanged.emit(index, index, [role])
        self.ticks_changed.emit()
        return True

    def tick_all(self, ticked: bool) -> None:
        self.ticks = [ticked and change.action is not Action.SKIP for change in self.rows]
        if self.rows:
            self.dataChanged.emit(
                self.index(0, BOOK), self.index(len(self.rows) - 1, BOOK), [Qt.ItemDataRole.CheckStateRole]
            )
        self.ticks_changed.emit()

    def toggle(self, rows: Sequence[int]) -> None:
        """Ticks these rows; where all of them are ticked already, takes the ticks away."""
        rows = [row for row in rows if self.rows[row].action is not Action.SKIP]
        ticked = not all(self.ticks[row] for row in rows)
        for row in rows:
            self.ticks[row] = ticked
            self.dataChanged.emit(self.index(row, BOOK), self.index(row, BOOK), [Qt.ItemDataRole.CheckStateRole])
        self.ticks_changed.emit()

    @property
    def ticked(self) -> list[RatingChange]:
        return [change for change, ticked in zip(self.rows, self.ticks, strict=True) if ticked]


class PreviewRows(QSortFilterProxyModel):
    """Sorts by what is meant rather than by what is shown, and hides the books that are left alone."""

    def __init__(self, model: PreviewModel) -> None:
        super().__init__()
        self.show_skipped = False
        self._model = model
        self.setSourceModel(model)
        self.setSortRole(SORT_VALUE)

    def filterAcceptsRow(self, row: int, parent: QModelIndex) -> bool:
        return self.show_skipped or self._model.rows[row].action is not Action.SKIP

    def set_show_skipped(self, shown: bool) -> None:
        self.show_skipped = shown
        self.invalidateFilter()


class CheckTable(QTableView):
    """A table in which the space bar ticks all selected rows, whatever column is the current one."""

    space_pressed = pyqtSignal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            self.space_pressed.emit()
        else:
            super().keyPressEvent(event)


class PushPreview(QWidget):
    """`accepted(list of RatingChange)` carries what is to be sent; `rejected` comes when nothing is."""

    accepted = pyqtSignal(list)
    rejected = pyqtSignal()

    def __init__(self, parent: QWidget, planned: PlannedPush) -> None:
        super().__init__(parent)
        self._planned = planned
        self.model = PreviewModel(planned.plan.changes, planned.plan.skipped)
        self.rows = PreviewRows(self.model)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.summary = QLabel(self)
        self.summary.setObjectName('summary')
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setWordWrap(True)
        self.warning = Notice('warning', self, large=True)
        if planned.warning is not None:
            self.warning.say(planned.warning.translated(_, ngettext), 'dialog_warning.png')
        self.view = self._make_view()
        for widget in (self.summary, self.warning):
            layout.addWidget(widget)
        layout.addWidget(self.view, 1)
        self.cost = QLabel(self)
        self.cost.setObjectName('cost')
        self.cost.setTextFormat(Qt.TextFormat.PlainText)
        layout.addLayout(self._choices_row())
        layout.addLayout(self._buttons_row())
        # Keeps the sentences at the top where there is no table.
        layout.addStretch(0)
        self.model.ticks_changed.connect(self._update)
        self._update()
        if not planned.plan.changes:
            self._nothing_to_send()

    def _make_view(self) -> CheckTable:
        view = CheckTable(self)
        view.setObjectName('changes')
        view.setAccessibleName(_('Ratings that differ'))
        view.setModel(self.rows)
        view.verticalHeader().hide()
        view.setAlternatingRowColors(True)
        view.setShowGrid(False)
        view.setWordWrap(False)
        view.setTabKeyNavigation(False)
        view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        view.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        view.setSortingEnabled(True)
        view.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        view.horizontalHeader().setStretchLastSection(True)
        view.setColumnWidth(BOOK, BOOK_WIDTH)
        view.setColumnWidth(IN_CALIBRE, STARS_WIDTH)
        view.setColumnWidth(ON_HARDCOVER, STARS_WIDTH)
        view.space_pressed.connect(self._toggle_selected)
        return view

    def _toggle_selected(self) -> None:
        selected = self.view.selectionModel().selectedRows()
        self.model.toggle([self.rows.mapToSource(index).row() for index in selected])

    def _choices_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.all_button = push_button(
            'tick_all', _('Tick &all'), _('Send all of them'), lambda: self.model.tick_all(True), self
        )
        self.none_button = push_button(
            'tick_none', _('Tick &none'), _('Send none of them'), lambda: self.model.tick_all(False), self
        )
        for button in (self.all_button, self.none_button):
            row.addWidget(button)
        count = len(self._planned.plan.skipped)
        self.show_skipped = QCheckBox(
            ngettext('Sho&w {count} book that is left alone', 'Sho&w {count} books that are left alone', count).format(
                count=count
            ),
            self,
        )
        self.show_skipped.setObjectName('show_skipped')
        self.show_skipped.setVisible(bool(count))
        self.show_skipped.toggled.connect(self.rows.set_show_skipped)
        row.addWidget(self.show_skipped)
        row.addStretch(1)
        row.addWidget(self.cost)
        return row

    def _buttons_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.send = push_button('send', _('&Send'), _('Send what is ticked to Hardcover'), self._send, self, 'ok.png')
        self.close_button = push_button(
            'cancel_push', _('&Cancel'), _('Send nothing'), self.rejected.emit, self, 'window-close.png'
        )
        row.addStretch(1)
        row.addWidget(self.send)
        row.addWidget(self.close_button)
        for button in (self.send, self.close_button):
            # Return presses the one that has the focus.
            button.setAutoDefault(True)
        self.send.setDefault(True)
        return row

    def _nothing_to_send(self) -> None:
        """Only the reasons why are worth a look then."""
        self.show_skipped.setChecked(True)
        for widget in (self.all_button, self.none_button, self.send, self.show_skipped):
            widget.hide()
        self.view.setVisible(bool(self._planned.plan.skipped))
        self.close_button.setText(_('&Close'))
        self.close_button.setToolTip('')
        self.close_button.setDefault(True)

    def _update(self) -> None:
        plan = self._planned.plan
        ticked = self.model.ticked
        self.summary.setText(summary_of(self._planned))
        self.send.setEnabled(bool(ticked))
        self.all_button.setEnabled(len(ticked) < len(plan.changes))
        self.none_button.setEnabled(bool(ticked))
        self.send.setText(
            ngettext('&Send {count} rating', '&Send {count} ratings', len(ticked)).format(count=len(ticked))
        )
        words = cost_words(self._planned.cost_of(ticked)).translated(_, ngettext) if ticked else ''
        self.cost.setText(words)

    def _send(self) -> None:
        ticked = self.model.ticked
        warning = self._planned.warning
        if (
            warning is not None
            and len(ticked) >= MANY_FOR_A_FEED
            and not question_dialog(
                self,
                _('Send many ratings?'),
                _('{warning} Send {count} ratings now?').format(
                    warning=replace(warning, count=len(ticked)).translated(_, ngettext), count=len(ticked)
                ),
                yes_text=_('&Send'),
                no_text=_('&Back'),
            )
        ):
            return
        self.accepted.emit(ticked)


def summary_of(planned: PlannedPush) -> str:
    """How many ratings differ, how many are the same, and whose account they go to."""
    plan = planned.plan
    if not plan.changes:
        return _('There is nothing to send: no rating in Calibre differs from the one on Hardcover.')
    differ = ngettext(
        '{count} rating differs from the one on Hardcover',
        '{count} ratings differ from those on Hardcover',
        len(plan.changes),
    ).format(count=len(plan.changes))
    same = ngettext('{count} is the same', '{count} are the same', plan.unchanged).format(count=plan.unchanged)
    return _('{differ}, {same}. Account: {account}').format(differ=differ, same=same, account=planned.account.username)
