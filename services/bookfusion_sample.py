# SPDX-License-Identifier: GPL-3.0-or-later
"""A sample of a BookFusion library: a page or two, as they came, to see what an interface does and what it sends."""

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
    """Some pages of a BookFusion library, as they came. `beyond` counts records of a page after those in `raw`.

    `whole` says that `raw` is known to be everything; `single_position` whether a position asked for by itself came,
    None where none was asked for.
    """

    api: PrivateApi | UserApi
    pages: tuple[Asked, Asked]
    # Values of the user's; no repr shows them.
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
        parse = parse_user_record if self.is_user_api else parse_private_record
        return [parse(raw) or NOT_A_RECORD for raw in self.raw]

    @property
    def page_sizes(self) -> PageSizes:
        return judge_page_sizes(*self.pages, self.whole)


def take_sample(api: PrivateApi | UserApi, page_size: int, cancel: Cancel) -> Sample:
    """A small page, a large one, and where that leaves it open, one more; a position by itself where none is inline.

    Raises SignInRefused, ServerTrouble, Cancelled.
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
    """The records of a page as they came, and the total where it was told."""
    response = api.page_response(number, asked, cancel)
    return raw_records(response), total_of(response)


def _single_position(api: PrivateApi | UserApi, raw: list[object], cancel: Cancel) -> bool | None:
    """Whether the position of a book that came without one can be had by itself."""
    if not isinstance(api, UserApi):
        return None
    for record in raw:
        parsed = parse_user_record(record)
        if parsed is not None and parsed.position_updated_at is None and worth_a_request(parsed, need_percentage=True):
            return bool(api.position(dict(parsed.ids)['id'], cancel))
    return None
