"""What the tests of transport share: a server that echoes, a client for it, and a look for threads left behind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from calibre_plugins.bookfusionbacksync.transport.client import HttpClient
from harness.network import Echo, make_client
from harness.threads import assert_no_thread_left


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert_no_thread_left()


@pytest.fixture
def server() -> Iterator[Echo]:
    with Echo() as running:
        yield running


@pytest.fixture
def client() -> Iterator[HttpClient]:
    with make_client() as one:
        yield one
