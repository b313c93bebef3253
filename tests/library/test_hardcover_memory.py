"""The file that remembers what the Hardcover jobs did: one for each library, whatever its id."""

from __future__ import annotations

import json
from pathlib import Path

from calibre_plugins.bookfusionbacksync.library.hardcover_memory import Memory

ODD_IDS = ['', 'a b', 'a_b', 'a/b', 'A/B', '..', 'x' * 5000, 'x' * 5001, '\ud800']


def test_odd_library_ids_share_no_file(tmp_path: Path) -> None:
    for number, library_id in enumerate(ODD_IDS):
        Memory(tmp_path, library_id).note_written({number: {'hardcover-id': '1'}})
    for number, library_id in enumerate(ODD_IDS):
        memory = Memory(tmp_path, library_id)
        assert [known for known in range(len(ODD_IDS)) if memory.written(known)] == [number], library_id
    assert len({path.name.lower() for path in tmp_path.iterdir()}) == len(ODD_IDS)


def test_a_file_of_the_old_name_is_still_found(tmp_path: Path) -> None:
    old = tmp_path / 'hardcover-my_library.json'
    old.write_text(json.dumps({'format': 1, 'written': {'1': {'hardcover-id': '11'}}}))
    memory = Memory(tmp_path, 'my library')
    memory.note_written({2: {'hardcover-id': '12'}})
    again = Memory(tmp_path, 'my library')
    assert (again.written(1), again.written(2)) == ({'hardcover-id': '11'}, {'hardcover-id': '12'})
