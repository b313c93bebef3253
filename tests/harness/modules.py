"""The plugin's modules in the repository, found independently of the lists in the tools."""

from __future__ import annotations

from pathlib import Path

from harness.start import ROOT


def plugin_modules(root: Path = ROOT) -> dict[str, Path]:
    """The plugin's modules in the folder by name (`ui`, `base/text`), whether or not they are listed for the zip."""
    found = {path.stem: path for path in root.glob('*.py')}
    for folder in sorted(path.parent for path in root.glob('*/__init__.py')):
        if folder.name not in ('tests', 'tools'):
            found.update({f'{folder.name}/{path.stem}': path for path in folder.glob('*.py')})
    return found
