# SPDX-License-Identifier: GPL-3.0-or-later
"""The window of Test Connection: what a check found, in words, made to be copied into a bug report.

Shows and copies; what is checked is another module's.
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
    """Modal, above the form whose settings it checks; they need not be saved."""

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
        """The library, BookFusion and whatever else is set up."""
        from ..jobs.check import check

        settings = self._settings
        self.run(
            lambda reporter, cancel: check(self.open_library, reporter, cancel, settings),
            self._checked,
        )

    def check_booklore(self) -> None:
        """The BookLore server alone."""
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
        # In English, whatever language the window speaks: it is for whoever reads bug reports.
        if self._english:
            Application.instance().clipboard().setText('\n'.join(self._english) + '\n')
        else:
            super()._copy()


def run_check(parent: QWidget, jobs: Jobs, settings: Settings, what: str) -> None:
    """Opens the window, checks `everything` or `booklore`, and comes back when the window is closed."""
    dialog: Any = CheckDialog(parent, jobs, settings)
    (dialog.check_booklore if what == 'booklore' else dialog.check_everything)()
    dialog.exec()
    dialog.deleteLater()
