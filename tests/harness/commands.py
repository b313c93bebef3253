"""Runs Calibre's command line programs with a separate configuration."""

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
    """The result of a command: exit code (negative: killed by that signal) and outputs, decoded as UTF-8."""

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
    """The path of one of Calibre's programs. Raises FileNotFoundError."""
    folder = getattr(sys, 'executables_location', None) or str(Path(sys.executable).parent)
    found = shutil.which(name, path=folder) or shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is not there; install Calibre's command line tools.")
    return found


def settings_path(config: Path) -> Path:
    return config / 'plugins' / f'{IMPORT_NAME}.json'


def write_settings(config: Path, settings: Settings) -> None:
    """Write the plugin's settings file."""
    path = settings_path(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(settings), indent=2), encoding='utf-8')
    path.chmod(0o600)


@contextmanager
def calibre_environment(config: Path, extra: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """The environment for a Calibre with this configuration and a temporary folder, which is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix='calibre-temp-', dir=config.parent) as temporary:
        # Calibre searches this folder for e-book readers. An empty one keeps it from the developer's own devices.
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
    """Run a command. After `timeout` seconds it is killed and TimeoutExpired, with its output so far, is raised."""
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
    """The command line that runs the installed plugin with these arguments."""
    return [executable('calibre-debug'), '-r', PLUGIN_NAME, '--', *arguments]
