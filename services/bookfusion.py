# SPDX-License-Identifier: GPL-3.0-or-later
"""The client of BookFusion: signs in and reads the library through one of its two APIs. It never writes anything there.

BookFusion documents neither API. What is said about them here was seen in the code of public clients, unless it says
"assumed".
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlencode

from ..base import errors
from ..base.address import checked_address
from ..base.cancel import Cancel
from ..base.errors import (
    ApiGone,
    BackSyncError,
    BadAnswer,
    PasswordMissing,
    PasswordRefused,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from ..base.parsers import mapping, parse_token
from ..base.redaction import Secret
from ..base.reporter import Reporter
from ..base.settings import Settings
from ..base.text import text
from ..rules.records import PRIVATE_ID_SPACES, USER_ID_SPACES, FetchedLibrary, ReadingRecord
from ..transport.client import HttpClient
from ..transport.paging import MOST_IN_FLIGHT, Page, each, walk
from ..transport.request import Request, Response, body_limit
from .bookfusion_answers import (
    NOT_A_RECORD,
    SERVICE,
    parse_private_record,
    parse_user_record,
    record_page,
    with_position,
    worth_a_request,
)

Result = TypeVar('Result')

GONE = frozenset({404, 410})
SIGN_IN_REFUSED = frozenset({400, 401, 403, 422})
# BookFusion's own refusals are JSON (seen); a web page with this status is that of a gateway before it.
GATEWAYS = frozenset({403})
USER_API_MOST_PER_PAGE = 100
USER_API_ACCEPT = 'application/json; api_version=10'
ACCEPT_JSON = {'Accept': 'application/json, application/*+json'}
AUTHENTICATING = text('Authenticating...')
FETCHING = text('Fetching BookFusion library...')
SWITCHED_NOTE = "Note: BookFusion's private interface is gone (404 or 410), so its user interface is used."


@dataclass(frozen=True)
class Account:
    """The credentials of an account.

    `token` is the browser sign-in's. If it is set, `email` and `password` are not used. `device` is the device id.
    """

    email: str
    password: Secret
    token: Secret
    device: str

    @classmethod
    def from_settings(cls, settings: Settings, device: str) -> Account:
        """The account in the settings. Raises SettingsTrouble if credentials are missing."""
        if not settings.bookfusion_token:
            if not settings.email:
                raise SettingsTrouble(errors.EMAIL_MISSING)
            if not settings.password:
                raise PasswordMissing()
        return cls(settings.email, settings.password, settings.bookfusion_token, device)


def refusal(response: Response, first: bool = True) -> ServerTrouble | SignInRefused:
    """The error for a response with a permanent error status.

    404 and 410 mean that the API is gone only if it was the first request of its kind (`first`).
    """
    if response.status in GONE and first:
        return ApiGone(errors.API_GONE)
    if response.status == 401:
        return SignInRefused(errors.SIGN_IN_AGAIN)
    return ServerTrouble(errors.REFUSED_REQUEST, service=SERVICE, status=response.status)


def _token_from(response: Response) -> Secret:
    token = parse_token(mapping(response.data).get('token'))
    if not token:
        raise BadAnswer(errors.SIGN_IN_WITHOUT_TOKEN)
    return Secret(token)


def _refuse_sign_in(response: Response) -> None:
    """Raise the error of a sign-in that failed: PasswordRefused, or as `refusal`."""
    if response.status in SIGN_IN_REFUSED:
        raise PasswordRefused()
    if not response.ok:
        raise refusal(response)


def cancellable(parse: Callable[[object], Result], cancel: Cancel) -> Callable[[object], Result]:
    """`parse` for one record of a page that may be long: it raises Cancelled as soon as the flag is set."""

    def parse_next(raw: object) -> Result:
        cancel.check()
        return parse(raw)

    return parse_next


class _SignedIn:
    """A token that several threads use. It is renewed once if the server refuses it."""

    def __init__(self, sign_in: Callable[[Cancel], Secret]) -> None:
        self._sign_in = sign_in
        self._lock = threading.Lock()
        self._token = Secret('')
        self._renewal_error: BackSyncError | None = None

    def begin(self, cancel: Cancel) -> None:
        self._token = self._sign_in(cancel)

    @property
    def token(self) -> Secret:
        return self._token

    def renew(self, refused: Secret, cancel: Cancel) -> Secret:
        """A new token in place of the refused one. Raises SignInRefused if a renewal was tried before."""
        with self._lock:
            # Identity, not equality: the server may issue the same token again, and this thread has not tried that one.
            if self._token is refused:
                if self._renewal_error is not None:
                    raise self._renewal_error
                self._renewal_error = SignInRefused(errors.SIGN_IN_AGAIN)
                try:
                    self._token = self._sign_in(cancel)
                except BackSyncError as error:
                    # Other threads that wait for the new token raise the same error.
                    self._renewal_error = error
                    raise
            return self._token


class PrivateApi:
    """The private API, `v1/auth.json` and `v3/library/books.json`: email and password, the token in the query.

    `has_read_time` and `has_lists` say which data the API provides, `id_spaces` which ids its records have.
    """

    interface = "BookFusion's library interface (v3)"
    id_spaces = PRIVATE_ID_SPACES
    has_read_time = False
    has_lists = False

    def __init__(self, client: HttpClient, base: str, account: Account) -> None:
        checked_address(base, allow_plain=False)
        self._client = client
        self._base = base.rstrip('/')
        self._account = account
        self._signed_in = _SignedIn(self._sign_in)

    def sign_in(self, cancel: Cancel) -> None:
        """Sign in. Raises SignInRefused, ApiGone, ServerTrouble, Cancelled."""
        self._signed_in.begin(cancel)

    def _sign_in(self, cancel: Cancel) -> Secret:
        payload = {
            'device': self._account.device,
            'login': self._account.email,
            'password': self._account.password.reveal(),
        }
        request = Request('POST', f'{self._base}/v1/auth.json', ACCEPT_JSON, payload, gateways=GATEWAYS)
        response = self._client.send(request, cancel)
        _refuse_sign_in(response)
        return _token_from(response)

    def page_response(self, number: int, per_page: int, cancel: Cancel) -> Response:
        """The response with one page, numbered from 1. After a 401 it signs in again, once.

        Raises SignInRefused, ApiGone, ServerTrouble, Cancelled.
        """
        token = self._signed_in.token
        response = self._ask(number, per_page, token, cancel)
        if response.status == 401:
            response = self._ask(number, per_page, self._signed_in.renew(token, cancel), cancel)
        if not response.ok:
            raise refusal(response, first=number == 1)
        return response

    def _ask(self, number: int, per_page: int, token: Secret, cancel: Cancel) -> Response:
        query = urlencode(
            {'device': self._account.device, 'token': token.reveal(), 'page': number, 'per_page': per_page}
        )
        url = f'{self._base}/v3/library/books.json?{query}'
        request = Request('GET', url, ACCEPT_JSON, max_body=body_limit(per_page), gateways=GATEWAYS)
        return self._client.send(request, cancel)

    def page(self, number: int, per_page: int, cancel: Cancel) -> Page[tuple[ReadingRecord, bool]]:
        """One page of records, as `record_page` reads it. Raises the same as `page_response`."""
        response = self.page_response(number, per_page, cancel)
        return record_page(response, cancellable(parse_private_record, cancel), per_page)

    def complete(
        self, records: list[tuple[ReadingRecord, bool]], cancel: Cancel, reporter: Reporter, need_percentage: bool
    ) -> list[ReadingRecord]:
        """The records, unchanged: this API has no requests for single positions."""
        return [record for record, _position_came in records]


class UserApi:
    """The user API, `api/user/books/search`, which BookFusion's own apps use: email and password, or a browser's token.

    `has_read_time` and `has_lists` say which data the API provides, `id_spaces` which ids its records have.
    """

    interface = "BookFusion's user interface (version 10)"
    id_spaces = USER_ID_SPACES
    has_read_time = True
    has_lists = True

    def __init__(self, client: HttpClient, base: str, account: Account) -> None:
        checked_address(base, allow_plain=False)
        self._client = client
        self._base = base.rstrip('/')
        self._account = account
        self._signed_in = _SignedIn(self._sign_in)

    def sign_in(self, cancel: Cancel) -> None:
        """Sign in; with a browser's token nothing is sent. Raises SignInRefused, ApiGone, ServerTrouble, Cancelled."""
        if not self._account.token:
            self._signed_in.begin(cancel)
        elif parse_token(self._account.token.reveal()) != self._account.token.reveal():
            # A header cannot contain this token, so it cannot be the one that BookFusion issued.
            raise SignInRefused(errors.SIGN_IN_AGAIN)

    def _sign_in(self, cancel: Cancel) -> Secret:
        payload = {'email': self._account.email, 'password': self._account.password.reveal()}
        headers = {'Accept': USER_API_ACCEPT}
        request = Request('POST', f'{self._base}/api/v3/auth.json', headers, payload, gateways=GATEWAYS)
        response = self._client.send(request, cancel)
        _refuse_sign_in(response)
        if mapping(response.data).get('type') == 'web':
            raise SignInRefused(errors.BROWSER_ACCOUNT)
        return _token_from(response)

    def _headers(self, token: Secret) -> dict[str, str]:
        if self._account.token:
            return {'Accept': USER_API_ACCEPT, 'Authorization': f'Bearer {self._account.token.reveal()}'}
        return {'Accept': USER_API_ACCEPT, 'X-Token': token.reveal(), 'X-Device': self._account.device}

    def _send(self, method: str, path: str, payload: object, cancel: Cancel, records: int = 1) -> Response:
        """Send a request for so many records. After a 401 it signs in again, once, if there is a password."""
        token = self._signed_in.token
        request = Request(
            method, self._base + path, self._headers(token), payload, max_body=body_limit(records), gateways=GATEWAYS
        )
        response = self._client.send(request, cancel)
        if response.status == 401 and not self._account.token:
            renewed = self._signed_in.renew(token, cancel)
            response = self._client.send(replace(request, headers=self._headers(renewed)), cancel)
        return response

    def page_response(self, number: int, per_page: int, cancel: Cancel) -> Response:
        """The response with one page, numbered from 1, of USER_API_MOST_PER_PAGE records at most.

        Raises SignInRefused, ApiGone, ServerTrouble, Cancelled.
        """
        asked = min(per_page, USER_API_MOST_PER_PAGE)
        payload = {'page': number, 'per_page': asked, 'sort': 'added_at-asc', 'list': 'all'}
        response = self._send('POST', '/api/user/books/search', payload, cancel, asked)
        if not response.ok:
            raise refusal(response, first=number == 1)
        return response

    def page(self, number: int, per_page: int, cancel: Cancel) -> Page[tuple[ReadingRecord, bool]]:
        """One page of records, as `record_page` reads it. Raises the same as `page_response`."""
        asked = min(per_page, USER_API_MOST_PER_PAGE)
        response = self.page_response(number, per_page, cancel)
        return record_page(response, cancellable(parse_user_record, cancel), asked)

    def position(self, book_id: str, cancel: Cancel) -> Mapping[str, object]:
        """The reading position of one book, {} if it has none. Raises SignInRefused, ServerTrouble, Cancelled.

        `book_id` is the record's `id`, not the number in Calibre's identifier. A POST to this URL would write.
        """
        response = self._send('GET', f'/api/user/books/{book_id}/reading_position', None, cancel)
        if response.status == 404:
            return {}
        if not response.ok:
            raise refusal(response, first=False)
        return mapping(response.data)

    def complete(
        self, records: list[tuple[ReadingRecord, bool]], cancel: Cancel, reporter: Reporter, need_percentage: bool
    ) -> list[ReadingRecord]:
        """The records, with positions that the pages did not contain, fetched one by one where `worth_a_request`.

        `records` are pairs of a record and whether its position came with the page. Raises as `position` does.
        """
        complete = [record for record, _position_came in records]
        wanted = [
            place
            for place, (record, came) in enumerate(records)
            if not came and worth_a_request(record, need_percentage)
        ]
        if not wanted:
            return complete
        reporter.log(f'{len(wanted)} of {len(records)} books came without a reading position; asking for each of them.')

        def fill(place: int, scope: Cancel) -> None:
            record = complete[place]
            complete[place] = with_position(record, self.position(dict(record.ids)['id'], scope))

        each(fill, wanted, cancel, reporter.progress)
        return complete


def connect(
    client: HttpClient, settings: Settings, account: Account, cancel: Cancel, note: Callable[[str], None]
) -> PrivateApi | UserApi:
    """Sign in and return the API that this account uses.

    That is the user API with a browser's token. With email and password it is the private API, or the user API if the
    private one is gone; `note` is then called with a log line.
    Raises SignInRefused, ApiGone, ServerTrouble, SettingsTrouble, Cancelled.
    """
    user_api = UserApi(client, settings.bookfusion_user_api_base, account)
    if account.token:
        user_api.sign_in(cancel)
        return user_api
    private_api = PrivateApi(client, settings.bookfusion_api_base, account)
    try:
        private_api.sign_in(cancel)
        return private_api
    except ApiGone:
        note(SWITCHED_NOTE)
    user_api.sign_in(cancel)
    return user_api


def read_from_either(
    client: HttpClient,
    settings: Settings,
    account: Account,
    cancel: Cancel,
    note: Callable[[str], None],
    read: Callable[[PrivateApi | UserApi], Result],
) -> Result:
    """Connect, and return the result of `read` with the connected API.

    If the private API accepts the sign-in but has no first page, `read` is called again with the user API.
    Raises the same as `connect` and `read`.
    """
    api = connect(client, settings, account, cancel, note)
    try:
        return read(api)
    except ApiGone:
        if isinstance(api, UserApi):
            raise
        note(SWITCHED_NOTE)
    user_api = UserApi(client, settings.bookfusion_user_api_base, account)
    user_api.sign_in(cancel)
    return read(user_api)


def fetch_library(
    client: HttpClient,
    settings: Settings,
    account: Account,
    reporter: Reporter,
    cancel: Cancel,
    need_percentage: bool = True,
) -> FetchedLibrary:
    """Sign in and read the whole library. Raises SignInRefused, ServerTrouble, SettingsTrouble, Cancelled.

    With `need_percentage` a record without a reading position is completed even if its last-read date is known.
    """

    def read(api: PrivateApi | UserApi) -> FetchedLibrary:
        reporter.status(FETCHING)
        return _read_all(client, api, settings.page_size, reporter, cancel, need_percentage)

    reporter.status(AUTHENTICATING)
    return read_from_either(client, settings, account, cancel, reporter.log, read)


def _read_all(
    client: HttpClient,
    api: PrivateApi | UserApi,
    page_size: int,
    reporter: Reporter,
    cancel: Cancel,
    need_percentage: bool,
) -> FetchedLibrary:
    found = walk(
        lambda number, scope: api.page(number, page_size, scope),
        cancel,
        lambda: 1 if client.strained else MOST_IN_FLIGHT,
        reporter.progress,
        SERVICE,
    )
    records = api.complete(_usable(found, reporter), cancel, reporter, need_percentage)
    return FetchedLibrary(tuple(records), api.id_spaces, api.interface, api.has_read_time, api.has_lists)


def _usable(found: list[tuple[ReadingRecord, bool]], reporter: Reporter) -> list[tuple[ReadingRecord, bool]]:
    """The records without NOT_A_RECORD. A log line counts the ignored entries."""
    usable = [(record, came) for record, came in found if record is not NOT_A_RECORD]
    if len(usable) < len(found):
        reporter.log(
            f'Note: {len(found) - len(usable)} entries of the BookFusion library are not books and were passed over.'
        )
    return usable
