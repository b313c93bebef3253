# SPDX-License-Identifier: GPL-3.0-or-later
"""The exceptions whose message is shown to users, and all of these messages.

A message says what happened and what to do about it. An error has a class of its own only if code handles it in a
special way. Code that tells errors apart tests the class, never the message. The numbers are exit codes of the command
line, given where they differ from the class above:

    BackSyncError (1)
    |-- ServerTrouble           the network or the server failed
    |   |-- BadAnswer           the response is not what the API promises
    |   |-- RedirectedAway      a redirect that was not followed
    |   |-- ErrorPage           an error status with a web page instead of data
    |   |-- ApiGone             404 or 410: the API no longer exists
    |   |-- OnlyThisFailed      this request failed; others may succeed
    |   |   `-- TimedOut        the server timed out; a smaller request may succeed
    |   `-- QuotaSpent          the service accepts no more requests for now
    |-- SignInRefused (3)       the account, its password or its token was refused
    |   |-- PasswordRefused     the email address and password in the settings were refused
    |   `-- ScopeMissing        the token is valid but lacks a permission
    |-- SettingsTrouble (2)     a setting is missing or cannot be used
    |   |-- PasswordMissing     an email address without a password
    |   `-- NoKeyFile           the key file does not exist or is empty
    |-- NotOnHardcover          Hardcover has no book with this id or at this address
    |-- WrongUsage (2)          unknown or missing arguments on the command line
    |-- LibraryTrouble          the library could not be read or written, or was replaced by another one
    |   |-- LibraryLocked       another program is writing to it
    |   |-- LibraryReadOnly     its disk or its files are write-protected
    |   |-- NoLibrary (2)       no library at the given path
    |   `-- NoSuchBook (2)      no book with the given id in the library
    `-- Cancelled (4)           the user stopped the job

No Qt, no Calibre.
"""

from __future__ import annotations

from .text import Text, text

NOT_REACHED = text(
    '{service} could not be reached ({reason}). '
    'Check the internet connection and the proxy of this computer, then try again.'
)
TOO_SLOW = text('{service} did not answer in time. Try again later.')
BROKE_OFF = text('The connection to {service} broke off ({reason}). Check the internet connection and try again.')
SERVER_TROUBLE = text('{service} has trouble at the moment (HTTP {status}). Try again in a few minutes.')
TOO_MANY_REQUESTS = text('{service} asks for fewer requests. Try again in {wait}.')
REFUSED_REQUEST = text(
    '{service} refused the request (HTTP {status}). Check for a newer version of this plugin; '
    'if there is none, report this with the log.'
)
NOT_JSON = text(
    '{service} answered with something that is not its data, perhaps an error page. Try again in a few minutes.'
)
UNEXPECTED_ANSWER = text(
    '{service} answered in a form that this plugin does not know ({reason}). '
    'Check for a newer version of this plugin; if there is none, report this with the log.'
)
TOO_LARGE = text(
    '{service} sent more than {megabytes} MB in one answer, which was refused. '
    'Choose a smaller page_size in the settings file, or try again later.'
)
CERTIFICATE = text(
    'The certificate of {host} could not be verified ({reason}). '
    'Check the date and time of this computer, and any antivirus or proxy that looks into encrypted connections.'
)
REDIRECTED_AWAY = text(
    '{service} sent this request on to another server, {host}, which was refused to protect your account. '
    'Check that this network does not ask you to log in first, then try again.'
)
NOT_ENCRYPTED = text(
    'The address {address} is not encrypted. Change it to one that starts with https:// in the settings.'
)
BAD_ADDRESS = text('The address {address} cannot be used. Correct it in the settings.')

EMAIL_MISSING = text(
    'The email address of the BookFusion account is missing. Enter it in Settings, or sign in with a browser there.'
)
PASSWORD_MISSING = text(
    'The password of the BookFusion account is missing. Enter it in Settings, or sign in with a browser there.'
)
SIGN_IN_REFUSED = text(
    'BookFusion refused the email address or the password. Correct them in Settings, or sign in with a browser there.'
)
SIGN_IN_WITHOUT_TOKEN = text(
    'BookFusion accepted the password but gave no token. Try again later, or sign in with a browser in Settings.'
)
BROWSER_ACCOUNT = text('This BookFusion account has no password for apps. Sign in with a browser in Settings.')
SIGN_IN_AGAIN = text('The sign-in to BookFusion has expired. Sign in again in Settings.')
SIGN_IN_DENIED = text('The sign-in was denied in the browser. Start it again and choose Allow there.')
SIGN_IN_EXPIRED = text('The code was not entered in time. Start the sign-in again.')
API_GONE = text(
    'BookFusion no longer answers at the address this plugin knows. Check for a newer version of this plugin.'
)

SETTINGS_NOT_JSON = text(
    'The settings file was not readable and has been set aside as {path}. '
    'Enter the settings again, or repair that file and rename it.'
)
SETTINGS_NOT_READ = text('The settings file {path} could not be read ({reason}). Check its permissions.')
SETTINGS_NOT_SAVED = text(
    'The settings could not be saved to {path} ({reason}). Check the free space and the permissions there.'
)
COLUMN_NOT_CHOSEN = text('No Last Read Column is chosen. Choose one under Columns in Settings.')
COLUMN_MISSING = text(
    'The Last Read Column {column} does not exist in this library. Create it, or choose another one in Settings.'
)
COLUMN_COMPUTED = text(
    'The Last Read Column {column} is computed (built from other columns), so that it cannot be written. '
    'Choose another one in Settings.'
)
COLUMN_WRONG_TYPE = text('The Last Read Column {column} is not a Date column. Choose another one in Settings.')

WRONG_USAGE = text('Wrong usage ({what}). Run it with --help to see how it is used.')
NO_LIBRARY = text('There is no Calibre library at {path}. Check the path given with --library.')
NO_DATABASE = text(
    "There is no database at {path}, where the environment variable {variable} says that Calibre's is. "
    'Correct that variable, or remove it.'
)
NO_SUCH_BOOK = text(
    'There is no book with the id {book_id} in this library. Check the id, and the path given with --library.'
)
LIBRARY_SWITCHED = text('The library was switched while a job was running, so nothing was written. Start it again.')
LIBRARY_NOT_WRITTEN = text(
    'Calibre could not write to the library ({reason}). Check the free space and restart Calibre, then try again.'
)
COLUMN_NOT_CREATED = text(
    'Calibre could not create the column {column} ({reason}). Create it under Preferences > Add your own columns.'
)
LIBRARY_NOT_READ = text(
    'Calibre could not read the library ({reason}). Run Library maintenance > Check library, then try again.'
)
LIBRARY_LOCKED = text(
    'The library is locked by another program. Close the programs that use it, such as another Calibre, '
    'Calibre-Web or one that syncs its folder, then try again.'
)
LIBRARY_READ_ONLY = text(
    'The library cannot be changed: its disk is read-only, or its files are write-protected ({reason}). '
    'Make its folder and its files writable for this user, or move it to a disk that is.'
)
LIBRARY_CLOSED = text(
    'This user may not read the library ({reason}). Correct the permissions of {path}, then try again.'
)
LIBRARY_NOT_COPIED = text(
    'The library could not be copied to look at it without changing it ({reason}). '
    'Check the free space for temporary files.'
)
CALIBRE_IS_RUNNING = text('Calibre is running. Close it first, or start this from its window.')
RECORD_NOT_WRITTEN = text(
    'The undo record could not be saved ({reason}), so nothing was changed. '
    'Check the free space and the permissions of {path}.'
)
MEMORY_NOT_SAVED = text(
    'The record of Hardcover jobs could not be saved ({reason}), so this step was not taken. '
    'Check the free space and the permissions of {path}.'
)
MEMORY_NOT_READ = text(
    'The record of earlier Hardcover jobs, {path}, could not be read ({reason}). Check its permissions and try again.'
)
UNEXPECTED = text('Something unexpected happened ({reason}). Report this with the log.')
CANCELLED = text('Cancelled - nothing was written.')

HARDCOVER_KEY_MISSING = text(
    'No Hardcover account is set up. Choose Configure Hardcover Account in the menu of this plugin.'
)
HARDCOVER_KEY_REFUSED = text(
    'Hardcover did not accept the key: it is wrong or has expired. Make a new one at hardcover.app/account/api '
    'and choose Configure Hardcover Account in the menu of this plugin.'
)
HARDCOVER_KEY_PROBABLY_REFUSED = text(
    'Hardcover answered the first request with an error page (HTTP {status}), as it does for a key that it does not '
    'accept. Try again in a few minutes; if it is the same then, make a new key at hardcover.app/account/api and '
    'choose Configure Hardcover Account in the menu of this plugin.'
)
HARDCOVER_SCOPE_MISSING = text(
    'The Hardcover key lacks the permission {scope}. Make a new one with the link in Configure Hardcover Account, '
    'which has every permission ticked that this plugin needs.'
)
HARDCOVER_NOT_ACCEPTED = text(
    'Hardcover did not accept a request ({reason}). Make a new key with the link in Configure Hardcover Account, '
    'in case this one lacks the permission {scope}; if that does not help, check for a newer version of this plugin.'
)
HARDCOVER_LIMIT = text(
    'Hardcover refused a request as too large or no longer allowed ({reason}). '
    'Check for a newer version of this plugin; if there is none, report this with the log.'
)
HARDCOVER_QUOTA_SPENT = text(
    "Hardcover's quota is used up ({sent}). Start this again after {when}; what was done is kept."
)
HARDCOVER_KEY_FILE_MISSING = text(
    'There is no Hardcover key at {path}. Save the key there, alone on one line, choose another file or paste it.'
)
HARDCOVER_KEY_FILE_EMPTY = text('The file {path} is empty. Save the Hardcover key there, alone on one line.')
HARDCOVER_KEY_FILE_ODD = text(
    'The file {path} does not look like a Hardcover key. Save the key there, alone on one line, as Hardcover shows it.'
)
HARDCOVER_KEY_NOT_PASTED = text(
    'What is on the clipboard does not look like a Hardcover key. Copy the key on the page where Hardcover shows it.'
)
HARDCOVER_KEY_FILE_UNREADABLE = text('The file {path} could not be read ({reason}). Check its permissions.')
HARDCOVER_WRITE_FAILED = text(
    'Hardcover did not take it ({reason}). Look at the book on hardcover.app, or try again later.'
)
HARDCOVER_SEARCH_FAILED = text('The search on Hardcover failed ({reason}). Try again later.')
NOT_ON_HARDCOVER = text(
    'Hardcover has no book at {address}. Check the id or the address, or search for the title on hardcover.app.'
)
NOT_A_BOOKS_ADDRESS = text(
    'This is neither the id nor the address of a book on Hardcover. '
    'Copy the address of its page, which looks like {example}.'
)
HARDCOVER_ID_NOT_OURS = text(
    'The Hardcover id of this book was not stored by this plugin, so it stays. '
    'Remove hardcover-id from the Ids of the book under Edit metadata, then fetch its id again.'
)
HARDCOVER_OTHER_ACCOUNT = text(
    'The last push was made with another Hardcover account. Load the key of that one with Configure Hardcover Account.'
)
BOOK_GONE = text('This book is no longer in the library. Choose another one.')
RESTRICTION_NOT_READ = text(
    'Calibre does not understand the search {search} ({reason}), so no book is looked up on Hardcover or sent there. '
    'Correct it under Hardcover in Settings.'
)
RATING_COLUMN_MISSING = text(
    'The rating column {column} does not exist in this library. Choose another one in Settings.'
)
RATING_COLUMN_COMPUTED = text(
    'The rating column {column} is computed (built from other columns), so that it holds no ratings. '
    'Choose another one in Settings.'
)
RATING_COLUMN_WRONG_TYPE = text('The column {column} does not hold ratings. Choose another one in Settings.')
CANCELLED_KEPT = text('Cancelled - what was done before is kept.')

BOOKLORE_ADDRESS = text(
    'The BookLore address {address} cannot be used. '
    'Write it with http:// or https:// in front, as in http://192.168.1.20:6060.'
)
BOOKLORE_INCOMPLETE = text('The user name or the password for BookLore is missing. Enter them in Settings.')
BOOKLORE_REFUSED = text(
    'BookLore refused the user name or the password. Correct them in Settings: '
    'after five failures BookLore locks this computer out for 15 minutes.'
)
BOOKLORE_LOCKED = text(
    'BookLore lets nobody log in from this computer for a while, after too many failures. '
    'Wait 15 minutes, and correct the user name and the password in Settings.'
)
BOOKLORE_NOT_THERE = text(
    'There is no BookLore at {address} (HTTP {status}). Enter the address in Settings as it shows in the browser.'
)
BOOKLORE_MOVED = text('BookLore sends this request on to {address}. Enter that address in Settings, if it is yours.')
BOOKLORE_NOT_ALLOWED = text(
    'BookLore does not show its books to this user (HTTP {status}). Give the user access to a library in BookLore.'
)


class BackSyncError(Exception):
    """An error whose message, `sentence`, is shown to users. `exit_code` is what the command line exits with."""

    exit_code = 1

    def __init__(self, sentence: Text, **values: object) -> None:
        self.sentence = sentence.with_values(**values)
        super().__init__(sentence, values)

    def __str__(self) -> str:
        return str(self.sentence)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({str(self)!r})'


class ServerTrouble(BackSyncError):
    """The network or the server failed, after all retries."""


class BadAnswer(ServerTrouble):
    """The response is not what the API promises."""


class RedirectedAway(ServerTrouble):
    """A redirect that was not followed, because it would send credentials to another service.

    `host` is the host that it leads to; `origin` is the same with scheme and port. Both may be shown.
    """

    def __init__(self, service: str, host: str, origin: str = '') -> None:
        super().__init__(REDIRECTED_AWAY, service=service, host=host)
        self.host = host
        self.origin = origin


class ErrorPage(ServerTrouble):
    """The server responded with the error `status` and a web page instead of data, after all retries."""

    def __init__(self, service: str, status: int) -> None:
        super().__init__(SERVER_TROUBLE, service=service, status=status)
        self.status = status


class ApiGone(ServerTrouble):
    """The API no longer exists: the server responded with 404 or 410."""


class SignInRefused(BackSyncError):
    """The account, its password or its token was refused."""

    exit_code = 3


class OnlyThisFailed(ServerTrouble):
    """This request failed on the server. Other requests may succeed."""


class TimedOut(OnlyThisFailed):
    """The server timed out while it handled the request. A smaller request may succeed."""


class QuotaSpent(ServerTrouble):
    """The service accepts no more requests for `seconds` seconds. `when` is the same in words."""

    def __init__(self, seconds: float, when: str, sent: Text) -> None:
        super().__init__(HARDCOVER_QUOTA_SPENT, sent=sent, when=when)
        self.seconds = seconds
        self.when = when

    def after(self, sent: Text) -> QuotaSpent:
        """A copy whose message says what had been sent until then."""
        return QuotaSpent(self.seconds, self.when, sent)


class NotOnHardcover(BackSyncError):
    """What was entered is the address of no book on Hardcover, or no book there has the id."""


class PasswordRefused(SignInRefused):
    """BookFusion refused the email address or the password."""

    def __init__(self) -> None:
        super().__init__(SIGN_IN_REFUSED)


class ScopeMissing(SignInRefused):
    """The token is valid, but lacks the permission for a request."""


class SettingsTrouble(BackSyncError):
    """A setting is missing or cannot be used."""

    exit_code = 2


class PasswordMissing(SettingsTrouble):
    """The settings have an email address but no password."""

    def __init__(self) -> None:
        super().__init__(PASSWORD_MISSING)


class NoKeyFile(SettingsTrouble):
    """The file that should hold a key does not exist or is empty."""


class WrongUsage(BackSyncError):
    """The arguments of the command line are unknown, missing or contradictory."""

    exit_code = 2


class LibraryTrouble(BackSyncError):
    """Calibre's library could not be read or written, or is no longer the one that the job started with."""


class LibraryLocked(LibraryTrouble):
    """Another program is writing to the library, and did not end while it was waited for."""

    def __init__(self) -> None:
        super().__init__(LIBRARY_LOCKED)


class LibraryReadOnly(LibraryTrouble):
    """The library's file system is read-only, or this user may not write its files. `reason` is the system's."""

    def __init__(self, reason: str) -> None:
        super().__init__(LIBRARY_READ_ONLY, reason=reason)


class NoLibrary(LibraryTrouble):
    """There is no library at the given path."""

    exit_code = 2


class NoSuchBook(LibraryTrouble):
    """The library has no book with the given id."""

    exit_code = 2

    def __init__(self, book_id: int) -> None:
        super().__init__(NO_SUCH_BOOK, book_id=book_id)


class Cancelled(BackSyncError):
    """The user stopped the job. Unless `sentence` says otherwise, nothing was written."""

    exit_code = 4

    def __init__(self, sentence: Text = CANCELLED, **values: object) -> None:
        super().__init__(sentence, **values)
