"""Searching for a book by the user's own words, or by the address or id of a book on Hardcover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import Cancelled, LibraryTrouble, SettingsTrouble
from calibre_plugins.bookfusionbacksync.base.settings import save
from calibre_plugins.bookfusionbacksync.jobs import hardcover_account
from calibre_plugins.bookfusionbacksync.jobs.change_match import find_candidates, skipped_books
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    Answer,
    Candidate,
    Question,
    SearchFor,
    Verdict,
)
from harness.hardcover import MakeShelf, Shelf, first, small_catalogue
from harness.network import ENDLESS, cancelling, while_held
from standins.faults import Hang, Status
from standins.hardcover import Catalogue, Work

NOWHERE = {'title': 'Qwertz', 'authors': ['Nobody']}
EMMA = {'title': 'Emma', 'authors': ['Jane Austen']}


class Script:
    """A user who gives these answers one after the other, a text being other words to search for; sees the questions.

    After the last one comes Stop.
    """

    def __init__(self, *answers: str | Verdict | Callable[[Question], Answer]) -> None:
        self._answers = list(answers)
        self.seen: list[Question] = []

    def __call__(self, question: Question) -> Answer:
        self.seen.append(question)
        answer = self._answers.pop(0) if self._answers else Verdict.STOP
        if isinstance(answer, str):
            return SearchFor(answer)
        return answer if isinstance(answer, Verdict) else answer(question)

    @property
    def candidates(self) -> list[list[int]]:
        return [[candidate.book_id for candidate in question.candidates] for question in self.seen]


def ids(candidates: Sequence[Candidate]) -> list[int]:
    return [candidate.book_id for candidate in candidates]


def test_a_question_begins_with_title_and_author(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([{'title': 'Emma: A Novel', 'authors': ['Austen, Jane']}])
    user = Script()
    shelf.fetch(choose=user)
    assert [question.words for question in user.seen] == ['Emma: A Novel Jane Austen']


def test_what_was_not_found_can_be_searched_for_in_other_words(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([NOWHERE])
    user = Script('dune herbert', first)
    outcome = shelf.fetch(choose=user)
    assert user.candidates == [[], [12]]
    assert [question.words for question in user.seen] == ['Qwertz Nobody', 'dune herbert']
    assert [(question.number, question.total) for question in user.seen] == [(1, 1), (1, 1)]
    assert len(outcome.stored) == 1
    assert shelf.hardcover() == {'hardcover-id': '12', 'hardcover-slug': 'dune'}
    # One unit a search, and no more.
    assert outcome.units == shelf.service.server.units == 2


def test_as_often_as_wanted_and_then_skipped(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([EMMA, NOWHERE])
    user = Script('dune', 'left hand', Verdict.SKIP, 'nothing at all', Verdict.SKIP)
    outcome = shelf.fetch(choose=user)
    assert user.candidates == [[11], [12], [13], [], []]
    assert [str(reason.why) for reason in outcome.skipped] == ['Skipped.', 'Nothing like it was found on Hardcover.']
    assert skipped_books(shelf.open) == {1, 2}
    # Only what was not found is asked about again once its title has changed.
    shelf.api.set_field('title', {1: 'Dune', 2: 'Dune'})
    again = Script()
    shelf.fetch(choose=again)
    assert [question.book.book_id for question in again.seen] == [2]


@pytest.mark.parametrize(
    'words',
    [
        '12',
        'https://hardcover.app/books/dune',
        'hardcover.app/books/dune/editions/22',
        'https://hardcover.app/id/book/12',
    ],
)
def test_an_address_or_id_leads_to_its_book(make_shelf: MakeShelf, words: str) -> None:
    shelf = make_shelf([EMMA])
    user = Script(words, first)
    shelf.fetch(choose=user)
    assert user.candidates == [[11], [12]]
    (candidate,) = user.seen[1].candidates
    # What a search tells beside the title, so that the user sees which book it is.
    assert candidate.authors == ('Frank Herbert',)
    assert str(candidate.reasons[0]) == 'You entered its address or id'
    assert shelf.hardcover() == {'hardcover-id': '12', 'hardcover-slug': 'dune'}


def test_a_book_that_no_search_finds_is_taken_as_it_is(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[1].title = None
    shelf = make_shelf([EMMA], catalogue)
    user = Script('https://hardcover.app/books/dune', first)
    shelf.fetch(choose=user)
    assert user.seen[1].candidates[0].book_id == 12
    assert shelf.hardcover()['hardcover-id'] == '12'


def test_a_failing_search_does_not_hide_the_book_of_an_address(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([EMMA])
    shelf.service.server.fail(Status(408), when=lambda sent: b'SearchBooks' in sent.body, after=1, times=None)
    user = Script('https://hardcover.app/books/dune', first)
    shelf.fetch(choose=user)
    assert [(each.title, each.authors) for each in user.seen[1].candidates] == [('Dune', ())]
    assert shelf.hardcover()['hardcover-id'] == '12'


def test_a_number_may_be_an_id_or_a_title(make_shelf: MakeShelf) -> None:
    catalogue = Catalogue(
        works=[Work(1984, 'A Book of That Id'), Work(5, '1984', authors=['George Orwell']), Work(6, 'Dune')]
    )
    shelf = make_shelf([{'title': 'Nineteen', 'authors': ['George Orwell']}], catalogue)
    user = Script('1984', '5', '7')
    shelf.fetch(choose=user)
    assert user.candidates[1:] == [[1984, 5], [5], []]


def test_a_merged_book_is_followed_to_the_one_that_is_left(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[1].canonical_id = 50
    catalogue.works += [Work(50, 'Dune', 'dune-50', canonical_id=51), Work(51, 'Dune', 'dune-51')]
    shelf = make_shelf([EMMA], catalogue)
    user = Script('https://hardcover.app/books/dune', first)
    shelf.fetch(choose=user)
    assert shelf.hardcover() == {'hardcover-id': '51', 'hardcover-slug': 'dune-51'}


@pytest.mark.parametrize('lead_on', [50, 12])
def test_mergers_that_lead_nowhere(make_shelf: MakeShelf, lead_on: int) -> None:
    catalogue = small_catalogue()
    catalogue.works[1].canonical_id = lead_on
    shelf = make_shelf([EMMA], catalogue)
    user = Script('https://hardcover.app/id/book/12', first)
    shelf.fetch(choose=user)
    assert shelf.hardcover() == {'hardcover-id': str(lead_on)}


@pytest.mark.parametrize(
    ('words', 'trouble'),
    [
        ('https://hardcover.app/books/gone', 'Hardcover has no book at https://hardcover.app/books/gone.'),
        ('https://hardcover.app/id/book/99', 'Hardcover has no book at https://hardcover.app/id/book/99.'),
        ('https://www.goodreads.com/book/show/6969.Emma', 'This is neither the id nor the address of a book'),
        ('https://hardcover.app/authors/jane-austen', 'This is neither the id nor the address of a book'),
    ],
)
def test_an_address_that_leads_to_no_book_keeps_the_question(make_shelf: MakeShelf, words: str, trouble: str) -> None:
    shelf = make_shelf([EMMA])
    user = Script(words, first)
    shelf.fetch(choose=user)
    assert user.candidates == [[11], [11]]
    assert str(user.seen[1].trouble).startswith(trouble)
    assert shelf.hardcover()['hardcover-id'] == '11'


@pytest.mark.parametrize(
    ('fault', 'trouble'),
    [
        (Status(408), 'did not answer in time'),
        (Status(503), 'has trouble at the moment'),
        (Status(401), 'did not accept the key'),
    ],
)
def test_a_search_that_fails_keeps_the_question(make_shelf: MakeShelf, fault: Any, trouble: str) -> None:
    shelf = make_shelf([EMMA])
    shelf.service.server.fail(fault, after=1, times=None)

    def heal(question: Question) -> SearchFor:
        shelf.service.server.clear_faults()
        return SearchFor('dune')

    user = Script('dune', heal, first)
    outcome = shelf.fetch(choose=user)
    assert user.candidates == [[11], [11], [12]]
    assert [trouble in str(question.trouble) for question in user.seen] == [False, True, False]
    assert user.seen[2].trouble is None
    assert outcome.stopped is None
    assert shelf.hardcover()['hardcover-id'] == '12'


def test_a_spent_quota_keeps_the_question_and_says_when_to_go_on(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([EMMA], daily=1)
    user = Script('dune', first)
    outcome = shelf.fetch(choose=user)
    assert 'quota is used up (1 request sent). Start this again after' in str(user.seen[1].trouble)
    assert len(outcome.stored) == 1


def test_stopping_ends_a_search_that_hangs(make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf = make_shelf([EMMA])
    monkeypatch.setattr(hardcover_account, 'LIMITS', ENDLESS)
    fault = shelf.service.server.fail(Hang(), after=1, times=None)
    user = Script('dune', first)
    with cancelling(shelf.service.cancel, shelf.service.server, fault):
        outcome = shelf.fetch(choose=user)
    assert isinstance(outcome.stopped, Cancelled)
    assert len(user.seen) == 1
    assert shelf.hardcover() == {}


def test_the_users_search_does_not_wait_for_those_that_run_ahead(
    make_shelf: MakeShelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = make_shelf([EMMA, {'title': 'Dune', 'authors': ['Frank Herbert']}])
    monkeypatch.setattr(hardcover_account, 'LIMITS', ENDLESS)
    shelf.service.server.fail(Hang(), when=lambda sent: b'Frank Herbert' in sent.body, times=None)
    user = Script('left hand', Verdict.STOP)
    with while_held(shelf.service.server):
        shelf.fetch(choose=user)
    assert user.candidates == [[11], [13]]


def test_covers_come_with_what_the_user_searched_for(make_shelf: MakeShelf) -> None:
    catalogue = small_catalogue()
    catalogue.works[1].image_url = '{origin}/covers/12.png'
    shelf = make_shelf([EMMA], catalogue)
    user = Script('dune')
    shelf.fetch(choose=user)
    assert list(user.seen[1].covers) == [12]


# Changing one match.


def ask(shelf: Shelf, words: str = '', book_id: int = 1) -> Question:
    service = shelf.service
    return find_candidates(shelf.open, service.reporter, Cancel(), book_id, service.pace, words)


def test_a_single_match_is_searched_for_in_other_words_too(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([NOWHERE])
    assert (ask(shelf).candidates, ask(shelf).words) == ((), 'Qwertz Nobody')
    assert ids(ask(shelf, 'emma').candidates) == [11]
    assert ids(ask(shelf, 'https://hardcover.app/books/dune').candidates) == [12]
    question = ask(shelf, 'https://hardcover.app/books/gone')
    assert 'no book at' in str(question.trouble)
    assert question.candidates == ()


def test_what_is_wrong_on_this_side_is_raised(make_shelf: MakeShelf) -> None:
    shelf = make_shelf([NOWHERE])
    with pytest.raises(LibraryTrouble):
        ask(shelf, 'emma', book_id=5)
    save({'hardcover_token': ''})
    with pytest.raises(SettingsTrouble):
        ask(shelf, 'emma')
