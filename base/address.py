# SPDX-License-Identifier: GPL-3.0-or-later
"""Web addresses: whether one can be used, what of it may be shown, and which two are the same service."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from . import errors
from .errors import SettingsTrouble


def origin_of(address: SplitResult) -> tuple[str, str, int]:
    scheme = address.scheme.lower()
    port = address.port or (443 if scheme == 'https' else 80)
    return scheme, (address.hostname or '').lower(), port


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this computer."""
    if host.lower().rstrip('.') == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host.strip('[]')).is_loopback
    except ValueError:
        return False


def goes_in_the_clear(address: SplitResult) -> bool:
    """Whether others can read what is sent there: plain http, but to this computer itself."""
    return address.scheme.lower() == 'http' and not is_loopback(address.hostname or '')


def checked_address(url: str, allow_plain: bool = True) -> SplitResult:
    """The parts of an http or https address; raises SettingsTrouble for anything else.

    `allow_plain=False` refuses plain http too, but for this computer itself.
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
    """The address without user name, password, query and fragment: what may be shown."""
    # A password may hold any of the characters that end it elsewhere, so everything up to the last @ goes.
    before, at, after = url.rpartition('@')
    scheme, mark, _rest = before.partition('://')
    shown = (f'{scheme}://' if mark else '') + after if at else url
    return re.split(r'[?#]', shown, maxsplit=1)[0][:200]


def same_service(url: str, target: str) -> bool:
    """Whether credentials may follow a redirect: the same origin, or the same name with or without www. over https."""
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
