"""What is copied for a bug report tells of the plugin, and not of who uses it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import log_file, settings
from calibre_plugins.bookfusionbacksync.base.errors import SettingsTrouble
from calibre_plugins.bookfusionbacksync.gui import diagnostics
from calibre_plugins.bookfusionbacksync.library.calibre_library import Library
from harness.libraries import COMPUTED_COLUMN, DEFAULT_COLUMNS
from harness.secrets import TEST_PASSWORD

PRIVATE = {
    'email': 'reader@example.org',
    'booklore_url': 'http://books.example.org:6060',
    'booklore_username': 'alice',
}


@pytest.fixture(autouse=True)
def own_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    before = {key: getattr(settings.DEFAULTS, key) for key in PRIVATE}
    log_file.stop()
    log_file.log_path().unlink(missing_ok=True)
    log_file.start()
    monkeypatch.setenv('HOME', str(tmp_path / 'alice'))
    monkeypatch.setenv('USERPROFILE', str(tmp_path / 'alice'))
    yield
    log_file.stop()
    log_file.log_path().unlink()
    settings.save({**before, 'password': ''})


def test_the_log_names_neither_the_account_nor_the_home_folder(tmp_path: Path) -> None:
    settings.save({**PRIVATE, 'password': TEST_PASSWORD})
    settings.ensure_device()
    logger = logging.getLogger(log_file.__name__)
    logger.error('There is no Calibre library at %s.', tmp_path / 'alice' / 'Books')
    logger.error('There is no BookLore at http://books.example.org:6060 (HTTP 404).')
    logger.info('OK Emma -> 2024-11-03 (from last_read_at, match=id)')
    report = diagnostics.diagnostics(None)
    shown = [line.partition(' ')[2].partition(' ')[2] for line in report.splitlines()[-3:]]
    assert shown == [
        f'ERROR There is no Calibre library at ~{Path("/Books")}.',
        'ERROR There is no BookLore at (private) (HTTP 404).',
        'INFO OK Emma -> 2024-11-03 (from last_read_at, match=id)',
    ]
    for value in (*PRIVATE.values(), TEST_PASSWORD, settings.load().settings.device):
        assert value not in report


def test_what_is_said_of_the_settings_does_not_name_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that was set aside is named with its folder."""
    path = settings.settings_path()
    monkeypatch.setenv('HOME', str(path.parent))
    monkeypatch.setenv('USERPROFILE', str(path.parent))
    path.write_text('{not json')
    with pytest.raises(SettingsTrouble):
        settings.load()
    report = diagnostics.diagnostics(None)
    assert f'set aside as ~{Path("/")}{path.name}.unreadable-' in report
    assert str(path.parent) not in report


def test_what_is_wrong_with_a_column(make_library: Any, open_library: Any) -> None:
    settings.save({'completed_column': '#built', 'progress_column': '#gone'})
    folder = make_library(columns={**DEFAULT_COLUMNS, '#built': COMPUTED_COLUMN})
    report = diagnostics.diagnostics(Library(open_library(folder).new_api)).splitlines()
    assert '  #dateread: datetime' in report
    assert '  #built: composite, computed from other columns and cannot be written' in report
    assert '  #gone: does not exist' in report


def test_without_settings_and_without_a_log() -> None:
    report = diagnostics.diagnostics(None)
    assert 'email: (not set)' in report
    assert 'No library is open.' in report
    assert report.endswith('Log:\n\n')
