# SPDX-License-Identifier: GPL-3.0-or-later
"""The sync and its undo: read, plan, show, apply.

Windows and command line run the same functions. No Qt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ..base import errors
from ..base.about import USER_AGENT
from ..base.cancel import Cancel
from ..base.columns_table import ROW_OF_ROLE, SYNC_COLUMNS, ColumnRow, ColumnState, state_of, used_before
from ..base.errors import SettingsTrouble
from ..base.reporter import Reporter
from ..base.settings import Loaded, Settings, ensure_device, load, plugin_folder
from ..base.text import Text, counted, text
from ..library import last_sync
from ..library.calibre_library import Cell, ColumnInfo, Library, Recording, Written, local_day, start_of_day
from ..library.undo import UndoOutcome, UndoRecords
from ..rules.records import IDENTIFIER, FetchedLibrary
from ..rules.sync_plan import (
    DAYS_AHEAD,
    Change,
    Column,
    Skip,
    Snapshot,
    SyncPlan,
    SyncRules,
    log_line,
    make_plan,
    summary_lines,
)
from ..services.bookfusion import AUTHENTICATING, Account, connect, fetch_library
from ..services.bookfusion_answers import SERVICE
from ..transport.client import HttpClient
from ..transport.request import Limits

logger = logging.getLogger(__name__)

SCANNING = text('Scanning Calibre library...')
DONE = text('Done - {updated} updated, {skipped} skipped.')
FETCHED_SOME = text('Fetching BookFusion library... ({done})')
FETCHED_SOME_OF = text('Fetching BookFusion library... ({done} of {total})')
# Records and seconds: the server needs longer for large pages (seen: another client uses 90 s for 5000 records).
SLOW_PAGE_SIZE, SLOW_PAGE_TIMEOUT = 200, 90.0

OpenLibrary = Callable[[], AbstractContextManager[Library]]


@dataclass(frozen=True)
class PreparedSync:
    """A plan, with the rules that it follows from and the `library_id` of the library that it is for."""

    plan: SyncPlan
    rules: SyncRules
    library_id: str


@dataclass(frozen=True)
class SyncOutcome:
    """The result of a sync; in a dry run, what would have happened. The counts are books, but for `requests`.

    `completed`   number of Completed flags that were set
    `changes`     the changes that were written
    `skips`       the reason for each skipped book, by book id
    `requests`    HTTP requests that were sent
    `seconds`     duration, without the time that a preview was open
    """

    updated: int
    unchanged: int
    skipped: int
    completed: int
    changes: tuple[Change, ...]
    skips: dict[int, str]
    requests: int
    seconds: float
    plan: SyncPlan
    library_id: str

    @property
    def book_ids(self) -> frozenset[int]:
        return frozenset(change.book_id for change in self.changes)

    @property
    def status(self) -> Text:
        return DONE.with_values(updated=self.updated, skipped=self.skipped)


def rules_for(library: Library, settings: Settings) -> tuple[SyncRules, list[str]]:
    """The rules of a sync, and a log line for every optional column that cannot be used.

    Raises SettingsTrouble if a required column cannot be used.
    """
    columns = library.columns()
    chosen: dict[str, Column] = {}
    problems: list[str] = []
    for row in SYNC_COLUMNS:
        name, state = settings.columns[row.key], state_of(row, settings.columns, columns)
        if state is ColumnState.USABLE:
            chosen[row.role] = Column(name, columns[name].datatype, columns[name].enum_values)
        elif row.is_needed:
            raise needed_column_error(state, name)
        elif state is not ColumnState.NOT_CHOSEN:
            problems.append(left_out(row, state, settings.columns, columns))
    return SyncRules(chosen, settings.completed_threshold, settings.keep_newer_date, clock_limit()), problems


def clock_limit() -> datetime:
    """The moment from which on a last-read date is from a wrong clock, as SyncRules has it, from today's date."""
    return start_of_day(local_day(datetime.now(timezone.utc)) + timedelta(days=DAYS_AHEAD + 1))


def needed_column_error(state: ColumnState, name: str) -> SettingsTrouble:
    """The error for a required column that is in `state`. `name` is its lookup name."""
    if state is ColumnState.NOT_CHOSEN:
        return SettingsTrouble(errors.COLUMN_NOT_CHOSEN)
    if state is ColumnState.MISSING:
        return SettingsTrouble(errors.COLUMN_MISSING, column=name)
    if state is ColumnState.COMPUTED:
        return SettingsTrouble(errors.COLUMN_COMPUTED, column=name)
    return SettingsTrouble(errors.COLUMN_WRONG_TYPE, column=name)


def left_out(row: ColumnRow, state: ColumnState, chosen: Mapping[str, str], columns: Mapping[str, ColumnInfo]) -> str:
    """The log line for a chosen column that is missing, has the wrong type or already serves another value."""
    name = chosen[row.key]
    reason = 'does not exist in this library'
    if state is ColumnState.COMPUTED:
        reason = 'is computed (built from other columns) and cannot be written'
    elif state is ColumnState.WRONG_TYPE:
        reason = f'has the wrong type ({columns[name].datatype})'
    elif state is ColumnState.USED_TWICE:
        other = used_before(row, chosen, columns)
        assert other is not None
        reason = f'is the {other.words} column as well'
    return f'Note: the {row.words} column {name} {reason}, so it is left out.'


class _FetchReporter:
    """Reports the progress of a fetch as a status with the number of records."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.status, self.log = reporter.status, reporter.log

    def progress(self, done: int, total: int | None) -> None:
        sentence = FETCHED_SOME if total is None else FETCHED_SOME_OF
        self._reporter.status(sentence.with_values(done=done, total=total))
        self._reporter.progress(done, None)


def http_client(service: str, settings: Settings, reporter: Reporter, limits: Limits | None = None) -> HttpClient:
    """A client that reports the waits before its retries as a status. `service` is the name used in errors."""
    if limits is None and settings.page_size > SLOW_PAGE_SIZE:
        limits = Limits(read_timeout=SLOW_PAGE_TIMEOUT)
    return HttpClient(service, USER_AGENT, limits, report_wait=reporter.status)


class SyncJob:
    """One sync.

    `open_library` is entered twice: to check the columns before the fetch, and from the snapshot to the end of the
    write. `only` restricts the sync to these book ids. `limits` replaces the timeouts and retries of requests.
    """

    def __init__(
        self,
        open_library: OpenLibrary,
        reporter: Reporter,
        cancel: Cancel,
        only: Collection[int] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._open_library = open_library
        self._reporter = reporter
        self._cancel = cancel
        self._only = only
        self._limits = limits
        self._requests = 0
        self._started = time.monotonic()
        self._spent = 0.0

    def run(self, dry_run: bool = False) -> SyncOutcome:
        """Read, plan and write; with `dry_run` log the plan instead of writing it.

        Raises BackSyncError; nothing has been written then.
        """
        fetched = self.fetch()
        with self._open_library() as library:
            prepared = self.prepare(library, fetched)
            if dry_run:
                self.show(prepared)
                return self.outcome(prepared, prepared.plan.changes)
            return self.apply(library, prepared)

    def run_to_preview(self) -> PreparedSync:
        """Read and plan only. The caller shows the plan and may then call `run_from_preview`. Raises BackSyncError."""
        fetched = self.fetch()
        with self._open_library() as library:
            prepared = self.prepare(library, fetched)
        self._spent = time.monotonic() - self._started
        return prepared

    def run_from_preview(
        self, prepared: PreparedSync, ticked: Collection[Change], reporter: Reporter, cancel: Cancel
    ) -> SyncOutcome:
        """Write the `ticked` changes of the plan from `run_to_preview`. Raises BackSyncError.

        The outcome counts the requests of both runs. Its seconds do not include the time between them.
        """
        self._reporter, self._cancel = reporter, cancel
        self._started = time.monotonic() - self._spent
        with self._open_library() as library:
            return self.apply(library, prepared, ticked)

    def fetch(self) -> FetchedLibrary:
        """Check the columns, then fetch all records from BookFusion. Raises BackSyncError."""
        with self._open_library() as library:
            loaded = load(library.api)
            _report_problems(loaded, self._reporter)
            rules, problems = rules_for(library, loaded.settings)
        for problem in problems:
            self._reporter.log(problem)
        settings = loaded.settings
        account = Account.from_settings(settings, ensure_device(settings.device))
        self._reporter.progress(0, None)
        need_percentage = any(ROW_OF_ROLE[role].needs_percentage for role in rules.by_role)
        with http_client(SERVICE, settings, self._reporter, self._limits) as client:
            try:
                fetched = fetch_library(
                    client, settings, account, _FetchReporter(self._reporter), self._cancel, need_percentage
                )
            finally:
                self._requests += client.requests
        logger.info('Fetched %d records from %s', len(fetched.records), fetched.interface)
        for line in unfilled_columns(rules, fetched):
            self._reporter.log(line)
        return fetched

    def prepare(self, library: Library, fetched: FetchedLibrary) -> PreparedSync:
        """Take a snapshot of the library and plan the sync. Raises BackSyncError."""
        self._cancel.check()
        self._reporter.status(SCANNING)
        rules, _problems = rules_for(library, load(library.api).settings)
        snapshot = take_snapshot(library, rules, self._only)

        def tick(done: int, total: int) -> None:
            self._cancel.check()
            self._reporter.progress(done, total)

        return PreparedSync(make_plan(fetched, snapshot, rules, tick), rules, library.library_id)

    def show(self, prepared: PreparedSync) -> None:
        """Log the whole plan."""
        for note in prepared.plan.notes:
            self._reporter.log(note)
        for entry in prepared.plan.entries:
            self._reporter.log(log_line(entry, local_day))

    def apply(self, library: Library, prepared: PreparedSync, ticked: Collection[Change] | None = None) -> SyncOutcome:
        """Write all changes of the plan, or those in `ticked`. A write that has started cannot be cancelled.

        Raises LibraryTrouble if another library is open than at the time of planning, or if the write fails; Cancelled.
        """
        if library.library_id != prepared.library_id:
            raise errors.LibraryTrouble(errors.LIBRARY_SWITCHED)
        changes = prepared.plan.changes if ticked is None else tuple(ticked)
        self._cancel.check()
        if changes:
            self._reporter.status(writing_status(changes))
        written = library.write([_cell(change) for change in changes], self._keep_record(library))
        held = {(cell.book_id, cell.column) for cell in written.cells}
        done = tuple(change for change in changes if (change.book_id, change.column) in held)
        self._log_written(prepared.plan, frozenset(done), written)
        outcome = self.outcome(prepared, done)
        last_sync.remember(library.library_id, outcome.updated, outcome.skipped)
        return outcome

    def _keep_record(self, library: Library) -> Recording:
        return UndoRecords(plugin_folder(), library.library_id, library.place).keeping

    def _log_written(self, plan: SyncPlan, done: frozenset[Change], written: Written) -> None:
        for note in plan.notes:
            self._reporter.log(note)
        for entry in plan.entries:
            if isinstance(entry, Skip) or entry in done:
                self._reporter.log(log_line(entry, local_day))
        for cells, what in ((written.edited, 'was edited meanwhile'), (written.gone, 'was deleted meanwhile')):
            for book_id in sorted({cell.book_id for cell in cells}):
                self._reporter.log(f'Note: book {book_id} {what} and was left alone.')

    def outcome(self, prepared: PreparedSync, done: tuple[Change, ...]) -> SyncOutcome:
        """Build the outcome for the changes in `done`, and log and report its counts."""
        plan = prepared.plan
        for line in summary_lines(plan):
            self._reporter.log(line)
        outcome = SyncOutcome(
            updated=len({change.book_id for change in done}),
            unchanged=len(plan.unchanged),
            skipped=len(plan.skipped),
            completed=sum(change.role == 'completed' for change in done),
            changes=done,
            skips=dict(plan.skipped),
            requests=self._requests,
            seconds=round(time.monotonic() - self._started, 3),
            plan=plan,
            library_id=prepared.library_id,
        )
        self._reporter.progress(1, 1)
        self._reporter.status(outcome.status)
        return outcome


def check_account(reporter: Reporter, cancel: Cancel) -> None:
    """Test whether the account in the settings can sign in.

    Raises SignInRefused, SettingsTrouble, ServerTrouble, Cancelled.
    """
    settings = load().settings
    account = Account.from_settings(settings, ensure_device(settings.device))
    reporter.status(AUTHENTICATING)
    with http_client(SERVICE, settings, reporter) as client:
        connect(client, settings, account, cancel, reporter.log)


def _report_problems(loaded: Loaded, reporter: Reporter) -> None:
    for problem in loaded.problems:
        reporter.log(f'Note: {problem}')


def unfilled_columns(rules: SyncRules, fetched: FetchedLibrary) -> list[str]:
    """A log line for every chosen column whose values the API does not provide."""
    lines = []
    for role, column in rules.by_role.items():
        limit = ROW_OF_ROLE[role].user_api_only
        if limit is not None and not fetched.provides(limit.needs):
            lines.append(f'Note: {limit.log.format(column=column.name, interface=fetched.interface)}')
    return lines


def take_snapshot(library: Library, rules: SyncRules, only: Collection[int] | None = None) -> Snapshot:
    """Read titles, identifiers and current values of the books with a `bookfusion` identifier. Raises LibraryTrouble.

    `only` restricts the snapshot to these book ids.
    """
    identifiers = library.identifiers(IDENTIFIER, only)
    ids = list(identifiers)
    return Snapshot(
        titles=library.titles(ids),
        identifiers=identifiers,
        values={column.name: library.values(column.name, ids) for column in rules.columns},
        series=library.series(ids),
    )


def writing_status(changes: Collection[Change]) -> Text:
    """The status during the write: the number of dates; of Completed flags if there are no dates; else of values."""
    dates = sum(change.role == 'last_read' for change in changes)
    if dates:
        return counted('Writing {count} date to Calibre...', 'Writing {count} dates to Calibre...', dates)
    flags = sum(change.role == 'completed' for change in changes)
    if flags:
        return counted(
            'Writing {count} completed flag to Calibre...', 'Writing {count} completed flags to Calibre...', flags
        )
    return counted('Writing {count} value to Calibre...', 'Writing {count} values to Calibre...', len(changes))


def _cell(change: Change) -> Cell:
    return Cell(change.book_id, change.column, change.old, change.new)


def undo_last(library: Library, reporter: Reporter) -> UndoOutcome:
    """Restore the values that the last sync of this library replaced, and log the result. Raises LibraryTrouble."""
    outcome = UndoRecords(plugin_folder(), library.library_id, library.place).undo_last(library)
    for sentence in undo_sentences(outcome):
        reporter.log(str(sentence))
    logger.info('Undo put back %d cells', len(outcome.put_back))
    return outcome


def undo_sentences(outcome: UndoOutcome) -> list[Text]:
    """The result of an undo in sentences for the user."""
    if outcome.when is None:
        return [text('There is no sync left to undo.')]
    day = _local_moment(outcome.when)
    sentences = [
        counted(
            'Put back {count} value that the sync of {moment} had replaced.',
            'Put back {count} values that the sync of {moment} had replaced.',
            len(outcome.put_back),
            moment=day,
        )
    ]
    if outcome.changed_since:
        sentences.append(
            counted(
                '{count} value was changed since and left alone.',
                '{count} values were changed since and left alone.',
                outcome.changed_since,
            )
        )
    if outcome.gone:
        sentences.append(
            counted(
                '{count} value belongs to a book or a column that no longer exists.',
                '{count} values belong to books or columns that no longer exist.',
                outcome.gone,
            )
        )
    return sentences


def _local_moment(moment: datetime) -> str:
    return moment.astimezone().strftime('%Y-%m-%d %H:%M')
