# SPDX-License-Identifier: GPL-3.0-or-later
"""The windows of the Hardcover jobs: fetching ids with the picker, changing a match, pushing ratings and undoing it.

The jobs themselves run on a worker's thread; here is what is asked and what is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from calibre.gui2 import warning_dialog
from qt.core import QObject, pyqtSignal

from ..base.cancel import Cancel
from ..base.errors import BackSyncError, Cancelled, LibraryTrouble
from ..base.reporter import Reporter
from ..base.text import Text, text
from ..hardcover import (
    change_match,
    fetch_ids,
    find_candidates,
    plan_ratings,
    push_ratings,
    question_about,
    undo_push,
    unlink_match,
)
from ..jobs.sync import OpenLibrary
from ..library.calibre_library import Library
from ..rules.hardcover_records import (
    Action,
    Answer,
    Candidate,
    IdsOutcome,
    PlannedPush,
    Question,
    RatingChange,
    RatingsOutcome,
    Reason,
    SearchFor,
    Verdict,
)
from ..rules.records import CalibreBook
from ..sync_worker import Job
from .job_dialog import JobDialog, ResultRow
from .job_runner import Jobs
from .job_view import ANOTHER_JOB, JobState
from .match_picker import Picker
from .rating_preview import RatingPreview, spoken_stars, what_happens
from .restriction import restriction_note

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()


class Chooser(QObject):
    """Carries questions from a job's thread to the window, and the answers back."""

    asked = pyqtSignal(object)

    def __init__(self) -> None:
        super().__init__()
        self._answers: SimpleQueue[Answer | None] | None = None

    def ask(self, question: Question, cancel: Cancel) -> Answer:
        """Waits for the answer, on the job's thread. Raises Cancelled as soon as the job is stopped without one."""
        answers: SimpleQueue[Answer | None] = SimpleQueue()
        self._answers = answers
        with cancel.interrupting(lambda: answers.put(None)):
            self.asked.emit(question)
            answer = answers.get()
        if answer is None:
            cancel.check()
        return answer or Verdict.STOP

    def answer(self, answer: Answer) -> bool:
        """Hands over the answer; False where no question waits for one."""
        answers, self._answers = self._answers, None
        if answers is None:
            return False
        answers.put(answer)
        return True


def cover_of(library: Library, book_id: int) -> bytes | None:
    """The cover of a book in Calibre; None where it has none."""
    try:
        data: bytes | None = library.api.cover(book_id)
    except OSError:
        return None
    return data


class FetchDialog(JobDialog):
    """Fetches Hardcover ids of these books, or of all; puts the questions that this raises."""

    def __init__(self, gui: Any, jobs: Jobs, ids: Collection[int] | None = None) -> None:
        self._ids = ids
        self._chooser = Chooser()
        self._chooser.asked.connect(self._ask)
        super().__init__(gui, jobs, _('Fetch Hardcover Book IDs'), 'bookfusion-back-sync-fetch-ids')

    def setup_ui(self) -> None:
        super().setup_ui()
        library = self.jobs.library()
        self.picker = Picker(self.pages, lambda book_id: cover_of(library, book_id))
        self.picker.chosen.connect(self._answered)
        self.picker.searched.connect(lambda words: self._chooser.answer(SearchFor(words)))
        self.pages.addWidget(self.picker)

    def start(self) -> None:
        opener, ids, chooser = self.open_library, self._ids, self._chooser

        def job(reporter: Reporter, cancel: Cancel) -> IdsOutcome:
            return fetch_ids(opener, reporter, cancel, lambda question: chooser.ask(question, cancel), ids)

        self.run(job, self._fetched)

    def _ask(self, question: Question) -> None:
        if self.job_view.state is JobState.RUNNING:
            self.show_page(self.picker)
            self.picker.show_question(question)

    def _answered(self, answer: Candidate | Verdict) -> None:
        if not self._chooser.answer(answer):
            # Stop, while the next question is still being looked for.
            self.reject()

    def _fetched(self, outcome: IdsOutcome) -> None:
        icon = 'dialog_warning.png' if outcome.stopped is not None or outcome.failed else 'dialog_information.png'
        self.show_result(outcome.status.translated(_, ngettext), icon, ids_details(outcome), list(ids_rows(outcome)))


def ids_details(outcome: IdsOutcome) -> str:
    """Counts that the sentence leaves out."""
    parts = []
    if outcome.stopped is not None:
        parts.append(
            _('{stored} stored, {skipped} skipped, {failed} failed.').format(
                stored=len(outcome.stored), skipped=len(outcome.skipped), failed=len(outcome.failed)
            )
        )
    if outcome.had_ids:
        parts.append(
            ngettext('{count} book had an id already.', '{count} books had an id already.', outcome.had_ids).format(
                count=outcome.had_ids
            )
        )
    if outcome.ambiguous:
        count = len(outcome.ambiguous)
        parts.append(
            ngettext('{count} book still needs a choice.', '{count} books still need a choice.', count).format(
                count=count
            )
        )
    parts.append(requests_used(outcome.requests))
    parts.append(restriction_note(outcome.restriction))
    return ' '.join(filter(None, parts))


def requests_used(count: int) -> str:
    return ngettext('{count} request to Hardcover.', '{count} requests to Hardcover.', count).format(count=count)


def ids_rows(outcome: IdsOutcome) -> Iterable[ResultRow]:
    """A row a book, those that need attention first."""

    def left(reasons: Sequence[Reason], result: str, icon: str) -> Iterable[ResultRow]:
        for reason in reasons:
            yield ResultRow(reason.book_id, reason.title, result, reason.why.translated(_, ngettext), icon)

    yield from left(outcome.failed, _('Failed'), 'dialog_error.png')
    yield from left(outcome.ambiguous, _('Needs a choice'), 'dialog_question.png')
    yield from left(outcome.skipped, _('Skipped'), 'forward.png')
    for match in outcome.stored:
        hit = match.hardcover
        details = f'{hit.book_id}: {hit.title}' if hit.title else str(hit.book_id)
        how = match.how.translated(_, ngettext)
        yield ResultRow(match.book.book_id, match.book.title, _('Stored'), f'{details} ({how})')


@dataclass(frozen=True)
class LinkChanged:
    """What became of the match of one book."""

    book_ids: frozenset[int]
    sentence: Text


def linked(open_library: OpenLibrary, book: CalibreBook, candidate: Candidate) -> LinkChanged:
    """Stores a candidate as the match of a book, and says so. Raises LibraryTrouble."""
    change_match(open_library, book.book_id, candidate)
    sentence = text('“{title}” is now linked to “{match}” on Hardcover.', title=book.title, match=candidate.title)
    return LinkChanged(frozenset({book.book_id}), sentence)


def unlinked(open_library: OpenLibrary, book: CalibreBook) -> LinkChanged:
    """Removes the match of a book, and says so. Raises LibraryTrouble."""
    unlink_match(open_library, book.book_id)
    return LinkChanged(frozenset({book.book_id}), text('“{title}” is no longer linked to Hardcover.', title=book.title))


class ChangeDialog(JobDialog):
    """Looks for candidates for one book, to change its match or to unlink it."""

    def __init__(self, gui: Any, jobs: Jobs, book: CalibreBook) -> None:
        self._book = book
        self._writing = False
        super().__init__(gui, jobs, _('Change or unlink match'), 'bookfusion-back-sync-change-match')

    def setup_ui(self) -> None:
        super().setup_ui()
        library = self.jobs.library()
        self.picker = Picker(self.pages, lambda book_id: cover_of(library, book_id))
        self.picker.change_a_match(self._book)
        self.picker.chosen.connect(self._chosen)
        self.picker.searched.connect(self._search)
        self.picker.unlinked.connect(self._unlink)
        self.pages.addWidget(self.picker)

    def start(self) -> None:
        opener, book_id = self.open_library, self._book.book_id
        self.run(lambda reporter, cancel: find_candidates(opener, reporter, cancel, book_id), self._found)

    def _found(self, question: Question) -> None:
        self.show_page(self.picker)
        self.picker.show_question(question)

    def _search(self, words: str) -> None:
        """Searches for the user's own words, while the picker and its candidates stay."""
        if self.jobs.busy:
            self._not_found(ANOTHER_JOB)
            return
        opener, book_id = self.open_library, self._book.book_id
        self.run(
            lambda reporter, cancel: find_candidates(opener, reporter, cancel, book_id, words=words),
            self._found,
            self.picker,
        )

    def _not_found(self, why: Text) -> None:
        self._found(question_about(self._book, why))

    def _failed(self, error: BackSyncError) -> None:
        """Without candidates there is still the match to unlink."""
        if not self._writing and not isinstance(error, Cancelled | LibraryTrouble):
            self._not_found(error.sentence)
        else:
            super()._failed(error)

    def reject(self) -> None:
        """Closes the window at once where only a search runs, for nothing was done that it could show."""
        if self.pages.currentWidget() is self.picker and self.job_view.state is JobState.RUNNING:
            self.job_view.stop()
            self.job_view.when_idle(super().reject)
        else:
            super().reject()

    def _write(self, change: Job) -> None:
        self._writing = True
        self.run(change, self._changed)

    def _chosen(self, answer: Candidate | Verdict) -> None:
        if not isinstance(answer, Candidate):
            self.reject()
            return
        opener, book = self.open_library, self._book
        self._write(lambda reporter, cancel: linked(opener, book, answer))

    def _unlink(self) -> None:
        opener, book = self.open_library, self._book
        self._write(lambda reporter, cancel: unlinked(opener, book))

    def _changed(self, changed: LinkChanged) -> None:
        self.show_result(changed.sentence.translated(_, ngettext), 'dialog_information.png')


class PushDialog(JobDialog):
    """Compares ratings with the shelf, shows the difference, and sends what is ticked."""

    def __init__(self, gui: Any, jobs: Jobs, ids: Collection[int] | None = None) -> None:
        self._ids = ids
        self.preview: RatingPreview | None = None
        super().__init__(gui, jobs, _('Push ratings to Hardcover'), 'bookfusion-back-sync-push')

    def start(self) -> None:
        opener, ids = self.open_library, self._ids
        self.run(lambda reporter, cancel: plan_ratings(opener, reporter, cancel, ids), self._planned)

    def _planned(self, planned: PlannedPush) -> None:
        self.preview = RatingPreview(self.pages, planned)
        self.preview.rejected.connect(self.reject)
        self.preview.accepted.connect(lambda ticked: self._send(planned, ticked))
        self.pages.addWidget(self.preview)
        self.show_page(self.preview)

    def _send(self, planned: PlannedPush, ticked: Sequence[RatingChange]) -> None:
        if self.jobs.busy:
            # The preview stays, with what was ticked.
            warning_dialog(self, _('Another job is running'), ANOTHER_JOB.translated(_, ngettext), show=True)
            return
        opener = self.open_library
        self.run(lambda reporter, cancel: push_ratings(planned, opener, reporter, cancel, ticked=ticked), self._pushed)

    def _pushed(self, outcome: RatingsOutcome) -> None:
        show_ratings_outcome(self, outcome)


class UndoPushDialog(JobDialog):
    """Puts back the ratings that the last push replaced."""

    def __init__(self, gui: Any, jobs: Jobs) -> None:
        super().__init__(gui, jobs, _('Undo the last push'), 'bookfusion-back-sync-undo-push')

    def start(self) -> None:
        opener = self.open_library
        self.run(lambda reporter, cancel: undo_push(opener, reporter, cancel), self._undone)

    def _undone(self, outcome: RatingsOutcome | None) -> None:
        if outcome is None:
            self.show_result(_('There is no push left to undo.'), 'dialog_information.png')
        else:
            show_ratings_outcome(self, outcome)


def show_ratings_outcome(dialog: JobDialog, outcome: RatingsOutcome) -> None:
    """The summary of a push or of its undoing, with every book that was not left as it was."""
    trouble = outcome.stopped is not None or bool(outcome.failed)
    dialog.show_result(
        outcome.status.translated(_, ngettext),
        'dialog_warning.png' if trouble else 'dialog_information.png',
        ratings_details(outcome),
        list(ratings_rows(outcome)),
    )


def ratings_details(outcome: RatingsOutcome) -> str:
    parts = []
    if outcome.stopped is not None:
        parts.append(
            _('{updated} updated, {added} added, {failed} failed, {unsent} not sent.').format(
                updated=len(outcome.updated),
                added=len(outcome.added),
                failed=len(outcome.failed),
                unsent=len(outcome.unsent),
            )
        )
    parts.append(requests_used(outcome.requests))
    return ' '.join(parts)


def ratings_rows(outcome: RatingsOutcome) -> Iterable[ResultRow]:
    """A row a book, those that need attention first."""
    for result in outcome.failed:
        why = result.why.translated(_, ngettext) if result.why is not None else ''
        yield ResultRow(result.change.book_id, result.change.title, _('Failed'), why, 'dialog_error.png')
    for change in outcome.unsent:
        yield ResultRow(change.book_id, change.title, _('Not sent'), what_happens(change), 'dialog_warning.png')
    for change in (*outcome.updated, *outcome.added):
        done = _('Added') if change.action is Action.ADD else _('Updated')
        yield ResultRow(change.book_id, change.title, done, spoken_stars(change.calibre_stars))
    for change in outcome.skipped:
        why = change.why.translated(_, ngettext)
        yield ResultRow(change.book_id, change.title, _('Left alone'), why, 'forward.png')
