# SPDX-License-Identifier: GPL-3.0-or-later
"""The check behind Test Connection and the command `check`: whether a sync will work, in a few requests.

Also records how the services behave where that is not documented. Findings contain counts, never values of a record.
Writes nothing. No Qt.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass

from calibre.constants import numeric_version

from ..base.cancel import Cancel
from ..base.columns_table import COLUMNS, ColumnState, state_of
from ..base.errors import BackSyncError, Cancelled, LibraryTrouble, SettingsTrouble
from ..base.reporter import Reporter
from ..base.settings import Settings, ensure_device, load
from ..base.text import Text, text
from ..library.calibre_library import Library
from ..rules.records import IDENTIFIER, FetchedLibrary
from ..rules.sync_plan import Snapshot, SyncRules, count_matches
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
    RestrictionFound,
    Versions,
    bookfusion_failed,
    booklore_failed,
    hardcover_failed,
    library_failed,
    restriction_failed,
)
from .hardcover_account import check_token
from .sync import OpenLibrary, http_client, left_out, rules_for, unfilled_columns

CHECKING = text('Checking {service}...')


@dataclass(frozen=True)
class _Context:
    """The reporter, cancel flag and request limits of a check."""

    reporter: Reporter
    cancel: Cancel
    limits: Limits | None

    def start(self, what: Text | str) -> None:
        """Report that the check of `what` starts. Raises Cancelled."""
        self.cancel.check()
        self.reporter.status(CHECKING.with_values(service=what))


NO_BOOKS = Snapshot({}, {}, {})


@dataclass(frozen=True)
class _CalibreSide:
    """The settings, and what a sync would read from the library. `rules` is None if a sync cannot write."""

    settings: Settings
    books: Snapshot = NO_BOOKS
    rules: SyncRules | None = None


def check(
    open_library: OpenLibrary,
    reporter: Reporter,
    cancel: Cancel,
    settings: Settings | None = None,
    limits: Limits | None = None,
) -> CheckReport:
    """Check the library, BookFusion and, if they are set up, Hardcover and BookLore.

    `settings` replaces the saved settings, for a form that has not been saved. Failures are part of the report. Raises
    Cancelled, and SettingsTrouble if the settings file cannot be read.
    """
    context = _Context(reporter, cancel, limits)
    calibre, library_findings = _check_library(context, open_library, settings)
    findings = (
        _versions(),
        *library_findings,
        *_check_bookfusion(context, calibre),
        *_check_hardcover(context, calibre.settings),
        *_check_booklore(context, calibre.settings),
    )
    return CheckReport(findings)


def _versions() -> Versions:
    return Versions('.'.join(map(str, numeric_version)), platform.python_version(), platform.system())


def _check_library(
    context: _Context, open_library: OpenLibrary, given: Settings | None
) -> tuple[_CalibreSide, Sequence[Finding]]:
    """Read the library and its settings; if there is no library, the settings of the file."""
    context.start(text('the Calibre library'))
    try:
        with open_library() as library:
            settings, notes = _settings(library, given)
            identifiers = library.identifiers(IDENTIFIER)
            books = LibraryFound(len(library.api.all_book_ids()), len(identifiers))
            columns, rules = _check_columns(library, settings)
            ids = list(identifiers)
            snapshot = Snapshot(library.titles(ids), identifiers, {}, library.series(ids))
            calibre = _CalibreSide(settings, snapshot, rules)
            return calibre, (notes, books, columns, *_check_restriction(library, settings))
    except LibraryTrouble as error:
        settings, notes = _settings(None, given)
        return _CalibreSide(settings), (library_failed(error), notes)


def _settings(library: Library | None, given: Settings | None) -> tuple[Settings, Notes]:
    if given is not None:
        return given, Notes(())
    loaded = load(library.api if library else None)
    return loaded.settings, Notes(loaded.problems)


def _check_columns(library: Library, settings: Settings) -> tuple[ColumnsFound, SyncRules | None]:
    """The state of the chosen columns, and the rules of a sync, None if a sync cannot write."""
    columns, chosen = library.columns(), settings.columns
    states = {row: state_of(row, chosen, columns) for row in COLUMNS}
    try:
        rules, _left_out = rules_for(library, settings)
    except SettingsTrouble as error:
        return ColumnsFound(chosen, states, error=error), None
    # Such columns have the right type, so only the log line of a sync says why they are not used.
    twice = [left_out(row, state, chosen, columns) for row, state in states.items() if state is ColumnState.USED_TWICE]
    return ColumnsFound(chosen, states, twice), rules


def _check_restriction(library: Library, settings: Settings) -> Sequence[Finding]:
    """Count the books that may be looked up on Hardcover or sent there, if a search limits them."""
    if not settings.hardcover_token or not settings.hardcover_restriction:
        return ()
    try:
        found = library.find(settings.hardcover_restriction)
    except SettingsTrouble as error:
        return (restriction_failed(error),)
    return (RestrictionFound(settings.hardcover_restriction, len(found)),)


def _check_bookfusion(context: _Context, calibre: _CalibreSide) -> Sequence[Finding]:
    """Sign in and read a sample. A failure here means that a sync will not work."""
    context.start(SERVICE)
    settings, cancel = calibre.settings, context.cancel
    notes: list[str] = []
    try:
        account = Account.from_settings(settings, ensure_device(settings.device))
        with http_client(SERVICE, settings, context.reporter, context.limits) as client:
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
        Notes(_unfilled_columns(sample, calibre.rules)),
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


def _unfilled_columns(sample: Sample, rules: SyncRules | None) -> Sequence[str]:
    """The log lines of a sync for columns that this API does not fill."""
    if rules is None:
        return ()
    api = sample.api
    kind = FetchedLibrary((), api.id_spaces, api.interface, api.has_read_time, api.has_lists)
    return unfilled_columns(rules, kind)


def _compare(sample: Sample, calibre: _CalibreSide) -> IdSpacesFound:
    """Match Calibre's identifiers with every id space of the sample."""
    records, id_spaces, books = sample.records, sample.api.id_spaces, calibre.books
    return IdSpacesFound(
        identifiers=len(books.identifiers),
        spaces=compare_ids(records, id_spaces, books),
        several=matched_by_several(records, id_spaces, books.identifiers),
        matched=count_matches(records, id_spaces, books),
    )


def _check_hardcover(context: _Context, settings: Settings) -> Sequence[Finding]:
    """Check the Hardcover key if there is one. Has no influence on the verdict."""
    if not settings.hardcover_token:
        return ()
    context.start('Hardcover')
    try:
        token_check = check_token(
            settings.hardcover_token, settings.hardcover_api_url, context.reporter, context.cancel
        )
    except Cancelled:
        raise
    except BackSyncError as error:
        return (hardcover_failed(error),)
    return (HardcoverFound(token_check),)


def _check_booklore(context: _Context, settings: Settings) -> Sequence[Finding]:
    """Check the BookLore server if there is one. Has no influence on the verdict."""
    if not settings.booklore_url:
        return ()
    context.start('BookLore')
    try:
        sentence = try_connection(
            settings.booklore_url,
            settings.booklore_username,
            settings.booklore_password,
            context.cancel,
            context.limits,
        )
    except Cancelled:
        raise
    except BackSyncError as error:
        return (booklore_failed(error),)
    return (BookLoreFound(sentence),)
