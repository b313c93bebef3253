# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in to BookFusion with a browser: a code that the reader enters there, and the wait for the token.

Works for accounts of every kind and meets no password. Knows neither Qt nor Calibre's database.
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
from ..services.bookfusion import GONE, SIGN_IN_REFUSED, USER_API_ACCEPT, Account, UserApi
from ..services.bookfusion_answers import SERVICE
from ..transport.client import HttpClient
from ..transport.request import LONGEST_RETRY_AFTER, Limits, Request, Response, parse_retry_after

CLIENT_ID = 'koreader'
GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:device_code'
FALLBACK_PAGE = 'https://www.bookfusion.com/device'
BOOKFUSION_HOSTS = frozenset({'bookfusion.com', 'www.bookfusion.com'})

# Seconds. What the server says counts within the bounds; what is missing or makes no sense is the fallback.
FALLBACK_INTERVAL, SHORTEST_INTERVAL, LONGEST_INTERVAL = 5.0, 0.1, 60.0
FALLBACK_EXPIRY, LONGEST_EXPIRY = 600.0, 3600.0
SLOW_DOWN_STEP = 5.0
LONGEST_PAUSE_IN_TROUBLE = 30.0
# The wait itself is what tries again, so a single poll does not, and gives up soon.
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
    """What the reader needs to sign in: `user_code` is entered on `page`; `complete_page` has it filled in, or is ''.

    `interval` is the time between two polls, `expires_in` the life of the code, both in seconds.
    """

    user_code: str
    page: str
    complete_page: str
    interval: float
    expires_in: float
    device_code: Secret

    @property
    def page_to_open(self) -> str:
        """The address for the browser of this computer."""
        return self.complete_page or self.page


@dataclass(frozen=True)
class SignedIn:
    """A browser sign-in that is saved. `books` counts the reader's books on BookFusion, None where it does not tell."""

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
    """What a sign-in waits for, in words. `in_trouble`: something went wrong, and is tried again."""

    sentence: Text
    in_trouble: bool = False


@dataclass(frozen=True)
class _Poll:
    """What one look at the server brought: a token, or how to go on. `slower` and `retry_after` in seconds."""

    token: Secret | None = None
    slower: float = 0.0
    trouble: Text | None = None
    failed: bool = False
    retry_after: float = 0.0

    @property
    def step(self) -> WaitStep:
        """How the wait goes on after it."""
        if self.trouble is None:
            return WaitStep(WAITING)
        return WaitStep(STILL_WAITING.with_values(trouble=self.trouble), in_trouble=True)


def _understood(response: Response) -> _Poll:
    data = mapping(response.data)
    said = data.get('error')
    if said == 'access_denied':
        raise SignInRefused(errors.SIGN_IN_DENIED)
    if said == 'expired_token':
        raise SignInRefused(errors.SIGN_IN_EXPIRED)
    # HTTP 400 with invalid_grant is what BookFusion says while the code has not been entered.
    if said in ('authorization_pending', 'invalid_grant'):
        return _Poll()
    if said == 'slow_down':
        return _Poll(slower=SLOW_DOWN_STEP)
    if response.status in ASKED_TO_WAIT:
        trouble = errors.SERVER_TROUBLE.with_values(service=SERVICE, status=response.status)
        return _Poll(
            trouble=trouble, failed=True, retry_after=parse_retry_after(response.headers.get('retry-after', '')) or 0.0
        )
    if not response.ok:
        return _Poll(trouble=errors.REFUSED_REQUEST.with_values(service=SERVICE, status=response.status))
    token = parse_token(data.get('access_token'))
    if not token:
        return _Poll(trouble=errors.UNEXPECTED_ANSWER.with_values(service=SERVICE, reason=text('no token')))
    return _Poll(token=Secret(token))


class BrowserSignIn:
    """The device-code flow of the user API (`/api/user/auth/device` and `/api/user/auth/token`).

    `client_id` names the program that asks. BookFusion gives no ids to others, so this is the public one of its own
    KOReader plugin, which other open clients use as well; it is no secret, and whoever has one of their own passes it.
    `clock` gives seconds that only go forward, `pause(cancel, seconds)` waits; tests bring their own.
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
        """A fresh code. Raises SignInRefused, ApiGone, ServerTrouble, Cancelled."""
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
        """The address if a browser may be sent there, '' otherwise: a server's word must not open just anything."""
        if not isinstance(address, str) or not is_trusted_page(address.strip(), self._loopback):
            return ''
        return address.strip()

    def wait(self, code: DeviceCode, cancel: Cancel, report: Callable[[WaitStep], None] = lambda step: None) -> Secret:
        """The token, once the code has been entered. `report` hears what the wait goes through.

        Only the reader's answer and the end of the code's life end it: trouble with the network is waited through.
        Raises SignInRefused when the reader says no or the code is too old, Cancelled.
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
            # A network that comes and goes, a server under strain: each further poll waits longer.
            failures = failures + 1 if poll.failed else 0
            longer = min(interval * 2 ** min(failures, 10), LONGEST_PAUSE_IN_TROUBLE)
            pause = max(interval, longer, min(poll.retry_after, LONGEST_RETRY_AFTER))

    def _poll(self, code: DeviceCode, cancel: Cancel) -> _Poll:
        """One look whether the code has been entered. Raises SignInRefused where there is nothing left to wait for."""
        payload = {
            'grant_type': GRANT_TYPE,
            'client_id': self._client_id,
            'device_code': code.device_code.reveal(),
        }
        try:
            response = self._send(self._polling, '/api/user/auth/token', payload, cancel)
        except ServerTrouble as trouble:
            return _Poll(trouble=trouble.sentence, failed=True)
        return _understood(response)

    def _send(self, client: HttpClient, path: str, payload: object, cancel: Cancel) -> Response:
        hand_back = ASKED_TO_WAIT if client is self._polling else frozenset()
        headers = {'Accept': USER_API_ACCEPT}
        return client.send(Request('POST', self._base + path, headers, payload, hand_back=hand_back), cancel)


def is_trusted_page(address: str, loopback: bool = False) -> bool:
    """Whether a browser may be sent to this address: BookFusion over https, or, for `loopback`, this computer."""
    # Browsers and urlsplit disagree on backslashes, white space and user names: none of them gets that far.
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
    """A time as the server gives it, within bounds; the fallback where it is no positive number."""
    number = parse_number(value)
    return min(max(number, least), most) if number is not None and number > 0 else fallback


def sign_in(
    settings: Settings,
    show: Callable[[DeviceCode], None],
    report: Callable[[WaitStep], None],
    cancel: Cancel,
    client_id: str = CLIENT_ID,
) -> SignedIn:
    """The whole sign-in: `show` gets the code to display, the token is tried and saved, never a password.

    Raises SignInRefused, ApiGone, ServerTrouble, SettingsTrouble, Cancelled; then nothing was saved.
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
    """How many books the account of a token has; None where BookFusion does not tell or cannot be asked.

    Nothing that is known of BookFusion gives the account's name. Raises SignInRefused for a token that is not taken.
    """
    with HttpClient(SERVICE, USER_AGENT, POLL_LIMITS) as client:
        api = UserApi(client, base, Account('', Secret(''), token, device=''))
        with suppress(ServerTrouble):
            return api.page(1, RECORDS_TO_ASK, cancel).total
    return None


def sign_out() -> bool:
    """Forgets the token; False where there was none."""
    signed_in = bool(load().settings.bookfusion_token)
    if signed_in:
        save({'bookfusion_token': ''})
    return signed_in


def erase_password() -> None:
    """Forgets a stored password."""
    save({'password': ''})
