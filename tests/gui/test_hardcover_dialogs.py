"""The Hardcover windows, used as people use them, on real libraries and against the stand-ins."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest
from calibre.gui2 import Application
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import Cancelled
from calibre_plugins.bookfusionbacksync.gui import hardcover_dialogs
from calibre_plugins.bookfusionbacksync.gui.hardcover_dialogs import (
    ChangeDialog,
    Chooser,
    FetchDialog,
    PushDialog,
    UndoPushDialog,
)
from calibre_plugins.bookfusionbacksync.gui.restriction import counts_note
from calibre_plugins.bookfusionbacksync.gui.scope_dialog import ScopeDialog
from calibre_plugins.bookfusionbacksync.jobs.change_match import CHOSEN
from calibre_plugins.bookfusionbacksync.jobs.fetch_ids import BY_CODE
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
from calibre_plugins.bookfusionbacksync.library.hardcover_memory import Memory
from calibre_plugins.bookfusionbacksync.rules.hardcover_matching import BY_KEY, FROM_BOOKLORE
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    HardcoverBook,
    IdsOutcome,
    Match,
    Verdict,
)
from calibre_plugins.bookfusionbacksync.sync_worker import Worker
from harness.desk import HANGING_SECONDS, Answers, HardcoverDesk, OpenHardcoverDesk
from harness.dialogs import (
    BOOK,
    CANDIDATES,
    example_dialogs,
    picker_question,
    planned_push,
    preview,
)
from harness.hardcover import MakeLibrary, OpenLibrary
from harness.screen import cells
from harness.secrets import TEST_BOOKLORE_PASSWORD, TEST_BOOKLORE_TOKEN
from qt.core import (
    QAbstractItemView,
    QApplication,
    QHeaderView,
    Qt,
)
from standins import faults
from standins.booklore import BookLoreStandIn, ServerBook
from standins.hardcover import ShelfRow, Work, isbn13


def test_the_keyboard_is_enough(open_hardcover_desk: OpenHardcoverDesk, qtbot: Any) -> None:
    """Return takes the selected candidate, arrows select another, Alt+S skips, Escape ends."""
    desk = open_hardcover_desk([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    desk.service.catalogue.works[0].users_count = 10**6
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    first = desk.until(lambda: dialog.picker.candidates.count()) or dialog.picker.book.title.text()
    assert dialog.focusWidget() is dialog.picker.candidates
    qtbot.keyClick(dialog.picker.candidates, Qt.Key.Key_Return)
    second = ({'Emma', 'Dune'} - {first}).pop()
    desk.until_asked(dialog, second)
    qtbot.keyClick(dialog, Qt.Key.Key_S, Qt.KeyboardModifier.AltModifier)
    desk.until_ended(dialog)
    stored = [book_id for book_id in (1, 2) if 'hardcover-id' in desk.identifiers(book_id)]
    assert [desk.api.field_for('title', book_id) for book_id in stored] == [first]
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()


def test_stop_between_two_questions_ends_the_search_for_the_next(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    desk.service.server.fail(faults.Hang(), after=1, times=None)
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    desk.click_in(dialog, 'match')
    assert 'Looking for the next book' in dialog.picker.heading.text()
    desk.click_in(dialog, 'stop')
    desk.until_ended(dialog)
    assert 'Cancelled - what was done before is kept.' in dialog.result_page.sentence.label.text()
    assert '1 stored' in dialog.result_page.more.text()


def test_ids_that_a_push_stores_are_shown_in_the_book_list(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = rated_desk(open_hardcover_desk)
    Memory(settings.plugin_folder(), desk.jobs.library().library_id).note_written({1: {'hardcover-id': '11'}})
    emma = desk.service.catalogue.works[0]
    emma.canonical_id = 15
    desk.service.catalogue.works.append(Work(15, 'Emma'))
    desk.service.catalogue.shelf.append(ShelfRow(35, 15))
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    assert desk.book_view.refreshed == []
    desk.click_in(dialog, 'send')
    desk.until_ended(dialog)
    assert desk.identifiers(1)['hardcover-id'] == '15'
    assert desk.book_view.refreshed == [{1}]


def test_ids_are_fetched_and_every_choice_is_stored_at_once(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk(
        [
            {'title': 'Emma', 'authors': ['Jane Austen'], 'identifiers': {'isbn': isbn13(11)}},
            {'title': 'The Left Hand of Darkness', 'authors': ['Ursula K. Le Guin']},
            {'title': 'Dune', 'authors': ['Frank Herbert']},
            {'title': 'Something Nobody Wrote', 'authors': ['Nobody']},
        ]
    )
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    asked = dialog.picker.book.title.text()
    expected = {'The Left Hand of Darkness': (2, '13'), 'Dune': (3, '12')}
    book_id, hardcover_id = expected.pop(asked)
    desk.click_in(dialog, 'match')
    desk.until(lambda: desk.identifiers(book_id).get('hardcover-id') == hardcover_id)
    other, (other_id, _hardcover_id) = expected.popitem()
    desk.until_asked(dialog, other)
    desk.click_in(dialog, 'skip')
    desk.until_asked(dialog, 'Something Nobody Wrote')
    desk.click_in(dialog, 'skip')
    desk.until_ended(dialog)
    assert desk.identifiers(1)['hardcover-id'] == '11'
    assert 'hardcover-id' not in desk.identifiers(other_id)
    assert dialog.result_page.sentence.label.text() == 'Done - 2 stored, 2 skipped, 0 failed.'
    assert 'requests to Hardcover' in dialog.result_page.more.text()
    assert set().union(*desk.book_view.refreshed) == {1, book_id}
    rows = dialog.result_page.as_text()
    assert 'Something Nobody Wrote\tSkipped\tNothing like it was found' in rows
    assert f'{other}\tSkipped\tSkipped.' in rows
    assert 'Emma\tStored\t11: Emma (by its ISBN or ASIN)' in rows


def test_how_a_match_was_found_is_told_in_the_language_of_the_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardcover_dialogs, '_', lambda words: f'<{words}>', raising=False)
    by_key = BY_KEY.with_values(key='hardcover-book')
    matches = tuple(Match(BOOK, HardcoverBook(11), how) for how in (BY_CODE, FROM_BOOKLORE, CHOSEN, by_key))
    told = [row.details for row in hardcover_dialogs.ids_rows(IdsOutcome(stored=matches))]
    assert told == [
        '11 (<by its ISBN or ASIN>)',
        '11 (<from BookLore>)',
        '11 (<chosen>)',
        '11 (<by hardcover-book>)',
    ]


def test_stop_ends_with_a_summary_and_keeps_what_was_chosen(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    first = dialog.picker.book.title.text()
    desk.click_in(dialog, 'match')
    desk.until_asked(dialog, ({'Emma', 'Dune'} - {first}).pop())
    desk.click_in(dialog, 'stop')
    desk.until_ended(dialog)
    assert dialog.result_page.sentence.label.text() == 'Done - 1 stored, 0 skipped, 0 failed.'
    assert '1 book still needs a choice.' in dialog.result_page.more.text()


def test_closing_the_window_in_mid_question_shows_what_was_done(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    dialog.close()
    desk.until_ended(dialog)
    assert dialog.isVisible()
    assert 'Cancelled - what was done before is kept.' in dialog.result_page.sentence.label.text()
    dialog.close()
    assert not dialog.isVisible()


def test_a_library_that_is_switched_ends_the_questions(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    desk.jobs.library_about_to_change()
    desk.until_ended(dialog)
    assert 'hardcover-id' not in desk.identifiers(1)


def test_calibre_quits_while_a_question_waits(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    worker = desk.jobs._worker
    desk.jobs.shut_down()
    assert worker is not None
    assert worker.isFinished()


def test_only_the_selected_books_are_looked_up(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk(
        [
            {'title': 'Emma', 'identifiers': {'isbn': isbn13(11)}},
            {'title': 'Dune', 'identifiers': {'isbn': isbn13(12)}},
        ]
    )
    dialog = desk.open(FetchDialog(desk.window, desk.jobs, [2]))
    desk.until_ended(dialog)
    assert 'hardcover-id' not in desk.identifiers(1)
    assert desk.identifiers(2)['hardcover-id'] == '12'


def test_one_job_at_a_time(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': 'Emma', 'authors': ['Nobody']}])
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.picker.candidates.count())
    other = desk.open(PushDialog(desk.window, desk.jobs))
    assert 'Another job is running' in other.result_page.sentence.label.text()
    desk.click_in(dialog, 'stop')
    desk.until_ended(dialog)


def test_booklore_comes_first(open_hardcover_desk: OpenHardcoverDesk) -> None:
    books = [
        ServerBook(501, 'Emma', ['Jane Austen'], hardcover_id='11', hardcover_slug='emma'),
        ServerBook(502, 'Dune', ['Frank Herbert'], hardcover_slug='dune'),
    ]
    with BookLoreStandIn(books, password=TEST_BOOKLORE_PASSWORD, token=TEST_BOOKLORE_TOKEN) as booklore:
        desk = open_hardcover_desk(
            [
                {'title': 'Emma', 'authors': ['Jane Austen']},
                {'title': 'Dune', 'authors': ['Frank Herbert']},
                {'title': 'The Left Hand of Darkness', 'identifiers': {'isbn': isbn13(13)}},
            ],
            booklore_url=booklore.address,
            booklore_username='reader',
            booklore_password=TEST_BOOKLORE_PASSWORD,
        )
        dialog = desk.open(FetchDialog(desk.window, desk.jobs))
        desk.until_ended(dialog)
    assert [desk.identifiers(book_id)['hardcover-id'] for book_id in (1, 2, 3)] == ['11', '12', '13']
    assert 'Emma\tStored\t11: Emma (from BookLore)' in dialog.result_page.as_text()
    assert 'OK Emma -> hardcover-id=11 (from BookLore)' in dialog.job_view.log.toPlainText()
    assert len(booklore.requests) == 2
    # What BookLore says is verified by Hardcover's own title: a unit for its ids, a unit for its slugs.
    assert desk.service.server.operations == ['BooksByIds', 'BooksBySlugs', 'EditionsByCodes']


def test_booklore_without_batch_is_asked_singly_for_what_is_left(open_hardcover_desk: OpenHardcoverDesk) -> None:
    books = [
        ServerBook(501, 'Emma', ['Jane Austen'], hardcover_id='11', hardcover_slug='emma'),
        ServerBook(502, 'Dune', ['Frank Herbert'], hardcover_slug='dune'),
        ServerBook(503, 'The Left Hand of Darkness', ['Ursula K. Le Guin'], hardcover_id='13'),
    ]
    with BookLoreStandIn(books, password=TEST_BOOKLORE_PASSWORD, grimmory=True, has_batch=False) as booklore:
        desk = open_hardcover_desk(
            [
                {'title': 'Emma', 'authors': ['Jane Austen'], 'identifiers': {'isbn': isbn13(11)}},
                {'title': 'Dune', 'authors': ['Frank Herbert']},
                {'title': 'The Left Hand of Darkness', 'authors': ['Ursula K. Le Guin']},
            ],
            booklore_url=booklore.address,
            booklore_username='reader',
            booklore_password=TEST_BOOKLORE_PASSWORD,
        )
        dialog = desk.open(FetchDialog(desk.window, desk.jobs))
        desk.until_ended(dialog)
    assert [desk.identifiers(book_id)['hardcover-id'] for book_id in (1, 2, 3)] == ['11', '12', '13']
    assert 'asking for 2 of the 2 books' in dialog.job_view.log.toPlainText()
    assert booklore.count('/api/v1/books/501') == 0


def test_a_dead_booklore_costs_a_line(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk(
        [{'title': 'Emma', 'identifiers': {'isbn': isbn13(11)}}],
        booklore_url='http://127.0.0.1:9',
        booklore_username='reader',
        booklore_password=TEST_BOOKLORE_PASSWORD,
    )
    dialog = desk.open(FetchDialog(desk.window, desk.jobs))
    desk.until_ended(dialog)
    assert desk.identifiers(1)['hardcover-id'] == '11'
    lines = [line for line in dialog.job_view.log.toPlainText().split('\n') if 'BookLore' in line]
    assert len(lines) == 1
    assert lines[0].startswith('Note: BookLore was left out: BookLore could not be reached')


def test_the_chooser_comes_back_when_the_job_is_stopped(qtbot: Any) -> None:
    chooser, cancel, ended = Chooser(), Cancel(), threading.Event()
    chooser.asked.connect(lambda question: cancel.set())

    def ask() -> None:
        with pytest.raises(Cancelled):
            chooser.ask(picker_question(), cancel)
        ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    qtbot.waitUntil(ended.is_set, timeout=5000)
    thread.join()


def test_an_answer_counts_although_the_job_is_stopped_right_after(qtbot: Any) -> None:
    chooser, cancel = Chooser(), Cancel()
    given: list[Any] = []

    def answer_and_stop(question: object) -> None:
        assert chooser.answer(CANDIDATES[0])
        cancel.set()
        assert not chooser.answer(Verdict.STOP)

    chooser.asked.connect(answer_and_stop)
    thread = threading.Thread(target=lambda: given.append(chooser.ask(picker_question(), cancel)))
    thread.start()
    qtbot.waitUntil(lambda: bool(given), timeout=5000)
    thread.join()
    assert given == [CANDIDATES[0]]


def linked_desk(open_hardcover_desk: OpenHardcoverDesk) -> HardcoverDesk:
    """Emma is linked to Dune, by this plugin."""
    desk = open_hardcover_desk(
        [{'title': 'Emma', 'authors': ['Jane Austen'], 'identifiers': {'hardcover-id': '12', 'isbn': '1'}}]
    )
    library = Library(desk.api)
    Memory(settings.plugin_folder(), library.library_id).note_written({1: {'hardcover-id': '12'}})
    return desk


def change_dialog(desk: HardcoverDesk) -> ChangeDialog:
    book = desk.jobs.library().books([1])[1]
    dialog: ChangeDialog = desk.open(ChangeDialog(desk.window, desk.jobs, book))
    desk.until(lambda: dialog.picker.isVisible())
    return dialog


def test_a_wrong_match_is_changed(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = linked_desk(open_hardcover_desk)
    dialog = change_dialog(desk)
    assert not dialog.picker.skip.isVisible()
    assert dialog.picker.selected is not None
    assert dialog.picker.selected.book_id == 11
    desk.click_in(dialog, 'match')
    desk.until_ended(dialog)
    assert desk.identifiers(1) == {'hardcover-id': '11', 'hardcover-slug': 'emma', 'isbn': '1'}
    assert desk.book_view.refreshed == [{1}]
    assert dialog.result_page.sentence.label.text() == '“Emma” is now linked to “Emma” on Hardcover.'


def test_a_match_is_unlinked_even_without_hardcover(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = linked_desk(open_hardcover_desk)
    desk.service.server.fail(faults.Status(401), times=None)
    dialog = change_dialog(desk)
    assert 'did not accept the key' in dialog.picker.trouble.label.text()
    assert 'was found' not in dialog.picker.heading.text()
    desk.click_in(dialog, 'unlink')
    desk.until_ended(dialog)
    assert desk.identifiers(1) == {'isbn': '1'}
    assert desk.book_view.refreshed == [{1}]


def test_an_id_of_another_plugin_is_left_alone(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = open_hardcover_desk([{'title': 'Emma', 'identifiers': {'hardcover-id': '12'}}])
    dialog = change_dialog(desk)
    desk.click_in(dialog, 'unlink')
    desk.until_ended(dialog)
    assert desk.identifiers(1) == {'hardcover-id': '12'}
    assert 'was not stored by this plugin' in dialog.result_page.sentence.label.text()


def test_the_present_match_is_marked(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = linked_desk(open_hardcover_desk)
    desk.service.catalogue.works[1].title = 'Emma and the Worms'
    dialog = change_dialog(desk)
    marked = [
        candidate.book_id
        for row in range(dialog.picker.candidates.count())
        if 'This is the present match.' in (item := dialog.picker.candidates.item(row)).text()
        for candidate in [item.data(Qt.ItemDataRole.UserRole)]
    ]
    assert marked == [12]
    desk.click_in(dialog, 'stop')
    assert not dialog.isVisible()
    assert desk.identifiers(1)['hardcover-id'] == '12'


def test_a_restriction_is_named_where_it_holds(qtbot: Any, open_hardcover_desk: OpenHardcoverDesk) -> None:
    planned = replace(planned_push(), restriction='tags:"=Space Opera" and\n' + 'not rating:true ' * 10)
    widget = preview(None, planned)  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    note = widget.summary.text().split('\n')[1]
    assert note.startswith('Only the books that the search “tags:"=Space Opera" and not rating:true not')
    assert note.endswith('…” finds.')
    assert hardcover_dialogs.ids_details(IdsOutcome(restriction='tags:x')).endswith(
        'Only the books that the search “tags:x” finds.'
    )
    desk = open_hardcover_desk([{'title': title, 'authors': ['Nobody']} for title in ('Emma', 'Dune')])
    library = desk.jobs.library()
    assert counts_note(library, [1]) == ''
    settings.save({'hardcover_restriction': 'title:dune'})
    note = counts_note(library, [1])
    assert note == 'Only the books that the search “title:dune” finds: 0 of those selected, 1 of the library.'
    for words in ('', note):
        # The second comes in the size that the first was closed with.
        dialog = ScopeDialog(None, 'Fetch', 'Look up:', 1, 2, words)
        qtbot.addWidget(dialog)
        dialog.show()
        dialog.reject()
    dialog.show()
    QApplication.processEvents()
    assert dialog.restriction.label.height() >= dialog.restriction.label.heightForWidth(
        dialog.restriction.label.width()
    )
    assert dialog.restriction.label.text() == note
    assert dialog.restriction.isVisible()


def rated_desk(open_hardcover_desk: OpenHardcoverDesk, **more: Any) -> HardcoverDesk:
    """Emma is rated 4.5 on Hardcover, Dune is on the shelf without a rating."""
    return open_hardcover_desk(
        [
            {'title': 'Emma', 'identifiers': {'hardcover-id': '11'}, 'rating': 10},
            {'title': 'Dune', 'identifiers': {'hardcover-id': '12'}, 'rating': 7},
            {'title': 'The Left Hand of Darkness', 'identifiers': {'hardcover-id': '13'}, 'rating': 8},
        ],
        **more,
    )


def ratings_on(desk: HardcoverDesk) -> dict[int, Any]:
    return {row.book_id: row.rating for row in desk.service.catalogue.shelf}


def test_ratings_are_pushed_and_taken_back(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = rated_desk(open_hardcover_desk)
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    assert {row[0] for row in cells(dialog.preview.table, 4)} == {'Emma', 'Dune'}
    dialog.preview.show_skipped.setChecked(True)
    assert ['The Left Hand of Darkness', '★★★★', '', 'Leave alone. It is not on a Hardcover shelf.'] in cells(
        dialog.preview.table, 4
    )
    assert dialog.preview.send.text() == '&Send 2 ratings'
    assert 'a metadata download wrote' in dialog.preview.summary.text()
    desk.click_in(dialog, 'send')
    desk.until_ended(dialog)
    assert ratings_on(desk) == {11: 5, 12: 3}
    rows = dialog.result_page.as_text()
    assert 'Emma\tUpdated\t5 stars' in rows
    assert 'The Left Hand of Darkness\tLeft alone\tIt is not on a Hardcover shelf.' in rows
    again = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: again.preview is not None and again.preview.isVisible())
    assert 'There is nothing to send' in again.preview.summary.text()
    desk.click_in(again, 'cancel_push')
    assert not again.isVisible()
    undo = desk.open(UndoPushDialog(desk.window, desk.jobs))
    desk.until_ended(undo)
    assert ratings_on(desk) == {11: 4.5, 12: None}
    empty = desk.open(UndoPushDialog(desk.window, desk.jobs))
    desk.until_ended(empty)
    assert empty.result_page.sentence.label.text() == 'There is no push left to undo.'


def test_a_failure_is_listed_with_its_reason(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = rated_desk(open_hardcover_desk)
    desk.service.server.refused = {12: 'Ratings are closed today'}
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    desk.click_in(dialog, 'send')
    desk.until_ended(dialog)
    assert ratings_on(desk) == {11: 5, 12: None}
    first = dialog.result_page.table
    assert first.item(0, 0).text() == 'Dune'
    assert first.item(0, 1).text() == 'Failed'
    assert 'Ratings are closed today' in first.item(0, 2).text()
    first.itemDoubleClicked.emit(first.item(0, 0))
    assert desk.book_view.shown == [2]


def test_cancel_in_the_preview_sends_nothing(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = rated_desk(open_hardcover_desk)
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    desk.click_in(dialog, 'cancel_push')
    assert not dialog.isVisible()
    assert desk.service.server.writes == []


def test_a_preview_of_another_library_sends_nothing(
    open_hardcover_desk: OpenHardcoverDesk,
    make_library: MakeLibrary,
    open_library: OpenLibrary,
) -> None:
    desk = rated_desk(open_hardcover_desk)
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    desk.jobs.library_about_to_change()
    desk.window.current_db = open_library(make_library())
    desk.click_in(dialog, 'send')
    assert 'The library was switched' in dialog.result_page.sentence.label.text()
    assert desk.service.server.writes == []


def test_ticks_are_kept_while_another_job_runs(open_hardcover_desk: OpenHardcoverDesk, answers: Answers) -> None:
    desk = rated_desk(open_hardcover_desk)
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until(lambda: dialog.preview is not None and dialog.preview.isVisible())
    dialog.preview.table.rows.toggle([0])
    assert desk.jobs.start(Worker(lambda reporter, cancel: cancel.wait(HANGING_SECONDS)))
    said = answers.press('OK')
    desk.click_in(dialog, 'send')
    assert said == ['Another job is running. Wait until it is done, or stop it.']
    desk.jobs.cancel()
    desk.until(lambda: not desk.jobs.busy)
    assert len(dialog.preview.table.ticked) == 1
    desk.click_in(dialog, 'send')
    desk.until_ended(dialog)
    assert len(desk.service.server.writes) == 1


def test_a_failed_plan_says_what_to_do(open_hardcover_desk: OpenHardcoverDesk) -> None:
    desk = rated_desk(open_hardcover_desk, hardcover_token='hc_pat_expired_long_ago')
    dialog = desk.open(PushDialog(desk.window, desk.jobs))
    desk.until_ended(dialog)
    assert 'Configure Hardcover Account' in dialog.result_page.sentence.label.text()
    dialog._copy()
    assert 'hc_pat' not in Application.instance().clipboard().text()
    assert 'Configure Hardcover Account' in Application.instance().clipboard().text()


def test_every_window_can_be_drawn(qtbot: Any, open_hardcover_desk: OpenHardcoverDesk) -> None:
    """The examples that the screenshots show are drawn without an error, and nothing in them lacks a name."""
    for name, make in example_dialogs(open_hardcover_desk().window):
        dialog = make()
        qtbot.addWidget(dialog)
        dialog.show()
        assert not dialog.grab().isNull(), name
        assert dialog.windowTitle() or name == 'hardcover-scope'
        for view in dialog.findChildren(QAbstractItemView):
            assert view.objectName() or isinstance(view, QHeaderView), name
        dialog.hide()
