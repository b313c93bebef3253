"""Starts Calibre's GUI in a separate process, where a script drives it from inside.

Does not use pytest, so that tools can use it too. The part that runs inside that process is gui_driver.py.
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
# The driver stops so many seconds before the process would be killed, and prints the open windows.
GRACE_SECONDS = 10


@dataclass(frozen=True)
class GuiRun(Finished):
    """The result of a run of Calibre. `result` is what the script returned, None if it failed or returned nothing."""

    result: Any = None


def script_path(script: str | Path, folder: Path) -> Path:
    """The path of a script. Source text is written to a file in `folder` first."""
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
    """Start Calibre on a library, call the script's `drive(gui, helpers)`, quit, and wait for the end.

    `drive` may be a generator; the values that it yields say when to continue (see gui_driver.Driver). Its return value
    is the result, and `argument` is passed as `helpers.argument`; both must be JSON values. A script can import the
    packages of the tests: harness, standins, whole_gui.scripts. Exit code 0 means that neither the script nor Calibre
    raised an exception and that Calibre quit normally.
    """
    with (
        tempfile.TemporaryDirectory(prefix='gui-', dir=config.parent) as scratch,
        calibre_environment(config, environment) as full_environment,
    ):
        folder = Path(scratch)
        order = folder / 'order.json'
        result_file = folder / 'result.json'
        path = script_path(script, folder)
        order.write_text(
            json.dumps(
                {
                    'script': str(path),
                    'modules': str(DRIVER.parents[1]),
                    'library': str(library),
                    'argument': argument,
                    'result': str(result_file),
                    'seconds': max(timeout - GRACE_SECONDS, timeout / 2),
                }
            )
        )
        command = [executable('calibre-debug'), '--run-without-debug', '-e', str(DRIVER), '--', str(order)]
        done = run(command, full_environment, timeout)
        result = json.loads(result_file.read_text(encoding='utf-8')) if result_file.exists() else None
        return GuiRun(done.returncode, done.stdout, done.stderr, result)
