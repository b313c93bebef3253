# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetches a sample of a BookFusion library, some pages without parsing, to show how an API behaves."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..base.cancel import Cancel
from ..rules.records import ReadingRecord
from .bookfusion import USER_API_MOST_PER_PAGE, PrivateApi, UserApi
from .bookfusion_answers import (
    NOT_A_RECORD,
    own_id,
    parse_private_record,
    parse_user_record,
    raw_records,
    total_of,
    worth_a_request,
)
from .bookfusion_survey import Asked, PageSizes, judge_page_sizes

SMALL_PAGE, LARGE_PAGE = 10, 100


@dataclass(frozen=True)
class Sample:
    """Some pages of a BookFusion library.

    `raw` are the records as JSON. `beyond` counts the records of a further page that are not in `raw`. `whole` is True
    if `raw` is known to be the whole library. `total` is the `Total-Count`. `single_position` is True if a request for
    a single reading position returned one, None if none was sent.
    """

    api: PrivateApi | UserApi
    pages: tuple[Asked, Asked]
    # The user's data must not appear in a repr.
    raw: list[object] = field(repr=False)
    beyond: int = 0
    whole: bool = False
    total: int | None = None
    single_position: bool | None = None

    @property
    def is_user_api(self) -> bool:
        return isinstance(self.api, UserApi)

    @property
    def records(self) -> list[ReadingRecord]:
        """The parsed records of `raw`; NOT_A_RECORD for entries that are not objects."""
        parse = parse_user_record if self.is_user_api else parse_private_record
        return [parse(raw) or NOT_A_RECORD for raw in self.raw]

    @property
    def page_sizes(self) -> PageSizes:
        return judge_page_sizes(*self.pages, self.whole)


def take_sample(api: PrivateApi | UserApi, page_size: int, cancel: Cancel) -> Sample:
    """Request a small page and a large one, and a second large one if it is not clear whether that was everything.

    If a record has no reading position, one is requested for it too. Raises SignInRefused, ServerTrouble, Cancelled.
    """
    asked = page_size if page_size > SMALL_PAGE else LARGE_PAGE
    if isinstance(api, UserApi):
        asked = min(asked, USER_API_MOST_PER_PAGE)
    small, _total = _page(api, 1, SMALL_PAGE, cancel)
    large, total = _page(api, 1, asked, cancel)
    raw = max(small, large, key=len)
    beyond = 0
    if total is None and 0 < len(large) < asked:
        seen = {own_id(record) for record in raw}
        beyond = sum(own_id(record) not in seen for record in _page(api, 2, asked, cancel)[0])
        whole = not beyond
    else:
        whole = not large or (total is not None and total <= len(raw))
    pages = (Asked(SMALL_PAGE, len(small)), Asked(asked, len(large)))
    return Sample(api, pages, raw, beyond, whole, total, _single_position(api, raw, cancel))


def _page(api: PrivateApi | UserApi, number: int, asked: int, cancel: Cancel) -> tuple[list[object], int | None]:
    """The records of a page as JSON, and the total, None if the server does not send it."""
    response = api.page_response(number, asked, cancel)
    return raw_records(response), total_of(response)


def _single_position(api: PrivateApi | UserApi, raw: list[object], cancel: Cancel) -> bool | None:
    """Request a missing reading position. True if one came, None if no record lacks one or the API has no request."""
    if not isinstance(api, UserApi):
        return None
    for record in raw:
        parsed = parse_user_record(record)
        if parsed is not None and parsed.position_updated_at is None and worth_a_request(parsed, need_percentage=True):
            return bool(api.position(dict(parsed.ids)['id'], cancel))
    return None
