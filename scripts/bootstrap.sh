# Sourced by the scripts beside it: makes sure of uv and of the two environments the tests need.
# shellcheck shell=bash
set -euo pipefail
ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$ROOT"
export UV_NO_PROGRESS=1 UV_PYTHON_DOWNLOADS=never

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

command -v git >/dev/null || die "git is not installed"
command -v python3 >/dev/null || die "python3 (3.11 or newer) is not installed"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    die "python3 is $(python3 -V 2>&1); Slipway needs 3.11 or newer"

# uv from PATH, or else from PyPI into this checkout.
ensure_uv() {
    if ! command -v uv >/dev/null; then
        if [ ! -x .tools/uv/bin/uv ]; then
            say "installing uv into .tools/ (it is not on PATH)"
            python3 -m venv .tools/uv
            .tools/uv/bin/python -m pip install --quiet --disable-pip-version-check \
                --require-hashes --requirement requirements/uv.txt
        fi
        export PATH="$ROOT/.tools/uv/bin:$PATH"
    fi
}

# environment DIRECTORY LOCK...: a virtual environment with exactly what the lock files name.
environment() {
    local directory="$1" stamp
    shift
    stamp="$directory/.locked"
    if ! cat "$@" | cmp --silent - "$stamp" 2>/dev/null; then
        say "installing $* into $directory"
        [ -x "$directory/bin/python" ] || uv venv --quiet --python "$(command -v python3)" "$directory"
        uv pip sync --quiet --require-hashes --python "$directory/bin/python" "$@"
        cat "$@" >"$stamp"
    fi
}

# fleet_tool DIRECTORY: this checkout's fleet tool in an environment; what it needs is in the lock files.
fleet_tool() {
    local stamp="$1/.fleet"
    if [ "$1/.locked" -nt "$stamp" ] || ! cmp --silent fleet/pyproject.toml "$stamp"; then
        uv pip install --quiet --offline --no-index --no-deps --no-build-isolation \
            --python "$1/bin/python" --editable fleet
        cp fleet/pyproject.toml "$stamp"
    fi
}
