#!/bin/sh
# Install the Debian packages that system-deps.txt names, those that are missing only.
set -eu
cd "$(dirname "$0")"
packages=$(sed 's/#.*//' system-deps.txt)

if ! command -v apt-get >/dev/null; then
    echo "This is neither Debian nor Ubuntu. Install what these packages hold, by your own system's names:" $packages >&2
    exit 1
fi
missing=
for package in $packages; do
    # Any server of PostgreSQL will do: the one that somebody here uses is left as it is.
    [ "$package" != postgresql ] || ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || continue
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "The system packages are all there:" $packages
    exit 0
fi
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "Installing$missing"
case " $missing " in *" postgresql "*)
    # Its package would start a server for the whole machine; the tests start their own. What is installed later may.
    told=/etc/postgresql-common/createcluster.d/labkit.conf
    trap '$sudo rm -f "$told"' EXIT
    trap 'exit 130' INT TERM
    $sudo mkdir -p "${told%/*}"
    echo "create_main_cluster = false" | $sudo tee "$told" >/dev/null ;;
esac
$sudo apt-get -o DPkg::Lock::Timeout=300 -qq update
DEBIAN_FRONTEND=noninteractive $sudo apt-get -o DPkg::Lock::Timeout=300 -qq install --no-install-recommends $missing
