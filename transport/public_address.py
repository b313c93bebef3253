# SPDX-License-Identifier: GPL-3.0-or-later
"""IP addresses of the internet, told from those of this computer and of local networks.

A URL that a server sends must not make the plugin connect to a device in the user's home.
"""

from __future__ import annotations

import ipaddress
import socket

NAT64 = ipaddress.ip_network('64:ff9b::/96')
GLOBAL_UNICAST = ipaddress.ip_network('2000::/3')
# Reserved for benchmarks (RFC 2544). Programs that tunnel all connections resolve every name to one of these.
PLACEHOLDERS = ipaddress.ip_network('198.18.0.0/15')


def is_public(address: str) -> bool:
    """True if an IP address belongs to the internet. False for loopback, local networks, multicast and no address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        # A gateway connects to the IPv4 address at the end of a NAT64 address.
        inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF) if found in NAT64 else None
        inner = inner or found.ipv4_mapped or found.sixtofour
        if inner is None:
            return found in GLOBAL_UNICAST and found.is_global
        found = inner
    return (found.is_global and not found.is_multicast) or found in PLACEHOLDERS


def literal_address(host: str) -> str:
    """The IP address that a host is written as: `127.0.0.1`, `[::1]`, also `127.1` and `2130706433`; '' for a name."""
    try:
        # To a resolver full-width digits are digits.
        plain = host if host.isascii() else host.encode('idna').decode('ascii')
    except UnicodeError:
        return ''
    plain = plain.strip('[]').rstrip('.')
    try:
        return str(ipaddress.ip_address(plain))
    except ValueError:
        pass
    try:
        # Resolvers accept fewer parts, and hexadecimal and octal numbers.
        return socket.inet_ntoa(socket.inet_aton(plain))
    except (OSError, ValueError):
        return ''
