#!/usr/bin/env bash
# Checks style, types and syntax of the whole repository with ruff, mypy and, if it is installed, Python 3.10.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
failed=0
# All shipped modules: those at the top and those of the packages.
mapfile -t modules < <(PYTHONPATH=tools $bin/python -c '
from pathlib import Path
from build_zip import module_files
print(*module_files(Path()), sep="\n")
')
[ ${#modules[@]} -gt 6 ] || { echo 'lint: found no modules' >&2; exit 1; }

check() {
    printf '== %s\n' "$1"
    shift
    "$@" || failed=1
}

# The repository is the package calibre_plugins.bookfusionbacksync, whatever its folder is called. mypy derives the name
# of a module from its path, so it gets links under that name.
types() {
    local package=.lint/calibre_plugins/bookfusionbacksync entry
    rm -rf .lint
    mkdir -p "$package"
    for entry in "${modules[@]}"; do
        mkdir -p "$package/$(dirname "$entry")"
        ln -s "$PWD/$entry" "$package/$entry"
    done
    $bin/mypy "$package" tests tools | sed "s|^$package/||"
}

# Official builds of Calibre up to 6.29 use Python 3.10. No newer Python can report what is a syntax error there.
find_python310() {
    local candidate
    for candidate in python3.10 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.10.*/bin/python3.10; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 10))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
}

compile_310() {
    "$1" -c '
import sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as source:
        compile(source.read(), name, "exec", dont_inherit=True)
' "${modules[@]}"
}

check 'ruff check' $bin/ruff check .
check 'ruff format' $bin/ruff format --check .
check 'mypy' types
python310=$(find_python310)
if [ -n "$python310" ]; then
    check "compiled by Python 3.10" compile_310 "$python310"
else
    echo '== no Python 3.10 found: only ruff and mypy looked after its syntax'
fi
exit $failed
