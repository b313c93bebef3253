"""The rating plan: what is sent, what is left alone and why, what an undo puts back. No service, no library."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timezone
from typing import Any

import pytest
from calibre.ebooks.metadata import rating_to_stars
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import Action, RatingChange, RatingPlan, ShelfEntry
from calibre_plugins.bookfusionbacksync.rules.rating_plan import (
    CHANGED_SINCE,
    GONE_SINCE,
    NO_ID,
    NOT_ON_SHELF,
    ODD_RATING,
    TWO_RATINGS,
    RatedBooks,
    RatingRules,
    as_shown,
    books_to_look_up,
    cost_of,
    newest_entries,
    plan_difference,
    plan_undo,
    request_count,
    same_stars,
    stars_of,
)
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from hypothesis import given
from hypothesis import strategies as st

KEEP, ADD, CLEAR = RatingRules(), RatingRules(add_unshelved=True), RatingRules(clear=True)


def rated(*books: tuple[object, str | None], **more: Any) -> RatedBooks:
    """Books 1, 2, ... with these ratings and Hardcover ids."""
    numbered = dict(enumerate(books, 1))
    return RatedBooks(
        {
            number: CalibreBook(number, f'Book {number}', (), {'hardcover-id': given_id} if given_id else {})
            for number, (_rating, given_id) in numbered.items()
        },
        {number: rating for number, (rating, _id) in numbered.items()},
        **more,
    )


def shelf(**ratings: float | None) -> dict[int, ShelfEntry]:
    """Entries by book id: `b11=4.5`."""
    return {int(name[1:]): ShelfEntry(900 + int(name[1:]), int(name[1:]), stars, 3) for name, stars in ratings.items()}


def actions(plan: RatingPlan) -> list[tuple[int, Action, float | None, float | None]]:
    return [(each.book_id, each.action, each.calibre_stars, each.hardcover_stars) for each in plan.changes]


def whys(plan: RatingPlan) -> list[tuple[int, str]]:
    return [(each.book_id, str(each.why)) for each in plan.skipped]


@pytest.mark.parametrize(
    ('rating', 'stars'), [(None, None), (0, None), (1, 0.5), (2, 1.0), (7, 3.5), (10, 5.0), (7.0, 3.5), (9.8, 5.0)]
)
def test_calibres_ratings_are_halved(rating: object, stars: float | None) -> None:
    assert stars_of(rating) == stars


@pytest.mark.parametrize('rating', [-1, 11, 'five', True, float('nan'), float('inf'), []])
def test_what_is_no_rating(rating: object) -> None:
    with pytest.raises(ValueError, match='not a rating'):
        stars_of(rating)


def test_ratings_are_taken_as_calibre_shows_them() -> None:
    """A download writes 7 into the built-in column: three stars in Calibre, and never 3.5 on Hardcover."""
    stored: dict[int, object] = {1: 7, 2: 10, 3: 1, 4: None, 5: 0, 6: 2, 7: 3.9, 8: 'five', 9: True}
    shown = as_shown(stored, half_stars=False)
    assert shown == {1: 6, 2: 10, 4: None, 5: 0, 6: 2, 7: 2, 8: 'five', 9: True}
    assert as_shown(stored, half_stars=True) == stored
    for rating in shown.values():
        if isinstance(rating, int) and not isinstance(rating, bool) and rating:
            assert rating_to_stars(rating) == '★' * int(stars_of(rating) or 0)


def test_only_differences_are_planned() -> None:
    plan = plan_difference(rated((8, '11'), (9, '12'), (7, '13')), shelf(b11=4.0, b12=4.0, b13=None), KEEP)
    assert actions(plan) == [(2, Action.UPDATE, 4.5, 4.0), (3, Action.UPDATE, 3.5, None)]
    assert plan.unchanged == 1
    assert [change.entry_id for change in plan.changes] == [912, 913]


@pytest.mark.parametrize('nothing', [None, 0])
def test_an_unrated_book_never_clears_unless_told(nothing: object) -> None:
    books, entries = rated((nothing, '11')), shelf(b11=4.0)
    assert plan_difference(books, entries, KEEP) == RatingPlan()
    assert books_to_look_up(books, KEEP) == []
    assert actions(plan_difference(books, entries, CLEAR)) == [(1, Action.CLEAR, None, 4.0)]
    assert books_to_look_up(books, CLEAR) == [11]


def test_clearing_needs_something_to_clear() -> None:
    assert plan_difference(rated((None, '11'), (0, '12')), shelf(b11=None), CLEAR).changes == ()


def test_off_the_shelf_is_left_out_or_added() -> None:
    books = rated((8, '11'), read_on={1: date(2023, 4, 5)})
    assert whys(plan_difference(books, {}, KEEP)) == [(1, str(NOT_ON_SHELF))]
    (change,) = plan_difference(books, {}, ADD).changes
    assert (change.action, change.read_on, change.entry_id) == (Action.ADD, date(2023, 4, 5), 0)
    assert plan_difference(rated((None, '11')), {}, ADD).changes == ()


def test_a_book_without_id_is_named_only_when_it_is_rated() -> None:
    assert whys(plan_difference(rated((8, None), (None, None)), {}, KEEP)) == [(1, str(NO_ID))]


def test_odd_ratings_are_left_out() -> None:
    assert whys(plan_difference(rated((77, '11')), shelf(b11=4.0), KEEP)) == [(1, str(ODD_RATING))]


def test_copies_with_one_rating_are_sent_once() -> None:
    plan = plan_difference(rated((8, '11'), (8, '11'), (None, '11')), shelf(b11=1.0), CLEAR)
    assert actions(plan) == [(1, Action.UPDATE, 4.0, 1.0)]


def test_copies_that_contradict_each_other_are_left_out() -> None:
    plan = plan_difference(rated((8, '11'), (6, '11')), shelf(b11=1.0), KEEP)
    assert plan.changes == ()
    assert whys(plan) == [(1, str(TWO_RATINGS)), (2, str(TWO_RATINGS))]


def test_ids_that_were_merged_into_one_entry_do_not_fight() -> None:
    entry = ShelfEntry(900, 12, 1.0, original_book_id=11)
    entries = newest_entries([entry])
    assert plan_difference(rated((8, '11'), (6, '12')), entries, KEEP).changes == ()
    assert len(plan_difference(rated((8, '11'), (8, '12')), entries, KEEP).changes) == 1
    # One that agrees with the shelf already does not let the other one through.
    assert plan_difference(rated((2, '11'), (8, '12')), entries, KEEP).changes == ()
    # Nor does an unrated one clear, in the next run, what the other has rated.
    plan = plan_difference(rated((None, '11'), (8, '12')), entries, CLEAR)
    assert actions(plan) == [(2, Action.UPDATE, 4.0, 1.0)]
    again = {key: replace(each, rating=4.0) for key, each in entries.items()}
    assert plan_difference(rated((None, '11'), (8, '12')), again, CLEAR).changes == ()


def test_of_several_entries_the_newest_counts() -> None:
    moments = [datetime(2024, month, 1, tzinfo=timezone.utc) for month in (3, 5, 1)]
    entries = [ShelfEntry(number, 11, float(number), updated_at=when) for number, when in enumerate(moments, 1)]
    assert newest_entries(entries)[11].entry_id == 2
    assert newest_entries([*entries, ShelfEntry(9, 11)])[11].entry_id == 2


def test_an_entry_under_the_id_itself_wins_over_one_merged_away_from_it() -> None:
    later = datetime(2025, 1, 1, tzinfo=timezone.utc)
    entries = newest_entries([ShelfEntry(1, 11), ShelfEntry(2, 12, updated_at=later, original_book_id=11)])
    assert (entries[11].entry_id, entries[12].entry_id) == (1, 2)


def test_the_edition_comes_from_calibre_or_the_shelf() -> None:
    books = rated((8, '11'))
    entry = ShelfEntry(900, 11, 1.0, edition_id=21)
    (change,) = plan_difference(books, {11: entry}, KEEP).changes
    assert change.edition_id == 21


def test_ratings_within_rounding_are_the_same() -> None:
    assert same_stars(4.5, 4.4999999)
    assert not same_stars(4.5, 4.25)
    assert not same_stars(None, 0.5)
    assert same_stars(None, None)


@pytest.mark.parametrize(
    ('updates', 'adds', 'requests'), [(0, 0, 0), (1, 0, 1), (5, 0, 1), (6, 0, 2), (6, 1, 3), (100, 0, 20)]
)
def test_five_to_a_request(updates: int, adds: int, requests: int) -> None:
    changes = [RatingChange(1, '', Action.UPDATE)] * updates + [RatingChange(1, '', Action.ADD)] * adds
    assert request_count(changes, 5) == requests
    assert cost_of(changes, 3.0, 5).units == updates + adds


def test_an_undo_puts_back_only_what_is_still_as_pushed() -> None:
    pushed = [
        RatingChange(1, 'A', Action.UPDATE, 11, 911, 4.0, 2.0),
        RatingChange(2, 'B', Action.UPDATE, 12, 912, 4.0, None),
        RatingChange(3, 'C', Action.ADD, 13, 0, 4.0, None),
        RatingChange(4, 'D', Action.UPDATE, 14, 914, 4.0, 2.0),
        RatingChange(5, 'E', Action.UPDATE, 15, 915, 4.0, 2.0),
        RatingChange(6, 'F', Action.UPDATE, 16, 916, 4.0, 2.0),
        RatingChange(7, 'G', Action.CLEAR, 17, 917, None, 2.0),
    ]
    entries = shelf(b11=4.0, b12=4.0, b13=4.0, b14=5.0, b15=2.0, b17=None)
    changes, skipped = plan_undo(pushed, entries)
    assert [(each.book_id, each.action, each.calibre_stars) for each in changes] == [
        (1, Action.UPDATE, 2.0),
        (2, Action.CLEAR, None),
        (3, Action.CLEAR, None),
        (7, Action.UPDATE, 2.0),
    ]
    assert [(each.book_id, each.why) for each in skipped] == [(4, CHANGED_SINCE), (6, GONE_SINCE)]


ids = st.sampled_from([None, '11', '12', '13', 'x', '0'])
ratings = st.one_of(st.none(), st.integers(0, 10), st.sampled_from(['odd', 99]))
stars = st.one_of(st.none(), st.integers(1, 10).map(lambda number: number / 2))
entry_lists = st.lists(
    st.builds(
        ShelfEntry,
        entry_id=st.integers(1, 10**6),
        book_id=st.integers(11, 13),
        rating=stars,
        updated_at=st.none() | st.datetimes(timezones=st.just(timezone.utc)),
        original_book_id=st.sampled_from([0, 11, 12, 13]),
    ),
    max_size=6,
    unique_by=lambda entry: entry.entry_id,
)


@given(st.lists(st.tuples(ratings, ids), max_size=8), entry_lists, st.booleans(), st.booleans())
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(
    books: list[tuple[object, str | None]], entries: list[ShelfEntry], add: bool, clear: bool
) -> None:
    rules, calibre = RatingRules(add, clear), rated(*books)
    plan = plan_difference(calibre, newest_entries(entries), rules)
    after = {entry.entry_id: entry for entry in entries}
    for number, change in enumerate(plan.changes):
        assert change.action is not Action.SKIP
        assert change.calibre_stars != change.hardcover_stars
        assert clear or change.calibre_stars is not None
        assert (change.action is Action.ADD) == (change.entry_id == 0)
        assert add or change.action is not Action.ADD
        if change.action is Action.ADD:
            assert change.hardcover_id not in {entry.book_id for entry in entries}
            after[-number] = ShelfEntry(10**7 + number, change.hardcover_id, change.calibre_stars)
        else:
            after[change.entry_id] = replace(after[change.entry_id], rating=change.calibre_stars)
    assert len({change.entry_id for change in plan.changes if change.entry_id}) == sum(
        change.entry_id > 0 for change in plan.changes
    )
    again = plan_difference(calibre, newest_entries(after.values()), rules)
    assert again.changes == ()
    # And an undo finds every change in its place.
    changes, skipped = plan_undo(plan.changes, newest_entries(after.values()))
    assert len(changes) == len(plan.changes)
    assert skipped == []
