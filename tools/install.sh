#!/bin/sh
# install.sh VENV WHAT...: install packages, quiet when it works, one line when it does not.
# uv takes a quarter of the time; where it cannot be had, or does not reach the package index of pip's settings, pip does it.
set -eu
venv=$1
shift
echo "installing $* (the first time takes a minute)"
python=$venv/bin/python
if "$python" -m pip install --quiet --disable-pip-version-check uv 2>/dev/null &&
    UV_NATIVE_TLS=true "$python" -m uv pip install --quiet --python "$python" --compile-bytecode "$@" 2>/dev/null; then
    exit 0
fi
if ! "$python" -m pip install --quiet --disable-pip-version-check "$@"; then
    echo "pip could not install $* (see above; is a package index reachable?)" >&2
    exit 1
fi
