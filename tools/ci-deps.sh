#!/bin/sh
# System packages that the tests use; needs root and apt-get to install anything, and says so when it has neither.
set -eu

missing=
for directory in /usr/lib/postgresql/*/bin; do
    [ -x "$directory/initdb" ] && postgres=$directory
done
if [ -z "${ROTA_TEST_POSTGRES_URL:-}${postgres:-}" ] && ! command -v initdb >/dev/null; then
    missing="$missing postgresql"
fi
if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
    missing="$missing python3 python3-venv"
fi
faketime=
for library in /usr/lib/*/faketime/libfaketimeMT.so.1 /usr/local/lib/faketime/libfaketimeMT.so.1; do
    [ -e "$library" ] && faketime=$library
done
if [ -z "$faketime" ]; then
    missing="$missing faketime"
fi
if ! command -v redis-server >/dev/null; then
    missing="$missing redis-server"
fi
if ! PATH="$PATH:/usr/sbin" command -v pgbouncer >/dev/null; then
    missing="$missing pgbouncer"
fi
if ! command -v prometheus >/dev/null || ! command -v promtool >/dev/null; then
    missing="$missing prometheus"
fi
if [ -z "${CHROMIUM:-}" ] && ! command -v chromium-headless-shell >/dev/null && ! command -v chromium >/dev/null; then
    missing="$missing chromium-headless-shell"
fi
if [ -z "$missing" ]; then
    echo "ci-deps: everything is there"
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "ci-deps: cannot install$missing without root and apt-get; going on, what PyPI carries comes from there"
    exit 0
fi
echo "ci-deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
no_servers=
case "$missing" in
*redis-server* | *prometheus* | *pgbouncer*)
    # Their packages start servers on the standard ports, unless they are told not to.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        no_servers=yes
    fi
    ;;
esac
# The tests start servers of their own: Debian's package must not start one on the standard port.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
apt-get update -qq || true
# The same browser without its windows: each page of a test costs a quarter.  Older Debians only have it with them.
if ! apt-cache show chromium-headless-shell >/dev/null 2>&1; then
    missing=$(echo "$missing" | sed 's/chromium-headless-shell/chromium/')
fi
# shellcheck disable=SC2086
if ! apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold $missing; then
    echo "ci-deps: apt-get could not install$missing; going on, what PyPI carries comes from there"
fi
if [ -n "$no_servers" ]; then
    rm -f /usr/sbin/policy-rc.d
fi
