#!/bin/sh
# make-venv.sh [--fits] DIRECTORY: a virtual environment with the first Python that is new enough.
# Says in one line what is missing; with --fits only answers whether the environment that is there can be used.
set -eu

works() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

fits() {
    [ "$(cat "$1/.directory" 2>/dev/null || pwd)" = "$(pwd)" ] && works "$1/bin/python"
}

if [ "$1" = --fits ]; then
    fits "$2"
    exit
fi
venv=$1
if [ -e "$venv" ]; then
    if fits "$venv" && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        exit 0
    fi
    echo "$venv cannot be used here any more, making it again"
    rm -rf "$venv"
fi

found=
for python in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python}; do
    if works "$python"; then
        found=$python
        break
    fi
done
if [ -z "$found" ]; then
    echo "Rota needs Python 3.11 or newer: install it (Debian: apt install python3 python3-venv) or name it: make PYTHON=/path/to/python" >&2
    exit 1
fi
if ! "$found" -c 'import ensurepip, venv' >/dev/null 2>&1; then
    echo "$found cannot make virtual environments: apt install python3-venv" >&2
    exit 1
fi
echo "making $venv with $("$found" --version)"
if ! "$found" -m venv "$venv"; then
    rm -rf "$venv"
    echo "$found could not make $venv (see above)" >&2
    exit 1
fi
pwd >"$venv/.directory"
