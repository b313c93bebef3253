"""Faults of a server: actions for `StandIn.fail`, which are performed instead of the genuine response.

This module must not import any service, Calibre or the plugin.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import itertools
import socket
import struct
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from standins.common import JSON_HEADERS, PIECE, Action, Exchange, Response, chunk, json_response


@dataclass(frozen=True)
class Status(Action):
    """A response with any status. `body` is bytes or a JSON value, by default an object with `error`."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    def perform(self, exchange: Exchange) -> None:
        if isinstance(self.body, bytes):
            exchange.send(Response(self.code, self.headers, self.body))
        else:
            body = {'error': f'status {self.code}'} if self.body is None else self.body
            exchange.send(json_response(body, self.code, self.headers))


@dataclass(frozen=True)
class Html(Action):
    """A web page instead of JSON, as proxies send it during an outage."""

    code: int = 200

    def perform(self, exchange: Exchange) -> None:
        page = b'<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Back soon</body></html>'
        exchange.send(Response(self.code, {'Content-Type': 'text/html; charset=utf-8'}, page))


@dataclass(frozen=True)
class Empty(Action):
    """An empty body with the content type of JSON."""

    code: int = 200

    def perform(self, exchange: Exchange) -> None:
        exchange.send(Response(self.code, JSON_HEADERS))


@dataclass(frozen=True)
class WrongShape(Action):
    """A response with status 200 and any JSON value."""

    value: Any

    def perform(self, exchange: Exchange) -> None:
        exchange.send(json_response(self.value))


@dataclass(frozen=True)
class RawBody(Action):
    """Any bytes, with the content type of JSON."""

    body: bytes

    def perform(self, exchange: Exchange) -> None:
        exchange.send(Response(200, JSON_HEADERS, self.body))


@dataclass(frozen=True)
class BadJson(RawBody):
    """JSON that ends in the middle, in a complete response."""

    body: bytes = b'[{"id": 1, "book_id": '


@dataclass(frozen=True)
class InvalidUtf8(RawBody):
    """JSON with two bytes that are not valid UTF-8."""

    body: bytes = b'[{"id": 1, "title": "\xff\xfe"}]'


@dataclass(frozen=True)
class Deep(Action):
    """JSON arrays nested `levels` deep, which exhausts a recursive parser."""

    levels: int = 100_000

    def perform(self, exchange: Exchange) -> None:
        exchange.send(Response(200, JSON_HEADERS, b'[' * self.levels + b']' * self.levels))


@dataclass(frozen=True)
class Reset(Action):
    """Resets the connection (RST) without a response."""

    def perform(self, exchange: Exchange) -> None:
        exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        exchange.close()


@dataclass(frozen=True)
class CloseWithoutAnswer(Action):
    """Closes the connection normally, without a response."""

    def perform(self, exchange: Exchange) -> None:
        exchange.close()


@dataclass(frozen=True)
class Refuse(Action):
    """Sends no response, and refuses all connections until `StandIn.accept_connections`."""

    def perform(self, exchange: Exchange) -> None:
        exchange.server.refuse_connections()
        exchange.close()


@dataclass(frozen=True)
class Hang(Action):
    """Sends no response while the client waits and the server runs."""

    def perform(self, exchange: Exchange) -> None:
        with contextlib.suppress(OSError):
            while exchange.connection.recv(PIECE):
                pass
        exchange.close()


@dataclass(frozen=True)
class Hold(Action):
    """Sends the genuine response once `released` is set."""

    released: threading.Event

    def perform(self, exchange: Exchange) -> None:
        while not self.released.wait(0.01):
            if exchange.server.stopping.is_set():
                exchange.close()
                return
        exchange.send(exchange.genuine())


@dataclass(frozen=True)
class SlowBody(Action):
    """Sends the genuine response at `bytes_per_second`, with `head` also its status line and headers."""

    bytes_per_second: float
    head: bool = False

    def perform(self, exchange: Exchange) -> None:
        response = exchange.genuine()
        head = exchange.head(response.status, {**response.headers, 'Content-Length': str(len(response.body))})
        exchange.begin(response.status)
        if not self.head:
            exchange.connection.sendall(head)
        slow = head + response.body if self.head else response.body
        step = max(1, int(self.bytes_per_second / 20))
        for start in range(0, len(slow), step):
            if not exchange.server.pause(step / self.bytes_per_second):
                exchange.close(response.status)
                return
            if start + step >= len(slow):
                exchange.finish()
            exchange.connection.sendall(slow[start : start + step])


@dataclass(frozen=True)
class Truncated(Action):
    """Sends the genuine response with a part of its body, `keep` (0-1), and closes the connection.

    Without `chunked` the body is shorter than Content-Length; with it the body ends within a chunk.
    """

    keep: float = 0.5
    chunked: bool = False

    def perform(self, exchange: Exchange) -> None:
        response = exchange.genuine()
        sent = response.body[: int(len(response.body) * self.keep)]
        exchange.keep_alive = False
        if self.chunked:
            middle = len(sent) // 2
            whole = chunk(sent[:middle]) if middle else b''
            body = whole + b'%x\r\n' % (len(response.body) - middle + 1) + sent[middle:]
            framing = {'Transfer-Encoding': 'chunked'}
        else:
            body = sent
            framing = {'Content-Length': str(max(len(response.body), len(sent) + 1))}
        exchange.close(response.status)
        exchange.connection.sendall(exchange.head(response.status, {**response.headers, **framing}) + body)


@dataclass(frozen=True)
class Huge(Action):
    """Sends `megabytes` of valid JSON, made in pieces: an array of objects between `opening` and `closing`."""

    megabytes: int = 200
    content_length: bool = True
    opening: bytes = b'['
    closing: bytes = b']'

    def perform(self, exchange: Exchange) -> None:
        item = b'{"id":1,"filler":"%s"}' % (b'x' * (PIECE - 20))
        items = max(1, self.megabytes * 1_000_000 // (len(item) + 1))
        length = len(self.opening) + items * (len(item) + 1) - 1 + len(self.closing)
        pieces = itertools.chain([self.opening, item], itertools.repeat(b',' + item, items - 1), [self.closing])
        exchange.stream(200, JSON_HEADERS, pieces, length if self.content_length else None)


@dataclass(frozen=True)
class GzipBomb(Action):
    """Sends a small gzip body that inflates to `megabytes` of valid JSON: an empty array with much white space."""

    megabytes: int = 1000

    def perform(self, exchange: Exchange) -> None:
        exchange.send(Response(200, {**JSON_HEADERS, 'Content-Encoding': 'gzip'}, gzip_bomb(self.megabytes)))


@dataclass(frozen=True)
class ManyLists(Action):
    """A gzip body of a thousandth of the size that unpacks to `megabytes` of `[[],[],...]`, millions of JSON values."""

    megabytes: int = 60
    opening: bytes = b'['
    closing: bytes = b']'

    def perform(self, exchange: Exchange) -> None:
        body = many_lists(self.megabytes, self.opening, self.closing)
        exchange.send(Response(200, {**JSON_HEADERS, 'Content-Encoding': 'gzip'}, body))


@dataclass(frozen=True)
class GzipAndMore(Action):
    """A good gzip body and `megabytes` of something else behind it, in chunks without a length."""

    body: bytes = b'[]'
    megabytes: int = 8

    def perform(self, exchange: Exchange) -> None:
        pieces = [gzip.compress(self.body), *itertools.repeat(bytes(PIECE), self.megabytes * 1_000_000 // PIECE)]
        exchange.stream(200, {**JSON_HEADERS, 'Content-Encoding': 'gzip'}, pieces, None)


@dataclass(frozen=True)
class GzipOfNothing(Action):
    """`megabytes` of a gzip body that has not unpacked to a single byte by then."""

    megabytes: int = 8

    def perform(self, exchange: Exchange) -> None:
        # An empty stored block, again and again.
        empty = b'\x00\x00\x00\xff\xff' * (PIECE // 5)
        pieces = [
            b'\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff',
            *itertools.repeat(empty, self.megabytes * 1_000_000 // len(empty)),
        ]
        exchange.stream(200, {**JSON_HEADERS, 'Content-Encoding': 'gzip'}, pieces, None)


@functools.lru_cache(maxsize=4)
def many_lists(megabytes: int, opening: bytes, closing: bytes) -> bytes:
    return gzip.compress(opening + b'[],' * (megabytes * 1_000_000 // 3) + b'[]' + closing, 5)


@functools.lru_cache(maxsize=2)
def gzip_bomb(megabytes: int) -> bytes:
    """A gzip member. One megabyte is compressed once with a full flush, so that it can be repeated."""
    blank = b' ' * 1_000_000

    def packed(data: bytes) -> bytes:
        deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return deflate.compress(data) + deflate.flush(zlib.Z_FULL_FLUSH)

    total = zlib.crc32(b'[')
    for _ in range(megabytes):
        total = zlib.crc32(blank, total)
    total = zlib.crc32(b']', total)
    size = (megabytes * len(blank) + 2) & 0xFFFFFFFF
    end = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packed(b'[') + packed(blank) * megabytes + end.compress(b']') + end.flush()
    return b'\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff' + body + struct.pack('<II', total, size)


@dataclass(frozen=True)
class Redirect(Action):
    """A redirect. `{target}` in the location is replaced by the request's own path and query."""

    location: str
    code: int = 302

    def perform(self, exchange: Exchange) -> None:
        location = self.location.replace('{target}', exchange.request.target)
        exchange.send(Response(self.code, {'Location': location}))


@dataclass(frozen=True)
class NotHttp(Action):
    """Sends bytes that are not HTTP."""

    garbage: bytes = b'220 mail.example ESMTP ready\r\n250 OK\r\n'

    def perform(self, exchange: Exchange) -> None:
        exchange.close()
        exchange.connection.sendall(self.garbage)
