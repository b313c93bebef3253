"""Collects whatever the tests make the plugin write, so that one last test can look for secrets in all of it.

Knows nothing of the plugin but which of its files hold secrets by design.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable
from pathlib import Path

from harness.secrets import ALL, leaks

# The settings (also when set aside because they are not JSON) and the file a user puts the Hardcover token into.
SECRET_BY_DESIGN = ('bookfusionbacksync.json', 'hardcover.token')
# What neither holds text of ours nor is worth the copying.
UNINTERESTING = {'.zip', '.mo', '.epub', '.png', '.svg', '.rcc'}
LARGEST = 50_000_000


class Evidence:
    """A folder of outputs and copies of files, all in files named after the test they come from."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.numbers = itertools.count()
        self.secrets = set(ALL)
        folder.mkdir(parents=True, exist_ok=True)

    def _place(self, source: str, name: str) -> Path:
        safe = ''.join(letter if letter.isalnum() or letter in '-_.' else '_' for letter in f'{source}-{name}')
        return self.folder / f'{next(self.numbers):06}-{safe[-150:]}'

    def add_secrets(self, secrets: Iterable[str]) -> None:
        """Makes further secrets known: what a service gave out while a test ran."""
        self.secrets.update(secrets)

    def add_output(self, source: str, name: str, text: str) -> None:
        """Keeps an output: of a command, of a test, of a logger."""
        if text:
            self._place(source, name).write_text(text, encoding='utf-8', errors='surrogatepass')

    def add_folder(self, source: str, folder: Path) -> None:
        """Keeps copies of all files below a folder, but for those that hold secrets by design."""
        for path in folder.rglob('*'):
            exempt = path.name.startswith(SECRET_BY_DESIGN) or path.suffix in UNINTERESTING
            if not exempt and path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST:
                shutil.copyfile(path, self._place(source, path.name))

    def files(self) -> list[Path]:
        return sorted(self.folder.iterdir())

    def leaks(self) -> dict[str, list[str]]:
        """The files in which a secret stands, and the beginnings of the secrets."""
        found = {path.name: leaks(path.read_bytes(), self.secrets) for path in self.files()}
        return {name: secrets for name, secrets in found.items() if secrets}
