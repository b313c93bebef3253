"""The command line of the installed plugin, and the service it speaks to."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from calibre.utils.config import config_dir
from calibre_plugins.bookfusionbacksync.base import redaction
from calibre_plugins.bookfusionbacksync.command_line import program
from harness.commands import Finished, calibre_environment, write_settings
from harness.evidence import Evidence
from harness.secrets import TEST_PASSWORD
from standins.bookfusion import BookFusionStandIn, LibraryRecord


@pytest.fixture
def service(bookfusion: BookFusionStandIn) -> BookFusionStandIn:
    """Three records: one read to the end, one with a date that cannot be read, one that nobody has opened."""
    bookfusion.password = TEST_PASSWORD
    bookfusion.records = [
        LibraryRecord(
            11, 8902995, 'The Name of the Wind', position_updated_at='2024-11-03T22:30:15.000Z', percentage=100
        ),
        LibraryRecord(12, title='Emma', last_read_at='yesterday'),
        LibraryRecord(13, title='Walden'),
    ]
    return bookfusion


@pytest.fixture
def quick_cli(
    capsys: pytest.CaptureFixture[str],
    evidence: Evidence,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """As `run_cli`, but in this process, which saves the start of another Calibre; not for signals and encodings."""
    # As in a process of its own, only what this test's settings hold is blanked out.
    monkeypatch.setattr(redaction, '_known', set())
    monkeypatch.setattr(redaction, '_pattern', None)

    def run_it(*arguments: str | Path, settings: Mapping[str, Any] | None = None) -> Finished:
        if settings is not None:
            write_settings(Path(config_dir), settings)
        code = program.main([str(argument) for argument in arguments])
        done = Finished(code, *capsys.readouterr())
        evidence.add_output(request.node.nodeid, 'command-stdout', done.stdout)
        evidence.add_output(request.node.nodeid, 'command-stderr', done.stderr)
        return done

    return run_it


@pytest.fixture
def started(config_folder: Path, calibre_lock: Any) -> Callable[..., Any]:
    """`with started(command, ...) as process:` runs a command in the background, killed at the end of the block."""

    @contextmanager
    def start(command: list[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
        with calibre_lock.free_for_subprocess(), calibre_environment(config_folder) as environment:
            given = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True, 'env': environment, **more}
            process = subprocess.Popen(command, **given)
            try:
                yield process
            finally:
                process.kill()
                process.communicate()

    return start
