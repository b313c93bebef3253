"""The window is closed and opened again, a book deleted and cells edited, while a sync is in each of its phases."""

from __future__ import annotations

from typing import Any

from calibre.utils.date import as_utc
from qt.core import QDateTime, Qt
from whole_gui.scripts.stage import (
    Repaints,
    Stage,
    Steps,
    filled_cells,
    rows,
    running_threads,
    shown_dates,
)

BEFORE_WRITING = ('signing_in', 'first_page', 'middle_page', 'retry_wait', 'scanning', 'planning')
WRITING = ('before_writing', 'writing')
# Calibre's local time; noon is the same day everywhere.
EDITED_DATE = '2001-02-03T12:00:00'


def empty(helpers: Any) -> None:
    """Takes away what the last sync wrote."""
    ids = helpers.database.all_book_ids()
    for column in ('#dateread', '#completed'):
        helpers.database.set_field(column, dict.fromkeys(ids))
    helpers.gui.iactions['Edit Metadata'].refresh_gui(ids, covers_changed=False)


def close_in(helpers: Any, stage: Stage, moment: str, open_again: bool) -> Steps:
    """Closes the window in this moment of a sync, and opens it again before the sync has ended; what is seen of it."""
    found: dict[str, Any] = {'moment': moment, 'before': filled_cells(helpers)}
    stage.open()
    repaints = Repaints(helpers.gui)
    pause = yield from stage.start_and_pause(moment)
    found['paused'] = pause.arrived()
    found['threads'] = running_threads()

    def close() -> None:
        stage.click('close')
        found['closed'] = stage.dialog is None
        if open_again:
            stage.open()
            found['enabled_while_busy'] = stage.busy and stage.button('sync_now').isEnabled()

    pause.during(close)
    found['ended'] = yield from stage.end()
    found['left'] = running_threads()
    pause.release()
    found['shown'] = sum(bool(text) for text in shown_dates(helpers.gui).values())
    found['repainted'] = sorted(repaints.books)
    found['after'] = filled_cells(helpers)
    found['reopened'] = stage.dialog is not None
    stage.open()
    found['status'] = stage.status
    found['enabled'] = stage.button('sync_now').isEnabled()
    return found


def edit(helpers: Any, book_id: int, column: str, value: Any) -> bool:
    """Puts a value into a cell of the book list, as its editor does."""
    view = helpers.gui.library_view
    index = view.model().index(rows(helpers.gui)[book_id], view.column_map.index(column))
    return bool(view.model().setData(index, value, Qt.ItemDataRole.EditRole))


def delete(helpers: Any, book_id: int) -> None:
    """Removes a book as the toolbar button does, confirming the question."""
    helpers.on_modal(lambda dialog: dialog.accept())
    helpers.gui.iactions['Remove Books'].do_library_delete([book_id])


def edit_in(helpers: Any, stage: Stage, moment: str, book_to_delete: int) -> Steps:
    """Deletes one book and edits two cells in this moment of a sync; what the library holds in the end."""
    options: dict[str, Any] = {'can_end': True} if moment == 'retry_wait' else {}
    pause = yield from stage.start_and_pause(moment, **options)
    found: dict[str, Any] = {'moment': moment, 'paused': pause.arrived(), 'deleted': book_to_delete}
    date_book, flag_book = helpers.argument['edited']

    def change() -> None:
        edit(helpers, date_book, '#dateread', QDateTime.fromString(EDITED_DATE, Qt.DateFormat.ISODate))
        edit(helpers, flag_book, '#completed', False)
        delete(helpers, book_to_delete)

    pause.during(change)
    pause.release()
    yield stage.ended
    ids = helpers.database.all_book_ids()
    dates, flags = (helpers.database.all_field_for(column, ids) for column in ('#dateread', '#completed'))
    shown = shown_dates(helpers.gui)
    found['cells'] = {key: [dates[key] and as_utc(dates[key]).isoformat(), flags[key]] for key in ids}
    found['shown_as_held'] = {key for key in ids if dates[key]} == {key for key, text in shown.items() if text}
    found['status'] = stage.status
    found['log'] = stage.log
    empty(helpers)
    return found


def drive(gui: Any, helpers: Any) -> Steps:
    yield helpers.toolbar_button
    stage = Stage(gui, helpers)
    stage.open()
    yield lambda: stage.dialog
    closed: list[Any] = []
    for moment in BEFORE_WRITING:
        closed += [(yield from close_in(helpers, stage, moment, open_again=True))]
    for moment in WRITING:
        for open_again in (False, True):
            closed += [(yield from close_in(helpers, stage, moment, open_again))]
            empty(helpers)
    edited: list[Any] = []
    for moment in (*BEFORE_WRITING, *WRITING):
        edited += [(yield from edit_in(helpers, stage, moment, helpers.argument['to_delete'][len(edited)]))]
    return stage.result(closed=closed, edited=edited)
