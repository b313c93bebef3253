"""Shared by the tests of BookLore: a server, its settings, and books on both sides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.base.settings import Settings
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import SourceMatch
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from calibre_plugins.bookfusionbacksync.services import booklore
from harness.secrets import TEST_BOOKLORE_PASSWORD, TEST_BOOKLORE_TOKEN
from standins.booklore import BookLoreStandIn, ServerBook
from standins.hardcover import isbn10, isbn13


@contextmanager
def booklore_server() -> Iterator[BookLoreStandIn]:
    """A stand-in. Refused passwords, which the plugin remembers in the process, are forgotten before and after."""
    booklore._refused.clear()
    with BookLoreStandIn(password=TEST_BOOKLORE_PASSWORD, token=TEST_BOOKLORE_TOKEN) as running:
        yield running
    booklore._refused.clear()


def settings_for(server: BookLoreStandIn, password: str = TEST_BOOKLORE_PASSWORD) -> Settings:
    return Settings(booklore_url=server.address, booklore_username=server.username, booklore_password=Secret(password))


def pairs(count: int, known: Callable[[int], bool]) -> tuple[list[CalibreBook], list[ServerBook]]:
    """`count` books in Calibre, and those with a `known` number on the server.

    A third each is identified by ISBN, by ASIN, and by title and author.
    """
    ours, theirs = [], []
    for number in range(1, count + 1):
        title, author = f'Volume {number}', f'Writer {number % 7} Surname'
        identifiers = ({'isbn': isbn13(number)}, {'amazon': f'B0{number:08d}'}, {})[number % 3]
        ours.append(CalibreBook(number, title, (author,), identifiers))
        if known(number):
            theirs.append(
                ServerBook(
                    id=7000 + number,
                    title=title,
                    authors=[author],
                    isbn10=isbn10(number),
                    asin=f'B0{number:08d}',
                    hardcover_id=str(90000 + number),
                    hardcover_slug=f'volume-{number}',
                )
            )
    return ours, theirs


def half(number: int) -> bool:
    return number % 2 == 0


def all_matches(numbers: Sequence[int]) -> dict[int, SourceMatch]:
    return {number: SourceMatch(90000 + number, f'volume-{number}') for number in numbers}
