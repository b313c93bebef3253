"""Starts Calibre for the tests, and provides fixtures: libraries, commands, the whole GUI, the stand-in services.

See the docstring of each fixture. Their parts are in tests/harness.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))

# `start` must run before anything of Calibre is imported.
from harness.start import EVIDENCE_VARIABLE, IMPORT_NAME, start

SESSION = start()

from calibre.db.legacy import LibraryDatabase
from calibre.utils.config import config_dir
from harness.commands import Finished, Settings, calibre_environment, plugin_command, run, write_settings
from harness.evidence import Evidence
from harness.gui import GuiRun, run_calibre
from harness.libraries import DEFAULT_COLUMNS, Book, Columns, LibraryMaker
from harness.lock import CalibreLock
from harness.modal import ModalWatchdog
from harness.secrets import TEST_PASSWORD, TEST_USER_TOKEN

if TYPE_CHECKING:
    from harness.desk import Answers, Browser, MainDesk
    from standins.bookfusion import BookFusionStandIn

# Set in the workers of pytest-xdist only.
WORKER = os.environ.get('PYTEST_XDIST_WORKER')
EVIDENCE = Evidence(SESSION.evidence, WORKER or 'main')
# A slow machine must not fail a test.
hypothesis.settings.register_profile('patient', deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile('patient')
LAST_MODULE = 'test_secrets_everywhere.py'


def pytest_configure() -> None:
    """Let pytest-xdist's workers, which inherit the environment, store their evidence in the same folder."""
    os.environ[EVIDENCE_VARIABLE] = str(SESSION.evidence)


def pytest_sessionfinish() -> None:
    EVIDENCE.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the search for secrets last, after everything has been written."""
    items.sort(key=lambda item: item.path.name == LAST_MODULE)


def encodable(text: str) -> str:
    return text.encode('utf-8', 'backslashreplace').decode('utf-8')


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Escape lone surrogates, which some tests use, so that a report can be sent from a worker to the main process."""
    report = yield
    report.sections = [(title, encodable(text)) for title, text in report.sections]
    if report.longrepr is not None and encodable(said := str(report.longrepr)) != said:
        report.longrepr = encodable(said)
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Store what every phase of a test printed and logged."""
    for title, text in report.sections:
        EVIDENCE.add_output(report.nodeid, title, text)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Close modal dialogs that no test answers: pytest's time-out does not interrupt their event loop."""
    watchdog = ModalWatchdog.start()
    try:
        yield
    finally:
        unanswered = watchdog.stop() if watchdog else []
    if unanswered:
        pytest.fail(f'left unanswered in a modal dialog: {unanswered}', pytrace=False)


@pytest.fixture(scope='session')
def qapp_cls() -> type:
    """Calibre's application class for pytest-qt, with Calibre's icons, fonts and palette."""
    from calibre.gui2 import Application

    return Application


@pytest.fixture(scope='session')
def qapp_args() -> list[str]:
    return []


@pytest.fixture(scope='session')
def evidence() -> Evidence:
    """Everything that the plugin has written in the tests so far."""
    return EVIDENCE


@pytest.fixture(scope='session')
def calibre_lock() -> CalibreLock:
    return CalibreLock(SESSION.isolated)


@pytest.fixture
def calibre_is_running(calibre_lock: CalibreLock) -> Iterator[None]:
    """Holds Calibre's per-user lock during the test, as a running Calibre does."""
    with calibre_lock.hold():
        yield


@pytest.fixture(scope='session')
def plugin_zip() -> Path:
    """The zip that was built and installed for this run."""
    return SESSION.zip


@pytest.fixture(autouse=True)
def clean_settings(request: pytest.FixtureRequest) -> Iterator[None]:
    """Gives each test the plugin's default settings, and no log file, no undo records and no caches."""
    folder = Path(config_dir, 'plugins', IMPORT_NAME)
    from calibre_plugins.bookfusionbacksync.base import log_file

    log_file.stop()
    shutil.rmtree(folder, ignore_errors=True)
    for left in Path(config_dir, 'plugins').glob(f'{IMPORT_NAME}.json*'):
        left.unlink()
    yield
    if folder.exists():
        EVIDENCE.add_folder(request.node.nodeid, folder)


class MakeLibrary(Protocol):
    def __call__(self, books: Sequence[Book] = ..., columns: Columns = ...) -> Path: ...


@pytest.fixture(scope='session')
def library_maker(tmp_path_factory: pytest.TempPathFactory) -> LibraryMaker:
    return LibraryMaker(tmp_path_factory.mktemp('library-templates'))


@pytest.fixture
def make_library(library_maker: LibraryMaker, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[MakeLibrary]:
    """`make_library(books, columns)` makes a real Calibre library and returns its folder; see LibraryMaker.make.

    The default columns are #dateread (a date) and #completed (yes/no). `columns` replaces them: {"#note": "text"}, or,
    with more arguments of create_custom_column,
    {"#state": {"datatype": "enumeration", "display": {"enum_values": ["Read"]}}}.
    """
    made: list[Path] = []

    def make(books: Sequence[Book] = (), columns: Columns = DEFAULT_COLUMNS) -> Path:
        made.append(library_maker.make(tmp_path / f'Library {len(made) + 1}', books, columns))
        return made[-1]

    yield make
    for folder in made:
        EVIDENCE.add_folder(request.node.nodeid, folder)


@pytest.fixture
def open_library() -> Iterator[Callable[[Path], LibraryDatabase]]:
    """`open_library(folder)` returns Calibre's LibraryDatabase, which is closed after the test; see its `new_api`."""
    opened: list[LibraryDatabase] = []

    def open_it(folder: Path) -> LibraryDatabase:
        opened.append(LibraryDatabase(str(folder)))
        return opened[-1]

    yield open_it
    for database in reversed(opened):
        database.close()


@pytest.fixture(scope='session')
def config_template() -> Path:
    """A copy of this process's configuration with the plugin installed, before any test has changed it."""
    template = SESSION.folder / 'config-template'
    shutil.copytree(SESSION.config, template, ignore=shutil.ignore_patterns(f'{IMPORT_NAME}*'))
    return template


@pytest.fixture
def config_folder(config_template: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A configuration folder for this test's subprocesses, with the plugin installed and no settings yet."""
    folder = tmp_path / 'calibre-config'
    shutil.copytree(config_template, folder)
    # Calibre stores the path of a plugin's zip. A test that removes the plugin must remove its own copy only.
    noted = folder / 'customize.py.json'
    noted.write_text(noted.read_text(encoding='utf-8').replace(str(SESSION.config), str(folder)), encoding='utf-8')
    yield folder
    EVIDENCE.add_folder(request.node.nodeid, folder)


class RunCommand(Protocol):
    def __call__(
        self,
        *arguments: str | Path,
        settings: Settings | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 60,
    ) -> Finished: ...


@pytest.fixture
def run_cli(config_folder: Path, calibre_lock: CalibreLock, request: pytest.FixtureRequest) -> RunCommand:
    """`run_cli("sync", "--library", folder, settings={...})` runs the installed plugin's command line.

    `settings` replaces the settings file first; without it the file stays unchanged. `env` is added to the
    environment. The configuration is the test's `config_folder`.
    """

    def run_it(
        *arguments: str | Path,
        settings: Settings | None = None,
        env: Mapping[str, str] | None = None,
        stdin: str | None = None,
        timeout: float = 60,
    ) -> Finished:
        if settings is not None:
            write_settings(config_folder, settings)
        with calibre_lock.free_for_subprocess(), calibre_environment(config_folder, env) as environment:
            done = run(plugin_command(*map(str, arguments)), environment, timeout, stdin)
            EVIDENCE.add_folder(request.node.nodeid, Path(environment['CALIBRE_TEMP_DIR']))
        EVIDENCE.add_output(request.node.nodeid, 'command-stdout', done.stdout)
        EVIDENCE.add_output(request.node.nodeid, 'command-stderr', done.stderr)
        return done

    return run_it


class RunGui(Protocol):
    def __call__(
        self,
        script: str | Path,
        library: Path,
        *,
        settings: Settings | None = None,
        argument: Any = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> GuiRun: ...


@pytest.fixture
def run_gui(config_folder: Path, calibre_lock: CalibreLock, request: pytest.FixtureRequest) -> RunGui:
    """`run_gui(script, library, settings={...})` starts the whole of Calibre and drives it; see gui.run_calibre."""

    def run_it(
        script: str | Path,
        library: Path,
        *,
        settings: Settings | None = None,
        argument: Any = None,
        env: Mapping[str, str] | None = None,
        timeout: float = 60,
    ) -> GuiRun:
        if settings is not None:
            write_settings(config_folder, settings)
        with calibre_lock.free_for_subprocess():
            done = run_calibre(script, library, config_folder, argument=argument, environment=env, timeout=timeout)
        EVIDENCE.add_output(request.node.nodeid, 'gui-stdout', done.stdout)
        EVIDENCE.add_output(request.node.nodeid, 'gui-stderr', done.stderr)
        return done

    return run_it


@pytest.fixture
def in_good_order() -> Callable[[GuiRun], Any]:
    """`in_good_order(done)` asserts that Calibre ended without an error, and returns the script's result."""

    def look(done: GuiRun) -> Any:
        assert done.returncode == 0, done.stderr
        for bad in ('Traceback', 'QThread', 'Failed to initialize plugin', 'QObject::', 'QBasicTimer', 'Fatal'):
            assert bad not in done.stderr, done.stderr
        EVIDENCE.add_secrets(done.result['secrets'])
        assert done.result['violations'] == []
        assert done.result['server_errors'] == []
        return done.result

    return look


@pytest.fixture
def bookfusion() -> Iterator[BookFusionStandIn]:
    """A local stand-in for BookFusion in threads of this process. Its account has the tests' secrets."""
    from standins.bookfusion import BookFusionStandIn

    with BookFusionStandIn(password=TEST_PASSWORD, token=TEST_USER_TOKEN) as service:
        yield service
        EVIDENCE.add_secrets(service.secrets)


class OpenDesk(Protocol):
    def __call__(self, library: Path, **settings: Any) -> MainDesk: ...


@pytest.fixture
def open_desk(
    qtbot: Any, bookfusion: BookFusionStandIn, open_library: Callable[[Path], LibraryDatabase]
) -> Iterator[OpenDesk]:
    """`open_desk(library, completed_column='#completed')` opens the plugin's dialog on a library; see desk.MainDesk.

    The settings are an account on the stand-in and the keyword arguments.
    """
    from calibre_plugins.bookfusionbacksync.base import settings as plugin_settings
    from harness.bookfusion import account
    from harness.desk import MainDesk

    opened: list[MainDesk] = []

    def open_it(library: Path, **settings: Any) -> MainDesk:
        plugin_settings.save(account(bookfusion, **settings))
        opened.append(MainDesk(qtbot, open_library(library)))
        return opened[-1]

    yield open_it
    for desk in opened:
        desk.close()


@pytest.fixture
def answers(qtbot: Any) -> Iterator[Answers]:
    """`answers(lambda dialog: dialog.accept())` before a call that opens a modal dialog; see desk.Answers."""
    from harness.desk import Answers

    made = Answers()
    yield made
    made.stop()


@pytest.fixture
def browser(qapp: Any) -> Iterator[Browser]:
    """Records the URLs that the plugin would open in a browser; see desk.Browser."""
    from harness.desk import Browser

    with Browser() as catcher:
        yield catcher
