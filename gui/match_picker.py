# SPDX-License-Identifier: GPL-3.0-or-later
"""Picker: choose which of Hardcover's candidates a book of Calibre is, with the book itself beside them.

Shows what it is given and says what was chosen; asks no server and writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from typing import TYPE_CHECKING

from calibre.gui2 import open_url
from qt.core import (
    QAbstractTextDocumentLayout,
    QApplication,
    QBuffer,
    QColor,
    QEvent,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QIcon,
    QImageReader,
    QIODevice,
    QKeyEvent,
    QLabel,
    QListView,
    QListWidget,
    QListWidgetItem,
    QLocale,
    QModelIndex,
    QObject,
    QPainter,
    QPalette,
    QPixmap,
    QRect,
    QScrollArea,
    QSize,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    Qt,
    QTextDocument,
    QUrl,
    QVBoxLayout,
    QWidget,
    pyqtSignal,
)

from ..base.text import one_line
from ..rules.hardcover_matching import stored_id
from ..rules.hardcover_records import Candidate, Question, Verdict
from ..rules.isbn import codes_of
from ..rules.records import CalibreBook
from .search_line import RETURN_KEYS, SearchLine, WhatToDo
from .widgets import Notice, push_button

if TYPE_CHECKING:
    from calibre_builtins import _, load_translations, ngettext

load_translations()

CANDIDATE_COVER = QSize(64, 96)
BOOK_COVER = QSize(150, 200)
MARGIN = 8
LONGEST_SHOWN = 300
MOST_ISBNS = 3
MOST_AUTHORS = 4
PICTURE_FORMATS = frozenset({b'jpeg', b'png', b'webp', b'gif'})
# A small file can unpack to a very large picture.
MOST_PIXELS = 50_000_000
CANDIDATE = Qt.ItemDataRole.UserRole
COVER = Qt.ItemDataRole.UserRole + 1


def thumbnail(data: bytes, size: QSize, ratio: float) -> QPixmap:
    """A picture scaled down to fit; a null pixmap where the data is no picture of a usual kind."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.ReadWrite)
    buffer.write(data)
    buffer.seek(0)
    reader = QImageReader(buffer)
    reader.setDecideFormatFromContent(True)
    if reader.format().data() not in PICTURE_FORMATS:
        return QPixmap()
    whole = reader.size()
    if not whole.isValid() or whole.width() * whole.height() > MOST_PIXELS:
        return QPixmap()
    reader.setAutoTransform(True)
    reader.setScaledSize(whole.scaled(enlarged(size, ratio), Qt.AspectRatioMode.KeepAspectRatio))
    pixmap = QPixmap.fromImage(reader.read())
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def enlarged(size: QSize, ratio: float) -> QSize:
    """The size in pixels of a screen that has so many for each of ours."""
    return QSize(round(size.width() * ratio), round(size.height() * ratio))


def no_cover(ratio: float) -> QPixmap:
    """What stands in for a cover that is not there."""
    pixmap = QIcon.ic('book.png').pixmap(enlarged(QSize(48, 48), ratio))
    pixmap.setDevicePixelRatio(ratio)
    return pixmap


def shortened(words: str) -> str:
    """A text from a server on one line, short enough to be shown."""
    plain = ' '.join(one_line(words).split())
    return plain if len(plain) <= LONGEST_SHOWN else plain[: LONGEST_SHOWN - 1] + '…'


def some_of(items: Iterable[str], most: int) -> str:
    """The first items in words, and how many more there are."""
    all_items = [shortened(item) for item in items]
    shown = ', '.join(all_items[:most])
    more = len(all_items) - most
    if more <= 0:
        return shown
    return ngettext('{shown} and {count} more', '{shown} and {count} more', more).format(shown=shown, count=more)


def candidate_facts(candidate: Candidate) -> list[str]:
    """Year, readers and so on, as far as they are known."""
    facts = []
    if candidate.release_year:
        facts.append(str(candidate.release_year))
    if candidate.users_count:
        count = candidate.users_count
        facts.append(ngettext('{number} reader', '{number} readers', count).format(number=QLocale().toString(count)))
    if candidate.pages:
        facts.append(ngettext('{count} page', '{count} pages', candidate.pages).format(count=candidate.pages))
    if candidate.has_ebook:
        facts.append(_('ebook'))
    if candidate.has_audiobook:
        facts.append(_('audiobook'))
    return facts


def candidate_lines(candidate: Candidate, is_first: bool) -> list[str]:
    """What is known of a candidate, a line each; the first line is the title."""
    title = candidate.title or _('(no title)')
    lines = [f'{title}: {candidate.subtitle}' if candidate.subtitle else title]
    if candidate.authors:
        lines.append(some_of(candidate.authors, MOST_AUTHORS))
    if facts := candidate_facts(candidate):
        lines.append(' · '.join(facts))
    if candidate.series:
        lines.append(_('Series: {series}').format(series=some_of(candidate.series, MOST_ISBNS)))
    if candidate.isbns:
        lines.append(_('ISBN: {isbns}').format(isbns=some_of(candidate.isbns, MOST_ISBNS)))
    if candidate.reasons:
        reasons = ', '.join(reason.translated(_, ngettext) for reason in candidate.reasons)
        lines.append(_('First because: {reasons}').format(reasons=reasons) if is_first else reasons)
    return [shortened(line) for line in lines]


class CandidateDelegate(QStyledItemDelegate):
    """Draws a candidate: its cover, and beside it what is known of it."""

    def _document(self, index: QModelIndex, option: QStyleOptionViewItem, width: int) -> QTextDocument:
        lines = str(index.data(Qt.ItemDataRole.DisplayRole)).split('\n')
        state = option.state & QStyle.StateFlag.State_Selected
        group = (
            QPalette.ColorGroup.Active if option.state & QStyle.StateFlag.State_Active else QPalette.ColorGroup.Inactive
        )
        palette = option.palette
        strong = palette.color(group, QPalette.ColorRole.HighlightedText if state else QPalette.ColorRole.Text)
        background = palette.color(group, QPalette.ColorRole.Highlight if state else QPalette.ColorRole.Base)
        weak = strong if state else blend(strong, background, 0.3)
        html = [f'<p style="margin:0"><b><font color="{strong.name()}">{escape(lines[0])}</font></b></p>']
        for place, line in enumerate(lines[1:], 1):
            color = strong if place == 1 or place == len(lines) - 1 else weak
            html.append(f'<p style="margin:0"><font color="{color.name()}">{escape(line)}</font></p>')
        document = QTextDocument()
        document.setDefaultFont(option.font)
        document.setDocumentMargin(0)
        document.setHtml(''.join(html))
        document.setTextWidth(max(50, width))
        return document

    def _text_width(self, option: QStyleOptionViewItem) -> int:
        view = option.widget
        whole = view.viewport().width() if isinstance(view, QListView) else option.rect.width()
        return whole - CANDIDATE_COVER.width() - 3 * MARGIN

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        self.initStyleOption(option, index)
        height = self._document(index, option, self._text_width(option)).size().height()
        return QSize(100, max(round(height), CANDIDATE_COVER.height()) + 2 * MARGIN)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        self.initStyleOption(option, index)
        option.text = ''
        style = option.widget.style() if option.widget is not None else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        inside = option.rect.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        box = QRect(inside.topLeft(), CANDIDATE_COVER)
        text_box = inside.adjusted(CANDIDATE_COVER.width() + MARGIN, 0, 0, 0)
        box = QStyle.visualRect(option.direction, inside, box)
        text_box = QStyle.visualRect(option.direction, inside, text_box)
        draw_centered(painter, box, index.data(COVER))
        document = self._document(index, option, text_box.width())
        painter.save()
        painter.setClipRect(text_box)
        painter.translate(text_box.topLeft())
        document.documentLayout().draw(painter, QAbstractTextDocumentLayout.PaintContext())
        painter.restore()


def draw_centered(painter: QPainter, box: QRect, pixmap: QPixmap | None) -> None:
    if pixmap is None or pixmap.isNull():
        return
    size = pixmap.deviceIndependentSize().toSize()
    target = QStyle.alignedRect(Qt.LayoutDirection.LeftToRight, Qt.AlignmentFlag.AlignCenter, size, box)
    painter.drawPixmap(target, pixmap)


def blend(color: QColor, other: QColor, share: float) -> QColor:
    """A colour with a share (0-1) of another one: text that steps back, in any palette."""
    return QColor(
        round(color.red() * (1 - share) + other.red() * share),
        round(color.green() * (1 - share) + other.green() * share),
        round(color.blue() * (1 - share) + other.blue() * share),
    )


class BookPanel(QScrollArea):
    """The book of Calibre that a match is wanted for."""

    def __init__(self, parent: QWidget, cover_of: Callable[[int], bytes | None]) -> None:
        super().__init__(parent)
        self._cover_of = cover_of
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFixedWidth(BOOK_COVER.width() + 40)
        inside = QWidget(self)
        layout = QVBoxLayout(inside)
        layout.setContentsMargins(0, 0, MARGIN, 0)
        self.cover = QLabel(inside)
        self.cover.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        layout.addWidget(self.cover)
        self.title = self._label(inside, 'book_title')
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.authors = self._label(inside, 'book_authors')
        self.codes = self._label(inside, 'book_codes')
        for label in (self.title, self.authors, self.codes):
            layout.addWidget(label)
        layout.addStretch(1)
        self.setWidget(inside)

    def _label(self, parent: QWidget, name: str) -> QLabel:
        label = QLabel(parent)
        label.setObjectName(name)
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        return label

    def clear(self) -> None:
        for label in (self.cover, self.title, self.authors, self.codes):
            label.clear()

    def show_book(self, book: CalibreBook) -> None:
        data = self._cover_of(book.book_id)
        ratio = self.devicePixelRatioF()
        pixmap = thumbnail(data, BOOK_COVER, ratio) if data else QPixmap()
        self.cover.setPixmap(no_cover(ratio) if pixmap.isNull() else pixmap)
        self.title.setText(shortened(book.title))
        self.authors.setText(some_of(book.authors, MOST_AUTHORS))
        codes = codes_of(book)
        isbns = sorted(codes.isbn13) or sorted(codes.isbn10)
        lines = [_('ISBN: {isbns}').format(isbns=some_of(isbns, MOST_ISBNS))] if isbns else []
        lines += [_('ASIN: {codes}').format(codes=some_of(sorted(codes.asin), MOST_ISBNS))] if codes.asin else []
        self.codes.setText('\n'.join(lines))


def heading_of(question: Question, found_nothing: bool) -> str:
    """How far the questions are, why this one is asked, and what to choose."""
    place = _('Book {number} of {total}.').format(number=question.number, total=question.total)
    ask = _('Which of these is it?')
    if found_nothing:
        ask = '' if question.trouble is not None else _('Nothing like it was found on Hardcover.')
    why = question.why.translated(_, ngettext)
    return ' '.join(filter(None, (place if question.total > 1 else '', why, ask)))


class Picker(QWidget):
    """One question at a time. `cover_of(book id)` gives the cover of a book of Calibre.

    Signals:
        chosen(Candidate | Verdict): the answer; then it waits for the next question.
        searched(str): search for these words instead. The candidates stay until the same question comes again.
        unlinked(): remove the match; only where a match is changed.
    """

    chosen = pyqtSignal(object)
    searched = pyqtSignal(str)
    unlinked = pyqtSignal()

    def __init__(self, parent: QWidget, cover_of: Callable[[int], bytes | None]) -> None:
        super().__init__(parent)
        self._present_id = 0
        self._asking = self._searching = False
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.heading = QLabel(self)
        self.heading.setObjectName('heading')
        self.heading.setTextFormat(Qt.TextFormat.PlainText)
        self.heading.setWordWrap(True)
        layout.addWidget(self.heading)
        self.book = BookPanel(self, cover_of)
        self.search = SearchLine(self)
        self.trouble = Notice('trouble', self)
        self.candidates = self._candidate_list()
        self.what_to_do = WhatToDo(self.search, self)
        layout.addLayout(self._book_beside_candidates(), 1)
        layout.addLayout(self._buttons())
        self.search.wanted.connect(self._search)
        self.search.field.left_down.connect(self.candidates.setFocus)
        self.search.field.focused.connect(lambda _here: self._show_what_return_presses())
        self.wait_for_question()

    def _book_beside_candidates(self) -> QGridLayout:
        beside = QGridLayout()
        beside.setHorizontalSpacing(2 * MARGIN)
        beside.addWidget(QLabel(_('In Calibre:'), self), 0, 0)
        label = QLabel(_('On &Hardcover:'), self)
        label.setBuddy(self.candidates)
        beside.addWidget(label, 0, 1)
        on_the_right = (self.search, self.trouble, self.candidates, self.what_to_do)
        beside.addWidget(self.book, 1, 0, len(on_the_right), 1)
        for row, widget in enumerate(on_the_right, 1):
            beside.addWidget(widget, row, 1)
        beside.setColumnStretch(1, 1)
        beside.setRowStretch(1 + on_the_right.index(self.candidates), 1)
        return beside

    def _candidate_list(self) -> QListWidget:
        view = QListWidget(self)
        view.setObjectName('candidates')
        view.setAccessibleName(_('Candidates'))
        view.setItemDelegate(CandidateDelegate(view))
        # Qt lays a list out anew when it becomes narrower, be it by its own scroll bar, only where words wrap.
        view.setResizeMode(QListView.ResizeMode.Adjust)
        view.setWordWrap(True)
        view.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.setAlternatingRowColors(True)
        view.itemSelectionChanged.connect(self._update_buttons)
        view.itemDoubleClicked.connect(lambda item: self.match.click())
        return view

    def _buttons(self) -> QHBoxLayout:
        row = QHBoxLayout()
        self.open_page = push_button(
            'open_page',
            _('&Open on Hardcover'),
            _('Show this candidate in the browser'),
            self._open_page,
            self,
            'mimetypes/html.png',
        )
        self.match = push_button(
            'match', _('&Match'), _('Store this candidate as the match'), self._match, self, 'ok.png'
        )
        self.skip = push_button(
            'skip',
            _('&Skip this book'),
            _('None of these: go on, and do not ask about this book again'),
            lambda: self._answer(Verdict.SKIP),
            self,
            'forward.png',
        )
        self.stop = push_button(
            'stop',
            _('S&top'),
            _('End here. Everything that was chosen is stored already'),
            lambda: self._answer(Verdict.STOP),
            self,
            'window-close.png',
        )
        self.unlink = push_button(
            'unlink',
            _('&Unlink'),
            _('Remove the match, and do not look for another'),
            self.unlinked.emit,
            self,
            'list_remove.png',
        )
        self.unlink.hide()
        self.match.installEventFilter(self)
        self.match.setDefault(True)
        row.addWidget(self.open_page)
        row.addWidget(self.unlink)
        row.addStretch(1)
        for button in (self.match, self.skip, self.stop):
            row.addWidget(button)
        for button in (self.open_page, self.unlink, self.match, self.skip, self.stop):
            # Return presses the one that has the focus.
            button.setAutoDefault(True)
        return row

    def change_a_match(self, book: CalibreBook) -> None:
        """From now on it is about a single book, which may have a match that can be unlinked."""
        self._present_id = stored_id(book.identifiers)
        self.unlink.setVisible(bool(self._present_id))
        self.skip.hide()
        self.stop.setText(_('&Close'))
        self.stop.setToolTip(_('Leave the match as it is'))

    @property
    def selected(self) -> Candidate | None:
        item = self.candidates.currentItem()
        return item.data(CANDIDATE) if item is not None and item.isSelected() else None

    def show_question(self, question: Question) -> None:
        """Put a question, with the first candidate selected, so that Return takes it.

        The same question again is the result of a search: the field and the focus stay as they are, and after a search
        that failed the candidates too.
        """
        again = self._searching
        self._asking, self._searching = True, False
        found_nothing = not question.candidates
        if again and question.trouble is not None:
            found_nothing = self.candidates.count() == 0
        else:
            self._show_candidates(question)
        self.heading.setText(heading_of(question, found_nothing))
        self.trouble.say(question.trouble.translated(_, ngettext) if question.trouble is not None else '')
        self.what_to_do.show_if(found_nothing)
        if not again:
            self.book.show_book(question.book)
            self.search.begin_with(question.words)
            self.search.setEnabled(True)
            if found_nothing:
                self.search.take_over()
            else:
                self.candidates.setFocus()
        self._show_what_return_presses()
        self._update_buttons()

    def _show_what_return_presses(self) -> None:
        (self.search.button if self.search.field.hasFocus() else self.match).setDefault(True)

    def _show_candidates(self, question: Question) -> None:
        self.candidates.clear()
        for candidate in question.candidates:
            self._add(candidate, question.covers.get(candidate.book_id))
        self.candidates.setCurrentRow(0)
        self.candidates.scrollToTop()

    def _add(self, candidate: Candidate, cover: bytes | None) -> None:
        lines = candidate_lines(candidate, self.candidates.count() == 0)
        if candidate.book_id == self._present_id:
            lines.insert(1, _('This is the present match.'))
        item = QListWidgetItem('\n'.join(lines))
        item.setData(CANDIDATE, candidate)
        ratio = self.devicePixelRatioF()
        pixmap = thumbnail(cover, CANDIDATE_COVER, ratio) if cover else QPixmap()
        item.setData(COVER, no_cover(ratio) if pixmap.isNull() else pixmap)
        self.candidates.addItem(item)

    def wait_for_question(self) -> None:
        """Between two questions: only Stop can be pressed."""
        self._asking = self._searching = False
        self.heading.setText(_('Looking for the next book that needs a choice…'))
        self.book.clear()
        self.candidates.clear()
        self.trouble.say('')
        self.what_to_do.show_if(False)
        self.search.begin_with('')
        self.search.setEnabled(False)
        self._update_buttons()

    def _update_buttons(self) -> None:
        self.skip.setEnabled(self._asking)
        self.match.setEnabled(self._asking and self.selected is not None)
        self.open_page.setEnabled((self._asking or self._searching) and self.selected is not None)
        self.unlink.setEnabled(not self._searching)
        self.search.set_ready(self._asking)

    def _search(self, words: str) -> None:
        """While it searches, the candidates can be looked at, but none can be chosen."""
        self._asking, self._searching = False, True
        self.heading.setText(_('Searching on Hardcover…'))
        self.trouble.say('')
        self._update_buttons()
        self.searched.emit(words)

    def _match(self) -> None:
        if self.selected is not None:
            self._answer(self.selected)

    def _answer(self, answer: Candidate | Verdict) -> None:
        # From a button that is disabled Qt would move the focus on to Stop, under the fingers of who types on.
        self.candidates.setFocus()
        self.wait_for_question()
        self.chosen.emit(answer)

    def _open_page(self) -> None:
        if self.selected is not None:
            open_url(QUrl(self.selected.link))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Return that is held down answers one question, not all that follow unread."""
        if not (event.isAutoRepeat() and event.key() in RETURN_KEYS):
            super().keyPressEvent(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """A double click on Match is one answer: its second half would go to the question that has just come."""
        return watched is self.match and event.type() == QEvent.Type.MouseButtonDblClick

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.candidates.viewport().update()
        super().changeEvent(event)
