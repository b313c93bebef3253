"""The browser sign-in: the code, the wait for the token, what is saved, and the two commands."""

from __future__ import annotations

import json
import re
import stat
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import (
    ApiGone,
    BackSyncError,
    BadAnswer,
    Cancelled,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from calibre_plugins.bookfusionbacksync.jobs import browser_sign_in
from calibre_plugins.bookfusionbacksync.jobs.browser_sign_in import (
    CLIENT_ID,
    FALLBACK_PAGE,
    BrowserSignIn,
    DeviceCode,
    SignedIn,
    WaitStep,
    is_trusted_page,
    sign_in,
    sign_out,
)
from calibre_plugins.bookfusionbacksync.transport.request import Limits
from harness.network import ENDLESS, cancelling
from harness.secrets import TEST_DEVICE_CODE, TEST_PASSWORD, TEST_USER_TOKEN
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from standins import faults
from standins.bookfusion import (
    ABSENT,
    DEVICE_CODE,
    DEVICE_TOKEN,
    GRANT_TYPE,
    SEARCH,
    BookFusionStandIn,
    generate_records,
)
from standins.common import Action

GOOD_ANSWER = {
    'device_code': TEST_DEVICE_CODE,
    'user_code': 'BKFN-2468',
    'verification_uri': 'https://www.bookfusion.com/device',
    'verification_uri_complete': 'https://www.bookfusion.com/device?code=BKFN-2468',
    'interval': 5,
    'expires_in': 600,
}
SIGN_IN_TIMES = {'device_interval': 0.1}


class Time:
    """A clock that only moves when somebody waits, and a note of every wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.waits: list[float] = []
        self.before_wait: Callable[[], None] = lambda: None

    def clock(self) -> float:
        return self.now

    def pause(self, cancel: Cancel, seconds: float) -> None:
        cancel.check()
        self.before_wait()
        self.waits.append(round(seconds, 3))
        self.now += seconds

    def attempt(self, server: BookFusionStandIn, client_id: str = CLIENT_ID) -> BrowserSignIn:
        return BrowserSignIn(server.user_api_base, client_id, self.clock, self.pause)


@pytest.fixture
def server() -> Iterator[BookFusionStandIn]:
    with BookFusionStandIn(generate_records(25), token=TEST_USER_TOKEN, password=TEST_PASSWORD) as running:
        yield running


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polls that give up on a silent server sooner than a reader would."""
    monkeypatch.setattr(browser_sign_in, 'POLL_LIMITS', Limits(read_timeout=0.2, total_timeout=0.3, retry_delays=()))


def started(server: BookFusionStandIn, **answer: Any) -> DeviceCode:
    """The code that comes of the good answer with these keys replaced, or left out."""
    body = {key: value for key, value in {**GOOD_ANSWER, **answer}.items() if value is not ABSENT}
    server.fail(faults.WrongShape(body), DEVICE_CODE)
    with BrowserSignIn(server.user_api_base) as attempt:
        return attempt.start(Cancel())


def waited(server: BookFusionStandIn, time: Time, steps: list[WaitStep] | None = None) -> str:
    """Walks through the whole sign-in and gives the token."""
    report = steps.append if steps is not None else (lambda step: None)
    with time.attempt(server) as attempt:
        return attempt.wait(attempt.start(Cancel()), Cancel(), report).reveal()


def test_the_code_is_asked_for_as_bookfusions_own_reader_does(server: BookFusionStandIn) -> None:
    with BrowserSignIn(server.user_api_base) as attempt:
        code = attempt.start(Cancel())
    (request,) = server.requests
    assert (request.method, request.path, request.json()) == ('POST', DEVICE_CODE, {'client_id': 'koreader'})
    assert request.header('Accept') == 'application/json; api_version=10'
    assert (code.user_code, code.interval, code.expires_in) == ('BKFN-2468', 5, 600)
    assert code.page == f'{server.origin}/device'
    assert code.page_to_open == f'{server.origin}/device?code=BKFN-2468'


def test_the_client_id_can_be_another(server: BookFusionStandIn) -> None:
    time = Time()
    with time.attempt(server, 'ours') as attempt:
        attempt.wait(attempt.start(Cancel()), Cancel())
    assert [request.json()['client_id'] for request in server.requests] == ['ours'] * 3


def test_a_poll_sends_what_the_flow_demands(server: BookFusionStandIn) -> None:
    assert waited(server, Time()) == TEST_USER_TOKEN
    poll = server.requests[-1]
    assert (poll.method, poll.path) == ('POST', DEVICE_TOKEN)
    assert poll.json() == {'grant_type': GRANT_TYPE, 'client_id': 'koreader', 'device_code': 'device-code-1'}
    assert poll.header('Accept') == 'application/json; api_version=10'


def test_nothing_secret_shows_in_a_code(server: BookFusionStandIn) -> None:
    code = started(server)
    assert code.device_code.reveal() == TEST_DEVICE_CODE
    assert TEST_DEVICE_CODE not in repr(code)


@pytest.mark.parametrize(
    ('given', 'interval'),
    [
        (ABSENT, 5),
        (None, 5),
        ('soon', 5),
        (0, 5),
        (-3, 5),
        (True, 5),
        ([5], 5),
        (float('inf'), 5),
        ('7', 7),
        (2.5, 2.5),
        (1e9, 60),
        (0.0001, 0.1),
    ],
)
def test_odd_intervals(server: BookFusionStandIn, given: Any, interval: float) -> None:
    assert started(server, interval=given).interval == interval


@pytest.mark.parametrize(
    ('given', 'expires_in'), [(ABSENT, 600), (None, 600), ('x', 600), (0, 600), (-1, 600), (30, 30), (10**9, 3600)]
)
def test_odd_lives_of_a_code(server: BookFusionStandIn, given: Any, expires_in: float) -> None:
    assert started(server, expires_in=given).expires_in == expires_in


@pytest.mark.parametrize(
    'address',
    [
        ABSENT,
        None,
        7,
        '',
        'http://www.bookfusion.com/device',
        'https://bookfusion.com.evil.example/device',
        'https://evil.example/www.bookfusion.com',
        'https://www.bookfusion.com@evil.example/',
        'https://www.bookfusion.com\\@evil.example/',
        'https://evil.example\\.bookfusion.com/',
        'https://www.bookfusion.com:8443/device',
        'https://www.bookfusion.com:99999/device',
        'https://[::1/device',
        'https://wwwxbookfusion.com/device',
        'https://www.bookfusion.com/a b',
        'https://www.bookfusion.com/\n',
        'file:///etc/passwd',
        'javascript:alert(1)',
        'https://www.bookfusion.com/' + 'a' * 500,
    ],
)
def test_no_other_page_is_opened(server: BookFusionStandIn, address: Any) -> None:
    code = started(server, verification_uri=address, verification_uri_complete=address)
    if address == 'https://www.bookfusion.com/\n':
        assert code.page == 'https://www.bookfusion.com/'
        return
    assert (code.page, code.complete_page, code.page_to_open) == (FALLBACK_PAGE, '', FALLBACK_PAGE)


@pytest.mark.parametrize(
    'address',
    [
        'https://www.bookfusion.com/device',
        'https://bookfusion.com/device?code=A-1',
        'https://www.bookfusion.com:443/device',
    ],
)
def test_bookfusions_pages_are_opened(server: BookFusionStandIn, address: str) -> None:
    assert started(server, verification_uri=address).page == address


def test_this_computers_pages_are_opened_only_while_bookfusion_is_played_here() -> None:
    for address in ('http://127.0.0.1:8080/device', 'http://localhost/device', 'https://[::1]:9/device'):
        assert is_trusted_page(address, loopback=True)
        assert not is_trusted_page(address)
    assert not is_trusted_page('http://192.0.2.1/device', loopback=True)


@given(st.text() | st.from_regex(r'https://[a-z.:@\\/]{0,30}bookfusion\.com[^ ]{0,30}'))
@hypothesis_settings(max_examples=300)
def test_a_trusted_page_is_bookfusions(address: str) -> None:
    if is_trusted_page(address):
        parts = urlsplit(address)
        assert parts.scheme == 'https'
        assert re.fullmatch(r'(www\.)?bookfusion\.com(:(0*443)?)?', parts.netloc, re.ASCII | re.IGNORECASE)


@pytest.mark.parametrize(
    'answer',
    [
        {'user_code': ABSENT},
        {'user_code': ''},
        {'user_code': ' '},
        {'user_code': 7},
        {'user_code': 'x' * 41},
        {'user_code': 'AB\u202eCD'},
        {'user_code': 'AB\nCD'},
        {'device_code': ABSENT},
        {'device_code': ''},
        {'device_code': None},
        {'device_code': 'a b'},
        {'device_code': 'x' * 9000},
    ],
)
def test_an_answer_without_a_code_is_said_to_be_odd(server: BookFusionStandIn, answer: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer, match='answered in a form that this plugin does not know'):
        started(server, **answer)


@pytest.mark.parametrize('body', [[], 'text', 7, None])
def test_an_answer_of_another_shape_is_said_to_be_odd(server: BookFusionStandIn, body: Any) -> None:
    server.fail(faults.WrongShape(body), DEVICE_CODE)
    with BrowserSignIn(server.user_api_base) as attempt, pytest.raises(BadAnswer):
        attempt.start(Cancel())


@pytest.mark.parametrize(
    ('status', 'kind', 'exit_code'),
    [(404, ApiGone, 1), (410, ApiGone, 1), (401, SignInRefused, 3), (403, SignInRefused, 3), (405, ServerTrouble, 1)],
)
def test_a_sign_in_that_cannot_begin(
    server: BookFusionStandIn, status: int, kind: type[BackSyncError], exit_code: int
) -> None:
    server.fail(faults.Status(status), DEVICE_CODE)
    with BrowserSignIn(server.user_api_base) as attempt, pytest.raises(kind) as caught:
        attempt.start(Cancel())
    assert caught.value.exit_code == exit_code
    assert server.count(DEVICE_CODE) == 1


def test_an_unencrypted_address_is_refused() -> None:
    with pytest.raises(SettingsTrouble, match='not encrypted'):
        BrowserSignIn('http://www.bookfusion.com')


@pytest.mark.parametrize('pending', ['authorization_pending', 'invalid_grant'])
def test_a_pending_answer_is_waited_through(server: BookFusionStandIn, pending: str) -> None:
    server.set_options(device_answers=[pending, pending, pending, 'success'])
    time, steps = Time(), list[WaitStep]()
    assert waited(server, time, steps) == TEST_USER_TOKEN
    assert time.waits == [5, 5, 5, 5]
    assert {str(step.sentence) for step in steps} == {'Waiting for the code to be entered in the browser...'}
    assert not any(step.in_trouble for step in steps)


def test_slow_down_adds_five_seconds_for_good(server: BookFusionStandIn) -> None:
    server.set_options(device_answers=['slow_down', 'authorization_pending', 'slow_down', 'invalid_grant', 'success'])
    time = Time()
    waited(server, time)
    assert time.waits == [5, 10, 10, 15, 15]


@pytest.mark.parametrize(('said', 'sentence'), [('expired_token', 'not entered in time'), ('access_denied', 'denied')])
def test_an_answer_that_ends_the_wait(server: BookFusionStandIn, said: str, sentence: str) -> None:
    server.set_options(device_answers=['authorization_pending', said])
    time = Time()
    with pytest.raises(SignInRefused, match=sentence):
        waited(server, time)
    assert time.waits == [5, 5]


def test_the_deadline_ends_the_wait(server: BookFusionStandIn) -> None:
    server.set_options(device_answers=['invalid_grant'], device_expires_in=23)
    time = Time()
    with pytest.raises(SignInRefused, match='not entered in time'):
        waited(server, time)
    assert time.waits == [5, 5, 5, 5, 3]
    assert server.count(DEVICE_TOKEN) == 4


@pytest.mark.parametrize(
    'fault',
    [
        faults.Status(500),
        faults.Status(502),
        faults.Status(503),
        faults.Status(429),
        faults.Html(),
        faults.Empty(),
        faults.BadJson(),
        faults.Reset(),
        faults.CloseWithoutAnswer(),
        faults.NotHttp(),
        faults.Hang(),
        faults.Redirect('https://login.example/'),
    ],
    ids=lambda fault: type(fault).__name__,
)
def test_trouble_is_waited_through_more_and_more_slowly(
    server: BookFusionStandIn, quick_polls: None, fault: Action
) -> None:
    server.set_options(device_answers=['authorization_pending', 'invalid_grant', 'success'])
    server.fail(fault, DEVICE_TOKEN, after=1, times=4)
    time, steps = Time(), list[WaitStep]()
    assert waited(server, time, steps) == TEST_USER_TOKEN
    assert time.waits == [5, 5, 10, 20, 30, 30, 5]
    assert len({str(step.sentence) for step in steps}) == 2
    assert [step.in_trouble for step in steps] == [False, False, True, True, True, True, False]


@pytest.mark.parametrize('status', [404, 410, 401, 403, 422, 400])
def test_no_other_status_ends_the_wait(server: BookFusionStandIn, status: int) -> None:
    server.fail(faults.Status(status), DEVICE_TOKEN, times=2)
    time, steps = Time(), list[WaitStep]()
    assert waited(server, time, steps) == TEST_USER_TOKEN
    assert time.waits == [5, 5, 5, 5]
    assert {step.in_trouble for step in steps if f'(HTTP {status})' in str(step.sentence)} == {True}


@pytest.mark.parametrize('body', [[], None, {}, {'access_token': None}, {'access_token': 'a b'}, {'access_token': 7}])
def test_a_success_without_a_token_is_waited_through(server: BookFusionStandIn, body: Any) -> None:
    server.fail(faults.WrongShape(body), DEVICE_TOKEN)
    assert waited(server, Time()) == TEST_USER_TOKEN


@pytest.mark.parametrize(('retry_after', 'wait'), [('20', 20), ('1', 10), ('999', 60), ('later', 10)])
def test_retry_after_is_honoured(server: BookFusionStandIn, retry_after: str, wait: float) -> None:
    server.set_options(device_answers=['success'])
    server.fail(faults.Status(429, {'Retry-After': retry_after}), DEVICE_TOKEN)
    time = Time()
    waited(server, time)
    assert time.waits == [5, wait]


def test_a_date_to_come_back_at_is_measured_against_the_server_clock(server: BookFusionStandIn) -> None:
    server.set_options(device_answers=['success'])
    headers = {'Retry-After': 'Wed, 21 Oct 2015 12:00:20 GMT', 'Date': 'Wed, 21 Oct 2015 12:00:00 GMT'}
    server.fail(faults.Status(429, headers), DEVICE_TOKEN)
    time = Time()
    waited(server, time)
    assert time.waits == [5, 20]


def test_a_network_that_goes_away_is_waited_for(server: BookFusionStandIn) -> None:
    """Refused connections, then a network again; the last poll comes at the deadline."""
    time = Time()
    server.set_options(device_answers=['success'], device_expires_in=20)
    server.fail(faults.Refuse(), DEVICE_TOKEN)
    time.before_wait = lambda: server.accept_connections() if len(time.waits) == 2 else None
    assert waited(server, time) == TEST_USER_TOKEN
    assert time.waits == [5, 10, 5]


def test_a_network_that_stays_away_ends_at_the_deadline(server: BookFusionStandIn) -> None:
    server.set_options(device_expires_in=60)
    server.fail(faults.Refuse(), DEVICE_TOKEN)
    time = Time()
    with pytest.raises(SignInRefused, match='not entered in time'):
        waited(server, time)
    assert time.now == 1060


def test_the_interval_is_kept_in_real_time(server: BookFusionStandIn) -> None:
    """The stand-in minds polls that come too soon."""
    server.set_options(device_answers=['authorization_pending', 'invalid_grant', 'success'], **SIGN_IN_TIMES)
    with BrowserSignIn(server.user_api_base) as attempt:
        attempt.wait(attempt.start(Cancel()), Cancel())
    assert server.violations == []


@pytest.mark.parametrize('hanging', [False, True], ids=['waiting', 'polling'])
def test_a_cancel_ends_the_wait(server: BookFusionStandIn, monkeypatch: pytest.MonkeyPatch, hanging: bool) -> None:
    """While nothing else would: neither a pause between two polls nor a poll that hangs ends within this test."""
    monkeypatch.setattr(browser_sign_in, 'POLL_LIMITS', ENDLESS)
    server.set_options(**SIGN_IN_TIMES)
    poll = server.fail(faults.Hang(), DEVICE_TOKEN, times=None)
    cancel, paused = Cancel(), threading.Event()

    def pause(flag: Cancel, seconds: float) -> None:
        paused.set()
        flag.wait(seconds if hanging else ENDLESS.total_timeout)

    with BrowserSignIn(server.user_api_base, pause=pause) as attempt:
        code = attempt.start(cancel)
        with cancelling(cancel, server, poll if hanging else paused.wait), pytest.raises(Cancelled):
            attempt.wait(code, cancel)
    assert server.count(DEVICE_TOKEN) == int(hanging)


def stored() -> dict[str, Any]:
    values: dict[str, Any] = json.loads(settings.settings_path().read_text(encoding='utf-8'))
    return values


def whole_sign_in(server: BookFusionStandIn, cancel: Cancel | None = None, **options: Any) -> SignedIn:
    server.set_options(**{**SIGN_IN_TIMES, **options})
    given = settings.checked({'bookfusion_user_api_base': server.user_api_base}).settings
    return sign_in(given, lambda code: None, lambda sentence: None, cancel or Cancel())


def test_the_token_is_saved_and_nothing_else_changes(server: BookFusionStandIn) -> None:
    settings.save({'email': 'reader@example.org', 'password': TEST_PASSWORD, 'of a later version': 1})
    assert str(whole_sign_in(server).sentence) == 'Signed in to BookFusion: 25 books in the library.'
    assert stored() == {
        'email': 'reader@example.org',
        'password': TEST_PASSWORD,
        'of a later version': 1,
        'bookfusion_token': TEST_USER_TOKEN,
    }
    assert stat.S_IMODE(settings.settings_path().stat().st_mode) == 0o600
    assert not any(TEST_PASSWORD.encode() in request.body for request in server.requests)
    browser_sign_in.erase_password()
    assert stored()['password'] == ''
    assert settings.load().settings.bookfusion_token.reveal() == TEST_USER_TOKEN


def test_without_a_total_nobody_counts_the_books(server: BookFusionStandIn) -> None:
    assert str(whole_sign_in(server, total_count=False).sentence) == 'Signed in to BookFusion.'
    assert server.count(SEARCH) == 1


@pytest.mark.parametrize('fault', [faults.Status(500), faults.Html(), faults.Status(404), faults.WrongShape({})])
def test_a_sign_in_is_saved_though_the_books_cannot_be_counted(server: BookFusionStandIn, fault: Action) -> None:
    server.fail(fault, SEARCH, times=None)
    assert whole_sign_in(server).books is None
    assert stored()['bookfusion_token'] == TEST_USER_TOKEN


def test_a_token_that_is_not_taken_is_not_saved(server: BookFusionStandIn) -> None:
    server.fail(faults.Status(401), SEARCH, times=None)
    with pytest.raises(SignInRefused):
        whole_sign_in(server)
    assert settings.load().settings.bookfusion_token.reveal() == ''


@pytest.mark.parametrize('answers', [['access_denied'], ['expired_token']])
def test_a_failed_sign_in_saves_nothing(server: BookFusionStandIn, answers: list[str]) -> None:
    settings.save({'bookfusion_token': 'the one before'})
    with pytest.raises(SignInRefused):
        whole_sign_in(server, device_answers=answers)
    assert stored()['bookfusion_token'] == 'the one before'


@pytest.mark.parametrize('path', [DEVICE_CODE, DEVICE_TOKEN, SEARCH])
def test_a_cancelled_sign_in_saves_nothing(
    server: BookFusionStandIn, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    cancel = Cancel()
    fault = server.fail(faults.Hang(), path, times=None)
    monkeypatch.setattr(browser_sign_in, 'POLL_LIMITS', ENDLESS)
    with cancelling(cancel, server, fault), pytest.raises(Cancelled, match='not signed in'):
        whole_sign_in(server, cancel)
    assert not settings.settings_path().exists()


def test_sign_out_forgets_the_token_only() -> None:
    settings.save({'email': 'reader@example.org', 'bookfusion_token': TEST_USER_TOKEN})
    assert sign_out()
    assert stored() == {'email': 'reader@example.org', 'bookfusion_token': ''}
    assert not sign_out()


def test_every_sentence_of_the_wait_is_one(server: BookFusionStandIn) -> None:
    """Nothing is left unfilled in what people read."""
    steps: list[WaitStep] = []
    server.fail(faults.Status(503), DEVICE_TOKEN, times=1)
    server.fail(faults.Status(404), DEVICE_TOKEN, after=1, times=1)
    with Time().attempt(server) as attempt:
        attempt.wait(attempt.start(Cancel()), Cancel(), steps.append)
    assert len(steps) >= 4
    for step in steps:
        assert not re.search(r'[{}]', str(step.sentence))


def test_errors_of_the_family_only(server: BookFusionStandIn) -> None:
    """Whatever the first answer is, it ends in a code or in a sentence."""
    for fault in (faults.Status(500), faults.Html(), faults.Huge(1), faults.Deep(), faults.InvalidUtf8()):
        server.clear_faults()
        server.fail(fault, DEVICE_CODE, times=None)
        with BrowserSignIn(server.user_api_base) as attempt:
            attempt._asking._limits = Limits(retry_delays=())
            with pytest.raises(BackSyncError):
                attempt.start(Cancel())
