"""The codes of a book, as they stand in Calibre's identifiers."""

from __future__ import annotations

import pytest
from calibre_plugins.bookfusionbacksync.rules.isbn import codes_of
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook


@pytest.mark.parametrize(
    ('identifiers', 'codes'),
    [
        ({'isbn': '978-0-306-40615-7'}, {'9780306406157', '0306406152'}),
        ({'isbn': '0-8044-2957-x'}, {'080442957X', '9780804429573'}),
        ({'isbn': '9780306406158'}, set()),
        ({'isbn': '9780306406157|978-0-8044-2957-3'}, {'9780306406157', '0306406152', '080442957X', '9780804429573'}),
        ({'isbn': '9780306406157 9780804429573'}, {'9780306406157', '0306406152', '080442957X', '9780804429573'}),
        ({'isbn': '9791034304905'}, {'9791034304905'}),
        ({'isbn': '4006381333931'}, set()),
        ({'isbn': '0000000000'}, set()),
        (
            {'isbn13': '9780306406157', 'isbn2': '080442957X'},
            {'9780306406157', '0306406152', '080442957X', '9780804429573'},
        ),
        ({'amazon_de': 'b00abcdefg'}, {'B00ABCDEFG'}),
        ({'amazon': '0306406152'}, {'0306406152', '9780306406157'}),
        ({'mobi-asin': '1f0e8b4c-9e0c-4b5e-8f3a-000000000000'}, set()),
        ({'goodreads': '0306406152', 'uri': '9780306406157'}, set()),
    ],
)
def test_codes_as_they_stand_in_identifiers(identifiers: dict[str, str], codes: set[str]) -> None:
    assert codes_of(CalibreBook(1, 'Title', (), identifiers)).all == codes
