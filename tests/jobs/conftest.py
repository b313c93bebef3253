"""Fixtures of the jobs' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from calibre_plugins.bookfusionbacksync.jobs import hardcover_account
from harness.hardcover import MakeLibrary, MakeShelf, OpenLibrary, shelves
from harness.network import PATIENT


@pytest.fixture
def make_shelf(
    make_library: MakeLibrary, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch
) -> Iterator[MakeShelf]:
    """`make_shelf(books, catalogue, **options of the stand-in)`; see harness.hardcover.shelves."""
    monkeypatch.setattr(hardcover_account, 'LIMITS', PATIENT)
    with shelves(make_library, open_library) as make:
        yield make
