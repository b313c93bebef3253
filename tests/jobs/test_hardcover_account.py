"""The key: from a file or the clipboard, whose it is, what it may do; and never seen anywhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from calibre_plugins.bookfusionbacksync.base.errors import ScopeMissing, SettingsTrouble, SignInRefused
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.base.settings import load, plugin_folder, settings_path
from calibre_plugins.bookfusionbacksync.jobs.hardcover_account import (
    check_token,
    load_token_file,
    save_token,
    token_from_text,
    token_path,
)
from calibre_plugins.bookfusionbacksync.services.hardcover_operations import NEW_KEY_PAGE, SCOPES
from harness.hardcover import Service, hardcover_service, small_catalogue
from harness.secrets import TEST_HARDCOVER_TOKEN
from hypothesis import given
from hypothesis import strategies as st

JWT = 'eyJhbGciOiJIUzI1NiJ9.' + 'eyJzdWIiOiI3In0' * 30 + '.c2lnbmF0dXJl_-'


@pytest.fixture
def service() -> Iterator[Service]:
    with hardcover_service(small_catalogue()) as made:
        yield made
        assert made.server.violations == []
        assert made.server.writes == []


@pytest.mark.parametrize('token', [TEST_HARDCOVER_TOKEN, JWT], ids=['pat', 'jwt'])
@pytest.mark.parametrize(
    'written',
    ['{}', '{}\n', '  {}\r\n\r\n', 'Bearer {}', 'bearer  {}\n', '\tBEARER\n{}', '\ufeff{}\n'],
    ids=repr,
)
def test_a_token_is_read_however_it_was_saved(written: str, token: str) -> None:
    token_path().write_text(written.replace('{}', token), encoding='utf-8')
    assert load_token_file().reveal() == token
    assert token_from_text(written.replace('{}', token)).reveal() == token


def test_a_pasted_token_broken_over_lines_is_put_together() -> None:
    wrapped = 'Bearer ' + '\n'.join(JWT[start : start + 76] for start in range(0, len(JWT), 76))
    assert token_from_text(wrapped).reveal() == JWT


@pytest.mark.parametrize('token', [TEST_HARDCOVER_TOKEN, JWT], ids=['pat', 'jwt'])
@pytest.mark.parametrize(
    'written',
    [
        'HARDCOVER_TOKEN={}',
        'HARDCOVER_TOKEN="{}"',
        "export HARDCOVER_TOKEN='{}'",
        'hardcover_token = {}',
        'hardcover.token: {}',
        '"hardcover_token": "{}",',
        '{"token": "{}"}',
        'Authorization: Bearer {}',
        'HARDCOVER_TOKEN="Bearer {}"',
        '$env:HARDCOVER_TOKEN = "{}"',
        'HARDCOVER_TOKEN {}',
        '"{}"',
    ],
)
def test_a_name_in_front_of_a_token_is_not_sent_with_it(written: str, token: str) -> None:
    written = written.replace('{}', token)
    assert token_from_text(written).reveal() == token
    token_path().write_text(written)
    assert load_token_file().reveal() == token


@pytest.mark.parametrize('token', ['hc_pat_0123456789==', JWT, 'abcdefgh+/==', 'abcdefghijkl='])
def test_a_token_itself_is_left_as_it_is(token: str) -> None:
    assert token_from_text(token).reveal() == token


@pytest.mark.parametrize(
    'content',
    [
        f'{TEST_HARDCOVER_TOKEN}\n{TEST_HARDCOVER_TOKEN}',
        f'{TEST_HARDCOVER_TOKEN}\nanother line\n',
        f'my key\n{TEST_HARDCOVER_TOKEN}\n',
        '\n'.join([JWT[:76], JWT[76:]]),
        'x' * 5000,
        'x' * 64 * 1024,
        TEST_HARDCOVER_TOKEN + '\n' * 64 * 1024,
        TEST_HARDCOVER_TOKEN + '\n' * 8192 + 'and on',
    ],
    ids=[str(number) for number in range(8)],
)
def test_a_file_holds_one_line_of_a_sane_length(content: str) -> None:
    token_path().write_text(content)
    with pytest.raises(SettingsTrouble, match='does not look like'):
        load_token_file()


def test_a_file_that_is_no_plain_file_holds_nobody_up(tmp_path: Path) -> None:
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    for path in (fifo, Path('/dev/zero')):
        with pytest.raises(SettingsTrouble, match='not a plain file'):
            load_token_file(path)


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16'])
def test_a_token_as_notepad_saves_it(encoding: str) -> None:
    token_path().write_text(f'{TEST_HARDCOVER_TOKEN}\r\n', encoding=encoding)
    assert load_token_file().reveal() == TEST_HARDCOVER_TOKEN


def test_the_file_is_in_the_plugins_own_folder() -> None:
    assert token_path() == plugin_folder() / 'hardcover.token'


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SettingsTrouble) as caught:
        load_token_file()
    assert str(token_path()) in str(caught.value)


@pytest.mark.parametrize('content', ['', ' \n\t', 'Bearer ', '\ufeff'], ids=repr)
def test_an_empty_file_is_named(content: str) -> None:
    token_path().write_text(content, encoding='utf-8')
    with pytest.raises(SettingsTrouble, match='empty' if content != 'Bearer ' else 'file') as caught:
        load_token_file()
    assert str(token_path()) in str(caught.value)


@pytest.mark.parametrize('content', ['{"token": "x"}', '<html>', 'short', 'ä' * 30])
def test_a_file_that_is_no_token(content: str, tmp_path: Path) -> None:
    chosen = tmp_path / 'chosen.txt'
    chosen.write_text(content, encoding='utf-8')
    with pytest.raises(SettingsTrouble, match='does not look like') as caught:
        load_token_file(chosen)
    assert str(chosen) in str(caught.value)
    assert content not in str(caught.value).replace(str(chosen), '')


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsTrouble, match='could not be read'):
        load_token_file(tmp_path)


def test_a_clipboard_without_a_token() -> None:
    with pytest.raises(SettingsTrouble, match='clipboard'):
        token_from_text('https://hardcover.app/account/api')


@given(st.text(max_size=200))
def test_whatever_is_pasted_is_a_token_or_an_error(raw: str) -> None:
    try:
        token = token_from_text(raw).reveal()
    except SettingsTrouble:
        return
    assert token.isascii()
    assert token == ''.join(token.split())
    assert len(token) >= 8


def test_saving_keeps_the_file_private() -> None:
    save_token(Secret(TEST_HARDCOVER_TOKEN))
    assert settings_path().stat().st_mode & 0o777 == 0o600
    assert json.loads(settings_path().read_text())['hardcover_token'] == TEST_HARDCOVER_TOKEN
    assert load().settings.hardcover_token.reveal() == TEST_HARDCOVER_TOKEN
    assert TEST_HARDCOVER_TOKEN not in repr(load())


def test_whose_token_it_is(service: Service) -> None:
    found = check_token(
        Secret(TEST_HARDCOVER_TOKEN), service.server.api_url, service.reporter, service.cancel, service.pace
    )
    assert (found.account.username, found.missing, found.untested) == ('reader', (), ('write:library',))
    assert (found.units_left_today, found.requests) == (4997, 3)
    assert service.server.units == 3


@pytest.mark.parametrize('form', ['status', 'message'])
@pytest.mark.parametrize('missing', [SCOPES[1:2], SCOPES[2:3], SCOPES[1:3]], ids=str)
def test_missing_permissions_are_named(service: Service, missing: tuple[str, ...], form: str) -> None:
    service.server.set_options(scopes=[each for each in SCOPES if each not in missing], scope_errors=form)
    found = check_token(
        Secret(TEST_HARDCOVER_TOKEN), service.server.api_url, service.reporter, service.cancel, service.pace
    )
    assert found.missing == missing


def test_without_the_first_permission_nothing_can_be_said(service: Service) -> None:
    service.server.set_options(scopes=SCOPES[1:])
    with pytest.raises(ScopeMissing, match='read:me:content'):
        check_token(
            Secret(TEST_HARDCOVER_TOKEN), service.server.api_url, service.reporter, service.cancel, service.pace
        )


def test_a_wrong_token(service: Service) -> None:
    with pytest.raises(SignInRefused) as caught:
        check_token(
            Secret('hc_pat_wrong_wrong'), service.server.api_url, service.reporter, service.cancel, service.pace
        )
    assert caught.value.exit_code == 3
    assert service.server.count() == 1


def test_the_page_for_a_new_key_has_every_permission_ticked() -> None:
    assert NEW_KEY_PAGE == (
        'https://hardcover.app/account/api/keys/new?scope=read:me:content%20read:catalog%20read:library%20write:library'
    )
