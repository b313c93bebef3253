# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line program: `calibre-debug -r "BookFusion Back Sync" -- COMMAND`.

Parses the arguments and runs one command. The options and the output of the commands are in the other modules here.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from ..base import errors, log_file
from ..base.about import PLUGIN_NAME, VERSION
from ..base.cancel import Cancel
from ..base.errors import WrongUsage
from ..base.settings import tidy
from .account import add_account_commands
from .hardcover_commands import add_hardcover_commands
from .sync_commands import add_sync_commands
from .terminal import DONE, FAILED, TerminalReporter, failed, stopping


class _Parser(argparse.ArgumentParser):
    """A parser that raises WrongUsage instead of printing its errors, so that `--json` applies to them too."""

    def error(self, message: str) -> NoReturn:
        raise WrongUsage(errors.WRONG_USAGE, what=' '.join(message.split()))


def build_parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog=f'calibre-debug -r "{PLUGIN_NAME}" --',
        description='Brings last-read dates from BookFusion into Calibre, and ratings on to Hardcover.',
        allow_abbrev=False,
    )
    parser.add_argument('--version', action='version', version=f'{PLUGIN_NAME} {VERSION}')
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    add_sync_commands(commands)
    add_hardcover_commands(commands)
    add_account_commands(commands)
    return parser


def main(argv: Sequence[str], stopped_early: Sequence[object] = ()) -> int:
    """Run one command and return its exit code. Errors are printed as one line; tracebacks go to the log only.

    `stopped_early` holds signals that arrived before this module was loaded; with any of them the command is cancelled.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors='backslashreplace')  # type: ignore[union-attr]
    cancel = Cancel()
    reporter = TerminalReporter()
    tidy()
    try:
        arguments = build_parser().parse_args(list(argv))
    except SystemExit as leaving:
        # argparse has printed the help or the version.
        return leaving.code if isinstance(leaving.code, int) else DONE
    except WrongUsage as error:
        return failed(error, '--json' in argv, reporter)
    log_file.start(verbose=bool(os.environ.get('CALIBRE_DEBUG')))
    with stopping(cancel):
        if stopped_early:
            cancel.set()
        try:
            cancel.check()
            return arguments.run(arguments, reporter, cancel)
        except BrokenPipeError:
            return FAILED
        except Exception as error:  # noqa: BLE001  (the user gets one line for any error)
            return failed(error, arguments.json, reporter)
        finally:
            log_file.stop()
