# SPDX-License-Identifier: GPL-3.0-or-later
"""The findings of a check, as sentences for users and as JSON for programs, and the verdict.

Findings contain counts and names, but no secret and no value of a record, so that a report can be pasted into a bug
report. No network, no Calibre.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from ..base.about import PLUGIN_NAME, VERSION
from ..base.columns_table import ColumnRow, ColumnState
from ..base.errors import BackSyncError, SettingsTrouble, SignInRefused
from ..base.text import Text, counted, text
from ..services.bookfusion_survey import Asked, IdSpace, PageSizes, Positions
from ..services.hardcover_operations import SCOPES
from .hardcover_account import TokenCheck

WILL_WORK = text('A sync will work.')
NO_IDENTIFIERS = text('A sync will work, but no book in this library has a bookfusion identifier, so none will match.')
NOTHING_THERE = text('A sync will work, but the BookFusion library is empty.')
NO_MATCH = text('A sync will work, but no bookfusion identifier of this library is in the BookFusion library.')
NO_MATCH_YET = text(
    'A sync will work, but no bookfusion identifier of this library is among the records read here, '
    'so whether any matches remains to be seen.'
)
WILL_NOT_WORK = text('A sync will not work: {problem}.')
WILL_NOT_WORK_TWICE = text('A sync will not work: {problem}, and {other}.')

ACCOUNT_PROBLEM = text('the BookFusion account is not set up as it should be')
SIGN_IN_PROBLEM = text('BookFusion does not accept the sign-in')
BOOKFUSION_PROBLEM = text('the BookFusion library cannot be read')
LIBRARY_PROBLEM = text('the Calibre library cannot be read')
COLUMN_PROBLEM = text('the Last Read Column cannot be used')
# By priority: the verdict starts with the first of these, and its error is the error of the report.
PROBLEMS = (ACCOUNT_PROBLEM, SIGN_IN_PROBLEM, BOOKFUSION_PROBLEM, LIBRARY_PROBLEM, COLUMN_PROBLEM)

SINGLE_CAME = text('A reading position that did not come with its book came when it was asked for by itself.')
SINGLE_MISSING = text('A reading position that did not come with its book was not there by itself either.')

COLUMN_WORDS = {
    ColumnState.USABLE: text('can be used'),
    ColumnState.MISSING: text('does not exist in this library'),
    ColumnState.COMPUTED: text('is computed (built from other columns) and cannot be written'),
    ColumnState.WRONG_TYPE: text('has the wrong type'),
    ColumnState.USED_TWICE: text('can be used'),
}
# For programs a column counts as usable if only another setting keeps it from being used.
JSON_STATES = {ColumnState.USED_TWICE: ColumnState.USABLE}
PAGE_SIZE_WORDS = {
    PageSizes.HONOURED: text('per_page is honoured: {pages}.'),
    PageSizes.IGNORED: text('per_page is ignored: {pages}.'),
    PageSizes.CAPPED: text('per_page is capped at {most}: {pages}.'),
    PageSizes.UNCLEAR: text('Whether per_page is honoured cannot be told in so small a library: {pages}.'),
}


class Problem(NamedTuple):
    """The reason why a sync will not work: one of PROBLEMS for the verdict, and the error."""

    phrase: Text
    error: BackSyncError


class Finding:
    """The finding about one part of a check. Subclasses override what they have to report."""

    def lines(self) -> Sequence[Text]:
        """Sentences for the user."""
        return ()

    def data(self) -> Mapping[str, object]:
        """The keys that this finding adds to the JSON object, with values that JSON can represent."""
        return {}

    @property
    def problem(self) -> Problem | None:
        """The reason why a sync will not work, None if this finding is none."""
        return None


@dataclass(frozen=True)
class Notes(Finding):
    """Sentences in English from other modules. They are not part of the JSON object."""

    sentences: Sequence[str]

    def lines(self) -> Sequence[Text]:
        return [text('{line}', line=sentence) for sentence in self.sentences]


@dataclass(frozen=True)
class Failed(Finding):
    """A part that could not be checked. `line` has the placeholder {sentence} for the error's message.

    `json_data` is the finding's `data()`. `problem_phrase` is one of PROBLEMS, None if a sync works without the part.
    """

    line: Text
    error: BackSyncError
    json_data: Mapping[str, object] = field(default_factory=dict)
    problem_phrase: Text | None = None

    def lines(self) -> Sequence[Text]:
        return [self.line.with_values(sentence=self.error.sentence)]

    def data(self) -> Mapping[str, object]:
        return self.json_data

    @property
    def problem(self) -> Problem | None:
        return Problem(self.problem_phrase, self.error) if self.problem_phrase is not None else None


def library_failed(error: BackSyncError) -> Failed:
    return Failed(text('Library: {sentence}'), error, {}, LIBRARY_PROBLEM)


def bookfusion_failed(error: BackSyncError) -> Failed:
    phrase = BOOKFUSION_PROBLEM
    if isinstance(error, SettingsTrouble):
        phrase = ACCOUNT_PROBLEM
    elif isinstance(error, SignInRefused):
        phrase = SIGN_IN_PROBLEM
    return Failed(text('BookFusion: {sentence}'), error, {'bookfusion': None}, phrase)


def hardcover_failed(error: BackSyncError) -> Failed:
    return Failed(text('Hardcover: {sentence}'), error, {'hardcover': {'error': str(error)}})


def restriction_failed(error: BackSyncError) -> Failed:
    return Failed(text('Hardcover: {sentence}'), error, {'hardcover_restriction': {'error': str(error)}})


def booklore_failed(error: BackSyncError) -> Failed:
    return Failed(text('BookLore: {sentence}'), error, {'booklore': {'error': str(error)}})


@dataclass(frozen=True)
class Versions(Finding):
    """The versions of plugin, Calibre and Python, and the operating system."""

    calibre: str
    python: str
    system: str

    def lines(self) -> Sequence[Text]:
        return [
            text('{plugin} {version}, Calibre {calibre}, Python {python}, {system}', plugin=PLUGIN_NAME, **self.data())
        ]

    def data(self) -> Mapping[str, object]:
        return {'version': VERSION, 'calibre': self.calibre, 'python': self.python, 'system': self.system}


@dataclass(frozen=True)
class LibraryFound(Finding):
    """The number of books in the library, and of those with a `bookfusion` identifier."""

    books: int
    identifiers: int

    def lines(self) -> Sequence[Text]:
        sentence = counted(
            'Library: {count} book, {identifiers} with a bookfusion identifier.',
            'Library: {count} books, {identifiers} with a bookfusion identifier.',
            self.books,
            identifiers=self.identifiers,
        )
        return [sentence]

    def data(self) -> Mapping[str, object]:
        return {'library': {'books': self.books, 'identifiers': self.identifiers}}


@dataclass(frozen=True)
class ColumnsFound(Finding):
    """Whether the chosen columns can be used.

    `chosen` maps keys of settings to lookup names. `error` is the reason why a sync cannot write, or None. `left_out`
    has the log lines of a sync for columns that it skips although their type is right.
    """

    chosen: Mapping[str, str]
    states: Mapping[ColumnRow, ColumnState]
    left_out: Sequence[str] = ()
    error: SettingsTrouble | None = None

    def lines(self) -> Sequence[Text]:
        lines = []
        for row, state in self.states.items():
            name = self.chosen[row.key]
            if state is not ColumnState.NOT_CHOSEN and name != row.built_in:
                lines.append(text('{key} {name} {state}.', key=row.name, name=name, state=COLUMN_WORDS[state]))
        if self.error is not None:
            return [*lines, text('{sentence}', sentence=self.error.sentence)]
        return [*lines, *Notes(self.left_out).lines()]

    def data(self) -> Mapping[str, object]:
        return {'columns': {row.key: JSON_STATES.get(state, state).value for row, state in self.states.items()}}

    @property
    def problem(self) -> Problem | None:
        return Problem(COLUMN_PROBLEM, self.error) if self.error is not None else None


@dataclass(frozen=True)
class BookFusionFound(Finding):
    """What a sample of the BookFusion library shows.

    `interface`         the name of the API; `is_user_api` is False for the private API
    `total`             number of records that the server reports (`Total-Count`), None if it does not
    `read`              number of records that were examined
    `beyond`            number of further records that were only counted
    `whole`             True if there are no other records
    `pages`             size requested and number of records received, for the small page and for the large one
    `single_position`   whether a separate request returned a reading position, None if there was no such request
    `fields`            for every field, how many values of each type were received
    `requests`          HTTP requests that were sent
    """

    interface: str
    is_user_api: bool
    total: int | None
    read: int
    beyond: int
    whole: bool
    pages: tuple[Asked, Asked]
    page_sizes: PageSizes
    positions: Positions
    single_position: bool | None
    unreadable_dates: int
    fields: Mapping[str, Mapping[str, int]]
    requests: int

    def lines(self) -> Sequence[Text]:
        lines = [
            text('{interface} answers.', interface=self.interface),
            self._count_words(),
            self._page_size_words(),
            text(
                'Reading positions: {inline} came with their book, {null} are null, '
                '{absent} books came without the field.',
                **vars(self.positions),
            ),
        ]
        if self.single_position is not None:
            lines.append(SINGLE_CAME if self.single_position else SINGLE_MISSING)
        if self.unreadable_dates:
            lines.append(text('Dates that cannot be read: {count}.', count=self.unreadable_dates))
        return [*lines, *self._field_lines()]

    def _count_words(self) -> Text:
        """The number of records, as far as the sample shows it."""
        if self.total is not None:
            return counted(
                'BookFusion: {count} record, as Total-Count says.',
                'BookFusion: {count} records, as Total-Count says.',
                self.total,
            )
        if self.whole:
            return counted(
                'BookFusion: {count} record; no Total-Count was sent.',
                'BookFusion: {count} records; no Total-Count was sent.',
                self.read + self.beyond,
            )
        return counted(
            'BookFusion: {count} record or more; no Total-Count was sent.',
            'BookFusion: {count} records or more; no Total-Count was sent.',
            self.read + self.beyond,
        )

    def _page_size_words(self) -> Text:
        pages = ', '.join(f'{page.came} of {page.asked}' for page in self.pages)
        most = max(page.came for page in self.pages)
        return PAGE_SIZE_WORDS[self.page_sizes].with_values(pages=pages, most=most)

    def _field_lines(self) -> Sequence[Text]:
        lines = [text('Fields of the {count} records read, and what they hold:', count=self.read)]
        for name, kinds in self.fields.items():
            # The most frequent first.
            shown = ', '.join(f'{kind} {kinds[kind]}' for kind in sorted(kinds, key=lambda kind: -kinds[kind]))
            lines.append(text('  {name}: {kinds}', name=name, kinds=shown))
        return lines

    def data(self) -> Mapping[str, object]:
        found = {
            'interface': 'user' if self.is_user_api else 'private',
            'records': self.total if self.total is not None else self.read if self.whole else None,
            'read': self.read + self.beyond,
            'total_count': self.total,
            'per_page': self.page_sizes.value,
            'pages': [vars(page) for page in self.pages],
            'reading_position': {**vars(self.positions), 'single': self.single_position},
            'unreadable_dates': self.unreadable_dates,
            'fields': {name: dict(kinds) for name, kinds in self.fields.items()},
            'requests': self.requests,
        }
        return {'bookfusion': found}


@dataclass(frozen=True)
class IdSpacesFound(Finding):
    """How many of Calibre's identifiers match records of the sample, for each id space.

    `identifiers` is the number of all, `several` the number of those that are ids of more than one record, `matched`
    the number of those for which a sync finds a record: a library number that belongs to another title is no match.
    """

    identifiers: int
    spaces: Sequence[IdSpace]
    several: int
    matched: int

    def lines(self) -> Sequence[Text]:
        lines = [
            text(
                '{matched} of {all} bookfusion identifiers are the {space} of one of these records; '
                '{agree} titles agree, {contradict} contradict.',
                matched=space.matched,
                all=self.identifiers,
                space=space.name,
                agree=space.agree,
                contradict=space.contradict,
            )
            for space in self.spaces
        ]
        if self.several:
            lines.append(text('{count} identifiers are claimed by more than one of these records.', count=self.several))
        return lines

    def data(self) -> Mapping[str, object]:
        spaces = {
            space.name: {'matched': space.matched, 'agree': space.agree, 'contradict': space.contradict}
            for space in self.spaces
        }
        return {'id_spaces': spaces, 'claimed_by_several': self.several}


@dataclass(frozen=True)
class HardcoverFound(Finding):
    """The Hardcover account and the permissions of its key."""

    check: TokenCheck

    @property
    def working(self) -> list[str]:
        """The scopes that were tested successfully."""
        return [scope for scope in SCOPES if scope not in (*self.check.missing, *self.check.untested)]

    def lines(self) -> Sequence[Text]:
        lines = [
            text(
                'Hardcover: the account of {name}; permissions that work: {works}; missing: {missing}; '
                'only a first rating will show: {untested}.',
                name=self.check.account.username,
                works=', '.join(self.working),
                missing=', '.join(self.check.missing) or text('none'),
                untested=', '.join(self.check.untested),
            )
        ]
        if self.check.units_left_today is not None:
            lines.append(text('Hardcover: {count} requests left for today.', count=self.check.units_left_today))
        return lines

    def data(self) -> Mapping[str, object]:
        found = {
            'account': self.check.account.username,
            'working': self.working,
            'missing': list(self.check.missing),
            'untested': list(self.check.untested),
            'units_left_today': self.check.units_left_today,
            'requests': self.check.requests,
        }
        return {'hardcover': found}


@dataclass(frozen=True)
class RestrictionFound(Finding):
    """How many books of the library the search of the setting `hardcover_restriction` finds."""

    search: str
    count: int

    def lines(self) -> Sequence[Text]:
        return [
            counted(
                'Hardcover: only the {count} book that the search {search} finds is looked up or sent.',
                'Hardcover: only the {count} books that the search {search} finds are looked up or sent.',
                self.count,
                search=self.search,
            )
        ]

    def data(self) -> Mapping[str, object]:
        return {'hardcover_restriction': {'search': self.search, 'books': self.count}}


@dataclass(frozen=True)
class BookLoreFound(Finding):
    """What the BookLore server provides, as a sentence."""

    sentence: Text

    def lines(self) -> Sequence[Text]:
        return [self.sentence]

    def data(self) -> Mapping[str, object]:
        return {'booklore': {'answer': str(self.sentence)}}


AnyFinding = TypeVar('AnyFinding', bound=Finding)


@dataclass(frozen=True)
class CheckReport:
    """All findings in the order of the report."""

    findings: Sequence[Finding]

    @property
    def lines(self) -> tuple[Text, ...]:
        """Sentences for the user, without the verdict."""
        return tuple(line for finding in self.findings for line in finding.lines())

    @property
    def data(self) -> dict[str, object]:
        """The JSON object. `works` and `verdict` are always present, `error` only if a sync will not work."""
        data = {key: value for finding in self.findings for key, value in finding.data().items()}
        data.update(works=self.works, verdict=str(self.verdict))
        if self.problem is not None:
            data['error'] = str(self.problem)
        return data

    @property
    def problem(self) -> BackSyncError | None:
        """The first error because of which a sync will not work, None if it will work."""
        problems = self._problems
        return problems[0].error if problems else None

    @property
    def works(self) -> bool:
        return self.problem is None

    @property
    def verdict(self) -> Text:
        """One sentence: whether a sync will work, with its most important limitation."""
        phrases = [problem.phrase for problem in self._problems]
        if len(phrases) > 1:
            return WILL_NOT_WORK_TWICE.with_values(problem=phrases[0], other=phrases[1])
        if phrases:
            return WILL_NOT_WORK.with_values(problem=phrases[0])
        sample, ids = self._finding(BookFusionFound), self._finding(IdSpacesFound)
        if not sample.read:
            return NOTHING_THERE
        if not ids.identifiers:
            return NO_IDENTIFIERS
        if ids.matched:
            return WILL_WORK
        return NO_MATCH if sample.whole else NO_MATCH_YET

    @property
    def _problems(self) -> list[Problem]:
        problems = [finding.problem for finding in self.findings if finding.problem is not None]
        return sorted(problems, key=lambda problem: PROBLEMS.index(problem.phrase))

    def _finding(self, kind: type[AnyFinding]) -> AnyFinding:
        """The finding of this kind. It exists if there are no problems."""
        return next(finding for finding in self.findings if isinstance(finding, kind))
