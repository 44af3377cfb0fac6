#!/bin/sh
# web.sh BIN: build the pages of this checkout where their sources changed; Node.js of the machine, else from PyPI.
set -eu
[ "${ROTA_WEB:-auto}" != skip ] || exit 0
bin=$1
if "$bin/python" hatch_build.py --needed; then
    if ! "$bin/python" hatch_build.py --node; then
        echo "installing Node.js from PyPI to build the pages"
        "$bin/python" -m pip install --quiet --disable-pip-version-check "$("$bin/python" hatch_build.py --requirement)"
    fi
    "$bin/python" hatch_build.py
fi
