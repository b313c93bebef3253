# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands sign-in, sign-out and check: their options, output and questions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..base.cancel import Cancel
from ..base.durations import duration
from ..base.errors import Cancelled
from ..base.settings import load
from ..base.text import one_line, text
from .terminal import DONE, Commands, TerminalReporter, add_command, library_opener, on_signals, print_json

if TYPE_CHECKING:
    from ..jobs.browser_sign_in import DeviceCode
    from ..library.calibre_library import Library

ERASE_QUESTION = (
    'The password of the BookFusion account is stored in the settings and no longer needed. Erase it? [y/n] '
)
ERASED = 'The stored password was erased.'
KEPT = 'The stored password was kept; it is not used as long as you are signed in with a browser.'
NOBODY_TO_ASK = 'To erase it, run sign-in again on a terminal, or sign in again in Settings.'
STOPPED_WHEN_ASKED = text('Cancelled - you are signed in, and the stored password was kept.')


def add_account_commands(commands: Commands) -> None:
    words = 'sign in to BookFusion with a browser, on this computer or any other'
    parser = commands.add_parser('sign-in', help=words, description=words, allow_abbrev=False)
    parser.set_defaults(run=run_sign_in, json=False)
    words = 'forget the browser sign-in'
    parser = commands.add_parser('sign-out', help=words, description=words, allow_abbrev=False)
    parser.set_defaults(run=run_sign_out, json=False)
    words = 'look at every account and the library, change nothing, say whether a sync will work'
    parser = add_command(commands, 'check', run_check, words)
    parser.add_argument('--json', action='store_true', help='print what was found as JSON in the last line')


def run_sign_in(_arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Sign in with a browser, and offer to erase a stored password. Returns the exit code. Raises BackSyncError."""
    from ..jobs.browser_sign_in import sign_in

    loaded = load()
    for problem in loaded.problems:
        reporter.log(f'Note: {problem}')
    signed_in = sign_in(loaded.settings, show_code, lambda step: reporter.status(step.sentence), cancel)
    reporter.log(str(signed_in.sentence))
    if loaded.settings.password:
        offer_to_erase(reporter, cancel)
    return DONE


def show_code(code: DeviceCode) -> None:
    """Print the page to open and the code to enter. The code must not get into a log."""
    print(one_line(f'Open {code.page} in a browser, on any device, and enter this code: {code.user_code}'))
    if code.complete_page:
        print(one_line(f'Or open {code.complete_page}, where it is filled in.'))
    print(f'Waiting until you have done so; the code is good for {duration(code.expires_in)}.', flush=True)


def offer_to_erase(reporter: TerminalReporter, cancel: Cancel) -> None:
    """Ask whether to erase the stored password. Without a terminal it is kept, and a log line says so."""
    from ..jobs.browser_sign_in import erase_password

    if sys.stdin is None or not sys.stdin.isatty():
        reporter.log(KEPT)
        reporter.log(NOBODY_TO_ASK)
    elif _says_yes(ERASE_QUESTION, cancel):
        erase_password()
        reporter.log(ERASED)
    else:
        reporter.log(KEPT)


def _says_yes(question: str, cancel: Cancel) -> bool:
    """Ask until the answer is yes or no. The end of the input means no. Raises Cancelled."""
    try:
        with on_signals(_interrupt):
            cancel.check()
            while True:
                print(question, end='', file=sys.stderr, flush=True)
                answer = sys.stdin.readline()
                if not answer:
                    print(file=sys.stderr)
                    return False
                if answer.strip().lower() in ('y', 'yes', 'n', 'no'):
                    return answer.strip().lower().startswith('y')
    except (KeyboardInterrupt, Cancelled):
        print(file=sys.stderr)
        raise Cancelled(STOPPED_WHEN_ASKED) from None


def _interrupt() -> None:
    """Interrupt a wait for input, which the cancel flag alone would not end."""
    raise KeyboardInterrupt


def run_sign_out(_arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Delete the browser sign-in's token from the settings. Returns the exit code. Raises BackSyncError."""
    from ..jobs.browser_sign_in import NOT_SIGNED_IN_BEFORE, SIGNED_OUT, sign_out

    cancel.check()
    reporter.log(str(SIGNED_OUT if sign_out() else NOT_SIGNED_IN_BEFORE))
    return DONE


def run_check(arguments: argparse.Namespace, reporter: TerminalReporter, cancel: Cancel) -> int:
    """Run the check and print its report. Returns the exit code of its problem. Raises BackSyncError."""
    from ..jobs.check import check

    @contextmanager
    def open_library() -> Iterator[Library]:
        with library_opener(arguments, read_only=True)() as library:
            yield library

    report = check(open_library, reporter, cancel)
    for line in (*report.lines, report.verdict):
        reporter.log(str(line))
    if report.problem is not None:
        reporter.error(report.problem)
    if arguments.json:
        print_json(report.data)
    return DONE if report.problem is None else report.problem.exit_code
