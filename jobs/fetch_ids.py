# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetching Hardcover ids: read, ask in batches, let the user choose where it takes a choice, store at once.

The window and the command line run the same function; `choose` and `first_source` come from outside. Knows no Qt.
`choose(Question)` is called on the job's own thread. Single books are the business of hardcover_links.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from ..base import errors
from ..base.about import USER_AGENT
from ..base.cancel import Cancel
from ..base.errors import BackSyncError, Cancelled, OnlyThisFailed, QuotaSpent
from ..base.reporter import Reporter
from ..base.settings import Settings, load, plugin_folder
from ..base.text import Text, counted, text
from ..library.hardcover_memory import NOT_FOUND, SKIPPED, UNLINKED, Memory
from ..rules.hardcover_matching import (
    ID_KEY,
    Hit,
    Look,
    Verified,
    clues,
    number_id,
    source_clues,
    verify_clue,
    verify_editions,
    verify_merger,
)
from ..rules.hardcover_records import (
    Answer,
    Candidate,
    Choose,
    FirstSource,
    HardcoverBook,
    IdsOutcome,
    Match,
    OpenChoice,
    Question,
    Reason,
    SearchFor,
    Verdict,
)
from ..rules.hardcover_search import search_queries
from ..rules.isbn import codes_of
from ..rules.records import CalibreBook
from ..rules.titles import Likeness
from ..services.covers import Covers
from ..services.hardcover_client import Hardcover, in_batches
from ..services.hardcover_quota import Pace
from .change_match import CHOSEN, Store
from .hardcover_account import connected
from .mergers import follow_mergers
from .restriction import allowed_books
from .search_ahead import OpenBook, Searches, first_words
from .sync import OpenLibrary

# Authors of a candidate that the log names.
MOST_AUTHORS = 3

READING = text('Reading the Calibre library...')
ASKING_FIRST_SOURCE = text('Asking BookLore...')
LOOKING_UP = text('Looking up Hardcover ids...')
SEARCHING = text('Searching on Hardcover...')

BY_CODE = text('by its ISBN or ASIN')

NO_EXACT_HIT = text('Nothing on Hardcover has its ISBN or ASIN.')
NO_CODE = text('It has no ISBN or ASIN to look up.')
OTHER_TITLE = text('What its ISBN, ASIN, an identifier or BookLore leads to on Hardcover goes by another title.')
NOT_CERTAIN = text('Its identifiers or BookLore lead to several books on Hardcover, or to one that was merged away.')
WAS_SKIPPED = text('It was skipped before. Choose Ask about skipped books again to be asked.')
WAS_UNLINKED = text('Its match was unlinked. Choose Ask about skipped books again to look for another.')
WAS_NOT_FOUND = text('Nothing like it was found before. Choose Ask about skipped books again to search once more.')
WHY_LEFT = {SKIPPED: WAS_SKIPPED, UNLINKED: WAS_UNLINKED, NOT_FOUND: WAS_NOT_FOUND}
NOTHING_FOUND = text('Nothing like it was found on Hardcover.')
NOTHING_TO_GO_BY = text('It has neither a code nor a title to look for.')
ODD_ID = text('Its identifier hardcover-id is not a number. Remove it under Edit metadata.')
JUST_SKIPPED = text('Skipped.')


def fetch_ids(
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    choose: Choose | None = None,
    first_source: FirstSource | None = None,
    last_source: FirstSource | None = None,
    ids: Collection[int] | None = None,
    pace: Pace | None = None,
    search: bool = False,
) -> IdsOutcome:
    """Finds the Hardcover ids of these books, or of all, and stores each as soon as it is known.

    `first_source` is asked before Hardcover, `last_source` for what is left before anything is searched.
    Without `choose` books that need a choice are listed as ambiguous, and nothing is searched, unless `search` asks for
    their candidates. Raises BackSyncError before anything is begun; what ends it later is the outcome's `stopped`.
    """
    reporter.status(READING)
    with open_library() as library:
        loaded = load(library.api)
        books = library.books(allowed_books(library, loaded.settings, ids, reporter))
        memory = Memory(plugin_folder(), library.library_id)
    for problem in loaded.problems:
        reporter.log(f'Note: {problem}')
    with connected(loaded.settings, reporter, pace) as hardcover:
        job = _IdsJob(open_library, hardcover, memory, reporter, cancel)
        job.run(books, choose, (first_source, last_source), loaded.settings, search)
        return replace(job.finish(), restriction=loaded.settings.hardcover_restriction)


class _IdsJob:
    """One fetch: books move from `_open` to stored, skipped, failed or ambiguous."""

    def __init__(
        self, open_library: OpenLibrary, hardcover: Hardcover, memory: Memory, reporter: Reporter, cancel: Cancel
    ) -> None:
        self._hardcover = hardcover
        self._memory = memory
        self._reporter = reporter
        self._cancel = cancel
        self._store_in = Store(open_library, memory)
        self._open: dict[int, OpenBook] = {}
        self._stored: list[Match] = []
        self._skipped: list[Reason] = []
        self._failed: list[Reason] = []
        # What was found for the books that need a choice, once it is searched for.
        self._choices: dict[int, OpenChoice] | None = None
        self._had_ids = 0
        self._total = 0
        self._stopped: BackSyncError | None = None

    def run(
        self,
        books: Mapping[int, CalibreBook],
        choose: Choose | None,
        sources: tuple[FirstSource | None, FirstSource | None],
        settings: Settings,
        search: bool,
    ) -> None:
        """The whole fetch. What ends it early is kept, not raised."""
        try:
            self._take_in(books)
            self._ask_source(sources[0])
            self._reporter.status(LOOKING_UP)
            self._look_up()
            self._ask_source(sources[1])
            self._look_up()
            if choose is not None and self._open:
                self._reporter.status(SEARCHING)
                self._let_choose(choose, settings)
            elif search:
                self._reporter.status(SEARCHING)
                self._search_for_choices()
        except QuotaSpent as error:
            sent = self._hardcover.requests
            self._stopped = error.after(counted('{count} request sent', '{count} requests sent', sent))
        except Cancelled:
            self._stopped = Cancelled(errors.CANCELLED_KEPT)
        except BackSyncError as error:
            self._stopped = error

    def _take_in(self, books: Mapping[int, CalibreBook]) -> None:
        for book in books.values():
            if number_id(book.identifiers.get(ID_KEY)):
                self._had_ids += 1
            elif ID_KEY in book.identifiers:
                self._skip(book, ODD_ID)
            elif self._memory.why_left(book) == UNLINKED:
                self._skip(book, WHY_LEFT[UNLINKED])
            else:
                self._open[book.book_id] = OpenBook(book, codes_of(book), clues(book.identifiers))
        self._total = len(self._open)
        self._tick()

    def _tick(self) -> None:
        self._reporter.progress(self._total - len(self._open), self._total)

    def _skip(self, book: CalibreBook, why: Text) -> None:
        self._open.pop(book.book_id, None)
        self._skipped.append(Reason(book.book_id, book.title, why))
        self._reporter.log(f'SKIP {book.title} -> {why}')

    def _fail(self, book: CalibreBook, why: Text) -> None:
        self._open.pop(book.book_id, None)
        self._failed.append(Reason(book.book_id, book.title, why))
        self._reporter.log(f'FAIL {book.title} -> {why}')

    def _ask_source(self, source: FirstSource | None) -> None:
        """What another server knows is a clue like others: Hardcover's own title decides."""
        if source is None or not self._open:
            return
        self._reporter.status(ASKING_FIRST_SOURCE)
        try:
            found = source([entry.book for entry in self._open.values()], self._cancel)
        except Cancelled:
            raise
        except BackSyncError as error:
            self._reporter.log(f'Note: BookLore was left out: {error}')
            return
        for book_id, match in found.items():
            if entry := self._open.get(book_id):
                entry.clues[:0] = source_clues(match)

    def _look_up(self) -> None:
        """Follows all that leads to Hardcover: clues first, then codes, then what became of merged books."""
        while True:
            self._follow_clues()
            self._look_up_codes()
            if not any(entry.merged for entry in self._open.values()):
                return
            # A book whose survivor is another one goes on with the clues that it has left.
            self._settle_merged()

    def _waiting(self) -> list[OpenBook]:
        """The open books but for those whose match is still to be followed to what it was merged into."""
        return [entry for entry in self._open.values() if entry.merged is None]

    def _follow_clues(self) -> None:
        """Completes books that other plugins linked: one clue after the other, a kind of look-up at a time."""
        while any(entry.clues for entry in self._waiting()):
            for look in Look:
                entries = [entry for entry in self._waiting() if entry.clues and entry.clues[0].look is look]
                for batch in in_batches(entries):
                    self._follow(look, batch)

    def _follow(self, look: Look, entries: Sequence[OpenBook]) -> None:
        with self._failing(entries):
            hits = self._hits(look, sorted({value for entry in entries for value in entry.clues[0].values}))
            found = []
            for entry in entries:
                clue = entry.clues.pop(0)
                verified = verify_clue(entry.book, clue, [hits[value] for value in clue.values if value in hits])
                found.append((entry, verified, clue.how))
            self._take(found)

    def _hits(self, look: Look, values: Sequence[str]) -> dict[str, Hit]:
        """What Hardcover has under these ids or slugs, by what was asked for."""
        return {value: hit for batch in in_batches(values) for value, hit in self._ask(look, batch)}

    def _ask(self, look: Look, values: Sequence[str]) -> list[tuple[str, Hit]]:
        if look is Look.SLUG:
            books = self._hardcover.books_by_slugs(values, self._cancel)
            return [(book.slug, Hit(book)) for book in books]
        numbers = [int(value) for value in values]
        if look is Look.BOOK:
            books = self._hardcover.books_by_ids(numbers, self._cancel)
            return [(str(book.book_id), Hit(book)) for book in books]
        editions = self._hardcover.editions_by_ids(numbers, self._cancel)
        return [(str(edition.edition_id), Hit(edition.book, edition.title)) for edition in editions]

    def _look_up_codes(self) -> None:
        """Exact hits by ISBN and ASIN, a hundred books a request."""
        for batch in in_batches([entry for entry in self._waiting() if entry.codes and not entry.codes_asked]):
            with self._failing(batch):
                editions = self._hardcover.editions_by_codes([entry.codes for entry in batch], self._cancel)
                found = []
                for entry in batch:
                    entry.codes_asked = True
                    found.append((entry, verify_editions(entry.book, entry.codes, editions), BY_CODE))
                self._take(found)

    def _failing(self, entries: Sequence[OpenBook]) -> _Failing:
        return _Failing(lambda error: [self._fail(entry.book, error.sentence) for entry in entries])

    def _take(self, found: Iterable[tuple[OpenBook, Verified, Text]]) -> None:
        """Stores what is verified; what is in doubt is kept for a question, and merged books are looked at together."""
        matches = []
        for entry, verified, how in found:
            entry.add_doubts(verified.doubtful)
            if verified.hardcover is None:
                continue
            match = Match(entry.book, verified.hardcover, how, verified.edition_id)
            if match.hardcover.canonical_id:
                entry.merged = match, verified.led
            else:
                matches.append(match)
        self._store(matches)

    def _settle_merged(self) -> None:
        """Follows merged books to those that survived, and stores these where they are still the same book."""
        waiting = [(entry, *entry.merged) for entry in self._open.values() if entry.merged]
        merged = [match.hardcover for _entry, match, _led in waiting]
        survivors = follow_mergers(self._hardcover, merged, self._cancel)
        found = []
        for entry, match, led in waiting:
            entry.merged = None
            found.append((entry, verify_merger(match, survivors[match.hardcover.book_id], led), match.how))
        self._take(found)

    def _store(self, matches: Sequence[Match]) -> None:
        if not matches:
            return
        for match, problem in self._store_in.add(matches):
            self._open.pop(match.book.book_id, None)
            if problem is not None:
                self._fail(match.book, problem)
                continue
            self._stored.append(match)
            self._reporter.log(f'OK {match.book.title} -> {ID_KEY}={match.hardcover.book_id} ({match.how})')
        self._tick()

    def _let_choose(self, choose: Choose, settings: Settings) -> None:
        """Puts the questions to the user, with the searches a few books ahead."""
        entries = list(self._to_ask())
        with (
            Covers(USER_AGENT, settings.hardcover_api_url) as covers,
            Searches(self._hardcover, covers, self._cancel) as searches,
        ):
            for number, (entry, search) in enumerate(searches.run(entries), 1):
                with self._failing([entry]):
                    found = search.result()
                    question = Question(
                        entry.book,
                        found.candidates,
                        why_ask(entry),
                        number,
                        len(entries),
                        found.covers,
                        first_words(entry.book),
                    )
                    if not self._settle(entry, question, choose, searches):
                        return
                self._tick()

    def _search_for_choices(self) -> None:
        """Searches for the books that need a choice, for whoever chooses later. Nothing is remembered of them."""
        self._choices = {}
        entries = [entry for entry in self._open.values() if not self._memory.why_left(entry.book)]
        with Searches(self._hardcover, None, self._cancel) as searches:
            for number, entry in enumerate(entries):
                self._reporter.progress(number, len(entries))
                with self._failing([entry]):
                    candidates = searches.search(entry).candidates
                    self._choices[entry.book.book_id] = OpenChoice(entry.book.book_id, entry.book.title, candidates)

    def _settle(self, entry: OpenBook, question: Question, choose: Choose, searches: Searches) -> bool:
        """Asks until it is no other search that is wanted, and does what the user chose; False for Stop."""
        answer = choose(question)
        while isinstance(answer, SearchFor):
            question = searches.again(question, answer.words)
            answer = choose(question)
        return self._take_answer(entry, answer, nothing_found=not question.candidates)

    def _to_ask(self) -> Iterator[OpenBook]:
        """The books worth a search; the others are skipped, and it says why."""
        for entry in list(self._open.values()):
            if left := self._memory.why_left(entry.book):
                self._skip(entry.book, WHY_LEFT[left])
            elif not search_queries(entry.book) and not entry.doubtful:
                self._skip(entry.book, NOTHING_TO_GO_BY)
            else:
                yield entry

    def _take_answer(self, entry: OpenBook, answer: Answer, nothing_found: bool) -> bool:
        """Does what the user chose, at once; False for Stop."""
        if isinstance(answer, Candidate):
            hit = HardcoverBook(answer.book_id, answer.slug, answer.title)
            self._store([Match(entry.book, hit, CHOSEN)])
        elif answer is Verdict.SKIP:
            # What was not found is worth another search once its title has been corrected.
            self._memory.leave(entry.book, NOT_FOUND if nothing_found else SKIPPED)
            self._skip(entry.book, NOTHING_FOUND if nothing_found else JUST_SKIPPED)
        self._cancel.check()
        return answer is not Verdict.STOP

    def finish(self) -> IdsOutcome:
        """The summary, in the log and as an outcome. What is still open when all was looked up needs a choice."""
        ambiguous = []
        choices = self._choices or {}
        looked_up = self._stopped is None or self._choices is not None
        for entry in list(self._open.values()) if looked_up else []:
            if left := self._memory.why_left(entry.book):
                self._skip(entry.book, WHY_LEFT[left])
            else:
                ambiguous.append(Reason(entry.book.book_id, entry.book.title, why_ask(entry)))
                self._reporter.log(f'CHOOSE {entry.book.title} -> {ambiguous[-1].why}')
                if entry.book.book_id in choices:
                    for line in candidate_lines(choices[entry.book.book_id]):
                        self._reporter.log(line)
        outcome = IdsOutcome(
            stored=tuple(self._stored),
            skipped=tuple(self._skipped),
            failed=tuple(self._failed),
            ambiguous=tuple(ambiguous),
            choices=tuple(choices.values()),
            had_ids=self._had_ids,
            units=self._hardcover.units,
            requests=self._hardcover.requests,
            stopped=self._stopped,
        )
        for line in summary(outcome):
            self._reporter.log(line)
        self._reporter.status(outcome.status)
        return outcome


class _Failing:
    """A context in which a failure of one look-up becomes that of its books, and the job goes on."""

    def __init__(self, fail: Callable[[OnlyThisFailed], object]) -> None:
        self._fail = fail

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, OnlyThisFailed):
            return False
        self._fail(error)
        return True


def candidate_lines(choice: OpenChoice) -> list[str]:
    """The candidates for a book in the log, a line each, which begins with what `hardcover-match` takes."""
    lines = []
    for candidate in choice.candidates:
        authors, year = ', '.join(candidate.authors[:MOST_AUTHORS]), candidate.release_year
        words = (candidate.title or '(no title)', f'by {authors}' if authors else '', f'({year})' if year else '')
        lines.append(f'    {candidate.book_id}: {" ".join(" ".join(words).split())}')
    return lines or [f'    {NOTHING_FOUND}']


def why_ask(entry: OpenBook) -> Text:
    """Why no hit was taken for this book unasked."""
    if entry.doubtful:
        by_title = any(doubt.likeness is not Likeness.SAME for doubt in entry.doubtful.values())
        return OTHER_TITLE if by_title else NOT_CERTAIN
    return NO_EXACT_HIT if entry.codes else NO_CODE


def summary(outcome: IdsOutcome) -> list[str]:
    """The last lines of the log: counts, and how often each reason."""
    counts = (
        f'{len(outcome.stored)} stored, {len(outcome.skipped)} skipped, {len(outcome.failed)} failed, '
        f'{len(outcome.ambiguous)} need a choice, {outcome.had_ids} had an id before; '
        f'{outcome.requests} requests to Hardcover, {outcome.units} units of its quota.'
    )
    reasons: dict[str, int] = {}
    for reason in (*outcome.skipped, *outcome.failed):
        reasons[str(reason.why)] = reasons.get(str(reason.why), 0) + 1
    return [counts, *(f'{count} x {why}' for why, count in sorted(reasons.items(), key=lambda each: -each[1]))]
