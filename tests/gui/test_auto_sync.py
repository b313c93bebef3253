"""The automatic sync: when it runs and when it does not, and how little it says."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from calibre.gui2.init import StatusBar
from calibre_plugins.bookfusionbacksync.base import settings
from calibre_plugins.bookfusionbacksync.base.errors import LIBRARY_SWITCHED, Cancelled, LibraryTrouble
from calibre_plugins.bookfusionbacksync.gui import auto_sync
from calibre_plugins.bookfusionbacksync.gui.auto_sync import AutoSync
from calibre_plugins.bookfusionbacksync.jobs import sync
from calibre_plugins.bookfusionbacksync.library import last_sync
from calibre_plugins.bookfusionbacksync.sync_worker import SyncWorker
from harness.bookfusion import account
from harness.desk import Desk, held_worker
from standins.bookfusion import LIBRARY, SIGN_IN, LibraryRecord
from standins.faults import Hold, Status

RECORDS = [LibraryRecord(id=1, book_id=11, title='Emma', last_read_at='2024-11-03T12:00:00Z', percentage=100)]
BOOKS = [{'title': 'Emma', 'identifiers': {'bookfusion': 11}}, {'title': 'Dune'}]
HOUR = 3600


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now

    def pass_by(self, hours: float) -> None:
        self.now += hours * HOUR


class House(Desk):
    """A window with a library, its jobs, and the automatic sync that lives there."""

    def __init__(self, qtbot: Any, database: Any, clock: Clock) -> None:
        super().__init__(qtbot, database)
        self.clock = clock
        self.said: list[str] = []
        self.notified: list[str] = []
        self.window.status_bar = StatusBar(self.window)
        self.window.status_bar.messageChanged.connect(self._message_changed)
        # What the desktop would show; there is none here.
        self.window.status_bar.notifier = self.notified.append
        self.started = 0
        self.jobs.busy_changed.connect(self._busy_changed)
        self.auto = AutoSync(self.window, self.jobs)

    def _message_changed(self, words: str) -> None:
        if words:
            self.said.append(words)

    def _busy_changed(self, busy: bool) -> None:
        self.started += busy

    def look(self, hours: float = 0) -> bool:
        """Lets the time go by and the clock be looked at; whether a sync ran."""
        self.clock.pass_by(hours)
        self.window.status_bar.clearMessage()
        self.auto.look()
        started = self.jobs.busy
        self.idle()
        return started


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(auto_sync, 'time', clock)
    return clock


@pytest.fixture
def house(qtbot: Any, make_library: Any, open_library: Any, bookfusion: Any, clock: Clock) -> House:
    bookfusion.records = RECORDS
    settings.save(account(bookfusion, auto_sync_hours=6))
    return House(qtbot, open_library(make_library(BOOKS)), clock)


def test_syncs_at_start_and_then_every_so_many_hours(house: House, bookfusion: Any) -> None:
    house.auto.start()
    assert house.jobs.busy
    house.idle()
    assert house.api.field_for('#dateread', 1) is not None
    assert bookfusion.count(SIGN_IN) == 1
    assert not house.look(5.9)
    assert house.look(0.2)
    assert not house.look(5.9)
    assert house.look(0.2)
    assert bookfusion.count(SIGN_IN) == 3


def test_is_off_by_default(house: House, bookfusion: Any) -> None:
    settings.save({'auto_sync_hours': 0})
    house.auto.start()
    assert not house.jobs.busy
    assert not house.look(1000)
    assert bookfusion.count() == 0
    assert not house.auto._timer.isActive()


def test_says_only_what_changed(house: House) -> None:
    house.auto.start()
    house.idle()
    assert house.said == ['BookFusion Back Sync: 1 book updated']
    assert house.book_view.refreshed == [{1}]
    assert house.look(7)
    assert len(house.said) == 1


def test_a_failure_is_said_and_the_third_in_a_row_is_a_notification(house: House, bookfusion: Any) -> None:
    bookfusion.fail(Status(422), path=LIBRARY, times=None)
    house.auto.start()
    house.idle()
    for _time in range(3):
        assert house.look(7)
    assert len(house.said) == 4
    assert house.notified == [house.said[2]]
    assert all(words.startswith('BookFusion Back Sync: BookFusion') for words in house.said)
    assert last_sync.recall(house.api.library_id).failures == 4
    bookfusion.clear_faults()
    assert house.look(7)
    assert last_sync.recall(house.api.library_id).failures == 0
    assert house.said[-1] == 'BookFusion Back Sync: 1 book updated'
    assert len(house.notified) == 1


def test_failures_are_counted_over_restarts(house: House, bookfusion: Any) -> None:
    last_sync.remember_failure(house.api.library_id)
    last_sync.remember_failure(house.api.library_id)
    bookfusion.fail(Status(422), path=LIBRARY, times=None)
    house.auto.start()
    house.idle()
    assert house.notified == house.said != []


def test_never_while_another_job_runs(house: House, bookfusion: Any) -> None:
    ended = threading.Event()
    house.jobs.start(held_worker(ended))
    house.auto.start()
    house.clock.pass_by(7)
    house.auto.look()
    assert bookfusion.count() == 0
    ended.set()
    house.idle()
    # It is still due, and the next look finds the way free.
    assert house.look()
    assert bookfusion.count(SIGN_IN) == 1


def test_never_while_a_plan_is_looked_at(house: House, bookfusion: Any) -> None:
    house.jobs.hold(True)
    house.auto.start()
    assert not house.look(7)
    house.jobs.hold(False)
    assert house.look()
    assert bookfusion.count(SIGN_IN) == 1


def test_never_twice_at_once(house: House, bookfusion: Any) -> None:
    released = threading.Event()
    bookfusion.fail(Hold(released), path=SIGN_IN)
    house.auto.start()
    for _time in range(5):
        house.clock.pass_by(7)
        house.auto.look()
    released.set()
    house.idle()
    assert house.started == 1


def test_a_sync_by_hand_counts(house: House, bookfusion: Any) -> None:
    """Six hours after the last sync, whoever started it."""
    house.auto.start()
    house.idle()
    house.clock.pass_by(5)
    house.jobs.start(SyncWorker(house.jobs.library_opener()))
    house.idle()
    assert not house.look(5.9)
    assert house.look(0.2)


def test_a_change_of_the_settings_counts_at_once(house: House) -> None:
    settings.save({'auto_sync_hours': 0})
    house.auto.start()
    settings.save({'auto_sync_hours': 1})
    house.auto.settings_changed()
    assert house.auto._timer.isActive()
    assert not house.look(0.9)
    assert house.look(0.2)
    # Saving the form without a change is no reason to wait longer.
    house.clock.pass_by(0.9)
    house.auto.settings_changed()
    assert house.look(0.2)
    settings.save({'auto_sync_hours': 0})
    house.auto.settings_changed()
    assert not house.look(100)


def test_a_library_without_identifiers_is_left_alone(
    house: House, make_library: Any, open_library: Any, bookfusion: Any
) -> None:
    house.window.current_db = open_library(make_library([{'title': 'Dune'}], {}))
    house.auto.start()
    assert not house.look(7)
    assert bookfusion.count() == 0
    assert house.said == []


def test_a_stopped_sync_is_no_failure(house: House, bookfusion: Any) -> None:
    released = threading.Event()
    fault = bookfusion.fail(Hold(released), path=LIBRARY)
    ended: list[bool] = []
    house.auto.ended.connect(lambda: ended.append(True))
    house.auto.start()
    house.until(lambda: fault.hits)
    house.jobs.cancel()
    house.idle()
    released.set()
    assert house.said == []
    assert last_sync.recall(house.api.library_id).failures == 0
    assert ended == [True]


def test_a_settings_file_that_is_no_json_turns_it_off(house: House, bookfusion: Any) -> None:
    settings.settings_path().write_text('{not json')
    house.auto.start()
    assert not house.look(100)
    assert bookfusion.count() == 0


def test_no_timer_is_longer_than_qt_can_count(house: House) -> None:
    settings.save({'auto_sync_hours': settings.RANGES['auto_sync_hours'][1]})
    house.auto.start()
    house.idle()
    assert house.auto._timer.interval() == 60_000
    assert not house.look(24 * 364)
    assert house.look(25)


def test_a_clock_that_is_set_back_delays_nothing_for_long(house: House) -> None:
    """A computer that has started in a wrong year does not wait until that year."""
    house.clock.pass_by(10 * 365 * 24)
    house.auto.start()
    house.idle()
    assert not house.look(-10 * 365 * 24)
    assert not house.look(5.9)
    assert house.look(0.2)


def test_a_library_that_is_none_of_ours_does_not_use_up_the_sync(
    house: House, make_library: Any, open_library: Any, bookfusion: Any
) -> None:
    ours = house.window.current_db
    house.window.current_db = open_library(make_library([{'title': 'Dune'}], {}))
    house.auto.start()
    assert not house.look()
    house.window.current_db = ours
    house.jobs.library_about_to_change()
    house.auto.library_changed()
    assert house.look()
    assert bookfusion.count(SIGN_IN) == 1
    # From then on it is the turn of the clock again.
    house.auto.library_changed()
    assert not house.look()


@pytest.mark.parametrize('read', [True, False])
def test_a_sync_that_a_switch_cuts_off_is_no_failure_and_goes_to_the_next_library(
    house: House, make_library: Any, open_library: Any, monkeypatch: pytest.MonkeyPatch, read: bool
) -> None:
    """Whatever the library that is being closed answers to a sync that is still reading it."""
    begun, released = threading.Event(), threading.Event()
    take_snapshot = sync.take_snapshot

    def wait(*_arguments: Any) -> Any:
        begun.set()
        released.wait(20)
        raise Cancelled() if read else LibraryTrouble(LIBRARY_SWITCHED)

    monkeypatch.setattr(sync, 'take_snapshot', wait)
    house.auto.start()
    house.until(begun.is_set)
    before = house.api.library_id
    house.jobs.library_about_to_change()
    house.window.current_db = open_library(make_library(BOOKS))
    house.auto.library_changed()
    released.set()
    house.idle()
    assert house.said == []
    assert last_sync.recall(before).failures == 0
    monkeypatch.setattr(sync, 'take_snapshot', take_snapshot)
    assert house.look()
