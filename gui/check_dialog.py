# SPDX-License-Identifier: GPL-3.0-or-later
"""The window of Test Connection: the report of a check, which can be copied into a bug report.

The check itself is in `jobs/check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calibre.gui2 import Application
from qt.core import QPlainTextEdit, QSize, QVBoxLayout, QWidget

from ..base.settings import Settings
from ..base.text import Text
from .job_dialog import JobDialog
from .job_runner import Jobs

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

    from ..jobs.check_findings import CheckReport

load_translations()


class CheckDialog(JobDialog):
    """Shows a check of `settings`, which need not be saved."""

    def __init__(self, parent: QWidget, jobs: Jobs, settings: Settings) -> None:
        self._settings = settings
        self._english: list[str] = []
        super().__init__(parent, jobs, _('Test Connection'), 'bookfusion-back-sync-check')

    def sizeHint(self) -> QSize:
        return QSize(700, 420)

    def setup_ui(self) -> None:
        super().setup_ui()
        self.report = QPlainTextEdit(self.result_page)
        self.report.setObjectName('report')
        self.report.setReadOnly(True)
        self.report.setAccessibleName(_('What was found'))
        layout = self.result_page.layout()
        assert isinstance(layout, QVBoxLayout)
        layout.addWidget(self.report, 1)
        self.report.hide()

    def check_everything(self) -> None:
        """Check the library, BookFusion and, if they are set up, Hardcover and BookLore."""
        from ..jobs.check import check

        settings = self._settings
        self.run(
            lambda reporter, cancel: check(self.open_library, reporter, cancel, settings),
            self._checked,
        )

    def check_booklore(self) -> None:
        """Check only the BookLore server."""
        from ..jobs.ask_booklore import try_connection

        settings = self._settings
        self.run(
            lambda reporter, cancel: try_connection(
                settings.booklore_url, settings.booklore_username, settings.booklore_password, cancel
            ),
            self._booklore_answered,
        )

    def _checked(self, report: CheckReport) -> None:
        self._english = [str(report.verdict), '', *(str(line) for line in report.lines)]
        self.report.setPlainText('\n'.join(line.translated(_, ngettext) for line in report.lines))
        self.report.show()
        self.show_result(report.verdict.translated(_, ngettext), 'ok.png' if report.works else 'dialog_warning.png')

    def _booklore_answered(self, sentence: Text) -> None:
        self.show_result(sentence.translated(_, ngettext), 'ok.png')

    def _copy(self) -> None:
        # In English, because the text is meant for bug reports.
        if self._english:
            Application.instance().clipboard().setText('\n'.join(self._english) + '\n')
        else:
            super()._copy()


def run_check(parent: QWidget, jobs: Jobs, settings: Settings, what: str) -> None:
    """Show the window modally and check `what`: 'everything' or 'booklore'. Returns when the window is closed."""
    dialog: Any = CheckDialog(parent, jobs, settings)
    (dialog.check_booklore if what == 'booklore' else dialog.check_everything)()
    dialog.exec()
    dialog.deleteLater()
