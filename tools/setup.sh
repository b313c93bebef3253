#!/usr/bin/env bash
# Installs what `make` needs and what is missing: Calibre and other packages by apt, the test tools in .venv.
# Fast if nothing is missing.  Usage: setup.sh [calibre|tests]
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=${1:-tests}
system_python=/usr/bin/python3

say() { printf 'setup: %s\n' "$*" >&2; }

missing_packages() {
    command -v calibre-debug >/dev/null && command -v calibredb >/dev/null || echo calibre
    command -v xvfb-run >/dev/null || echo xvfb
    command -v xauth >/dev/null || echo xauth
    command -v openssl >/dev/null || echo openssl
    # Calibre's GUI shows no text without a font. Not `fc-list | grep -q .`: grep may exit before fc-list has written
    # everything, and under pipefail the pipe then fails.
    [ -n "$(fc-list 2>/dev/null)" ] || echo fonts-dejavu-core
    { [ -x "$system_python" ] && "$system_python" -c 'import ensurepip, venv' 2>/dev/null; } || echo python3-venv
}

install_packages() {
    if ! command -v apt-get >/dev/null; then
        say "Missing: $*. This is neither Debian nor Ubuntu, so install by yourself: Calibre 6.2.1 or later with" \
            "its command line tools on PATH, Xvfb with xvfb-run and xauth, Python 3 with venv."
        exit 2
    fi
    local as_root=()
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            say "Missing: $*. Run as root: apt-get update && apt-get install $*"
            exit 2
        fi
        as_root=(sudo)
    fi
    say "installing by apt: $* (and what they depend on)"
    "${as_root[@]}" apt-get update -q
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# Corrects stubs that are too narrow: a slot may return anything, connect() accepts the type of connection, findChild()
# returns the requested class, and Calibre adds QIcon.ic.
widen_stubs() {
    sed -i \
        -e "s/^PYQT_SLOT = .*/PYQT_SLOT = typing.Union[typing.Callable[..., object], pyqtBoundSignal]/" \
        -e "s/def connect(self, slot: 'PYQT_SLOT')/def connect(self, slot: 'PYQT_SLOT', type: 'Qt.ConnectionType' = ...)/" \
        -e "s/\(def findChild(self, type: \)type\(.*-> \)'QObject'/\1typing.Type[QObjectT]\2QObjectT/" \
        -e "s/\(def findChildren(self, type: \)type\(.*-> \)typing.List\['QObject'\]/\1typing.Type[QObjectT]\2typing.List[QObjectT]/" \
        -e "s/^class QObject(/QObjectT = typing.TypeVar('QObjectT', bound='QObject')\n\n\n&/" \
        "$1/QtCore.pyi"
    sed -i "s/^class QIcon(.*/&\n    @staticmethod\n    def ic(name: str) -> 'QIcon': .../" "$1/QtGui.pyi"
}

# The environment uses Calibre's Python modules, so it must be made with the Python that Debian's Calibre uses. The first
# python3 on PATH may be another one.
make_environment() {
    local fingerprint
    fingerprint=$(cat tests/requirements.txt tests/typing/requirements.txt; declare -f widen_stubs; "$system_python" --version; pwd)
    if [ -f .venv/set-up ] && [ "$(cat .venv/set-up)" = "$fingerprint" ]; then
        return
    fi
    say "making .venv with the tools of tests/requirements.txt"
    "$system_python" -m venv --clear --system-site-packages .venv
    local install=(.venv/bin/python -m pip install --quiet --disable-pip-version-check)
    "${install[@]}" --requirement tests/requirements.txt
    "${install[@]}" --no-deps --target .venv/qt-stubs --requirement tests/typing/requirements.txt
    widen_stubs .venv/qt-stubs/PyQt6
    printf '%s\n' "$fingerprint" >.venv/set-up
}

# A lock, so that two setups at the same time do not interfere.
if command -v flock >/dev/null; then
    exec 9>"${TMPDIR:-/tmp}/backsync-setup-$(id -u).lock"
    flock 9
fi
mapfile -t packages < <(missing_packages)
[ ${#packages[@]} = 0 ] || install_packages "${packages[@]}"
[ "$wanted" = calibre ] || make_environment
