# SPDX-License-Identifier: GPL-3.0-or-later
"""Data of the Hardcover jobs: Hardcover's books and shelf entries, questions to the user, plans and outcomes.

Data only. A window uses `Question`, `Candidate` and `Verdict` to let the user choose a match, `PlannedPush` and
`RatingChange` to preview a push, and the outcomes to show results.
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
    """The account that a token belongs to.

    `privacy` is the account's default, 1 public, 2 followers, 3 private (documented). It is sent with every book that
    is added.
    """

    user_id: int
    username: str
    privacy: int


@dataclass(frozen=True, slots=True)
class HardcoverBook:
    """A work on Hardcover. After a merge `canonical_id` is the id of the surviving book; otherwise it is 0."""

    book_id: int
    slug: str = ''
    title: str = ''
    canonical_id: int = 0

    @property
    def surviving_id(self) -> int:
        return self.canonical_id or self.book_id


@dataclass(frozen=True, slots=True)
class Edition:
    """An edition and its work. Codes have no hyphens.

    `title` is the edition's own: that of a translation is not the work's.
    `reading_format` is Hardcover's `reading_format_id`: 1 print, 2 audio, 3 both, 4 ebook (documented), 0 if unknown.
    `canonical_id` is the surviving edition after a merge, otherwise 0.
    """

    edition_id: int
    book: HardcoverBook
    codes: frozenset[str] = frozenset()
    reading_format: int = 0
    users_count: int = 0
    canonical_id: int = 0
    title: str = ''


@dataclass(frozen=True, slots=True)
class Candidate:
    """A search result that may be the Calibre book. Every field but `book_id` may be empty.

    `reasons` explain the ranking to the user, the most important first. `image_url` is for `Covers.fetch`.
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
    """The URL of a book's page. Unlike URLs with a slug it stays valid when the slug changes (documented)."""
    return f'https://hardcover.app/id/book/{book_id}'


@dataclass(frozen=True, slots=True)
class ShelfEntry:
    """A book on the user's shelf.

    `rating` is 0.5 to 5 stars in steps of a half, None if unrated. `status` is Hardcover's `status_id`: 1 want to read,
    2 currently reading, 3 read, 4 paused, 5 did not finish, 6 ignored (documented). `original_book_id` is the book's id
    before a merge, otherwise 0.
    """

    entry_id: int
    book_id: int
    rating: float | None = None
    status: int = 0
    edition_id: int = 0
    updated_at: datetime | None = None
    original_book_id: int = 0


@dataclass(frozen=True, slots=True)
class NewEntry:
    """A book to add to the shelf with the status Read.

    `stars` is 0.5 to 5, `read_on` the last-read date as a local day, None if unknown. `edition_id` 0 leaves
    the choice of an edition to Hardcover.
    """

    book_id: int
    stars: float
    read_on: date | None = None
    edition_id: int = 0
    privacy: int = 0


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of a mutation for one book: the shelf entry's id, or an error.

    `retired` is True if the book no longer exists under its id. `unsure` is True if the change may have been made in
    spite of the error. `last_read` is the last-read date that the response reports, None if it was not requested.
    """

    entry_id: int = 0
    error: Text | None = None
    retired: bool = False
    unsure: bool = False
    last_read: date | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A book for which the user has to choose: up to ten candidates, the best first.

    `why` says why none of them was chosen automatically. This is question `number` of `total`, counted from 1. `covers`
    maps Hardcover's book ids to image data; covers that were not loaded in time are absent. `words` are those of the
    user's own search, before the first one those to start it with; `trouble` says why that search failed, and then the
    candidates are still those from before it.
    """

    book: CalibreBook
    candidates: tuple[Candidate, ...]
    why: Text
    number: int = 1
    total: int = 1
    covers: Mapping[int, bytes] = field(default_factory=dict)
    words: str = ''
    trouble: Text | None = None


class Verdict(enum.Enum):
    """Answers to a question other than a candidate."""

    SKIP = 'skip'
    STOP = 'stop'


@dataclass(frozen=True, slots=True)
class SearchFor:
    """Another answer to a question: ask it again with what Hardcover has for these words, this address or this id."""

    words: str


# Called on the job's thread. Blocks until the user has answered, and must return when the job is cancelled.
Answer = Union[Candidate, Verdict, SearchFor]
Choose = Callable[[Question], Answer]


@dataclass(frozen=True, slots=True)
class SourceMatch:
    """A book's Hardcover id, slug or both, as another server reports them.

    `others` has its further reports where it holds the book several times, as different books on Hardcover.
    """

    book_id: int = 0
    slug: str = ''
    others: tuple[SourceMatch, ...] = ()


# Asked before Hardcover. Returns {Calibre's book id: match} for the books that it knows. If it raises a BackSyncError
# other than Cancelled, the job logs one line and continues without the source.
FirstSource = Callable[[Sequence[CalibreBook], Cancel], Mapping[int, SourceMatch]]


@dataclass(frozen=True, slots=True)
class Match:
    """A Calibre book, its book on Hardcover, and how the match was found.

    `edition_id` is 0 unless an ISBN or ASIN identified the edition.
    """

    book: CalibreBook
    hardcover: HardcoverBook
    how: Text
    edition_id: int = 0


@dataclass(frozen=True, slots=True)
class Reason:
    """A book that was skipped or failed, and the reason."""

    book_id: int
    title: str
    why: Text


@dataclass(frozen=True, slots=True)
class OpenChoice:
    """A book that needs a choice by the user, and the candidates that a search found, the best first."""

    book_id: int
    title: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class IdsOutcome:
    """The result of a fetch of Hardcover ids.

    `ambiguous`   books that need a choice by the user and did not get one
    `choices`     what was found for these books, as far as the search came; empty unless it was asked for
    `had_ids`     number of books that already had a `hardcover-id`
    `units`       units of Hardcover's quota that were used
    `requests`    HTTP requests that were sent
    `stopped`     the error that ended the job early, None if it ran to the end; matches in `stored` are kept either way
    `restriction` the search that limited which books were looked up, '' if all were
    """

    stored: tuple[Match, ...] = ()
    skipped: tuple[Reason, ...] = ()
    failed: tuple[Reason, ...] = ()
    ambiguous: tuple[Reason, ...] = ()
    choices: tuple[OpenChoice, ...] = ()
    had_ids: int = 0
    units: int = 0
    requests: int = 0
    stopped: BackSyncError | None = None
    restriction: str = ''

    @property
    def book_ids(self) -> frozenset[int]:
        """Calibre's ids of the books whose identifiers changed."""
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
    """What a push does to a book on Hardcover."""

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
    """One book of a rating plan. Ratings are 0.5 to 5 stars in steps of a half, None if unrated.

    `entry_id` is the id of the shelf entry, 0 for a book that will be added. `why` is the reason of a SKIP.
    `read_on` is the last-read date of an ADD, as a local day. `title` and `series` are Calibre's.
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
    series: str = ''
    why: Text = field(default_factory=lambda: text(''))


@dataclass(frozen=True, slots=True)
class Cost:
    """What a push takes: HTTP requests, units of Hardcover's quota, and seconds."""

    requests: int = 0
    units: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class RatingPlan:
    """The difference between Calibre's ratings and the shelf: `changes` to send, and `skipped` books with reasons."""

    changes: tuple[RatingChange, ...] = ()
    skipped: tuple[RatingChange, ...] = ()
    unchanged: int = 0


@dataclass(frozen=True)
class PlannedPush:
    """A rating plan with everything that `push_ratings` needs to carry it out.

    `cost_of` returns the cost of sending the given changes, as of now. `units` and `requests` are what planning has
    used. `warning` is a sentence to show before sending, about the daily quota or the followers' feed, or None.
    `restriction` is the search that limits which books are compared, '' if all are. `moved` has the surviving books of
    those that Hardcover merged, by Calibre's book ids. `built_in_ratings` says that the ratings are those of Calibre's
    own column, which metadata downloads fill too.
    """

    plan: RatingPlan
    account: Account
    library_id: str
    cost_of: Callable[[Sequence[RatingChange]], Cost]
    units: int = 0
    requests: int = 0
    warning: Text | None = None
    restriction: str = ''
    moved: Mapping[int, HardcoverBook] = field(default_factory=dict)
    built_in_ratings: bool = False


@dataclass(frozen=True, slots=True)
class RatingResult:
    """The result of one change. `why` is the reason of a failure, None if the change was made."""

    change: RatingChange
    why: Text | None = None


@dataclass(frozen=True)
class RatingsOutcome:
    """The result of a push or of its undo. In a dry run `updated` and `added` are what would happen.

    `unsent`      changes that were not sent, because the job ended early
    `unchanged`   number of books whose rating is the same on both sides
    `units`       units of Hardcover's quota that were used
    `requests`    HTTP requests that were sent
    `stopped`     the error that ended the job early, None if it ran to the end; changes already sent are kept
    `book_ids`    Calibre's ids of the books whose identifiers changed, because Hardcover merged their books
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
