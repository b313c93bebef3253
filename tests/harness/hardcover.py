"""Shared by the tests of Hardcover: a clock that never sleeps, an account on a stand-in, a recording reporter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.base.settings import save
from calibre_plugins.bookfusionbacksync.jobs.fetch_ids import fetch_ids
from calibre_plugins.bookfusionbacksync.jobs.push_ratings import plan_ratings, push_ratings, undo_push
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import (
    Candidate,
    IdsOutcome,
    PlannedPush,
    Question,
    RatingsOutcome,
    Verdict,
)
from calibre_plugins.bookfusionbacksync.services.hardcover_client import Hardcover
from calibre_plugins.bookfusionbacksync.services.hardcover_quota import Pace
from calibre_plugins.bookfusionbacksync.transport.client import HttpClient
from calibre_plugins.bookfusionbacksync.transport.request import Limits
from harness.jobs import RecordingReporter, opener
from harness.network import PATIENT, USER_AGENT
from harness.secrets import TEST_HARDCOVER_TOKEN
from standins.hardcover import Catalogue, HardcoverStandIn, Printing, ShelfRow, Work, isbn13


class StillClock:
    """A clock whose time passes only in `wait`. `waited` is the sum of all waits, in seconds."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.waits: list[float] = []
        self.on_wait: Callable[[float], object] = lambda seconds: None

    def now(self) -> float:
        return self.time

    def local_time(self) -> datetime:
        return datetime(2025, 6, 15, 9, 30, tzinfo=timezone.utc) + timedelta(seconds=self.time - 1000)

    def wait(self, seconds: float, cancel: Cancel) -> None:
        self.on_wait(seconds)
        cancel.check()
        self.waits.append(seconds)
        self.time += seconds

    @property
    def waited(self) -> float:
        return sum(self.waits)


@dataclass
class Service:
    """A stand-in for Hardcover, and what a job needs to use it without waiting."""

    server: HardcoverStandIn
    clock: StillClock
    pace: Pace
    cancel: Cancel = field(default_factory=Cancel)
    reporter: RecordingReporter = field(default_factory=RecordingReporter)

    @property
    def catalogue(self) -> Catalogue:
        return self.server.catalogue

    def set_up(self, **settings: Any) -> None:
        """Save the plugin's settings: this server, its token, and the keyword arguments."""
        save({'hardcover_api_url': self.server.api_url, 'hardcover_token': self.server.token, **settings})

    @contextmanager
    def client(self, token: str | None = None, limits: Limits = PATIENT) -> Iterator[Hardcover]:
        with HttpClient('Hardcover', USER_AGENT, limits) as http:
            yield Hardcover(http, self.server.api_url, Secret(self.server.token if token is None else token), self.pace)

    def new_pace(self, burst: float = 10.0) -> None:
        """Replace the rate limiter, as in a new process that does not know the quota yet."""
        self.pace = Pace(burst, self.clock)


@contextmanager
def hardcover_service(catalogue: Catalogue | None = None, **options: Any) -> Iterator[Service]:
    """A stand-in and a rate limiter with the same clock."""
    clock = StillClock()
    options = {'token': TEST_HARDCOVER_TOKEN, **options}
    with HardcoverStandIn(catalogue or Catalogue(), clock=clock.now, **options) as server:
        yield Service(server, clock, Pace(clock=clock))


def small_catalogue() -> Catalogue:
    """Three books with an ebook edition each. The first two are on the shelf, one of them with a rating."""
    return Catalogue(
        works=[
            Work(11, 'Emma', authors=['Jane Austen'], users_count=4000),
            Work(12, 'Dune', authors=['Frank Herbert'], users_count=9000, subtitle='Deluxe Edition'),
            Work(13, 'The Left Hand of Darkness', authors=['Ursula K. Le Guin'], series=['Hainish Cycle']),
        ],
        editions=[Printing(21, 11, isbn13(11)), Printing(22, 12, isbn13(12)), Printing(23, 13, isbn13(13))],
        shelf=[ShelfRow(31, 11, rating=4.5), ShelfRow(32, 12)],
    )


def first(question: Question) -> Candidate | Verdict:
    """A chooser that takes the best candidate, and skips where there is none."""
    return question.candidates[0] if question.candidates else Verdict.SKIP


def skip(question: Question) -> Verdict:
    return Verdict.SKIP


MakeLibrary = Callable[..., Path]
OpenLibrary = Callable[[Path], Any]


class Shelf:
    """A library and a service, with methods that run the jobs."""

    def __init__(self, api: Any, service: Service) -> None:
        self.api = api
        self.service = service
        self.open: Callable[[], AbstractContextManager[Library]] = opener(api)

    def fetch(self, **more: Any) -> IdsOutcome:
        self.service.reporter.lines.clear()
        return fetch_ids(self.open, self.service.reporter, self.service.cancel, pace=self.service.pace, **more)

    def plan(self, **more: Any) -> PlannedPush:
        return plan_ratings(self.open, self.service.reporter, self.service.cancel, pace=self.service.pace, **more)

    def push(self, planned: PlannedPush | None = None, **more: Any) -> RatingsOutcome:
        planned = self.plan() if planned is None else planned
        service = self.service
        return push_ratings(planned, self.open, service.reporter, service.cancel, pace=service.pace, **more)

    def undo(self) -> RatingsOutcome | None:
        return undo_push(self.open, self.service.reporter, self.service.cancel, self.service.pace)

    def identifiers(self, book_id: int = 1) -> dict[str, str]:
        return dict(self.api.field_for('identifiers', book_id))

    def hardcover(self, book_id: int = 1) -> dict[str, str]:
        return {key: value for key, value in self.identifiers(book_id).items() if key.startswith('hardcover')}


MakeShelf = Callable[..., Shelf]


@contextmanager
def shelves(make_library: MakeLibrary, open_library: OpenLibrary) -> Iterator[MakeShelf]:
    """`make(books, catalogue, columns=..., **options of the stand-in)` returns a library with a service.

    At the end it asserts that no service has noted a violation.
    """
    with ExitStack() as stack:
        made: list[Shelf] = []

        def make(
            books: Sequence[Mapping[str, Any]] = (),
            catalogue: Catalogue | None = None,
            columns: Any = None,
            **options: Any,
        ) -> Shelf:
            service = stack.enter_context(hardcover_service(catalogue or small_catalogue(), **options))
            service.set_up()
            folder = make_library(books, columns) if columns is not None else make_library(books)
            made.append(Shelf(open_library(folder).new_api, service))
            return made[-1]

        yield make
        for shelf in made:
            assert shelf.service.server.violations == []
