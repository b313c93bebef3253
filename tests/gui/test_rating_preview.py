"""The table of ratings that would be sent: what it says, ticks, and the question before many are sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.gui.rating_preview import RatingPreview, spoken_stars
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    RatingChange,
)
from harness.desk import Answers
from harness.dialogs import (
    CHANGES,
    SKIPPED,
    planned_push,
    preview,
)
from harness.screen import cells, tooltip_text
from qt.core import (
    Qt,
)

SKIP_MARK = [change.title for change in SKIPPED]


def test_markup_in_a_title_stays_text_in_the_tooltip_of_the_preview(qtbot: Any) -> None:
    change = replace(CHANGES[0], title='a <b>bold</b> & co')
    widget = preview(None, planned_push(changes=(change,)))  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    index = widget.table.shown.index(0, 0)
    assert tooltip_text(index.data(Qt.ItemDataRole.ToolTipRole)) == change.title
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == change.title


@pytest.fixture
def shown_preview(qtbot: Any) -> RatingPreview:
    widget = preview(None, planned_push())  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    widget.show()
    return widget


def test_the_preview_says_what_will_happen(shown_preview: RatingPreview) -> None:
    shown = cells(shown_preview.table, 4)
    assert len(shown) == len(CHANGES) == 30
    assert shown[0] == ['The Left Hand of Darkness', '★★★★★', '★★★★⯨', 'Change the rating']
    assert shown[3] == ['Emma', '★★★★', '', 'Add as Read with this rating, read on 03 Nov 2024']
    assert shown[4] == ['Dune', '', '★★', 'Clear the rating']
    assert shown_preview.summary.text() == (
        '30 ratings differ from those on Hardcover, 812 are the same. Account: a_reader'
    )
    assert 'feed of your followers' in shown_preview.warning.label.text()
    assert shown_preview.cost.text() == '7 requests, about 30 seconds'
    assert shown_preview.send.text() == '&Send 30 ratings'


def test_ticks_decide_what_is_sent(shown_preview: RatingPreview, qtbot: Any) -> None:
    sent: list[list[RatingChange]] = []
    shown_preview.accepted.connect(sent.append)
    qtbot.mouseClick(shown_preview.none_button, Qt.MouseButton.LeftButton)
    assert not shown_preview.send.isEnabled()
    assert shown_preview.cost.text() == ''
    first = shown_preview.table.shown.index(0, 0)
    assert shown_preview.table.shown.setData(first, Qt.CheckState.Checked.value, Qt.ItemDataRole.CheckStateRole)
    assert shown_preview.send.text() == '&Send 1 rating'
    assert shown_preview.cost.text() == '1 request, about 1 second'
    qtbot.mouseClick(shown_preview.send, Qt.MouseButton.LeftButton)
    assert sent == [[CHANGES[0]]]


def test_a_mouse_click_ticks_a_row(shown_preview: RatingPreview, qtbot: Any) -> None:
    place = shown_preview.table.visualRect(shown_preview.table.shown.index(1, 0))
    place.setWidth(20)
    qtbot.mouseClick(shown_preview.table.viewport(), Qt.MouseButton.LeftButton, pos=place.center())
    assert CHANGES[1] not in shown_preview.table.ticked
    assert len(shown_preview.table.ticked) == 29


def test_the_space_bar_ticks_what_is_selected(shown_preview: RatingPreview, qtbot: Any) -> None:
    shown_preview.table.selectAll()
    qtbot.keyClick(shown_preview.table, Qt.Key.Key_Space)
    assert shown_preview.table.ticked == ()
    qtbot.keyClick(shown_preview.table, Qt.Key.Key_Space)
    assert shown_preview.table.ticked == CHANGES
    shown_preview.table.selectRow(0)
    qtbot.keyClick(shown_preview.table, Qt.Key.Key_Space)
    assert shown_preview.table.ticked == CHANGES[1:]


@pytest.mark.parametrize(('button', 'sent'), [('Send', True), ('Back', False)])
def test_sending_many_is_asked_about(
    shown_preview: RatingPreview, qtbot: Any, answers: Answers, button: str, sent: bool
) -> None:
    accepted: list[object] = []
    shown_preview.accepted.connect(accepted.append)
    said = answers.press(button)
    qtbot.mouseClick(shown_preview.send, Qt.MouseButton.LeftButton)
    assert 'with 30 books. Send 30 ratings now?' in said[0]
    assert bool(accepted) is sent


def test_books_that_are_left_alone_are_shown_when_asked_for(shown_preview: RatingPreview) -> None:
    shown_preview.show_skipped.setChecked(True)
    shown = cells(shown_preview.table, 4)
    assert [row[0] for row in shown[30:]] == SKIP_MARK
    assert shown[30][3] == 'Leave alone. It is not on a Hardcover shelf.'
    index = shown_preview.table.shown.index(30, 0)
    assert index.data(Qt.ItemDataRole.CheckStateRole) is None
    assert not shown_preview.table.shown.setData(index, Qt.CheckState.Checked.value, Qt.ItemDataRole.CheckStateRole)
    assert shown_preview.table.ticked == CHANGES


def test_stars_are_sorted_as_numbers(shown_preview: RatingPreview) -> None:
    shown_preview.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    stars = [len(row[1]) for row in cells(shown_preview.table, 4)]
    assert stars[0] == 5
    assert stars[-1] == 0
    assert spoken_stars(3.5) == '3.5 stars'
    assert spoken_stars(1) == '1 star'
    assert spoken_stars(None) == 'not rated'


def test_nothing_to_send(qtbot: Any) -> None:
    widget = preview(None, planned_push(changes=()))  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    widget.show()
    assert not widget.send.isVisible()
    assert [row[0] for row in cells(widget.table, 4)] == SKIP_MARK
    assert 'There is nothing to send' in widget.summary.text()
