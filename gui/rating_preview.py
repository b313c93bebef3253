# SPDX-License-Identifier: GPL-3.0-or-later
"""RatingPreview: what a push of ratings would change on Hardcover, a check box a book, before anything is sent.

Shows a plan and says what of it was ticked; sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from calibre.ebooks.metadata import rating_to_stars
from calibre.gui2 import question_dialog, rating_font
from calibre.utils.date import format_date
from qt.core import QCheckBox, QFont, QHBoxLayout, QLabel, Qt, QVBoxLayout, QWidget, pyqtSignal

from ..base.durations import duration_words
from ..base.text import Text, counted
from ..rules.hardcover_records import Action, Cost, PlannedPush, RatingChange
from ..rules.rating_plan import MANY_FOR_A_FEED
from .restriction import restriction_note
from .ticked_table import TableColumn, TickedTable
from .widgets import Notice, push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()


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


def rating_columns() -> tuple[TableColumn[RatingChange], ...]:
    """The columns of the table: the stars are drawn as Calibre draws them, and told in words."""
    font = QFont(rating_font())

    def stars_column(heading: str, stars_of: Callable[[RatingChange], float | None]) -> TableColumn[RatingChange]:
        return TableColumn(
            heading,
            lambda change: shown_stars(stars_of(change)),
            sort_key=lambda change: stars_of(change) or 0.0,
            spoken=lambda change: spoken_stars(stars_of(change)),
            font=font,
            characters=13,
        )

    return (
        TableColumn(_('Book'), lambda change: change.title, characters=43),
        stars_column(_('Calibre'), lambda change: change.calibre_stars),
        stars_column(_('Hardcover'), lambda change: change.hardcover_stars),
        TableColumn(_('What will happen'), what_happens),
    )


def is_sent(change: RatingChange) -> bool:
    """False for a book that is left alone: it has no check box, and is seen only when asked for."""
    return change.action is not Action.SKIP


class RatingPreview(QWidget):
    """`accepted(list of RatingChange)` carries what is to be sent; `rejected` comes when nothing is."""

    accepted = pyqtSignal(list)
    rejected = pyqtSignal()

    def __init__(self, parent: QWidget, planned: PlannedPush) -> None:
        super().__init__(parent)
        self._planned = planned
        rows = [*planned.plan.changes, *planned.plan.skipped]
        self.table = TickedTable('changes', _('Ratings that differ'), rows, rating_columns(), self, can_tick=is_sent)
        self.table.shown.set_wanted(is_sent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.summary = QLabel(self)
        self.summary.setObjectName('summary')
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setWordWrap(True)
        self.warning = Notice('warning', self, large=True)
        if planned.warning is not None:
            self.warning.say(planned.warning.translated(_, ngettext), 'dialog_warning.png')
        for widget in (self.summary, self.warning):
            layout.addWidget(widget)
        layout.addWidget(self.table, 1)
        self.cost = QLabel(self)
        self.cost.setObjectName('cost')
        self.cost.setTextFormat(Qt.TextFormat.PlainText)
        layout.addLayout(self._choices_row())
        layout.addLayout(self._buttons_row())
        # Keeps the sentences at the top where there is no table.
        layout.addStretch(0)
        self.table.ticks_changed.connect(self._update)
        self._update()
        if not planned.plan.changes:
            self._nothing_to_send()

    def _choices_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.all_button = self.table.tick_button('tick_all', _('Send all of them'), True, self)
        self.none_button = self.table.tick_button('tick_none', _('Send none of them'), False, self)
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
        self.show_skipped.toggled.connect(lambda shown: self.table.shown.set_wanted(None if shown else is_sent))
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
        self.table.setVisible(bool(self._planned.plan.skipped))
        self.close_button.setText(_('&Close'))
        self.close_button.setToolTip('')
        self.close_button.setDefault(True)

    def _update(self) -> None:
        plan = self._planned.plan
        ticked = self.table.ticked
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
        ticked = self.table.ticked
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
        self.accepted.emit(list(ticked))


def summary_of(planned: PlannedPush) -> str:
    """How many ratings differ, how many are the same, whose account they go to, and what was compared."""
    downloaded = _('The built-in ratings may include some that a metadata download wrote.')
    source = downloaded if planned.built_in_ratings and planned.plan.changes else ''
    return '\n'.join(filter(None, (_difference(planned), source, restriction_note(planned.restriction))))


def _difference(planned: PlannedPush) -> str:
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
