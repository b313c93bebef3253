"""Collects everything that the plugin writes in the tests, so that the last test can search it for secrets.

Knows nothing about the plugin except which of its files contain secrets by design.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from harness.secrets import ALL, leaks

# The settings file (also if it was renamed because it is not JSON), and the file for the Hardcover token.
SECRET_BY_DESIGN = ('bookfusionbacksync.json', 'hardcover.token')
# Files of these types contain no text of the plugin.
UNINTERESTING = {'.zip', '.mo', '.epub', '.png', '.svg', '.rcc'}
LARGEST = 50_000_000


class Evidence:
    """A folder with outputs and copies of files, named after the test that they come from.

    Several processes may share the folder; each must have a different name.
    """

    def __init__(self, folder: Path, process: str = 'main') -> None:
        self.folder = folder / 'material'
        self.ended = folder / 'ended'
        self.known = folder / 'secrets'
        self.process = process
        self.numbers = itertools.count()
        for subfolder in (self.folder, self.ended, self.known):
            subfolder.mkdir(parents=True, exist_ok=True)

    def _place(self, source: str, name: str) -> Path:
        safe = ''.join(letter if letter.isalnum() or letter in '-_.' else '_' for letter in f'{source}-{name}')
        return self.folder / f'{self.process}-{next(self.numbers):06}-{safe[-150:]}'

    def add_secrets(self, secrets: Iterable[str]) -> None:
        """Add secrets to search for, such as the tokens that a stand-in issued during a test."""
        with (self.known / self.process).open('a', encoding='utf-8') as file:
            file.writelines(json.dumps(secret) + '\n' for secret in secrets)

    def secrets(self) -> set[str]:
        lines = itertools.chain.from_iterable(path.read_text('utf-8').splitlines() for path in self.known.iterdir())
        return {*ALL, *map(json.loads, lines)}

    def end(self) -> None:
        """Mark this process as ended: it adds nothing more."""
        (self.ended / self.process).touch()

    def wait_for_others(self, others: int, seconds: float) -> None:
        """Wait until so many processes have ended. Raises TimeoutError, which names those that have."""
        deadline = time.monotonic() + seconds
        while len(ended := sorted(path.name for path in self.ended.iterdir())) < others:
            if time.monotonic() > deadline:
                raise TimeoutError(f'{others} other processes should have ended by now, but only {ended} did')
            time.sleep(0.2)

    def add_output(self, source: str, name: str, text: str) -> None:
        """Store an output of a command, a test or a logger."""
        if text:
            self._place(source, name).write_text(text, encoding='utf-8', errors='surrogatepass')

    def add_folder(self, source: str, folder: Path) -> None:
        """Copy all files below a folder, except those that contain secrets by design."""
        for path in folder.rglob('*'):
            exempt = path.name.startswith(SECRET_BY_DESIGN) or path.suffix in UNINTERESTING
            if not exempt and path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
                shutil.copyfile(path, self._place(source, path.name))

    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    def leaks(self) -> dict[str, list[str]]:
        """The names of files that contain secrets, with the first characters of these secrets."""
        secrets = self.secrets()
        found = {path.name: leaks(path.read_bytes(), secrets) for path in self.files()}
        return {name: beginnings for name, beginnings in found.items() if beginnings}
