"""Everything that can go wrong with a request, in every phase of a sync, on a real library.

What another try mends, is mended; what nothing mends ends with a sentence that says what to do, the right exit code,
and a library in which not a byte has changed.
"""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from calibre.db.legacy import LibraryDatabase
from calibre.utils.config import config_dir
from calibre_plugins.bookfusionbacksync.base import errors, log_file
from calibre_plugins.bookfusionbacksync.base.errors import BackSyncError
from calibre_plugins.bookfusionbacksync.base.settings import plugin_folder
from calibre_plugins.bookfusionbacksync.base.text import Text
from calibre_plugins.bookfusionbacksync.jobs.sync import SyncJob, SyncOutcome
from calibre_plugins.bookfusionbacksync.transport.request import Limits
from harness.bookfusion import account, browser_account
from harness.commands import write_settings
from harness.jobs import RecordingReporter, opener
from harness.libraries import Book, LibraryMaker
from harness.network import Echo, RecordingCancel, names
from harness.secrets import TEST_PASSWORD, TEST_USER_TOKEN, leaks
from harness.threads import assert_no_thread_left
from standins import faults
from standins.bookfusion import LIBRARY, SEARCH, SIGN_IN, USER_SIGN_IN, BookFusionStandIn, LibraryRecord
from standins.common import Action, Request, http_date


def record(number: int) -> LibraryRecord:
    """Every ninth book has been read, one of them to its end."""
    plain = LibraryRecord(1000 + number, 5000 + number, title=f'Book {number}')
    if number % 9:
        return plain
    return replace(plain, last_read_at=f'2024-03-{10 + number // 9}T12:00:00Z', percentage=100 if number == 27 else 40)


# Pages of ten: the fault in mid-walk meets the third of five.
RECORDS = [record(number) for number in range(45)]
POSITION_OF_18 = f'/api/user/books/{RECORDS[18].identifier}/reading_position'
BOOKS: list[Book] = [
    *({'title': f'Book {number}', 'identifiers': {'bookfusion': 5000 + number}} for number in range(0, 45, 9)),
    {'title': 'Book 1', 'identifiers': {'bookfusion': 5001}},
    {'title': 'Elsewhere', 'identifiers': {'bookfusion': 77}, '#dateread': datetime(2020, 1, 1, tzinfo=timezone.utc)},
    {'title': 'Neither', 'identifiers': {'isbn': '9780141439587'}, 'rating': 8, '#completed': False},
]
DATES = {
    **{book: datetime(2024, 3, 9 + book, 12, tzinfo=timezone.utc) for book in range(1, 6)},
    6: None,
    7: datetime(2020, 1, 1, tzinfo=timezone.utc),
    8: None,
}
COMPLETED = {**dict.fromkeys(range(1, 9)), 4: True, 8: False}
BEFORE: Mapping[str, Mapping[int, Any]] = {
    '#dateread': {**dict.fromkeys(range(1, 9)), 7: DATES[7]},
    '#completed': {**dict.fromkeys(range(1, 9)), 8: False},
}

ROOMY = Limits(read_timeout=10, total_timeout=20, retry_delays=(0.01, 0.02, 0.03), max_body=2_000_000)
# Only where the server is to be given up.
TIGHT = replace(ROOMY, read_timeout=0.08, total_timeout=0.1)


def page_of(request: Request) -> int:
    return int(request.query.get('page') or request.json()['page'])


@dataclass(frozen=True)
class Phase:
    """A request of a sync: `kind` is sign-in, first page, later page or position; `way` how the account signs in."""

    way: str
    kind: str
    path: str

    def meant(self, request: Request) -> bool:
        if self.kind in ('first page', 'later page'):
            return page_of(request) == (1 if self.kind == 'first page' else 3)
        return request.path == self.path


PHASES = (
    Phase('private', 'sign-in', SIGN_IN),
    Phase('private', 'first page', LIBRARY),
    Phase('private', 'later page', LIBRARY),
    Phase('user', 'sign-in', USER_SIGN_IN),
    Phase('user', 'first page', SEARCH),
    Phase('user', 'later page', SEARCH),
    Phase('user', 'position', POSITION_OF_18),
)
# The same requests with another header: only what concerns the token differs.
BROWSER_PHASES = (
    Phase('browser', 'first page', SEARCH),
    Phase('browser', 'later page', SEARCH),
    Phase('browser', 'position', POSITION_OF_18),
)


@dataclass(frozen=True)
class End:
    """How a sync ends: with a sentence (None: well) and an exit code, after so many tries of the request at fault."""

    sentence: Text | None
    tries: int
    exit_code: int = 1


WELL = End(None, 1)
Ends = Callable[[Phase], End]


def told(sentence: Text, **values: object) -> Text:
    """One of BookFusion's sentences, filled in."""
    return sentence.with_values(**({'service': 'BookFusion'} | values if '{service}' in sentence.template else values))


def always(sentence: Text, tries: int, **values: object) -> Ends:
    return lambda phase: End(told(sentence, **values), tries)


def status(code: int) -> Ends:
    """What a status means that is not worth another try."""
    request_refused = End(told(errors.REFUSED_REQUEST, status=code), 1)

    def ends(phase: Phase) -> End:
        if phase.kind == 'sign-in' and code in (400, 401, 403, 422):
            return End(errors.SIGN_IN_REFUSED, 1, 3)
        if code == 401:
            return End(errors.SIGN_IN_AGAIN, 1 if phase.way == 'browser' else 2, 3)
        if phase.kind == 'position' and code == 404:
            return WELL
        if phase.kind in ('sign-in', 'first page') and code in (404, 410):
            return WELL if phase.way == 'private' else End(errors.API_GONE, 1)
        return request_refused

    return ends


def odd_shape(phase: Phase) -> End:
    """JSON that is not what was asked for."""
    if phase.kind == 'sign-in':
        return End(errors.SIGN_IN_WITHOUT_TOKEN, 1)
    if phase.kind == 'position':
        return WELL
    return End(told(errors.UNEXPECTED_ANSWER, reason='a list of books was expected'), 1)


BROKE_OFF = errors.BROKE_OFF
OTHER = 'http://other.example'

# What may well be over at the next try.
TRANSIENT: dict[str, tuple[Action, Ends]] = {
    'reset': (faults.Reset(), always(BROKE_OFF, 4, reason='closed without an answer')),
    'closed': (faults.CloseWithoutAnswer(), always(BROKE_OFF, 4, reason='closed without an answer')),
    'hung': (faults.Hang(), always(errors.TOO_SLOW, 4)),
    'slow head': (faults.SlowBody(40, head=True), always(errors.TOO_SLOW, 4)),
    'slow body': (faults.SlowBody(20), always(errors.TOO_SLOW, 4)),
    'truncated body': (faults.Truncated(), always(BROKE_OFF, 4, reason='the answer was cut short')),
    'truncated in a chunk': (faults.Truncated(chunked=True), always(BROKE_OFF, 4, reason='the answer was cut short')),
    'not HTTP': (faults.NotHttp(), always(BROKE_OFF, 4, reason='the answer was garbled')),
    '403 as a web page': (faults.Html(403), always(errors.SERVER_TROUBLE, 4, status=403)),
    '408': (faults.Status(408), always(errors.TOO_SLOW, 4)),
    '429': (faults.Status(429), always(errors.TOO_MANY_REQUESTS, 4, wait='a few minutes')),
    '429 for seconds': (
        faults.Status(429, {'Retry-After': '7'}),
        always(errors.TOO_MANY_REQUESTS, 4, wait='7 seconds'),
    ),
    '500': (faults.Status(500), always(errors.SERVER_TROUBLE, 4, status=500)),
    '502': (faults.Html(502), always(errors.SERVER_TROUBLE, 4, status=502)),
    '503': (faults.Status(503), always(errors.SERVER_TROUBLE, 4, status=503)),
    '503 for seconds': (faults.Status(503, {'Retry-After': '7'}), always(errors.SERVER_TROUBLE, 4, status=503)),
    '504': (faults.Status(504), always(errors.SERVER_TROUBLE, 4, status=504)),
    '520': (faults.Html(520), always(errors.SERVER_TROUBLE, 4, status=520)),
    'HTML with 200': (faults.Html(), always(errors.NOT_JSON, 4)),
    'empty with 200': (faults.Empty(), always(errors.NOT_JSON, 4)),
    'JSON cut short': (faults.BadJson(), always(errors.NOT_JSON, 4)),
    'JSON that is no UTF-8': (faults.InvalidUtf8(), always(errors.NOT_JSON, 4)),
    'JSON too deep': (faults.Deep(), always(errors.NOT_JSON, 4)),
}
LASTING: dict[str, tuple[Action, Ends]] = {
    'refused': (faults.Refuse(), always(errors.NOT_REACHED, 1, reason='connection refused')),
    '400': (faults.Status(400), status(400)),
    '401': (faults.Status(401), status(401)),
    '403': (faults.Status(403), status(403)),
    '404': (faults.Status(404), status(404)),
    '404 as a web page': (faults.Html(404), status(404)),
    '405': (faults.Status(405), status(405)),
    '410': (faults.Status(410), status(410)),
    '422': (faults.Status(422), status(422)),
    '501': (faults.Status(501), status(501)),
    '429 for an hour': (
        faults.Status(429, {'Retry-After': '3600'}),
        always(errors.TOO_MANY_REQUESTS, 1, wait='60 minutes'),
    ),
    '503 for an hour': (
        faults.Status(503, {'Retry-After': http_date(3600)}),
        always(errors.SERVER_TROUBLE, 1, status=503),
    ),
    'null': (faults.WrongShape(None), odd_shape),
    'a number': (faults.WrongShape(7), odd_shape),
    'a text': (faults.WrongShape('token'), odd_shape),
    'an object': (faults.WrongShape({'books': [], 'error': 'none'}), odd_shape),
    '200 MB': (faults.Huge(200), always(errors.TOO_LARGE, 1, megabytes=1)),
    '200 MB in chunks': (faults.Huge(200, content_length=False), always(errors.TOO_LARGE, 1, megabytes=1)),
    'gzip bomb': (faults.GzipBomb(20), always(errors.TOO_LARGE, 1, megabytes=1)),
    'redirect in a circle': (
        faults.Redirect('{target}'),
        always(errors.UNEXPECTED_ANSWER, 6, reason='too many redirects'),
    ),
    'redirect to another host': (
        faults.Redirect(OTHER + '{target}', 307),
        always(errors.REDIRECTED_AWAY, 1, host='other.example'),
    ),
    'redirect to another scheme': (
        faults.Redirect('https://127.0.0.1{target}'),
        always(errors.REDIRECTED_AWAY, 1, host='127.0.0.1'),
    ),
    'redirect to nowhere': (
        faults.Redirect('http://[{target}'),
        always(errors.UNEXPECTED_ANSWER, 1, reason='a redirect to nowhere'),
    ),
}
ALL = TRANSIENT | LASTING
REFUSALS = ('401', '403', '404', '410')
FOR_GOOD = [
    *((name, phase) for phase in PHASES for name in ALL),
    *((name, phase) for phase in BROWSER_PHASES for name in REFUSALS),
]
FOR_ONCE = [(name, phase) for phase in PHASES for name in TRANSIENT]
HANGS = ('hung', 'slow head', 'slow body')
# A server that is gone is gone for all requests in flight; where patience is short, another may lose it too.
MEETS_OTHERS = ('refused', *HANGS)


def row_name(value: object) -> str:
    return f'{value.way} {value.kind}' if isinstance(value, Phase) else str(value)


class Rig:
    """A real library in Calibre, and syncs of it; `story` is everything that the last one told anybody."""

    def __init__(self, database: LibraryDatabase) -> None:
        self.api = database.new_api
        self.folder = Path(database.library_path)
        self.api.dump_metadata()
        # Losing a test library in a power cut is no loss.
        database.backend.execute('pragma synchronous=off')
        self.told = RecordingReporter()
        self.waits: list[float] = []
        self.at_first = self.everything()

    def sync(
        self, server: BookFusionStandIn, way: str, limits: Limits = ROOMY, changed: Mapping[str, str] | None = None
    ) -> SyncOutcome:
        write_settings(
            Path(config_dir),
            {
                'device': '0123456789abcdef',
                **(browser_account if way == 'browser' else account)(server),
                'completed_column': '#completed',
                'page_size': 10,
                **(changed or {}),
            },
        )
        self.told = RecordingReporter()
        cancel = RecordingCancel()
        self.waits = cancel.waits
        return SyncJob(opener(self.api), self.told, cancel, limits=limits).run()

    def values(self) -> dict[str, dict[int, Any]]:
        return {column: dict(self.api.all_field_for(column, self.api.all_book_ids())) for column in BEFORE}

    def put_back(self) -> None:
        for column, values in BEFORE.items():
            self.api.set_field(column, values)

    def everything(self) -> object:
        """All tables of the database, what Calibre has in memory, and the library's files."""
        with closing(sqlite3.connect(f'file:{self.folder}/metadata.db?mode=ro', uri=True)) as raw:
            tables = [
                name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")
            ]
            rows = {table: raw.execute(f'SELECT * FROM "{table}"').fetchall() for table in tables}
        assert rows['metadata_dirtied'] == []
        fields = (*BEFORE, 'last_modified', 'identifiers', 'title', 'rating')
        memory = {name: dict(self.api.all_field_for(name, self.api.all_book_ids())) for name in fields}
        files = sorted((str(path), path.stat().st_mtime_ns) for path in self.folder.rglob('*') if path.is_file())
        return rows, memory, dict(self.api.dirtied_cache), files


def make_rig(maker: LibraryMaker, folder: Path) -> Iterator[Rig]:
    columns = {'#dateread': 'datetime', '#completed': 'bool', '#note': 'text'}
    database = LibraryDatabase(str(maker.make(folder / 'Library', BOOKS, columns)))
    yield Rig(database)
    database.close()


@pytest.fixture(scope='module')
def untouched(library_maker: LibraryMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The library that no sync may change."""
    yield from make_rig(library_maker, tmp_path_factory.mktemp('untouched'))


@pytest.fixture(scope='module')
def written(library_maker: LibraryMaker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The library for syncs that go well."""
    yield from make_rig(library_maker, tmp_path_factory.mktemp('written'))


@pytest.fixture(autouse=True)
def at_full_debugging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the plugin logs when it says most; nothing of it is secret, and no thread outlasts its sync."""
    monkeypatch.setenv('CALIBRE_DEBUG', '1')
    log_file.stop()
    log_file.start(verbose=True)
    yield
    log_file.stop()
    assert leaks(log_file.log_path().read_bytes(), [TEST_PASSWORD, TEST_USER_TOKEN]) == []
    assert_no_thread_left()


@pytest.fixture
def server(bookfusion: BookFusionStandIn) -> Iterator[BookFusionStandIn]:
    bookfusion.records = list(RECORDS)
    yield bookfusion
    assert bookfusion.violations == []
    assert bookfusion.position_writes == []


def prepare(server: BookFusionStandIn, phase: Phase) -> None:
    if phase.way == 'user':
        server.private_gone = 404
    server.inline_positions = phase.kind != 'position'


def failed(
    rig: Rig,
    server: BookFusionStandIn,
    way: str,
    limits: Limits = ROOMY,
    changed: Mapping[str, str] | None = None,
) -> BackSyncError:
    """The error with which a sync ends that leaves everything as it was, and tells nobody a secret."""
    with pytest.raises(BackSyncError) as caught:
        rig.sync(server, way, limits, changed)
    assert rig.everything() == rig.at_first
    assert not (plugin_folder() / 'undo').exists()
    error = caught.value
    logging.getLogger('calibre_plugins.bookfusionbacksync').error('%s', error, exc_info=error)
    story = f'{error}{error!r}{error.args!r}{rig.told.statuses}{rig.told.lines}'
    assert leaks(story.encode(), server.secrets) == []
    assert not re.search(r'[{}]', str(error)), 'a placeholder was not filled'
    assert not any(status.startswith(('Scanning', 'Writing', 'Done')) for status in rig.told.statuses)
    return error


def assert_done(rig: Rig, outcome: SyncOutcome) -> None:
    try:
        assert rig.values() == {'#dateread': DATES, '#completed': COMPLETED}
        assert rig.told.statuses[-1] == 'Done - 5 updated, 2 skipped.'
        assert (outcome.updated, outcome.skipped, outcome.completed) == (5, 2, 1)
    finally:
        rig.put_back()


@pytest.mark.parametrize('way', ['private', 'user', 'browser'])
@pytest.mark.parametrize('inline', [True, False])
def test_without_any_fault(server: BookFusionStandIn, written: Rig, way: str, inline: bool) -> None:
    prepare(server, Phase(way, 'position', ''))
    server.inline_positions = inline
    assert_done(written, written.sync(server, way))
    assert written.waits == []
    assert server.count('/api/user/books/', 'GET') == (5 if not inline and way != 'private' else 0)


@pytest.mark.parametrize(('name', 'phase'), FOR_GOOD, ids=row_name)
def test_fault_for_good(server: BookFusionStandIn, untouched: Rig, written: Rig, name: str, phase: Phase) -> None:
    """334 rows: each of 46 faults, for good, in each of 7 phases, and 4 refusals in the 3 of a browser sign-in."""
    action, ends = ALL[name]
    end = ends(phase)
    prepare(server, phase)
    fault = server.fail(action, phase.path, times=None, when=phase.meant)
    limits = TIGHT if name in HANGS else ROOMY
    if end.sentence is None:
        assert_done(written, written.sync(server, phase.way, limits))
    else:
        error = failed(untouched, server, phase.way, limits)
        assert str(error) == str(end.sentence)
        assert error.exit_code == end.exit_code
        if name in MEETS_OTHERS:
            assert len(untouched.waits) >= 3
        else:
            assert len(untouched.waits) == (end.tries - 1 if name in TRANSIENT else 0)
    assert fault.hits == end.tries


@pytest.mark.parametrize(('name', 'phase'), FOR_ONCE, ids=row_name)
def test_fault_for_once(server: BookFusionStandIn, written: Rig, name: str, phase: Phase) -> None:
    """161 rows: each of 23 faults that another try may mend, once, in each of 7 phases."""
    action, _ends = TRANSIENT[name]
    prepare(server, phase)
    fault = server.fail(action, phase.path, when=phase.meant)
    assert_done(written, written.sync(server, phase.way, TIGHT if name in HANGS else ROOMY))
    assert fault.hits == 1
    assert len(written.waits) == 1 or (name in HANGS and written.waits)
    assert sum('Trying again in' in status for status in written.told.statuses) == len(written.waits)
    if name.endswith('for seconds'):
        assert written.waits == [7]


def test_the_numbers_of_rows_are_those_told() -> None:
    assert str(len(FOR_GOOD)) == (test_fault_for_good.__doc__ or '').split()[0]
    assert str(len(FOR_ONCE)) == (test_fault_for_once.__doc__ or '').split()[0]


@pytest.mark.parametrize('phase', PHASES + BROWSER_PHASES, ids=row_name)
def test_a_retry_after_with_a_date(server: BookFusionStandIn, written: Rig, phase: Phase) -> None:
    prepare(server, phase)
    server.fail(faults.Status(429, {'Retry-After': http_date(30)}), phase.path, when=phase.meant)
    assert_done(written, written.sync(server, phase.way))
    assert len(written.waits) == 1
    assert 25 < written.waits[0] <= 30


SIGNED_IN = [phase for phase in PHASES + BROWSER_PHASES if phase.kind != 'sign-in']


@pytest.mark.parametrize('phase', SIGNED_IN, ids=row_name)
def test_401_once(server: BookFusionStandIn, untouched: Rig, written: Rig, phase: Phase) -> None:
    """With a password: signed in again, and on at the same place. With a browser's token: told to sign in."""
    prepare(server, phase)
    fault = server.fail(faults.Status(401), phase.path, when=phase.meant)
    if phase.way == 'browser':
        assert str(failed(untouched, server, phase.way)) == str(errors.SIGN_IN_AGAIN)
    else:
        assert_done(written, written.sync(server, phase.way))
        assert server.count(SIGN_IN if phase.way == 'private' else USER_SIGN_IN) == 2
    assert fault.hits == 1


@pytest.mark.parametrize('phase', PHASES + BROWSER_PHASES, ids=row_name)
@pytest.mark.parametrize('code', [301, 302, 307, 308])
def test_a_redirect_within_the_server_is_followed(
    server: BookFusionStandIn, written: Rig, phase: Phase, code: int
) -> None:
    prepare(server, phase)
    fault = server.fail(faults.Redirect(server.origin + '{target}', code), phase.path, when=phase.meant)
    assert_done(written, written.sync(server, phase.way))
    assert fault.hits == 1


@pytest.mark.parametrize('phase', PHASES + BROWSER_PHASES, ids=row_name)
def test_no_credentials_follow_a_redirect_to_another_server(
    server: BookFusionStandIn, untouched: Rig, phase: Phase
) -> None:
    prepare(server, phase)
    with Echo() as other:
        server.fail(faults.Redirect(other.origin + '{target}', 307), phase.path, when=phase.meant)
        error = failed(untouched, server, phase.way)
        assert error.sentence.template == errors.REDIRECTED_AWAY.template
        assert (other.connections, other.count()) == (0, 0)


@pytest.mark.parametrize('way', ['private', 'user', 'browser'])
@pytest.mark.parametrize('certificate', ['self-signed', 'of another host'])
def test_a_bad_certificate(untouched: Rig, monkeypatch: pytest.MonkeyPatch, way: str, certificate: str) -> None:
    wrong_names = ('DNS:other.example',) if certificate == 'of another host' else ('IP:127.0.0.1',)
    with BookFusionStandIn(RECORDS, password=TEST_PASSWORD, tls=True, tls_names=wrong_names) as server:
        if certificate == 'of another host':
            monkeypatch.setenv('SSL_CERT_FILE', server.certificate_file)
        error = failed(untouched, server, way)
        assert error.sentence.template == errors.CERTIFICATE.template
        assert error.exit_code == 1
        assert (server.connections, server.count()) == (1, 0)


@pytest.mark.parametrize('way', ['private', 'user', 'browser'])
@pytest.mark.parametrize('named', ['bookfusion.com', 'www.bookfusion.com'])
def test_between_bookfusions_two_names_everything_follows(
    written: Rig, monkeypatch: pytest.MonkeyPatch, way: str, named: str
) -> None:
    """Over TLS, with the real names: every request is redirected from one to the other."""
    other = {'bookfusion.com': 'www.bookfusion.com', 'www.bookfusion.com': 'bookfusion.com'}[named]
    certified = ('DNS:bookfusion.com', 'DNS:www.bookfusion.com')
    with BookFusionStandIn(
        RECORDS, password=TEST_PASSWORD, token=TEST_USER_TOKEN, tls=True, tls_names=certified
    ) as server:
        monkeypatch.setenv('SSL_CERT_FILE', server.certificate_file)
        prepare(server, Phase(way, 'position', ''))
        server.fail(
            faults.Redirect(f'https://{other}:{server.port}{{target}}', 308),
            times=None,
            when=lambda request: request.header('host').startswith(named),
        )
        bases = {
            'bookfusion_api_base': f'https://{named}:{server.port}/api',
            'bookfusion_user_api_base': f'https://{named}:{server.port}',
        }
        with names({name: [(server.host, server.port)] for name in (named, other)}):
            assert_done(written, written.sync(server, way, changed=bases))


@pytest.mark.parametrize('key', ['bookfusion_api_base', 'bookfusion_user_api_base'])
def test_an_address_without_encryption(server: BookFusionStandIn, untouched: Rig, key: str) -> None:
    error = failed(untouched, server, 'private', changed={key: 'http://bookfusion.example:8080/api'})
    assert str(error) == (
        'The address http://bookfusion.example:8080/api is not encrypted. '
        'Change it to one that starts with https:// in the settings.'
    )
    assert error.exit_code == 2
    assert server.count() == 0


@pytest.mark.parametrize('way', ['private', 'user', 'browser'])
def test_nobody_is_there(server: BookFusionStandIn, untouched: Rig, way: str) -> None:
    server.refuse_connections()
    error = failed(untouched, server, way)
    assert str(error) == str(told(errors.NOT_REACHED, reason='connection refused'))
    assert len(untouched.waits) == 3


def test_a_name_that_does_not_exist(server: BookFusionStandIn, untouched: Rig) -> None:
    with names({}):
        error = failed(untouched, server, 'private', changed={'bookfusion_api_base': 'https://bookfusion.example/api'})
    assert str(error) == str(told(errors.NOT_REACHED, reason='its name could not be looked up'))


def test_a_wrong_password_is_tried_once(server: BookFusionStandIn, untouched: Rig) -> None:
    error = failed(untouched, server, 'private', changed={'password': 'another'})
    assert (str(error), error.exit_code) == (str(errors.SIGN_IN_REFUSED), 3)
    assert server.count() == 1
