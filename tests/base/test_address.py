"""Which addresses can be used, what of one is shown, and which two are the same service."""

from __future__ import annotations

import pytest
from calibre_plugins.bookfusionbacksync.base.address import checked_address, same_service, shown_address
from calibre_plugins.bookfusionbacksync.base.errors import SettingsTrouble
from harness.transport import whole_story
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ('url', 'target', 'same'),
    [
        ('https://bookfusion.com/api', 'https://www.bookfusion.com/api', True),
        ('https://www.bookfusion.com/api', 'https://bookfusion.com/other', True),
        ('https://bookfusion.com/', 'https://BOOKFUSION.com:443/', True),
        ('https://bookfusion.com:8443/', 'https://www.bookfusion.com:8443/', True),
        ('https://bookfusion.com/', 'https://www.bookfusion.com:8443/', False),
        ('https://bookfusion.com/', 'http://www.bookfusion.com/', False),
        ('https://bookfusion.com/', 'http://bookfusion.com/', False),
        ('http://bookfusion.com/', 'https://bookfusion.com/', False),
        ('http://bookfusion.com/', 'http://www.bookfusion.com/', False),
        ('https://bookfusion.com/', 'https://api.bookfusion.com/', False),
        ('https://bookfusion.com/', 'https://bookfusion.com.evil.example/', False),
        ('https://bookfusion.com/', 'https://evilbookfusion.com/', False),
        ('https://bookfusion.com/', 'https://www.evil.example/', False),
        ('https://bookfusion.com/', 'https://bookfusion.com@evil.example/', False),
        ('https://bookfusion.com/', 'https://[', False),
        ('https://bookfusion.com/', 'https://bookfusion.com:99999/', False),
    ],
)
def test_which_redirects_credentials_may_follow(url: str, target: str, same: bool) -> None:
    assert same_service(url, target) is same


@pytest.mark.parametrize(
    ('url', 'plain', 'allowed'),
    [
        ('https://bookfusion.com/api', 'refused', True),
        ('http://bookfusion.com/api', 'refused', False),
        ('http://bookfusion.com/api', 'allowed', True),
        ('http://127.0.0.1:8080/api', 'refused', True),
        ('http://127.9.9.9/', 'refused', True),
        ('http://[::1]:8080/', 'refused', True),
        ('http://localhost:80/', 'refused', True),
        ('http://localhost.evil.example/', 'refused', False),
        ('http://127.0.0.1.evil.example/', 'refused', False),
        ('http://0.0.0.0/', 'refused', False),
        ('http://192.168.1.2/', 'refused', False),
        ('ftp://bookfusion.com/', 'allowed', False),
        ('bookfusion.com', 'allowed', False),
        ('//bookfusion.com', 'allowed', False),
        ('https://', 'allowed', False),
        ('https://:443', 'allowed', False),
        ('https://bookfusion.com:0', 'allowed', False),
        ('https://bookfusion.com:99999', 'allowed', False),
        ('https://[::1', 'allowed', False),
        ('https://bookfusion.com/a b', 'allowed', False),
        ('https://bookfusion.com/\xfc', 'allowed', False),
        ('https://bookfusion.com/a\r\nX-Evil: yes', 'allowed', False),
        ('', 'allowed', False),
    ],
)
def test_addresses(url: str, plain: str, allowed: bool) -> None:
    if allowed:
        assert checked_address(url, allow_plain=plain == 'allowed').hostname
        return
    with pytest.raises(SettingsTrouble) as caught:
        checked_address(url, allow_plain=plain == 'allowed')
    assert caught.value.exit_code == 2


@given(st.text())
def test_an_address_may_be_anything(url: str) -> None:
    try:
        assert checked_address(url).hostname
    except SettingsTrouble:
        assert len(shown_address(url)) <= 200


@pytest.mark.parametrize(
    ('url', 'shown'),
    [
        ('https://user:pa55word@books.example/api?token=pa55word#pa55word', 'https://books.example/api'),
        ('https://user:pa55@pa55@books.example/api', 'https://books.example/api'),
        ('https://user:pa55/pa55@books.example/api', 'https://books.example/api'),
        ('https://user:pa55?pa55#pa55@books.example:port/', 'https://books.example:port/'),
        ('user:pa55word@books.example', 'books.example'),
        ('books.example?token=pa55', 'books.example'),
    ],
)
def test_what_is_shown_of_an_address(url: str, shown: str) -> None:
    assert shown_address(url) == shown
    with pytest.raises(SettingsTrouble) as caught:
        checked_address(url.replace('https:', 'gopher:'))
    assert 'pa55' not in whole_story(caught.value)
