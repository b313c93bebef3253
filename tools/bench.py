#!/usr/bin/env python3
"""Measures a sync of a large library, and compares it with a client that reads pages and books one by one.

Prints Markdown tables with medians of several runs. Every measurement runs in a separate process. BookFusion is a local
stand-in whose latencies are printed too.
"""

from __future__ import annotations

import argparse
import gc
import http.client
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

from harness.start import find_calibre, install_plugin, own_network, set_environment, temporary_folder
from standins.common import StandInProcess

STAND_IN = ROOT / 'tests' / 'standins' / 'bookfusion.py'
LATENCIES = {'--latency': '50', '--connection-latency': '100', '--record-latency': '0.5'}
EMAIL, PASSWORD = 'reader@example.org', 'only for the bench'
PAGE_SIZE = 100
COLUMNS = {'#dateread': 'datetime', '#completed': 'bool'}


def seconds(work: Callable[[], object]) -> float:
    """How long a call takes, in seconds. Garbage is collected before it."""
    gc.collect()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def peak_memory() -> float:
    """The maximum resident memory of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Quiet:
    """A reporter that shows nothing."""

    def status(self, sentence: object) -> None: ...

    def progress(self, done: int, total: int | None) -> None: ...

    def log(self, line: str) -> None: ...


@contextmanager
def stand_in(count: int, latencies: Mapping[str, str] = LATENCIES) -> Iterator[StandInProcess]:
    arguments = ['--count', str(count), '--email', EMAIL, '--password', PASSWORD]
    for option, value in latencies.items():
        arguments += [option, value]
    with StandInProcess(STAND_IN, *arguments) as process:
        yield process


def our_settings(ready: Mapping[str, Any]) -> Any:
    from calibre_plugins.bookfusionbacksync.base.redaction import Secret
    from calibre_plugins.bookfusionbacksync.base.settings import DEFAULTS

    return DEFAULTS.with_values(
        {
            'email': EMAIL,
            'password': Secret(PASSWORD),
            'completed_column': '#completed',
            'bookfusion_api_base': ready['api_base'],
            'bookfusion_user_api_base': ready['user_api_base'],
            'page_size': PAGE_SIZE,
        }
    )


def fetch_ours(ready: Mapping[str, Any]) -> Any:
    """Fetch all records with the plugin's code. Returns the FetchedLibrary and the number of requests."""
    from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
    from calibre_plugins.bookfusionbacksync.jobs.sync import http_client
    from calibre_plugins.bookfusionbacksync.services.bookfusion import Account, fetch_library

    settings = our_settings(ready)
    with http_client('BookFusion', settings, Quiet()) as client:
        account = Account.from_settings(settings, '0123456789abcdef')
        fetched = fetch_library(client, settings, account, Quiet(), Cancel())
        return fetched, client.requests


def sequential_request(base: str, method: str, path: str, payload: object = None) -> Any:
    """Send one request over a new connection, as a client without a connection pool does. Returns the parsed JSON."""
    address = urlsplit(base)
    assert address.hostname
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=90)
    body = None if payload is None else json.dumps(payload)
    connection.request(
        method, address.path + path, body, {'Accept': 'application/json', 'Content-Type': 'application/json'}
    )
    data = json.loads(connection.getresponse().read())
    connection.close()
    return data


def fetch_sequentially(ready: Mapping[str, Any]) -> list[Any]:
    """Fetch all records one page after the other, each over a new connection. Returns the parsed JSON."""
    base = ready['api_base']
    device = '0123456789abcdef'
    login = {'device': device, 'login': EMAIL, 'password': PASSWORD}
    token = sequential_request(base, 'POST', '/v1/auth.json', login)['token']
    records: list[Any] = []
    page = 1
    while True:
        query = urlencode({'device': device, 'token': token, 'page': page, 'per_page': PAGE_SIZE})
        found = sequential_request(base, 'GET', f'/v3/library/books.json?{query}')
        if not found:
            return records
        records.extend(found)
        page += 1


def measure_fetch(count: int, ours: bool) -> dict[str, float]:
    """Measure a fetch: seconds, requests, connections, and the memory in MB beyond what Calibre used before."""
    if ours:
        import calibre_plugins.bookfusionbacksync.jobs.sync  # noqa: F401  (imported first: its memory does not count)
    with stand_in(count) as process:
        before = peak_memory()
        kept: list[Any] = []
        taken = seconds(lambda: kept.append((fetch_ours if ours else fetch_sequentially)(process.ready)))
        found = len(kept[0][0].records) if ours else len(kept[0])
        assert found == count, (found, count)
        statistics_ = process.command('stats')
        return {
            'seconds': taken,
            'memory': peak_memory() - before,
            'requests': statistics_['requests'],
            'connections': statistics_['connections'],
            'in_flight': statistics_['max_in_flight'],
        }


def measure_library(count: int, library: Path) -> dict[str, float]:
    """Measure the snapshot, plan and write of a first sync, a second sync without changes, and reading book by book."""
    from calibre.library import db as open_database
    from calibre_plugins.bookfusionbacksync.jobs.sync import take_snapshot
    from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
    from calibre_plugins.bookfusionbacksync.rules.sync_plan import Column, SyncRules, make_plan

    with stand_in(count, {}) as process:
        fetched, _requests = fetch_ours(process.ready)
    database = open_database(str(library))
    api = database.new_api
    mine = Library(api)
    rules = SyncRules({'last_read': Column('#dateread', 'datetime'), 'completed': Column('#completed', 'bool')})
    figures: dict[str, float] = {}
    state: dict[str, Any] = {}

    def snapshot() -> None:
        state['snapshot'] = take_snapshot(mine, rules)

    def plan() -> None:
        state['plan'] = make_plan(fetched, state['snapshot'], rules)

    def write() -> None:
        from calibre_plugins.bookfusionbacksync.jobs.sync import _cell

        state['written'] = mine.write([_cell(change) for change in state['plan'].changes])

    figures['one by one'] = seconds(lambda: read_one_by_one(api))
    figures['snapshot'] = seconds(snapshot)
    figures['plan'] = seconds(plan)
    figures['write'] = seconds(write)
    figures['written books'] = len(state['written'].book_ids)
    assert figures['written books'] > count / 3
    figures['second sync'] = seconds(lambda: (snapshot(), plan(), write()))
    assert not state['plan'].changes
    assert not state['written'].cells
    database.close()
    return figures


def read_one_by_one(api: Any) -> None:
    """Read identifiers and columns as a client without bulk calls does."""
    for book_id in api.all_book_ids():
        api.field_for('identifiers', book_id)
        api.field_for('title', book_id)
        for column in COLUMNS:
            api.field_for(column, book_id)


def measure_log(count: int) -> dict[str, float]:
    """Measure showing `count` log lines: in the dialog's log, in the worker's batches, and in a list, one by one."""
    from calibre.gui2 import Application
    from calibre_plugins.bookfusionbacksync.gui.log_view import LogView
    from calibre_plugins.bookfusionbacksync.sync_worker import LINES_PER_SIGNAL
    from qt.core import QListWidget, QWidget

    app = Application([])
    lines = [
        f'OK The Wonderful Adventures of Book {n} -> 2024-11-03 (from last_read_at, match=book_id)'
        for n in range(count)
    ]
    window = QWidget()
    window.resize(720, 460)
    log = LogView(window)
    log.resize(700, 300)
    window.show()

    def ours() -> None:
        for start in range(0, count, LINES_PER_SIGNAL):
            log.append(lines[start : start + LINES_PER_SIGNAL])
            app.processEvents()

    def line_by_line(shown: int) -> None:
        listing = QListWidget()
        listing.show()
        for line in lines[:shown]:
            listing.addItem(line)
            listing.scrollToBottom()
            app.processEvents()

    return {'log': seconds(ours), 'list of 1000': seconds(lambda: line_by_line(1000))}


def measure_start() -> dict[str, float]:
    """Measure importing the toolbar action and building its menu, which happens at every start of Calibre."""
    import calibre.gui2.actions
    from calibre.customize.ui import find_plugin
    from calibre.gui2 import Application
    from calibre.gui2.keyboard import Manager
    from qt.core import QMainWindow

    del calibre
    app = Application([])
    window = QMainWindow()
    setattr(window, 'keyboard', Manager(window))  # noqa: B010  (Calibre's main window has one, Qt's has not)
    plugin = find_plugin('BookFusion Back Sync')
    actions: list[Any] = []

    def load() -> None:
        action = plugin.load_actual_plugin(window)
        action.interface_action_base_plugin = plugin
        action.do_genesis()
        actions.append(action)

    taken = seconds(load)
    del app
    return {'start': taken}


GUI_SCRIPT = """
import time
from qt.core import QTimer

def drive(gui, helpers):
    from calibre_plugins.bookfusionbacksync.gui import job_runner
    from calibre_plugins.bookfusionbacksync.library import calibre_library
    spans = []
    def timed(owner, name):
        original = getattr(owner, name)
        def wrapped(*arguments, **options):
            started = time.perf_counter()
            try:
                return original(*arguments, **options)
            finally:
                spans.append((name, started, time.perf_counter()))
        setattr(owner, name, wrapped)
    timed(calibre_library.Library, '_set_fields')
    timed(job_runner.Jobs, 'refresh_books')
    import gc
    begun = [0.0]
    def collecting(phase, info):
        if phase == 'start':
            begun[0] = time.perf_counter()
        else:
            spans.append(('collect', begun[0], time.perf_counter()))
    gc.callbacks.append(collecting)
    gaps = []
    last = [time.perf_counter()]
    def tick():
        now = time.perf_counter()
        gaps.append((last[0], now))
        last[0] = now
    timer = QTimer()
    timer.setInterval(1)
    timer.timeout.connect(tick)
    dialog = helpers.action.show_dialog()
    yield 0.5
    last[0] = time.perf_counter()
    timer.start()
    dialog.start_sync()
    yield lambda: dialog.job_view.status.text().startswith(('Done', 'Error'))
    yield 0.3
    timer.stop()
    def during(name, begin, end):
        return any(begin < stop and start < end for span, start, stop in spans if span == name)
    longest = {'write': 0.0, 'refresh': 0.0, 'collect': 0.0, 'rest': 0.0}
    for begin, end in gaps:
        writing, refreshing = during('_set_fields', begin, end), during('refresh_books', begin, end)
        collected = during('collect', begin, end)
        kind = 'write' if writing else 'refresh' if refreshing else 'collect' if collected else 'rest'
        longest[kind] = max(longest[kind], end - begin)
    took = {'_set_fields': 0.0, 'refresh_books': 0.0, 'collect': 0.0}
    for name, begin, end in spans:
        took[name] += end - begin
    lines = dialog.job_view.log.blockCount()
    return {'status': dialog.job_view.status.text(), 'longest': longest, 'took': took, 'lines': lines}
"""


def measure_window(count: int, library: Path) -> dict[str, float]:
    """Measure the longest gaps in the event loop of Calibre's window during a sync of `count` records."""
    from harness.commands import write_settings
    from harness.gui import run_calibre

    config = Path(os.environ['CALIBRE_CONFIG_DIRECTORY'])
    with stand_in(count, {}) as process:
        settings = {
            'email': EMAIL,
            'password': PASSWORD,
            'completed_column': '#completed',
            'bookfusion_api_base': process.ready['api_base'],
            'bookfusion_user_api_base': process.ready['user_api_base'],
        }
        write_settings(config, settings)
        run = run_calibre(GUI_SCRIPT, library, config, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.result['status'].startswith('Done'), run.result
    longest, took = run.result['longest'], run.result['took']
    return {
        'gap': longest['rest'],
        'gap while writing': longest['write'],
        'gap while refreshing': longest['refresh'],
        'gap while collecting': longest['collect'],
        'write': took['_set_fields'],
        'refresh': took['refresh_books'],
        'lines': run.result['lines'],
    }


def measure_hardcover(count: int, changed: int) -> dict[str, float]:
    """Measure the units of Hardcover's quota for finding `count` books by ISBN and pushing ratings, twice.

    The stand-in counts and limits as Hardcover documents it. Its clock advances only in waits, so the seconds are the
    waiting times that the quota imposes.
    """
    from calibre.library import db as open_database
    from calibre_plugins.bookfusionbacksync.jobs.fetch_ids import fetch_ids
    from calibre_plugins.bookfusionbacksync.jobs.push_ratings import plan_ratings, push_ratings
    from harness.hardcover import hardcover_service
    from harness.jobs import opener
    from harness.libraries import LibraryMaker
    from standins.hardcover import generate_catalogue, isbn13

    catalogue = generate_catalogue(count)
    books = [
        {'title': work.title, 'authors': list(work.authors), 'identifiers': {'isbn': isbn13(work.id)}, 'rating': 8}
        for work in catalogue.works
    ]
    for row in catalogue.shelf[changed:]:
        row.rating = 4
    folder = temporary_folder('backsync-bench-hardcover-')
    database = open_database(str(LibraryMaker(folder / 'templates').make(folder / 'library', books, COLUMNS)))
    figures: dict[str, float] = {}
    with hardcover_service(catalogue) as service:
        service.set_up()
        open_library = opener(database.new_api)

        def push() -> None:
            planned = plan_ratings(open_library, service.reporter, service.cancel, pace=service.pace)
            push_ratings(planned, open_library, service.reporter, service.cancel, pace=service.pace)

        def resolve() -> None:
            fetch_ids(open_library, service.reporter, service.cancel, pace=service.pace)

        for name, work in (('resolve', resolve), ('push', push), ('resolve again', resolve), ('push again', push)):
            service.new_pace()
            service.clock.time += 120
            units, waited = service.server.units, service.clock.waited
            work()
            figures[name] = service.server.units - units
            figures[f'{name}, seconds'] = service.clock.waited - waited
    database.close()
    return figures


def make_library(count: int, folder: Path) -> Path:
    """Make a library whose books have the identifiers of the stand-in's records. Returns its folder."""
    from harness.libraries import LibraryMaker
    from standins.bookfusion import generate_records

    books = [
        {'title': record.title, 'identifiers': {'bookfusion': record.book_id}} for record in generate_records(count)
    ]
    path = folder / f'library-{count}'
    return path if path.exists() else LibraryMaker(folder / f'templates-{count}').make(path, books, COLUMNS)


MEASURES: dict[str, Callable[..., dict[str, float]]] = {
    'fetch-ours': lambda count: measure_fetch(int(count), ours=True),
    'fetch-sequential': lambda count: measure_fetch(int(count), ours=False),
    'hardcover': lambda count, changed: measure_hardcover(int(count), int(changed)),
    'library': lambda count, library: measure_library(int(count), Path(library)),
    'log': lambda count: measure_log(int(count)),
    'start': measure_start,
    'window': lambda count, library: measure_window(int(count), Path(library)),
}


def in_separate_process(name: str, *arguments: object) -> dict[str, float]:
    command = [sys.executable, __file__, '--measure', name, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, encoding='utf-8', check=False)
    if done.returncode:
        raise SystemExit(f'bench: measuring {name} failed with exit code {done.returncode}')
    return json.loads(done.stdout.splitlines()[-1])


def median(runs: int, name: str, *arguments: object) -> dict[str, float]:
    """The median of every figure over several runs."""
    print(f'  {name} {" ".join(str(a) for a in arguments if not isinstance(a, Path))} ...', file=sys.stderr, flush=True)
    figures = [in_separate_process(name, *arguments) for _run in range(runs)]
    return {key: statistics.median(run[key] for run in figures) for key in figures[0]}


def copied(library: Path, folder: Path) -> Path:
    import shutil

    target = folder / f'copy-{time.monotonic_ns()}'
    shutil.copytree(library, target)
    return target


def on_copies(runs: int, name: str, count: int, library: Path, folder: Path) -> dict[str, float]:
    """The median of every figure over several runs, each on a new copy of the library."""
    print(f'  {name} {count} ...', file=sys.stderr, flush=True)
    figures = [in_separate_process(name, count, copied(library, folder)) for _run in range(runs)]
    return {key: statistics.median(run[key] for run in figures) for key in figures[0]}


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = ['| ' + ' | '.join(row) + ' |' for row in [header, *rows]]
    lines.insert(1, '|---' + '|---:' * (len(header) - 1) + '|')
    return '\n'.join(lines) + '\n'


def report_fetch(runs: int, sizes: list[int], compared: int) -> None:
    ours = {size: median(runs, 'fetch-ours', size) for size in sizes}
    sequential = median(runs, 'fetch-sequential', compared)
    mine = ours[compared]
    ratio = sequential['seconds'] / mine['seconds']
    print(f'Fetch of {compared:,} records: **{ratio:.1f} times faster** than page after page.\n')
    print(
        table(
            ('what', 'ours', 'sequential client', 'ratio'),
            [
                (
                    f'fetch {compared:,} records',
                    f'{mine["seconds"]:.2f} s',
                    f'{sequential["seconds"]:.2f} s',
                    f'{ratio:.1f}',
                ),
                ('requests', f'{mine["requests"]:.0f}', f'{sequential["requests"]:.0f}', ''),
                ('connections', f'{mine["connections"]:.0f}', f'{sequential["connections"]:.0f}', ''),
                ('memory it adds', f'{mine["memory"]:.0f} MB', f'{sequential["memory"]:.0f} MB', ''),
            ],
        )
    )
    print(
        table(
            ('records', 'seconds', 'ms a record', 'requests', 'most in flight', 'memory it adds'),
            [
                (
                    f'{size:,}',
                    f'{figures["seconds"]:.2f}',
                    f'{1000 * figures["seconds"] / size:.2f}',
                    f'{figures["requests"]:.0f}',
                    f'{figures["in_flight"]:.0f}',
                    f'{figures["memory"]:.0f} MB',
                )
                for size, figures in ours.items()
            ],
        )
    )


def report_library(runs: int, count: int, folder: Path) -> None:
    library = make_library(count, folder)
    figures = on_copies(runs, 'library', count, library, folder)
    bulk, single = figures['snapshot'], figures['one by one']
    print(
        table(
            (f'a library of {count:,} books', 'ours', 'one book after the other', 'ratio'),
            [
                ('read identifiers and columns', f'{bulk:.2f} s', f'{single:.2f} s', f'{single / bulk:.1f}'),
                ('match and plan', f'{figures["plan"]:.2f} s', '', ''),
                (f'write {figures["written books"]:,.0f} books', f'{figures["write"]:.2f} s', '', ''),
                ('second sync, nothing changed', f'{figures["second sync"]:.2f} s', '', ''),
            ],
        )
    )


def report_window(runs: int, count: int, folder: Path) -> None:
    library = make_library(count, folder)
    figures = on_copies(runs, 'window', count, library, folder)
    log = median(runs, 'log', 10_000)
    start = median(runs, 'start')
    print(
        table(
            ('the window', 'ours', 'a list that scrolls at every line'),
            [
                (f'longest gap in the event loop, {count:,} records', f'{1000 * figures["gap"]:.0f} ms', ''),
                ('longest gap while writing', f'{1000 * figures["gap while writing"]:.0f} ms', ''),
                ("during Calibre's own garbage collection", f'{1000 * figures["gap while collecting"]:.0f} ms', ''),
                ('writing, in all', f'{figures["write"]:.2f} s', ''),
                ("Calibre's refresh and recount", f'{1000 * figures["refresh"]:.0f} ms', ''),
                ('10,000 log lines', f'{log["log"]:.2f} s', f'1,000 lines: {log["list of 1000"]:.1f} s'),
                ('start-up: import and menu', f'{1000 * start["start"]:.0f} ms', ''),
            ],
        )
    )


# Units of other clients for 100 books with 100 changed ratings, and again without changes (counted in their sources).
RIVALS = (
    ('Hardcover Sync 0.5.0 (Calibre)', '501', '201'),
    ("jojuyo's Hardcover Sync 0.3.1 (Calibre)", '≈ 102', '≈ 102'),
    ('BookLoreSync (KOReader)', '≈ 300', ''),
    ('the least possible', '≈ 103', '3'),
)


def report_hardcover() -> None:
    rows = []
    for count, changed in ((100, 100), (100, 10), (1000, 50)):
        figures = median(1, 'hardcover', count, changed)
        cells = [f'{figures[name]:.0f}' for name in ('resolve', 'push', 'resolve again', 'push again')]
        rows.append((f'{count:,} books, {changed} changed ratings', *cells, f'{figures["push, seconds"]:.0f} s'))
        if (count, changed) == (100, 100):
            first = figures['resolve'] + figures['push']
            again = figures['resolve again'] + figures['push again']
    header = ('units of Hardcover', 'find the ids', 'push', 'find again', 'push again', 'waiting for the quota')
    print(table(header, rows))
    ours = ('ours', f'{first:.0f}', f'{again:.0f}')
    print(table(('100 books with an ISBN, units', 'first run', 'again, nothing changed'), [ours, *RIVALS]))


def machine() -> str:
    from calibre.constants import numeric_version

    model = platform.processor() or platform.machine()
    with_name = [line for line in Path('/proc/cpuinfo').read_text().splitlines() if line.startswith('model name')]
    model = with_name[0].split(':', 1)[1].strip() if with_name else model
    version = '.'.join(str(part) for part in numeric_version)
    return f'{model}, {os.cpu_count()} cores, Python {platform.python_version()}, Calibre {version}'


PARTS = ('fetch', 'library', 'window', 'hardcover')


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--runs', type=int, default=3, help='how often each figure is taken (3)')
    parser.add_argument('--quick', action='store_true', help='one run, small libraries: does it work at all')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=PARTS, help='only some of the tables')
    parser.add_argument('--measure', nargs='+', help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = temporary_folder('backsync-bench-')
    set_environment(folder)
    os.environ.setdefault('QT_QPA_PLATFORM', 'offscreen')
    own_network()
    find_calibre()
    install_plugin(ROOT / 'BookfusionBackSync.zip')
    if arguments.measure:
        name, *rest = arguments.measure
        print(json.dumps(MEASURES[name](*rest)))
        return 0
    runs = 1 if arguments.quick else arguments.runs
    sizes = [100, 1000] if arguments.quick else [1000, 10_000, 50_000]
    print(f'Measured on {machine()}; medians of {runs} runs.')
    print(
        f'The stand-in takes {LATENCIES["--latency"]} ms a request, {LATENCIES["--connection-latency"]} ms a new ',
        end='',
    )
    print(f'connection, {LATENCIES["--record-latency"]} ms a record; {PAGE_SIZE} records a page.\n', flush=True)
    if 'fetch' in arguments.parts:
        report_fetch(runs, sizes, sizes[-2] if arguments.quick else 10_000)
    if 'library' in arguments.parts:
        report_library(runs, sizes[-1], folder)
    if 'window' in arguments.parts:
        # About 60 % of the stand-in's records change a book, so this makes 10,000 changed books.
        report_window(runs, sizes[-1] if arguments.quick else 17_000, folder)
    if 'hardcover' in arguments.parts:
        report_hardcover()
    return 0


if __name__ == '__main__':
    sys.exit(main())
