# SPDX-License-Identifier: GPL-3.0-or-later
"""The Hardcover account: reading its API key, checking the key's owner and permissions, connecting with it.

A key is held as a Secret from the moment it is read. No Qt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..base import errors
from ..base.about import USER_AGENT
from ..base.cancel import Cancel
from ..base.errors import NoKeyFile, ScopeMissing, SettingsTrouble
from ..base.private_files import open_plain
from ..base.redaction import Secret
from ..base.reporter import Reporter
from ..base.settings import Settings, clean_token, plugin_folder, save
from ..rules.hardcover_records import Account
from ..services import hardcover_operations as operations
from ..services.hardcover_client import LIMITS, SERVICE, Hardcover
from ..services.hardcover_quota import Pace
from ..transport.client import HttpClient

# The form that creates a key, with the permissions selected that the plugin needs.
NEW_KEY_PAGE = operations.NEW_KEY_PAGE
TOKEN_FILE = 'hardcover.token'
# Bytes: a legacy key has some 500 characters, in UTF-16 twice as many bytes.
LARGEST_TOKEN_FILE = 8 * 1024
# The characters of personal access tokens, OAuth tokens and legacy JWTs (documented); a key never contains spaces.
TOKEN = re.compile(r'[\w.~+/=-]{8,4096}', re.ASCII)


@dataclass(frozen=True)
class TokenCheck:
    """The account of a key, and its permissions, called scopes.

    `missing` are scopes that the key lacks. `untested` are scopes that only a write could test. `units_left_today` is
    the rest of the daily quota, None if Hardcover does not report it. `requests` counts HTTP requests.
    """

    account: Account
    missing: tuple[str, ...]
    untested: tuple[str, ...]
    units_left_today: int | None
    requests: int


def token_path() -> Path:
    """The file in which Configure Hardcover Account looks for the key."""
    return plugin_folder() / TOKEN_FILE


def looks_like_token(token: str) -> bool:
    return TOKEN.fullmatch(token) is not None


def load_token_file(path: Path | None = None) -> Secret:
    """Read the key from a file in UTF-8 or UTF-16, by default `hardcover.token` in the plugin's folder.

    It is a plain file of a few kilobytes at most, with the key alone on one line. Raises NoKeyFile if the file is
    missing or empty, SettingsTrouble if it is unreadable or contains something else. The messages contain the path.
    """
    path = path or token_path()
    try:
        with open_plain(path) as file:
            raw = file.read(LARGEST_TOKEN_FILE + 1)
    except FileNotFoundError:
        raise NoKeyFile(errors.HARDCOVER_KEY_FILE_MISSING, path=path) from None
    except OSError as error:
        raise SettingsTrouble(errors.HARDCOVER_KEY_FILE_UNREADABLE, path=path, reason=error.strerror) from None
    # Notepad on Windows can save UTF-16.
    encoding = 'utf-16' if raw[:2] in (b'\xff\xfe', b'\xfe\xff') else 'utf-8'
    tokens = [token for line in raw.decode(encoding, 'replace').splitlines() if (token := clean_token(line))]
    if not tokens:
        raise NoKeyFile(errors.HARDCOVER_KEY_FILE_EMPTY, path=path)
    token = tokens[0]
    # Two lines may be two keys.
    if len(tokens) > 1 or len(raw) > LARGEST_TOKEN_FILE or not looks_like_token(token):
        raise SettingsTrouble(errors.HARDCOVER_KEY_FILE_ODD, path=path)
    return Secret(token)


def token_from_text(raw: str) -> Secret:
    """The key in a pasted text. Raises SettingsTrouble if the text is not a key."""
    token = clean_token(raw)
    if not looks_like_token(token):
        raise SettingsTrouble(errors.HARDCOVER_KEY_NOT_PASTED)
    return Secret(token)


def save_token(token: Secret) -> None:
    """Save the key in the settings. Raises SettingsTrouble."""
    save({'hardcover_token': token.reveal()})


@contextmanager
def connected(settings: Settings, reporter: Reporter, pace: Pace | None = None) -> Iterator[Hardcover]:
    """A client for the account in the settings; its connections are closed at the end of the context.

    `pace` is the rate limiter, by default the one that all clients of the token share. Raises SettingsTrouble if there
    is no key or the URL is invalid.
    """
    with HttpClient(SERVICE, USER_AGENT, LIMITS, report_wait=reporter.status) as http:
        yield Hardcover(http, settings.hardcover_api_url, settings.hardcover_token, pace)


def check_token(
    token: Secret, api_url: str, reporter: Reporter, cancel: Cancel, pace: Pace | None = None
) -> TokenCheck:
    """Find out the account of a key and the scopes that it lacks. Costs three units of quota and writes nothing.

    Raises SignInRefused for a wrong or expired key, ScopeMissing if the key may not even read the account,
    SettingsTrouble, ServerTrouble, Cancelled.
    """
    with HttpClient(SERVICE, USER_AGENT, LIMITS, report_wait=reporter.status) as http:
        hardcover = Hardcover(http, api_url, token, pace)
        account = hardcover.who_am_i(cancel)
        probes: dict[str, Callable[[], object]] = {
            operations.READ_CATALOG: lambda: hardcover.books_by_ids([1], cancel),
            operations.READ_SHELF: lambda: hardcover.shelf(account, [1], cancel),
        }
        missing = tuple(scope for scope, probe in probes.items() if not _allowed(probe))
        return TokenCheck(account, missing, (operations.WRITE_SHELF,), hardcover.pace.left_today, hardcover.requests)


def _allowed(probe: Callable[[], object]) -> bool:
    try:
        probe()
    except ScopeMissing:
        return False
    return True
