# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in to BookFusion with a browser: the OAuth device flow, in which the user enters a code there.

Works for accounts of every kind, and handles no password. No Qt, no Calibre database.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..base import errors
from ..base.about import USER_AGENT
from ..base.address import checked_address, is_loopback
from ..base.cancel import Cancel
from ..base.errors import ApiGone, BadAnswer, Cancelled, ServerTrouble, SignInRefused
from ..base.parsers import mapping, parse_number, parse_token
from ..base.redaction import Secret
from ..base.settings import Settings, load, save
from ..base.text import Text, counted, text
from ..services.bookfusion import GATEWAYS, GONE, SIGN_IN_REFUSED, USER_API_ACCEPT, Account, UserApi
from ..services.bookfusion_answers import SERVICE
from ..transport.client import HttpClient
from ..transport.request import LONGEST_RETRY_AFTER, Limits, Request, Response, retry_after

CLIENT_ID = 'koreader'
GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code'
FALLBACK_PAGE = 'https://www.bookfusion.com/device'
BOOKFUSION_HOSTS = frozenset({'bookfusion.com', 'www.bookfusion.com'})

# Seconds. Values from the server are clamped to these bounds; a missing or invalid value is replaced by the fallback
# (documented for interval and expiry).
FALLBACK_INTERVAL, SHORTEST_INTERVAL, LONGEST_INTERVAL = 5.0, 0.1, 60.0
FALLBACK_EXPIRY, LONGEST_EXPIRY = 600.0, 3600.0
SLOW_DOWN_STEP = 5.0
LONGEST_PAUSE_IN_TROUBLE = 30.0
# A poll is neither retried nor waited for long, because the next poll follows anyway.
ASKED_TO_WAIT = frozenset({429, 503})
POLL_LIMITS = Limits(read_timeout=10.0, total_timeout=20.0, retry_delays=())

LONGEST_USER_CODE = 40
LONGEST_ADDRESS = 500
RECORDS_TO_ASK = 10

WAITING = text('Waiting for the code to be entered in the browser...')
STILL_WAITING = text('Still waiting, although the last look for an answer failed. {trouble}')
NOT_SIGNED_IN = text('Cancelled - not signed in.')
SIGNED_IN = text('Signed in to BookFusion.')
SIGNED_OUT = text('Signed out of BookFusion.')
NOT_SIGNED_IN_BEFORE = text('There was no browser sign-in to forget.')


@dataclass(frozen=True)
class DeviceCode:
    """What the user needs to sign in: `user_code` has to be entered on `page`.

    `complete_page` is the same page with the code filled in, '' if the server provides none. `interval` is the time
    between two polls and `expires_in` the lifetime of the code, both in seconds.
    """

    user_code: str
    page: str
    complete_page: str
    interval: float
    expires_in: float
    device_code: Secret

    @property
    def page_to_open(self) -> str:
        """The URL to open in a browser on this computer."""
        return self.complete_page or self.page


@dataclass(frozen=True)
class SignedIn:
    """A saved browser sign-in. `books` is the number of books on BookFusion, None if the server does not report it."""

    books: int | None

    @property
    def sentence(self) -> Text:
        if self.books is None:
            return SIGNED_IN
        return counted(
            'Signed in to BookFusion: {count} book in the library.',
            'Signed in to BookFusion: {count} books in the library.',
            self.books,
        )


@dataclass(frozen=True)
class WaitStep:
    """A status of the wait, for the user. `in_trouble` is True if a request failed and will be tried again."""

    sentence: Text
    in_trouble: bool = False


@dataclass(frozen=True)
class _Poll:
    """The result of one poll. Without a `token` the wait continues.

    `slower` is what the server adds to the interval and `retry_after` its minimum for the next wait, both in seconds.
    `trouble` describes a problem to the user. `failed` is True if the next polls should back off.
    """

    token: Secret | None = None
    slower: float = 0.0
    trouble: Text | None = None
    failed: bool = False
    retry_after: float = 0.0

    @property
    def step(self) -> WaitStep:
        """The status to report after this poll."""
        if self.trouble is None:
            return WaitStep(WAITING)
        return WaitStep(STILL_WAITING.with_values(trouble=self.trouble), in_trouble=True)


def _parse_poll(response: Response) -> _Poll:
    """Raises SignInRefused if the user declined or the code has expired."""
    data = mapping(response.data)
    error = data.get('error')
    if error == 'access_denied':
        raise SignInRefused(errors.SIGN_IN_DENIED)
    if error == 'expired_token':
        raise SignInRefused(errors.SIGN_IN_EXPIRED)
    # BookFusion responds with 400 invalid_grant until the code has been entered (seen by other clients).
    if error in ('authorization_pending', 'invalid_grant'):
        return _Poll()
    if error == 'slow_down':
        return _Poll(slower=SLOW_DOWN_STEP)
    if response.status in ASKED_TO_WAIT:
        trouble = errors.SERVER_TROUBLE.with_values(service=SERVICE, status=response.status)
        return _Poll(trouble=trouble, failed=True, retry_after=retry_after(response.headers) or 0.0)
    if not response.ok:
        return _Poll(trouble=errors.REFUSED_REQUEST.with_values(service=SERVICE, status=response.status))
    token = parse_token(data.get('access_token'))
    if not token:
        return _Poll(trouble=errors.UNEXPECTED_ANSWER.with_values(service=SERVICE, reason=text('no token')))
    return _Poll(token=Secret(token))


class BrowserSignIn:
    """The device-code flow of the user API (`/api/user/auth/device` and `/api/user/auth/token`).

    `base` is the URL of the user API. `client_id` identifies the client; the default is that of BookFusion's own
    KOReader plugin, which is public and which other open clients use too (seen in their code). `clock` returns
    monotonic seconds and `pause(cancel, seconds)` waits; both can be replaced in tests. `report_wait` is called with a
    sentence when a request waits for a retry. Raises SettingsTrouble for an invalid `base`.
    """

    def __init__(
        self,
        base: str,
        client_id: str = CLIENT_ID,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[Cancel, float], None] = Cancel.wait,
        report_wait: Callable[[Text], None] | None = None,
    ) -> None:
        self._loopback = is_loopback(checked_address(base, allow_plain=False).hostname or '')
        self._base = base.rstrip('/')
        self._client_id = client_id
        self._clock = clock
        self._pause = pause
        self._asking = HttpClient(SERVICE, USER_AGENT, report_wait=report_wait)
        self._polling = HttpClient(SERVICE, USER_AGENT, POLL_LIMITS)

    def __enter__(self) -> BrowserSignIn:
        return self

    def __exit__(self, *exception: object) -> None:
        self._asking.close()
        self._polling.close()

    def start(self, cancel: Cancel) -> DeviceCode:
        """Request a new code. Raises SignInRefused, ApiGone, ServerTrouble, Cancelled."""
        response = self._send(self._asking, '/api/user/auth/device', {'client_id': self._client_id}, cancel)
        if response.status in GONE:
            raise ApiGone(errors.API_GONE)
        if not response.ok:
            kind = SignInRefused if response.status in SIGN_IN_REFUSED else ServerTrouble
            raise kind(errors.REFUSED_REQUEST, service=SERVICE, status=response.status)
        return self._device_code(mapping(response.data))

    def _device_code(self, data: Mapping[str, object]) -> DeviceCode:
        user_code, device_code = data.get('user_code'), parse_token(data.get('device_code'))
        if not isinstance(user_code, str) or not _showable(user_code.strip()):
            raise BadAnswer(errors.UNEXPECTED_ANSWER, service=SERVICE, reason=text('no code to enter'))
        if not device_code:
            raise BadAnswer(errors.UNEXPECTED_ANSWER, service=SERVICE, reason=text('no device code'))
        return DeviceCode(
            user_code=user_code.strip(),
            page=self._trusted(data.get('verification_uri')) or FALLBACK_PAGE,
            complete_page=self._trusted(data.get('verification_uri_complete')),
            interval=_seconds(data.get('interval'), FALLBACK_INTERVAL, SHORTEST_INTERVAL, LONGEST_INTERVAL),
            expires_in=_seconds(data.get('expires_in'), FALLBACK_EXPIRY, 0.0, LONGEST_EXPIRY),
            device_code=Secret(device_code),
        )

    def _trusted(self, address: object) -> str:
        """The URL if it may be opened in a browser, otherwise '': a server must not make us open arbitrary URLs."""
        if not isinstance(address, str) or not is_trusted_page(address.strip(), self._loopback):
            return ''
        return address.strip()

    def wait(self, code: DeviceCode, cancel: Cancel, report: Callable[[WaitStep], None] = lambda step: None) -> Secret:
        """Poll until the code has been entered, and return the token. `report` is called with every status of the wait.

        Network and server errors do not end the wait. Raises SignInRefused if the user declines or the code expires,
        Cancelled.
        """
        deadline = self._clock() + code.expires_in
        interval = pause = code.interval
        failures = 0
        report(WaitStep(WAITING))
        while True:
            remaining = deadline - self._clock()
            if remaining < interval:
                self._pause(cancel, max(0.0, remaining))
                raise SignInRefused(errors.SIGN_IN_EXPIRED)
            self._pause(cancel, min(pause, remaining))
            poll = self._poll(code, cancel)
            if poll.token:
                return poll.token
            report(poll.step)
            interval += poll.slower
            # Back off exponentially while polls fail in a row.
            failures = failures + 1 if poll.failed else 0
            longer = min(interval * 2 ** min(failures, 10), LONGEST_PAUSE_IN_TROUBLE)
            pause = max(interval, longer, min(poll.retry_after, LONGEST_RETRY_AFTER))

    def _poll(self, code: DeviceCode, cancel: Cancel) -> _Poll:
        """Ask once for the token. Raises SignInRefused if the user declined or the code has expired, Cancelled."""
        payload = {
            'grant_type': GRANT_TYPE,
            'client_id': self._client_id,
            'device_code': code.device_code.reveal(),
        }
        try:
            response = self._send(self._polling, '/api/user/auth/token', payload, cancel)
        except ServerTrouble as trouble:
            return _Poll(trouble=trouble.sentence, failed=True)
        return _parse_poll(response)

    def _send(self, client: HttpClient, path: str, payload: object, cancel: Cancel) -> Response:
        hand_back = ASKED_TO_WAIT if client is self._polling else frozenset()
        headers = {'Accept': USER_API_ACCEPT}
        request = Request('POST', self._base + path, headers, payload, hand_back=hand_back, gateways=GATEWAYS)
        return client.send(request, cancel)


def is_trusted_page(address: str, loopback: bool = False) -> bool:
    """True if the URL may be opened in a browser: BookFusion over https or, with `loopback`, this computer."""
    # Browsers and urlsplit disagree on backslashes, white space and user names, so URLs with these are refused.
    if len(address) > LONGEST_ADDRESS or not re.fullmatch(r"https?://[\w.~:/?#\[\]!$&'()*+,;=%-]+", address, re.ASCII):
        return False
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return False
    if loopback and is_loopback(parts.hostname or ''):
        return True
    return parts.scheme == 'https' and parts.hostname in BOOKFUSION_HOSTS and port in (None, 443)


def _showable(code: str) -> bool:
    return 0 < len(code) <= LONGEST_USER_CODE and code.isprintable()


def _seconds(value: object, fallback: float, least: float, most: float) -> float:
    """A duration from the server, clamped to the bounds; `fallback` if it is not a positive number."""
    number = parse_number(value)
    return min(max(number, least), most) if number is not None and number > 0 else fallback


def sign_in(
    settings: Settings,
    show: Callable[[DeviceCode], None],
    report: Callable[[WaitStep], None],
    cancel: Cancel,
    client_id: str = CLIENT_ID,
) -> SignedIn:
    """Sign in: request a code, wait until it is entered, test the token and save it.

    `show` is called once with the code to display, `report` with every status of the wait. Raises SignInRefused,
    ApiGone, ServerTrouble, SettingsTrouble, Cancelled; nothing has been saved then.
    """
    base = settings.bookfusion_user_api_base
    try:
        with BrowserSignIn(
            base, client_id, report_wait=lambda sentence: report(WaitStep(sentence, in_trouble=True))
        ) as attempt:
            code = attempt.start(cancel)
            show(code)
            token = attempt.wait(code, cancel, report)
        books = count_books(base, token, cancel)
    except Cancelled:
        raise Cancelled(NOT_SIGNED_IN) from None
    save({'bookfusion_token': token.reveal()})
    return SignedIn(books)


def count_books(base: str, token: Secret, cancel: Cancel) -> int | None:
    """The number of books of a token's account; None if BookFusion does not report it or the request fails.

    No known API returns the account's name, so this is what the user is shown. Raises SignInRefused if the token is not
    accepted, Cancelled.
    """
    with HttpClient(SERVICE, USER_AGENT, POLL_LIMITS) as client:
        api = UserApi(client, base, Account('', Secret(''), token, device=''))
        with suppress(ServerTrouble):
            return api.page(1, RECORDS_TO_ASK, cancel).total
    return None


def sign_out() -> bool:
    """Erase the token. False if there was none. Raises SettingsTrouble."""
    signed_in = bool(load().settings.bookfusion_token)
    if signed_in:
        save({'bookfusion_token': ''})
    return signed_in


def erase_password() -> None:
    """Erase the stored BookFusion password. Raises SettingsTrouble."""
    save({'password': ''})
