"""The ticked table: rows of any kind, as every preview shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.gui.ticked_table import FilterLine, TableColumn, TickedTable
from qt.core import (
    QApplication,
    QEvent,
    QFont,
    QKeyEvent,
    QLabel,
    QMenu,
    QPersistentModelIndex,
    QPoint,
    Qt,
    QTimer,
    QVBoxLayout,
    QWidget,
)

Book = tuple[str, int | None]
DISPLAY, CHECK, TIP = Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.CheckStateRole, Qt.ItemDataRole.ToolTipRole
TITLE, PAGES = range(2)
BOOKS: tuple[Book, ...] = (('Émile', 90), ('Emma', 474), ('Dune', 1000), ('Zadig', None), ('Emil', 100))
COLUMNS: tuple[TableColumn[Book], ...] = (
    TableColumn('Book', lambda book: book[0], characters=20),
    TableColumn(
        'Pages',
        lambda book: '' if book[1] is None else str(book[1]),
        sort_key=lambda book: book[1] or 0,
        spoken=lambda book: 'unknown' if book[1] is None else f'{book[1]} pages',
    ),
)


def has_pages(book: Book) -> bool:
    return book[1] is not None


@pytest.fixture
def show(qtbot: Any) -> Callable[..., TickedTable[Any]]:
    """Shows a table, in a window with a filter above it."""
    windows = []

    def shown(rows: Sequence[Any] = BOOKS, columns: Sequence[TableColumn[Any]] = COLUMNS, **more: Any) -> Any:
        window = QWidget()
        qtbot.addWidget(window)
        window.resize(500, 300)
        filter_line = FilterLine('Words', window)
        table = TickedTable('changes', 'Changes', rows, columns, window, **more)
        filter_line.filter(table)
        layout = QVBoxLayout(window)
        layout.addWidget(filter_line)
        layout.addWidget(table)
        window.show()
        windows.append(window)
        return table

    return shown


def titles(table: TickedTable[Any]) -> list[str]:
    return [table.shown.index(row, TITLE).data(DISPLAY) for row in range(table.shown.rowCount())]


def type_filter(table: TickedTable[Any], words: str) -> None:
    edit: Any = table.window().findChild(QWidget, 'filter')
    edit.setText(words)


def test_all_rows_are_ticked_at_first(show: Any) -> None:
    table = show()
    assert table.ticked == BOOKS
    assert (table.rows.ticked_count, table.rows.tickable_count) == (5, 5)
    assert (table.objectName(), table.accessibleName()) == ('changes', 'Changes')
    assert [table.shown.headerData(column, Qt.Orientation.Horizontal) for column in (TITLE, PAGES)] == ['Book', 'Pages']


def test_a_heading_is_never_cut_off_at_first(show: Any) -> None:
    long = 'A heading of a language in which everything takes more words'
    table = show(columns=[TableColumn(long, column.words, characters=2) for column in (*COLUMNS, *COLUMNS)])
    assert table.columnWidth(1) == table.horizontalHeader().sectionSizeHint(1) > 200


def test_a_row_without_a_check_box_is_never_ticked(show: Any) -> None:
    table = show(can_tick=has_pages)
    zadig = table.shown.index(3, TITLE)
    assert zadig.data(CHECK) is None
    assert not table.shown.flags(zadig) & Qt.ItemFlag.ItemIsUserCheckable
    assert not table.shown.setData(zadig, Qt.CheckState.Checked.value, CHECK)
    table.tick_shown(True)
    table.selectAll()
    table.rows.toggle(range(5))
    assert table.ticked == ()
    table.tick_shown(True)
    assert table.ticked == (*BOOKS[:3], BOOKS[4])
    assert (table.rows.ticked_count, table.rows.tickable_count) == (4, 4)


def test_rows_may_start_without_a_tick(show: Any) -> None:
    table = show(can_tick=has_pages, starts_ticked=lambda book: book[0] != 'Dune')
    assert [book[0] for book in table.ticked] == ['Émile', 'Emma', 'Emil']
    table.tick_shown(True)
    assert table.rows.ticked_count == 4


def test_titles_sort_as_people_do_and_the_rest_by_its_values(show: Any) -> None:
    table = show()
    table.sortByColumn(TITLE, Qt.SortOrder.AscendingOrder)
    assert titles(table) == ['Dune', 'Emil', 'Émile', 'Emma', 'Zadig']
    table.sortByColumn(PAGES, Qt.SortOrder.DescendingOrder)
    assert titles(table) == ['Dune', 'Emma', 'Emil', 'Émile', 'Zadig']
    table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
    assert titles(table) == [book[0] for book in BOOKS]


def test_ticks_stay_with_their_rows(show: Any) -> None:
    table = show()
    table.rows.tick([1], False)
    table.sortByColumn(TITLE, Qt.SortOrder.DescendingOrder)
    assert Qt.CheckState(table.shown.index(1, TITLE).data(CHECK)) == Qt.CheckState.Unchecked
    # What is ticked comes in the order of the rows, whatever the table's is.
    assert [book[0] for book in table.ticked] == ['Émile', 'Dune', 'Zadig', 'Emil']


def test_the_buttons_tick_what_the_filter_shows(show: Any, qtbot: Any) -> None:
    table = show()
    told: list[int] = []
    table.ticks_changed.connect(lambda: told.append(table.rows.ticked_count))
    everything = table.tick_button('tick_all', 'All of them', True, table.window())
    nothing = table.tick_button('tick_none', 'None of them', False, table.window())
    assert [button.text() for button in (everything, nothing)] == ['Tick &all', 'Tick &none']
    nothing.click()
    type_filter(table, '  EM 0 ')
    assert titles(table) == ['Emil']
    everything.click()
    type_filter(table, 'em')
    table.shown.set_wanted(lambda book: book[1] != 474)
    assert titles(table) == ['Emil']
    table.shown.set_wanted(None)
    assert titles(table) == ['Emma', 'Emil']
    assert table.ticked == (('Emil', 100),)
    assert told == [0, 1]


def press_space(table: TickedTable[Any]) -> None:
    QApplication.sendEvent(table, QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_Space, Qt.KeyboardModifier.NoModifier))


def test_space_toggles_what_is_selected(show: Any, qtbot: Any) -> None:
    table = show(can_tick=has_pages)
    press_space(table)
    assert table.rows.ticked_count == 4
    table.selectAll()
    # Another column than that of the check boxes.
    table.selectionModel().setCurrentIndex(table.shown.index(0, PAGES), table.selectionModel().SelectionFlag.NoUpdate)
    press_space(table)
    assert table.ticked == ()
    table.selectRow(1)
    press_space(table)
    table.selectAll()
    # Not all of them are ticked, so all of them become so.
    press_space(table)
    assert table.rows.ticked_count == 4


@pytest.mark.parametrize(('entry', 'left'), [('&Untick selected', 3), ('&Tick selected', 5)])
def test_a_menu_ticks_what_is_selected(show: Any, entry: str, left: int) -> None:
    table = show()
    table.setSelectionMode(table.SelectionMode.MultiSelection)
    table.selectRow(0)
    table.selectRow(2)
    seen: list[str] = []

    def choose() -> None:
        menu = QApplication.activePopupWidget()
        assert isinstance(menu, QMenu)
        seen.extend(action.text() for action in menu.actions())
        next(action for action in menu.actions() if action.text() == entry).trigger()
        menu.close()

    QTimer.singleShot(0, choose)
    table.customContextMenuRequested.emit(QPoint(5, 5))
    assert seen == ['&Tick selected', '&Untick selected']
    assert table.rows.ticked_count == left


def test_no_menu_where_nothing_can_be_ticked(show: Any) -> None:
    table = show(can_tick=has_pages)
    table.selectRow(3)
    opened: list[QWidget | None] = []

    def look() -> None:
        opened.append(QApplication.activePopupWidget())
        if opened[0] is not None:
            opened[0].close()

    QTimer.singleShot(0, look)
    table.customContextMenuRequested.emit(QPoint(5, 5))
    QApplication.processEvents()
    assert opened == [None]


@pytest.mark.parametrize('direction', list(Qt.LayoutDirection)[:2])
def test_a_click_on_the_check_box_ticks(show: Any, qtbot: Any, direction: Qt.LayoutDirection) -> None:
    table = show()
    table.setLayoutDirection(direction)
    cell = table.visualRect(table.shown.index(1, TITLE))
    right = direction == Qt.LayoutDirection.RightToLeft
    assert (cell.left() > 100) is right
    inwards = QPoint(-12, cell.height() // 2) if right else QPoint(12, cell.height() // 2)
    qtbot.mouseClick(
        table.viewport(), Qt.MouseButton.LeftButton, pos=(cell.topRight() if right else cell.topLeft()) + inwards
    )
    assert table.ticked == (BOOKS[0], *BOOKS[2:])


def test_the_keyboard_goes_from_the_filter_to_the_table_and_on(show: Any, qtbot: Any) -> None:
    table = show()
    edit: Any = table.window().findChild(QWidget, 'filter')
    label = table.window().findChild(QLabel)
    assert (label.text(), label.buddy()) == ('&Filter:', edit)
    button = table.tick_button('tick_all', 'All of them', True, table.window())
    button.show()
    edit.setFocus()
    passed = [edit]
    for _step in range(3):
        # Not from cell to cell.
        qtbot.keyClick(passed[-1], Qt.Key.Key_Tab)
        passed.append(table.window().focusWidget())
    assert passed == [edit, table, button, edit]


def test_words_for_tooltips_and_for_who_cannot_see(show: Any) -> None:
    font = QFont('calibre Symbols')
    table = show(columns=[*COLUMNS[1:], TableColumn('Other', lambda book: book[0], font=font)])
    spoken, other = table.shown.index(3, 0), table.shown.index(3, 1)
    assert spoken.data(DISPLAY) == ''
    assert spoken.data(TIP) == spoken.data(Qt.ItemDataRole.AccessibleTextRole) == 'unknown'
    assert other.data(Qt.ItemDataRole.AccessibleTextRole) == 'Zadig'
    assert other.data(Qt.ItemDataRole.FontRole) == font
    assert spoken.data(Qt.ItemDataRole.FontRole) is None


@pytest.mark.parametrize(
    'title', ['Emma', 'a <b>bold</b> & co', 'R&D', 'AT&lt;T', '&lt;b&gt;', '<img src="x.png">', 'a < b', "O'Neill <i>"]
)
def test_tooltips_show_titles_as_they_are(show: Any, title: str) -> None:
    """A label decides by the same rule as a tooltip whether words are markup; here it must take as much room."""
    table = show([(title, 1)])
    cell = table.shown.index(0, TITLE)
    assert cell.data(DISPLAY) == cell.data(Qt.ItemDataRole.AccessibleTextRole) == title
    tip, words = QLabel(cell.data(TIP), table), QLabel(table)
    words.setTextFormat(Qt.TextFormat.PlainText)
    words.setText(title)
    assert tip.sizeHint().width() == words.sizeHint().width()


@pytest.mark.parametrize('count', [0, 30])
def test_is_a_sound_model(show: Any, qtmodeltester: Any, qtlog: Any, count: int) -> None:
    table = show([(f'Title {number * 17 % 30}', number % 7) for number in range(count)], can_tick=lambda book: book[1])
    before = len(qtlog.records)
    qtmodeltester.check(table.rows)
    qtmodeltester.check(table.shown)
    # What a view holds on to while the rows move: its current row, its selection.
    cells = [table.shown.index(row, TITLE) for row in (0, 3, 29) if count]
    kept = [(QPersistentModelIndex(cell), cell.data()) for cell in cells]
    for column in (TITLE, PAGES):
        for order in (Qt.SortOrder.AscendingOrder, Qt.SortOrder.DescendingOrder):
            table.shown.sort(column, order)
            assert [(index.data(), index.isValid()) for index, _title in kept] == [(title, True) for _i, title in kept]
    type_filter(table, 'title 13')
    assert titles(table) == (['Title 13'] if count else [])
    # The tester of Qt reports what it finds as warnings.
    assert [record.message for record in qtlog.records[before:]] == []


def test_cells_are_made_only_where_they_are_seen(show: Any, qtbot: Any) -> None:
    """20,000 rows open, scroll and are all ticked without a look at more of them than fit into the window."""
    asked: Counter[str] = Counter()

    def counting(column: str, words: Callable[[int], str]) -> Callable[[int], str]:
        return lambda row: (asked.update([column]), words(row))[1]

    columns: list[TableColumn[int]] = [
        TableColumn('Book', counting('book', lambda row: f'Title {row}'), characters=20),
        TableColumn('Author', counting('author', lambda row: f'Author {row}')),
        TableColumn('Why', counting('why', lambda row: 'The same title')),
    ]
    table = show(range(20_000), columns)
    qtbot.waitExposed(table.window())
    QApplication.processEvents()
    assert asked['book'] > 0
    table.scrollToBottom()
    QApplication.processEvents()
    assert table.rowAt(table.viewport().height() - 2) == 19_999
    table.selectAll()
    press_space(table)
    assert table.ticked == ()
    # Some looks at a row that is seen, and the first hundred where a column is as wide as they are.
    assert max(asked.values()) < 500, asked


def test_what_would_break_or_turn_a_line_is_a_space(show: Any) -> None:
    table = show([('Emma\nDune \u202eWalden\x1b[2J', None)])
    index = table.shown.index(0, TITLE)
    assert titles(table) == ['Emma Dune  Walden [2J']
    assert not {*index.data(Qt.ItemDataRole.AccessibleTextRole)} & {*'\n\u202e\x1b'}
