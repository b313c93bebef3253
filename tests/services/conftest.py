"""Fixtures of the services' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness.hardcover import Service, hardcover_service, small_catalogue


@pytest.fixture
def service() -> Iterator[Service]:
    """A stand-in for Hardcover with three books, which must not be asked for anything that the facts forbid."""
    with hardcover_service(small_catalogue()) as made:
        yield made
        assert made.server.violations == []
