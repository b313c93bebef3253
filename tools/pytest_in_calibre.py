"""Runs pytest inside Calibre's own Python interpreter, which official builds bring along on every system.

pip install --target FOLDER graphql-core hypothesis pytest pytest-qt pytest-timeout
python tools/pytest_in_calibre.py FOLDER [arguments of pytest]
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tests'))

from harness.start import FOLDER_VARIABLE, set_environment, temporary_folder


def outside(arguments: list[str]) -> int:
    """Start calibre-debug with a separate configuration. Calibre reads the environment before it runs this script."""
    calibre_debug = shutil.which('calibre-debug')
    if calibre_debug is None:
        print('pytest_in_calibre: calibre-debug is not on PATH.', file=sys.stderr)
        return 2
    folder = temporary_folder('backsync-tests-')
    set_environment(folder)
    os.environ[FOLDER_VARIABLE] = str(folder)
    return subprocess.call([calibre_debug, '--run-without-debug', '-e', __file__, '--', *arguments])


def inside(arguments: list[str]) -> int:
    # Appended, so that Calibre's own modules take precedence over those that pip installed with pytest.
    sys.path.append(str(Path(arguments[0]).absolute()))
    os.environ['PYTEST_QT_API'] = 'pyqt6'
    import pytest

    return int(pytest.main(arguments[1:]))


if __name__ == '__main__':
    sys.exit((inside if FOLDER_VARIABLE in os.environ else outside)(sys.argv[1:]))
