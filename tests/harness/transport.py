"""Shared by the tests of transport: requests that contain a secret, and checks of errors."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import BackSyncError, Cancelled, ServerTrouble
from calibre_plugins.bookfusionbacksync.base.text import Text
from calibre_plugins.bookfusionbacksync.transport.client import HttpClient
from calibre_plugins.bookfusionbacksync.transport.request import Request
from harness.network import ENDLESS, Echo, cancelling_once
from standins.common import Action, Exchange, Response

# A secret that must not appear in an error, a repr or a log.
TOKEN = 'tk-7Hq2Wz9Lm4Xc8Vb1'
# Time-outs and the delay between tries are so long that only a cancel can end a request.
WITH_ENDLESS_DELAYS = replace(ENDLESS, retry_delays=(ENDLESS.read_timeout,))


def get(server: Echo, path: str = '/books', **options: Any) -> Request:
    return Request('GET', f'{server.origin}{path}?{urlencode({"token": TOKEN})}', **options)


def post(server: Echo, path: str = '/books', **options: Any) -> Request:
    return Request('POST', server.origin + path, {'X-Token': TOKEN}, {'page': 1}, **options)


def failure(client: HttpClient, request: Request, cancel: Cancel | None = None) -> ServerTrouble:
    with pytest.raises(ServerTrouble) as caught:
        client.send(request, cancel or Cancel())
    return caught.value


def assert_cancelled(client: HttpClient, request: Request, ready: Callable[[], object]) -> None:
    """Cancel the request once `ready` returns, and assert that it ends with Cancelled."""
    cancel = Cancel()
    with cancelling_once(cancel, ready), pytest.raises(Cancelled):
        client.send(request, cancel)


def told(error: BackSyncError, sentence: Text) -> bool:
    """True if the error has this sentence, with any values."""
    return error.sentence.template == sentence.template


@dataclass(frozen=True)
class Verbatim(Action):
    """Sends the given response."""

    response: Response

    def perform(self, exchange: Exchange) -> None:
        exchange.send(self.response)


def whole_story(error: BaseException) -> str:
    """Everything that may be printed about an error, including its causes."""
    lines = traceback.format_exception(error)
    chain: list[BaseException] = [error]
    for link in chain:
        chain.extend(other for other in (link.__cause__, link.__context__) if other is not None and other not in chain)
    return ''.join([*lines, *(f'{link!s}{link!r}{link.args!r}' for link in chain)])
