#!/usr/bin/env python3
"""Puts pictures of the same name from several folders side by side, with the label of their folder.

This compares the windows on several versions of Calibre, or in several modes.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault('QT_QPA_PLATFORM', 'offscreen')

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QColor, QGuiApplication, QImage, QPainter

GAP, HEADING = 16, 32
BACKGROUND, INK = '#808890', '#ffffff'


def beside_each_other(pictures: dict[str, QImage]) -> QImage:
    """One picture of all pictures, in their order, each below its label. A missing picture leaves its place empty."""
    widths = [max(picture.width(), 160) for picture in pictures.values()]
    tallest = max(picture.height() for picture in pictures.values())
    sheet = QImage(sum(widths) + GAP * (len(widths) + 1), tallest + HEADING + GAP, QImage.Format.Format_RGB32)
    sheet.fill(QColor(BACKGROUND))
    painter = QPainter(sheet)
    painter.setPen(QColor(INK))
    left = GAP
    for (label, picture), width in zip(pictures.items(), widths, strict=True):
        words = label if not picture.isNull() else f'{label}: no picture'
        painter.drawText(left, 0, width, HEADING, int(Qt.AlignmentFlag.AlignVCenter), words)
        painter.drawImage(left, HEADING, picture)
        left += width + GAP
    painter.end()
    return sheet


def put_together(folders: dict[str, Path], target: Path) -> int:
    """Write one sheet to `target` for every name in any of the folders. Returns the number of sheets."""
    names = sorted({path.name for folder in folders.values() for path in folder.glob('*.png')})
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        pictures = {label: QImage(str(folder / name)) for label, folder in folders.items()}
        beside_each_other(pictures).save(str(target / name))
    return len(names)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('target', type=Path)
    parser.add_argument('folders', nargs='+', metavar='LABEL=FOLDER')
    options = parser.parse_args()
    folders = {label: Path(folder) for label, _, folder in (option.partition('=') for option in options.folders)}
    application = QGuiApplication(sys.argv[:1])
    count = put_together(folders, options.target)
    print(f'{count} sheets in {options.target}')
    del application
    return 0 if count else 1


if __name__ == '__main__':
    sys.exit(main())
