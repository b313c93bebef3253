"""A small JSON file: read whole or not at all, never overwritten unread, and nobody else's to read."""

from __future__ import annotations

import errno
import json
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base.json_file import Damaged, JsonFile
from hypothesis import given
from hypothesis import strategies as st

HELD = {'b': [1, None, 'ü', 1.5, True], 'a': {'z': '\ud83d', 'y': 10**30}}
DAMAGED = {
    b'{"a": 1': 'not JSON',
    b'not json': 'not JSON',
    b'\xff\xfe\xff': 'not JSON',
    b'{"a": \xff}': 'not JSON',
    b'\x00' * 50: 'not JSON',
    b'{"a": ' + b'9' * 10_000 + b'}': 'not JSON',
    b'[' * 100_000: 'nested too deep',
    b'{"a":' * 100_000: 'nested too deep',
    b'[]': 'not an object',
    b'null': 'not an object',
    b'17': 'not an object',
}


@pytest.fixture
def file(tmp_path: Path) -> JsonFile:
    return JsonFile(tmp_path / 'some folder' / 'inner' / 'file.json')


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def put(file: JsonFile, content: bytes) -> None:
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.write_bytes(content)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def others(file: JsonFile) -> list[Path]:
    return sorted(path for path in file.path.parent.iterdir() if path != file.path)


class TestReading:
    def test_no_file_holds_nothing_and_none_is_made(self, file: JsonFile) -> None:
        assert file.read() == file.read_or_set_aside() == {}
        assert not file.path.parent.exists()

    @pytest.mark.parametrize('content', [b'', b' \r\n', b'{}'])
    def test_an_empty_file_holds_nothing(self, file: JsonFile, content: bytes) -> None:
        put(file, content)
        assert file.read() == file.read_or_set_aside() == {}
        assert file.path.read_bytes() == content

    @pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16', 'utf-16-le', 'utf-32'])
    def test_any_encoding_of_json(self, file: JsonFile, encoding: str) -> None:
        put(file, json.dumps({'ä': 'ü'}, ensure_ascii=False).encode(encoding))
        assert file.read() == {'ä': 'ü'}

    @pytest.mark.parametrize(('content', 'reason'), DAMAGED.items(), ids=range(len(DAMAGED)))
    def test_what_is_no_object_is_damaged_and_stays(self, file: JsonFile, content: bytes, reason: str) -> None:
        put(file, content)
        with pytest.raises(Damaged) as caught:
            file.read()
        assert str(caught.value) == reason
        assert file.path.read_bytes() == content

    def test_one_that_is_too_large_is_not_read(self, file: JsonFile) -> None:
        content = json.dumps({'a': 'x' * 100}).encode()
        put(file, content)
        assert JsonFile(file.path, largest=len(content)).read() == {'a': 'x' * 100}
        with pytest.raises(Damaged, match=f'larger than {len(content) - 1} bytes'):
            JsonFile(file.path, largest=len(content) - 1).read()

    def test_what_the_system_refuses_is_no_damage(self, file: JsonFile) -> None:
        file.path.mkdir(parents=True)
        for read in (file.read, file.read_or_set_aside):
            with pytest.raises(IsADirectoryError):
                read()
        assert others(file) == []


class TestSettingAside:
    @pytest.mark.parametrize('content', DAMAGED, ids=range(len(DAMAGED)))
    def test_kept_beside_itself_private_and_logged(
        self, file: JsonFile, content: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        put(file, content)
        with caplog.at_level(logging.WARNING):
            assert file.read_or_set_aside() == {}
        (aside,) = others(file)
        assert aside.name.startswith('file.json.unreadable-')
        assert aside.read_bytes() == content
        assert mode_of(aside) == 0o600
        assert caplog.messages == [f'file.json cannot be read ({DAMAGED[content]}), so it is set aside as {aside.name}']

    def test_several_are_all_kept_and_the_last_is_named_until_a_file_is_there_again(self, file: JsonFile) -> None:
        assert file.set_aside_last() is None
        for content in (b'first', b'second'):
            put(file, content)
            assert file.set_aside_last() is None
            file.read_or_set_aside()
            aside = file.set_aside_last()
            assert aside is not None
            assert aside.read_bytes() == content
        assert [path.read_bytes() for path in others(file)] == [b'first', b'second']
        file.write({})
        assert file.set_aside_last() is None

    def test_one_that_cannot_be_set_aside_is_not_taken_for_empty(
        self, file: JsonFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(file, b'damaged')

        def refuse(*_arguments: object) -> None:
            raise PermissionError(errno.EACCES, 'Permission denied')

        monkeypatch.setattr(Path, 'replace', refuse)
        with pytest.raises(PermissionError):
            file.read_or_set_aside()
        assert file.path.read_bytes() == b'damaged'


class TestWriting:
    def test_what_is_written_is_read(self, file: JsonFile) -> None:
        for held in (HELD, {}, {'a': 1}):
            file.write(held)
            assert file.read() == held

    @given(
        st.dictionaries(st.text(st.characters(exclude_categories=())), st.text(st.characters(exclude_categories=())))
    )
    def test_every_text_survives(self, held: dict[str, str]) -> None:
        with TemporaryDirectory() as folder:
            file = JsonFile(Path(folder, 'file.json'))
            file.write(held)
            assert file.read() == held

    def test_the_form(self, file: JsonFile) -> None:
        data: dict[str, Any] = {'b': {'d': 1, 'c': 'ü'}, 'a': []}
        for options, written in (
            ({}, b'{\n  "b": {\n    "d": 1,\n    "c": "\\u00fc"\n  },\n  "a": []\n}'),
            ({'sort_keys': True}, b'{\n  "a": [],\n  "b": {\n    "c": "\\u00fc",\n    "d": 1\n  }\n}'),
            ({'indent': None}, b'{"b": {"d": 1, "c": "\\u00fc"}, "a": []}'),
        ):
            JsonFile(file.path, **options).write(data)
            assert file.path.read_bytes() == written

    def test_nobody_else_reads_the_file_or_the_folders(self, file: JsonFile) -> None:
        file.write(HELD)
        assert mode_of(file.path) == 0o600
        assert mode_of(file.path.parent) == mode_of(file.path.parent.parent) == 0o700
        file.path.chmod(0o666)
        file.make_private()
        assert mode_of(file.path) == 0o600

    def test_a_folder_that_is_there_keeps_its_mode(self, file: JsonFile) -> None:
        file.path.parent.mkdir(parents=True, mode=0o755)
        file.write(HELD)
        assert mode_of(file.path.parent) == 0o755

    @pytest.mark.parametrize('place', ['some folder', 'some folder/inner'])
    def test_a_file_where_a_folder_should_be(self, file: JsonFile, tmp_path: Path, place: str) -> None:
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.write_text('in the way')
        with pytest.raises(OSError, match=r'File exists|Not a directory'):
            file.write(HELD)
        assert path.read_text() == 'in the way'

    def test_a_write_that_fails_leaves_the_old_file_and_no_other(
        self, file: JsonFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.write(HELD)

        def full(_descriptor: int) -> None:
            raise OSError(errno.ENOSPC, 'No space left on device')

        monkeypatch.setattr(os, 'fsync', full)
        with pytest.raises(OSError, match='No space left'):
            file.write({})
        assert file.read() == HELD
        assert others(file) == []

    def test_what_is_nested_too_deep_to_be_written_leaves_the_old_file(self, file: JsonFile) -> None:
        file.write(HELD)
        deep: dict[str, object] = {}
        for _ in range(100_000):
            deep = {'a': deep}
        with pytest.raises(OSError, match='nested too deep'):
            file.write(deep)
        assert file.read() == HELD

    def test_no_file_is_made_private_in_vain(self, file: JsonFile) -> None:
        file.make_private()
        assert not file.path.exists()
