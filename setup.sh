#!/bin/sh
# Makes .venv beside this file and installs Deputy into it, from the exact locks: `sh setup.sh` to use it, `sh setup.sh dev` to test it.
# Touches nothing outside the folder; a second run changes only what the lock changed. PYTHON names another interpreter.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
lock=requirements.lock
[ "${1:-}" = dev ] && lock=requirements-dev.lock

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Deputy needs Python 3.11 or newer; $python is $("$python" -V 2>&1). Fix: PYTHON=python3.12 sh setup.sh" >&2
    exit 2
}
# Without ensurepip (Debian's plain python3) a venv has no pip of its own: the pip that is there installs into it.
if [ ! -x .venv/bin/python ]; then
    "$python" -m venv .venv 2>/dev/null || "$python" -m venv --without-pip --clear .venv
fi
if .venv/bin/python -m pip --version >/dev/null 2>&1; then
    pip() { .venv/bin/python -m pip --quiet --disable-pip-version-check "$@"; }
else
    pip() { "$python" -m pip --quiet --disable-pip-version-check --python .venv/bin/python "$@"; }
fi
stamp=.venv/.deputy-$(basename "$lock")
state=$(cat "$lock" pyproject.toml | cksum)
if [ "$(cat "$stamp" 2>/dev/null || true)" != "$state" ]; then
    pip install --require-hashes -r "$lock"
    pip install --no-deps --no-build-isolation --editable .
    echo "$state" >"$stamp"
fi
