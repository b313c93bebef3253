# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ratings to send to Hardcover and why: Calibre's ratings against the shelf, and back again for an undo.

Pure: no network, no Calibre, no clock.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timezone

from ..base.text import Text, counted, text
from .hardcover_matching import (
    EDITION_KEY,
    ID_KEY,
    OTHER_SLUG_KEY,
    SLUG_KEY,
    Hit,
    number_id,
    stored_id,
    stored_slug,
    verdict_of,
)
from .hardcover_records import Action, Cost, HardcoverBook, RatingChange, RatingPlan, ShelfEntry
from .records import CalibreBook
from .titles import Likeness

# Ratings that differ by less than this are the same: Hardcover's are halves.
TOLERANCE = 0.05
# Each push shows in the feed of the user's followers, a line a book.
MANY_FOR_A_FEED = 20
LONG_AGO = datetime(1, 1, 1, tzinfo=timezone.utc)

NO_ID = text('It has no Hardcover id yet. Choose Fetch Hardcover Book IDs first.')
NOT_ON_SHELF = text('It is not on a Hardcover shelf.')
TWO_RATINGS = text(
    'Several books in Calibre have this Hardcover id, with different ratings, and Hardcover takes one for a book. '
    'Give them the same rating, or change or unlink the match of the others.'
)
MERGED_AWAY = text(
    'Hardcover has retired this book and merged it into one with another title. Choose Change or unlink match to say '
    'which one it is.'
)
ODD_RATING = text('Calibre holds something that is not a rating.')
CHANGED_SINCE = text('Its rating was changed on Hardcover since.')
GONE_SINCE = text('It is no longer on the Hardcover shelf.')
QUOTA_WARNING = text(
    "Hardcover's quota for today has room for {left} of these {wanted} changes. The rest can be sent tomorrow."
)
FEED_WARNING = counted(
    'Hardcover may show this push in the feed of your followers, with {count} book.',
    'Hardcover may show this push in the feed of your followers, with {count} books.',
    0,
)


@dataclass(frozen=True)
class RatedBooks:
    """Calibre's side: books, their ratings 0-10 as Calibre keeps them, and the days they were last read.

    `unsure_editions` are the books whose `hardcover-edition` may not belong to their Hardcover id. `left_out` has the
    books that nothing may be sent for, with the reasons, `moved` the surviving books of those that Hardcover merged.
    """

    books: Mapping[int, CalibreBook]
    ratings: Mapping[int, object]
    read_on: Mapping[int, date] = field(default_factory=dict)
    unsure_editions: frozenset[int] = frozenset()
    left_out: Mapping[int, Text] = field(default_factory=dict)
    moved: Mapping[int, HardcoverBook] = field(default_factory=dict)


@dataclass(frozen=True)
class RatingRules:
    add_unshelved: bool = False
    clear: bool = False


def stars_of(rating: object) -> float | None:
    """Hardcover's stars, 0.5-5 in halves, for Calibre's 0-10; None for unrated. Raises ValueError for anything else."""
    if rating is None:
        return None
    if isinstance(rating, bool) or not isinstance(rating, int | float) or not math.isfinite(rating):
        raise ValueError('not a rating')
    if not 0 <= rating <= 10:
        raise ValueError('not a rating')
    return round(rating) / 2 or None


def as_shown(ratings: Mapping[int, object], half_stars: bool) -> dict[int, object]:
    """Ratings (0-10) by book id as Calibre shows them: without half stars where the column has none.

    Metadata downloads write a 7 into the built-in column, which shows as three stars. A book whose rating shows as no
    star at all is left out: it counts as unrated, but nobody has taken a rating away, so it never clears one.
    """
    if half_stars:
        return dict(ratings)
    shown: dict[int, object] = {}
    for book_id, rating in ratings.items():
        if not rating or not _is_readable(rating):
            shown[book_id] = rating
        elif isinstance(rating, int | float) and rating >= 2:
            shown[book_id] = 2 * int(rating / 2)
    return shown


def same_stars(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return abs(one - other) < TOLERANCE


def shown_stars(stars: float | None) -> str:
    """A rating in the words of the log."""
    return 'no rating' if stars is None else f'{stars:g} stars'


def newest_entries(entries: Iterable[ShelfEntry]) -> dict[int, ShelfEntry]:
    """The entry that counts for each book id, old ids of merged books included.

    A user may have several entries for one book. The one updated last counts, because it is the one that the user, or
    an app, touched last; of two without a date the one added last. Ratings are compared with it and sent to it alone.
    """
    newest: dict[int, ShelfEntry] = {}
    for by_original in (True, False):
        found: dict[int, ShelfEntry] = {}
        for entry in entries_in_order(entries):
            key = entry.original_book_id if by_original else entry.book_id
            if key:
                found[key] = entry
        # What stands under the id itself wins over what was merged away from it.
        newest.update(found)
    return newest


def several_entries(entries: Iterable[ShelfEntry]) -> dict[int, int]:
    """How many entries a book has on the shelf, by its id, for those that have more than one."""
    counts = Counter(entry.book_id for entry in entries)
    return {book_id: count for book_id, count in counts.items() if count > 1}


def entries_in_order(entries: Iterable[ShelfEntry]) -> list[ShelfEntry]:
    return sorted(entries, key=lambda entry: (entry.updated_at or LONG_AGO, entry.entry_id))


def books_to_look_up(rated: RatedBooks, rules: RatingRules) -> list[int]:
    """The Hardcover ids whose shelf entries a plan needs, each once; of unrated books only where they may clear."""
    wanted = {
        stored_id(book.identifiers): None
        for book_id, book in rated.books.items()
        if rules.clear or rated.ratings.get(book_id)
    }
    return [hardcover_id for hardcover_id in wanted if hardcover_id]


def with_survivors(rated: RatedBooks, survivors: Mapping[int, HardcoverBook]) -> RatedBooks:
    """Calibre's side where Hardcover merged books into others; `survivors` is by the ids of the merged ones.

    A book goes on as the survivor where that has its title; else it is left out, because the survivor may be another
    volume.
    """
    books, left_out, moved = dict(rated.books), dict(rated.left_out), dict(rated.moved)
    for book_id, book in rated.books.items():
        survivor = survivors.get(stored_id(book.identifiers))
        if survivor is None:
            continue
        if survivor.canonical_id or verdict_of(book, Hit(survivor)) is not Likeness.SAME:
            left_out[book_id] = MERGED_AWAY
            continue
        identifiers = {key: value for key, value in book.identifiers.items() if key not in (SLUG_KEY, OTHER_SLUG_KEY)}
        identifiers |= {ID_KEY: str(survivor.book_id), SLUG_KEY: survivor.slug}
        books[book_id] = replace(book, identifiers=identifiers)
        moved[book_id] = survivor
    # Nothing says that an edition of the merged book is one of the survivor.
    unsure = rated.unsure_editions | moved.keys()
    return replace(rated, books=books, left_out=left_out, moved=moved, unsure_editions=unsure)


def plan_difference(rated: RatedBooks, shelf: Mapping[int, ShelfEntry], rules: RatingRules) -> RatingPlan:
    """The difference. `shelf` is by Hardcover book id, as `newest_entries` gives it.

    An unrated book is left out in silence unless clearing is on, and then never clears what a second copy rates.
    Of several books in Calibre with one Hardcover id, or with ids that were merged into one, the first rated one is
    sent and the others count as unchanged, because they say the same; where their ratings differ none is sent, because
    nothing tells which one is meant.
    """
    changes: list[RatingChange] = []
    skipped: list[RatingChange] = []
    unchanged = 0
    for book_id, why in rated.left_out.items():
        if rated.ratings.get(book_id):
            skipped.append(_skip(rated.books[book_id], rated, why))
    for (hardcover_id, _entry_id), copies in _by_target(rated, shelf, rules).items():
        if not hardcover_id:
            skipped.extend(_skip(book, rated, NO_ID) for book in copies)
            continue
        for change in _plan_copies(copies, shelf.get(hardcover_id), rated, rules):
            if change is None:
                unchanged += 1
            else:
                (skipped if change.action is Action.SKIP else changes).append(change)
    return RatingPlan(tuple(changes), tuple(skipped), unchanged)


def _by_target(
    rated: RatedBooks, shelf: Mapping[int, ShelfEntry], rules: RatingRules
) -> dict[tuple[int, int], list[CalibreBook]]:
    """The books that are rated, or may clear a rating, by what they rate: (Hardcover id, shelf entry), 0 for none yet.

    Two ids that were merged into one lead to the same entry; they are one target, under the id that came first.
    """
    groups: dict[tuple[int, int], list[CalibreBook]] = {}
    first_id: dict[int, int] = {}
    for book_id, book in rated.books.items():
        hardcover_id = stored_id(book.identifiers)
        if book_id in rated.left_out or not (rated.ratings.get(book_id) or (hardcover_id and rules.clear)):
            continue
        entry = shelf.get(hardcover_id)
        entry_id = entry.entry_id if entry else 0
        if entry_id:
            hardcover_id = first_id.setdefault(entry_id, hardcover_id)
        groups.setdefault((hardcover_id, entry_id), []).append(book)
    return groups


def _plan_copies(
    copies: Sequence[CalibreBook], entry: ShelfEntry | None, rated: RatedBooks, rules: RatingRules
) -> list[RatingChange | None]:
    """One entry for each copy in Calibre: a change, a skip, or None where nothing is to be done."""
    readable = [book for book in copies if _is_readable(rated.ratings.get(book.book_id))]
    outcome: list[RatingChange | None] = [_skip(book, rated, ODD_RATING) for book in copies if book not in readable]
    with_rating = [book for book in readable if rated.ratings.get(book.book_id)]
    if len({stars_of(rated.ratings[book.book_id]) for book in with_rating}) > 1:
        return outcome + [_skip(book, rated, TWO_RATINGS, entry) for book in with_rating]
    deciding = with_rating[:1] or readable[:1]
    outcome += [_plan_book(book, entry, rated, rules) for book in deciding]
    return outcome + [None] * (len(with_rating) - 1)


def _is_readable(rating: object) -> bool:
    try:
        stars_of(rating)
    except ValueError:
        return False
    return True


def _plan_book(
    book: CalibreBook, entry: ShelfEntry | None, rated: RatedBooks, rules: RatingRules
) -> RatingChange | None:
    stars = stars_of(rated.ratings.get(book.book_id))
    if entry is None:
        if stars is None:
            return None
        if not rules.add_unshelved:
            return _skip(book, rated, NOT_ON_SHELF)
        change = _change(book, Action.ADD, stars, entry)
        edition_id = 0 if book.book_id in rated.unsure_editions else change.edition_id
        return replace(change, read_on=rated.read_on.get(book.book_id), edition_id=edition_id)
    if same_stars(stars, entry.rating):
        return None
    if stars is None and not rules.clear:
        return None
    return _change(book, Action.UPDATE if stars is not None else Action.CLEAR, stars, entry)


def _change(book: CalibreBook, action: Action, stars: float | None, entry: ShelfEntry | None) -> RatingChange:
    return RatingChange(
        book_id=book.book_id,
        title=book.title,
        action=action,
        hardcover_id=stored_id(book.identifiers),
        entry_id=entry.entry_id if entry else 0,
        calibre_stars=stars,
        hardcover_stars=entry.rating if entry else None,
        edition_id=number_id(book.identifiers.get(EDITION_KEY)) or (entry.edition_id if entry else 0),
        slug=stored_slug(book.identifiers),
        series=book.series,
    )


def _skip(book: CalibreBook, rated: RatedBooks, why: Text, entry: ShelfEntry | None = None) -> RatingChange:
    rating = rated.ratings.get(book.book_id)
    stars = stars_of(rating) if _is_readable(rating) else None
    return replace(_change(book, Action.SKIP, stars, entry), why=why)


def request_count(changes: Iterable[RatingChange], most: int) -> int:
    """How many requests it takes to send these: `most` of a kind in one."""
    added = sum(change.action is Action.ADD for change in changes)
    others = sum(change.action is not Action.ADD for change in changes)
    return -(-added // most) - (-others // most)


def cost_of(changes: Sequence[RatingChange], seconds: float, most: int) -> Cost:
    """`seconds` is what the pace says for one unit each, `most` how many changes of a kind fit into a request."""
    return Cost(request_count(changes, most), len(changes), seconds)


def warn_about(changes: int, left_today: int | None) -> Text | None:
    """What to think of before so many changes are sent: the day's quota, or else the feed of the followers."""
    if left_today is not None and left_today < changes:
        return QUOTA_WARNING.with_values(left=left_today, wanted=changes)
    return replace(FEED_WARNING, count=changes) if changes >= MANY_FOR_A_FEED else None


def plan_undo(
    pushed: Iterable[RatingChange], shelf: Mapping[int, ShelfEntry]
) -> tuple[list[RatingChange], list[RatingChange]]:
    """What puts the old ratings back, and what has to be left alone because Hardcover holds another rating by now.

    A book that the push added stays on the shelf; only its rating is cleared.
    """
    changes: list[RatingChange] = []
    skipped: list[RatingChange] = []
    for change in pushed:
        entry = shelf.get(change.hardcover_id)
        current = entry.rating if entry else None
        back = replace(
            change,
            action=Action.CLEAR if change.hardcover_stars is None else Action.UPDATE,
            entry_id=entry.entry_id if entry else 0,
            calibre_stars=change.hardcover_stars,
            hardcover_stars=current,
        )
        if entry is None:
            skipped.append(replace(back, action=Action.SKIP, why=GONE_SINCE))
        elif same_stars(current, change.hardcover_stars):
            continue
        elif not same_stars(current, change.calibre_stars):
            skipped.append(replace(back, action=Action.SKIP, why=CHANGED_SINCE))
        else:
            changes.append(back)
    return changes, skipped
