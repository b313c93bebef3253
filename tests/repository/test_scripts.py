"""The shell scripts: what they ask of the machine they run on."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from harness.start import ROOT

SCRIPTS = [ROOT / '.ci' / 'run', ROOT / 'Makefile', *ROOT.glob('tools/*.sh'), *ROOT.glob('.github/**/*.yml')]
# What ends before it has read everything: whoever writes into it then may fail of that.
LEAVES_EARLY = re.compile(
    r'(?<!\|)\|\s*(?:head\b|[ef]?grep\s+(?:-\S+\s+)*(?:-\w*[qm]|--quiet|--max-count)|sed\s[^|]*(?<![a-z/])q\b)'
)


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder for the front of PATH with every program that setup.sh looks for, all of which do nothing."""
    folder = tmp_path / 'programs'
    folder.mkdir()
    for name in ('calibre-debug', 'calibredb', 'xvfb-run', 'xauth', 'openssl', 'fc-list'):
        script(folder / name, '')
    script(folder / 'apt-get', f'echo "$@" >>{tmp_path}/apt')
    script(folder / 'sudo', '"$@"')
    return folder


def script(path: Path, body: str) -> None:
    path.write_text(f'#!/bin/sh\n{body}\n')
    path.chmod(0o755)


def wanted_packages(programs: Path) -> str:
    """What setup.sh lets apt do."""
    environment = {**os.environ, 'PATH': f'{programs}:{os.environ["PATH"]}', 'TMPDIR': str(programs)}
    done = subprocess.run(
        ['bash', str(ROOT / 'tools' / 'setup.sh'), 'calibre'],
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done
    asked = programs.parent / 'apt'
    return asked.read_text() if asked.exists() else ''


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='setup.sh is for Debian and its kin')
class TestFonts:
    def test_however_many_there_are_none_is_installed(self, programs: Path) -> None:
        # More than a pipe takes: a reader that leaves early is seen to.
        script(programs / 'fc-list', 'seq -f "/usr/share/fonts/%06.0f.ttf: Serif:style=Regular" 20000')
        assert 'fonts' not in wanted_packages(programs)

    @pytest.mark.parametrize('body', ['', 'exit 127'], ids=['none found', 'not there'])
    def test_where_there_is_none_one_is_installed(self, programs: Path, body: str) -> None:
        script(programs / 'fc-list', body)
        assert 'install -q -y --no-install-recommends fonts-dejavu-core' in wanted_packages(programs)


@pytest.mark.parametrize('path', SCRIPTS, ids=lambda path: path.name)
def test_no_pipe_ends_in_a_program_that_leaves_early(path: Path) -> None:
    code = re.sub(r'^\s*#.*$', '', path.read_text(encoding='utf-8'), flags=re.MULTILINE)
    assert LEAVES_EARLY.findall(code) == []


def test_programs_that_leave_early_are_found() -> None:
    for line in (
        'fc-list | grep -q .',
        'a | grep -v b | head -n 1',
        'a |grep -o -m 1 b',
        'a | sed 5q',
        "a | sed -n '2{p;q}'",
    ):
        assert LEAVES_EARLY.search(line), line
    for line in (
        'a || head -1 b',
        'if grep -q x /etc/os-release',
        'a | tail -n 1',
        "a | sed 's/b/q/'",
        'grep -o a | tr -d q',
    ):
        assert not LEAVES_EARLY.search(line), line
