"""Examples of the Hardcover dialogs, filled with all that may be awkward to show: for screenshots and for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from calibre_plugins.bookfusionbacksync.hardcover_records import Candidate, Question
from calibre_plugins.bookfusionbacksync.records import CalibreBook
from calibre_plugins.bookfusionbacksync.text import text
from qt.core import QBuffer, QColor, QImage, QIODevice, QPainter, QRect, Qt

if TYPE_CHECKING:
    from qt.core import QWidget

BOOK = CalibreBook(
    1,
    'The Left Hand of Darkness',
    ('Ursula K. Le Guin',),
    {'isbn': '9780441007318', 'amazon': 'B000SEFH1A', 'bookfusion': '812345'},
)


def picture(title: str, color: str) -> bytes:
    """A plain book cover, as PNG."""
    image = QImage(240, 360, QImage.Format.Format_RGB32)
    image.fill(QColor(color))
    painter = QPainter(image)
    painter.setPen(QColor('white'))
    font = painter.font()
    font.setPixelSize(32)
    painter.setFont(font)
    painter.drawText(QRect(16, 40, 208, 280), Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextWordWrap, title)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.ReadWrite)
    image.save(buffer, 'PNG')
    return bytes(buffer.data().data())


CANDIDATES = (
    Candidate(
        book_id=427578,
        slug='the-left-hand-of-darkness',
        title='The Left Hand of Darkness',
        authors=('Ursula K. Le Guin',),
        series=('Hainish Cycle #4',),
        isbns=('9780441478125', '9780441007318', '9781101665398', '9780143111597'),
        release_year=1969,
        pages=304,
        users_count=12483,
        has_ebook=True,
        has_audiobook=True,
        reasons=(text('Same title'), text('Same author'), text('There is an ebook of it')),
    ),
    Candidate(
        book_id=1214,
        title='The Left Hand of Darkness',
        subtitle='50th Anniversary Edition, with a new foreword by David Mitchell and a new afterword by Charlie Jane Anders',
        authors=('Ursula K. Le Guin', 'David Mitchell', 'Charlie Jane Anders'),
        release_year=2019,
        users_count=1,
        reasons=(text('Same title'), text('Same author')),
    ),
    Candidate(
        book_id=77, title='יד שמאל של החושך', authors=('אורסולה ק. לה גווין',), release_year=1979, users_count=12
    ),
    Candidate(
        book_id=90125,
        title='A Study of ' + 'the Very Long Titles That Some Publishers Give to Their Books ' * 6,
        authors=tuple(f'Contributor Number {number}' for number in range(1, 12)),
        series=('Companions to Everything #1', 'Companions'),
        isbns=('9780306406157',),
        users_count=3,
        reasons=(text('Similar title'),),
    ),
    Candidate(book_id=5),
)


def covers() -> dict[int, bytes]:
    return {427578: picture('The Left Hand of Darkness', '#7a3b2e'), 77: picture('יד שמאל', '#2e5a7a')}


def picker_question(**changes: object) -> Question:
    """A full question; `changes` are fields of Question."""
    values = {
        'book': BOOK,
        'candidates': CANDIDATES,
        'why': text('What Hardcover has under its ISBN, ASIN or identifier goes by another title.'),
        'number': 3,
        'total': 12,
        'covers': covers(),
        **changes,
    }
    return Question(**values)  # type: ignore[arg-type]
