"""Examples of the Hardcover dialogs with data that is difficult to show, for screenshots and tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.errors import BackSyncError
from calibre_plugins.bookfusionbacksync.base.text import Text, text
from calibre_plugins.bookfusionbacksync.gui.hardcover_account_dialog import AccountDialog
from calibre_plugins.bookfusionbacksync.gui.hardcover_dialogs import ChangeDialog, FetchDialog, PushDialog
from calibre_plugins.bookfusionbacksync.gui.job_dialog import JobDialog
from calibre_plugins.bookfusionbacksync.gui.job_runner import Jobs
from calibre_plugins.bookfusionbacksync.gui.match_picker import Picker
from calibre_plugins.bookfusionbacksync.gui.rating_preview import RatingPreview
from calibre_plugins.bookfusionbacksync.gui.scope_dialog import ScopeDialog
from calibre_plugins.bookfusionbacksync.jobs.fetch_ids import BY_CODE
from calibre_plugins.bookfusionbacksync.jobs.hardcover_account import TokenCheck
from calibre_plugins.bookfusionbacksync.rules.hardcover_address import words_for
from calibre_plugins.bookfusionbacksync.rules.hardcover_matching import FROM_BOOKLORE
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    Account,
    Action,
    Candidate,
    HardcoverBook,
    IdsOutcome,
    Match,
    PlannedPush,
    Question,
    RatingChange,
    RatingPlan,
    RatingResult,
    RatingsOutcome,
    Reason,
)
from calibre_plugins.bookfusionbacksync.rules.rating_plan import FEED_WARNING, MANY_FOR_A_FEED, cost_of
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from harness.desk import LibraryWindow
from qt.core import QBuffer, QColor, QImage, QIODevice, QPainter, QRect, Qt, QWidget

BOOK = CalibreBook(
    1,
    'The Left Hand of Darkness',
    ('Ursula K. Le Guin',),
    {'isbn': '9780441007318', 'amazon': 'B000SEFH1A', 'bookfusion': '812345'},
)


def picture(title: str, color: str) -> bytes:
    """A plain book cover, as PNG."""
    image = QImage(240, 360, QImage.Format.Format_RGB32)
    image.fill(QColor(color))
    painter = QPainter(image)
    painter.setPen(QColor('white'))
    font = painter.font()
    font.setPixelSize(32)
    painter.setFont(font)
    painter.drawText(QRect(16, 40, 208, 280), Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap, title)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.ReadWrite)
    image.save(buffer, 'PNG')
    return bytes(buffer.data().data())


CANDIDATES = (
    Candidate(
        book_id=427578,
        slug='the-left-hand-of-darkness',
        title='The Left Hand of Darkness',
        authors=('Ursula K. Le Guin',),
        series=('Hainish Cycle #4',),
        isbns=('9780441478125', '9780441007318', '9781101665398', '9780143111597'),
        release_year=1969,
        pages=304,
        users_count=12483,
        has_ebook=True,
        has_audiobook=True,
        reasons=(text('Same title'), text('Same author'), text('There is an ebook of it')),
    ),
    Candidate(
        book_id=1214,
        title='The Left Hand of Darkness',
        subtitle='50th Anniversary Edition, with a foreword by David Mitchell and an afterword by Charlie Jane Anders',
        authors=('Ursula K. Le Guin', 'David Mitchell', 'Charlie Jane Anders'),
        release_year=2019,
        users_count=1,
        reasons=(text('Same title'), text('Same author')),
    ),
    Candidate(
        book_id=77, title='יד שמאל של החושך', authors=('אורסולה ק. לה גווין',), release_year=1979, users_count=12
    ),
    Candidate(
        book_id=90125,
        title='A Study of ' + 'the Very Long Titles That Some Publishers Give to Their Books ' * 6,
        authors=tuple(f'Contributor Number {number}' for number in range(1, 12)),
        series=('Companions to Everything #1', 'Companions'),
        isbns=('9780306406157',),
        users_count=3,
        reasons=(text('Similar title'),),
    ),
    Candidate(book_id=5),
)


def covers() -> dict[int, bytes]:
    return {427578: picture('The Left Hand of Darkness', '#7a3b2e'), 77: picture('יד שמאל', '#2e5a7a')}


def picker_question(**changes: object) -> Question:
    """A Question with all fields set; `changes` replaces some."""
    values = {
        'book': BOOK,
        'candidates': CANDIDATES,
        'why': text('What Hardcover has under its ISBN, ASIN or identifier goes by another title.'),
        'number': 3,
        'total': 12,
        'covers': covers(),
        'words': f'{BOOK.title} {BOOK.authors[0]}',
        **changes,
    }
    return Question(**values)  # type: ignore[arg-type]


def answers_of(picker: Picker) -> list[Any]:
    """The list that collects what the picker emits with `chosen`."""
    answers: list[Any] = []
    picker.chosen.connect(answers.append)
    return answers


def change(number: int, **changes: Any) -> RatingChange:
    """A RatingChange with all fields set; `changes` replaces some."""
    values = {
        'book_id': number,
        'title': f'Volume {number}',
        'action': Action.UPDATE,
        'hardcover_id': 1000 + number,
        'calibre_stars': 0.5 * (1 + number % 10),
        'hardcover_stars': None,
        **changes,
    }
    return RatingChange(**values)


LONG_TITLE = 'The Life and Strange Surprizing Adventures of Robinson Crusoe, of York, Mariner: ' * 3
CHANGES = (
    change(1, title='The Left Hand of Darkness', calibre_stars=5.0, hardcover_stars=4.5),
    change(2, title=LONG_TITLE, calibre_stars=3.5),
    change(3, title='יד שמאל של החושך', calibre_stars=0.5, hardcover_stars=5.0),
    change(4, title='Emma', action=Action.ADD, calibre_stars=4.0, read_on=date(2024, 11, 3)),
    change(5, title='Dune', action=Action.CLEAR, calibre_stars=None, hardcover_stars=2.0),
    *(change(number) for number in range(6, 31)),
)
SKIPPED = (
    change(40, title='Persuasion', action=Action.SKIP, calibre_stars=3.0, why=text('It is not on a Hardcover shelf.')),
    change(41, title='Mansfield Park', action=Action.SKIP, calibre_stars=1.0, why=text('It has no Hardcover id yet.')),
)
OWNER = Account(7, 'a_reader', 1)


def planned_push(
    changes: Sequence[RatingChange] = CHANGES, skipped: Sequence[RatingChange] = SKIPPED, unchanged: int = 812
) -> PlannedPush:
    warning = replace(FEED_WARNING, count=len(changes)) if len(changes) >= MANY_FOR_A_FEED else None
    plan = RatingPlan(tuple(changes), tuple(skipped), unchanged)
    return PlannedPush(plan, OWNER, 'library', lambda chosen: cost_of(chosen, len(chosen), 5), 2, 2, warning)


def preview(parent: QWidget, planned: PlannedPush) -> RatingPreview:
    return RatingPreview(parent, planned)


IDS_OUTCOME = IdsOutcome(
    stored=(
        Match(BOOK, HardcoverBook(427578, 'the-left-hand-of-darkness', 'The Left Hand of Darkness'), FROM_BOOKLORE),
        Match(CalibreBook(9, 'Dune'), HardcoverBook(312460, 'dune', 'Dune'), BY_CODE, 30404),
    ),
    skipped=(Reason(3, 'Persuasion', text('Nothing like it was found on Hardcover.')),),
    failed=(Reason(4, LONG_TITLE, text('Hardcover did not answer in time. Try again later.')),),
    ambiguous=(Reason(5, 'יד שמאל של החושך', text('It has no ISBN or ASIN to look up.')),),
    had_ids=1204,
    units=9,
    requests=9,
)
RATINGS_OUTCOME = RatingsOutcome(
    updated=CHANGES[:2],
    added=CHANGES[3:4],
    failed=(RatingResult(CHANGES[2], text('Hardcover no longer has this book.')),),
    skipped=SKIPPED,
    unsent=CHANGES[5:8],
    unchanged=812,
    units=7,
    requests=4,
    stopped=BackSyncError(text('The daily quota of Hardcover is used up. Go on tomorrow at 02:00.')),
)


def fetch_dialog(window: LibraryWindow, jobs: Jobs, question: Question | None) -> FetchDialog:
    dialog = FetchDialog(window, jobs)
    dialog.show_page(dialog.picker)
    if question is not None:
        dialog.picker.book._cover_of = lambda book_id: picture('The Left Hand of Darkness', '#335577')
        dialog.picker.show_question(question)
    return dialog


def searching_dialog(window: LibraryWindow, jobs: Jobs, trouble: Text | None = None) -> FetchDialog:
    """The picker while it searches for the user's own words, or after that failed."""
    dialog = fetch_dialog(window, jobs, picker_question())
    dialog.picker.search.begin_with('left hand of darkness le guin 1969')
    dialog.picker.search.search()
    if trouble is not None:
        dialog.picker.show_question(picker_question(trouble=trouble))
    return dialog


def push_dialog(window: LibraryWindow, jobs: Jobs, planned: PlannedPush) -> PushDialog:
    dialog = PushDialog(window, jobs)
    dialog.preview = preview(dialog.pages, planned)
    dialog.pages.addWidget(dialog.preview)
    dialog.show_page(dialog.preview)
    return dialog


def working_dialog(window: LibraryWindow, jobs: Jobs) -> FetchDialog:
    dialog = FetchDialog(window, jobs)
    dialog.job_view.show_step(text('Looking up Hardcover ids...'))
    dialog.job_view.show_progress(120, 512)
    dialog.job_view.log.append(
        [
            'BookLore knows 250 of 500 books on Hardcover (4 requests to it).',
            'OK Dune -> hardcover-id=312460 (from BookLore)',
            f'SKIP {LONG_TITLE} -> Nothing like it was found on Hardcover.',
        ]
    )
    return dialog


def account_dialog(window: LibraryWindow, jobs: Jobs, check: TokenCheck | None) -> AccountDialog:
    dialog = AccountDialog(window, jobs)
    if check is None:
        dialog.start()
    else:
        dialog._checked(check)
    return dialog


def change_dialog(window: LibraryWindow, jobs: Jobs) -> ChangeDialog:
    book = replace(BOOK, identifiers={**BOOK.identifiers, 'hardcover-id': '1214'})
    dialog = ChangeDialog(window, jobs, book)
    dialog._found(picker_question(book=book, why=text('You are changing its match.'), number=1, total=1))
    return dialog


def ended(dialog: JobDialog, show: Callable[[], None]) -> JobDialog:
    show()
    return dialog


def example_dialogs(window: LibraryWindow) -> Iterator[tuple[str, Callable[[], QWidget]]]:
    """All Hardcover windows in all their states, as pairs of a name and a function that makes the window.

    `window` has an open library and outlives them.
    """
    jobs = Jobs(window)
    lacking = TokenCheck(OWNER, ('read:library',), ('write:library',), 4980, 3)
    yield 'hardcover-picker', lambda: fetch_dialog(window, jobs, picker_question())
    yield 'hardcover-picker-nothing', lambda: fetch_dialog(window, jobs, picker_question(candidates=()))
    yield 'hardcover-picker-waiting', lambda: fetch_dialog(window, jobs, None)
    yield 'hardcover-picker-searching', lambda: searching_dialog(window, jobs)
    failed = errors.NOT_ON_HARDCOVER.with_values(address='https://hardcover.app/books/the-left-hand')
    yield 'hardcover-picker-failed', lambda: searching_dialog(window, jobs, failed)
    long_words = replace(BOOK, title=LONG_TITLE.strip())
    asked = picker_question(book=long_words, candidates=(), words=words_for(long_words))
    yield 'hardcover-picker-long', lambda: fetch_dialog(window, jobs, asked)
    yield 'hardcover-change-match', lambda: change_dialog(window, jobs)
    yield 'hardcover-working', lambda: working_dialog(window, jobs)
    fetched = FetchDialog(window, jobs)
    yield 'hardcover-ids-result', lambda: ended(fetched, lambda: fetched._fetched(IDS_OUTCOME))
    yield 'hardcover-push', lambda: push_dialog(window, jobs, planned_push())
    yield 'hardcover-push-nothing', lambda: push_dialog(window, jobs, planned_push(changes=()))
    pushed = PushDialog(window, jobs)
    yield 'hardcover-push-result', lambda: ended(pushed, lambda: pushed._pushed(RATINGS_OUTCOME))
    yield 'hardcover-account-missing', lambda: account_dialog(window, jobs, None)
    yield 'hardcover-account', lambda: account_dialog(window, jobs, replace(lacking, missing=()))
    yield 'hardcover-account-lacking', lambda: account_dialog(window, jobs, lacking)
    question = 'Compare with Hardcover the ratings of:'
    yield 'hardcover-scope', lambda: ScopeDialog(None, 'Push ratings', question, 3, 812)
    note = 'Only the books that the search “tags:"=Space Opera"” finds: 2 of those selected, 40 of the library.'
    yield 'hardcover-scope-restricted', lambda: ScopeDialog(None, 'Push ratings', question, 3, 812, note)
