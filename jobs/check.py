# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at everything that is set up, in a few requests and without writing, and says whether a sync will work.

Settles on the user's own account what nobody has published about the services. A report holds no secret and no value
of a record: it is made to be pasted into a bug report. Knows no Qt.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass

from calibre.constants import numeric_version

from ..base.about import PLUGIN_NAME, VERSION
from ..base.cancel import Cancel
from ..base.columns_table import COLUMNS, ColumnState, state_of
from ..base.errors import BackSyncError, Cancelled, LibraryTrouble, SettingsTrouble, SignInRefused
from ..base.reporter import Reporter
from ..base.settings import Settings, ensure_device, load
from ..base.text import Text, counted, text
from ..library.calibre_library import Library
from ..rules.records import IDENTIFIER, FetchedLibrary, ReadingRecord
from ..rules.sync_plan import SyncRules
from ..services.bookfusion import USER_API_MOST_PER_PAGE, Account, PrivateApi, UserApi, read_from_either
from ..services.bookfusion_answers import (
    NOT_A_RECORD,
    SERVICE,
    own_id,
    parse_private_record,
    parse_user_record,
    raw_records,
    total_of,
    worth_a_request,
)
from ..services.bookfusion_survey import (
    Asked,
    IdSpace,
    PageSizes,
    compare_ids,
    fields_of,
    judge_page_sizes,
    matched_by_several,
    positions_of,
    unreadable_dates,
)
from ..services.hardcover_operations import SCOPES
from ..transport.client import HttpClient
from ..transport.request import Limits
from .ask_booklore import try_connection
from .hardcover_account import TokenCheck, check_token
from .sync import OpenLibrary, http_client, left_out, rules_for, untold_columns

SMALL_PAGE, LARGE_PAGE = 10, 100

CHECKING = text('Checking {service}...')
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

SINGLE_CAME = text('A reading position that did not come with its book came when it was asked for by itself.')
SINGLE_MISSING = text('A reading position that did not come with its book was not there by itself either.')


COLUMN_WORDS = {
    ColumnState.USABLE: text('can be used'),
    ColumnState.MISSING: text('does not exist in this library'),
    ColumnState.WRONG_TYPE: text('has the wrong type'),
    ColumnState.USED_TWICE: text('can be used'),
}
# Programs are told whether a column can be used by itself.
JSON_STATES = {ColumnState.USED_TWICE: ColumnState.USABLE}
PAGE_SIZE_WORDS = {
    PageSizes.HONOURED: text('per_page is honoured: {pages}.'),
    PageSizes.IGNORED: text('per_page is ignored: {pages}.'),
    PageSizes.CAPPED: text('per_page is capped at {most}: {pages}.'),
    PageSizes.UNCLEAR: text('Whether per_page is honoured cannot be told in so small a library: {pages}.'),
}


@dataclass(frozen=True)
class CheckReport:
    """What a check found: lines for people, a last sentence (`verdict`), and the same for programs (`data`).

    `problem` is the first error that keeps a sync from working, None where it will work.
    """

    lines: tuple[Text, ...]
    verdict: Text
    data: Mapping[str, object]
    problem: BackSyncError | None = None

    @property
    def works(self) -> bool:
        return self.problem is None


@dataclass(frozen=True)
class Sample:
    """Some pages of a BookFusion library, as they came. `beyond` counts records of a page after those in `raw`.

    `whole` says that `raw` is known to be everything; `single_position` whether a position asked for by itself came,
    None where none was asked for.
    """

    api: PrivateApi | UserApi
    pages: tuple[Asked, Asked]
    raw: list[object]
    beyond: int = 0
    whole: bool = False
    total: int | None = None
    single_position: bool | None = None

    @property
    def is_user_api(self) -> bool:
        return isinstance(self.api, UserApi)

    @property
    def records(self) -> list[ReadingRecord]:
        parse = parse_user_record if self.is_user_api else parse_private_record
        return [parse(raw) or NOT_A_RECORD for raw in self.raw]

    @property
    def page_sizes(self) -> PageSizes:
        return judge_page_sizes(*self.pages, self.whole)


def take_sample(api: PrivateApi | UserApi, page_size: int, cancel: Cancel) -> Sample:
    """A small page, a large one, and where that leaves it open, one more; a position by itself where none is inline.

    Raises SignInRefused, ServerTrouble, Cancelled.
    """
    asked = page_size if page_size > SMALL_PAGE else LARGE_PAGE
    if isinstance(api, UserApi):
        asked = min(asked, USER_API_MOST_PER_PAGE)
    small, _total = _page(api, 1, SMALL_PAGE, cancel)
    large, total = _page(api, 1, asked, cancel)
    raw = max(small, large, key=len)
    beyond = 0
    if total is None and 0 < len(large) < asked:
        seen = {own_id(record) for record in raw}
        beyond = sum(own_id(record) not in seen for record in _page(api, 2, asked, cancel)[0])
        whole = not beyond
    else:
        whole = not large or (total is not None and total <= len(raw))
    pages = (Asked(SMALL_PAGE, len(small)), Asked(asked, len(large)))
    return Sample(api, pages, raw, beyond, whole, total, _single_position(api, raw, cancel))


def _page(api: PrivateApi | UserApi, number: int, asked: int, cancel: Cancel) -> tuple[list[object], int | None]:
    """The records of a page as they came, and the total where it was told."""
    response = api.page_response(number, asked, cancel)
    return raw_records(response), total_of(response)


def _single_position(api: PrivateApi | UserApi, raw: list[object], cancel: Cancel) -> bool | None:
    """Whether the position of a book that came without one can be had by itself."""
    if not isinstance(api, UserApi):
        return None
    for record in raw:
        parsed = parse_user_record(record)
        if parsed is not None and parsed.position_updated_at is None and worth_a_request(parsed, need_percentage=True):
            return bool(api.position(dict(parsed.ids)['id'], cancel))
    return None


class _Check:
    """One check: what it looks at, one thing after another, and what it has found so far."""

    def __init__(self, reporter: Reporter, cancel: Cancel, limits: Limits | None) -> None:
        self._reporter = reporter
        self._cancel = cancel
        self._limits = limits
        self.lines: list[Text] = []
        self.data: dict[str, object] = {}
        self.problems: list[tuple[Text, BackSyncError]] = []
        self.settings = Settings()
        self.identifiers: Mapping[int, str] = {}
        self.titles: Mapping[int, str] = {}
        self.rules: SyncRules | None = None
        self.sample: Sample | None = None
        self.spaces: tuple[IdSpace, ...] = ()

    def say(self, template: str, **values: object) -> None:
        self.lines.append(text(template, **values))

    def versions(self) -> None:
        calibre = '.'.join(map(str, numeric_version))
        python, system = platform.python_version(), platform.system()
        self.say(
            '{plugin} {version}, Calibre {calibre}, Python {python}, {system}',
            plugin=PLUGIN_NAME,
            version=VERSION,
            calibre=calibre,
            python=python,
            system=system,
        )
        self.data.update(version=VERSION, calibre=calibre, python=python, system=system)

    def library(self, open_library: OpenLibrary, given: Settings | None) -> None:
        """Calibre's side, and the settings that hold for it; without a library, those of the file."""
        self._checking(text('the Calibre library'))
        try:
            with open_library() as library:
                self._settings(library, given)
                self._books(library)
                self._columns(library)
        except LibraryTrouble as error:
            self.say('Library: {sentence}', sentence=error.sentence)
            self.problems.append((LIBRARY_PROBLEM, error))
            self._settings(None, given)

    def _checking(self, what: Text | str) -> None:
        self._cancel.check()
        self._reporter.status(CHECKING.with_values(service=what))

    def _settings(self, library: Library | None, given: Settings | None) -> None:
        if given is not None:
            self.settings = given
            return
        loaded = load(library.api if library else None)
        self.settings = loaded.settings
        for problem in loaded.problems:
            self.say('{line}', line=problem)

    def _books(self, library: Library) -> None:
        count = len(library.api.all_book_ids())
        self.identifiers = library.identifiers(IDENTIFIER)
        self.titles = library.titles(list(self.identifiers))
        sentence = counted(
            'Library: {count} book, {identifiers} with a bookfusion identifier.',
            'Library: {count} books, {identifiers} with a bookfusion identifier.',
            count,
            identifiers=len(self.identifiers),
        )
        self.lines.append(sentence)
        self.data['library'] = {'books': count, 'identifiers': len(self.identifiers)}

    def _columns(self, library: Library) -> None:
        columns = library.columns()
        chosen = self.settings.columns
        states = {row: state_of(row, chosen, columns) for row in COLUMNS}
        for row, state in states.items():
            name = chosen[row.key]
            if state is not ColumnState.NOT_CHOSEN and name != row.built_in:
                self.say('{key} {name} {state}.', key=row.name, name=name, state=COLUMN_WORDS[state])
        self.data['columns'] = {row.key: JSON_STATES.get(state, state).value for row, state in states.items()}
        try:
            self.rules, _left_out = rules_for(library, self.settings)
        except SettingsTrouble as error:
            self.say('{sentence}', sentence=error.sentence)
            self.problems.append((COLUMN_PROBLEM, error))
            return
        for row, state in states.items():
            if state is ColumnState.USED_TWICE:
                # It could be used by itself: the sync's own words say why it is not.
                self.say('{line}', line=left_out(row, state, chosen, columns))

    def bookfusion(self) -> None:
        """Signs in and reads a sample; what fails is a problem."""
        self._checking(SERVICE)
        try:
            account = Account.from_settings(self.settings, ensure_device())
            with http_client(SERVICE, self.settings, self._reporter, self._limits) as client:
                self._read_sample(client, account)
        except Cancelled:
            raise
        except BackSyncError as error:
            self.say('BookFusion: {sentence}', sentence=error.sentence)
            self.problems.insert(0, (_kind_of_problem(error), error))
            self.data.setdefault('bookfusion', None)

    def _read_sample(self, client: HttpClient, account: Account) -> None:
        def note(line: str) -> None:
            self.say('{line}', line=line)

        self.sample = read_from_either(
            client,
            self.settings,
            account,
            self._cancel,
            note,
            lambda api: take_sample(api, self.settings.page_size, self._cancel),
        )
        self._describe(self.sample, client.requests)
        self._compare(self.sample)

    def _describe(self, sample: Sample, requests: int) -> None:
        self.say('{interface} answers.', interface=sample.api.interface)
        self.lines.append(_count_words(sample))
        pages = ', '.join(f'{page.came} of {page.asked}' for page in sample.pages)
        most = max(page.came for page in sample.pages)
        self.lines.append(PAGE_SIZE_WORDS[sample.page_sizes].with_values(pages=pages, most=most))
        positions = positions_of(sample.raw)
        self.say(
            'Reading positions: {inline} came with their book, {null} are null, {absent} books came without the field.',
            **vars(positions),
        )
        if sample.single_position is not None:
            self.lines.append(SINGLE_CAME if sample.single_position else SINGLE_MISSING)
        unreadable = unreadable_dates(sample.records)
        if unreadable:
            self.say('Dates that cannot be read: {count}.', count=unreadable)
        fields = fields_of(sample.raw)
        self.say('Fields of the {count} records read, and what they hold:', count=len(sample.raw))
        for name, kinds in fields.items():
            shown = ', '.join(f'{kind} {count}' for kind, count in kinds.most_common())
            self.say('  {name}: {kinds}', name=name, kinds=shown)
        self.data['bookfusion'] = {
            'interface': 'user' if sample.is_user_api else 'private',
            'records': sample.total if sample.total is not None else len(sample.raw) if sample.whole else None,
            'read': len(sample.raw) + sample.beyond,
            'total_count': sample.total,
            'per_page': sample.page_sizes.value,
            'pages': [vars(page) for page in sample.pages],
            'reading_position': {**vars(positions), 'single': sample.single_position},
            'unreadable_dates': unreadable,
            'fields': {name: dict(kinds) for name, kinds in fields.items()},
            'requests': requests,
        }
        if self.rules is not None:
            api = sample.api
            kind = FetchedLibrary((), api.id_spaces, api.interface, api.has_read_time, api.has_lists)
            for line in untold_columns(self.rules, kind):
                self.say('{line}', line=line)

    def _compare(self, sample: Sample) -> None:
        """Calibre's identifiers against every id space of the sample."""
        records = sample.records
        self.spaces = compare_ids(records, sample.api.id_spaces, self.identifiers, self.titles)
        for space in self.spaces:
            self.say(
                '{matched} of {all} bookfusion identifiers are the {space} of one of these records; '
                '{agree} titles agree, {contradict} contradict.',
                matched=space.matched,
                all=len(self.identifiers),
                space=space.name,
                agree=space.agree,
                contradict=space.contradict,
            )
        several = matched_by_several(records, sample.api.id_spaces, self.identifiers)
        if several:
            self.say('{count} identifiers are claimed by more than one of these records.', count=several)
        self.data['id_spaces'] = {
            space.name: {'matched': space.matched, 'agree': space.agree, 'contradict': space.contradict}
            for space in self.spaces
        }
        self.data['claimed_by_several'] = several

    def hardcover(self) -> None:
        """Whose account it is and what its key may do, where one is set up. Does not decide about a sync."""
        if not self.settings.hardcover_token:
            return
        self._checking('Hardcover')
        try:
            found = check_token(
                self.settings.hardcover_token, self.settings.hardcover_api_url, self._reporter, self._cancel
            )
        except Cancelled:
            raise
        except BackSyncError as error:
            self.say('Hardcover: {sentence}', sentence=error.sentence)
            self.data['hardcover'] = {'error': str(error)}
            return
        self._describe_hardcover(found)

    def _describe_hardcover(self, found: TokenCheck) -> None:
        works = [scope for scope in SCOPES if scope not in (*found.missing, *found.untested)]
        self.say(
            'Hardcover: the account of {name}; permissions that work: {works}; missing: {missing}; '
            'only a first rating will show: {untested}.',
            name=found.account.username,
            works=', '.join(works),
            missing=', '.join(found.missing) or text('none'),
            untested=', '.join(found.untested),
        )
        if found.units_left_today is not None:
            self.say('Hardcover: {count} requests left for today.', count=found.units_left_today)
        self.data['hardcover'] = {
            'account': found.account.username,
            'working': works,
            'missing': list(found.missing),
            'untested': list(found.untested),
            'units_left_today': found.units_left_today,
            'requests': found.requests,
        }

    def booklore(self) -> None:
        """What the BookLore server answers, where one is set up. Does not decide about a sync."""
        settings = self.settings
        if not settings.booklore_url:
            return
        self._checking('BookLore')
        try:
            sentence = try_connection(
                settings.booklore_url,
                settings.booklore_username,
                settings.booklore_password,
                self._cancel,
                self._limits,
            )
        except Cancelled:
            raise
        except BackSyncError as error:
            self.say('BookLore: {sentence}', sentence=error.sentence)
            self.data['booklore'] = {'error': str(error)}
            return
        self.lines.append(sentence)
        self.data['booklore'] = {'answer': str(sentence)}

    def report(self) -> CheckReport:
        problem = self.problems[0][1] if self.problems else None
        verdict = self._verdict()
        self.data['works'] = problem is None
        self.data['verdict'] = str(verdict)
        if problem is not None:
            self.data['error'] = str(problem)
        return CheckReport(tuple(self.lines), verdict, self.data, problem)

    def _verdict(self) -> Text:
        phrases = [phrase for phrase, _error in self.problems]
        if len(phrases) > 1:
            return WILL_NOT_WORK_TWICE.with_values(problem=phrases[0], other=phrases[1])
        if phrases:
            return WILL_NOT_WORK.with_values(problem=phrases[0])
        assert self.sample is not None
        if not self.sample.raw:
            return NOTHING_THERE
        if not self.identifiers:
            return NO_IDENTIFIERS
        if any(space.matched for space in self.spaces):
            return WILL_WORK
        return NO_MATCH if self.sample.whole else NO_MATCH_YET


def _kind_of_problem(error: BackSyncError) -> Text:
    if isinstance(error, SettingsTrouble):
        return ACCOUNT_PROBLEM
    return SIGN_IN_PROBLEM if isinstance(error, SignInRefused) else BOOKFUSION_PROBLEM


def _count_words(sample: Sample) -> Text:
    """How many records there are, as far as a sample can tell."""
    if sample.total is not None:
        return counted(
            'BookFusion: {count} record, as Total-Count says.',
            'BookFusion: {count} records, as Total-Count says.',
            sample.total,
        )
    read = len(sample.raw) + sample.beyond
    if sample.whole:
        return counted(
            'BookFusion: {count} record; no Total-Count was sent.',
            'BookFusion: {count} records; no Total-Count was sent.',
            read,
        )
    return counted(
        'BookFusion: {count} record or more; no Total-Count was sent.',
        'BookFusion: {count} records or more; no Total-Count was sent.',
        read,
    )


def check(
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    settings: Settings | None = None,
    limits: Limits | None = None,
) -> CheckReport:
    """Checks the library, BookFusion and, where they are set up, Hardcover and BookLore.

    `settings` replaces the saved ones, for a form that has not been saved. What fails is in the report; raised are
    only Cancelled, and SettingsTrouble for a settings file that cannot be read.
    """
    one = _Check(reporter, cancel, limits)
    one.versions()
    one.library(open_library, settings)
    one.bookfusion()
    one.hardcover()
    one.booklore()
    return one.report()
