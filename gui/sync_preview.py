# SPDX-License-Identifier: GPL-3.0-or-later
"""PreviewDialog: the plan of a sync as a table, where everything that shall be written is ticked.

Writes nothing itself; whoever opens it applies what is ticked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from calibre.ebooks.metadata.book.base import Metadata
from calibre.gui2.widgets2 import Dialog
from calibre.utils.icu import sort_key
from qt.core import (
    QAbstractItemView,
    QAbstractTableModel,
    QDialogButtonBox,
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
    QSize,
    QSortFilterProxyModel,
    Qt,
    QTableView,
    QVBoxLayout,
    QWidget,
    pyqtSignal,
)

from ..jobs.sync import PreparedSync
from ..library.calibre_library import Library
from ..rules.sync_plan import Change, Value
from .widgets import column_label, plain_tip

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

BOOK, COLUMN, NOW, THEN, SOURCE = range(5)
NO_INDEX = QModelIndex()
TICKED, UNTICKED = Qt.CheckState.Checked, Qt.CheckState.Unchecked


class ValueFormat:
    """Shows values as Calibre's book list does: local dates in the column's format, numbers in theirs, Yes and No."""

    def __init__(self, library: Library) -> None:
        self._metadata = Metadata('')
        for name, data in library.api.field_metadata.custom_field_metadata().items():
            self._metadata.set_user_metadata(name, {**data, '#value#': None, '#extra#': None})

    def __call__(self, column: str, value: Value) -> str:
        if value is None:
            return ''
        self._metadata.set(column, value)
        return self._metadata.format_field(column)[1] or ''


def _value_key(value: Value) -> tuple[int, Any]:
    """Sorts values of one kind by themselves, and the kinds one after the other; empty first."""
    if value is None:
        return 0, 0
    if isinstance(value, bool | int | float):
        return 1, value
    if isinstance(value, datetime):
        return 2, value.timestamp()
    return 3, sort_key(value)


class PlanModel(QAbstractTableModel):
    """A row a change, with a tick that says whether it is written. Sorts by what the values are, not how they look."""

    ticks_changed = pyqtSignal()

    def __init__(
        self, changes: Sequence[Change], labels: dict[str, str], shown: Callable[[str, Value], str], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._changes = changes
        self._labels = labels
        self._shown = shown
        self._order = list(range(len(changes)))
        self._ticks = bytearray(b'\1' * len(changes))
        self._haystacks: dict[int, str] = {}
        self.ticked_count = len(changes)

    def rowCount(self, parent: QModelIndex = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex = NO_INDEX) -> int:
        return 0 if parent.isValid() else SOURCE + 1

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return (_('Book'), _('Column'), _('Value now'), _('Value then'), _('Source'))[section]
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        number = self._order[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(number, index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return plain_tip(self._text(number, index.column()))
        if role == Qt.ItemDataRole.CheckStateRole and index.column() == BOOK:
            return TICKED if self._ticks[number] else UNTICKED
        return None

    def _text(self, number: int, column: int) -> str:
        change = self._changes[number]
        if column == BOOK:
            return change.title
        if column == COLUMN:
            return self._labels.get(change.column, change.column)
        if column == SOURCE:
            return f'{change.source}, match={change.space}'
        return self._shown(change.column, change.old if column == NOW else change.new)

    def flags(self, index: QModelIndex) -> Qt.ItemFlag:
        if not index.isValid():
            return Qt.ItemFlag.NoItemFlags
        flags = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
        return flags | Qt.ItemFlag.ItemIsUserCheckable if index.column() == BOOK else flags

    def setData(self, index: QModelIndex, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        if role != Qt.ItemDataRole.CheckStateRole or index.column() != BOOK:
            return False
        self.tick([index.row()], Qt.CheckState(value) == TICKED)
        return True

    def tick(self, rows: Iterable[int], ticked: bool) -> None:
        """Ticks or unticks these rows, however many, at once."""
        rows = list(rows)
        for row in rows:
            self._ticks[self._order[row]] = ticked
        if rows:
            self.ticked_count = sum(self._ticks)
            role = [Qt.ItemDataRole.CheckStateRole]
            self.dataChanged.emit(self.index(min(rows), BOOK), self.index(max(rows), BOOK), role)
            self.ticks_changed.emit()

    def is_ticked(self, row: int) -> bool:
        return bool(self._ticks[self._order[row]])

    @property
    def ticked(self) -> tuple[Change, ...]:
        """What is ticked, in the order of the plan whatever the order of the table."""
        return tuple(change for change, tick in zip(self._changes, self._ticks, strict=True) if tick)

    def matches(self, row: int, words: Sequence[str]) -> bool:
        """Whether every word, in folded case, stands somewhere in the row."""
        number = self._order[row]
        if number not in self._haystacks:
            cells = (self._text(number, column) for column in range(SOURCE + 1))
            self._haystacks[number] = '\n'.join(cells).casefold()
        haystack = self._haystacks[number]
        return all(word in haystack for word in words)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Rows that are equal keep their order. Without a column the order is the plan's."""
        self.layoutAboutToBeChanged.emit()
        before = self._order
        self._order = list(range(len(self._changes)))
        if BOOK <= column <= SOURCE:
            self._order.sort(key=self._keys(column), reverse=order == Qt.SortOrder.DescendingOrder)
        place = {number: row for row, number in enumerate(self._order)}
        old = self.persistentIndexList()
        new = [self.index(place[before[index.row()]], index.column()) for index in old]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _keys(self, column: int) -> Callable[[int], Any]:
        if column in (NOW, THEN):
            return lambda number: _value_key(self._changes[number].old if column == NOW else self._changes[number].new)
        known: dict[str, bytes] = {}

        def key(number: int) -> bytes:
            words = self._text(number, column)
            if words not in known:
                known[words] = sort_key(words)
            return known[words]

        return key


class PlanFilter(QSortFilterProxyModel):
    """Shows the rows that hold every word; the model sorts itself, which takes a tenth of the time."""

    def __init__(self, model: PlanModel, parent: QWidget) -> None:
        super().__init__(parent)
        self._model = model
        self._words: list[str] = []
        self.setSourceModel(model)

    def set_words(self, words: str) -> None:
        self._words = words.casefold().split()
        self.invalidateFilter()

    def filterAcceptsRow(self, source_row: int, source_parent: QModelIndex) -> bool:
        return not self._words or self._model.matches(source_row, self._words)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._model.sort(column, order)

    def source_rows(self) -> list[int]:
        """The rows of the model that are shown."""
        return [self.mapToSource(self.index(row, BOOK)).row() for row in range(self.rowCount())]


class PlanTable(QTableView):
    """The table; Space ticks or unticks all selected rows."""

    space_pressed = pyqtSignal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Space:
            self.space_pressed.emit()
            return
        super().keyPressEvent(event)


class PreviewDialog(Dialog):
    """Every change of a plan with a tick; accepted means that `ticked` is to be written."""

    def __init__(self, parent: QWidget | None, prepared: PreparedSync, library: Library) -> None:
        self._plan = prepared.plan
        self._library = library
        self._waiting = False
        Dialog.__init__(
            self,
            _('Preview of the sync'),
            'bookfusion-back-sync-preview',
            parent,
            default_buttons=QDialogButtonBox.StandardButton.Cancel,
        )

    @property
    def ticked(self) -> tuple[Change, ...]:
        return self.model.ticked

    def sizeHint(self) -> QSize:
        return QSize(900, 520)

    def wait_for_job(self, running: bool) -> None:
        """Another window's job has begun or ended: while it runs nothing can be applied, and no tick is lost."""
        self._waiting = running
        self._show_count()

    def setup_ui(self) -> None:
        labels = {name: column_label(column.label) for name, column in self._library.columns().items()}
        self.model = PlanModel(self._plan.changes, labels, ValueFormat(self._library), self)
        self.filter = PlanFilter(self.model, self)
        layout = QVBoxLayout(self)
        layout.addWidget(self._summary())
        layout.addLayout(self._filter_row())
        self.table = self._table()
        layout.addWidget(self.table)
        layout.addLayout(self._button_row())
        self.model.ticks_changed.connect(self._show_count)
        self._show_count()
        self.table.setFocus(Qt.FocusReason.OtherFocusReason)

    def _summary(self) -> QLabel:
        books = len(self._plan.updated)
        sentences = [
            ngettext(
                'A sync would change {count} book. Untick what you do not want.',
                'A sync would change {count} books. Untick what you do not want.',
                books,
            ).format(count=books)
        ]
        if self._plan.unchanged:
            count = len(self._plan.unchanged)
            sentences.append(
                ngettext(
                    '{count} book holds every value already.', '{count} books hold every value already.', count
                ).format(count=count)
            )
        if self._plan.skipped:
            count = len(self._plan.skipped)
            sentences.append(
                ngettext('{count} book is skipped.', '{count} books are skipped.', count).format(count=count)
            )
        label = QLabel(' '.join(sentences), self)
        label.setObjectName('summary')
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        return label

    def _filter_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.filter_edit = QLineEdit(self)
        self.filter_edit.setObjectName('filter')
        self.filter_edit.setClearButtonEnabled(True)
        self.filter_edit.setPlaceholderText(_('Words of a title, a column, a value or a source'))
        self.filter_edit.textChanged.connect(self._filter_changed)
        label = QLabel(_('&Filter:'), self)
        label.setBuddy(self.filter_edit)
        row.addWidget(label)
        row.addWidget(self.filter_edit, 1)
        return row

    def _table(self) -> PlanTable:
        table = PlanTable(self)
        table.setObjectName('changes')
        table.setAccessibleName(_('Changes'))
        table.setModel(self.filter)
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setAlternatingRowColors(True)
        table.setWordWrap(False)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        # A fixed height spares the view from asking every row for its own.
        table.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        table.verticalHeader().setDefaultSectionSize(table.fontMetrics().height() + 8)
        header = table.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        table.setSortingEnabled(True)
        table.setColumnWidth(BOOK, 34 * table.fontMetrics().averageCharWidth())
        # Wide enough for what the first rows hold; more of them would take time and change little.
        header.setResizeContentsPrecision(100)
        for column in (COLUMN, NOW, THEN):
            table.resizeColumnToContents(column)
        header.setStretchLastSection(True)
        table.space_pressed.connect(self._toggle_selected)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._show_table_menu)
        return table

    def _button_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for name, label, icon, ticked in (
            ('tick_all', _('Tick &all'), 'plus.png', True),
            ('untick_all', _('Tick &none'), 'minus.png', False),
        ):
            button = QPushButton(QIcon.ic(icon), label, self)
            button.setObjectName(name)
            button.setToolTip(_('Only the rows that the filter shows'))
            button.setAutoDefault(False)
            button.clicked.connect(lambda _checked, ticked=ticked: self.model.tick(self.filter.source_rows(), ticked))
            row.addWidget(button)
        self.count = QLabel(self)
        self.count.setObjectName('ticked')
        row.addWidget(self.count, 1)
        self.apply_button = self.bb.addButton(_('A&pply'), QDialogButtonBox.ButtonRole.AcceptRole)
        self.apply_button.setObjectName('apply')
        self.apply_button.setIcon(QIcon.ic('ok.png'))
        self.apply_button.setToolTip(_('Write what is ticked'))
        self.bb.button(QDialogButtonBox.StandardButton.Cancel).setObjectName('cancel')
        for button in self.bb.buttons():
            button.setAutoDefault(False)
        row.addWidget(self.bb)
        return row

    def _filter_changed(self, words: str) -> None:
        self.filter.set_words(words)
        self._show_count()

    def _show_count(self) -> None:
        total = self.model.rowCount()
        self.apply_button.setEnabled(self.model.ticked_count > 0 and not self._waiting)
        if self._waiting:
            self.count.setText(_('Another job of this plugin is running.'))
            return
        self.count.setText(
            ngettext('{ticked} of {count} change ticked', '{ticked} of {count} changes ticked', total).format(
                ticked=self.model.ticked_count, count=total
            )
        )

    def _selected_rows(self) -> list[int]:
        return [self.filter.mapToSource(index).row() for index in self.table.selectionModel().selectedRows(BOOK)]

    def _toggle_selected(self) -> None:
        rows = self._selected_rows()
        if rows:
            self.model.tick(rows, not all(self.model.is_ticked(row) for row in rows))

    def _show_table_menu(self, place: QPoint) -> None:
        rows = self._selected_rows()
        if rows:
            menu = QMenu(self.table)
            menu.addAction(QIcon.ic('plus.png'), _('&Tick selected'), lambda: self.model.tick(rows, True))
            menu.addAction(QIcon.ic('minus.png'), _('&Untick selected'), lambda: self.model.tick(rows, False))
            menu.exec(self.table.viewport().mapToGlobal(place))
