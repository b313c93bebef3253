"""The table of columns, and what becomes of a chosen one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from build_zip import module_files
from calibre_plugins.bookfusionbacksync.base.columns_table import (
    COLUMNS,
    LISTS,
    READ_TIME,
    ROW_OF_KEY,
    ROW_OF_ROLE,
    SYNC_COLUMNS,
    ColumnState,
    state_of,
    usable_columns,
    used_before,
)
from calibre_plugins.bookfusionbacksync.rules.records import FetchedLibrary
from calibre_plugins.bookfusionbacksync.rules.sync_plan import RULES
from harness.start import ROOT


@dataclass(frozen=True)
class LibraryColumn:
    datatype: str
    is_multiple: bool = False


IN_LIBRARY = {
    '#date': LibraryColumn('datetime'),
    '#flag': LibraryColumn('bool'),
    '#whole': LibraryColumn('int'),
    '#broken': LibraryColumn('float'),
    '#words': LibraryColumn('text'),
    '#tags': LibraryColumn('text', is_multiple=True),
    '#state': LibraryColumn('enumeration'),
    '#stars': LibraryColumn('rating'),
    '#long': LibraryColumn('comments'),
    '#built': LibraryColumn('composite'),
}
NOTHING_CHOSEN = {row.key: '' for row in COLUMNS}


def state(key: str, name: str, **chosen: str) -> ColumnState:
    return state_of(ROW_OF_KEY[key], {**NOTHING_CHOSEN, **chosen, key: name}, IN_LIBRARY, {'#new'})


def words_of(source: str) -> Iterator[str]:
    """Every text and every attribute of a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg


class TestTable:
    def test_keys_and_roles_are_unique_and_found(self) -> None:
        assert [row.key for row in COLUMNS] == list(ROW_OF_KEY)
        assert [row.role for row in SYNC_COLUMNS] == list(ROW_OF_ROLE)
        assert all(row.key.endswith('_column') for row in COLUMNS)

    def test_every_role_has_a_rule(self) -> None:
        assert set(RULES) == set(ROW_OF_ROLE)

    def test_a_new_column_can_hold_what_it_is_made_for(self) -> None:
        made = [row for row in COLUMNS if row.new is not None]
        assert {row.new.datatype in row.datatypes for row in made if row.new is not None} == {True}
        labels = [row.new.label for row in made if row.new is not None]
        assert len(labels) == len(set(labels))

    def test_what_only_the_user_api_tells_has_a_flag(self) -> None:
        told = FetchedLibrary((), (), 'test', has_read_time=True)
        needs = {row.user_api_only.needs for row in COLUMNS if row.user_api_only is not None}
        assert {need: told.provides(need) for need in needs} == {READ_TIME: True, LISTS: False}

    def test_no_other_module_names_a_column_by_its_key(self) -> None:
        """A further column is a row here and a rule in `rules/sync_plan`; these two are chosen for more than a sync."""
        keys = {row.key for row in COLUMNS} - {'last_read_column', 'rating_column'}
        sources = {name: path for name, path in module_files(ROOT).items() if name != 'base/columns_table.py'}
        found = [
            f'{name}: {word}'
            for name, path in sources.items()
            for word in words_of(path.read_text(encoding='utf-8'))
            if word in keys
        ]
        assert found == []
        assert 'base/settings.py' in sources

    def test_without_the_last_read_column_nothing_is_written(self) -> None:
        assert [row.key for row in COLUMNS if row.is_needed] == ['last_read_column']


class TestState:
    @pytest.mark.parametrize(
        ('key', 'name', 'wanted'),
        [
            ('last_read_column', '#date', ColumnState.USABLE),
            ('last_read_column', '', ColumnState.NOT_CHOSEN),
            ('last_read_column', '#gone', ColumnState.MISSING),
            ('last_read_column', 'pubdate', ColumnState.MISSING),
            ('last_read_column', '#new', ColumnState.AWAITING_RESTART),
            ('last_read_column', '#flag', ColumnState.WRONG_TYPE),
            ('last_read_column', '#built', ColumnState.COMPUTED),
            ('status_column', '#built', ColumnState.COMPUTED),
            ('rating_column', '#built', ColumnState.COMPUTED),
            ('progress_column', '#whole', ColumnState.USABLE),
            ('status_column', '#tags', ColumnState.WRONG_TYPE),
            ('rating_column', 'rating', ColumnState.USABLE),
            ('rating_column', '', ColumnState.NOT_CHOSEN),
            ('rating_column', '#stars', ColumnState.USABLE),
            ('rating_column', '#whole', ColumnState.WRONG_TYPE),
            ('completed_column', 'rating', ColumnState.MISSING),
        ],
    )
    def test_of_a_column_by_itself(self, key: str, name: str, wanted: ColumnState) -> None:
        assert state(key, name) is wanted

    def test_who_does_not_ask_about_restarts_is_told_that_a_column_is_missing(self) -> None:
        chosen = {**NOTHING_CHOSEN, 'last_read_column': '#new'}
        assert state_of(ROW_OF_KEY['last_read_column'], chosen, IN_LIBRARY) is ColumnState.MISSING

    def test_a_column_is_used_once_and_the_first_row_has_it(self) -> None:
        assert state('read_time_column', '#broken', progress_column='#broken') is ColumnState.USED_TWICE
        assert state('progress_column', '#broken', read_time_column='#broken') is ColumnState.USABLE
        chosen = {**NOTHING_CHOSEN, 'read_time_column': '#broken', 'progress_column': '#broken'}
        assert used_before(ROW_OF_KEY['read_time_column'], chosen, IN_LIBRARY) is ROW_OF_KEY['progress_column']

    def test_a_row_that_cannot_have_the_column_does_not_keep_it_from_another(self) -> None:
        assert state('read_time_column', '#broken', last_read_column='#broken') is ColumnState.USABLE


@pytest.mark.parametrize(
    ('key', 'names'),
    [
        ('last_read_column', ['#date']),
        ('completed_column', ['#flag']),
        ('progress_column', ['#whole', '#broken']),
        ('read_time_column', ['#whole', '#broken']),
        ('status_column', ['#words', '#state']),
        ('rating_column', ['#stars']),
    ],
)
def test_usable_columns(key: str, names: list[str]) -> None:
    assert usable_columns(ROW_OF_KEY[key], IN_LIBRARY) == [IN_LIBRARY[name] for name in names]
