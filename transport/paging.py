# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads paged lists with several pages in flight, and runs one function over many items in parallel.

Independent of HTTP and of what the items are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Generic, TypeVar

from ..base import errors
from ..base.cancel import Cancel
from ..base.errors import BadAnswer
from ..base.text import text

Item = TypeVar('Item', bound=Hashable)

MOST_IN_FLIGHT = 4
# No library has so many records. A list with more is taken for one that never ends.
MOST_RECORDS = 500_000
# The walk ends after so many pages in a row without a new item: a server may repeat one page, or its last one for ever.
MOST_REPEATED_PAGES = 2


@dataclass(frozen=True)
class Page(Generic[Item]):
    """One page: pairs of key and item.

    Items with one key are the same record. `full` is True if the page has as many items as were asked for. `total` is
    the length of the whole list, None if the server does not give it.
    """

    items: tuple[tuple[Hashable, Item], ...]
    full: bool
    total: int | None = None


@dataclass
class _Progress(Generic[Item]):
    """The state of a walk: the first item of each key, differing items with a known key, what is known of the list.

    `service` is the service's name in messages, `came` the number of items so far, repeats included.
    """

    service: str
    first: dict[Hashable, Item] = field(default_factory=dict)
    # Dicts in place of sets, because they keep the order.
    others: dict[Hashable, dict[Item, None]] = field(default_factory=dict)
    came: int = 0
    full: bool = False
    repeated_pages: int = 0
    longest: int = 0
    total: int | None = None

    @property
    def count(self) -> int:
        """The number of keys so far."""
        return len(self.first)

    @property
    def items(self) -> list[Item]:
        """All items, in the order of their keys, those with one key together."""
        return [item for key, first in self.first.items() for item in (first, *self.others.get(key, ()))]

    def take(self, page: Page[Item], cancel: Cancel) -> bool:
        """Add a page and return False at the end of the walk. A differing item with a known key is kept too.

        Raises BadAnswer if more came than the list can have, Cancelled.
        """
        before = self.count
        self.came += len(page.items)
        self._check(self.came <= MOST_RECORDS, self.came)
        for key, item in page.items:
            cancel.check()
            if self.first.setdefault(key, item) != item:
                self.others.setdefault(key, {})[item] = None
        # A server may limit pages to fewer items than were asked for: then a page as long as the longest is full.
        self.full = page.full or 0 < self.longest <= len(page.items)
        self.longest = max(self.longest, len(page.items))
        self.total = page.total if page.total is not None else self.total
        # The total may be wrong, and the list may grow, but not that much.
        self._check(self.total is None or self.count <= 2 * self.total + self.longest, self.count)
        self.repeated_pages = 0 if self.count > before else self.repeated_pages + 1
        return bool(page.items) and self.repeated_pages < MOST_REPEATED_PAGES

    def _check(self, can_be: bool, count: int) -> None:
        """Raise BadAnswer if the list cannot have so many records. Returning a part of it would look complete."""
        if not can_be:
            reason = text('its list does not end: {count} records so far', count=count)
            raise BadAnswer(errors.UNEXPECTED_ANSWER, service=self.service, reason=reason)

    def pages_ahead(self, limit: int) -> int:
        """How many pages to request at once: only one after a short page, because that is probably the last one."""
        return limit if self.full else 1

    def last_page_expected(self) -> int | None:
        """The number of the empty page after the last one; None without a total."""
        return -(-self.total // self.longest) + 1 if self.total is not None and self.longest else None


def walk(
    fetch: Callable[[int, Cancel], Page[Item]],
    cancel: Cancel,
    in_flight: Callable[[], int] = lambda: MOST_IN_FLIGHT,
    report: Callable[[int, int | None], None] = lambda done, total: None,
    service: str = 'The server',
) -> list[Item]:
    """Read the pages 1, 2, 3, ... and return all items in order, without repeats.

    `fetch(number, cancel)` returns a page; it runs on up to `in_flight()` threads, MOST_IN_FLIGHT at most.
    `report(count, total)` is called after each page with the items so far and the total or None. `service` is the
    service's name in messages.
    The walk ends at an empty page, or after MOST_REPEATED_PAGES pages without a new item. An exception of `fetch` ends
    it too, unless it concerns a page beyond the end. Raises Cancelled, and BadAnswer for a list that does not end: more
    than MOST_RECORDS items, or more than twice its own total and a page.
    """
    progress: _Progress[Item] = _Progress(service)
    arrived: SimpleQueue[None] = SimpleQueue()
    pending: dict[int, Future[Page[Item]]] = {}
    scope = cancel.child()
    reading = asking = 1
    with ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix='page') as pool:
        try:
            with cancel.interrupting(lambda: arrived.put(None)):
                while True:
                    last = progress.last_page_expected()
                    ahead = progress.pages_ahead(min(in_flight(), MOST_IN_FLIGHT))
                    while asking < reading + ahead and (asking == reading or last is None or asking <= last):
                        pending[asking] = pool.submit(fetch, asking, scope)
                        pending[asking].add_done_callback(lambda done: arrived.put(None))
                        asking += 1
                    arrived.get()
                    cancel.check()
                    while reading in pending and pending[reading].done():
                        more = progress.take(pending.pop(reading).result(), cancel)
                        report(progress.count, progress.total)
                        if not more:
                            return progress.items
                        cancel.check()
                        reading += 1
        finally:
            # Cancel requests in flight, and drop those that were not sent yet.
            for future in pending.values():
                future.cancel()
            scope.set()
            scope.release()


def each(
    work: Callable[[Item, Cancel], None],
    items: list[Item],
    cancel: Cancel,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Call `work(item, cancel)` for every item, on MOST_IN_FLIGHT threads.

    `report(done, total)` is called after each item. The first exception of `work` cancels the rest and is raised.
    Raises Cancelled.
    """
    # Futures in the order in which they finish, so that an error is seen at once. None means a cancel.
    arrived: SimpleQueue[Future[None] | None] = SimpleQueue()
    scope = cancel.child()
    with ThreadPoolExecutor(MOST_IN_FLIGHT, thread_name_prefix='single') as pool:
        futures = [pool.submit(work, item, scope) for item in items]
        try:
            with cancel.interrupting(lambda: arrived.put(None)):
                for future in futures:
                    future.add_done_callback(arrived.put)
                for number in range(1, len(items) + 1):
                    done = arrived.get()
                    cancel.check()
                    if done is not None:
                        done.result()
                    report(number, len(items))
        finally:
            for future in futures:
                future.cancel()
            scope.set()
            scope.release()
