# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps passwords and tokens out of logs, errors and reprs.

A Secret is shown as ***. `redact` removes secrets from a text that may contain some.
"""

from __future__ import annotations

import json
import re
import threading
from urllib.parse import quote, quote_plus

HIDDEN = '***'
# Redacting shorter values would blank out parts of ordinary words. A Secret hides them all the same.
SHORTEST_TO_REDACT = 4

_known: set[str] = set()
_pattern: re.Pattern[str] | None = None
_lock = threading.Lock()

# Values after these names are redacted, also if they are not known. Book titles contain colons and words like these,
# so an unquoted name counts only before an equals sign or in a header.
_NAME = r'(?<! [\w-] ) [\w-]* (?: token | password | passwd | device_code )'
_NAMED_SECRETS = (
    re.compile(rf"""(?ix) {_NAME} (["']) \s* [:=] \s* (["']) (?P<secret> (?: \\. | (?! \2 ) . )* )"""),
    re.compile(rf"""(?ix) {_NAME} \s* = \s* ["']? (?P<secret> [^\s&"',;)}}\]]+ )"""),
    re.compile(r"""(?ix) (?<! [\w-] ) [\w-]+ -token : \s* (?P<secret> [^\s"']+ )"""),
    re.compile(r"""(?ix) \b (?: Bearer | Basic ) \s+ (?= [\w.~+/-]* [\d=] ) (?P<secret> [\w.~+/=-]{16,} )"""),
    re.compile(r"""(?ix) :// (?P<secret> [^\s/@]+ ) (?= @ )"""),
)


class Secret:
    """A password or token. Only `reveal` returns the value. Creating a Secret makes `redact` remove it."""

    __slots__ = ('_value',)

    def __init__(self, value: str) -> None:
        self._value = value
        remember(value)

    def reveal(self) -> str:
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return HIDDEN

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        raise TypeError('A secret is not written to disk by pickling.')


def _forms(value: str) -> set[str]:
    """The value as it appears in URLs, JSON, reprs and tracebacks."""
    encoded = value.encode('utf-8', 'surrogatepass')
    in_urls = {quote(encoded, safe=''), quote(encoded), quote_plus(encoded)}
    in_urls |= {re.sub('%[0-9A-F]{2}', lambda code: code.group().lower(), form) for form in in_urls}
    in_json = {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    return {value, *in_urls, *in_json, repr(value)[1:-1], ascii(value)[1:-1], repr(encoded)[2:-1]}


def remember(value: str) -> None:
    """Make `redact` remove this value from now on, also as it is written in URLs, JSON and reprs."""
    global _pattern
    if len(value) < SHORTEST_TO_REDACT:
        return
    with _lock:
        if value in _known:
            return
        _known.update(_forms(value))
        longest_first = sorted(_known, key=len, reverse=True)
        _pattern = re.compile('|'.join(re.escape(known) for known in longest_first))


def redact(message: str) -> str:
    """The message with *** in place of known secrets and of values after names such as `token` and `password`."""
    # Every pattern searches the original message: one redaction could hide the name that another pattern looks for.
    spans = [found.span('secret') for named in _NAMED_SECRETS for found in named.finditer(message)]
    if _pattern is not None:
        spans += [found.span() for found in _pattern.finditer(message)]
    shown, end = [], 0
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if start >= end:
            shown += [message[end:start], HIDDEN]
        end = max(end, stop)
    return ''.join([*shown, message[end:]])
