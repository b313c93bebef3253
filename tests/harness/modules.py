"""The modules of the plugin as they lie in the repository, found without the lists that its tools keep."""

from __future__ import annotations

from pathlib import Path

from harness.start import ROOT


def plugin_modules(root: Path = ROOT) -> dict[str, Path]:
    """Every module of the plugin that is in the folder, listed for the zip or not, by its name: `ui`, `base/text`."""
    found = {path.stem: path for path in root.glob('*.py')}
    for folder in sorted(path.parent for path in root.glob('*/__init__.py')):
        if folder.name not in ('tests', 'tools'):
            found.update({f'{folder.name}/{path.stem}': path for path in folder.glob('*.py')})
    return found
