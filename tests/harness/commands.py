"""Runs Calibre's command line programs on a configuration of their own, as a user would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.start import IMPORT_NAME, PLUGIN_NAME

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Finished:
    """How a command ended: exit code (negative: killed by that signal) and what it wrote, decoded as UTF-8."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        return self.stdout.rstrip('\n').rpartition('\n')[2]

    @property
    def json(self) -> Any:
        """The JSON object that `--json` prints as the last line."""
        return json.loads(self.last_line)


def executable(name: str) -> str:
    """One of Calibre's programs: beside the running interpreter, where Calibre says, or on PATH."""
    folder = getattr(sys, 'executables_location', None) or str(Path(sys.executable).parent)
    found = shutil.which(name, path=folder) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not there; install Calibre's command line tools.")
    return found


def settings_path(config: Path) -> Path:
    return config / 'plugins' / f'{IMPORT_NAME}.json'


def write_settings(config: Path, settings: Settings) -> None:
    """Replaces the plugin's settings file."""
    path = settings_path(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(settings), indent=2), encoding='utf-8')
    path.chmod(0o600)


@contextmanager
def calibre_environment(config: Path, extra: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """The environment for a Calibre of its own: this configuration, and a folder for temporary files, then removed."""
    with tempfile.TemporaryDirectory(prefix='calibre-temp-', dir=config.parent) as temporary:
        # Calibre looks there for e-book readers: it finds none, and so leaves the developer's own alone.
        devices = Path(temporary, 'sys', 'bus', 'usb', 'devices')
        devices.mkdir(parents=True)
        yield {
            **os.environ,
            'CALIBRE_CONFIG_DIRECTORY': str(config),
            'CALIBRE_TEMP_DIR': temporary,
            'SYSFS_PATH': str(devices.parents[2]),
            'PYTHONFAULTHANDLER': '1',
            **(extra or {}),
        }


def run(
    command: list[str],
    environment: Mapping[str, str],
    timeout: float,
    stdin: str | None = None,
    cwd: Path | None = None,
) -> Finished:
    """Runs a command to its end; after `timeout` seconds it is killed, and TimeoutExpired shows what it had written."""
    done = subprocess.run(
        command,
        env=dict(environment),
        cwd=cwd,
        input=stdin or '',
        timeout=timeout,
        capture_output=True,
        encoding='utf-8',
        errors='replace',
        check=False,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def plugin_command(*arguments: str) -> list[str]:
    """The command line that hands the arguments to the installed plugin."""
    return [executable('calibre-debug'), '-r', PLUGIN_NAME, '--', *arguments]
