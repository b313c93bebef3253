"""Pictures of candidates: how they come, how often, and which are kept."""

from __future__ import annotations

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import Cancelled
from calibre_plugins.bookfusionbacksync.services.covers import Covers
from calibre_plugins.bookfusionbacksync.transport import connection
from harness.hardcover import Service
from harness.network import USER_AGENT, cancelling, names
from standins.faults import Hang
from standins.hardcover import PNG


def test_covers_come_without_credentials_and_only_over_safe_ways(service: Service) -> None:
    with Covers(USER_AGENT, service.server.api_url) as covers:
        picture = covers.fetch(service.server.origin + '/covers/1.png', service.cancel)
        assert picture is not None
        assert picture.startswith(b'\x89PNG')
        assert covers.fetch('http://elsewhere.example/1.png', service.cancel) is None
        assert covers.fetch('file:///etc/passwd', service.cancel) is None
        assert covers.fetch(service.server.origin + '/nothing', service.cancel) is None
        service.cancel.set()
        with pytest.raises(Cancelled):
            covers.fetch(service.server.origin + '/covers/1.png', service.cancel)


def test_a_cover_is_asked_for_once(service: Service) -> None:
    one, other, nothing = (service.server.origin + path for path in ('/covers/1.png', '/covers/2.png', '/nothing'))
    with Covers(USER_AGENT, service.server.api_url) as covers:
        for _question in range(3):
            assert covers.fetch(one, service.cancel) == covers.fetch(other, service.cancel) != b''
            assert covers.fetch(nothing, service.cancel) is None
    assert sorted(request.path for request in service.server.requests) == ['/covers/1.png', '/covers/2.png', '/nothing']


def test_a_cover_whose_fetching_was_stopped_is_not_taken_for_missing(service: Service) -> None:
    url = service.server.origin + '/covers/1.png'
    cancel, fault = Cancel(), service.server.fail(Hang())
    with Covers(USER_AGENT, service.server.api_url) as covers:
        with cancelling(cancel, service.server, fault), pytest.raises(Cancelled):
            covers.fetch(url, cancel)
        assert covers.fetch(url, Cancel()) == PNG


def test_covers_that_were_not_shown_for_longest_are_let_go(service: Service) -> None:
    urls = [f'{service.server.origin}/covers/{number}.png' for number in (1, 2, 3)]
    with Covers(USER_AGENT, service.server.api_url, most=2 * (len(PNG) + len(urls[0]))) as covers:
        for url in (urls[0], urls[1], urls[0], urls[2], urls[0], urls[2], urls[1]):
            assert covers.fetch(url, service.cancel) == PNG
        assert covers.fetch(urls[0] + 'x' * 900, service.cancel) == PNG
    asked = [request.path.removeprefix('/covers/')[0] for request in service.server.requests]
    assert asked == ['1', '2', '3', '2', '1']


ODD_COVERS = [
    'https://[::1',
    'https://covers.example:99999/1.png',
    'https://covers.example:0/1.png',
    'https://covers..example/1.png',
    'https://.covers.example/1.png',
    'https://' + 'x' * 70 + '.example/1.png',
    'https://\ud800.example/1.png',
    'https://\u2100/1.png',
    'https://',
    'https://a b/1.png',
    'https://covers.example/\xfc.png',
    'data:image/png;base64,AAAA',
    'javascript:alert(1)',
    'x',
]


@pytest.mark.parametrize('url', ODD_COVERS, ids=ascii)
def test_an_odd_address_is_no_cover(service: Service, url: str) -> None:
    with names({}), Covers(USER_AGENT, service.server.api_url) as covers:
        assert covers.fetch(url, service.cancel) is None
        assert covers.fetch(service.server.origin + '/covers/1.png', service.cancel) == PNG


@pytest.mark.parametrize('proxy', [False, True])
@pytest.mark.parametrize('host', ['127.0.0.1', '192.168.1.1', '10.0.0.1', '[fd00::1]', 'router.example', 'localhost'])
def test_no_cover_comes_from_a_local_network(
    service: Service, host: str, proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever can name a picture must not reach the user's router with it."""
    if proxy:
        monkeypatch.setenv('https_proxy', 'http://127.0.0.1:9')
    sent: list[object] = []
    monkeypatch.setattr(connection.Connection, '_registered', lambda self, sock: sent.append(sock) or sock.close())
    known = {name: [('127.0.0.1', service.server.port)] for name in ('router.example', 'localhost')}
    with names(known), Covers(USER_AGENT, 'https://api.hardcover.example/v1/graphql') as covers:
        assert covers.fetch(f'https://{host}:{service.server.port}/covers/1.png', service.cancel) is None
    assert sent == []
    assert service.server.count() == 0


@pytest.mark.parametrize(
    ('api_url', 'local'),
    [
        ('http://127.0.0.1:8080/v1/graphql', True),
        ('https://[::1]/v1/graphql', True),
        ('https://localhost/v1/graphql', True),
        ('https://api.hardcover.app/v1/graphql', False),
        ('https://192.168.1.2/v1/graphql', False),
        ('https://127.0.0.1.evil.example/v1/graphql', False),
        ('https://[::1', False),
        ('', False),
    ],
)
def test_where_hardcover_is_on_this_computer_its_covers_may_be_too(
    service: Service, api_url: str, local: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def refuse(sock: object, address: tuple[str, int], *arguments: object) -> None:
        tried.append(address[0])
        raise ConnectionRefusedError(111, 'x')

    monkeypatch.setattr(connection, '_connect', refuse)
    with Covers(USER_AGENT, api_url) as covers:
        assert covers.fetch('https://192.168.1.1/1.png', service.cancel) is None
    assert tried == (['192.168.1.1'] if local else [])
