# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending ratings to Hardcover: read both sides, plan, and, after somebody looked at the plan, send what differs.

`plan_ratings` gives a PlannedPush to show, `push_ratings` sends it or those of its changes that are ticked, `undo_push`
puts the old ratings back. Knows no Qt; Calibre's library is only read, but for ids that Hardcover has retired.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from ..base import errors
from ..base.cancel import Cancel
from ..base.columns_table import ROW_OF_KEY, ColumnState, state_of
from ..base.errors import BackSyncError, OnlyThisFailed, SettingsTrouble
from ..base.reporter import Reporter
from ..base.settings import Settings, load, plugin_folder
from ..base.text import text
from ..library.calibre_library import Library, local_day
from ..library.hardcover_memory import UNLINKED, Memory, Push
from ..rules.hardcover_matching import EDITION_KEY, ID_KEY, OTHER_ID_KEY
from ..rules.hardcover_records import (
    Account,
    Action,
    Cost,
    HardcoverBook,
    PlannedPush,
    RatingChange,
    RatingPlan,
    RatingsOutcome,
    ShelfEntry,
)
from ..rules.rating_plan import (
    RatedBooks,
    RatingRules,
    as_shown,
    books_to_look_up,
    cost_of,
    newest_entries,
    plan_difference,
    plan_undo,
    several_entries,
    warn_about,
    with_survivors,
)
from ..rules.records import CalibreBook
from ..services.hardcover_client import Hardcover
from ..services.hardcover_operations import MOST_FIELDS
from ..services.hardcover_quota import Pace
from .change_match import our_identifiers, relink
from .hardcover_account import connected
from .restriction import allowed_books
from .send_ratings import AS_WANTED, ON_HARDCOVER, SETTLED, RatingSender
from .shelf import find_survivors, read_shelf
from .sync import OpenLibrary, clock_limit

NO_ACCOUNT = Account(0, '', 0)

READING = text('Reading ratings from Calibre...')
NOTHING_TO_UNDO = text('There is no push left to undo.')


def plan_ratings(
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    ids: Collection[int] | None = None,
    pace: Pace | None = None,
) -> PlannedPush:
    """Compares Calibre's ratings with the shelf; sends nothing. Raises BackSyncError.

    Costs one unit for the account, one or two for each hundred books with a Hardcover id, one for each hundred of
    them that are not on the shelf, and two for each hundred of these that were merged.
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
            rated, more = follow_unshelved(hardcover, account, rated, wanted, entries, reporter, cancel)
            entries += more
        plan = plan_difference(rated, newest_entries(entries), rules)
        report_several_entries(entries, reporter)
        report_plan(plan, reporter)
        warning = warn_about(len(plan.changes), hardcover.pace.left_today)
        cost = cost_by(hardcover.pace)
        used = hardcover.units, hardcover.requests
        return PlannedPush(
            plan,
            account,
            library_id,
            cost,
            *used,
            warning,
            settings.hardcover_restriction,
            rated.moved,
            built_in_ratings=settings.rating_column in ('', ROW_OF_KEY['rating_column'].built_in),
        )


def follow_unshelved(
    hardcover: Hardcover,
    account: Account,
    rated: RatedBooks,
    wanted: Sequence[int],
    entries: Sequence[ShelfEntry],
    reporter: Reporter,
    cancel: Cancel,
) -> tuple[RatedBooks, list[ShelfEntry]]:
    """Calibre's side with the survivors of merged books, and their shelf entries. Raises BackSyncError.

    `wanted` are the Hardcover ids that `entries` were read for. Without it a book whose id was merged away would never
    be found on the shelf, where that knows the survivor alone. A look-up that fails is noted and leaves all as it is.
    """
    on_shelf = newest_entries(entries)
    unshelved = [hardcover_id for hardcover_id in wanted if hardcover_id not in on_shelf]
    try:
        survivors = find_survivors(hardcover, unshelved, cancel)
    except OnlyThisFailed as error:
        reporter.log(f'Note: whether books that are not on the shelf were merged could not be looked up: {error}')
        return rated, []
    rated = with_survivors(rated, survivors)
    surviving = sorted({book.book_id for book in rated.moved.values()} - set(wanted))
    return rated, read_shelf(hardcover, account, surviving, reporter, cancel) if surviving else []


def cost_by(pace: Pace) -> Callable[[Sequence[RatingChange]], Cost]:
    """What sending some changes takes, by what this pace says at that moment."""

    def cost(changes: Sequence[RatingChange]) -> Cost:
        return cost_of(changes, pace.seconds_for(len(changes)), MOST_FIELDS)

    return cost


def read_ratings(library: Library, settings: Settings, ids: Collection[int] | None, reporter: Reporter) -> RatedBooks:
    """Calibre's side of the books that may be sent.

    Raises SettingsTrouble where the rating column is missing or holds something else, or the restriction is not a
    search that Calibre understands.
    """
    columns = library.columns()
    row = ROW_OF_KEY['rating_column']
    column, state = settings.rating_column or row.built_in, state_of(row, settings.columns, columns)
    if state is ColumnState.MISSING:
        raise SettingsTrouble(errors.RATING_COLUMN_MISSING, column=column)
    if state is ColumnState.COMPUTED:
        raise SettingsTrouble(errors.RATING_COLUMN_COMPUTED, column=column)
    if state is ColumnState.WRONG_TYPE:
        raise SettingsTrouble(errors.RATING_COLUMN_WRONG_TYPE, column=column)
    memory = Memory(plugin_folder(), library.library_id)
    wanted = allowed_books(library, settings, ids, reporter)
    books = {book.book_id: linked_only(book, memory) for book in library.books(wanted).values()}
    read_on: dict[int, date] = {}
    if settings.hardcover_add_unshelved:
        if state_of(ROW_OF_KEY['last_read_column'], settings.columns, columns) is ColumnState.USABLE:
            moments = library.values(settings.last_read_column, list(books))
            limit = clock_limit()
            dated = {book_id: moment for book_id, moment in moments.items() if isinstance(moment, datetime)}
            read_on = {book_id: local_day(moment) for book_id, moment in dated.items() if moment < limit}
            if wrong := len(dated) - len(read_on):
                what = 'date is' if wrong == 1 else 'dates are'
                reporter.log(
                    f'Note: {wrong} last-read {what} from a wrong clock, '
                    'so books with one that are added get the date of today.'
                )
        else:
            reporter.log(
                f'Note: there is no Date column {settings.last_read_column or "for the last reading"}, '
                'so books that are added get the date of today.'
            )
    unsure = frozenset(book.book_id for book in books.values() if has_unsure_edition(book, memory))
    ratings = as_shown(library.values(column, list(books)), column in columns and columns[column].half_stars)
    return RatedBooks({book_id: books[book_id] for book_id in ratings}, ratings, read_on, unsure)


def linked_only(book: CalibreBook, memory: Memory) -> CalibreBook:
    """The book as a push may see it: the id of another plugin does not count where the user unlinked the book."""
    if memory.why_left(book) != UNLINKED:
        return book
    return replace(book, identifiers={key: value for key, value in book.identifiers.items() if key != OTHER_ID_KEY})


def has_unsure_edition(book: CalibreBook, memory: Memory) -> bool:
    """Whether the Hardcover id and the edition of a book come from two plugins, so that they may be of two books."""
    ours = our_identifiers(book, memory)
    return EDITION_KEY in book.identifiers and (ID_KEY in ours) is not (EDITION_KEY in ours)


def report_several_entries(entries: Sequence[ShelfEntry], reporter: Reporter) -> None:
    """Which of several shelf entries of one book is compared and written to, in the log."""
    newest = newest_entries(entries)
    for hardcover_id, count in sorted(several_entries(entries).items()):
        entry_id = newest[hardcover_id].entry_id
        reporter.log(
            f'Note: book {hardcover_id} has {count} entries on the Hardcover shelf; the one changed last counts, '
            f'entry {entry_id}.'
        )


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
        sender = RatingSender(hardcover, planned.account, reporter, cancel, changes)
        if changes:
            memory.add_push(planned.account.user_id, changes)
            sender.run()
            _keep_of_push(memory, sender.changes(ON_HARDCOVER), reporter)
        moved = {**moved_with(planned, sender.changes(AS_WANTED)), **sender.moved}
        relinked = follow_moved(open_library, memory, moved, reporter) if moved else frozenset()
        return replace(sender.outcome(planned.plan, planned.units, planned.requests), book_ids=relinked)


def moved_with(planned: PlannedPush, sent: Iterable[RatingChange]) -> dict[int, HardcoverBook]:
    """The survivors of merged books, but for those whose ratings differ and were not sent."""
    differ = {change.book_id for change in planned.plan.changes} - {change.book_id for change in sent}
    return {book_id: book for book_id, book in planned.moved.items() if book_id not in differ}


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
        sender = RatingSender(hardcover, account, reporter, cancel, changes)
        sender.run()
        outcome = sender.outcome(RatingPlan(skipped=tuple(skipped)))
        # What is undone already, or never can be, must not stand in the way of the push before.
        undone = {change.book_id for change in (*sender.changes(SETTLED), *skipped)}
        still_there = {change.book_id for change in changes} - undone
        _keep_of_push(memory, [change for change in push.changes if change.book_id in still_there], reporter)
        return outcome


def _keep_of_push(memory: Memory, changes: Sequence[RatingChange], reporter: Reporter) -> None:
    """Reduces the record of the last push. Ratings were sent by now, so that a failure is only noted."""
    try:
        memory.keep_of_last_push(changes)
    except BackSyncError as error:
        reason = error.sentence.values.get('reason')
        reporter.log(
            f'Note: the record for undoing the push could not be updated ({reason}); it lists every rating of the push.'
        )
