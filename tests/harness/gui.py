"""Starts the whole of Calibre in a process of its own and lets a script drive it from inside.

Free of pytest, so that tools can use it too; what happens inside the process is in gui_driver.py.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.commands import Finished, calibre_environment, executable, run

DRIVER = Path(__file__).with_name('gui_driver.py')
# The driver gives up by itself, and says what it sees, this long before the process is killed from outside.
GRACE_SECONDS = 10


@dataclass(frozen=True)
class GuiRun(Finished):
    """How Calibre ended, and what the script returned (None where it returned nothing or failed)."""

    result: Any = None


def script_path(script: str | Path, folder: Path) -> Path:
    """A script given as a path is used where it is; one given as source text is written to the folder."""
    if isinstance(script, Path):
        return script
    path = folder / 'script.py'
    path.write_text(script, encoding='utf-8')
    return path


def run_calibre(
    script: str | Path,
    library: Path,
    config: Path,
    *,
    argument: Any = None,
    environment: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> GuiRun:
    """Starts Calibre on a library, calls `drive(gui, helpers)` of the script, quits, and waits for the end.

    `drive` may be a generator: what it yields says when it goes on (see gui_driver.Driver). Its return value, which
    must be fit for JSON, is the result; `argument`, fit for JSON too, is `helpers.argument` there. A script can
    import what the tests can: harness, standins, whole_gui.scripts. Exit code 0 means that the script ended without an
    exception, no exception was left unhandled, and Calibre quit in good order.
    """
    with (
        tempfile.TemporaryDirectory(prefix='gui-', dir=config.parent) as scratch,
        calibre_environment(config, environment) as full_environment,
    ):
        folder = Path(scratch)
        order = folder / 'order.json'
        answer = folder / 'answer.json'
        path = script_path(script, folder)
        order.write_text(
            json.dumps(
                {
                    'script': str(path),
                    'modules': str(DRIVER.parents[1]),
                    'library': str(library),
                    'argument': argument,
                    'answer': str(answer),
                    'seconds': max(timeout - GRACE_SECONDS, timeout / 2),
                }
            )
        )
        command = [executable('calibre-debug'), '--run-without-debug', '-e', str(DRIVER), '--', str(order)]
        done = run(command, full_environment, timeout)
        result = json.loads(answer.read_text(encoding='utf-8')) if answer.exists() else None
        return GuiRun(done.returncode, done.stdout, done.stderr, result)
