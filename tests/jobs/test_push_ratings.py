"""Pushing ratings from real Calibre libraries to the stand-in: what is sent, kept, undone, and what it costs."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.errors import (
    Cancelled,
    LibraryTrouble,
    QuotaSpent,
    ScopeMissing,
    ServerTrouble,
    SettingsTrouble,
)
from calibre_plugins.bookfusionbacksync.base.private_files import write_privately
from calibre_plugins.bookfusionbacksync.base.settings import plugin_folder, save
from calibre_plugins.bookfusionbacksync.gui.rating_preview import cost_words
from calibre_plugins.bookfusionbacksync.jobs.change_match import change_match, unlink_match
from calibre_plugins.bookfusionbacksync.jobs.push_ratings import preview_outcome, push_to_undo
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import Action, Candidate, RatingsOutcome
from calibre_plugins.bookfusionbacksync.rules.rating_plan import MANY_FOR_A_FEED, TWO_RATINGS
from harness.hardcover import MakeShelf, Shelf, small_catalogue
from harness.libraries import COMPUTED_COLUMN
from standins.faults import CloseWithoutAnswer, Html, Reset, Status
from standins.hardcover import Catalogue, Printing, ShelfRow, Work, generate_catalogue, isbn13

STARS = {
    '#stars': {'datatype': 'rating', 'display': {'allow_half_stars': True}},
    '#whole': 'rating',
    '#dateread': 'datetime',
}
READ_ON = datetime(2023, 4, 5, 22, 30, tzinfo=timezone.utc)


def book(title: str, hardcover_id: int | str, rating: int | None = None, **more: Any) -> dict[str, Any]:
    identifiers = {'hardcover-id': str(hardcover_id), **more.pop('identifiers', {})}
    rated = {} if rating is None else {'rating': rating}
    return {'title': title, 'identifiers': identifiers, **rated, **more}


def rated_library(count: int, rating: int = 8) -> list[dict[str, Any]]:
    """The books of `generate_catalogue(count)`, with ids and a rating each."""
    return [book(str(work.title), work.id, rating) for work in generate_catalogue(count).works]


def ratings(shelf: Shelf) -> dict[int, float | None]:
    return {row.book_id: row.rating for row in shelf.service.catalogue.shelf}


def counts(outcome: RatingsOutcome) -> tuple[int, int, int, int, int]:
    sizes = (outcome.updated, outcome.added, outcome.skipped, outcome.failed)
    return (*map(len, sizes), outcome.unchanged)  # type: ignore[return-value]


def half_starred(title: str, hardcover_id: int, rating: int, **more: Any) -> dict[str, Any]:
    """A book rated in a column that allows half stars."""
    return book(title, hardcover_id, **{'#stars': rating}, **more)


def test_only_differences_are_sent(make_shelf: MakeShelf) -> None:
    books = [half_starred('Emma', 11, 9), half_starred('Dune', 12, 7), half_starred('Left Hand', 13, 2)]
    shelf = make_shelf(books, columns=STARS)
    save({'rating_column': '#stars'})
    planned = shelf.plan()
    assert shelf.service.server.writes == []
    assert [(each.title, each.calibre_stars, each.hardcover_stars) for each in planned.plan.changes] == [
        ('Dune', 3.5, None)
    ]
    outcome = shelf.push(planned)
    assert counts(outcome) == (1, 0, 1, 0, 1)
    assert str(outcome.status) == 'Done - 1 updated, 0 added, 1 skipped, 0 failed.'
    assert ratings(shelf) == {11: 4.5, 12: 3.5}
    assert shelf.service.server.writes == [('update_user_book', {'id': 32, 'rating': 3.5})]
    assert 'not on a Hardcover shelf' in str(outcome.skipped[0].why)


def test_only_what_is_ticked_is_sent(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2), book('Dune', 12, 6)])
    planned = shelf.plan()
    outcome = shelf.push(planned, ticked=[change for change in planned.plan.changes if change.title == 'Dune'])
    assert ratings(shelf) == {11: 4.5, 12: 3.0}
    assert len(outcome.updated) == 1


@pytest.mark.parametrize(('column', 'stars'), [('rating', 2.0), ('#stars', 3.5), ('#whole', 4.0)])
def test_every_kind_of_rating_column(make_shelf: MakeShelf, column: str, stars: float) -> None:
    shelf = make_shelf([book('Dune', 12, 4, **{'#stars': 7, '#whole': 8})], columns=STARS)
    save({'rating_column': column})
    shelf.push()
    assert ratings(shelf)[12] == stars


def test_ratings_of_a_download_go_out_as_calibre_shows_them(make_shelf: MakeShelf) -> None:
    """Seven out of ten shows as three stars, and one as none: it neither rates a book nor clears a rating."""
    shelf = make_shelf([book('Emma', 11, 1), book('Dune', 12, 7)])
    save({'hardcover_clear_ratings': True})
    shelf.push()
    assert ratings(shelf) == {11: 4.5, 12: 3.0}
    assert shelf.plan().plan.changes == ()


@pytest.mark.parametrize(
    ('column', 'words'),
    [
        ('#gone', 'does not exist'),
        ('#dateread', 'does not hold ratings'),
        ('#built', r'is computed \(built from other columns\)'),
    ],
)
def test_a_rating_column_that_cannot_be_used(make_shelf: MakeShelf, column: str, words: str) -> None:
    shelf = make_shelf([book('Dune', 12, 4)], columns={**STARS, '#built': COMPUTED_COLUMN})
    save({'rating_column': column})
    with pytest.raises(SettingsTrouble, match=words) as caught:
        shelf.plan()
    assert caught.value.exit_code == 2
    assert shelf.service.server.count() == 0


def test_unrated_books_clear_only_when_told(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11)])
    assert shelf.plan().units == 0
    assert counts(shelf.push()) == (0, 0, 0, 0, 0)
    assert ratings(shelf)[11] == 4.5
    save({'hardcover_clear_ratings': True})
    outcome = shelf.push()
    assert [change.action for change in outcome.updated] == [Action.CLEAR]
    assert ratings(shelf)[11] is None


@pytest.mark.parametrize('dates_on_insert', [True, False])
def test_a_book_off_the_shelf_is_added_as_read(make_shelf: MakeShelf, dates_on_insert: bool) -> None:
    books = [
        book('Left Hand', 13, 8, identifiers={'hardcover-edition': '23'}, **{'#dateread': READ_ON}),
        book('Undated', 14, 2),
    ]
    catalogue = small_catalogue()
    catalogue.works.append(Work(14, 'Undated'))
    shelf = make_shelf(books, catalogue, privacy=3, dates_on_insert=dates_on_insert)
    save({'hardcover_add_unshelved': True})
    outcome = shelf.push()
    assert counts(outcome) == (0, 2, 0, 0, 0)
    added = shelf.service.catalogue.entry(13)
    assert added is not None
    assert (added.rating, added.status_id, added.privacy_setting_id, added.edition_id) == (4.0, 3, 3, 23)
    days = [
        [read.finished_at for read in shelf.service.catalogue.reads if read.user_book_id == entry.id]
        for entry in (added, shelf.service.catalogue.entry(14))
        if entry is not None
    ]
    # The day in the time zone that Calibre shows; here that is UTC or close to it.
    assert days == [[READ_ON.astimezone().date().isoformat()], ['2025-06-15']]
    assert shelf.push().units <= 3
    assert len(shelf.service.catalogue.shelf) == 4


@pytest.mark.parametrize('year', [2099, 9999])
def test_a_date_from_a_wrong_clock_is_no_day_of_reading(make_shelf: MakeShelf, year: int) -> None:
    wrong = READ_ON.replace(year=year, month=12, day=31)
    books = [book('Left Hand', 13, 9, **{'#dateread': wrong}), book('Dune', 14, 2, **{'#dateread': READ_ON})]
    catalogue = small_catalogue()
    catalogue.works.append(Work(14, 'Dune'))
    shelf = make_shelf(books, catalogue)
    save({'hardcover_add_unshelved': True})
    added = {change.title: change.read_on for change in shelf.plan().plan.changes}
    assert added == {'Left Hand': None, 'Dune': READ_ON.astimezone().date()}
    note = 'Note: 1 last-read date is from a wrong clock, so books with one that are added get the date of today.'
    assert shelf.service.reporter.lines.count(note) == 1


def test_a_day_that_was_taken_is_not_sent_again(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Left Hand', 13, 9, **{'#dateread': READ_ON})], entry_on_insert=False)
    save({'hardcover_add_unshelved': True})
    shelf.push()
    assert [name for name, _values in shelf.service.server.writes] == ['insert_user_book']


def test_a_read_that_was_not_made_is_added(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Left Hand', 13, 9, **{'#dateread': READ_ON})], dates_on_insert=False)
    save({'hardcover_add_unshelved': True})
    planned = shelf.plan()
    reads = shelf.service.catalogue.reads
    shelf.service.server.fail(
        Status(429, {'Retry-After': '1'}), when=lambda sent: b'Reads' in sent.body and not reads.clear()
    )
    shelf.push(planned)
    assert [read.finished_at for read in reads] == [READ_ON.astimezone().date().isoformat()]


def test_days_that_were_not_sent_any_more_are_noted(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Left Hand', 13, 9, **{'#dateread': READ_ON})], dates_on_insert=False, daily=4)
    save({'hardcover_add_unshelved': True})
    outcome = shelf.push()
    assert (len(outcome.added), type(outcome.stopped)) == (1, QuotaSpent)
    assert shelf.service.reporter.matching('1 added books have the date of today')


def test_days_that_cannot_be_checked_are_no_failure(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Left Hand', 13, 9, **{'#dateread': READ_ON})], entry_on_insert=False)
    save({'hardcover_add_unshelved': True})
    shelf.service.server.fail(Status(400), when=lambda sent: b'query Reads' in sent.body, times=None)
    outcome = shelf.push()
    assert (len(outcome.added), outcome.stopped) == (1, None)
    assert len(shelf.service.reporter.matching('the days of the added books could not be checked: ')) == 1
    assert not shelf.service.reporter.matching('the date of today')


def test_books_without_a_last_read_column_are_added_today(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Left Hand', 13, 9)])
    save({'hardcover_add_unshelved': True, 'last_read_column': '#gone'})
    assert counts(shelf.push()) == (0, 1, 0, 0, 0)
    assert len(shelf.service.reporter.matching('get the date of today')) == 1


def test_books_without_an_id_are_named(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': 'Emma', 'rating': 8}, {'title': 'Dune'}])
    outcome = shelf.push()
    assert [each.title for each in outcome.skipped] == ['Emma']
    assert 'Fetch Hardcover Book IDs' in str(outcome.skipped[0].why)
    assert outcome.requests == 0


def test_ids_of_another_plugin_count(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': 'Dune', 'rating': 8, 'identifiers': {'hardcover-book': '12'}}])
    assert counts(shelf.push()) == (1, 0, 0, 0, 0)


def test_a_book_that_was_unlinked_is_not_rated_by_the_id_of_another_plugin(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': 'Dune', 'rating': 8, 'identifiers': {'hardcover-book': '12'}}])
    shelf.fetch()
    unlink_match(shelf.open, 1)
    assert shelf.hardcover() == {'hardcover-book': '12'}
    outcome = shelf.push()
    assert (counts(outcome)[:3], shelf.service.server.writes) == ((0, 0, 1), [])
    # Until somebody links it again.
    change_match(shelf.open, 1, Candidate(12, 'dune'))
    assert counts(shelf.push())[0] == 1


def test_of_two_entries_the_newest_is_rated(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.shelf.append(ShelfRow(99, 12, rating=1.0, updated_at='2025-05-05T05:05:05.5+00:00'))
    catalogue.shelf.append(ShelfRow(98, 12, rating=2.0, updated_at='2023-05-05T05:05:05+00:00'))
    shelf = make_shelf([book('Dune', 12, 8)], catalogue)
    shelf.push()
    assert shelf.service.server.writes == [('update_user_book', {'id': 99, 'rating': 4.0})]


# What it costs.


@pytest.mark.parametrize(
    ('count', 'changed', 'off_shelf'), [(100, 100, 0), (100, 10, 5), (100, 0, 0), (250, 30, 20), (1, 1, 0)]
)
def test_units_of_a_first_and_a_second_push(make_shelf: MakeShelf, count: int, changed: int, off_shelf: int) -> None:
    catalogue = generate_catalogue(count)
    for row in catalogue.shelf[changed:]:
        row.rating = 4.0
    del catalogue.shelf[count - off_shelf :]
    shelf = make_shelf(rated_library(count), catalogue)
    planned = shelf.plan()
    cost = planned.cost_of(planned.plan.changes)
    assert cost.units == changed
    assert cost.requests == -(-changed // 5)
    outcome = shelf.push(planned)
    assert len(outcome.updated) == changed
    batches = -(-count // 100)
    # What is not on the shelf is looked up, for it may be there under another id.
    looked_up = -(-off_shelf // 100)
    assert outcome.units <= 2 * batches + 1 + changed + looked_up
    assert outcome.units == shelf.service.server.units
    assert outcome.requests == shelf.service.server.count()
    assert shelf.service.server.turned_away == 0
    again = shelf.push()
    assert again.units <= 2 * batches + 1 + looked_up
    assert again.unchanged == count - off_shelf
    assert len(shelf.service.server.writes) == changed


def test_a_hundred_ratings_take_as_long_as_the_plan_says(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(rated_library(100), generate_catalogue(100))
    planned = shelf.plan()
    cost = planned.cost_of(planned.plan.changes)
    before = shelf.service.clock.waited
    shelf.push(planned)
    assert shelf.service.clock.waited - before == pytest.approx(cost.seconds, abs=3)
    assert 85 <= cost.seconds <= 100
    assert str(cost_words(cost)) == f'20 requests, about {round(cost.seconds)} seconds'


def test_many_at_once_are_warned_about(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(rated_library(MANY_FOR_A_FEED), generate_catalogue(MANY_FOR_A_FEED))
    assert f'{MANY_FOR_A_FEED} books' in str(shelf.plan().warning)
    shelf.push()
    assert shelf.plan().warning is None


def test_a_quota_that_does_not_suffice_is_told_beforehand(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(rated_library(30), generate_catalogue(30), daily=12)
    assert 'has room for 10 of these 30 changes' in str(shelf.plan().warning)


def test_a_dry_run_sends_no_mutation(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2), book('Left Hand', 13, 2), book('Dune', 12, 4)])
    save({'hardcover_add_unshelved': True})
    outcome = preview_outcome(shelf.plan())
    assert counts(outcome) == (2, 1, 0, 0, 0)
    assert shelf.service.server.writes == []


# Retired and refused books.


def merged_catalogue() -> Catalogue:
    """Emma is 11 in Calibre, and merged into 15, which has its edition and its slug by now."""
    catalogue = small_catalogue()
    catalogue.works[0].canonical_id = 15
    catalogue.works[0].slug = 'emma-gone'
    catalogue.works.append(Work(15, 'Emma', 'emma'))
    catalogue.editions[0] = Printing(21, 15, isbn13(11))
    return catalogue


@pytest.mark.parametrize(
    'known', [{'hardcover-edition': '21'}, {'hardcover-slug': 'emma'}, {'hardcover-slug': 'emma-gone'}, {}], ids=str
)
@pytest.mark.parametrize('on_shelf', [True, False])
def test_a_retired_id_is_resolved_again(make_shelf: MakeShelf, known: dict[str, str], on_shelf: bool) -> None:
    catalogue = merged_catalogue()
    if on_shelf:
        catalogue.shelf.append(ShelfRow(35, 15, rating=1.0))
    shelf = make_shelf([book('Emma', 11, 8, identifiers=known), book('Dune', 12, 8)], catalogue)
    outcome = shelf.push()
    # The entry under the old id cannot be written to; the one under the new id can, where there is one.
    if on_shelf:
        assert counts(outcome) == (2, 0, 0, 0, 0)
        assert ratings(shelf)[15] == 4.0
    else:
        assert len(outcome.failed) == 1
        assert 'not on a Hardcover shelf' in str(outcome.failed[0].why)
    assert outcome.units <= 5 + 2 + 4


def test_an_edition_that_leads_nowhere_is_not_given_to_the_book_that_is_found(make_shelf: MakeShelf) -> None:
    catalogue = merged_catalogue()
    del catalogue.shelf[0]
    identifiers = {'hardcover-edition': '99', 'hardcover-slug': 'emma'}
    shelf = make_shelf([book('Emma', 11, 8, identifiers=identifiers)], catalogue)
    save({'hardcover_add_unshelved': True})
    assert counts(shelf.push()) == (0, 1, 0, 0, 0)
    added = shelf.service.catalogue.entry(15)
    assert added is not None
    assert added.edition_id is None


def test_an_edition_of_another_plugin_is_not_given_to_a_book_that_was_chosen_here(make_shelf: MakeShelf) -> None:
    """The user chose The Left Hand of Darkness; the edition that another plugin stored is one of Dune."""
    shelf = make_shelf([{'title': 'Left Hand', 'rating': 9, 'identifiers': {'hardcover-edition': '22'}}])
    shelf.fetch(choose=lambda question: next(each for each in question.candidates if each.book_id == 13))
    assert shelf.hardcover()['hardcover-id'] == '13'
    save({'hardcover_add_unshelved': True})
    shelf.push()
    added = shelf.service.catalogue.entry(13)
    assert added is not None
    assert added.edition_id is None


def test_retired_books_that_nobody_looked_for_are_not_called_gone(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 8), book('Dune', 12, 8)], merged_catalogue(), daily=4)
    outcome = shelf.push()
    assert isinstance(outcome.stopped, QuotaSpent)
    assert (outcome.failed, [change.title for change in outcome.unsent]) == ((), ['Emma'])


def test_a_retired_book_to_add_is_added_under_its_new_id(make_shelf: MakeShelf) -> None:
    catalogue = merged_catalogue()
    del catalogue.shelf[0]
    shelf = make_shelf([book('Emma', 11, 8, identifiers={'hardcover-edition': '21'})], catalogue)
    save({'hardcover_add_unshelved': True})
    assert counts(shelf.push()) == (0, 1, 0, 0, 0)
    assert ratings(shelf)[15] == 4.0


def test_a_merged_entry_on_the_shelf_is_found_by_its_old_id(make_shelf: MakeShelf) -> None:
    catalogue = merged_catalogue()
    catalogue.shelf[0] = ShelfRow(31, 15, rating=1.0, original_book_id=11)
    shelf = make_shelf([book('Emma', 11, 8)], catalogue)
    assert counts(shelf.push()) == (1, 0, 0, 0, 0)
    assert ratings(shelf)[15] == 4.0


def test_a_rating_that_is_there_already_under_the_new_id_is_not_sent(make_shelf: MakeShelf) -> None:
    catalogue = merged_catalogue()
    catalogue.shelf.append(ShelfRow(35, 15, rating=4.0))
    shelf = make_shelf([book('Emma', 11, 8, identifiers={'hardcover-edition': '21'})], catalogue)
    assert counts(shelf.push()) == (0, 0, 0, 0, 1)
    assert shelf.service.server.writes == []


def test_a_slug_that_leads_to_another_book_is_not_followed(make_shelf: MakeShelf) -> None:
    catalogue = merged_catalogue()
    catalogue.works[0].gone = True
    catalogue.works[1].slug = 'emma'
    catalogue.works[3].slug = 'emma-15'
    shelf = make_shelf([book('Emma', 11, 8, identifiers={'hardcover-slug': 'emma'})], catalogue)
    outcome = shelf.push()
    assert counts(outcome) == (0, 0, 1, 0, 0)
    assert 'retired' in str(outcome.skipped[0].why)
    assert shelf.service.server.writes == []


def test_a_retired_volume_does_not_rate_the_volume_that_has_its_slug_now(make_shelf: MakeShelf) -> None:
    catalogue = Catalogue(
        works=[Work(90, 'Overlord, Vol. 9', 'overlord-9', gone=True), Work(1, 'Overlord, Vol. 1', 'overlord')],
        editions=[Printing(99, 1, isbn13(9))],
        shelf=[ShelfRow(39, 90, rating=1.0), ShelfRow(31, 1, rating=2.0)],
    )
    identifiers = {'hardcover-slug': 'overlord', 'hardcover-edition': '99'}
    shelf = make_shelf([book('Overlord, Vol. 9', 90, 8, identifiers=identifiers)], catalogue)
    outcome = shelf.push()
    assert counts(outcome) == (0, 0, 1, 0, 0)
    assert 'retired' in str(outcome.skipped[0].why)
    assert str(outcome.status) == 'Done - 0 updated, 0 added, 1 skipped, 0 failed.'
    assert shelf.service.reporter.matching('^SKIP Overlord, Vol. 9 -> Hardcover has retired')
    assert (shelf.service.server.writes, ratings(shelf)) == ([], {90: 1.0, 1: 2.0})
    assert shelf.hardcover() == {'hardcover-id': '90', **identifiers}
    assert shelf.undo() is None


@pytest.mark.parametrize('on_shelf', [True, False])
def test_a_retired_book_that_was_merged_into_another_volume_is_left_alone(
    make_shelf: MakeShelf, on_shelf: bool
) -> None:
    """The title of what it was merged into decides, not the title of the book that is gone."""
    catalogue = merged_catalogue()
    catalogue.works[3].title = 'Emma 2'
    catalogue.shelf.append(ShelfRow(35, 15, rating=1.0))
    if not on_shelf:
        del catalogue.shelf[0]
    shelf = make_shelf([{'title': 'Emma', 'rating': 8, 'identifiers': {'isbn': isbn13(11)}}], small_catalogue())
    shelf.fetch()
    shelf.service.server.catalogue = catalogue
    before = shelf.identifiers()
    outcome = shelf.push()
    assert counts(outcome) == (0, 0, 1, 0, 0)
    assert 'retired' in str(outcome.skipped[0].why)
    assert (shelf.service.server.writes, shelf.identifiers()) == ([], before)


def test_a_book_found_again_may_be_a_translation(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].gone = True
    catalogue.works.append(Work(15, "L'\u00c9tranger", 'stranger'))
    catalogue.editions[0] = Printing(21, 15, isbn13(11), title='Der Fremde')
    catalogue.shelf.append(ShelfRow(35, 15, rating=1.0))
    shelf = make_shelf([book('Der Fremde: Roman', 11, 8, identifiers={'hardcover-edition': '21'})], catalogue)
    assert counts(shelf.push()) == (1, 0, 0, 0, 0)
    assert ratings(shelf)[15] == 4.0


def test_the_series_of_a_retired_book_is_no_title(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[0].gone = True
    catalogue.works += [Work(15, 'Thrawn', 'thrawn'), Work(16, 'Star Wars', 'star-wars')]
    catalogue.shelf = [ShelfRow(31, 11), ShelfRow(35, 15), ShelfRow(36, 16)]
    books = [
        book('Star Wars: Thrawn', 11, 8, series='Star Wars', identifiers={'hardcover-slug': slug})
        for slug in ('star-wars', 'thrawn')
    ]
    for number, expected in enumerate(((0, 0, 1, 0, 0), (1, 0, 0, 0, 0)), 1):
        shelf = make_shelf(books, catalogue)
        assert counts(shelf.push(shelf.plan(ids=[number]))) == expected
    assert ratings(shelf) == {11: None, 15: 4.0, 16: None}


# Books that are on the shelf under another id.


def test_a_merged_book_that_the_shelf_knows_under_its_new_id_only_is_found(make_shelf: MakeShelf) -> None:
    catalogue = merged_catalogue()
    catalogue.shelf[0] = ShelfRow(35, 15, rating=1.0)
    shelf = make_shelf([book('Emma', 11, 8), book('Dune', 12, 8)], catalogue)
    planned = shelf.plan()
    assert [change.hardcover_id for change in planned.plan.changes] == [15, 12]
    # The account, the shelf, the ids without an entry, what that was merged into, and its entry.
    assert planned.units <= 1 + 2 + 1 + 1 + 1
    assert counts(shelf.push(planned)) == (2, 0, 0, 0, 0)
    assert ratings(shelf) == {15: 4.0, 12: 4.0}


def test_an_id_that_was_stored_here_moves_with_a_merged_book(make_shelf: MakeShelf) -> None:
    books = [{'title': 'Emma', 'rating': 8, 'identifiers': {'isbn': isbn13(11)}}]
    shelf = make_shelf([*books, {'title': 'Emma', 'rating': 8}])
    shelf.fetch(ids=[1])
    merged = merged_catalogue()
    merged.shelf[0] = ShelfRow(35, 15, rating=4.0)
    shelf.service.server.catalogue = merged
    outcome = shelf.push()
    assert counts(outcome)[4] == 1
    assert outcome.book_ids == {1}
    assert shelf.hardcover() == {'hardcover-id': '15', 'hardcover-slug': 'emma', 'hardcover-edition': '21'}
    again = shelf.plan()
    assert again.units <= 2


def test_an_id_moves_only_where_the_rating_was_sent(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': 'Emma', 'rating': 8, 'identifiers': {'isbn': isbn13(11)}}])
    shelf.fetch()
    merged = merged_catalogue()
    merged.shelf[0] = ShelfRow(35, 15, rating=1.0)
    shelf.service.server.catalogue = merged
    outcome = shelf.push(ticked=[])
    assert (outcome.book_ids, shelf.hardcover()['hardcover-id']) == (frozenset(), '11')


def test_a_book_that_was_merged_into_another_title_is_skipped(make_shelf: MakeShelf) -> None:
    catalogue = merged_catalogue()
    catalogue.works[3].title = 'Emma and Persuasion'
    catalogue.shelf[0] = ShelfRow(35, 15, rating=1.0)
    shelf = make_shelf([book('Emma', 11, 8)], catalogue)
    save({'hardcover_add_unshelved': True})
    outcome = shelf.push()
    assert counts(outcome) == (0, 0, 1, 0, 0)
    assert 'another title' in str(outcome.skipped[0].why)
    assert (shelf.service.server.writes, ratings(shelf)) == ([], {15: 1.0, 12: None})


def test_what_is_nowhere_on_the_shelf_costs_a_unit_a_hundred(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(rated_library(200), generate_catalogue(200, shelved=False))
    planned = shelf.plan()
    assert {str(change.why) for change in planned.plan.skipped} == {'It is not on a Hardcover shelf.'}
    assert len(planned.plan.skipped) == 200
    assert shelf.service.server.operations.count('BooksByIds') == 2
    assert planned.units == 1 + 2 + 2


def test_a_look_up_that_is_too_slow_leaves_books_off_the_shelf(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 8), book('Left Hand', 13, 8)])
    shelf.service.server.fail(Status(408), when=lambda sent: b'BooksByIds' in sent.body, times=None)
    planned = shelf.plan()
    assert [change.title for change in planned.plan.changes] == ['Emma']
    assert len(shelf.service.reporter.matching('could not be looked up')) == 1


def test_of_two_entries_of_one_book_the_one_changed_last_counts_and_it_is_said(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.shelf.append(ShelfRow(41, 12, rating=1.0, updated_at='2024-06-01T00:00:00+00:00'))
    shelf = make_shelf([book('Dune', 12, 8)], catalogue)
    assert counts(shelf.push()) == (1, 0, 0, 0, 0)
    assert {row.id: row.rating for row in shelf.service.catalogue.shelf} == {31: 4.5, 32: None, 41: 4.0}
    assert shelf.service.reporter.matching('book 12 has 2 entries .* the one changed last counts, entry 41')


def test_two_books_in_calibre_with_one_id_say_why_none_is_sent(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Dune', 12, 8), book('Dune', 12, 6), book('Emma', 11, 2), book('Emma', 11, 2)])
    outcome = shelf.push()
    assert counts(outcome) == (1, 0, 2, 0, 1)
    assert {str(change.why) for change in outcome.skipped} == {str(TWO_RATINGS)}
    assert ratings(shelf) == {11: 1.0, 12: None}


def test_an_id_that_was_stored_here_follows_its_book(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': 'Emma', 'rating': 8, 'identifiers': {'isbn': isbn13(11), 'goodreads': '1'}}])
    shelf.fetch()
    assert shelf.hardcover()['hardcover-id'] == '11'
    merged = merged_catalogue()
    merged.shelf.append(ShelfRow(35, 15))
    shelf.service.server.catalogue = merged
    assert counts(shelf.push()) == (1, 0, 0, 0, 0)
    assert shelf.identifiers() == {
        'isbn': isbn13(11),
        'goodreads': '1',
        'hardcover-id': '15',
        'hardcover-slug': 'emma',
        'hardcover-edition': '21',
    }


def test_books_whose_ids_a_push_stored_are_shown_anew(make_shelf: MakeShelf) -> None:
    """The window refreshes `book_ids`; Dune's rating changes only on Hardcover, and its id is somebody else's."""
    books = [{'title': 'Emma', 'rating': 8, 'identifiers': {'isbn': isbn13(11)}}, book('Dune', 12, 8)]
    shelf = make_shelf(books)
    shelf.fetch()
    merged = merged_catalogue()
    merged.shelf.append(ShelfRow(35, 15))
    shelf.service.server.catalogue = merged
    outcome = shelf.push()
    assert len(outcome.updated) == 2
    assert outcome.book_ids == {1}
    assert shelf.push().book_ids == frozenset()


def test_an_id_of_somebody_else_stays_and_is_noted(make_shelf: MakeShelf) -> None:
    catalogue = merged_catalogue()
    catalogue.shelf.append(ShelfRow(35, 15))
    shelf = make_shelf([book('Emma', 11, 8, identifiers={'hardcover-slug': 'emma'})], catalogue)
    shelf.push()
    assert shelf.hardcover() == {'hardcover-id': '11', 'hardcover-slug': 'emma'}
    assert len(shelf.service.reporter.matching('stays')) == 1


def test_a_failure_has_its_reason_and_is_not_the_end(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2), book('Dune', 12, 4)], refused={11: 'This book is locked.'})
    outcome = shelf.push()
    assert counts(outcome) == (1, 0, 0, 1, 0)
    assert 'This book is locked' in str(outcome.failed[0].why)
    assert ratings(shelf) == {11: 4.5, 12: 2.0}
    assert shelf.service.reporter.matching('^FAIL Emma')


# What ends it early keeps what was done.


def test_a_spent_quota_says_how_many_were_sent(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(rated_library(100), generate_catalogue(100), daily=40)
    outcome = shelf.push()
    assert isinstance(outcome.stopped, QuotaSpent)
    assert outcome.stopped.exit_code == 1
    # One unit for the account, two for the shelf: the rest goes to the last one into ratings.
    assert str(outcome.status) == (
        "Hardcover's quota is used up (37 ratings sent). "
        'Start this again after 2025-06-16 00:01; what was done is kept.'
    )
    assert (len(outcome.updated), len(outcome.unsent)) == (37, 63)
    assert shelf.service.server.turned_away == 0
    shelf.service.server.set_options(daily=5000)
    shelf.service.new_pace()
    assert len(shelf.push().updated) == 63
    assert set(ratings(shelf).values()) == {4.0}


def test_what_was_turned_away_is_not_on_record(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(rated_library(20), generate_catalogue(20))
    planned = shelf.plan()
    # Somebody else uses the quota up in the middle of it.
    shelf.service.server.fail(Status(429, {'Retry-After': '7200'}), after=2, times=None)
    outcome = shelf.push(planned)
    assert isinstance(outcome.stopped, QuotaSpent)
    record = push_to_undo(shelf.open)
    assert record is not None
    assert [change.book_id for change in record.changes] == [change.book_id for change in outcome.updated]
    assert len(record.changes) == 10


def test_cancel_keeps_what_was_sent(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(rated_library(30), generate_catalogue(30))
    planned = shelf.plan()
    shelf.service.clock.on_wait = lambda seconds: len(shelf.service.server.writes) >= 15 and shelf.service.cancel.set()
    outcome = shelf.push(planned)
    assert isinstance(outcome.stopped, Cancelled)
    assert outcome.stopped.exit_code == 4
    assert len(outcome.updated) == len(shelf.service.server.writes) == 15


@pytest.mark.parametrize(
    'action',
    [Status(500), Html(), Reset(), CloseWithoutAnswer(), Status(400, body={'error': 'invalid_query'})],
    ids=repr,
)
def test_trouble_in_the_middle_keeps_what_was_sent(make_shelf: MakeShelf, action: Any) -> None:
    shelf = make_shelf(rated_library(20), generate_catalogue(20))
    planned = shelf.plan()
    shelf.service.server.fail(action, after=2, times=None)
    outcome = shelf.push(planned)
    assert isinstance(outcome.stopped, ServerTrouble)
    assert (len(outcome.updated), len(outcome.unsent)) == (10, 10)


def test_a_token_that_may_not_write_is_told_by_name(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2)], scopes=['read:me:content', 'read:catalog', 'read:library'])
    outcome = shelf.push()
    assert isinstance(outcome.stopped, ScopeMissing)
    assert 'write:library' in str(outcome.status)
    # Nothing was sent, so there is nothing to undo.
    assert push_to_undo(shelf.open) is None


def test_a_plan_of_another_library_is_refused(make_shelf: MakeShelf) -> None:
    one, other = make_shelf([book('Emma', 11, 2)]), make_shelf([book('Emma', 11, 2)])
    with pytest.raises(LibraryTrouble, match='switched'):
        other.push(one.plan())


def test_without_a_record_nothing_is_sent(make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = make_shelf([book('Emma', 11, 2)])

    def full(path: object, data: bytes) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('calibre_plugins.bookfusionbacksync.base.json_file.write_privately', full)
    with pytest.raises(LibraryTrouble, match='No space left'):
        shelf.push()
    assert shelf.service.server.writes == []


def test_a_record_that_cannot_be_updated_does_not_deny_what_was_sent(
    make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full from the moment when the first rating is sent, in a push and in its undoing."""
    shelf = make_shelf([book('Emma', 11, 2), book('Dune', 12, 4)])
    before = ratings(shelf)

    def full(path: object, data: bytes) -> None:
        if shelf.service.server.writes:
            raise OSError(28, 'No space left on device')
        write_privately(path, data)  # type: ignore[arg-type]

    monkeypatch.setattr('calibre_plugins.bookfusionbacksync.base.json_file.write_privately', full)
    outcome = shelf.push()
    assert (len(outcome.updated), outcome.stopped) == (2, None)
    assert str(outcome.status) == 'Done - 2 updated, 0 added, 0 skipped, 0 failed.'
    note = r'^Note: the record for undoing the push could not be updated \(No space left on device\)'
    assert len(shelf.service.reporter.matching(note)) == 1
    assert shelf.service.reporter.matching('nothing was changed') == []
    undone = shelf.undo()
    assert undone is not None
    assert (len(undone.updated), undone.stopped) == (2, None)
    assert ratings(shelf) == before
    assert len(shelf.service.reporter.matching(note)) == 2


# Undo.


def test_a_push_can_be_undone(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2), book('Dune', 12, 4), book('Left Hand', 13, 8)])
    save({'hardcover_add_unshelved': True})
    before = ratings(shelf)
    shelf.push()
    assert ratings(shelf) == {11: 1.0, 12: 2.0, 13: 4.0}
    record = push_to_undo(shelf.open)
    assert record is not None
    assert len(record.changes) == 3
    outcome = shelf.undo()
    assert outcome is not None
    assert len(outcome.updated) == 3
    # What was added stays on the shelf, without a rating.
    assert ratings(shelf) == {**before, 13: None}
    assert shelf.undo() is None
    assert 'no push left' in shelf.service.reporter.statuses[-1]


def test_pushes_are_undone_one_after_the_other(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2)])
    shelf.push()
    shelf.api.set_field('rating', {1: 6})
    shelf.push()
    shelf.push()
    for stars in (1.0, 4.5):
        assert shelf.undo() is not None
        assert ratings(shelf)[11] == stars
    assert shelf.undo() is None


def test_an_undo_leaves_alone_what_was_rated_anew(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2), book('Dune', 12, 4)])
    shelf.push()
    shelf.service.catalogue.shelf[0].rating = 5.0
    outcome = shelf.undo()
    assert outcome is not None
    assert counts(outcome)[:3] == (1, 0, 1)
    assert ratings(shelf) == {11: 5.0, 12: None}


def test_an_undo_that_was_cut_short_goes_on_later(make_shelf: MakeShelf) -> None:
    shelf = make_shelf(rated_library(30), generate_catalogue(30))
    shelf.push()
    shelf.service.server.set_options(daily=shelf.service.server.units + 12)
    shelf.service.new_pace()
    outcome = shelf.undo()
    assert outcome is not None
    assert isinstance(outcome.stopped, QuotaSpent)
    assert 0 < len(outcome.updated) < 30
    shelf.service.server.set_options(daily=5000)
    shelf.service.new_pace()
    shelf.undo()
    assert set(ratings(shelf).values()) == {None}
    assert shelf.undo() is None


def test_what_can_never_be_undone_does_not_hide_the_push_before(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Dune', 12, 4), book('Emma', 11)])
    shelf.push()
    shelf.api.set_field('rating', {2: 2})
    shelf.push()
    shelf.service.catalogue.works[0].gone = True
    outcome = shelf.undo()
    assert outcome is not None
    assert counts(outcome) == (0, 0, 1, 0, 0)
    shelf.undo()
    assert ratings(shelf) == {11: 1.0, 12: None}
    assert shelf.undo() is None


def test_what_is_undone_already_under_a_new_id_does_not_hide_the_push_before(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Dune', 12, 4), book('Emma', 11)])
    shelf.push()
    shelf.api.set_field('rating', {2: 2})
    shelf.push()
    # Emma is retired meanwhile, and the book that it was merged into still has the old rating.
    merged = merged_catalogue()
    merged.shelf = [*shelf.service.catalogue.shelf, ShelfRow(35, 15, rating=4.5)]
    shelf.service.server.catalogue = merged
    outcome = shelf.undo()
    assert outcome is not None
    assert counts(outcome) == (0, 0, 0, 0, 1)
    shelf.undo()
    assert ratings(shelf) == {11: 1.0, 12: None, 15: 4.5}
    assert shelf.undo() is None


def test_what_failed_this_time_can_be_undone_the_next(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Dune', 12, 4)])
    shelf.push()
    shelf.service.server.refused = {12: 'Ratings are closed today'}
    outcome = shelf.undo()
    assert outcome is not None
    assert len(outcome.failed) == 1
    shelf.service.server.refused = {}
    assert shelf.undo() is not None
    assert ratings(shelf)[12] is None


def test_what_may_have_been_sent_can_be_undone(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2)])
    planned = shelf.plan()
    shelf.service.server.fail(Status(500), times=None)
    assert shelf.push(planned).stopped is not None
    shelf.service.server.clear_faults()
    shelf.service.catalogue.shelf[0].rating = 1.0
    outcome = shelf.undo()
    assert outcome is not None
    assert ratings(shelf)[11] == 4.5


def test_another_account_cannot_undo(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2)])
    shelf.push()
    shelf.service.server.user_id = 8
    with pytest.raises(SettingsTrouble, match='another Hardcover account'):
        shelf.undo()
    shelf.service.server.user_id = 7
    assert shelf.undo() is not None


def test_only_the_last_pushes_are_kept(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([book('Emma', 11, 2)])
    for number in range(12):
        shelf.api.set_field('rating', {1: 2 + 2 * (number % 2)})
        shelf.push()
    (path,) = plugin_folder().glob('hardcover-*.json')
    assert len(json.loads(path.read_text())['pushes']) == 10


def test_a_record_that_cannot_be_read_now_is_not_lost(make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = make_shelf([book('Emma', 11, 2)])
    shelf.push()

    opened = os.open

    def in_use(path: Any, *arguments: Any, **more: Any) -> int:
        if Path(path).name.startswith('hardcover-'):
            raise PermissionError(13, 'Permission denied')
        return opened(path, *arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, 'open', in_use)
        with pytest.raises(LibraryTrouble, match='could not be read'):
            shelf.undo()
    assert shelf.undo() is not None
    assert ratings(shelf)[11] == 4.5


@pytest.mark.parametrize(
    'damage',
    [
        {'when': '2025-01-01', 'user_id': float('inf'), 'changes': []},
        {'changes': [{'book_id': 1}]},
        {},
        7,
        {'when': 'x', 'user_id': 7, 'changes': []},
    ],
)
def test_a_damaged_record_is_passed_over(make_shelf: MakeShelf, damage: Any) -> None:
    shelf = make_shelf([book('Emma', 11, 2)])
    shelf.push()
    (path,) = plugin_folder().glob('hardcover-*.json')
    data = json.loads(path.read_text())
    data['pushes'].append(damage)
    path.write_text(json.dumps(data))
    assert shelf.undo() is not None
    assert ratings(shelf)[11] == 4.5
