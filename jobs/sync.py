# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs themselves: read, plan, show, apply; told how to report and when to stop.

The window and the command line run these same functions. Knows no Qt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from ..base import errors
from ..base.about import USER_AGENT
from ..base.cancel import Cancel
from ..base.errors import SettingsTrouble
from ..base.reporter import Reporter
from ..base.settings import Loaded, Settings, ensure_device, load, plugin_folder
from ..base.text import Text, counted, text
from ..library import last_sync
from ..library.calibre_library import Cell, ColumnInfo, Library, Recording, Written, local_day
from ..library.undo import UndoOutcome, UndoRecords
from ..rules.records import IDENTIFIER, FetchedLibrary
from ..rules.sync_plan import Change, Column, Skip, Snapshot, SyncPlan, SyncRules, log_line, make_plan, summary_lines
from ..services.bookfusion import AUTHENTICATING, Account, connect, fetch_library
from ..services.bookfusion_answers import SERVICE
from ..transport.client import HttpClient
from ..transport.request import Limits

logger = logging.getLogger(__name__)

SCANNING = text('Scanning Calibre library...')
DONE = text('Done - {updated} updated, {skipped} skipped.')
FETCHED_SOME = text('Fetching BookFusion library... ({done})')
FETCHED_SOME_OF = text('Fetching BookFusion library... ({done} of {total})')
# Reading 5000 records takes the server longer than reading 100.
SLOW_PAGE_SIZE, SLOW_PAGE_TIMEOUT = 200, 90.0

OpenLibrary = Callable[[], AbstractContextManager[Library]]

# Which datatypes of Calibre's custom columns can hold what a sync writes.
COLUMN_DATATYPES = {
    'last_read_column': ('datetime',),
    'completed_column': ('bool',),
    'progress_column': ('float', 'int'),
    'read_time_column': ('float', 'int'),
    'status_column': ('text', 'enumeration'),
}


@dataclass(frozen=True)
class PreparedSync:
    """A plan, and what is needed to carry it out or to show it."""

    plan: SyncPlan
    rules: SyncRules
    library_id: str


@dataclass(frozen=True)
class SyncOutcome:
    """How a sync ended. In a dry run, what would have happened."""

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


def usable_columns(columns: dict[str, ColumnInfo], key: str) -> list[ColumnInfo]:
    """The columns that a setting can name, by their datatype; text only where it holds a single value."""
    return [
        column for column in columns.values() if column.datatype in COLUMN_DATATYPES[key] and not column.is_multiple
    ]


def rules_for(library: Library, settings: Settings) -> tuple[SyncRules, list[str]]:
    """The rules of a sync in this library, and a line for every optional column that had to be left out.

    Raises SettingsTrouble where the Last Read Column cannot be written.
    """
    columns = library.columns()
    name = settings.last_read_column
    if not name:
        raise SettingsTrouble(errors.COLUMN_NOT_CHOSEN)
    if name not in columns:
        raise SettingsTrouble(errors.COLUMN_MISSING, column=name)
    if columns[name].datatype != 'datetime':
        raise SettingsTrouble(errors.COLUMN_WRONG_TYPE, column=name)
    problems: list[str] = []
    chosen = {key: _optional_column(columns, key, getattr(settings, key), problems) for key in COLUMN_DATATYPES}
    # The only two kinds of values that fit into the same columns: each would overwrite the other in every sync.
    if chosen['read_time_column'] is not None and chosen['read_time_column'] == chosen['progress_column']:
        problems.append(
            f'Note: the read time column {chosen["read_time_column"].name} is the progress column as well, '
            'so it is left out.'
        )
        chosen['read_time_column'] = None
    rules = SyncRules(
        last_read=Column(name, 'datetime'),
        completed=chosen['completed_column'],
        progress=chosen['progress_column'],
        read_time=chosen['read_time_column'],
        status=chosen['status_column'],
        threshold=settings.completed_threshold,
        keep_newer_date=settings.keep_newer_date,
    )
    return rules, problems


def _optional_column(columns: dict[str, ColumnInfo], key: str, name: str, problems: list[str]) -> Column | None:
    if not name:
        return None
    words = key.removesuffix('_column').replace('_', ' ')
    if name not in columns:
        problems.append(f'Note: the {words} column {name} does not exist in this library, so it is left out.')
        return None
    if columns[name] not in usable_columns(columns, key):
        problems.append(
            f'Note: the {words} column {name} has the wrong type ({columns[name].datatype}), so it is left out.'
        )
        return None
    return Column(name, columns[name].datatype, columns[name].enum_values)


class _FetchReporter:
    """Turns the count of a fetch into the status line."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self.status, self.log = reporter.status, reporter.log

    def progress(self, done: int, total: int | None) -> None:
        sentence = FETCHED_SOME if total is None else FETCHED_SOME_OF
        self._reporter.status(sentence.with_values(done=done, total=total))
        self._reporter.progress(done, None)


def http_client(service: str, settings: Settings, reporter: Reporter, limits: Limits | None = None) -> HttpClient:
    """A client whose waits show in the status line."""
    if limits is None and settings.page_size > SLOW_PAGE_SIZE:
        limits = Limits(read_timeout=SLOW_PAGE_TIMEOUT)
    return HttpClient(service, USER_AGENT, limits, report_wait=reporter.status)


class SyncJob:
    """One sync, step by step. `open_library` is entered twice: to check the columns, and from snapshot to write."""

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
        """Reads, plans and applies. Raises BackSyncError; then nothing was written."""
        fetched = self.fetch()
        with self._open_library() as library:
            prepared = self.prepare(library, fetched)
            if dry_run:
                self.show(prepared)
                return self.outcome(prepared, prepared.plan.changes)
            return self.apply(library, prepared)

    def run_to_preview(self) -> PreparedSync:
        """Reads and plans only, for a window that shows the plan before `apply`. Raises BackSyncError."""
        fetched = self.fetch()
        with self._open_library() as library:
            prepared = self.prepare(library, fetched)
        self._spent = time.monotonic() - self._started
        return prepared

    def run_from_preview(
        self, prepared: PreparedSync, ticked: Collection[Change], reporter: Reporter, cancel: Cancel
    ) -> SyncOutcome:
        """Applies what was ticked of the plan that `run_to_preview` gave, under another reporter and cancel.

        The requests count from the beginning, the seconds without the time that the plan was looked at.
        """
        self._reporter, self._cancel = reporter, cancel
        self._started = time.monotonic() - self._spent
        with self._open_library() as library:
            return self.apply(library, prepared, ticked)

    def fetch(self) -> FetchedLibrary:
        """BookFusion's side, after a look at whether there is a column to write it to."""
        with self._open_library() as library:
            loaded = load(library.api)
            _report_problems(loaded, self._reporter)
            rules, problems = rules_for(library, loaded.settings)
        for problem in problems:
            self._reporter.log(problem)
        settings = loaded.settings
        account = Account.from_settings(settings, ensure_device())
        self._reporter.progress(0, None)
        need_percentage = any((rules.completed, rules.progress, rules.status))
        with http_client(SERVICE, settings, self._reporter, self._limits) as client:
            try:
                fetched = fetch_library(
                    client, settings, account, _FetchReporter(self._reporter), self._cancel, need_percentage
                )
            finally:
                self._requests += client.requests
        logger.info('Fetched %d records from %s', len(fetched.records), fetched.interface)
        for line in untold_columns(rules, fetched):
            self._reporter.log(line)
        return fetched

    def prepare(self, library: Library, fetched: FetchedLibrary) -> PreparedSync:
        """Calibre's snapshot, and the plan that follows from it."""
        self._cancel.check()
        self._reporter.status(SCANNING)
        rules, _problems = rules_for(library, load(library.api).settings)
        snapshot = take_snapshot(library, rules, self._only)

        def tick(done: int, total: int) -> None:
            self._cancel.check()
            self._reporter.progress(done, total)

        return PreparedSync(make_plan(fetched, snapshot, rules, tick), rules, library.library_id)

    def show(self, prepared: PreparedSync) -> None:
        """The plan's lines, in the order of the log."""
        for note in prepared.plan.notes:
            self._reporter.log(note)
        for entry in prepared.plan.entries:
            self._reporter.log(log_line(entry, local_day))

    def apply(self, library: Library, prepared: PreparedSync, ticked: Collection[Change] | None = None) -> SyncOutcome:
        """Writes the plan, or those of its changes that are ticked. From here on a cancel waits for the end."""
        if library.library_id != prepared.library_id:
            raise errors.LibraryTrouble(errors.LIBRARY_SWITCHED)
        changes = prepared.plan.changes if ticked is None else tuple(ticked)
        self._cancel.check()
        if changes:
            self._reporter.status(writing_status(changes))
        written = library.write([_cell(change) for change in changes], self._keep_record(library))
        held = {(cell.book_id, cell.column) for cell in written.cells}
        done = tuple(change for change in changes if (change.book_id, change.column) in held)
        self._tell(prepared.plan, frozenset(done), written)
        outcome = self.outcome(prepared, done)
        last_sync.remember(library.library_id, outcome.updated, outcome.skipped)
        return outcome

    def _keep_record(self, library: Library) -> Recording:
        return UndoRecords(plugin_folder(), library.library_id).keeping

    def _tell(self, plan: SyncPlan, done: frozenset[Change], written: Written) -> None:
        for note in plan.notes:
            self._reporter.log(note)
        for entry in plan.entries:
            if isinstance(entry, Skip) or entry in done:
                self._reporter.log(log_line(entry, local_day))
        for cells, what in ((written.edited, 'was edited meanwhile'), (written.gone, 'was deleted meanwhile')):
            for book_id in sorted({cell.book_id for cell in cells}):
                self._reporter.log(f'Note: book {book_id} {what} and was left alone.')

    def outcome(self, prepared: PreparedSync, done: tuple[Change, ...]) -> SyncOutcome:
        """The counts; ends the log with them."""
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
    """Signs in with the stored account, to see whether that works.

    Raises SignInRefused, SettingsTrouble, ServerTrouble, Cancelled.
    """
    settings = load().settings
    account = Account.from_settings(settings, ensure_device())
    reporter.status(AUTHENTICATING)
    with http_client(SERVICE, settings, reporter) as client:
        connect(client, settings, account, cancel, reporter.log)


def _report_problems(loaded: Loaded, reporter: Reporter) -> None:
    for problem in loaded.problems:
        reporter.log(f'Note: {problem}')


def untold_columns(rules: SyncRules, fetched: FetchedLibrary) -> list[str]:
    """A line for every chosen column that the interface in use cannot fill."""
    lines = []
    if rules.read_time is not None and not fetched.has_read_time:
        lines.append(
            f'Note: {rules.read_time.name} stays as it is: {fetched.interface} does not tell the reading time.'
        )
    if rules.status is not None and not fetched.has_lists:
        lines.append(
            f'Note: {rules.status.name} follows the percentage alone: {fetched.interface} does not tell the lists.'
        )
    return lines


def take_snapshot(library: Library, rules: SyncRules, only: Collection[int] | None = None) -> Snapshot:
    """Calibre's side of the sync, in bulk. Raises LibraryTrouble."""
    identifiers = library.identifiers(IDENTIFIER, only)
    ids = list(identifiers)
    return Snapshot(
        titles=library.titles(ids),
        identifiers=identifiers,
        values={column.name: library.values(column.name, ids) for column in rules.columns},
    )


def writing_status(changes: Collection[Change]) -> Text:
    """What is being written: dates, or flags where there are no dates, or whatever else there is."""
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
    """Puts back what the last sync replaced. Raises LibraryTrouble."""
    outcome = UndoRecords(plugin_folder(), library.library_id).undo_last(library)
    for sentence in undo_sentences(outcome):
        reporter.log(str(sentence))
    logger.info('Undo put back %d cells', len(outcome.put_back))
    return outcome


def undo_sentences(outcome: UndoOutcome) -> list[Text]:
    """What an undo did, for people."""
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
