# SPDX-License-Identifier: GPL-3.0-or-later
"""Every query and mutation that this plugin sends to Hardcover, in one place.

At most three levels deep, at most five top-level fields, and `error` selected wherever it exists. Sends nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

# Hardcover refuses a whole request that has more top-level fields than this, or more than one search.
MOST_FIELDS = 5

READ_ACCOUNT = 'read:me:content'
READ_CATALOG = 'read:catalog'
READ_SHELF = 'read:library'
WRITE_SHELF = 'write:library'
SCOPES = (READ_ACCOUNT, READ_CATALOG, READ_SHELF, WRITE_SHELF)
NEW_KEY_PAGE = 'https://hardcover.app/account/api/keys/new?scope=' + '%20'.join(SCOPES)


class Kind(enum.Enum):
    QUERY = 'query'
    SEARCH = 'search'
    MUTATION = 'mutation'


@dataclass(frozen=True)
class Operation:
    """One GraphQL document. `fields` are the keys of its answer, a unit of the quota each; `scope` is what it takes."""

    name: str
    kind: Kind
    scope: str
    fields: tuple[str, ...]
    document: str

    @property
    def units(self) -> int:
        return len(self.fields)


def _operation(name: str, kind: Kind, scope: str, document: str, *fields: str) -> Operation:
    return Operation(name, kind, scope, fields, ' '.join(document.split()))


BOOK = 'id slug title canonical_id'
EDITION = f'id title isbn_13 isbn_10 asin book_id reading_format_id users_count canonical_id book {{ {BOOK} }}'

WHO_AM_I = _operation(
    'WhoAmI', Kind.QUERY, READ_ACCOUNT, 'query WhoAmI { me { id username account_privacy_setting_id } }', 'me'
)
EDITIONS_BY_CODES = _operation(
    'EditionsByCodes',
    Kind.QUERY,
    READ_CATALOG,
    f"""
    query EditionsByCodes($isbn13: [String!]!, $isbn10: [String!]!, $asin: [String!]!, $limit: Int!, $offset: Int!) {{
      editions(
        where: {{_or: [{{isbn_13: {{_in: $isbn13}}}}, {{isbn_10: {{_in: $isbn10}}}}, {{asin: {{_in: $asin}}}}]}},
        order_by: {{id: asc}}, limit: $limit, offset: $offset
      ) {{ {EDITION} }}
    }}
    """,
    'editions',
)
EDITIONS_BY_IDS = _operation(
    'EditionsByIds',
    Kind.QUERY,
    READ_CATALOG,
    f'query EditionsByIds($ids: [Int!]!) {{ editions(where: {{id: {{_in: $ids}}}}) {{ {EDITION} }} }}',
    'editions',
)
BOOKS_BY_SLUGS = _operation(
    'BooksBySlugs',
    Kind.QUERY,
    READ_CATALOG,
    f'query BooksBySlugs($slugs: [String!]!) {{ books(where: {{slug: {{_in: $slugs}}}}) {{ {BOOK} }} }}',
    'books',
)
BOOKS_BY_IDS = _operation(
    'BooksByIds',
    Kind.QUERY,
    READ_CATALOG,
    f'query BooksByIds($ids: [Int!]!) {{ books(where: {{id: {{_in: $ids}}}}) {{ {BOOK} }} }}',
    'books',
)
SEARCH_BOOKS = _operation(
    'SearchBooks',
    Kind.SEARCH,
    READ_CATALOG,
    """
    query SearchBooks($q: String!, $per_page: Int!) {
      search(query: $q, query_type: "Book", per_page: $per_page, page: 1) { ids results error }
    }
    """,
    'search',
)
SHELF = _operation(
    'Shelf',
    Kind.QUERY,
    READ_SHELF,
    """
    query Shelf($user_id: Int!, $book_ids: [Int!]!, $limit: Int!, $offset: Int!) {
      user_books(
        where: {
          user_id: {_eq: $user_id},
          _or: [{book_id: {_in: $book_ids}}, {original_book_id: {_in: $book_ids}}]
        },
        order_by: {id: asc}, limit: $limit, offset: $offset
      ) { id book_id original_book_id rating status_id edition_id updated_at }
    }
    """,
    'user_books',
)
READS = _operation(
    'Reads',
    Kind.QUERY,
    READ_SHELF,
    """
    query Reads($user_book_ids: [Int!]!, $limit: Int!, $offset: Int!) {
      user_book_reads(
        where: {user_book_id: {_in: $user_book_ids}}, order_by: {id: asc}, limit: $limit, offset: $offset
      ) { id user_book_id finished_at }
    }
    """,
    'user_book_reads',
)


def _several(name: str, count: int, variables: Mapping[str, str], field: str, answer: str) -> Operation:
    """A mutation with `count` aliases of one field; the variables of each alias end in its number.

    `field` is the field with its arguments, where `%` stands for the number.
    """
    declared = ', '.join(
        f'${variable}{number}: {kind}' for number in range(count) for variable, kind in variables.items()
    )
    aliases = tuple(f'r{number}' for number in range(count))
    body = ' '.join(
        f'{alias}: {field.replace("%", str(number))} {{ {answer} }}' for number, alias in enumerate(aliases)
    )
    return Operation(name, Kind.MUTATION, WRITE_SHELF, aliases, f'mutation {name}({declared}) {{ {body} }}')


@cache
def rate(count: int) -> Operation:
    """Sets the ratings of `count` shelf entries: variables `id0`, `rating0` (0-5 in halves, None clears), ..."""
    field = 'update_user_book(id: $id%, object: {rating: $rating%})'
    return _several('Rate', count, {'id': 'Int!', 'rating': 'numeric'}, field, 'id error')


@cache
def add(count: int) -> Operation:
    """Puts `count` books on the shelf: variables `object0`, ..."""
    field = 'insert_user_book(object: $object%)'
    return _several('Add', count, {'object': 'UserBookCreateInput!'}, field, 'id error user_book { last_read_date }')


@cache
def add_read(count: int) -> Operation:
    """Adds a dated read to `count` shelf entries: variables `user_book_id0`, `read0`, ..."""
    field = 'insert_user_book_read(user_book_id: $user_book_id%, user_book_read: $read%)'
    return _several('AddRead', count, {'user_book_id': 'Int!', 'read': 'DatesReadInput!'}, field, 'id error')


@cache
def date_read(count: int) -> Operation:
    """Changes the date of `count` reads: variables `id0`, `read0`, ..."""
    field = 'update_user_book_read(id: $id%, object: $read%)'
    return _several('DateRead', count, {'id': 'Int!', 'read': 'DatesReadInput!'}, field, 'id error')


ALL = (
    WHO_AM_I,
    EDITIONS_BY_CODES,
    EDITIONS_BY_IDS,
    BOOKS_BY_SLUGS,
    BOOKS_BY_IDS,
    SEARCH_BOOKS,
    SHELF,
    READS,
    *(mutation(count) for mutation in (rate, add, add_read, date_read) for count in range(1, MOST_FIELDS + 1)),
)
