"""The command line: how it is used, what every start does, and Ctrl-C while it is being loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from calibre.utils.config import config_dir
from harness.bookfusion import account
from harness.command_line import BOOKS, one_line
from harness.commands import executable, settings_path, write_settings
from harness.secrets import TEST_HARDCOVER_TOKEN
from standins.bookfusion import BookFusionStandIn


class TestEveryStart:
    @pytest.mark.parametrize('command', ['sync', 'undo', 'hardcover-ids', 'sign-out', '--version', 'no-such-command'])
    def test_puts_the_settings_file_to_0600(self, quick_cli: Any, make_library: Any, command: str) -> None:
        path = settings_path(Path(config_dir))
        write_settings(Path(config_dir), {})
        path.chmod(0o664)
        quick_cli(command, *(() if command in {'--version', 'sign-out'} else ('--library', make_library(BOOKS))))
        assert path.stat().st_mode & 0o777 == 0o600


class TestUsage:
    @pytest.mark.parametrize(
        'arguments',
        [
            [],
            ['no-such-command'],
            ['sync', '--no-such-option'],
            ['sync', '--lib', 'x'],
            ['sync', '--library'],
            ['sync', 'too', 'many'],
            ['undo', '--dry-run'],
        ],
        ids=lambda arguments: ' '.join(arguments) or 'nothing',
    )
    def test_wrong_usage(self, quick_cli: Any, arguments: list[str]) -> None:
        done = quick_cli(*arguments)
        assert done.returncode == 2
        assert done.stdout == ''
        assert one_line(done.stderr).startswith('Error: Wrong usage (')
        assert done.stderr.endswith('). Run it with --help to see how it is used.\n')

    @pytest.mark.parametrize('command', ['sync', 'check', 'hardcover-ids', 'hardcover-ratings'])
    def test_wrong_usage_where_json_was_asked_for(self, quick_cli: Any, command: str) -> None:
        done = quick_cli(command, '--json', '--no-such\noption')
        assert done.returncode == 2
        assert done.stdout.splitlines() == [done.last_line]
        assert done.json == {'error': one_line(done.stderr).removeprefix('Error: ')}
        assert '--no-such option' in done.json['error']

    def test_version(self, run_cli: Any) -> None:
        done = run_cli('--version')
        assert (done.returncode, done.stderr) == (0, '')
        assert re.fullmatch(r'BookFusion Back Sync \d+\.\d+\.\d+\n', done.stdout)

    def test_help(self, quick_cli: Any) -> None:
        done = quick_cli('--help')
        assert done.returncode == 0
        for command in ('sync', 'undo'):
            assert command in done.stdout


WHAT_IS_LOADED = """
import sys
from calibre_plugins.bookfusionbacksync.command_line import program

program.main(sys.argv[1:])
print(*(name.partition('.bookfusionbacksync.')[2] for name in sys.modules), sep='\\n')
"""


@pytest.mark.parametrize(
    ('command', 'untouched'),
    [
        ('--version', {'gui', 'jobs', 'library', 'rules', 'services', 'transport'}),
        ('no-such-command', {'gui', 'jobs', 'library', 'rules', 'services', 'transport'}),
        ('undo', {'gui'}),
    ],
)
def test_a_command_loads_only_what_it_needs(
    started: Any, config_folder: Path, tmp_path: Path, command: str, untouched: set[str]
) -> None:
    script = tmp_path / 'loaded.py'
    script.write_text(WHAT_IS_LOADED)
    with started([executable('calibre-debug'), '-e', str(script), '--', command]) as process:
        output, _errors = process.communicate(timeout=30)
    packages = {name.partition('.')[0] for name in output.splitlines() if name}
    assert 'command_line' in packages
    assert not packages & untouched


# Sends Ctrl-C to itself while the plugin's own modules are being loaded: at the one that is named first.
INTERRUPTING_THE_START = """
import builtins, os, signal, sys
from calibre.customize.ui import find_plugin

where = sys.argv.pop(1)
plain_import = builtins.__import__
def interrupted(name, *given):
    if name == where:
        builtins.__import__ = plain_import
        os.kill(os.getpid(), signal.SIGINT)
    return plain_import(name, *given)

builtins.__import__ = interrupted
find_plugin('BookFusion Back Sync').cli_main(['BookFusion Back Sync'] + sys.argv[1:])
"""


@pytest.mark.parametrize(
    ('command', 'where'),
    [
        (['sync', '--json'], 'command_line.program'),
        (['undo'], 'command_line.program'),
        (['sync', '--json'], 'jobs.sync'),
        (['undo'], 'jobs.sync'),
        (['hardcover-ids'], 'hardcover'),
        (['hardcover-ratings'], 'hardcover'),
        (['check'], 'jobs.check'),
    ],
    ids=lambda given: given[0] if isinstance(given, list) else given,
)
def test_ctrl_c_while_the_plugin_is_being_loaded(
    make_library: Any,
    service: BookFusionStandIn,
    started: Any,
    config_folder: Path,
    tmp_path: Path,
    command: list[str],
    where: str,
) -> None:
    folder = make_library(BOOKS)
    hardcover = {'hardcover_token': TEST_HARDCOVER_TOKEN, 'hardcover_api_url': service.api_base}
    write_settings(config_folder, account(service, **hardcover))
    script = tmp_path / 'interrupting.py'
    script.write_text(INTERRUPTING_THE_START)
    whole = [executable('calibre-debug'), '-e', str(script), '--', where, *command, '--library', str(folder)]
    with started(whole) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (4, 'Cancelled - nothing was written.\n')
    assert output == ('{"error": "Cancelled - nothing was written."}\n' if '--json' in command else '')
    assert service.requests == []
