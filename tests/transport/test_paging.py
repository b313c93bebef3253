"""Walking a paged list: order, repeats, ends, faults and cancelling, over pages that arrive in any order."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import BadAnswer, Cancelled
from calibre_plugins.bookfusionbacksync.transport import paging
from calibre_plugins.bookfusionbacksync.transport.paging import MOST_IN_FLIGHT, Page, each, walk
from harness.network import cancelling_once
from harness.threads import LONGEST_WAIT, wait_until
from hypothesis import given, settings
from hypothesis import strategies as st

MOST_BEYOND_THE_END = 7


Held = Callable[[Cancel], None]


@pytest.fixture
def held() -> Iterator[Held]:
    """`held(cancel)` waits for the cancel, which must come: nothing else ends it but a time that only a hang takes."""
    let_go: list[Cancel] = []

    def wait(cancel: Cancel) -> None:
        cancel.wait(LONGEST_WAIT)
        let_go.append(cancel)

    yield wait
    assert let_go == []


class Trouble(Exception):
    """What goes wrong with a page; the number says which."""


class Pages:
    """A list in pages: `layout` holds the items of the pages 1, 2, ..., beyond them comes what `beyond` gives.

    A page counts as full with `asked` items. `faults` are numbers of pages that fail. `delay` is called before each
    answer; without it the pages arrive in random order.
    """

    def __init__(
        self,
        layout: Sequence[Sequence[int]],
        asked: int = 3,
        total: int | None = None,
        beyond: Callable[[int], Sequence[int]] = lambda number: (),
        faults: Sequence[int] = (),
        delay: Callable[[int, Cancel], None] | None = None,
    ) -> None:
        self.layout = layout
        self.asked_for: list[int] = []
        self.most_in_flight = 0
        self._in_flight = 0
        self._asked = asked
        self._total = total
        self._beyond = beyond
        self._faults = faults
        self._delay = delay
        self._lock = threading.Lock()
        self._chance = random.Random(repr(layout))

    def __call__(self, number: int, cancel: Cancel) -> Page[int]:
        with self._lock:
            self.asked_for.append(number)
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            pause = self._chance.random() * 0.002
        try:
            if self._delay:
                self._delay(number, cancel)
            else:
                time.sleep(pause)
        finally:
            with self._lock:
                self._in_flight -= 1
        if number in self._faults:
            raise Trouble(number)
        items = self.layout[number - 1] if number <= len(self.layout) else self._beyond(number)
        return Page(tuple((item, item) for item in items), len(items) >= self._asked, self._total)


def pages_of(count: int, size: int = 3) -> list[list[int]]:
    return [list(range(start, min(start + size, count))) for start in range(0, count, size)]


def one_by_one(layout: Sequence[Sequence[int]], total: int | None = None) -> tuple[list[int] | None, int]:
    """What a patient reader makes of the pages, one after another, and how many of them that takes.

    None for a list that has more than twice its total and a page.
    """
    found: list[int] = []
    barren = longest = 0
    for number, page in enumerate([*layout, []], 1):
        unseen = [item for item in dict.fromkeys(page) if item not in found]
        found += unseen
        longest = max(longest, len(page))
        if total is not None and len(found) > 2 * total + longest:
            return None, number
        barren = 0 if unseen else barren + 1
        if not page or barren == 2:
            return found, number
    raise AssertionError('the last page is empty')


@pytest.mark.parametrize('count', [0, 1, 2, 3, 4, 6, 12, 13, 40])
def test_every_item_once_and_in_order(count: int) -> None:
    pages = Pages(pages_of(count))
    assert walk(pages, Cancel()) == list(range(count))
    assert len(pages.asked_for) == len(set(pages.asked_for))
    assert max(pages.asked_for) <= -(-count // 3) + MOST_IN_FLIGHT


@pytest.mark.parametrize('total', [None, 5, 12, 13, 14, 1000])
def test_a_total_is_no_more_than_a_hint(total: int | None) -> None:
    pages = Pages(pages_of(13), total=total)
    assert walk(pages, Cancel()) == list(range(13))
    if total == 13:
        assert sorted(pages.asked_for) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize('total', [0, 1, 4])
def test_more_than_twice_the_total_and_a_page_is_no_list(total: int) -> None:
    with pytest.raises(BadAnswer, match=r'The books answered in a form .* does not end: .* records so far'):
        walk(Pages(pages_of(13), total=total), Cancel(), service='The books')


def test_a_list_that_grows_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page has new items. A part of such a list must not pass for the whole."""
    monkeypatch.setattr(paging, 'MOST_RECORDS', 300)
    pages = Pages([], beyond=lambda number: range(3 * number, 3 * number + 3))
    with pytest.raises(BadAnswer, match='does not end'):
        walk(pages, Cancel())
    assert 100 <= max(pages.asked_for) <= 101 + MOST_IN_FLIGHT
    whole = Pages(pages_of(300))
    assert walk(whole, Cancel()) == list(range(300))


def test_a_list_that_hardly_grows_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page repeats a million old items, so to speak, and has a single new one."""
    monkeypatch.setattr(paging, 'MOST_RECORDS', 300)
    pages = Pages([], beyond=lambda number: (*range(20), 100 + number))
    with pytest.raises(BadAnswer, match='does not end'):
        walk(pages, Cancel())
    assert max(pages.asked_for) <= 15 + MOST_IN_FLIGHT


class Compared:
    """An item that counts how often it is compared."""

    comparisons = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __eq__(self, other: object) -> bool:
        Compared.comparisons += 1
        return isinstance(other, Compared) and other.number == self.number

    def __hash__(self) -> int:
        return hash(self.number)


def test_many_items_with_one_key_do_not_cost_the_square_of_their_number() -> None:
    Compared.comparisons = 0
    items = [Compared(number) for number in range(20_000)]
    layout = [[*items, *items[:50]], [], []]
    found = walk(lambda number, cancel: Page(tuple(('one key', item) for item in layout[number - 1]), False), Cancel())
    assert found == items
    assert Compared.comparisons < 3 * len(items)


def test_cancelled_in_the_middle_of_a_page() -> None:
    cancel = Cancel()

    class Stopping(Compared):
        def __eq__(self, other: object) -> bool:
            if self.number == 3 or (isinstance(other, Compared) and other.number == 3):
                cancel.set()
            return super().__eq__(other)

        __hash__ = Compared.__hash__

    Compared.comparisons = 0
    page = Page(tuple(('one key', Stopping(number)) for number in range(5000)), False)
    with pytest.raises(Cancelled):
        walk(lambda number, scope: page, cancel)
    assert Compared.comparisons < 20


def test_items_keep_their_keys() -> None:
    """Two items with the same key are both kept, an item that comes again is not."""
    layout = [[(1, 'a'), (2, 'b')], [(2, 'b'), (1, 'c'), (3, 'd')], [(3, 'd'), (1, 'a')], []]
    found = walk(lambda number, cancel: Page(tuple(layout[number - 1]), False), Cancel())
    assert found == ['a', 'c', 'b', 'd']


def test_a_page_that_comes_twice_does_not_end_the_walk() -> None:
    pages = Pages([[0, 1, 2], [3, 4, 5], [3, 4, 5], [6, 7, 8], [9]])
    assert walk(pages, Cancel()) == list(range(10))


@pytest.mark.parametrize('count', [3, 4, 30])
def test_the_last_page_for_ever(count: int) -> None:
    layout = pages_of(count)
    pages = Pages(layout, beyond=lambda number: layout[-1])
    assert walk(pages, Cancel()) == list(range(count))
    assert max(pages.asked_for) <= len(layout) + MOST_BEYOND_THE_END


def test_the_first_page_for_ever() -> None:
    pages = Pages([], beyond=lambda number: (1, 2, 3))
    assert walk(pages, Cancel()) == [1, 2, 3]
    assert max(pages.asked_for) <= 1 + MOST_BEYOND_THE_END


def test_pages_smaller_than_asked() -> None:
    """The first short page may be all there is; when the second is as long, the server has a cap of its own."""
    together = threading.Barrier(4)

    def delay(number: int, cancel: Cancel) -> None:
        if 3 <= number <= 6:
            together.wait(5)

    pages = Pages(pages_of(60, 2), asked=100, delay=delay)
    assert walk(pages, Cancel()) == list(range(60))
    assert pages.asked_for[:2] == [1, 2]
    assert pages.most_in_flight == 4
    assert len(pages.asked_for) == len(set(pages.asked_for))
    assert max(pages.asked_for) <= 31 + MOST_IN_FLIGHT - 1


@pytest.mark.parametrize('layout', [[[1, 2]], [[1, 2, 3], [4]], [[1, 2], [3], [4]]], ids=str)
def test_nothing_is_asked_ahead_of_a_page_that_is_likely_the_last(layout: list[list[int]]) -> None:
    pages = Pages(layout, asked=4)
    assert walk(pages, Cancel()) == [item for page in layout for item in page]
    assert pages.asked_for == list(range(1, len(layout) + 2))


def test_pages_of_any_length() -> None:
    assert walk(Pages([[0], [1, 2, 3], [4, 5], [6, 7, 8], [9]]), Cancel()) == list(range(10))


def test_records_that_shift_while_pages_are_read() -> None:
    pages = Pages([[0, 1, 2], [2, 3, 4], [3, 4, 5], [6, 5, 7], []])
    assert walk(pages, Cancel()) == list(range(8))


@settings(max_examples=150)
@given(
    layout=st.lists(st.lists(st.integers(0, 12), max_size=4), max_size=9),
    asked=st.integers(1, 4),
    total=st.none() | st.integers(0, 40),
    in_flight=st.integers(1, 6),
)
def test_any_layout_gives_what_reading_one_by_one_gives(
    layout: list[list[int]], asked: int, total: int | None, in_flight: int
) -> None:
    expected, needed = one_by_one(layout, total)
    pages = Pages(layout, asked, total)
    counts: list[int] = []
    if expected is None:
        with pytest.raises(BadAnswer, match='does not end'):
            walk(pages, Cancel(), lambda: in_flight)
        assert max(pages.asked_for) <= needed + MOST_IN_FLIGHT - 1
        return
    found = walk(pages, Cancel(), lambda: in_flight, lambda done, total: counts.append(done))
    assert found == expected
    assert set(range(1, needed + 1)) <= set(pages.asked_for)
    assert len(pages.asked_for) == len(set(pages.asked_for))
    assert max(pages.asked_for) <= needed + MOST_IN_FLIGHT - 1
    assert pages.most_in_flight <= min(in_flight, MOST_IN_FLIGHT)
    assert len(counts) == needed
    assert counts == sorted(counts)
    assert counts[-1] == len(expected)


@settings(max_examples=60)
@given(layout=st.lists(st.lists(st.integers(0, 12), max_size=3), max_size=8), faults=st.sets(st.integers(1, 12)))
def test_the_first_fault_in_order_counts_and_none_beyond_the_end(layout: list[list[int]], faults: set[int]) -> None:
    expected, needed = one_by_one(layout)
    pages = Pages(layout, faults=sorted(faults))
    if min(faults, default=99) <= needed:
        with pytest.raises(Trouble) as caught:
            walk(pages, Cancel())
        assert caught.value.args == (min(faults),)
    else:
        assert walk(pages, Cancel()) == expected


def test_a_later_page_that_fails_first_waits_for_the_earlier_ones() -> None:
    looks: list[None] = []

    def in_flight() -> int:
        looks.append(None)
        return MOST_IN_FLIGHT

    def delay(number: int, cancel: Cancel) -> None:
        if number == 2:
            # The walk has looked at the failure of page 5 by then: once at the start, once after each of 1, 3, 4 and 5.
            wait_until(lambda: len(looks) == 5)

    with pytest.raises(Trouble, match='2'):
        walk(Pages(pages_of(99), faults=(2, 5), delay=delay), Cancel(), in_flight)


def test_a_fault_cuts_off_what_is_in_flight(held: Held) -> None:
    def delay(number: int, cancel: Cancel) -> None:
        if number > 2:
            held(cancel)

    with pytest.raises(Trouble, match='2'):
        walk(Pages(pages_of(99), faults=(2,), delay=delay), Cancel())


def test_the_end_cuts_off_what_is_in_flight(held: Held) -> None:
    def delay(number: int, cancel: Cancel) -> None:
        if number > 4:
            held(cancel)

    cancel = Cancel()
    assert walk(Pages(pages_of(9), delay=delay), cancel) == list(range(9))
    assert not cancel.is_set
    assert not cancel._actions, 'a walk that is over is forgotten'


def test_four_at_a_time_and_one_after_the_first_strain() -> None:
    strained = threading.Event()
    together = threading.Barrier(4)

    def delay(number: int, cancel: Cancel) -> None:
        if 2 <= number <= 5:
            together.wait(5)
            strained.set()

    pages = Pages(pages_of(30), delay=delay)
    assert walk(pages, Cancel(), lambda: 1 if strained.is_set() else MOST_IN_FLIGHT) == list(range(30))
    assert pages.most_in_flight == 4
    assert pages.asked_for[5:] == [6, 7, 8, 9, 10, 11]


@pytest.mark.parametrize('page', [1, 2, 3, 7])
def test_cancelled_while_a_page_is_awaited(page: int, held: Held) -> None:
    reached, cancel = threading.Event(), Cancel()

    def delay(number: int, cancel: Cancel) -> None:
        if number >= page:
            reached.set()
            held(cancel)

    pages = Pages(pages_of(99), delay=delay)
    with cancelling_once(cancel, reached.wait), pytest.raises(Cancelled):
        walk(pages, cancel)
    assert max(pages.asked_for) <= page + MOST_IN_FLIGHT - 1


@pytest.mark.parametrize('count', range(1, 6))
def test_cancelled_between_pages(count: int) -> None:
    cancel = Cancel()
    reports = itertools.count(1)

    def report(done: int, total: int | None) -> None:
        if next(reports) == count:
            cancel.set()

    with pytest.raises(Cancelled):
        walk(Pages(pages_of(99)), cancel, report=report)
    assert next(reports) <= count + MOST_IN_FLIGHT


def test_cancelled_before_it_began() -> None:
    cancel = Cancel()
    cancel.set()
    pages = Pages(pages_of(99))
    with pytest.raises(Cancelled):
        walk(pages, cancel)
    assert pages.asked_for == []


def test_a_report_that_fails_ends_the_walk() -> None:
    def report(done: int, total: int | None) -> None:
        raise Trouble(done)

    with pytest.raises(Trouble, match='3'):
        walk(Pages(pages_of(99)), Cancel(), report=report)


def test_each_item_is_worked_on_once() -> None:
    done: list[int] = []
    counts: list[tuple[int, int]] = []
    each(lambda item, cancel: done.append(item), list(range(50)), Cancel(), lambda *count: counts.append(count))
    assert sorted(done) == list(range(50))
    assert counts == [(number, 50) for number in range(1, 51)]
    each(lambda item, cancel: done.append(item), [], Cancel())


def test_each_works_on_four_at_a_time() -> None:
    together = threading.Barrier(4)

    def work(item: int, cancel: Cancel) -> None:
        together.wait(5)

    each(work, list(range(8)), Cancel())


def test_the_first_error_of_each_cuts_off_the_others(held: Held) -> None:
    begun: list[int] = []

    def work(item: int, cancel: Cancel) -> None:
        begun.append(item)
        if item == 0:
            raise Trouble(item)
        held(cancel)

    cancel = Cancel()
    with pytest.raises(Trouble, match='0'):
        each(work, list(range(50)), cancel)
    assert len(begun) <= 5
    assert not cancel.is_set
    assert not cancel._actions


def test_an_error_of_each_does_not_wait_for_what_began_before_it(held: Held) -> None:
    begun: list[int] = []

    def work(item: int, cancel: Cancel) -> None:
        begun.append(item)
        if item == 0:
            held(cancel)
        cancel.wait(0.005)
        raise Trouble(item)

    with pytest.raises(Trouble):
        each(work, list(range(5000)), Cancel())
    assert len(begun) < 5000, 'what an error has ended is not begun any more'


def test_each_is_cancelled(held: Held) -> None:
    begun, cancel = threading.Event(), Cancel()

    def work(item: int, cancel: Cancel) -> None:
        begun.set()
        held(cancel)

    with cancelling_once(cancel, begun.wait), pytest.raises(Cancelled):
        each(work, [1, 2, 3, 4, 5, 6], cancel)
