"""What every command stands on: output, Ctrl-C, errors, and the library that is meant."""

from __future__ import annotations

import json
import os
import pty
import signal
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import log_file
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.command_line.terminal import stopping
from calibre_plugins.bookfusionbacksync.jobs import sync
from harness.bookfusion import account, book
from harness.command_line import BOOKS, hashes, one_line, plugin_folder, rows
from harness.commands import plugin_command, write_settings
from standins.bookfusion import LIBRARY, SIGN_IN, BookFusionStandIn, generate_records
from standins.faults import Hang


def test_no_library_there(quick_cli: Any, service: BookFusionStandIn, tmp_path: Path) -> None:
    for command in ('sync', 'undo'):
        done = quick_cli(command, '--library', tmp_path / 'nowhere', settings=account(service))
        assert done.returncode == 2
        assert one_line(done.stderr) == (
            f'Error: There is no Calibre library at {tmp_path / "nowhere"}. Check the path given with --library.'
        )
    assert not (tmp_path / 'nowhere').exists()
    by_default = quick_cli('sync', settings=account(service))
    assert by_default.returncode == 2
    assert one_line(by_default.stderr).startswith('Error: There is no Calibre library at ')
    assert service.requests == []


@pytest.mark.parametrize('path', ['~nobody-of-this-name/Library', '/' + 'far' * 2000], ids=['user', 'length'])
def test_a_path_that_leads_nowhere(quick_cli: Any, service: BookFusionStandIn, path: str) -> None:
    done = quick_cli('sync', '--library', path, '--json', settings=account(service))
    assert done.returncode == 2
    assert done.json['error'] == f'There is no Calibre library at {path}. Check the path given with --library.'


def test_a_traceback_only_for_who_asks_for_it(make_library: Any, service: BookFusionStandIn, run_cli: Any) -> None:
    settings = account(service, password='wrong')
    done = run_cli('sync', '--library', make_library(BOOKS), settings=settings, env={'CALIBRE_DEBUG': '1'})
    assert done.returncode == 3
    assert 'Traceback (most recent call last)' in done.stderr
    assert done.stderr.splitlines()[-1].startswith('Error: BookFusion refused')


def test_an_error_that_nobody_foresaw_is_one_line_and_its_traceback_in_the_log(
    make_library: Any, service: BookFusionStandIn, quick_cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(*given: object, **more: object) -> None:
        raise ZeroDivisionError('of a kind that no code expects')

    monkeypatch.setattr(sync.SyncJob, 'run', odd)
    done = quick_cli('sync', '--library', make_library(BOOKS), '--json', settings=account(service))
    assert done.returncode == 1
    sentence = 'Something unexpected happened (ZeroDivisionError). Report this with the log.'
    assert (one_line(done.stderr), done.json) == (f'Error: {sentence}', {'error': sentence})
    log = log_file.log_path().read_text()
    assert f'ERROR {sentence}\nTraceback (most recent call last):' in log


class TestStopping:
    @pytest.mark.skipif(not hasattr(signal, 'pthread_sigmask'), reason='signals go to no certain thread on Windows')
    @pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=lambda number: signal.Signals(number).name)
    def test_a_signal_that_does_not_wake_the_main_thread(self, number: signal.Signals) -> None:
        """As one that comes just before the main thread waits for another: here another thread is given it."""
        cancel, woken, over = Cancel(), SimpleQueue[None](), threading.Event()
        threading.Thread(target=over.wait).start()
        with stopping(cancel), cancel.interrupting(lambda: woken.put(None)):
            before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
            try:
                os.kill(os.getpid(), number)
                woken.get(timeout=10)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                over.set()
        assert cancel.is_set

    @pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=lambda number: signal.Signals(number).name)
    @pytest.mark.parametrize('where', [SIGN_IN, LIBRARY], ids=['signing in', 'fetching'])
    def test_while_the_server_hangs(
        self,
        make_library: Any,
        service: BookFusionStandIn,
        started: Any,
        config_folder: Path,
        number: signal.Signals,
        where: str,
    ) -> None:
        folder = make_library(BOOKS)
        before = hashes(folder)
        write_settings(config_folder, account(service))
        service.fail(Hang(), where, times=None)
        with started(plugin_command('sync', '--library', str(folder), '--json')) as process:
            service.wait_for(where)
            process.send_signal(number)
            # Sooner than the client would give up on the server by itself.
            output, errors = process.communicate(timeout=20)
        assert process.returncode == 4
        assert errors == 'Cancelled - nothing was written.\n'
        assert json.loads(output) == {'error': 'Cancelled - nothing was written.'}
        assert hashes(folder) == before
        assert not (plugin_folder(config_folder) / 'undo').exists()

    def test_a_reader_that_goes_away(
        self, make_library: Any, service: BookFusionStandIn, started: Any, config_folder: Path
    ) -> None:
        """As `... | head -1`: what was to be written is written, and nobody sees a traceback."""
        service.records = generate_records(300)
        books = [book(one) for one in service.records]
        folder = make_library(books)
        write_settings(config_folder, account(service))
        reading, writing = os.pipe()
        os.close(reading)
        with started(plugin_command('sync', '--library', str(folder)), stdout=writing) as process:
            os.close(writing)
            _, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        assert errors == ''
        read = sum(one.position_updated_at is not None for one in service.records)
        assert rows(folder, 'select count(*) from custom_column_1') == [(read,)]


class TestProgress:
    def test_to_a_terminal_only(
        self, make_library: Any, service: BookFusionStandIn, started: Any, config_folder: Path
    ) -> None:
        folder = make_library(BOOKS)
        write_settings(config_folder, account(service))
        terminal, side = pty.openpty()
        with started(plugin_command('sync', '--library', str(folder)), stderr=side) as process:
            os.close(side)
            shown = b''
            # A terminal whose other side is closed ends with an error on Linux, with nothing elsewhere.
            with suppress(OSError):
                while piece := os.read(terminal, 4096):
                    shown += piece
            output = process.stdout.read()
            assert process.wait(timeout=30) == 0
        os.close(terminal)
        for sentence in (
            b'Authenticating...',
            b'Fetching BookFusion library...',
            b'Scanning Calibre library...',
            b'Writing 1 date to Calibre...',
        ):
            assert sentence in shown
        # All of it on one line, which is wiped out at last.
        assert b'\n' not in shown
        assert shown.endswith(b'\r\x1b[K')
        assert output.splitlines()[-1] == 'Done - 1 updated, 3 skipped.'
        assert '\x1b' not in output
