"""A BookLore server: its address, logging in, and what is believed of its answers."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

import pytest
from calibre_plugins.bookfusionbacksync.base import errors
from calibre_plugins.bookfusionbacksync.base.cancel import Cancel
from calibre_plugins.bookfusionbacksync.base.errors import (
    BadAnswer,
    RedirectedAway,
    ServerTrouble,
    SettingsTrouble,
    SignInRefused,
)
from calibre_plugins.bookfusionbacksync.base.parsers import LARGEST_ID
from calibre_plugins.bookfusionbacksync.base.redaction import Secret
from calibre_plugins.bookfusionbacksync.rules.booklore_matching import match_books
from calibre_plugins.bookfusionbacksync.rules.hardcover_records import SourceMatch
from calibre_plugins.bookfusionbacksync.rules.isbn import Codes
from calibre_plugins.bookfusionbacksync.rules.records import CalibreBook
from calibre_plugins.bookfusionbacksync.services.booklore import Server, parse_book, server_address
from harness.booklore import booklore_server
from harness.network import ONE_TRY
from hypothesis import given
from hypothesis import strategies as st
from standins import faults
from standins.booklore import LOGIN, BookLoreStandIn
from standins.common import Action, unused_port


@pytest.fixture
def server() -> Iterator[BookLoreStandIn]:
    with booklore_server() as running:
        yield running


def log_in(server: BookLoreStandIn) -> None:
    with Server(server.address, server.username, Secret(server.password), ONE_TRY) as booklore:
        booklore.log_in(Cancel())


@pytest.mark.parametrize('status', [423, 429])
def test_locked_out(server: BookLoreStandIn, status: int) -> None:
    server.fail(faults.Status(status, {'Retry-After': '1'}), LOGIN, times=None)
    with pytest.raises(SignInRefused, match='Wait 15 minutes'):
        log_in(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize(('username', 'password'), [('', 'secret'), ('reader', '')])
def test_half_of_an_account(username: str, password: str) -> None:
    with pytest.raises(SettingsTrouble, match='missing'):
        Server('http://127.0.0.1', username, Secret(password))


@pytest.mark.parametrize(
    'answer',
    [None, [], 'token', {}, {'accessToken': None}, {'accessToken': 7}, {'accessToken': ''}, {'accessToken': 'a\nb'}],
)
def test_a_log_in_without_a_usable_token(server: BookLoreStandIn, answer: object) -> None:
    server.fail(faults.WrongShape(answer), LOGIN)
    with pytest.raises(BadAnswer, match='no access token'):
        log_in(server)
    assert len(server.requests) == 1


def test_a_web_page_that_forbids_is_no_wrong_password(server: BookLoreStandIn) -> None:
    """A proxy before BookLore has it: the password is good, and is not remembered as a refused one."""
    server.fail(faults.Html(403), LOGIN)
    with pytest.raises(ServerTrouble, match='HTTP 403'):
        log_in(server)
    assert len(server.requests) == 1
    log_in(server)


@pytest.mark.parametrize('action', [faults.Status(403), faults.Empty(403), faults.Html(401)], ids=repr)
def test_a_refused_password(server: BookLoreStandIn, action: Action) -> None:
    """Spring answers 403 without a body where it means a wrong password."""
    server.fail(action, LOGIN)
    with pytest.raises(SignInRefused, match='user name or the password'):
        log_in(server)


def test_nobody_there() -> None:
    address = f'http://127.0.0.1:{unused_port()}'
    with (
        Server(address, 'reader', Secret('secret')) as booklore,
        pytest.raises(ServerTrouble, match='BookLore could not be reached'),
    ):
        booklore.log_in(Cancel())


def test_another_program_at_the_address(server: BookLoreStandIn) -> None:
    server.fail(faults.Status(404), LOGIN)
    with pytest.raises(ServerTrouble, match='There is no BookLore at http://127'):
        log_in(server)


@pytest.mark.parametrize(
    ('location', 'told'),
    [
        ('https://127.0.0.1', 'https://127.0.0.1'),
        ('https://127.0.0.1:8443', 'https://127.0.0.1:8443'),
        ('https://reader:word@127.0.0.1', 'https://127.0.0.1'),
        ('http://127.0.0.1:9', 'http://127.0.0.1:9'),
    ],
)
def test_a_proxy_that_wants_another_address(server: BookLoreStandIn, location: str, told: str) -> None:
    server.fail(faults.Redirect(location + '{target}', 301), LOGIN)
    with pytest.raises(ServerTrouble) as caught:
        log_in(server)
    assert f'sends this request on to {told}. Enter that address' in str(caught.value)


@pytest.mark.parametrize('location', ['https://books.example', 'ftp://127.0.0.1', 'javascript:'])
def test_a_redirect_to_where_no_booklore_can_be(server: BookLoreStandIn, location: str) -> None:
    server.fail(faults.Redirect(location + '{target}', 301), LOGIN)
    with pytest.raises(RedirectedAway):
        log_in(server)


@pytest.mark.parametrize(
    ('pasted', 'address'),
    [
        ('http://nas:6060', 'http://nas:6060'),
        (' https://books.example.org/ ', 'https://books.example.org'),
        ('https://books.example.org/login?returnUrl=%2F', 'https://books.example.org'),
        ('http://nas:6060/dashboard#top', 'http://nas:6060'),
        ('http://nas:6060/api/v1/', 'http://nas:6060'),
        ('https://example.org/library', 'https://example.org/library'),
        ('https://example.org/reading/login', 'https://example.org/reading'),
        ('http://[fd00::1]:6060/', 'http://[fd00::1]:6060'),
    ],
)
def test_addresses_as_people_paste_them(pasted: str, address: str) -> None:
    assert server_address(pasted) == address


@pytest.mark.parametrize(
    'pasted', ['nas:6060', 'books.example.org', 'ftp://nas', 'http://', 'http://a b', 'http://nas:x']
)
def test_addresses_that_cannot_be_used(pasted: str) -> None:
    with pytest.raises(SettingsTrouble, match='http:// or https:// in front'):
        server_address(pasted)


def test_an_address_with_a_password_in_it_is_not_shown() -> None:
    with pytest.raises(SettingsTrouble) as caught:
        server_address('ftp://reader:hunter22@nas')
    assert 'hunter22' not in str(caught.value)


NUMBERS = st.integers(0, 10**9 - 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


METADATA = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(('title', 'authors', 'isbn13', 'isbn10', 'asin', 'hardcoverId', 'hardcoverBookId'), JSON),
)


RECORDS = st.fixed_dictionaries({}, optional={'id': JSON | NUMBERS, 'title': JSON, 'metadata': METADATA | JSON})


@given(RECORDS | JSON)
def test_no_record_is_too_odd(raw: Any) -> None:
    book = parse_book(raw)
    if book is None:
        return
    assert book.book_id > 0
    assert 0 <= book.hardcover.book_id <= LARGEST_ID
    assert not set(book.hardcover.slug) & set('/?# \n')
    assert all(isinstance(author, str) for author in book.authors)
    assert isinstance(book.codes, Codes)
    match_books([CalibreBook(1, book.title, book.authors, {})], [book])


@pytest.mark.parametrize('slug', ['\ud800', 'emma\x00', 'emma, jane', 'emma|jane'])
def test_a_slug_that_no_identifier_keeps_is_left_out(slug: str) -> None:
    book = parse_book({'id': 1, 'metadata': {'hardcoverBookId': '11', 'hardcoverId': slug}})
    assert book is not None
    assert book.hardcover == SourceMatch(11, '')


@given(st.integers(1, 2**31 - 1), st.text(string.ascii_lowercase + '-', min_size=1, max_size=40))
def test_the_id_may_be_a_text_or_a_number(number: int, slug: str) -> None:
    for given_id in (number, str(number), f' {number} '):
        book = parse_book({'id': 1, 'metadata': {'hardcoverBookId': given_id, 'hardcoverId': slug}})
        assert book is not None
        assert book.hardcover == SourceMatch(number, slug)


def test_every_sentence_says_what_to_do() -> None:
    sentences = [getattr(errors, name) for name in dir(errors) if name.startswith('BOOKLORE_')]
    assert len(sentences) == 7
    assert all(
        'Settings' in str(sentence) or 'Write it' in str(sentence) or 'Give' in str(sentence) for sentence in sentences
    )
