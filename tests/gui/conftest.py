"""Fixtures of the tests of the windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.gui.match_picker import Picker
from calibre_plugins.bookfusionbacksync.jobs import hardcover_account
from calibre_plugins.bookfusionbacksync.services import hardcover_quota
from harness.desk import HardcoverDesk, OpenHardcoverDesk
from harness.dialogs import picture
from harness.hardcover import MakeLibrary, OpenLibrary, hardcover_service, small_catalogue
from harness.network import PATIENT


@pytest.fixture
def open_hardcover_desk(
    qtbot: Any,
    make_library: MakeLibrary,
    open_library: OpenLibrary,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[OpenHardcoverDesk]:
    """`open_hardcover_desk(books, **settings)`: a library, and Hardcover with the books of `small_catalogue`."""
    monkeypatch.setattr(hardcover_account, 'LIMITS', PATIENT)
    desks: list[HardcoverDesk] = []
    with hardcover_service(small_catalogue()) as service:

        def open_it(books: Sequence[dict[str, Any]] = (), **settings: Any) -> HardcoverDesk:
            monkeypatch.setattr(hardcover_quota, '_shared', {Secret(service.server.token): service.pace})
            service.set_up(**settings)
            desks.append(HardcoverDesk(qtbot, open_library(make_library(books)), service))
            return desks[-1]

        yield open_it
        for desk in desks:
            desk.close()
        assert service.server.violations == []


@pytest.fixture
def picker(qtbot: Any) -> Picker:
    widget = Picker(None, lambda book_id: picture('Cover', '#335577'))  # type: ignore[arg-type]
    qtbot.addWidget(widget)
    widget.show()
    return widget
