"""Books of a result are shown while a search, a virtual library or a restriction hides them, or after they are gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qt.core import QApplication
from whole_gui.scripts.first_five_minutes import User
from whole_gui.scripts.stage import Stage, Steps, rows

VIRTUAL_LIBRARIES = {'Only Emma': 'title:"=Emma"', 'Nothing': 'title:"=Nothing"'}


class Reader:
    """Somebody who looks at books, and what there is to be seen."""

    def __init__(self, gui: Any, stage: Stage, user: User) -> None:
        self.gui = gui
        self.stage = stage
        self.user = user
        gui.current_db.new_api.set_pref('virtual_libraries', VIRTUAL_LIBRARIES)

    def seen(self) -> dict[str, Any]:
        data = self.gui.current_db.data
        QApplication.processEvents()
        return {
            'status': self.stage.status,
            'books': sorted(rows(self.gui)),
            'offered': self.stage.button('show_hidden').isVisible(),
            'restrictions': [data.get_base_restriction_name(), data.get_search_restriction_name()],
        }

    def look(self, hide: Callable[[], object], show: Callable[[], object]) -> list[dict[str, Any]]:
        """What is seen after both; and, where there is such an offer, after the hidden books were asked for."""
        hide()
        show()
        found = [self.seen()]
        if found[0]['offered']:
            self.stage.click('show_hidden')
            found.append(self.seen())
        return found

    def show_updated(self) -> None:
        self.stage.click('show_updated')

    def show_skipped(self) -> None:
        menu = self.user.child('show_skipped').menu()
        menu.actions()[0].trigger()


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    stage = Stage(gui, helpers)
    stage.open()
    yield lambda: stage.dialog
    done = yield from stage.run('sync_now')
    reader = Reader(gui, stage, User(gui, helpers))

    def restrict_to_nothing() -> None:
        gui.apply_text_search_restriction('title:"=Nothing"')

    def both() -> None:
        gui.apply_virtual_library('Only Emma')
        restrict_to_nothing()

    found: dict[str, Any] = {
        'search': reader.look(lambda: gui.search.set_search_string('title:"=Nothing"'), reader.show_updated),
        'some': reader.look(lambda: gui.apply_virtual_library('Only Emma'), reader.show_updated),
        'all': reader.look(lambda: gui.apply_virtual_library('Nothing'), reader.show_updated),
        'restriction': reader.look(restrict_to_nothing, reader.show_updated),
        'both': reader.look(both, reader.show_updated),
        'skipped': reader.look(lambda: gui.apply_virtual_library('Only Emma'), reader.show_skipped),
        'line': reader.look(
            lambda: gui.apply_virtual_library('Only Emma'), lambda: reader.user.double_click_line('OK Dune')
        ),
    }
    found['selected'] = reader.user.selected()
    gui.library_view.model().delete_books_by_id([2])
    found['gone'] = reader.look(lambda: None, reader.show_updated)
    found['gone line'] = reader.look(lambda: None, lambda: reader.user.double_click_line('OK Dune'))
    stage.click('close')
    return stage.result(done=done, found=found)
