"""The Hardcover menu in the whole of Calibre, against the stand-in for Hardcover."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from calibre_plugins.bookfusionbacksync.services.hardcover_quota import BURST
from harness.hardcover import small_catalogue
from harness.secrets import TEST_HARDCOVER_TOKEN
from harness.whole_gui import SCRIPTS
from standins.hardcover import HardcoverStandIn, isbn13


def test_from_the_first_id_to_the_undone_push(make_library: Callable[..., Path], run_gui: Any) -> None:
    library = make_library(
        [
            {'title': 'Emma', 'authors': ['Jane Austen'], 'rating': 6, 'identifiers': {'isbn': isbn13(11)}},
            {'title': 'Dune', 'authors': ['Frank Herbert'], 'rating': 7},
            {'title': 'The Left Hand of Darkness', 'identifiers': {'isbn': isbn13(13)}},
        ]
    )
    with HardcoverStandIn(small_catalogue(), token=TEST_HARDCOVER_TOKEN, burst=100) as server:
        done = run_gui(
            SCRIPTS / 'hardcover_from_menu.py',
            library,
            settings={'hardcover_api_url': server.api_url, 'hardcover_token': TEST_HARDCOVER_TOKEN},
        )
        writes = list(server.writes)
        assert server.violations == []
        assert server.units <= 2 * BURST
    assert done.returncode == 0, done.stderr
    found = done.result
    assert found['entries'] == [
        'Configure Hardcover Account',
        'Fetch Hardcover Book IDs',
        'Change or unlink match…',
        'Ask about skipped books again',
        'Push ratings…',
        'Undo last push',
    ]
    *told, not_a_search = found['told']
    assert told == [
        'No Hardcover account is set up yet. Set it up now?',
        'Select the one book whose match on Hardcover you want to change.',
        'No book of this library was skipped.',
        'There is no push left to undo.',
    ]
    assert not_a_search.startswith('Calibre does not understand the search title:"Dune" and ( (')
    note = 'Only the books that the search “title:dune” finds: 1 of those selected, 1 of the library.'
    assert found['restriction'] == note
    assert found['second_window'] is False
    assert found['asked'] == 'Dune'
    assert found['led_to'] == [
        ['Emma', [1], ''],
        ['Emma', [3], 'That book is hidden by the virtual library or the restriction in the main window.'],
        ['Emma', [1], ''],
    ]
    assert found['fetched'][0] == 'Done - 2 stored, 0 skipped, 0 failed.'
    assert found['unlinked'][0] == '“Emma” is no longer linked to Hardcover.'
    assert found['pushed'][0] == 'Done - 1 updated, 0 added, 1 skipped, 0 failed.'
    assert [row[:2] for row in found['pushed'][1]] == [['Dune', 'Updated'], ['Emma', 'Left alone']]
    assert found['undone'][0] == 'Done - 1 updated, 0 added, 0 skipped, 0 failed.'
    assert writes == [
        # A built-in rating of 7 shows as three stars.
        ('update_user_book', {'id': 32, 'rating': 3.0}),
        ('update_user_book', {'id': 32, 'rating': None}),
    ]
    assert found['identifiers'] == {
        '1': {'isbn': isbn13(11)},
        '2': {'hardcover-id': '12', 'hardcover-slug': 'dune'},
        '3': {'isbn': isbn13(13)},
    }
