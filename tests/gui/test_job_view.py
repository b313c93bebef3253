"""What a window shows of a job: its one state, and a result that is delivered once, when the next job may start."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.errors import Cancelled
from calibre_plugins.bookfusionbacksync.base.text import text
from calibre_plugins.bookfusionbacksync.gui.job_runner import Jobs
from calibre_plugins.bookfusionbacksync.gui.job_view import JobState, JobView
from calibre_plugins.bookfusionbacksync.sync_worker import Worker
from qt.core import QWidget, sip

WORKING = text('Working...')
READY = text('Done - {count} books.')


def note_nothing(_result: object) -> None:
    """For windows that do not look at what came of a job."""


@dataclass
class Desk:
    """Two windows with a view each, on the same jobs; notes in which states the first one was."""

    qtbot: Any
    jobs: Jobs
    view: JobView
    other: JobView
    states: list[JobState] = field(default_factory=list)

    def idle(self) -> None:
        self.qtbot.waitUntil(lambda: not self.jobs.busy, timeout=10_000)


@pytest.fixture
def desk(qtbot: Any) -> Iterator[Desk]:
    windows = [QWidget(), QWidget()]
    for window in windows:
        qtbot.addWidget(window)
    jobs = Jobs(None)
    views = [JobView(jobs, window, 'Ready.', endings=[READY]) for window in windows]
    desk = Desk(qtbot, jobs, views[0], views[1])
    desk.view.state_changed.connect(lambda: desk.states.append(desk.view.state))
    yield desk
    jobs.shut_down()


def test_a_result_is_delivered_once_and_then_the_next_job_can_start(desk: Desk) -> None:
    results: list[int] = []

    def succeeded(result: int) -> None:
        results.append(result)
        assert not desk.jobs.busy
        assert (desk.view.state, desk.other.state) == (JobState.IDLE, JobState.IDLE)
        if result < 3:
            assert desk.view.run(Worker(lambda reporter, cancel: result + 1), succeeded, note_nothing)

    assert desk.view.run(Worker(lambda reporter, cancel: 1), succeeded, note_nothing)
    assert not desk.other.run(Worker(lambda reporter, cancel: 1), note_nothing, note_nothing)
    desk.qtbot.waitUntil(lambda: results == [1, 2, 3], timeout=10_000)
    desk.idle()
    desk.qtbot.wait(20)
    assert results == [1, 2, 3]
    assert desk.states == [JobState.RUNNING, JobState.IDLE] * 3
    assert desk.other.state is JobState.IDLE


def test_a_result_waits_for_the_end_of_the_thread(desk: Desk) -> None:
    results: list[bool] = []
    worker = Worker(lambda reporter, cancel: None)
    succeeded: list[bool] = []
    worker.succeeded.connect(lambda result: succeeded.append(bool(results)))
    desk.view.run(worker, lambda result: results.append(worker.isFinished()), note_nothing)
    desk.idle()
    assert succeeded == [False]
    assert results == [True]


def test_a_job_is_told_to_stop_once(desk: Desk) -> None:
    errors: list[Any] = []
    desk.view.stop()
    assert desk.states == []
    desk.view.run(Worker(lambda reporter, cancel: cancel.wait(20)), note_nothing, errors.append)
    for _time in range(2):
        desk.view.stop()
        assert desk.view.running
        assert desk.view.status.text() == 'Stopping...'
    desk.idle()
    assert desk.states == [JobState.RUNNING, JobState.STOPPING, JobState.IDLE]
    assert [type(error) for error in errors] == [Cancelled]


def test_a_window_cannot_stop_the_job_of_another(desk: Desk) -> None:
    results: list[str] = []
    ended = threading.Event()
    desk.view.run(Worker(lambda reporter, cancel: ended.wait(20) and 'done'), results.append, note_nothing)
    assert not desk.other.running
    desk.other.stop()
    ended.set()
    desk.idle()
    assert results == ['done']


def test_what_was_said_comes_back_after_the_job_of_another_window(desk: Desk) -> None:
    ended = threading.Event()
    desk.view.run(Worker(lambda reporter, cancel: ended.wait(20)), note_nothing, note_nothing)
    assert desk.other.status.text() == 'Another job of this plugin is running.'
    assert not desk.other.run(Worker(lambda reporter, cancel: None), note_nothing, note_nothing)
    desk.other.say_that_another_job_runs()
    assert desk.other.status.text() == 'Another job is running. Wait until it is done, or stop it.'
    ended.set()
    desk.idle()
    assert desk.other.status.text() == 'Ready.'


@pytest.mark.parametrize('words', ['Copied.', 'Another job of this plugin is running.'])
def test_what_is_said_meanwhile_stays(desk: Desk, words: str) -> None:
    """Whatever the words are: what goes on is not read from a label."""
    ended = threading.Event()
    desk.view.run(Worker(lambda reporter, cancel: ended.wait(20)), note_nothing, note_nothing)
    desk.other.say(words)
    ended.set()
    desk.idle()
    assert desk.other.status.text() == words


def test_the_last_words_of_a_job_are_left_to_whoever_gets_the_result(desk: Desk) -> None:
    said: list[str] = []

    def job(reporter: Any, _cancel: Any) -> None:
        reporter.status(WORKING)
        reporter.status(READY.with_values(count=3))

    desk.view.run(Worker(job), lambda result: said.append(desk.view.status.text()), note_nothing)
    assert desk.view.status.text() == ''
    desk.idle()
    assert said == ['Working...']


def test_a_refused_job_brings_nothing(desk: Desk) -> None:
    results: list[Any] = []
    desk.jobs.shut_down()
    assert not desk.view.run(Worker(lambda reporter, cancel: 1), results.append, results.append)
    desk.qtbot.wait(20)
    assert results == desk.states == []
    assert desk.view.status.text() == 'Ready.'


def test_what_waits_for_the_end_comes_after_the_result_and_once(desk: Desk) -> None:
    order: list[str] = []

    def look() -> None:
        order.append('look')

    desk.view.when_idle(look)
    assert order == ['look']
    ended = threading.Event()
    desk.view.run(Worker(lambda reporter, cancel: ended.wait(20)), lambda result: order.append('result'), note_nothing)
    for view in (desk.view, desk.view, desk.other):
        view.when_idle(look)
    assert order == ['look']
    ended.set()
    desk.idle()
    assert order == ['look', 'result', 'look', 'look']


def test_a_window_that_is_gone_gets_nothing(desk: Desk) -> None:
    results: list[Any] = []
    ended = threading.Event()
    window = QWidget()
    JobView(desk.jobs, window).run(Worker(lambda reporter, cancel: ended.wait(20)), results.append, results.append)
    with desk.qtbot.captureExceptions() as exceptions:
        sip.delete(window)
        ended.set()
        desk.idle()
    assert exceptions == results == []
