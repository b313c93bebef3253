# SPDX-License-Identifier: GPL-3.0-or-later
"""URLs: validation, redaction for display, and whether two of them lead to the same service."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from . import errors
from .errors import SettingsTrouble


def origin_of(address: SplitResult) -> tuple[str, str, int]:
    """Scheme, host name and port, the first two in lower case, the port filled in where the URL has none.

    Raises ValueError for a port that is not a number from 0 to 65535.
    """
    scheme = address.scheme.lower()
    port = address.port or (443 if scheme == 'https' else 80)
    return scheme, (address.hostname or '').lower(), port


def is_loopback(host: str) -> bool:
    """True if a host name or an IP address means this computer."""
    if host.lower().rstrip('.') == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return False


def leads_to_loopback(url: str) -> bool:
    """True if a URL leads to this computer; False for anything else, also for what is no URL."""
    try:
        return is_loopback(urlsplit(url).hostname or '')
    except ValueError:
        return False


def goes_in_the_clear(address: SplitResult) -> bool:
    """True if requests to this URL are not encrypted: plain http, except to this computer."""
    return address.scheme.lower() == 'http' and not is_loopback(address.hostname or '')


def checked_address(url: str, allow_plain: bool = True) -> SplitResult:
    """Split an http or https URL that a request can be sent to. Raises SettingsTrouble for anything else.

    With `allow_plain=False` plain http is accepted for this computer only.
    """
    try:
        address = urlsplit(url)
        usable = address.scheme.lower() in ('http', 'https') and bool(address.hostname) and address.port != 0
    except ValueError:
        usable = False
    if not usable or re.search(r'[\s\x00-\x1f\x7f]', url) or not f'{address.path}{address.query}'.isascii():
        raise SettingsTrouble(errors.BAD_ADDRESS, address=shown_address(url))
    if not allow_plain and goes_in_the_clear(address):
        raise SettingsTrouble(errors.NOT_ENCRYPTED, address=shown_address(url))
    return address


def shown_address(url: str) -> str:
    """The part of a URL that may be shown: no user name, password, query or fragment; 200 characters at most."""
    # A password may contain any delimiter of a URL, so everything before the last @ is dropped.
    before, at, after = url.rpartition('@')
    scheme, mark, _rest = before.partition('://')
    shown = (f'{scheme}://' if mark else '') + after if at else url
    return re.split(r'[?#]', shown, maxsplit=1)[0][:200]


def same_service(url: str, target: str) -> bool:
    """True if credentials may follow a redirect from `url` to `target`.

    They may within one origin, and over https between a host name with and without `www.`: BookFusion's public clients
    use both `bookfusion.com` and `www.bookfusion.com` (seen in their code).
    """
    try:
        here, there = origin_of(urlsplit(url)), origin_of(urlsplit(target))
    except ValueError:
        return False
    if here == there:
        return True
    return (
        here[0] == there[0] == 'https'
        and here[2] == there[2]
        and here[1].removeprefix('www.') == there[1].removeprefix('www.')
    )
