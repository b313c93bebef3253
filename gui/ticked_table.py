# SPDX-License-Identifier: GPL-3.0-or-later
"""TickedTable: a table with a check box in each row, for previews. It can be sorted and filtered.

A preview supplies the rows and the columns. The contents of a cell are computed only when the cell is shown, so that
tens of thousands of rows open as fast as ten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from calibre.utils.icu import sort_key as text_sort_key
from qt.core import (
    QAbstractItemView,
    QAbstractTableModel,
    QFont,
    QHBoxLayout,
    QHeaderView,
    QIcon,
    QKeyEvent,
    QLabel,
    QLineEdit,
    QMenu,
    QModelIndex,
    QPoint,
    QPushButton,
    QSortFilterProxyModel,
    Qt,
    QTableView,
    QWidget,
    pyqtSignal,
)

from ..base.text import one_line
from .widgets import plain_tip, push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations

load_translations()

# The column that has the check boxes.
FIRST = 0
# Rows that are measured to fit a column to its contents. More rows would take longer and rarely change the width.
MEASURED_ROWS = 100
NO_INDEX = QModelIndex()
TICKED, UNTICKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked
TICK_ICON, UNTICK_ICON = 'plus.png', 'minus.png'

Row = TypeVar('Row')


@dataclass(frozen=True)
class TableColumn(Generic[Row]):
    """A column of the table.

    Attributes:
        heading: the column's heading.
        words: the text of a row's cell, which the filter searches too.
        sort_key: the sort key of a row; by default the text, in the order of the user's language.
        spoken: the text for tooltips and screen readers, if it differs from `words`.
        font: the font, if it differs from the table's.
        characters: the initial width in characters, at least that of the heading; 0 fits the first MEASURED_ROWS rows.
    """

    heading: str
    words: Callable[[Row], str]
    sort_key: Callable[[Row], Any] | None = None
    spoken: Callable[[Row], str] | None = None
    font: QFont | None = None
    characters: int = 0


class TickedModel(QAbstractTableModel, Generic[Row]):
    """The rows with their ticks. Sorting is done here, in a tenth of the time that a proxy model needs (measured).

    `can_tick` tells which rows have a check box and `starts_ticked` which of these are ticked at first; None means all.
    Row numbers count the rows as sorted, without the filter.

    Signals:
        ticks_changed(): ticks were set or cleared; emitted once for any number of rows.
    """

    ticks_changed = pyqtSignal()

    def __init__(
        self,
        rows: Sequence[Row],
        columns: Sequence[TableColumn[Row]],
        parent: QWidget,
        can_tick: Callable[[Row], bool] | None = None,
        starts_ticked: Callable[[Row], bool] | None = None,
    ) -> None:
        super().__init__(parent)
        self._rows = rows
        self._columns = columns
        self._order = list(range(len(rows)))
        self._tickable = bytes(can_tick is None or can_tick(row) for row in rows)
        self._ticks = bytearray(
            tickable and (starts_ticked is None or starts_ticked(row))
            for row, tickable in zip(rows, self._tickable, strict=True)
        )
        self._haystacks: dict[int, str] = {}
        self.ticked_count = sum(self._ticks)
        self.tickable_count = sum(self._tickable)

    def rowCount(self, parent: QModelIndex = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self._columns)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self._columns[section].heading
        return None

    def row(self, number: int) -> Row:
        return self._rows[self._order[number]]

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row, column = self.row(index.row()), self._columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return one_line(column.words(row))
        if role == Qt.ItemDataRole.FontRole:
            return column.font
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            words = one_line((column.spoken or column.words)(row))
            return plain_tip(words) if role == Qt.ItemDataRole.ToolTipRole else words
        if role == Qt.ItemDataRole.CheckStateRole and index.column() == FIRST and self.can_tick(index.row()):
            return TICKED if self.is_ticked(index.row()) else UNTICKED
        return None

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
        checkable = index.column() == FIRST and self.can_tick(index.row())
        return flags | Qt.ItemFlag.ItemIsUserCheckable if checkable else flags

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != FIRST or not self.can_tick(index.row()):
            return False
        self.tick([index.row()], Qt.CheckState(value) == TICKED)
        return True

    def can_tick(self, number: int) -> bool:
        return bool(self._tickable[self._order[number]])

    def is_ticked(self, number: int) -> bool:
        return bool(self._ticks[self._order[number]])

    def tick(self, numbers: Iterable[int], ticked: bool) -> None:
        """Tick or untick rows, in one step. Rows without a check box are ignored."""
        numbers = [number for number in numbers if self.can_tick(number)]
        for number in numbers:
            self._ticks[self._order[number]] = ticked
        if numbers:
            self.ticked_count = sum(self._ticks)
            role = [Qt.ItemDataRole.CheckStateRole]
            self.dataChanged.emit(self.index(min(numbers), FIRST), self.index(max(numbers), FIRST), role)
            self.ticks_changed.emit()

    def toggle(self, numbers: Iterable[int]) -> None:
        """Tick these rows, or untick them if all that have a check box are ticked already."""
        numbers = [number for number in numbers if self.can_tick(number)]
        self.tick(numbers, not all(self.is_ticked(number) for number in numbers))

    @property
    def ticked(self) -> tuple[Row, ...]:
        """The ticked rows in their original order, whatever the sorting."""
        return tuple(row for row, tick in zip(self._rows, self._ticks, strict=True) if tick)

    def has_words(self, number: int, words: Sequence[str]) -> bool:
        """True if the row contains every word. The words must be casefolded."""
        place = self._order[number]
        if place not in self._haystacks:
            cells = (column.words(self._rows[place]) for column in self._columns)
            self._haystacks[place] = '\n'.join(cells).casefold()
        haystack = self._haystacks[place]
        return all(word in haystack for word in words)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort stably. An invalid column restores the original order."""
        self.layoutAboutToBeChanged.emit()
        before = self._order
        self._order = list(range(len(self._rows)))
        if 0 <= column < len(self._columns):
            self._order.sort(key=self._keys(self._columns[column]), reverse=order == Qt.SortOrder.DescendingOrder)
        numbers = {place: number for number, place in enumerate(self._order)}
        old = self.persistentIndexList()
        new = [self.index(numbers[before[index.row()]], index.column()) for index in old]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _keys(self, column: TableColumn[Row]) -> Callable[[int], Any]:
        rows = self._rows
        if column.sort_key is not None:
            own_key = column.sort_key
            return lambda place: own_key(rows[place])
        known: dict[str, bytes] = {}

        def key(place: int) -> bytes:
            words = column.words(rows[place])
            if words not in known:
                known[words] = text_sort_key(words)
            return known[words]

        return key


class TickedFilter(QSortFilterProxyModel, Generic[Row]):
    """Shows the wanted rows that contain every word of the filter. The model does the sorting."""

    def __init__(self, model: TickedModel[Row], parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model
        self._words: list[str] = []
        self._wanted: Callable[[Row], bool] | None = None
        self.setSourceModel(model)

    def set_words(self, words: str) -> None:
        """Show only rows that contain every one of the words, separated by spaces; '' shows all."""
        self._words = words.casefold().split()
        self.invalidateFilter()

    def set_wanted(self, wanted: Callable[[Row], bool] | None) -> None:
        """Show only rows for which `wanted(row)` is true; None shows all."""
        self._wanted = wanted
        self.invalidateFilter()

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        if self._wanted is not None and not self._wanted(self._model.row(source_row)):
            return False
        return not self._words or self._model.has_words(source_row, self._words)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._model.sort(column, order)

    def source_rows(self) -> list[int]:
        """The row numbers in the model of all rows that are shown."""
        return [self.mapToSource(self.index(row, FIRST)).row() for row in range(self.rowCount())]


class TickedTable(QTableView, Generic[Row]):
    """The table. The space key and the context menu tick or untick all selected rows.

    Attributes:
        rows: the model with all rows and their ticks.
        shown: the filtered model that the table shows.

    Signals:
        ticks_changed(): ticks were set or cleared; emitted once for any number of rows.
    """

    ticks_changed = pyqtSignal()

    def __init__(
        self,
        name: str,
        accessible_name: str,
        rows: Sequence[Row],
        columns: Sequence[TableColumn[Row]],
        parent: QWidget,
        can_tick: Callable[[Row], bool] | None = None,
        starts_ticked: Callable[[Row], bool] | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(accessible_name)
        self.rows = TickedModel(rows, columns, self, can_tick, starts_ticked)
        self.shown = TickedFilter(self.rows, self)
        self.setModel(self.shown)
        self.rows.ticks_changed.connect(self.ticks_changed)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setAlternatingRowColors(True)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._show_menu)
        self._set_up_headers(columns)

    def _set_up_headers(self, columns: Sequence[TableColumn[Row]]) -> None:
        self.verticalHeader().hide()
        # With a fixed height the view does not have to measure every row.
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 8)
        header = self.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        header.setResizeContentsPrecision(MEASURED_ROWS)
        for number, column in enumerate(columns[:-1]):
            if column.characters:
                width = column.characters * self.fontMetrics().averageCharWidth()
                self.setColumnWidth(number, max(width, header.sectionSizeHint(number)))
            else:
                self.resizeColumnToContents(number)
        header.setStretchLastSection(True)

    @property
    def ticked(self) -> tuple[Row, ...]:
        """The ticked rows in their original order, including rows that the filter hides."""
        return self.rows.ticked

    def tick_shown(self, ticked: bool) -> None:
        """Tick or untick all rows that the filter shows."""
        self.rows.tick(self.shown.source_rows(), ticked)

    def tick_button(self, name: str, tip: str, ticked: bool, parent: QWidget) -> QPushButton:
        """A button that ticks or unticks all rows that the filter shows."""
        words, icon = (_('Tick &all'), TICK_ICON) if ticked else (_('Tick &none'), UNTICK_ICON)
        return push_button(name, words, tip, lambda: self.tick_shown(ticked), parent, icon)

    def _selected(self) -> list[int]:
        """The row numbers in the model of all selected rows that have a check box."""
        selected = (self.shown.mapToSource(index).row() for index in self.selectionModel().selectedRows(FIRST))
        return [row for row in selected if self.rows.can_tick(row)]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            self.rows.toggle(self._selected())
            return
        super().keyPressEvent(event)

    def _show_menu(self, place: QPoint) -> None:
        selected = self._selected()
        if selected:
            menu = QMenu(self)
            menu.addAction(QIcon.ic(TICK_ICON), _('&Tick selected'), lambda: self.rows.tick(selected, True))
            menu.addAction(QIcon.ic(UNTICK_ICON), _('&Untick selected'), lambda: self.rows.tick(selected, False))
            menu.exec(self.viewport().mapToGlobal(place))


class FilterLine(QWidget):
    """A field for the words that filter a table. Its line edit is `edit`.

    Create it before the table, so that Tab moves the focus from the field to the table.
    """

    def __init__(self, placeholder: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.edit = QLineEdit(self)
        self.edit.setObjectName('filter')
        self.edit.setClearButtonEnabled(True)
        self.edit.setPlaceholderText(placeholder)
        label = QLabel(_('&Filter:'), self)
        label.setBuddy(self.edit)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(label)
        row.addWidget(self.edit, 1)

    def filter(self, table: TickedTable[Any]) -> None:
        """Filter this table by the words in the field."""
        self.edit.textChanged.connect(table.shown.set_words)
