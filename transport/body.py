# SPDX-License-Identifier: GPL-3.0-or-later
"""The bodies of responses: reading, inflating and parsing them, each within a limit.

A few kilobytes can inflate to many megabytes, and these can become gigabytes of Python objects.
"""

from __future__ import annotations

import http.client
import json
import zlib

from .failures import BodyTooLarge

CHUNK = 64 * 1024
# Parsing a longer integer would take the square of its length (before Python 3.10.7), and it is no id or count.
LONGEST_INTEGER = 300


class TooManyValues(ValueError):
    """JSON with more values than may be parsed."""


def read_body(response: http.client.HTTPResponse, gzipped: bool, max_body: int) -> bytes:
    """The body, inflated. Raises BodyTooLarge, and IncompleteRead for a body that is cut short.

    `max_body` limits the inflated body and also what is received, because a gzip body may be followed by anything, or
    hold nothing. http.client's own read() does not report every short body, so the bytes are counted here.
    """
    expected = None if response.chunked else response.length
    if expected is not None and expected > max_body:
        raise BodyTooLarge
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS) if gzipped else None
    body = bytearray()
    received = 0
    while expected is None or received < expected:
        chunk = response.read1(CHUNK if expected is None else min(CHUNK, expected - received))
        if not chunk:
            break
        received += len(chunk)
        if inflate is None:
            body += chunk
        elif not inflate.eof:
            body += inflate.decompress(chunk, max_body + 1 - len(body))
        if max(received, len(body)) > max_body:
            raise BodyTooLarge
    if expected is not None and received < expected:
        raise http.client.IncompleteRead(b'', expected - received)
    if inflate is not None and received and not inflate.eof:
        raise http.client.IncompleteRead(b'')
    return bytes(body)


def parse_json(body: bytes | str, max_values: int) -> object:
    """Parse JSON. Raises TooManyValues without parsing it, ValueError or RecursionError if it is not JSON.

    An integer of more than LONGEST_INTEGER characters becomes a float. Parsing 100,000 values takes some 10 ms, during
    which no other thread runs.
    """
    data = body.encode(errors='surrogatepass') if isinstance(body, str) else body
    # Every value but the first one follows one of these marks, directly or after its field's name. Those in texts count
    # too: the limit has to leave space for them.
    if sum(map(data.count, (b',', b'[', b'{'))) > max_values:
        raise TooManyValues
    return json.loads(body, parse_int=_parse_int)


def _parse_int(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)
