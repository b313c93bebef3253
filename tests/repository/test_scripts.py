"""The shell scripts: what they ask of the machine they run on, and that they see every module."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import build_zip
import pytest
from harness.modules import plugin_modules
from harness.start import ROOT

SCRIPTS = [ROOT / '.ci' / 'run', ROOT / 'Makefile', *ROOT.glob('tools/*.sh'), *ROOT.glob('.github/**/*.yml')]
RUFF = ROOT / '.venv' / 'bin' / 'ruff'
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


# Stand where lint.sh looks for its tools, and note which modules they were given.
RECORDING_MYPY = 'cd "$1" && find -L . -name "*.py" | sed "s|^./||" >{notes}/types'
RECORDING_PYTHON310 = 'case "$2" in *compile*) shift 2; printf "%s\\n" "$@" >{notes}/compiled ;; esac'


@pytest.mark.skipif(sys.platform == 'win32', reason='lint.sh is a shell script')
def test_every_module_is_typed_and_compiled_for_python_310(tmp_path: Path) -> None:
    copy, programs = tmp_path / 'repository', tmp_path / 'programs'
    for folder in (copy / '.venv' / 'bin', copy / 'tools', programs):
        folder.mkdir(parents=True)
    build_zip.copy_sources(ROOT, copy)
    for name in ('lint.sh', 'build_zip.py'):
        shutil.copy(ROOT / 'tools' / name, copy / 'tools')
    script(copy / '.venv' / 'bin' / 'python', f'exec {shutil.which("python3")} "$@"')
    script(copy / '.venv' / 'bin' / 'ruff', '')
    script(copy / '.venv' / 'bin' / 'mypy', RECORDING_MYPY.format(notes=tmp_path))
    script(programs / 'python3.10', RECORDING_PYTHON310.format(notes=tmp_path))
    environment = {**os.environ, 'PATH': f'{programs}:{os.environ["PATH"]}'}
    subprocess.run([copy / 'tools' / 'lint.sh'], env=environment, check=True, capture_output=True, timeout=60)
    for notes in ('types', 'compiled'):
        assert set((tmp_path / notes).read_text().splitlines()) == {f'{name}.py' for name in plugin_modules()}, notes


@pytest.mark.skipif(not RUFF.exists(), reason='ruff is in the environment that `make setup` makes')
def test_ruff_looks_at_every_module() -> None:
    done = subprocess.run([RUFF, 'check', '--show-files', '.'], cwd=ROOT, check=True, capture_output=True, text=True)
    seen = {Path(line).relative_to(ROOT).as_posix() for line in done.stdout.splitlines()}
    assert seen >= {f'{name}.py' for name in plugin_modules()}


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
