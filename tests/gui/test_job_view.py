"""What a window shows of a job: its one state, and a result that is delivered once, when the next job may start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.errors import Cancelled
from calibre_plugins.bookfusionbacksync.base.reporter import Reporter
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.gui.job_runner import Jobs
from calibre_plugins.bookfusionbacksync.gui.job_view import JobState, JobView
from calibre_plugins.bookfusionbacksync.sync_worker import Worker
from harness.desk import handle_events, held_worker
from qt.core import QWidget, sip

WORKING = text('Working...')
READY = text('Done - {count} books.')


def note_nothing(_result: object) -> None:
    """For windows that do not look at what came of a job."""


@dataclass
class TwoViews:
    """Two windows with a view each, on the same jobs; notes in which states the first one was."""

    qtbot: Any
    jobs: Jobs
    view: JobView
    other: JobView
    states: list[JobState] = field(default_factory=list)

    def idle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.jobs.busy, timeout=10_000)


@pytest.fixture
def views(qtbot: Any) -> Iterator[TwoViews]:
    windows = [QWidget(), QWidget()]
    for window in windows:
        qtbot.addWidget(window)
    jobs = Jobs(None)
    first, second = (JobView(jobs, window, 'Ready.', endings=[READY]) for window in windows)
    views = TwoViews(qtbot, jobs, first, second)
    views.view.state_changed.connect(lambda: views.states.append(views.view.state))
    yield views
    jobs.shut_down()


def test_a_result_is_delivered_once_and_then_the_next_job_can_start(views: TwoViews) -> None:
    results: list[int] = []

    def succeeded(result: int) -> None:
        results.append(result)
        assert not views.jobs.busy
        assert (views.view.state, views.other.state) == (JobState.IDLE, JobState.IDLE)
        if result < 3:
            assert views.view.run(Worker(lambda reporter, cancel: result + 1), succeeded, note_nothing)

    assert views.view.run(Worker(lambda reporter, cancel: 1), succeeded, note_nothing)
    assert not views.other.run(Worker(lambda reporter, cancel: 1), note_nothing, note_nothing)
    views.qtbot.waitUntil(lambda: results == [1, 2, 3], timeout=10_000)
    views.idle()
    handle_events()
    assert results == [1, 2, 3]
    assert views.states == [JobState.RUNNING, JobState.IDLE] * 3
    assert views.other.state is JobState.IDLE


def test_a_result_waits_for_the_end_of_the_thread(views: TwoViews) -> None:
    results: list[bool] = []
    worker = Worker(lambda reporter, cancel: None)
    succeeded: list[bool] = []
    worker.succeeded.connect(lambda result: succeeded.append(bool(results)))
    views.view.run(worker, lambda result: results.append(worker.isFinished()), note_nothing)
    views.idle()
    assert succeeded == [False]
    assert results == [True]


def test_a_job_is_told_to_stop_once(views: TwoViews) -> None:
    errors: list[Any] = []
    views.view.stop()
    assert views.states == []
    views.view.run(Worker(lambda reporter, cancel: cancel.wait(20)), note_nothing, errors.append)
    for _time in range(2):
        views.view.stop()
        assert views.view.running
        assert views.view.status.text() == 'Stopping...'
    views.idle()
    assert views.states == [JobState.RUNNING, JobState.STOPPING, JobState.IDLE]
    assert [type(error) for error in errors] == [Cancelled]


def test_a_window_cannot_stop_the_job_of_another(views: TwoViews) -> None:
    results: list[str] = []
    ended = threading.Event()
    views.view.run(held_worker(ended, 'done'), results.append, note_nothing)
    assert not views.other.running
    views.other.stop()
    ended.set()
    views.idle()
    assert results == ['done']


def test_what_was_said_comes_back_after_the_job_of_another_window(views: TwoViews) -> None:
    ended = threading.Event()
    views.view.run(held_worker(ended), note_nothing, note_nothing)
    assert views.other.status.text() == 'Another job of this plugin is running.'
    assert not views.other.run(Worker(lambda reporter, cancel: None), note_nothing, note_nothing)
    views.other.say_that_another_job_runs()
    assert views.other.status.text() == 'Another job is running. Wait until it is done, or stop it.'
    ended.set()
    views.idle()
    assert views.other.status.text() == 'Ready.'


@pytest.mark.parametrize('words', ['Copied.', 'Another job of this plugin is running.'])
def test_what_is_said_meanwhile_stays(views: TwoViews, words: str) -> None:
    """Whatever the words are: what goes on is not read from a label."""
    ended = threading.Event()
    views.view.run(held_worker(ended), note_nothing, note_nothing)
    views.other.say(words)
    ended.set()
    views.idle()
    assert views.other.status.text() == words


def test_the_last_words_of_a_job_are_left_to_whoever_gets_the_result(views: TwoViews) -> None:
    said: list[str] = []

    def job(reporter: Any, _cancel: Any) -> None:
        reporter.status(WORKING)
        reporter.status(READY.with_values(count=3))

    views.view.run(Worker(job), lambda result: said.append(views.view.status.text()), note_nothing)
    assert views.view.status.text() == ''
    views.idle()
    assert said == ['Working...']


def test_a_refused_job_brings_nothing(views: TwoViews) -> None:
    results: list[Any] = []
    views.jobs.shut_down()
    assert not views.view.run(Worker(lambda reporter, cancel: 1), results.append, results.append)
    handle_events()
    assert results == views.states == []
    assert views.view.status.text() == 'Ready.'


def test_what_waits_for_the_end_comes_after_the_result_and_once(views: TwoViews) -> None:
    order: list[str] = []

    def look() -> None:
        order.append('look')

    views.view.when_idle(look)
    assert order == ['look']
    ended = threading.Event()
    views.view.run(held_worker(ended), lambda result: order.append('result'), note_nothing)
    for view in (views.view, views.view, views.other):
        view.when_idle(look)
    assert order == ['look']
    ended.set()
    views.idle()
    assert order == ['look', 'result', 'look', 'look']


def test_a_window_that_is_gone_gets_nothing(views: TwoViews) -> None:
    results: list[Any] = []
    ended = threading.Event()
    window = QWidget()
    JobView(views.jobs, window).run(held_worker(ended), results.append, results.append)
    with views.qtbot.captureExceptions() as exceptions:
        sip.delete(window)
        ended.set()
        views.idle()
    assert exceptions == results == []


def test_a_line_from_outside_is_one_line_of_the_log(views: TwoViews) -> None:
    def job(worker: Reporter, _cancel: object) -> int:
        worker.log('SKIP Emma\nOK Dune\u2028OK\x1b[2J \u202eWalden')
        return 1

    views.view.run(Worker(job), note_nothing, note_nothing)
    views.idle()
    views.view.log.append(['Error: 500\nOK forged'])
    assert views.view.log.toPlainText().split('\n') == ['SKIP Emma OK Dune OK [2J  Walden', 'Error: 500 OK forged']
