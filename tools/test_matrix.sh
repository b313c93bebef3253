#!/usr/bin/env bash
# Runs all tests on the Calibre of this machine, on 8.5 (Debian trixie) and on 9.x (Debian forky), and prints a table.
# The two others are installed in chroots, which are made once and kept. To remove them, delete the folder.
#
#   BACKSYNC_MATRIX_FOLDER    the folder of the chroots; default: bookfusionbacksync-matrix in the user's cache folder
#   BACKSYNC_MATRIX_RELEASES  the Debian releases; default: trixie forky
#   BACKSYNC_MATRIX_MIRROR    a Debian mirror; default: the one that apt uses on this machine
#   --pictures [MODE ...]     no tests: takes pictures of all windows and puts those of all versions side by side in
#                             build/screenshots-matrix; default modes: light and dark
#   Other arguments are passed to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

read -r -a releases <<<"${BACKSYNC_MATRIX_RELEASES:-trixie forky}"
packages=(calibre fonts-dejavu-core openssl python3-graphql-core python3-hypothesis python3-pytest
    python3-pytest-timeout python3-pytest-xdist python3-pytestqt)
gigabytes_each=2.2
schema=shared/facts/hardcover-schema.graphql
how=(-q -n auto --maxprocesses 4)
export BACKSYNC_MATRIX_FOLDER=${BACKSYNC_MATRIX_FOLDER:-${XDG_CACHE_HOME:-$HOME/.cache}/bookfusionbacksync-matrix}
folder=$BACKSYNC_MATRIX_FOLDER
results=$folder/results

say() { printf 'test-matrix: %s\n' "$*"; }
die() { printf 'test-matrix: %s\n' "$*" >&2; exit 2; }

if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || die "making and entering a chroot needs root, and there is no sudo."
    say "making and entering a chroot needs root: going on with sudo"
    exec sudo --preserve-env=BACKSYNC_MATRIX_FOLDER,BACKSYNC_MATRIX_RELEASES,BACKSYNC_MATRIX_MIRROR,http_proxy,https_proxy "$0" "$@"
fi

debian_mirror() {
    if [ -n "${BACKSYNC_MATRIX_MIRROR:-}" ]; then
        printf '%s\n' "$BACKSYNC_MATRIX_MIRROR"
    elif grep -qx 'ID=debian' /etc/os-release; then
        # The mirror of the release itself, not the one of its security updates.
        apt-get indextargets --format "\$(SITE)" 'Created-By: Packages' | awk '!/security/ && !found++'
    fi
}

# Runs a command in a chroot, with the mounts that programs need. The mounts end with their namespace.
enter() {
    unshare --mount --pid --fork --kill-child sh -c '
        set -e
        chroot=$1; shift
        mount -t proc proc "$chroot/proc"
        mount --rbind /dev "$chroot/dev"
        mount -t tmpfs tmpfs "$chroot/tmp"
        exec chroot "$chroot" "$@"' - "$@"
}

make_chroot() {
    local release=$1 chroot=$folder/$1 mirror
    [ "$(cat "$chroot/set-up" 2>/dev/null)" != "${packages[*]}" ] || return 0
    if ! command -v debootstrap >/dev/null; then
        say "installing by apt: debootstrap"
        apt-get update -q
        DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends debootstrap
    fi
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || die "set BACKSYNC_MATRIX_MIRROR to the address of a Debian mirror."
    say "making $chroot from $mirror, see $chroot.log"
    rm -rf "$chroot"
    install_into "$chroot" "$release" "$mirror" >"$chroot.log" 2>&1 || die "that failed: see $chroot.log"
    printf '%s\n' "${packages[*]}" >"$chroot/set-up"
}

install_into() {
    local chroot=$1 release=$2 mirror=$3
    # An older debootstrap has no script for the newest release, so the script of sid is used for all. The package index
    # of an unreleased Debian may have expired if the mirror is behind.
    debootstrap --variant=minbase "$release" "$chroot" "$mirror" /usr/share/debootstrap/scripts/sid &&
        cp /etc/resolv.conf "$chroot/etc/resolv.conf" &&
        printf '127.0.0.1 localhost\n::1 localhost\n' >"$chroot/etc/hosts" &&
        printf 'Acquire::Check-Valid-Until "false";\nAcquire::Languages "none";\n' >"$chroot/etc/apt/apt.conf.d/90matrix" &&
        enter "$chroot" apt-get update -q &&
        enter "$chroot" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${packages[@]}" &&
        enter "$chroot" apt-get clean
}

announce() {
    local release missing=()
    for release in "${releases[@]}"; do
        [ "$(cat "$folder/$release/set-up" 2>/dev/null)" = "${packages[*]}" ] || missing+=("$release")
    done
    [ ${#missing[@]} != 0 ] || return 0
    mkdir -p "$folder"
    say "making chroots of Debian ${missing[*]} in $folder: some minutes and about $gigabytes_each GB each" \
        "($(df --output=avail --block-size=1G "$folder" | tail -n 1 | tr -d ' ') GB are free); they are kept"
}

versions='
from calibre.constants import numeric_version
from qt.core import qVersion
import platform
print(".".join(map(str, numeric_version)), platform.python_version(), qVersion())'

# Copies the current sources, committed or not, without ignored files.
copy_sources() {
    rm -rf "$1/backsync"
    mkdir "$1/backsync"
    git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
        tar --create --null --files-from=- | tar --extract --no-same-owner --directory "$1/backsync"
    # Hardcover's full schema, if it is beside the repository.
    rm -rf "$1/shared"
    if [ -e "../$schema" ]; then
        install -D --mode 644 "../$schema" "$1/$schema"
    fi
}

test_here() {
    calibre-debug -c "$versions" >"$results/local.versions"
    .venv/bin/python -m pytest "${how[@]}" --junitxml="$results/local.xml" "$@"
}

test_in_chroot() {
    local release=$1 chroot=$folder/$1
    shift
    copy_sources "$chroot"
    enter "$chroot" calibre-debug -c "$versions" >"$results/$release.versions"
    enter "$chroot" env HOME=/root LANG=C.UTF-8 sh -c 'cd /backsync && exec python3 -m pytest "$@"' - \
        "${how[@]}" --junitxml=result.xml "$@"
}

take_pictures() {
    local mode modes=(light dark) pictures=build/screenshots-matrix release version sides
    rm -rf "$pictures"
    [ $# = 0 ] || modes=("$@")
    for release in local "${releases[@]}"; do
        say "pictures on the Calibre of $release"
        if [ "$release" = local ]; then
            calibre-debug -c "$versions" >"$results/local.versions"
            .venv/bin/python tools/screenshots.py "$pictures/local" "${modes[@]/#/--mode=}"
        else
            copy_sources "$folder/$release"
            enter "$folder/$release" calibre-debug -c "$versions" >"$results/$release.versions"
            enter "$folder/$release" env HOME=/root LANG=C.UTF-8 sh -c 'cd /backsync && exec python3 tools/screenshots.py "$@"' - \
                build/screenshots "${modes[@]/#/--mode=}"
            cp -r "$folder/$release/backsync/build/screenshots" "$pictures/$release"
        fi
    done
    for mode in "${modes[@]}"; do
        sides=()
        for release in local "${releases[@]}"; do
            read -r version _ <"$results/$release.versions"
            sides+=("Calibre $version=$pictures/$release/$mode")
        done
        .venv/bin/python tools/side_by_side.py "$pictures/$mode" "${sides[@]}"
    done
}

count() { grep -o " $2=\"[0-9]*\"" "$1" | awk -F '"' 'NR == 1 { print $2 }'; }

table_row() {
    local version python qt xml=$results/$1.xml bad passed
    read -r version python qt <"$results/$1.versions"
    if [ ! -e "$xml" ]; then
        printf '%-8s  %-7s  %-6s  %6s  %6s  %7s\n' "$version" "$python" "$qt" - 'no end' -
        return
    fi
    bad=$(($(count "$xml" failures) + $(count "$xml" errors)))
    passed=$(($(count "$xml" tests) - bad - $(count "$xml" skipped)))
    printf '%-8s  %-7s  %-6s  %6s  %6s  %7s\n' "$version" "$python" "$qt" "$passed" "$bad" "$(count "$xml" skipped)"
}

main() {
    local release name failed=0
    announce
    for release in "${releases[@]}"; do
        make_chroot "$release"
    done
    rm -rf "$results"
    mkdir "$results"
    if [ "${1:-}" = --pictures ]; then
        take_pictures "${@:2}"
        return
    fi

    say "Calibre of this machine"
    test_here "$@" || failed=1
    for release in "${releases[@]}"; do
        say "Calibre of Debian $release"
        test_in_chroot "$release" "$@" || failed=1
        cp "$folder/$release/backsync/result.xml" "$results/$release.xml" || failed=1
    done

    printf '\n%-8s  %-7s  %-6s  %6s  %6s  %7s\n' Calibre Python Qt passed failed skipped
    for name in local "${releases[@]}"; do
        table_row "$name"
    done
    return $failed
}

# On one line: bash reads a script while it runs, and would continue at the wrong place if the file is edited meanwhile.
main "$@"; exit
