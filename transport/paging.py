# SPDX-License-Identifier: GPL-3.0-or-later
"""Walks a paged list with a few pages in flight, and hands the items over in order, each once.

Knows nothing of HTTP or of what the items are.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from ..base.cancel import Cancel

Item = TypeVar('Item')

MOST_IN_FLIGHT = 4
# A server that repeats one page in the middle of its list must not end the walk; one that repeats for ever must.
BARREN_PAGES_AT_THE_END = 2


@dataclass(frozen=True)
class Page(Generic[Item]):
    """One page: (key, item) pairs; `full` when it came with as many as asked; `total` where the server told it."""

    items: tuple[tuple[Hashable, Item], ...]
    full: bool
    total: int | None = None


@dataclass
class _Progress(Generic[Item]):
    """What the pages read so far have taught."""

    found: dict[Hashable, list[Item]]
    count: int = 0
    full: bool = False
    barren: int = 0
    longest: int = 0
    total: int | None = None

    def take(self, page: Page[Item]) -> bool:
        """Adds a page; False when the walk is over. The same key with another item is kept beside the first."""
        unseen = False
        for key, item in page.items:
            known = self.found.setdefault(key, [])
            unseen = unseen or not known
            if item not in known:
                known.append(item)
                self.count += len(known) == 1
        # A server with a cap of its own sends pages that are all as long as the longest, however many were asked for.
        self.full = page.full or 0 < self.longest <= len(page.items)
        self.longest = max(self.longest, len(page.items))
        self.total = page.total if page.total is not None else self.total
        self.barren = 0 if unseen else self.barren + 1
        return bool(page.items) and self.barren < BARREN_PAGES_AT_THE_END

    def pages_ahead(self, limit: int) -> int:
        """How many pages may be asked for at once: a page shorter than the others is likely the last one."""
        return limit if self.full else 1

    def last_page_expected(self) -> int | None:
        """Where the server told a total: the page after the last one, which must be empty."""
        return -(-self.total // self.longest) + 1 if self.total is not None and self.longest else None


def walk(
    fetch: Callable[[int, Cancel], Page[Item]],
    cancel: Cancel,
    in_flight: Callable[[], int] = lambda: MOST_IN_FLIGHT,
    report: Callable[[int, int | None], None] = lambda done, total: None,
) -> list[Item]:
    """All items of the pages 1, 2, 3, ... in order, without repeats.

    `fetch(number, cancel)` is called on up to `in_flight()` threads; `report(items, total or None)` after each page.
    Ends at an empty page, or where pages bring nothing unseen. Whatever fetch raises ends the walk,
    unless it was raised beyond the end. Raises Cancelled.
    """
    progress: _Progress[Item] = _Progress({})
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
                        more = progress.take(pending.pop(reading).result())
                        report(progress.count, progress.total)
                        if not more:
                            return [item for items in progress.found.values() for item in items]
                        reading += 1
        finally:
            # Gives up the head start: what is still in flight is cut off, what waits is never sent.
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
    """Calls `work(item, cancel)` for every item, a few at a time. The first error ends it. Raises Cancelled."""
    # In the order in which they end: what is slow must not keep an error from ending it. None wakes for a cancel.
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
