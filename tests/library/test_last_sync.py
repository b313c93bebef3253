"""What is remembered of the last sync: nothing that goes wrong with its file stops a sync, or loses what it held."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.settings import plugin_folder
from calibre_plugins.bookfusionbacksync.library import last_sync


def test_a_damaged_file_is_set_aside() -> None:
    path = plugin_folder() / last_sync.FILE_NAME
    path.write_bytes(b'{"some-library": ')
    assert last_sync.remember('some-library', 3, 4).updated == 3
    (aside,) = plugin_folder().glob(f'{last_sync.FILE_NAME}.unreadable-*')
    assert aside.read_bytes() == b'{"some-library": '
    assert list(json.loads(path.read_bytes())) == ['some-library']


def test_a_file_that_is_in_use_keeps_what_it_holds(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = last_sync.remember('one', 1, 0)
    opened = os.open

    def in_use(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == last_sync.FILE_NAME:
            raise PermissionError(errno.EACCES, 'Permission denied')
        return opened(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(os, 'open', in_use)
        assert last_sync.recall('one') == last_sync.LastSync()
        with caplog.at_level('WARNING'):
            assert last_sync.remember('other', 2, 0).updated == 2
    assert caplog.messages == ['last_sync.json could not be written: Permission denied']
    assert last_sync.recall('one') == before
