# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of candidates from the servers that Hardcover names, for whoever has to choose between them."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

from ..base.address import leads_to_loopback, same_service
from ..base.cancel import Cancel
from ..base.errors import BackSyncError, Cancelled
from ..transport.client import HttpClient
from ..transport.request import Limits, Request

logger = logging.getLogger(__name__)

# The last ones that were shown are kept for the next question.
BYTES_KEPT = 16 * 1024 * 1024
LIMITS = Limits(connect_timeout=5.0, read_timeout=5.0, total_timeout=10.0, retry_delays=(), max_body=2 * 1024 * 1024)


class Covers:
    """Pictures of candidates, without credentials and only over an encrypted connection; each is asked for once."""

    def __init__(self, user_agent: str, api_url: str, most: int = BYTES_KEPT) -> None:
        # A picture's URL must not reach into the user's home, but a Hardcover on this computer has its pictures there.
        self._http = HttpClient('The cover server', user_agent, LIMITS, public_only=not leads_to_loopback(api_url))
        self._api_url = api_url
        self._most = most
        self._size = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes | None] = OrderedDict()

    def __enter__(self) -> Covers:
        return self

    def __exit__(self, *exception: object) -> None:
        self._http.close()

    def fetch(self, url: str, cancel: Cancel) -> bytes | None:
        """The picture, None where there is none to be had. Raises Cancelled only. May be called from any thread."""
        if not (url.startswith('https://') or same_service(self._api_url, url)):
            return None
        cancel.check()
        with self._lock:
            if url in self._kept:
                self._kept.move_to_end(url)
                return self._kept[url]
        picture = self._ask(url, cancel)
        with self._lock:
            self._keep(url, picture)
        return picture

    def _keep(self, url: str, picture: bytes | None) -> None:
        if url not in self._kept:
            self._kept[url] = picture
            self._size += self._weight(url)
        while self._size > self._most:
            oldest = next(iter(self._kept))
            self._size -= self._weight(oldest)
            del self._kept[oldest]

    def _weight(self, url: str) -> int:
        return len(url) + len(self._kept[url] or b'')

    def _ask(self, url: str, cancel: Cancel) -> bytes | None:
        request = Request('GET', url, {'Accept': 'image/*'}, raw=True)
        try:
            response = self._http.send(request, cancel)
        except Cancelled:
            raise
        except BackSyncError as error:
            logger.info('No cover: %s', error)
            return None
        data = response.data
        return data if response.status == 200 and isinstance(data, bytes) and data else None
