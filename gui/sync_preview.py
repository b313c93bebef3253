# SPDX-License-Identifier: GPL-3.0-or-later
"""SyncPreview: the plan of a sync as a table with a check box for each change.

Writes nothing; the window that opens it applies the ticked changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from calibre.ebooks.metadata.book.base import Metadata
from calibre.gui2.widgets2 import Dialog
from calibre.utils.icu import sort_key
from qt.core import QDialogButtonBox, QHBoxLayout, QIcon, QLabel, QSize, Qt, QVBoxLayout, QWidget

from ..jobs.sync import PreparedSync
from ..library.calibre_library import Library
from ..rules.sync_plan import Change, Value
from .ticked_table import FilterLine, TableColumn, TickedTable
from .widgets import column_label

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()


class ValueFormat:
    """Formats values as in Calibre's book list: local dates and numbers in the column's own format, Yes and No."""

    def __init__(self, library: Library) -> None:
        self._metadata = Metadata('')
        for name, data in library.api.field_metadata.custom_field_metadata().items():
            self._metadata.set_user_metadata(name, {**data, '#value#': None, '#extra#': None})

    def __call__(self, column: str, value: Value) -> str:
        if value is None:
            return ''
        self._metadata.set(column, value)
        return self._metadata.format_field(column)[1] or ''


def value_key(value: Value) -> tuple[int, Any]:
    """A sort key for values of mixed types: empty, then numbers, then dates, then texts."""
    if value is None:
        return 0, 0
    if isinstance(value, bool | int | float):
        return 1, value
    if isinstance(value, datetime):
        return 2, value.timestamp()
    return 3, sort_key(value)


def plan_columns(labels: Mapping[str, str], shown: Callable[[str, Value], str]) -> tuple[TableColumn[Change], ...]:
    """The columns of the table.

    `labels` maps lookup names to labels; `shown(lookup name, value)` formats a value.
    """
    return (
        TableColumn(_('Book'), lambda change: change.title, characters=34),
        TableColumn(_('Column'), lambda change: labels.get(change.column, change.column)),
        TableColumn(
            _('Value now'), lambda change: shown(change.column, change.old), lambda change: value_key(change.old)
        ),
        TableColumn(
            _('Value then'), lambda change: shown(change.column, change.new), lambda change: value_key(change.new)
        ),
        TableColumn(_('Source'), lambda change: f'{change.source}, match={change.space}'),
    )


class SyncPreview(Dialog):
    """The changes of a plan with check boxes. If the dialog is accepted, `ticked` should be written."""

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
        return self.table.ticked

    def sizeHint(self) -> QSize:
        return QSize(900, 520)

    def wait_for_job(self, running: bool) -> None:
        """Disable Apply while a job of another window runs. The ticks are kept."""
        self._waiting = running
        self._show_count()

    def setup_ui(self) -> None:
        labels = {name: column_label(column.label) for name, column in self._library.columns().items()}
        columns = plan_columns(labels, ValueFormat(self._library))
        filter_line = FilterLine(_('Words of a title, a column, a value or a source'), self)
        self.filter_edit = filter_line.edit
        self.table = TickedTable('changes', _('Changes'), self._plan.changes, columns, self)
        filter_line.filter(self.table)
        layout = QVBoxLayout(self)
        layout.addWidget(self._summary())
        layout.addWidget(filter_line)
        layout.addWidget(self.table)
        layout.addLayout(self._button_row())
        self.table.ticks_changed.connect(self._show_count)
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

    def _button_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        for name, ticked in (('tick_all', True), ('untick_all', False)):
            row.addWidget(self.table.tick_button(name, _('Only the rows that the filter shows'), ticked, self))
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

    def _show_count(self) -> None:
        total = self.table.rows.rowCount()
        self.apply_button.setEnabled(self.table.rows.ticked_count > 0 and not self._waiting)
        if self._waiting:
            self.count.setText(_('Another job of this plugin is running.'))
            return
        self.count.setText(
            ngettext('{ticked} of {count} change ticked', '{ticked} of {count} changes ticked', total).format(
                ticked=self.table.rows.ticked_count, count=total
            )
        )
