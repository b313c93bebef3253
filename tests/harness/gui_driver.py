"""Runs inside Calibre's process: prepares a first start without questions, drives the GUI by a script, quits.

Executed by `calibre-debug -e`. See gui.run_calibre for the form of a script.
"""

from __future__ import annotations

import faulthandler
import importlib.util
import inspect
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

# The script's own folder is first on the path, where secrets.py would hide the standard library's module.
HARNESS = Path(__file__).resolve().parent
sys.path[:] = [str(HARNESS.parent), *(folder for folder in sys.path if Path(folder).resolve() != HARNESS)]

from harness.screen import texts, visible_windows
from qt.core import QAbstractButton, QApplication, QTimer, QWidget

PLUGIN_NAME = 'BookFusion Back Sync'
FAILED = 70
TURN_MILLISECONDS = 10


class Helpers:
    """Functions for scripts."""

    def __init__(self, gui: Any, argument: Any) -> None:
        self.gui = gui
        self.argument = argument

    @property
    def action(self) -> Any:
        """The plugin's InterfaceAction."""
        return self.gui.iactions[PLUGIN_NAME]

    @property
    def database(self) -> Any:
        """The `new_api` of the open library."""
        return self.gui.current_db.new_api

    def window(self, class_name: str) -> QWidget | None:
        """The visible top-level window of this class, None if there is none. For use in a yielded condition."""
        return next((widget for widget in visible_windows() if type(widget).__name__ == class_name), None)

    def child(self, parent: QWidget, object_name: str, kind: type[QWidget] = QWidget) -> Any:
        """The child widget with this object name. Raises LookupError."""
        found = parent.findChild(kind, object_name)
        if found is None:
            raise LookupError(f'{type(parent).__name__} has no {kind.__name__} named {object_name!r}')
        return found

    def click(self, button: QAbstractButton) -> None:
        """Click a button. Raises RuntimeError if it is hidden or disabled."""
        if not (button.isVisible() and button.isEnabled()):
            raise RuntimeError(f'cannot click {button.objectName() or button!r}: hidden or disabled')
        button.click()

    def on_modal(self, respond: Callable[[QWidget], Any], seconds: float = 10) -> None:
        """Call `respond(dialog)` as soon as a modal dialog is open. Use it before a call that blocks in the dialog."""
        deadline = time.monotonic() + seconds

        def look() -> None:
            dialog = QApplication.activeModalWidget()
            if dialog is not None and dialog.isVisible():
                respond(dialog)
            elif time.monotonic() < deadline:
                QTimer.singleShot(TURN_MILLISECONDS, look)
            else:
                raise TimeoutError(f'no modal dialog within {seconds} s')

        QTimer.singleShot(0, look)

    def texts(self, widget: QWidget) -> list[str]:
        return texts(widget)

    def grab(self, widget: QWidget, path: str | Path) -> None:
        """Save a picture of the widget as PNG. Raises OSError."""
        if not widget.grab().save(str(path)):
            raise OSError(f'cannot save {path}')

    def toolbar_button(self) -> QAbstractButton | None:
        """The plugin's button on the main toolbar, None if there is none."""
        for bar in self.gui.bars_manager.bars:
            if button := bar.widgetForAction(self.action.qaction):
                return button
        return None


class Driver:
    """Runs a script step by step in the event loop, and ends the process in any case.

    A generator yields None to continue in a moment, a number to continue after so many seconds, or a function without
    arguments to continue as soon as it returns a true value, which is the value of the `yield` expression.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.deadline = time.monotonic() + order['seconds']
        self.gui: Any = None
        self.steps: Iterator[Any] | None = None
        self.waiting_for: Callable[[], Any] | None = None

    def fail(self, *lines: str) -> NoReturn:
        """End the process at once. Otherwise Calibre would show the exception in a modal dialog and wait for ever."""
        for line in lines:
            print(line, file=sys.stderr)
        for window in visible_windows():
            print(f'window {type(window).__name__}: {texts(window)}', file=sys.stderr)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(FAILED)

    def unhandled(self, kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        self.fail('UNHANDLED EXCEPTION', *traceback.format_exception(kind, error, trace))

    def started(self, gui: Any) -> None:
        """Start the script. Calibre calls this when the main window is complete."""
        self.gui = gui
        # Calibre has just installed its own hook, which opens a dialog.
        sys.excepthook = self.unhandled
        self.watch()
        QTimer.singleShot(0, self.begin)

    def watch(self) -> None:
        if time.monotonic() > self.deadline:
            waiting = inspect.getsource(self.waiting_for) if self.waiting_for else 'nothing'
            self.fail(f'TIME IS UP after {self.order["seconds"]} s, while waiting for: {waiting}')
        QTimer.singleShot(200, self.watch)

    def begin(self) -> None:
        spec = importlib.util.spec_from_file_location('script', self.order['script'])
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        outcome = module.drive(self.gui, Helpers(self.gui, self.order['argument']))
        if inspect.isgenerator(outcome):
            self.steps = outcome
            self.go_on(None)
        else:
            self.finish(outcome)

    def go_on(self, value: Any) -> None:
        assert self.steps is not None
        self.waiting_for = None
        try:
            wish = self.steps.send(value)  # type: ignore[attr-defined]
        except StopIteration as end:
            self.finish(end.value)
            return
        if callable(wish):
            self.waiting_for = wish
            self.wait(wish)
        else:
            QTimer.singleShot(TURN_MILLISECONDS if wish is None else int(wish * 1000), lambda: self.go_on(None))

    def wait(self, condition: Callable[[], Any]) -> None:
        if value := condition():
            self.go_on(value)
        else:
            QTimer.singleShot(TURN_MILLISECONDS, lambda: self.wait(condition))

    def finish(self, result: Any) -> None:
        Path(self.order['result']).write_text(json.dumps(result), encoding='utf-8')
        if (dialog := QApplication.activeModalWidget()) is not None:
            self.fail(f'the script ended with a modal dialog open: {texts(dialog)}')
        self.gui.quit(confirm_quit=False)


def prepare_first_start() -> None:
    """Switch off the welcome wizard, the sample book and the splash screen; put the plugin's button on the toolbar."""
    from calibre.gui2 import gprefs
    from calibre.utils.config import dynamic

    dynamic['welcome_wizard_was_run'] = True
    gprefs['quick_start_guide_added'] = True
    gprefs['show_splash_screen'] = False
    for layout in ('action-layout-toolbar', 'action-layout-menubar'):
        if PLUGIN_NAME not in gprefs[layout] and (gprefs[layout] or layout.endswith('toolbar')):
            gprefs[layout] = (PLUGIN_NAME, *gprefs[layout])


def main() -> int:
    order = json.loads(Path(sys.argv[-1]).read_text(encoding='utf-8'))
    faulthandler.enable()
    # For a main thread that hangs outside the event loop, where no timer fires.
    faulthandler.dump_traceback_later(order['seconds'] + 5, exit=True)
    sys.path.insert(0, order['modules'])
    prepare_first_start()
    driver = Driver(order)

    from calibre.gui2 import main as calibre_main

    start_gui = calibre_main.GuiRunner.start_gui

    def start_and_drive(runner: Any, database: Any) -> None:
        sys.excepthook = driver.unhandled
        try:
            start_gui(runner, database)
        except Exception:  # noqa: BLE001 - the test must report any exception, and end
            driver.fail('CALIBRE DID NOT START', traceback.format_exc())
        driver.started(runner.main)

    def start_failed(_runner: Any, title: str, message: str, det_msg: str = '') -> None:
        driver.fail(title, message, det_msg)

    calibre_main.GuiRunner.start_gui = start_and_drive
    calibre_main.GuiRunner.show_error = start_failed
    code = calibre_main.main(['calibre', '--with-library', order['library'], '--no-update-check'])
    faulthandler.cancel_dump_traceback_later()
    if driver.gui is None:
        print('Calibre ended before its main window was there: does another one run?', file=sys.stderr)
        return FAILED
    return code or 0


if __name__ == '__main__':
    sys.exit(main())
