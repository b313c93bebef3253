"""Which IP addresses are the internet's, and which hosts are written as one."""

from __future__ import annotations

import pytest
from calibre_plugins.bookfusionbacksync.transport.public_address import is_public, literal_address
from hypothesis import given
from hypothesis import strategies as st

PUBLIC = """
    8.8.8.8 1.1.1.1 172.15.0.1 172.32.0.1 192.167.1.1 100.63.0.1 100.128.0.1 223.255.255.254 198.18.0.7 198.19.255.1
    2606:4700::1111 2a00:1450:4001:830::200e ::ffff:8.8.8.8 64:ff9b::808:808 2002:808:808::1
"""
PRIVATE = """
    127.0.0.1 127.9.9.9 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 192.168.178.1 169.254.169.254
    0.0.0.0 100.64.0.1 100.100.100.200 192.0.2.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255
    ::1 :: fc00::1 fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 2001:db8::1 100::1 4000::1
    ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::10.0.0.1 64:ff9b::a00:1 64:ff9b::7f00:1 64:ff9b:1::1 2002:a00:1:: 2002:c0a8:1::1
    2001:0:a00:1::
"""


@pytest.mark.parametrize('address', PUBLIC.split())
def test_addresses_of_the_internet(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize('address', [*PRIVATE.split(), '', 'localhost', '8.8.8', '8.8.8.8.8', 'bookfusion.com'])
def test_addresses_of_a_local_network_and_what_is_none(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    ('host', 'address'),
    [
        ('127.0.0.1', '127.0.0.1'),
        ('127.0.0.1.', '127.0.0.1'),
        ('127.1', '127.0.0.1'),
        ('10.1', '10.0.0.1'),
        ('2130706433', '127.0.0.1'),
        ('0x7f000001', '127.0.0.1'),
        ('0x7f.1', '127.0.0.1'),
        ('017700000001', '127.0.0.1'),
        ('0', '0.0.0.0'),
        ('\uff11\uff12\uff17.0.0.1', '127.0.0.1'),
        ('127\u30020\u30020\u30021', '127.0.0.1'),
        ('::1', '::1'),
        ('[::1]', '::1'),
        ('[0:0:0:0:0:0:0:1]', '::1'),
        ('fe80::1%eth0', 'fe80::1%eth0'),
        ('bookfusion.com', ''),
        ('localhost', ''),
        ('127.0.0.1.example', ''),
        ('b\xfccher.example', ''),
        ('a..b', ''),
        ('\xfc..b', ''),
        ('\xfc' * 70, ''),
        ('', ''),
        ('1\x00', ''),
    ],
)
def test_hosts_that_are_written_as_an_address(host: str, address: str) -> None:
    assert literal_address(host) == address


@given(st.text() | st.from_regex(r'[0-9a-fx.:\[\]%]{0,20}', fullmatch=True))
def test_a_host_may_be_anything(host: str) -> None:
    address = literal_address(host)
    assert is_public(address) in (False, True)
