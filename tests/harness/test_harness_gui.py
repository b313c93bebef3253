"""Calibre's GUI starts with the plugin, shows its button and quits normally; failures of a script are reported."""

from __future__ import annotations

from typing import Any

STARTS = """
def drive(gui, helpers):
    yield helpers.toolbar_button
    return {
        'text': helpers.toolbar_button().text(),
        'menu': helpers.toolbar_button().defaultAction().menu().actions()[0].text().replace('&', ''),
        'books': len(helpers.database.all_book_ids()),
        'argument': helpers.argument,
    }
"""

FAILS = """
from qt.core import QTimer

def drive(gui, helpers):
    def break_down():
        raise ZeroDivisionError('a slot that breaks')
    QTimer.singleShot(0, break_down)
    yield 5
"""

HANGS = """
def drive(gui, helpers):
    yield lambda: 'this never happens' == 0
"""

SHOWS_EXAMPLES = """
from harness.desk import LibraryWindow
from harness.dialogs import example_dialogs

def drive(gui, helpers):
    window = LibraryWindow(gui.current_db)
    return [name for name, make in example_dialogs(window) if make().grab().isNull()]
"""

FORGETS_A_DIALOG = """
from calibre.gui2 import info_dialog

def drive(gui, helpers):
    dialog = info_dialog(gui, 'A title', 'A message')
    dialog.open()
    yield dialog.isVisible
"""


def test_calibre_starts_with_the_plugin_and_quits(run_gui: Any, make_library: Any) -> None:
    done = run_gui(STARTS, make_library([{'title': 'Emma'}, {'title': 'Dracula'}]), argument=['a', 1])
    assert done.returncode == 0, done
    assert done.result == {'text': 'BookFusion Back Sync', 'menu': 'Sync now…', 'books': 2, 'argument': ['a', 1]}
    assert 'Failed to initialize plugin' not in done.stderr
    assert 'Traceback' not in done.stderr


def test_an_unhandled_exception_fails_the_run(run_gui: Any, make_library: Any) -> None:
    done = run_gui(FAILS, make_library())
    assert done.returncode == 70, done
    assert 'ZeroDivisionError: a slot that breaks' in done.stderr


def test_a_script_that_waits_for_ever_is_ended(run_gui: Any, make_library: Any) -> None:
    done = run_gui(HANGS, make_library(), timeout=14)
    assert done.returncode == 70, done
    assert 'TIME IS UP' in done.stderr
    assert 'this never happens' in done.stderr


def test_a_dialog_left_open_fails_the_run(run_gui: Any, make_library: Any) -> None:
    done = run_gui(FORGETS_A_DIALOG, make_library())
    assert done.returncode == 70, done
    assert 'A message' in done.stderr


def test_the_examples_for_screenshots_need_no_package_of_the_tests(
    run_gui: Any, make_library: Any, tmp_path: Any
) -> None:
    """Calibre's own Python shows them: `make screenshots` needs them there."""
    script = tmp_path / 'script.py'
    script.write_text(SHOWS_EXAMPLES)
    done = run_gui(script, make_library())
    assert (done.returncode, done.result) == (0, []), done.stderr
