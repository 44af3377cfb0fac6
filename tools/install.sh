#!/bin/sh
# install.sh VENV WHAT...: pip install, quiet when it works, one line when it does not.
set -eu
venv=$1
shift
echo "installing $* (the first time takes a minute)"
if ! "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; then
    echo "pip could not install $* (see above; is a package index reachable?)" >&2
    exit 1
fi
