"""Prepares Calibre for the tests: temporary folders, a separate network, the installed plugin.

Must be called before anything imports calibre. Works in Debian's Python and inside `calibre-debug`.
"""

from __future__ import annotations

import atexit
import ctypes
import importlib
import os
import shutil
import socket
import struct
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
IMPORT_NAME = 'bookfusionbacksync'
PLUGIN_NAME = 'BookFusion Back Sync'

FOLDER_VARIABLE = 'BACKSYNC_TESTS_FOLDER'
EVIDENCE_VARIABLE = 'BACKSYNC_TESTS_EVIDENCE'
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1


@dataclass(frozen=True)
class Session:
    """The folders of this test run. `isolated` is True if it has its own network namespace, see `own_network`."""

    folder: Path
    isolated: bool

    @property
    def config(self) -> Path:
        """The configuration folder of this process, with the plugin installed."""
        return self.folder / 'config'

    @property
    def zip(self) -> Path:
        """The plugin, built for this run."""
        return self.folder / 'BookfusionBackSync.zip'

    @property
    def evidence(self) -> Path:
        """The folder of the tests' evidence. pytest-xdist's workers use that of the main process."""
        return Path(os.environ.get(EVIDENCE_VARIABLE, self.folder / 'evidence'))


def _enter_network_namespace() -> bool:
    """Move this process into a network namespace with a loopback interface only. False if the system refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.geteuid(), os.getegid()
    if libc.unshare(CLONE_NEWNET if user == 0 else CLONE_NEWUSER | CLONE_NEWNET) != 0:
        return False
    try:
        if user != 0:
            Path('/proc/self/setgroups').write_text('deny')
            Path('/proc/self/uid_map').write_text(f'{user} {user} 1')
            Path('/proc/self/gid_map').write_text(f'{group} {group} 1')
        import fcntl

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            request = struct.pack('16sh14x', b'lo', 0)
            (flags,) = struct.unpack('16xh14x', fcntl.ioctl(control, SIOCGIFFLAGS, request))
            fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack('16sh14x', b'lo', flags | IFF_UP))
    except OSError:
        return False
    return True


def own_network() -> bool:
    """Move the tests into a network namespace of their own. Returns False if that is not possible.

    Calibre's lock is an abstract socket per user and network namespace. In its own namespace a test run affects neither
    the user's Calibre nor other test runs. It also ensures that no test uses the network outside.
    """
    if not sys.platform.startswith('linux'):
        return False
    # A child process tries first, because some systems allow the namespace but give no rights in it.
    with warnings.catch_warnings():
        # Python 3.12 and later warn about forks with threads. The child uses no locks.
        warnings.simplefilter('ignore', DeprecationWarning)
        child = os.fork()
    if child == 0:
        os._exit(0 if _enter_network_namespace() else 1)
    return os.waitpid(child, 0)[1] == 0 and _enter_network_namespace()


def set_environment(folder: Path) -> None:
    """Set a new configuration, temporary folder and cache below the folder, for this process and its children."""
    for name in ('config', 'calibre-temp', 'cache'):
        folder.joinpath(name).mkdir()
    os.environ.update(
        CALIBRE_CONFIG_DIRECTORY=str(folder / 'config'),
        CALIBRE_TEMP_DIR=str(folder / 'calibre-temp'),
        CALIBRE_CACHE_DIRECTORY=str(folder / 'cache'),
        CALIBRE_OVERRIDE_LANG='en',
    )
    # Proxies and debugging switches of the developer must not affect the tests.
    for name in list(os.environ):
        if name.lower() in {
            'http_proxy',
            'https_proxy',
            'all_proxy',
            'no_proxy',
            'calibre_debug',
            'calibre_develop_from',
        }:
            del os.environ[name]


def find_calibre() -> None:
    """Make calibre importable in a plain Python, as the first lines of Debian's `calibre-debug` do (seen)."""
    if not hasattr(sys, 'resources_location'):
        sys.path.insert(0, os.environ.get('CALIBRE_PYTHON_PATH', '/usr/lib/calibre'))
        sys.resources_location = '/usr/share/calibre'  # type: ignore[attr-defined]
        sys.extensions_location = '/usr/lib/calibre/calibre/plugins'  # type: ignore[attr-defined]
        sys.executables_location = '/usr/bin'  # type: ignore[attr-defined]
        sys.system_plugins_location = None  # type: ignore[attr-defined]
    importlib.import_module('calibre.startup')


def install_plugin(zip_path: Path) -> None:
    importlib.import_module('calibre.customize.ui').add_plugin(str(zip_path))


def remove_folder(folder: Path, owner: int) -> None:
    """Delete the folder, unless this process is a forked child that runs the exit handlers too."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


def temporary_folder(prefix: str) -> Path:
    """A new folder that is deleted when this process exits."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    atexit.register(remove_folder, folder, os.getpid())
    return folder


def start() -> Session:
    """Prepare this process for tests. Must be called once, before anything imports calibre."""
    if FOLDER_VARIABLE in os.environ:
        # Inside `calibre-debug`, which has read its environment already: tools/pytest_in_calibre.py has set it.
        folder = Path(os.environ[FOLDER_VARIABLE])
    elif 'calibre.constants' in sys.modules:
        raise SystemExit("Calibre is on the user's own configuration already; use tools/pytest_in_calibre.py.")
    else:
        folder = temporary_folder('backsync-tests-')
        set_environment(folder)
    os.environ['PYTEST_QT_API'] = 'pyqt6'
    os.environ.setdefault('QT_QPA_PLATFORM', 'offscreen')
    session = Session(folder, own_network())
    sys.path.insert(0, str(ROOT / 'tools'))
    importlib.import_module('build_zip').build(session.zip)
    find_calibre()
    install_plugin(session.zip)
    return session
