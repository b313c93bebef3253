# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending planned ratings: as many in a request as the quota takes, and those of retired books once more.

Every change is in one state at a time, and all counts are taken from the states. Knows no Qt and no library.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from ..base import errors
from ..base.cancel import Cancel
from ..base.errors import BackSyncError, Cancelled, QuotaSpent, ServerTrouble
from ..base.reporter import Reporter
from ..base.text import Text, counted, text
from ..rules.hardcover_records import (
    Account,
    Action,
    HardcoverBook,
    NewEntry,
    RatingChange,
    RatingPlan,
    RatingResult,
    RatingsOutcome,
    ShelfEntry,
    WriteResult,
)
from ..rules.rating_plan import NOT_ON_SHELF, newest_entries, same_stars, shown_stars
from ..services.hardcover_client import BATCH, Hardcover
from ..services.hardcover_operations import MOST_FIELDS
from .shelf import find_successors, read_shelf

SENDING = text('Sending ratings to Hardcover...')
RETIRED = text(
    'Hardcover has retired this book, and neither its edition nor its address leads to another one with this title.'
)


class State(enum.Enum):
    """What became of a change so far; the value says it in words."""

    WAITING = 'not sent yet, or not any more'
    UNANSWERED = 'sent, but no response came'
    RETIRED = 'refused, for Hardcover no longer has the book; what it is now is still to be looked for'
    DONE = 'done'
    UNDATED = 'done, but the day of the reading is still to be checked'
    THERE = 'not sent, for the book that it is now has this rating already'
    FAILED = 'refused'
    UNSURE = 'failed, though it may have been done'
    LOST = 'failed for good: no shelf entry of the book is there'
    LEFT = 'left alone, for Hardcover has retired the book and nothing with its title is there instead'


# What the user is told: not sent, sent, failed; THERE counts as unchanged, LEFT as skipped.
ALL_UNSENT = frozenset({State.WAITING, State.UNANSWERED, State.RETIRED})
ALL_DONE = frozenset({State.DONE, State.UNDATED})
ALL_FAILED = frozenset({State.FAILED, State.UNSURE, State.LOST})
# What is on Hardcover as it was to be.
AS_WANTED = ALL_DONE | {State.THERE}
# What Hardcover has, or may have: an undo looks at these.
ON_HARDCOVER = ALL_DONE | {State.UNANSWERED, State.UNSURE}
# Where an undo has nothing left to do.
SETTLED = AS_WANTED | {State.LOST, State.LEFT}


@dataclass
class Entry:
    """One change on its way; `why` says why it failed. `change` is exchanged where the book is another one now."""

    change: RatingChange
    state: State = State.WAITING
    why: Text | None = None


class RatingSender:
    """One sending of changes to one account. `moved` has the retired books that were found, by Calibre's book id."""

    def __init__(
        self,
        hardcover: Hardcover,
        account: Account,
        reporter: Reporter,
        cancel: Cancel,
        changes: Sequence[RatingChange],
    ) -> None:
        self._hardcover = hardcover
        self._account = account
        self._reporter = reporter
        self._cancel = cancel
        self._entries = [Entry(change) for change in changes]
        self._stopped: BackSyncError | None = None
        self.moved: dict[int, HardcoverBook] = {}

    def _in(self, states: Collection[State]) -> list[Entry]:
        return [entry for entry in self._entries if entry.state in states]

    def changes(self, states: Collection[State]) -> list[RatingChange]:
        """The changes that are in one of these states, as they were sent."""
        return [entry.change for entry in self._in(states)]

    def run(self) -> None:
        """Sends everything that can be sent. What ends it early is kept, not raised."""
        self._reporter.status(SENDING)
        try:
            self._send_all()
            self._try_retired_again()
            self._date_added()
        except QuotaSpent as error:
            sent = counted('{count} rating sent', '{count} ratings sent', len(self.changes(ALL_DONE)))
            self._stopped = error.after(sent)
        except Cancelled:
            self._stopped = Cancelled(errors.CANCELLED_KEPT)
        except BackSyncError as error:
            self._stopped = error
        if undated := self._in({State.UNDATED}):
            self._reporter.log(f'Note: {len(undated)} added books have the date of today on Hardcover.')

    def _send_all(self, again: bool = False) -> None:
        """Sends what is waiting: ratings first, then books to add. `again`: who is retired now has failed."""
        for adding in (False, True):
            while waiting := [
                entry for entry in self._in({State.WAITING}) if (entry.change.action is Action.ADD) is adding
            ]:
                batch = waiting[: self._hardcover.pace.room(MOST_FIELDS)]
                for entry, result in zip(batch, self._send(batch, adding), strict=True):
                    self._take(entry, result, again)
                self._reporter.progress(len(self._entries) - len(self._in({State.WAITING})), len(self._entries))

    def _send(self, batch: Sequence[Entry], adding: bool) -> list[WriteResult]:
        try:
            if adding:
                return self._hardcover.add([self._new_entry(entry.change) for entry in batch], self._cancel)
            ratings = [(entry.change.entry_id, entry.change.calibre_stars) for entry in batch]
            return self._hardcover.rate(ratings, self._cancel)
        except QuotaSpent:
            # Turned away at the door: nothing of it was carried out.
            raise
        except (ServerTrouble, Cancelled):
            for entry in batch:
                entry.state = State.UNANSWERED
            raise

    def _new_entry(self, change: RatingChange) -> NewEntry:
        assert change.calibre_stars is not None
        return NewEntry(
            change.hardcover_id, change.calibre_stars, change.read_on, change.edition_id, self._account.privacy
        )

    def _take(self, entry: Entry, result: WriteResult, again: bool) -> None:
        """Takes over what came of one change."""
        change = entry.change
        if result.retired and not again:
            entry.state = State.RETIRED
        elif result.error is not None:
            self._fail(entry, result.error, State.UNSURE if result.unsure else State.FAILED)
        else:
            entry.state = State.DONE
            if change.action is Action.ADD and change.read_on is not None and result.last_read != change.read_on:
                entry.change, entry.state = replace(change, entry_id=result.entry_id), State.UNDATED
            self._reporter.log(f'OK {change.title} -> {shown_stars(change.calibre_stars)} ({change.action.value})')

    def _fail(self, entry: Entry, why: Text, state: State) -> None:
        entry.state, entry.why = state, why
        self._reporter.log(f'FAIL {entry.change.title} -> {why}')

    def _try_retired_again(self) -> None:
        """Looks for what became of retired books, and sends their ratings once more."""
        retired = self._in({State.RETIRED})
        if not retired:
            return
        found = find_successors(self._hardcover, [entry.change for entry in retired], self._cancel)
        shelf: dict[int, ShelfEntry] = {}
        if found:
            ids = sorted({successor.book.surviving_id for successor in found.values()})
            shelf = newest_entries(read_shelf(self._hardcover, self._account, ids, self._reporter, self._cancel))
        for entry in retired:
            successor = found.get(entry.change.book_id)
            if successor is None:
                entry.state, entry.why = State.LEFT, RETIRED
                self._reporter.log(f'SKIP {entry.change.title} -> {RETIRED}')
                continue
            self.moved[entry.change.book_id] = successor.book
            if not successor.has_edition:
                # An edition that led nowhere is not given to the book that was found in another way.
                entry.change = replace(entry.change, edition_id=0)
            self._aim(entry, successor.book.surviving_id, shelf)
        self._send_all(again=True)

    def _aim(self, entry: Entry, hardcover_id: int, shelf: dict[int, ShelfEntry]) -> None:
        """Decides what is to be done with a change whose book is this one now."""
        change = replace(entry.change, hardcover_id=hardcover_id)
        on_shelf = shelf.get(hardcover_id)
        if on_shelf is None:
            if change.action is Action.ADD:
                entry.change, entry.state = change, State.WAITING
            else:
                self._fail(entry, NOT_ON_SHELF, State.LOST)
        elif same_stars(on_shelf.rating, change.calibre_stars):
            entry.state = State.THERE
        else:
            action = Action.UPDATE if change.calibre_stars is not None else Action.CLEAR
            entry.change = replace(change, action=action, entry_id=on_shelf.entry_id, hardcover_stars=on_shelf.rating)
            entry.state = State.WAITING

    def _date_added(self) -> None:
        """As `_date_reads`; by now every rating is there, so a day that cannot be looked at fails nothing."""
        try:
            self._date_reads()
        except (Cancelled, QuotaSpent):
            raise
        except BackSyncError as error:
            self._reporter.log(f'Note: the days of the added books could not be checked: {error}')
            for entry in self._in({State.UNDATED}):
                entry.state = State.DONE

    def _date_reads(self) -> None:
        """Gives added books the day of their last reading where Hardcover took another."""
        while batch := self._in({State.UNDATED})[:BATCH]:
            days = {entry.change.entry_id: entry.change.read_on for entry in batch if entry.change.read_on is not None}
            reads = self._hardcover.reads(list(days), self._cancel)
            wrong = [(reads[entry][0], day) for entry, day in days.items() if entry in reads and reads[entry][1] != day]
            absent = [(entry, day) for entry, day in days.items() if entry not in reads]
            self._send_days(self._hardcover.date_reads, wrong)
            self._send_days(self._hardcover.add_reads, absent)
            for entry in batch:
                entry.state = State.DONE

    def _send_days(
        self, send: Callable[[Sequence[tuple[int, date]], Cancel], list[WriteResult]], days: Sequence[tuple[int, date]]
    ) -> None:
        rest = list(days)
        while rest:
            batch = rest[: self._hardcover.pace.room(MOST_FIELDS)]
            for result in send(batch, self._cancel):
                if result.error is not None:
                    self._reporter.log(f'Note: the day of a reading was not taken: {result.error}')
            del rest[: len(batch)]

    def outcome(self, plan: RatingPlan, units: int = 0, requests: int = 0) -> RatingsOutcome:
        """What was done, in the log too; `units` and `requests` are those of the planning."""
        done, unsent = self.changes(ALL_DONE), self.changes(ALL_UNSENT)
        failed = [RatingResult(entry.change, entry.why) for entry in self._in(ALL_FAILED)]
        left = [replace(entry.change, action=Action.SKIP, why=entry.why or RETIRED) for entry in self._in({State.LEFT})]
        outcome = RatingsOutcome(
            updated=tuple(change for change in done if change.action is not Action.ADD),
            added=tuple(change for change in done if change.action is Action.ADD),
            failed=tuple(failed),
            skipped=(*plan.skipped, *left),
            unsent=tuple(unsent),
            unchanged=plan.unchanged + len(self._in({State.THERE})),
            units=units + self._hardcover.units,
            requests=requests + self._hardcover.requests,
            stopped=self._stopped,
        )
        self._reporter.log(
            f'{len(done)} ratings sent, {len(failed)} failed, {len(unsent)} not sent, {len(left)} left alone; '
            f'{outcome.requests} requests to Hardcover, {outcome.units} units of its quota.'
        )
        self._reporter.progress(1, 1)
        self._reporter.status(outcome.status)
        return outcome
