# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sync changes in Calibre, and why: records and a snapshot in, changes, skips and notes out.

Pure: no Qt, no Calibre, no network, no clock. The rules of the sync live here and nowhere else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple

from ..base.columns_table import ROW_OF_ROLE, STATUS_COMPLETED, STATUS_PLANNED, STATUS_READING
from ..base.text import UNSHOWABLE
from .records import (
    COMPLETED_LIST,
    PLANNED_LIST,
    READING_LIST,
    USER_ID_SPACES,
    WEAK_ID_SPACES,
    FetchedLibrary,
    ReadingRecord,
    Unreadable,
    parse_id,
)
from .titles import Likeness, Title, compare, has_title

# What a cell of a column can hold.
Value = datetime | bool | float | int | str | None

NOT_ON_BOOKFUSION = 'not in the BookFusion library'
NOTHING_READ = 'nothing to write from BookFusion'
UNREADABLE_DATE = 'unreadable date'
TITLES_CONTRADICT = 'another title on BookFusion has its number'

MOST_NAMED_IN_A_NOTE = 10
# Of a number that more records than this claim, only the first are compared with the book's title.
MOST_CLAIMS_COMPARED = 100
# A last-read date may be this many days ahead of today: it is tomorrow already in other time zones, and clocks differ.
DAYS_AHEAD = 2
# Books between two ticks: a millisecond or so, so that a cancel is seen and a window can paint.
TICK = 100
# What a title in a log line cannot show; half of a surrogate pair has no picture.
_UNSHOWABLE = re.compile(f'[{UNSHOWABLE}\ud800-\udfff]+')


@dataclass(frozen=True)
class Column:
    """A custom column that a sync writes: its lookup name, Calibre's datatype, an enumeration's values."""

    name: str
    datatype: str
    enum_values: tuple[str, ...] = ()


@dataclass(frozen=True)
class SyncRules:
    """Which columns are written, by role in the order of the table, and how. `threshold` is a percentage, 0-100.

    `clock_limit` is the moment at which the third day after today begins where the reader lives (DAYS_AHEAD): a date
    from then on comes from a wrong clock. None if every date is believed.
    """

    by_role: Mapping[str, Column]
    threshold: float = 99.9
    keep_newer_date: bool = False
    clock_limit: datetime | None = None

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(self.by_role.values())


@dataclass(frozen=True)
class Snapshot:
    """Calibre's side by book id: titles, series, `bookfusion` identifiers, the columns' values (None where empty)."""

    titles: Mapping[int, str]
    identifiers: Mapping[int, str]
    values: Mapping[str, Mapping[int, Value]]
    series: Mapping[int, str] = field(default_factory=dict)

    def title(self, book_id: int) -> Title:
        """The title of a book as titles are compared."""
        series = self.series.get(book_id, '')
        return Title(self.titles.get(book_id, ''), (series,) if series else ())


@dataclass(frozen=True, slots=True)
class Match:
    """The record that a book's identifier leads to, and the id space in which it was found."""

    record: ReadingRecord
    space: str


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that gets a new value. `source` says in the log's words where the value comes from."""

    book_id: int
    title: str
    column: str
    role: str
    old: Value
    new: Value
    source: str
    space: str


@dataclass(frozen=True, slots=True)
class Skip:
    """A book without anything to write, or a date that cannot be read; `detail` is '' where nobody is told."""

    book_id: int
    title: str
    reason: str
    detail: str = ''


@dataclass(frozen=True)
class SyncPlan:
    """The changes, newest read date first, the books that get none and why, and what else the log should say."""

    changes: tuple[Change, ...]
    entries: tuple[Change | Skip, ...]
    notes: tuple[str, ...]
    skipped: Mapping[int, str]
    unchanged: frozenset[int]

    @property
    def updated(self) -> frozenset[int]:
        return frozenset(change.book_id for change in self.changes)

    def of_role(self, role: str) -> int:
        """How many changes play this role, one of the table of columns."""
        return sum(change.role == role for change in self.changes)


def plain(title: str) -> str:
    """A title as a line of a log can show it."""
    return _UNSHOWABLE.sub(' ', title).strip() or '(no title)'


class RecordIndex:
    """Finds the records that claim an identifier: one map for each id space, never mixed."""

    def __init__(
        self, records: Iterable[ReadingRecord], id_spaces: Sequence[str], clock_limit: datetime | None = None
    ) -> None:
        self._clock_limit = clock_limit
        self._spaces = tuple(id_spaces)
        self._maps: dict[str, dict[str, list[ReadingRecord]]] = {space: {} for space in id_spaces}
        self._settled: dict[str, list[Match]] = {}
        for record in records:
            for space, value in record.ids:
                if space in self._maps:
                    self._maps[space].setdefault(value, []).append(record)

    def claims(self, identifier: str) -> list[Match]:
        """All records that claim the identifier, each once, the one to take first.

        The id spaces count in their order; within one, the newest date wins, unless it is from a wrong clock, then the
        highest percentage. Beyond that the choice is arbitrary, but the same whatever the order in which the records
        came.
        """
        claiming = [(space, found) for space in self._spaces if (found := self._maps[space].get(identifier))]
        if not claiming:
            return []
        space, record = claiming[0][0], claiming[0][1][0]
        # Most records of the user API have their global id in two places.
        if all(len(found) == 1 and found[0] is record for _space, found in claiming):
            return [Match(record, space)]
        # All records of a server may have the same id, a zero say, and so may many books: each is looked at once.
        if identifier not in self._settled:
            spaces: dict[ReadingRecord, str] = {}
            for space, records in claiming:
                for record in sorted(records, key=self._rank) if len(records) > 1 else records:
                    spaces.setdefault(record, space)
            self._settled[identifier] = [Match(record, space) for record, space in spaces.items()]
        return self._settled[identifier]

    def _rank(self, record: ReadingRecord) -> tuple[object, ...]:
        doubtful = record.known_date is None or _is_from_wrong_clock(record.known_date, self._clock_limit)
        percentage = -1.0 if record.percentage is None else -1.0 - record.percentage
        return (doubtful, *_age(record), percentage, repr(record))


def _is_from_wrong_clock(moment: Value, clock_limit: datetime | None) -> bool:
    return isinstance(moment, datetime) and clock_limit is not None and moment >= clock_limit


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the records that claim a book it gets: `match`, None where their titles leave none.

    `first` is the claim that would count without titles; `why` says in the log's words why another was taken.
    """

    first: Match
    match: Match | None
    why: str = ''


def is_sure(claims: Sequence[Match]) -> bool:
    """Whether titles have no say: a single claim through a global id, which is the user's own link."""
    return len(claims) == 1 and claims[0].space not in WEAK_ID_SPACES


def choose(claims: Sequence[Match], title: Title, id_spaces: Sequence[str]) -> Choice:
    """The claim that counts for a book of this title; `claims` is not empty and in the order of RecordIndex.claims.

    A weak number, or one of several claims, counts only where the titles do not contradict; the same title goes first.
    """
    first = claims[0]
    if is_sure(claims):
        return Choice(first, first)
    numbers_need_titles = tuple(id_spaces) == USER_ID_SPACES
    rivals = [
        match
        for match in claims[:MOST_CLAIMS_COMPARED]
        if not (numbers_need_titles and match.space in WEAK_ID_SPACES and _says_nothing(title, match))
    ]
    verdicts = [Likeness.DOUBTFUL if _says_nothing(title, match) else _likeness(title, match) for match in rivals]
    left = [
        match
        for match, verdict in zip(rivals, verdicts, strict=True)
        if verdict is not Likeness.DIFFERENT or is_sure(rivals)
    ]
    if not left:
        return Choice(first, None)
    same = [match for match, verdict in zip(rivals, verdicts, strict=True) if verdict is Likeness.SAME]
    chosen = same[0] if same else left[0]
    if chosen is first:
        return Choice(first, chosen)
    return Choice(first, chosen, 'the same title wins' if same else 'the other titles contradict')


def _says_nothing(title: Title, match: Match) -> bool:
    """Whether a book or a record has no title, so that the two cannot be compared."""
    return not (has_title(title.text) and has_title(match.record.title))


def _likeness(title: Title, match: Match) -> Likeness:
    return compare(title, Title(match.record.title))


def count_matches(records: Iterable[ReadingRecord], id_spaces: Sequence[str], books: Snapshot) -> int:
    """How many of the books a sync finds among these records."""
    index = RecordIndex(records, id_spaces)
    claimed = ((book_id, index.claims(parse_id(value))) for book_id, value in books.identifiers.items())
    return sum(
        choose(claims, books.title(book_id), id_spaces).match is not None for book_id, claims in claimed if claims
    )


def _age(record: ReadingRecord) -> tuple[bool, float]:
    """Sorts the newest date first, records without a date last."""
    return (True, 0.0) if record.known_date is None else (False, -record.known_date.timestamp())


def make_plan(
    fetched: FetchedLibrary,
    snapshot: Snapshot,
    rules: SyncRules,
    tick: Callable[[int, int], None] = lambda done, total: None,
) -> SyncPlan:
    """The plan of a sync. `tick(done, total)` is called now and then while books are matched."""
    index = RecordIndex(fetched.records, fetched.id_spaces, rules.clock_limit)
    plan = _Planner(snapshot, rules)
    total = len(snapshot.identifiers)
    for number, (book_id, identifier) in enumerate(snapshot.identifiers.items()):
        if number % TICK == 0:
            tick(number, total)
        plan.add(book_id, parse_id(identifier), index.claims(parse_id(identifier)), fetched.id_spaces)
    tick(total, total)
    return plan.finished()


class _Planner:
    """Gathers what is to be done, book by book."""

    def __init__(self, snapshot: Snapshot, rules: SyncRules) -> None:
        self._snapshot = snapshot
        self._rules = rules
        # Role, column, rule and the values that are in the column.
        self._roles = [
            (role, column, RULES[role], snapshot.values.get(column.name, {})) for role, column in rules.by_role.items()
        ]
        self._entries: list[tuple[tuple[bool, float, str, int], Change | Skip]] = []
        self._skipped: dict[int, str] = {}
        self._unchanged: set[int] = set()
        self._notes: list[str] = []
        self._books_of: dict[str, list[int]] = {}
        self._odd_identifiers: list[int] = []
        self._lacking: Counter[tuple[str, str]] = Counter()

    def add(self, book_id: int, identifier: str, claims: Sequence[Match], id_spaces: Sequence[str]) -> None:
        if not claims:
            self._skipped[book_id] = NOT_ON_BOOKFUSION
            if not (identifier.isascii() and identifier.isdecimal()):
                self._odd_identifiers.append(book_id)
            return
        match = claims[0] if is_sure(claims) else self._choose(book_id, identifier, claims, id_spaces)
        if match is not None:
            self._books_of.setdefault(identifier, []).append(book_id)
            self._take(book_id, match)

    def _choose(self, book_id: int, identifier: str, claims: Sequence[Match], id_spaces: Sequence[str]) -> Match | None:
        """The claim that the book's title allows; says why where there are several, or none."""
        choice = choose(claims, self._snapshot.title(book_id), id_spaces)
        if choice.match is None:
            self._refuse(book_id, choice.first)
        elif len(claims) > 1:
            self._note_collision(book_id, identifier, claims, choice)
        return choice.match

    def _title(self, book_id: int) -> str:
        return plain(self._snapshot.titles.get(book_id, ''))

    def _refuse(self, book_id: int, claim: Match) -> None:
        """Skips a book whose number leads to other titles only."""
        detail = f'{plain(claim.record.title)!r} has the same number (match={claim.space})'
        self._skip(book_id, Skip(book_id, self._title(book_id), TITLES_CONTRADICT, detail), claim.record)
        self._skipped[book_id] = TITLES_CONTRADICT

    def _note_collision(self, book_id: int, identifier: str, claims: Sequence[Match], choice: Choice) -> None:
        """Says which of several records is taken, and why."""
        assert choice.match is not None
        space = choice.match.space
        rivals = {match.space for match in claims if match is not choice.match}
        why = choice.why or (
            'the newest date wins' if space in rivals else f'{space} goes before {" and ".join(sorted(rivals))}'
        )
        self._notes.append(
            f'Note: {self._title(book_id)}: {len(claims)} BookFusion records claim identifier {plain(identifier)}; '
            f'{why} (match={space})'
        )

    def _take(self, book_id: int, match: Match) -> None:
        record, title = match.record, self._title(book_id)
        for odd in record.odd:
            self._notes.append(f'Note: {title}: {odd} cannot be used (match={match.space})')
        read_date, field = record.read_date
        if isinstance(read_date, Unreadable):
            detail = f'unreadable date {read_date.shown} (from {field}, match={match.space})'
            self._skip(book_id, Skip(book_id, title, UNREADABLE_DATE, detail), record)
        cells = {role: values.get(book_id) for role, _column, _rule, values in self._roles}
        book = BookReading(record, completion(record, self._rules.threshold), cells, self._rules)
        justified = changed = False
        for role, column, rule, _values in self._roles:
            wanted = self._fitted(rule(book, column), column)
            if wanted is None:
                continue
            justified, old = True, cells[role]
            if not wanted.is_kept_back and _differs(old, wanted.value):
                changed = True
                change = Change(book_id, title, column.name, role, old, wanted.value, wanted.source, match.space)
                self._entries.append((self._place(book_id, title, record), change))
                if _is_from_wrong_clock(wanted.value, self._rules.clock_limit):
                    self._notes.append(
                        f'Note: {title}: the date {wanted.source} is more than {DAYS_AHEAD} days ahead, so it is from '
                        f'a wrong clock; the next one replaces it (match={match.space})'
                    )
        if not justified:
            self._skipped[book_id] = UNREADABLE_DATE if isinstance(read_date, Unreadable) else NOTHING_READ
        elif not changed:
            self._unchanged.add(book_id)

    def _fitted(self, wanted: Wanted | None, column: Column) -> Wanted | None:
        """What is wanted as the column can hold it; None, and counted, where an enumeration lacks the value."""
        if wanted is None or not isinstance(wanted.value, str):
            return wanted
        value = as_permitted(wanted.value, column)
        if not value:
            self._lacking[column.name, wanted.value] += 1
            return None
        return wanted._replace(value=value) if value != wanted.value else wanted

    def _skip(self, book_id: int, skip: Skip, record: ReadingRecord) -> None:
        self._entries.append((self._place(book_id, skip.title, record), skip))

    @staticmethod
    def _place(book_id: int, title: str, record: ReadingRecord) -> tuple[bool, float, str, int]:
        return (*_age(record), title, book_id)

    def finished(self) -> SyncPlan:
        entries = tuple(entry for _place, entry in sorted(self._entries, key=lambda placed: placed[0]))
        return SyncPlan(
            changes=tuple(entry for entry in entries if isinstance(entry, Change)),
            entries=entries,
            notes=tuple(self._notes) + tuple(self._closing_notes()),
            skipped=self._skipped,
            unchanged=frozenset(self._unchanged),
        )

    def _closing_notes(self) -> Iterator[str]:
        for identifier, book_ids in self._books_of.items():
            if len(book_ids) > 1:
                yield (
                    f'Note: {len(book_ids)} books share identifier {plain(identifier)} and get the same values: '
                    f'{self._named(book_ids)}'
                )
        if self._odd_identifiers:
            count = len(self._odd_identifiers)
            what = f'{count} bookfusion identifiers are not numbers and match nothing'
            if count == 1:
                what = '1 bookfusion identifier is not a number and matches nothing'
            yield f'Note: {what}: {self._named(self._odd_identifiers)}'
        for (column, value), count in sorted(self._lacking.items()):
            keep = '1 book keeps its own' if count == 1 else f'{count} books keep theirs'
            yield f'Note: column {column} has no value {value!r}; {keep}. Add it to the column.'

    def _named(self, book_ids: Sequence[int]) -> str:
        names = [self._title(book_id) for book_id in book_ids[:MOST_NAMED_IN_A_NOTE]]
        rest = len(book_ids) - len(names)
        return ', '.join(names) + (f' and {rest} more' if rest else '')


def _differs(old: Value, new: Value) -> bool:
    # Calibre has each text once, whatever its case: writing another spelling would rename it in every book.
    if isinstance(old, str) and isinstance(new, str):
        return old.casefold() != new.casefold()
    # True == 1 and 1.0 == 1: Calibre's values of one column are all of one type, so that plain equality is right.
    return old != new


def completion(record: ReadingRecord, threshold: float) -> str:
    """Why the book counts as completed, in the log's words; '' where it does not."""
    if record.percentage is not None and record.percentage >= threshold:
        return f'percentage={record.percentage:.3f}, threshold={threshold:.2f}'
    return f'lists={COMPLETED_LIST}' if COMPLETED_LIST in record.lists else ''


def reading_status(record: ReadingRecord, finished: str) -> tuple[str, str]:
    """The reading status and where it comes from; ('', '') where BookFusion says nothing."""
    if finished:
        return STATUS_COMPLETED, finished
    if READING_LIST in record.lists:
        return STATUS_READING, f'lists={READING_LIST}'
    if record.percentage:
        return STATUS_READING, f'percentage={record.percentage:.3f}'
    if PLANNED_LIST in record.lists:
        return STATUS_PLANNED, f'lists={PLANNED_LIST}'
    return '', ''


def as_progress(percentage: float, column: Column) -> float:
    """Percent as the column keeps it: as it came, or whole and rounded down, so that only a whole book is 100."""
    return int(percentage) if column.datatype == 'int' else float(percentage)


def as_read_time(seconds: int, column: Column) -> float:
    """Whole minutes in an int column, hours in a float column."""
    return round(seconds / 60) if column.datatype == 'int' else seconds / 3600


def as_permitted(words: str, column: Column) -> str:
    """A text as the column can hold it; an enumeration's own spelling wins, '' where it lacks the value."""
    if column.datatype != 'enumeration':
        return words
    return next((value for value in column.enum_values if value.casefold() == words.casefold()), '')


class BookReading(NamedTuple):
    """What a rule looks at: the record that a book gets its values from, and what the book's columns hold, by role.

    `finished` says in the log's words why the book counts as completed, '' where it does not.
    """

    record: ReadingRecord
    finished: str
    cells: Mapping[str, Value]
    rules: SyncRules


class Wanted(NamedTuple):
    """The value that a record justifies, never None and never False, and where it comes from.

    `is_kept_back`: what the cell holds stays, and counts as good.
    """

    value: Value
    source: str
    is_kept_back: bool = False


def last_read(book: BookReading, _column: Column) -> Wanted | None:
    read_date, field = book.record.read_date
    if not isinstance(read_date, datetime):
        return None
    held, rules = book.cells['last_read'], book.rules
    is_newer = isinstance(held, datetime) and held > read_date and not _is_from_wrong_clock(held, rules.clock_limit)
    return Wanted(read_date, f'from {field}', rules.keep_newer_date and is_newer)


def completed(book: BookReading, _column: Column) -> Wanted | None:
    return Wanted(True, book.finished) if book.finished else None


def progress(book: BookReading, column: Column) -> Wanted | None:
    percentage = book.record.percentage
    if percentage is None:
        return None
    return Wanted(as_progress(percentage, column), 'from reading_position.percentage')


def read_time(book: BookReading, column: Column) -> Wanted | None:
    time = as_read_time(book.record.read_time or 0, column)
    return Wanted(time, 'from read_time') if time else None


def status(book: BookReading, _column: Column) -> Wanted | None:
    value, source = reading_status(book.record, book.finished)
    return Wanted(value, source) if value else None


# What a record justifies writing into the column of each role; None where it says nothing.
RULES: Mapping[str, Callable[[BookReading, Column], Wanted | None]] = {
    'last_read': last_read,
    'completed': completed,
    'progress': progress,
    'read_time': read_time,
    'status': status,
}


def log_line(entry: Change | Skip, local_day: Callable[[datetime], date]) -> str:
    """The line of the log for a change or a skip; `local_day` gives the day that Calibre shows for a moment."""
    if isinstance(entry, Skip):
        return f'SKIP {entry.title} -> {entry.detail}'
    return f'OK {entry.title} -> {_shown_value(entry, local_day)} ({entry.source}, match={entry.space})'


def _shown_value(change: Change, local_day: Callable[[datetime], date]) -> str:
    value: object = change.new
    if isinstance(value, datetime):
        value = local_day(value).isoformat()
    elif isinstance(value, float):
        value = round(value, 3)
    shown_as = ROW_OF_ROLE[change.role].shown_as
    return f'{shown_as}={value}' if shown_as else str(value)


def summary_lines(plan: SyncPlan) -> Iterator[str]:
    """The lines after a run: how many books already held everything, and how many were skipped for which reason."""
    if plan.unchanged:
        count = len(plan.unchanged)
        yield f'{count} {"book" if count == 1 else "books"} already held every value.'
    if plan.skipped:
        reasons = Counter(plan.skipped.values())
        yield 'Skipped: ' + ', '.join(f'{count} {reason}' for reason, count in reasons.most_common()) + '.'
