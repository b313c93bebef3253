# SPDX-License-Identifier: GPL-3.0-or-later
"""TickedTable: rows of any kind with a check box each, for windows that show what would happen before it does.

A preview brings its rows, its columns and its sentences; sorting, filtering and ticking are here. Everything that is
shown is asked of the columns only when it is shown, so tens of thousands of rows take no longer to open than ten.
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

from .widgets import plain_tip, push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations

load_translations()

# The column that has the check boxes.
FIRST = 0
# As many rows are looked at where a column shall be wide enough for what it holds; more take time and change little.
MEASURED_ROWS = 100
NO_INDEX = QModelIndex()
TICKED, UNTICKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked
TICK_ICON, UNTICK_ICON = 'plus.png', 'minus.png'

Row = TypeVar('Row')


@dataclass(frozen=True)
class TableColumn(Generic[Row]):
    """What a column shows of a row.

    Attributes:
        heading: what stands above it.
        words: what is shown, and what the filter looks at.
        sort_key: what is sorted by, where that is not the words in the order of the user's language.
        spoken: the same for tooltips and for who cannot see it, where the words alone do not say it.
        font: what the words are drawn with, where it is not the table's.
        characters: the width at first, at least the heading's; 0 is as wide as what the first rows hold.
    """

    heading: str
    words: Callable[[Row], str]
    sort_key: Callable[[Row], Any] | None = None
    spoken: Callable[[Row], str] | None = None
    font: QFont | None = None
    characters: int = 0


class TickedModel(QAbstractTableModel, Generic[Row]):
    """Rows with a tick each. Sorts by itself, which takes a tenth of the time that a proxy model would need.

    `can_tick` says which rows have a check box (None: all), `starts_ticked` which of those are ticked at first.
    Rows are meant by their number in the table as it is sorted, not as it is filtered.

    Signals:
        ticks_changed: once after one or many ticks have been set.
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
            return column.words(row)
        if role == Qt.ItemDataRole.FontRole:
            return column.font
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            words = (column.spoken or column.words)(row)
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
        """Ticks or unticks these rows, however many, at once; those without a check box stay without a tick."""
        numbers = [number for number in numbers if self.can_tick(number)]
        for number in numbers:
            self._ticks[self._order[number]] = ticked
        if numbers:
            self.ticked_count = sum(self._ticks)
            role = [Qt.ItemDataRole.CheckStateRole]
            self.dataChanged.emit(self.index(min(numbers), FIRST), self.index(max(numbers), FIRST), role)
            self.ticks_changed.emit()

    def toggle(self, numbers: Iterable[int]) -> None:
        """Ticks these rows; where all of them that can be ticked are, takes the ticks away."""
        numbers = [number for number in numbers if self.can_tick(number)]
        self.tick(numbers, not all(self.is_ticked(number) for number in numbers))

    @property
    def ticked(self) -> tuple[Row, ...]:
        """What is ticked, in the order in which the rows came, whatever the order of the table."""
        return tuple(row for row, tick in zip(self._rows, self._ticks, strict=True) if tick)

    def has_words(self, number: int, words: Sequence[str]) -> bool:
        """Whether every word, in folded case, stands somewhere in the row."""
        place = self._order[number]
        if place not in self._haystacks:
            cells = (column.words(self._rows[place]) for column in self._columns)
            self._haystacks[place] = '\n'.join(cells).casefold()
        haystack = self._haystacks[place]
        return all(word in haystack for word in words)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Rows that are equal keep their order. Without a column the order is that in which the rows came."""
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
    """Shows the rows that hold every word and that are wanted; leaves sorting to the model."""

    def __init__(self, model: TickedModel[Row], parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model
        self._words: list[str] = []
        self._wanted: Callable[[Row], bool] | None = None
        self.setSourceModel(model)

    def set_words(self, words: str) -> None:
        self._words = words.casefold().split()
        self.invalidateFilter()

    def set_wanted(self, wanted: Callable[[Row], bool] | None) -> None:
        """Which rows there are to be seen at all; None is all of them."""
        self._wanted = wanted
        self.invalidateFilter()

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        if self._wanted is not None and not self._wanted(self._model.row(source_row)):
            return False
        return not self._words or self._model.has_words(source_row, self._words)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._model.sort(column, order)

    def source_rows(self) -> list[int]:
        """The rows of the model that are shown."""
        return [self.mapToSource(self.index(row, FIRST)).row() for row in range(self.rowCount())]


class TickedTable(QTableView, Generic[Row]):
    """The table. Space and a menu tick or untick all selected rows, whatever column is the current one.

    Attributes:
        rows: the model with all rows and their ticks.
        shown: the rows that the filter lets through, as the table shows them.

    Signals:
        ticks_changed: once after one or many ticks have been set.
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
        # A fixed height spares the view from asking every row for its own.
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
        """What is ticked, shown or not, in the order in which the rows came."""
        return self.rows.ticked

    def tick_shown(self, ticked: bool) -> None:
        """Ticks or unticks every row that the filter shows."""
        self.rows.tick(self.shown.source_rows(), ticked)

    def tick_button(self, name: str, tip: str, ticked: bool, parent: QWidget) -> QPushButton:
        """A button that ticks, or unticks, every row that the filter shows."""
        words, icon = (_('Tick &all'), TICK_ICON) if ticked else (_('Tick &none'), UNTICK_ICON)
        return push_button(name, words, tip, lambda: self.tick_shown(ticked), parent, icon)

    def _selected(self) -> list[int]:
        """The rows of the model that are selected and have a check box."""
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
    """The words that rows must hold to be shown; the line edit, `edit`, carries the object name.

    To be made before the table below it, so that Tab goes from one to the other.
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
        self.edit.textChanged.connect(table.shown.set_words)
