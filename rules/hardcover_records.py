# SPDX-License-Identifier: GPL-3.0-or-later
"""What Hardcover knows of books, the questions to put to the user, and how the Hardcover jobs end.

Pure data. A window needs `Question`, `Candidate` and `Verdict` to choose a match, `PlannedPush` and `RatingChange` to
show ratings before they are sent, and the outcomes to show what came of it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Union

from ..base.cancel import Cancel
from ..base.errors import BackSyncError
from ..base.text import Text, text
from .records import CalibreBook

READ_STATUS = 3


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is; `privacy` is the account's own default, sent with every book that is added."""

    user_id: int
    username: str
    privacy: int


@dataclass(frozen=True, slots=True)
class HardcoverBook:
    """A work. After a merge `canonical_id` is the id of the one that survived, 0 otherwise."""

    book_id: int
    slug: str = ''
    title: str = ''
    canonical_id: int = 0

    @property
    def surviving_id(self) -> int:
        return self.canonical_id or self.book_id


@dataclass(frozen=True, slots=True)
class Edition:
    """An edition and its work. `reading_format` is 1 physical, 2 audio, 4 ebook; codes are without hyphens."""

    edition_id: int
    book: HardcoverBook
    codes: frozenset[str] = frozenset()
    reading_format: int = 0
    users_count: int = 0
    canonical_id: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """A book that may be the one in Calibre, as the search describes it; every field but `book_id` may be empty.

    `reasons` say in words why it ranks where it does, the weightiest first. `image_url` is for `Covers.fetch`.
    """

    book_id: int
    slug: str = ''
    title: str = ''
    subtitle: str = ''
    authors: tuple[str, ...] = ()
    series: tuple[str, ...] = ()
    isbns: tuple[str, ...] = ()
    release_year: int = 0
    pages: int = 0
    users_count: int = 0
    has_ebook: bool = False
    has_audiobook: bool = False
    image_url: str = ''
    reasons: tuple[Text, ...] = ()

    @property
    def link(self) -> str:
        return book_link(self.book_id)


def book_link(book_id: int) -> str:
    """The page of a book, which outlives changes of its slug."""
    return f'https://hardcover.app/id/book/{book_id}'


@dataclass(frozen=True, slots=True)
class ShelfEntry:
    """A book on the user's shelf. `rating` is 0.5-5 in halves, None where there is none."""

    entry_id: int
    book_id: int
    rating: float | None = None
    status: int = 0
    edition_id: int = 0
    updated_at: datetime | None = None
    original_book_id: int = 0


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A book to put on the shelf as Read: stars 0.5-5, the day of the last reading, 0 for what is not known."""

    book_id: int
    stars: float
    read_on: date | None = None
    edition_id: int = 0
    privacy: int = 0


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a mutation answered for one book: the shelf entry's id, or why it was not done.

    `retired` is set where the book is gone, `unsure` where it may have been done all the same.
    `last_read` is what the shelf says afterwards, where that was asked.
    """

    entry_id: int = 0
    error: Text | None = None
    retired: bool = False
    unsure: bool = False
    last_read: date | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A book that needs a choice: up to ten candidates, the best first, and why none of them was taken unasked.

    `number` of `total` tells how far the questions are. `covers` holds the pictures that came in time, by book id.
    """

    book: CalibreBook
    candidates: tuple[Candidate, ...]
    why: Text
    number: int = 1
    total: int = 1
    covers: Mapping[int, bytes] = field(default_factory=dict)


class Verdict(enum.Enum):
    """What else than a candidate can be answered to a question."""

    SKIP = 'skip'
    STOP = 'stop'


# Called on the job's own thread, waits for the user, and must come back when the job is cancelled.
Choose = Callable[[Question], Union[Candidate, Verdict]]


@dataclass(frozen=True, slots=True)
class SourceMatch:
    """What another server says a book is on Hardcover: the numeric id, the slug, or both."""

    book_id: int = 0
    slug: str = ''


# Asked before Hardcover: {Calibre's book id: match} for those of the books that it knows. A BackSyncError it raises
# (but Cancelled) is logged as one line, and the job goes on without it.
FirstSource = Callable[[Sequence[CalibreBook], Cancel], Mapping[int, SourceMatch]]


@dataclass(frozen=True, slots=True)
class Match:
    """A book of Calibre, what it is on Hardcover, and how that was found; `edition_id` is 0 unless a code named it."""

    book: CalibreBook
    hardcover: HardcoverBook
    how: Text
    edition_id: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """A book that was left alone, or failed, and why."""

    book_id: int
    title: str
    why: Text


@dataclass(frozen=True)
class IdsOutcome:
    """How a fetch of ids ended. `stopped` says what ended it early; what was stored until then stays.

    `had_ids` counts the books that had a `hardcover-id` before. `ambiguous` are those that need a choice
    and did not get one. `units` are Hardcover's, `requests` counts what was sent to it.
    """

    stored: tuple[Match, ...] = ()
    skipped: tuple[Reason, ...] = ()
    failed: tuple[Reason, ...] = ()
    ambiguous: tuple[Reason, ...] = ()
    had_ids: int = 0
    units: int = 0
    requests: int = 0
    stopped: BackSyncError | None = None

    @property
    def book_ids(self) -> frozenset[int]:
        """The books whose identifiers changed."""
        return frozenset(match.book.book_id for match in self.stored)

    @property
    def status(self) -> Text:
        """One sentence for the status line."""
        if self.stopped is not None:
            return self.stopped.sentence
        return text(
            'Done - {stored} stored, {skipped} skipped, {failed} failed.',
            stored=len(self.stored),
            skipped=len(self.skipped),
            failed=len(self.failed),
        )


class Action(enum.Enum):
    """What a push does with a book."""

    UPDATE = 'update'
    ADD = 'add'
    CLEAR = 'clear'
    SKIP = 'skip'

    @property
    def words(self) -> Text:
        return _ACTION_WORDS[self]


_ACTION_WORDS = {
    Action.UPDATE: text('Change the rating'),
    Action.ADD: text('Add as Read with this rating'),
    Action.CLEAR: text('Clear the rating'),
    Action.SKIP: text('Leave alone'),
}


@dataclass(frozen=True, slots=True)
class RatingChange:
    """One book of a rating plan: stars 0.5-5 in halves, None where unrated.

    `entry_id` is the shelf entry's, 0 for a book to add. `why` says what a SKIP is for. `read_on` goes with an ADD.
    """

    book_id: int
    title: str
    action: Action
    hardcover_id: int = 0
    entry_id: int = 0
    calibre_stars: float | None = None
    hardcover_stars: float | None = None
    read_on: date | None = None
    edition_id: int = 0
    slug: str = ''
    why: Text = field(default_factory=lambda: text(''))


@dataclass(frozen=True, slots=True)
class Cost:
    """What sending takes: HTTP requests, units of the quota, seconds."""

    requests: int = 0
    units: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class RatingPlan:
    """The difference between Calibre's ratings and the shelf: `changes` to send, `skipped` with a reason each."""

    changes: tuple[RatingChange, ...] = ()
    skipped: tuple[RatingChange, ...] = ()
    unchanged: int = 0


@dataclass(frozen=True)
class PlannedPush:
    """A rating plan with what is needed to carry it out. Show it, then hand it to `push_ratings`.

    `cost_of` says what sending some of the changes takes, from now on; `units` and `requests` are those that planning
    took. `warning` is there where many books change at once.
    """

    plan: RatingPlan
    account: Account
    library_id: str
    cost_of: Callable[[Sequence[RatingChange]], Cost]
    units: int = 0
    requests: int = 0
    warning: Text | None = None


@dataclass(frozen=True, slots=True)
class RatingResult:
    """What came of one change; `why` is empty where it was done."""

    change: RatingChange
    why: Text | None = None


@dataclass(frozen=True)
class RatingsOutcome:
    """How a push, or the undoing of one, ended. `stopped` says what ended it early; what was sent until then stays.

    `unsent` are the changes that were not tried any more. In a dry run the first two say what would happen.
    `book_ids` are the books whose identifiers changed in Calibre, because Hardcover has them under new ids.
    """

    updated: tuple[RatingChange, ...] = ()
    added: tuple[RatingChange, ...] = ()
    failed: tuple[RatingResult, ...] = ()
    skipped: tuple[RatingChange, ...] = ()
    unsent: tuple[RatingChange, ...] = ()
    unchanged: int = 0
    units: int = 0
    requests: int = 0
    stopped: BackSyncError | None = None
    book_ids: frozenset[int] = frozenset()

    @property
    def status(self) -> Text:
        """One sentence for the status line."""
        if self.stopped is not None:
            return self.stopped.sentence
        return text(
            'Done - {updated} updated, {added} added, {skipped} skipped, {failed} failed.',
            updated=len(self.updated),
            added=len(self.added),
            skipped=len(self.skipped),
            failed=len(self.failed),
        )
