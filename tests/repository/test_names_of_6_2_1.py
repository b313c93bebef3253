"""The shipped modules use no name that Calibre 6.2.1, Qt 6.3 or Python 3.10 did not have; and the search finds them."""

from __future__ import annotations

import json
import textwrap

import pytest
import reduce_names
from build_zip import module_files
from harness.names import Class, Names, check
from harness.start import ROOT

NAMES = Names(json.loads(ROOT.joinpath('tests', 'data', 'calibre-6.2.1-names.json').read_text('utf-8')))


def problems(source: str, newer: tuple[tuple[str, str], ...] = ()) -> list[str]:
    """What the check says about a source; `newer` are the members that the running Calibre is made to have."""

    def installed(one: Class, name: str) -> bool:
        return (one.name, name) in newer

    found = check(textwrap.dedent(source), 'x.py', NAMES, installed)
    return [sentence.partition(': ')[2] for sentence in found]


@pytest.mark.parametrize('name', module_files(ROOT))
def test_shipped_module_uses_old_names_only(name: str) -> None:
    source = ROOT.joinpath(name).read_text(encoding='utf-8')
    assert check(source, name, NAMES) == []


def test_the_list_is_made_for_the_modules_of_every_package() -> None:
    assert len(reduce_names.shipped_trees()) == len(module_files(ROOT))


@pytest.mark.parametrize(
    ('source', 'problem'),
    [
        ('from calibre.utils.config import JSONConfigs', 'calibre.utils.config has no JSONConfigs'),
        ('import calibre.utils.config as c\nc.prefs\nc.new_prefs', 'calibre.utils.config has no new_prefs'),
        ('import calibre.utils.config\ncalibre.utils.config.newer()', 'calibre.utils.config has no newer'),
        ('from calibre.gui2 import geometry', 'calibre.gui2 has no geometry'),
        (
            'from calibre.utils.config import JSONConfig\nJSONConfig("x", permissions=0o600)',
            'calibre.utils.config.XMLConfig.__init__ has no argument permissions',
        ),
        (
            'from calibre.gui2 import error_dialog\nerror_dialog(None, "a", "b", show=True, only_copy_details=True)',
            'calibre.gui2.error_dialog has no argument only_copy_details',
        ),
        (
            'from calibre.gui2 import error_dialog\nerror_dialog(None, "a", "b", "c", True, True, 7)',
            'calibre.gui2.error_dialog takes 6 positional arguments, not 7',
        ),
        ('get_icons("images/icon.png", "name", False)', 'get_icons takes 2 positional arguments, not 3'),
        (
            'def f(db):\n    db.new_api.set_field("#x", {}, allow_newer=True)',
            'calibre.db.cache.Cache.set_field has no argument allow_newer',
        ),
        (
            'def f(db):\n    cache = db.new_api\n    cache.add_listener(print, check_already_added=True)',
            'calibre.db.cache.Cache.add_listener has no argument check_already_added',
        ),
        ('from qt.core import QWidget, QNewerWidget', 'qt.core has no QNewerWidget'),
        ('from qt.core import QColor\nQColor.fromString("red")', 'qt.core.QColor has no fromString'),
        (
            'from qt.core import QCheckBox\nbox = QCheckBox()\nbox.checkStateChanged.connect(print)',
            'qt.core.QCheckBox has no checkStateChanged',
        ),
        ('from qt.core import Qt\nQt.CheckState.Unchecked\nQt.CheckState.New', 'qt.core.Qt.CheckState has no New'),
        ('from qt.core import Qt\nQt.Checked', 'qt.core.Qt has no Checked'),
        ('from datetime import UTC', 'datetime has no UTC'),
        ('import datetime\ndatetime.datetime.now(datetime.UTC)', 'datetime has no UTC'),
        ('from enum import Enum, StrEnum', 'enum has no StrEnum'),
        ('from typing import Self', 'typing has no Self'),
        ('from logging import getHandlerByName', 'logging has no getHandlerByName'),
        ('raise ExceptionGroup("x", [])', 'Python has no built-in ExceptionGroup'),
    ],
)
def test_a_newer_name_is_found(source: str, problem: str) -> None:
    assert problems(source) == [problem]


@pytest.mark.parametrize('module', ['tomllib', 'calibre.gui2.geometry', 'calibre.utils.something'])
def test_a_module_that_is_not_listed_is_found(module: str) -> None:
    for source in (f'import {module}', f'from {module} import x', f'def f():\n    import {module} as y'):
        (problem,) = problems(source)
        assert problem.startswith(f'{module} is not in the list of names')
        assert 'tools/reduce_names.py' in problem


def test_the_underscore_of_calibres_localization_is_found() -> None:
    """6.12 made it importable; before, it was a builtin only."""
    names = Names(
        {
            'modules': {'calibre.utils.localization': {'get_lang': []}},
            **{key: getattr(NAMES, key) for key in ('qt_core', 'qt_classes', 'newer_modules', 'newer_names')},
        }
    )
    source = 'from calibre.utils.localization import _, get_lang'
    assert check(source, 'x.py', names) == ['x.py:1: calibre.utils.localization has no _']


def test_a_newer_member_of_a_base_class_is_found() -> None:
    source = """
        from calibre.gui2.actions import InterfaceAction

        class Action(InterfaceAction):
            def genesis(self):
                self.ours = 1
                print(self.ours, self.qaction, self.unique_name, self.action_shortcut_name)
                self.create_menu_action(None, 'x', 'X', newer=True)
                super().genesis()
        """
    assert problems(source, newer=(('InterfaceAction', 'action_shortcut_name'),)) == [
        'calibre.gui2.actions.InterfaceAction has no action_shortcut_name',
        'calibre.gui2.actions.InterfaceAction.create_menu_action has no argument newer',
    ]


def test_a_newer_argument_of_a_base_class_is_found() -> None:
    source = """
        from calibre.gui2.widgets2 import Dialog

        class Window(Dialog):
            def __init__(self):
                super().__init__('title', 'name', parent=None, newer=1)
        """
    assert problems(source) == ['calibre.gui2.widgets2.Dialog.__init__ has no argument newer']


def test_attributes_are_followed_through_self_and_annotations() -> None:
    source = """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        from qt.core import QLabel, QWidget

        if TYPE_CHECKING:
            from calibre.db.cache import Cache

        class Form(QWidget):
            def __init__(self, cache: Cache | None) -> None:
                self.label = QLabel(self)
                self.cache = cache

            def show_it(self, cache: Cache) -> None:
                self.label.setText('x')
                self.label.setNewer('x')
                self.setNewer(1)
                cache.newer()
        """
    assert problems(source, newer=(('Cache', 'newer'),)) == [
        'qt.core.QLabel has no setNewer',
        'qt.core.QWidget has no setNewer',
        'calibre.db.cache.Cache has no newer',
    ]


@pytest.mark.parametrize(
    'source',
    [
        'try:\n    from calibre.gui2.geometry import x\nexcept ImportError:\n    x = None',
        'from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typing import Self',
        'from .settings import newest\nnewest.anything(at_all=True)',
        'from calibre.gui2 import error_dialog\nerror_dialog(None, "a", "b", show=True)',
        'from calibre.utils.config import JSONConfig\nfor JSONConfig in []:\n    JSONConfig.newer',
        'from qt.core import QLabel, Qt\nQLabel("x").setTextFormat(Qt.TextFormat.PlainText)',
        'def f(gui):\n    gui.library_view.model().anything()',
    ],
)
def test_what_is_old_enough_or_unknown_passes(source: str) -> None:
    assert problems(source) == []


@pytest.mark.parametrize(
    'source',
    [
        "x = f'{y['z']}'",
        "x = f'{'a' + f'{'b'}'}'",
        'x = f"{chr(10).join(["a"])}"',
        'x = f\'{y + "\\n"}\'',
        'try:\n    pass\nexcept* ValueError:\n    pass',
        'type X = int',
        'def f[T](x: T) -> T: ...',
    ],
)
def test_newer_syntax_is_found(source: str) -> None:
    (problem, *_) = problems(source)
    assert 'Python 3.10 cannot read this' in problem


@pytest.mark.parametrize(
    'source', ['x = f\'{y["z"]}\'', "x = f'''{y['z']} \"'''", "x = f'a\\n{y!r:>{w}}'", 'match x:\n    case 1: pass']
)
def test_syntax_of_python_3_10_passes(source: str) -> None:
    assert problems(source) == []
