"""Pictures of candidates: how they come, how often, and which are kept."""

from __future__ import annotations

import pytest
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import Cancelled
from calibre_plugins.bookfusionbacksync.services.covers import Covers
from harness.hardcover import Service
from harness.network import USER_AGENT, cancelling
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
