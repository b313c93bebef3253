# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at everything that is set up, in a few requests and without writing, and says whether a sync will work.

Settles on the user's own account what nobody has published about the services. Each look gives its findings; nothing
of a record goes into them but counts. Knows no Qt.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from calibre.constants import numeric_version

from ..base.cancel import Cancel
from ..base.columns_table import COLUMNS, ColumnState, state_of
from ..base.errors import BackSyncError, Cancelled, LibraryTrouble, SettingsTrouble
from ..base.reporter import Reporter
from ..base.settings import Settings, ensure_device, load
from ..base.text import Text, text
from ..library.calibre_library import Library
from ..rules.records import IDENTIFIER, FetchedLibrary
from ..rules.sync_plan import SyncRules
from ..services.bookfusion import Account, read_from_either
from ..services.bookfusion_answers import SERVICE
from ..services.bookfusion_sample import Sample, take_sample
from ..services.bookfusion_survey import compare_ids, fields_of, matched_by_several, positions_of, unreadable_dates
from ..transport.request import Limits
from .ask_booklore import try_connection
from .check_findings import (
    BookFusionFound,
    BookLoreFound,
    CheckReport,
    ColumnsFound,
    Finding,
    HardcoverFound,
    IdSpacesFound,
    LibraryFound,
    Notes,
    Versions,
    bookfusion_failed,
    booklore_failed,
    hardcover_failed,
    library_failed,
)
from .hardcover_account import check_token
from .sync import OpenLibrary, http_client, left_out, rules_for, untold_columns

CHECKING = text('Checking {service}...')


@dataclass(frozen=True)
class _Looking:
    """How things are looked at: who is told, what ends it, how patiently."""

    reporter: Reporter
    cancel: Cancel
    limits: Limits | None

    def begin(self, what: Text | str) -> None:
        self.cancel.check()
        self.reporter.status(CHECKING.with_values(service=what))


@dataclass(frozen=True)
class _CalibreSide:
    """What the services are compared with: the settings, and of the library what a sync would use."""

    settings: Settings
    identifiers: Mapping[int, str] = field(default_factory=dict)
    titles: Mapping[int, str] = field(default_factory=dict)
    rules: SyncRules | None = None


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
    looking = _Looking(reporter, cancel, limits)
    calibre, library_findings = _look_at_library(looking, open_library, settings)
    findings = (
        _versions(),
        *library_findings,
        *_look_at_bookfusion(looking, calibre),
        *_look_at_hardcover(looking, calibre.settings),
        *_look_at_booklore(looking, calibre.settings),
    )
    return CheckReport(findings)


def _versions() -> Versions:
    return Versions('.'.join(map(str, numeric_version)), platform.python_version(), platform.system())


def _look_at_library(
    looking: _Looking, open_library: OpenLibrary, given: Settings | None
) -> tuple[_CalibreSide, Sequence[Finding]]:
    """Calibre's side, and the settings that hold for it; without a library, those of the file."""
    looking.begin(text('the Calibre library'))
    try:
        with open_library() as library:
            settings, notes = _settings(library, given)
            identifiers = library.identifiers(IDENTIFIER)
            books = LibraryFound(len(library.api.all_book_ids()), len(identifiers))
            columns, rules = _look_at_columns(library, settings)
            calibre = _CalibreSide(settings, identifiers, library.titles(list(identifiers)), rules)
            return calibre, (notes, books, columns)
    except LibraryTrouble as error:
        settings, notes = _settings(None, given)
        return _CalibreSide(settings), (library_failed(error), notes)


def _settings(library: Library | None, given: Settings | None) -> tuple[Settings, Notes]:
    if given is not None:
        return given, Notes(())
    loaded = load(library.api if library else None)
    return loaded.settings, Notes(loaded.problems)


def _look_at_columns(library: Library, settings: Settings) -> tuple[ColumnsFound, SyncRules | None]:
    """The columns of the settings, and the rules of a sync, None where one cannot write."""
    columns, chosen = library.columns(), settings.columns
    states = {row: state_of(row, chosen, columns) for row in COLUMNS}
    try:
        rules, _left_out = rules_for(library, settings)
    except SettingsTrouble as error:
        return ColumnsFound(chosen, states, error=error), None
    # They could be used by themselves: the sync's own words say why they are not.
    twice = [left_out(row, state, chosen, columns) for row, state in states.items() if state is ColumnState.USED_TWICE]
    return ColumnsFound(chosen, states, twice), rules


def _look_at_bookfusion(looking: _Looking, calibre: _CalibreSide) -> Sequence[Finding]:
    """Signs in and reads a sample; what fails keeps a sync from working."""
    looking.begin(SERVICE)
    settings, cancel = calibre.settings, looking.cancel
    notes: list[str] = []
    try:
        account = Account.from_settings(settings, ensure_device())
        with http_client(SERVICE, settings, looking.reporter, looking.limits) as client:
            sample = read_from_either(
                client,
                settings,
                account,
                cancel,
                notes.append,
                lambda api: take_sample(api, settings.page_size, cancel),
            )
    except Cancelled:
        raise
    except BackSyncError as error:
        return Notes(notes), bookfusion_failed(error)
    return (
        Notes(notes),
        _describe(sample, client.requests),
        Notes(_columns_that_stay(sample, calibre.rules)),
        _compare(sample, calibre),
    )


def _describe(sample: Sample, requests: int) -> BookFusionFound:
    return BookFusionFound(
        interface=sample.api.interface,
        is_user_api=sample.is_user_api,
        total=sample.total,
        read=len(sample.raw),
        beyond=sample.beyond,
        whole=sample.whole,
        pages=sample.pages,
        page_sizes=sample.page_sizes,
        positions=positions_of(sample.raw),
        single_position=sample.single_position,
        unreadable_dates=unreadable_dates(sample.records),
        fields=fields_of(sample.raw),
        requests=requests,
    )


def _columns_that_stay(sample: Sample, rules: SyncRules | None) -> Sequence[str]:
    """The sync's own lines for columns that this interface cannot fill."""
    if rules is None:
        return ()
    api = sample.api
    kind = FetchedLibrary((), api.id_spaces, api.interface, api.has_read_time, api.has_lists)
    return untold_columns(rules, kind)


def _compare(sample: Sample, calibre: _CalibreSide) -> IdSpacesFound:
    """Calibre's identifiers against every id space of the sample."""
    records, id_spaces = sample.records, sample.api.id_spaces
    return IdSpacesFound(
        identifiers=len(calibre.identifiers),
        spaces=compare_ids(records, id_spaces, calibre.identifiers, calibre.titles),
        several=matched_by_several(records, id_spaces, calibre.identifiers),
    )


def _look_at_hardcover(looking: _Looking, settings: Settings) -> Sequence[Finding]:
    """Whose account it is and what its key may do, where one is set up. Does not decide about a sync."""
    if not settings.hardcover_token:
        return ()
    looking.begin('Hardcover')
    try:
        token_check = check_token(
            settings.hardcover_token, settings.hardcover_api_url, looking.reporter, looking.cancel
        )
    except Cancelled:
        raise
    except BackSyncError as error:
        return (hardcover_failed(error),)
    return (HardcoverFound(token_check),)


def _look_at_booklore(looking: _Looking, settings: Settings) -> Sequence[Finding]:
    """What the BookLore server answers, where one is set up. Does not decide about a sync."""
    if not settings.booklore_url:
        return ()
    looking.begin('BookLore')
    try:
        sentence = try_connection(
            settings.booklore_url,
            settings.booklore_username,
            settings.booklore_password,
            looking.cancel,
            looking.limits,
        )
    except Cancelled:
        raise
    except BackSyncError as error:
        return (booklore_failed(error),)
    return (BookLoreFound(sentence),)
