# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending ratings to Hardcover: read both sides, plan, and, after somebody looked at the plan, send what differs.

`plan_ratings` gives a PlannedPush to show, `push_ratings` sends it or those of its changes that are ticked, `undo_push`
puts the old ratings back. Knows no Qt; Calibre's library is only read, but for ids that Hardcover has retired.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TypeVar

from ..base import errors
from ..base.cancel import Cancel
from ..base.columns_table import ROW_OF_KEY, ColumnState, state_of
from ..base.errors import BackSyncError, Cancelled, QuotaSpent, ServerTrouble, SettingsTrouble
from ..base.reporter import Reporter
from ..base.settings import Settings, load, plugin_folder
from ..base.text import Text, counted, text
from ..library.calibre_library import Library, local_day
from ..library.hardcover_memory import UNLINKED, Memory, Push
from ..rules.hardcover_matching import EDITION_KEY, ID_KEY, OTHER_ID_KEY, titles_agree
from ..rules.hardcover_records import (
    Account,
    Action,
    Cost,
    HardcoverBook,
    NewEntry,
    PlannedPush,
    RatingChange,
    RatingPlan,
    RatingResult,
    RatingsOutcome,
    ShelfEntry,
    WriteResult,
)
from ..rules.rating_plan import (
    NOT_ON_SHELF,
    RatedBooks,
    RatingRules,
    books_to_look_up,
    cost_of,
    newest_entries,
    plan_difference,
    plan_undo,
    same_stars,
    shown_stars,
    warn_about,
)
from ..rules.records import CalibreBook
from ..services.hardcover_client import BATCH, Hardcover, in_batches
from ..services.hardcover_operations import MOST_FIELDS
from ..services.hardcover_quota import Pace
from .change_match import our_identifiers, relink
from .hardcover_account import connected
from .sync import OpenLibrary

Key = TypeVar('Key', int, str)

NO_ACCOUNT = Account(0, '', 0)

READING = text('Reading ratings from Calibre...')
READING_SHELF = text('Reading the Hardcover shelf...')
SENDING = text('Sending ratings to Hardcover...')
RETIRED = text('Hardcover no longer has this book, and neither its edition nor its address leads to another.')
LOST = (RETIRED, NOT_ON_SHELF)
NOTHING_TO_UNDO = text('There is no push left to undo.')


def plan_ratings(
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    ids: Collection[int] | None = None,
    pace: Pace | None = None,
) -> PlannedPush:
    """Compares Calibre's ratings with the shelf; sends nothing. Raises BackSyncError.

    Costs one unit for the account and one or two for each hundred books with a Hardcover id.
    """
    reporter.status(READING)
    with open_library() as library:
        loaded = load(library.api)
        settings = loaded.settings
        rated = read_ratings(library, settings, ids, reporter)
        library_id = library.library_id
    for problem in loaded.problems:
        reporter.log(f'Note: {problem}')
    rules = RatingRules(settings.hardcover_add_unshelved, settings.hardcover_clear_ratings)
    wanted = books_to_look_up(rated, rules)
    with connected(settings, reporter, pace) as hardcover:
        account, entries = NO_ACCOUNT, []
        if wanted:
            account = hardcover.who_am_i(cancel)
            entries = read_shelf(hardcover, account, wanted, reporter, cancel)
        plan = plan_difference(rated, newest_entries(entries), rules)
        report_plan(plan, reporter)
        warning = warn_about(len(plan.changes), hardcover.pace.left_today)
        cost = cost_by(hardcover.pace)
        return PlannedPush(plan, account, library_id, cost, hardcover.units, hardcover.requests, warning)


def cost_by(pace: Pace) -> Callable[[Sequence[RatingChange]], Cost]:
    """What sending some changes takes, by what this pace says at that moment."""

    def cost(changes: Sequence[RatingChange]) -> Cost:
        return cost_of(changes, pace.seconds_for(len(changes)), MOST_FIELDS)

    return cost


def read_ratings(library: Library, settings: Settings, ids: Collection[int] | None, reporter: Reporter) -> RatedBooks:
    """Calibre's side. Raises SettingsTrouble where the rating column is missing or holds something else."""
    columns = library.columns()
    row = ROW_OF_KEY['rating_column']
    column, state = settings.rating_column or row.built_in, state_of(row, settings.columns, columns)
    if state is ColumnState.MISSING:
        raise SettingsTrouble(errors.RATING_COLUMN_MISSING, column=column)
    if state is ColumnState.WRONG_TYPE:
        raise SettingsTrouble(errors.RATING_COLUMN_WRONG_TYPE, column=column)
    memory = Memory(plugin_folder(), library.library_id)
    books = {book.book_id: linked_only(book, memory) for book in library.books(ids).values()}
    read_on: dict[int, date] = {}
    if settings.hardcover_add_unshelved:
        if state_of(ROW_OF_KEY['last_read_column'], settings.columns, columns) is ColumnState.USABLE:
            moments = library.values(settings.last_read_column, list(books))
            read_on = {
                book_id: local_day(moment) for book_id, moment in moments.items() if isinstance(moment, datetime)
            }
        else:
            reporter.log(
                f'Note: there is no Date column {settings.last_read_column or "for the last reading"}, '
                'so books that are added get the date of today.'
            )
    unsure = frozenset(book.book_id for book in books.values() if has_unsure_edition(book, memory))
    return RatedBooks(books, library.values(column, list(books)), read_on, unsure)


def linked_only(book: CalibreBook, memory: Memory) -> CalibreBook:
    """The book as a push may see it: the id of another plugin does not count where the user unlinked the book."""
    if memory.why_left(book) != UNLINKED:
        return book
    return replace(book, identifiers={key: value for key, value in book.identifiers.items() if key != OTHER_ID_KEY})


def has_unsure_edition(book: CalibreBook, memory: Memory) -> bool:
    """Whether the Hardcover id and the edition of a book come from two plugins, so that they may be of two books."""
    ours = our_identifiers(book, memory)
    return EDITION_KEY in book.identifiers and (ID_KEY in ours) is not (EDITION_KEY in ours)


def read_shelf(
    hardcover: Hardcover, account: Account, book_ids: Sequence[int], reporter: Reporter, cancel: Cancel
) -> list[ShelfEntry]:
    """The shelf entries of these books, a hundred books a request."""
    reporter.status(READING_SHELF)
    entries: list[ShelfEntry] = []
    for number, some in enumerate(in_batches(book_ids), 1):
        entries += hardcover.shelf(account, some, cancel)
        reporter.progress(min(number * BATCH, len(book_ids)), len(book_ids))
    return entries


def report_plan(plan: RatingPlan, reporter: Reporter) -> None:
    """What was left out, in the log, and how much there is to do."""
    for change in plan.skipped:
        reporter.log(f'SKIP {change.title} -> {change.why}')
    differ, skipped = len(plan.changes), len(plan.skipped)
    reporter.log(
        f'{differ} {"rating differs" if differ == 1 else "ratings differ"}, '
        f'{plan.unchanged} {"is" if plan.unchanged == 1 else "are"} the same already, '
        f'{skipped} {"book is" if skipped == 1 else "books are"} left out.'
    )


def preview_outcome(planned: PlannedPush) -> RatingsOutcome:
    """What a push would do, for a dry run."""
    changes = planned.plan.changes
    return RatingsOutcome(
        updated=tuple(change for change in changes if change.action is not Action.ADD),
        added=tuple(change for change in changes if change.action is Action.ADD),
        skipped=planned.plan.skipped,
        unchanged=planned.plan.unchanged,
        units=planned.units,
        requests=planned.requests,
    )


def push_ratings(
    planned: PlannedPush,
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    ticked: Collection[RatingChange] | None = None,
    pace: Pace | None = None,
) -> RatingsOutcome:
    """Sends the plan, or those of its changes that are ticked; the old ratings are on record before the first.

    Raises BackSyncError before anything is sent; what ends it later is the outcome's `stopped`.
    """
    changes = list(planned.plan.changes if ticked is None else ticked)
    with open_library() as library:
        if library.library_id != planned.library_id:
            raise errors.LibraryTrouble(errors.LIBRARY_SWITCHED)
        settings = load(library.api).settings
        memory = Memory(plugin_folder(), library.library_id)
    with connected(settings, reporter, pace) as hardcover:
        job = _PushJob(hardcover, planned.account, reporter, cancel)
        if changes:
            memory.add_push(planned.account.user_id, changes)
            job.run(changes)
            memory.keep_of_last_push(job.on_hardcover)
        relinked = follow_moved(open_library, memory, job.moved, reporter) if job.moved else frozenset()
        return replace(job.outcome(planned.plan, planned.units, planned.requests), book_ids=relinked)


class _PushJob:
    """One push: changes move from `_waiting` to done or failed; those of retired books are tried once more."""

    def __init__(self, hardcover: Hardcover, account: Account, reporter: Reporter, cancel: Cancel) -> None:
        self._hardcover = hardcover
        self._account = account
        self._reporter = reporter
        self._cancel = cancel
        self._waiting: list[RatingChange] = []
        self._done: list[RatingChange] = []
        self._failed: list[RatingResult] = []
        self._retired: list[RatingChange] = []
        self._in_doubt: list[RatingChange] = []
        self._undated: list[tuple[int, date]] = []
        self._total = 0
        self._stopped: BackSyncError | None = None
        self._there_already = 0
        self.moved: dict[int, HardcoverBook] = {}

    @property
    def done(self) -> list[RatingChange]:
        return self._done

    @property
    def on_hardcover(self) -> list[RatingChange]:
        """The changes that Hardcover has, or may have: what an undo looks at."""
        return self._done + self._in_doubt

    def run(self, changes: Sequence[RatingChange]) -> None:
        """Sends everything that can be sent. What ends it early is kept, not raised."""
        self._waiting = list(changes)
        self._total = len(changes)
        self._reporter.status(SENDING)
        try:
            self._send_all(self._took)
            self._try_retired_again()
            self._date_added()
        except QuotaSpent as error:
            sent = counted('{count} rating sent', '{count} ratings sent', len(self._done))
            self._stopped = error.after(sent)
        except Cancelled:
            self._stopped = Cancelled(errors.CANCELLED_KEPT)
        except BackSyncError as error:
            self._stopped = error
        # Nobody has looked yet what became of these.
        self._waiting += self._retired
        self._retired = []
        if self._undated:
            self._reporter.log(f'Note: {len(self._undated)} added books have the date of today on Hardcover.')

    def _send_all(self, took: Callable[[RatingChange, WriteResult], None]) -> None:
        """Sends what is waiting: ratings first, then books to add, as many in a request as the quota takes."""
        for adding in (False, True):
            while chosen := [change for change in self._waiting if (change.action is Action.ADD) is adding]:
                some = chosen[: self._hardcover.pace.room(MOST_FIELDS)]
                results = self._send(some, adding)
                self._waiting = [change for change in self._waiting if change not in some]
                for change, result in zip(some, results, strict=True):
                    took(change, result)
                self._reporter.progress(self._total - len(self._waiting), self._total)

    def _send(self, some: Sequence[RatingChange], adding: bool) -> list[WriteResult]:
        try:
            if adding:
                return self._hardcover.add([self._new_entry(change) for change in some], self._cancel)
            ratings = [(change.entry_id, change.calibre_stars) for change in some]
            return self._hardcover.rate(ratings, self._cancel)
        except QuotaSpent:
            # Turned away at the door: nothing of it was carried out.
            raise
        except (ServerTrouble, Cancelled):
            self._in_doubt += some
            raise

    def _new_entry(self, change: RatingChange) -> NewEntry:
        assert change.calibre_stars is not None
        return NewEntry(
            change.hardcover_id, change.calibre_stars, change.read_on, change.edition_id, self._account.privacy
        )

    def _took(self, change: RatingChange, result: WriteResult) -> None:
        if result.retired:
            self._retired.append(change)
        else:
            self._finally_took(change, result)

    def _finally_took(self, change: RatingChange, result: WriteResult) -> None:
        if result.error is not None:
            if result.unsure:
                self._in_doubt.append(change)
            self._fail(change, result.error)
            return
        self._done.append(change)
        if change.action is Action.ADD and change.read_on is not None and result.last_read != change.read_on:
            self._undated.append((result.entry_id, change.read_on))
        self._reporter.log(f'OK {change.title} -> {shown_stars(change.calibre_stars)} ({change.action.value})')

    def _fail(self, change: RatingChange, why: Text) -> None:
        self._failed.append(RatingResult(change, why))
        self._reporter.log(f'FAIL {change.title} -> {why}')

    def _try_retired_again(self) -> None:
        """Looks for what became of retired books, by edition and then by slug, and sends their ratings once more."""
        if not self._retired:
            return
        found = self._find_retired()
        entries: dict[int, ShelfEntry] = {}
        if found:
            ids = sorted({book.surviving_id for book in found.values()})
            entries = newest_entries(read_shelf(self._hardcover, self._account, ids, self._reporter, self._cancel))
        retired, self._retired = self._retired, []
        for change in retired:
            book = found.get(change.book_id)
            if book is None:
                self._fail(change, RETIRED)
                continue
            self.moved[change.book_id] = book
            self._send_again(change, book.surviving_id, entries.get(book.surviving_id))
        self._send_all(self._finally_took)

    def _find_retired(self) -> dict[int, HardcoverBook]:
        """What the retired books are now, by Calibre's book id; a hit by another title is none."""
        found: dict[int, HardcoverBook] = {}
        self._look_up(found, lambda change: change.edition_id, self._by_edition)
        # An edition that led nowhere is not given to the book that is found in another way.
        self._retired = [
            change if change.book_id in found else replace(change, edition_id=0) for change in self._retired
        ]
        self._look_up(found, lambda change: change.slug, self._by_slug)
        self._look_up(found, lambda change: change.hardcover_id, self._by_id)
        return found

    def _look_up(
        self,
        found: dict[int, HardcoverBook],
        key_of: Callable[[RatingChange], Key],
        look: Callable[[Sequence[Key]], Mapping[Key, HardcoverBook]],
    ) -> None:
        """Adds what one kind of look-up says of the retired books that are not found yet."""
        left = [change for change in self._retired if key_of(change) and change.book_id not in found]
        for some in in_batches(left):
            hits = look([key_of(change) for change in some])
            found.update(leads_elsewhere(some, {change.book_id: hits.get(key_of(change)) for change in some}))

    def _by_edition(self, ids: Sequence[int]) -> dict[int, HardcoverBook]:
        return {edition.edition_id: edition.book for edition in self._hardcover.editions_by_ids(ids, self._cancel)}

    def _by_slug(self, slugs: Sequence[str]) -> dict[str, HardcoverBook]:
        return {book.slug: book for book in self._hardcover.books_by_slugs(slugs, self._cancel)}

    def _by_id(self, ids: Sequence[int]) -> dict[int, HardcoverBook]:
        return {book.book_id: book for book in self._hardcover.books_by_ids(ids, self._cancel)}

    def _send_again(self, change: RatingChange, new_id: int, entry: ShelfEntry | None) -> None:
        moved = replace(change, hardcover_id=new_id)
        if entry is None:
            if change.action is Action.ADD:
                self._waiting.append(moved)
            else:
                self._fail(change, NOT_ON_SHELF)
        elif same_stars(entry.rating, change.calibre_stars):
            self._there_already += 1
        else:
            action = Action.UPDATE if change.calibre_stars is not None else Action.CLEAR
            self._waiting.append(replace(moved, action=action, entry_id=entry.entry_id, hardcover_stars=entry.rating))

    def _date_added(self) -> None:
        """As `_date_reads`; by now every rating is there, so a day that cannot be looked at fails nothing."""
        try:
            self._date_reads()
        except (Cancelled, QuotaSpent):
            raise
        except BackSyncError as error:
            self._reporter.log(f'Note: the days of the added books could not be checked: {error}')
            self._undated.clear()

    def _date_reads(self) -> None:
        """Gives added books the day of their last reading where Hardcover took another."""
        while some := self._undated[:BATCH]:
            days = dict(some)
            reads = self._hardcover.reads(list(days), self._cancel)
            wrong = [(reads[entry][0], day) for entry, day in days.items() if entry in reads and reads[entry][1] != day]
            absent = [(entry, day) for entry, day in days.items() if entry not in reads]
            self._send_days(self._hardcover.date_reads, wrong)
            self._send_days(self._hardcover.add_reads, absent)
            del self._undated[: len(some)]

    def _send_days(
        self, send: Callable[[Sequence[tuple[int, date]], Cancel], list[WriteResult]], days: Sequence[tuple[int, date]]
    ) -> None:
        rest = list(days)
        while rest:
            some = rest[: self._hardcover.pace.room(MOST_FIELDS)]
            for result in send(some, self._cancel):
                if result.error is not None:
                    self._reporter.log(f'Note: the day of a reading was not taken: {result.error}')
            del rest[: len(some)]

    def outcome(self, plan: RatingPlan, units: int = 0, requests: int = 0) -> RatingsOutcome:
        """What was done, in the log too; `units` and `requests` are those of the planning."""
        outcome = RatingsOutcome(
            updated=tuple(change for change in self._done if change.action is not Action.ADD),
            added=tuple(change for change in self._done if change.action is Action.ADD),
            failed=tuple(self._failed),
            skipped=plan.skipped,
            unsent=tuple(self._waiting),
            unchanged=plan.unchanged + self._there_already,
            units=units + self._hardcover.units,
            requests=requests + self._hardcover.requests,
            stopped=self._stopped,
        )
        self._reporter.log(
            f'{len(self._done)} ratings sent, {len(self._failed)} failed, {len(self._waiting)} not sent; '
            f'{outcome.requests} requests to Hardcover, {outcome.units} units of its quota.'
        )
        self._reporter.progress(1, 1)
        self._reporter.status(outcome.status)
        return outcome


def leads_elsewhere(changes: Iterable[RatingChange], hits: dict[int, HardcoverBook | None]) -> dict[int, HardcoverBook]:
    """Of the hits, those that are another book than the retired one and do not contradict its title."""
    found = {}
    for change in changes:
        hit = hits.get(change.book_id)
        if hit and hit.surviving_id != change.hardcover_id and titles_agree(change.title, hit.title):
            found[change.book_id] = hit
    return found


def follow_moved(
    open_library: OpenLibrary, memory: Memory, moved: Mapping[int, HardcoverBook], reporter: Reporter
) -> frozenset[int]:
    """Stores what retired books are now. The ratings are sent already, so that a failure is only noted.

    Returns the books whose identifiers changed.
    """
    try:
        changed = relink(open_library, memory, moved)
    except BackSyncError as error:
        reporter.log(f'Note: the new Hardcover ids were not stored: {error}')
        return frozenset()
    for book_id in sorted(moved.keys() - changed):
        reporter.log(
            f'Note: book {book_id} is {moved[book_id].surviving_id} on Hardcover by now; '
            'its identifier was not stored by this plugin and stays.'
        )
    return frozenset(changed)


def push_to_undo(open_library: OpenLibrary) -> Push | None:
    """The push that `undo_push` would take back, for a question before it; None where there is none."""
    with open_library() as library:
        return Memory(plugin_folder(), library.library_id).last_push()


def undo_push(
    open_library: OpenLibrary, reporter: Reporter, cancel: Cancel, pace: Pace | None = None
) -> RatingsOutcome | None:
    """Puts back the ratings that the last push replaced, where Hardcover still holds the pushed ones.

    Books that the push added stay on the shelf, without a rating. None where there is nothing left to undo.
    Raises BackSyncError before anything is sent; what ends it later is the outcome's `stopped`.
    """
    with open_library() as library:
        settings = load(library.api).settings
        memory = Memory(plugin_folder(), library.library_id)
    push = memory.last_push()
    if push is None:
        reporter.log(str(NOTHING_TO_UNDO))
        reporter.status(NOTHING_TO_UNDO)
        return None
    with connected(settings, reporter, pace) as hardcover:
        account = hardcover.who_am_i(cancel)
        if account.user_id != push.user_id:
            raise SettingsTrouble(errors.HARDCOVER_OTHER_ACCOUNT)
        ids = sorted({change.hardcover_id for change in push.changes})
        entries = newest_entries(read_shelf(hardcover, account, ids, reporter, cancel))
        changes, skipped = plan_undo(push.changes, entries)
        for change in skipped:
            reporter.log(f'SKIP {change.title} -> {change.why}')
        job = _PushJob(hardcover, account, reporter, cancel)
        job.run(changes)
        outcome = job.outcome(RatingPlan(skipped=tuple(skipped)))
        # What can never be undone must not stand in the way of the push before.
        lost = [result.change for result in outcome.failed if result.why in LOST]
        undone = {change.book_id for change in (*job.done, *skipped, *lost)}
        still_there = {change.book_id for change in changes} - undone
        memory.keep_of_last_push([change for change in push.changes if change.book_id in still_there])
        return outcome
