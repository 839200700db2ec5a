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
# What serves something, such as Nginx, would be started for the whole machine: the tests start their own.
told=/etc/postgresql-common/createcluster.d/labkit.conf policy=/usr/sbin/policy-rc.d
made=
trap '$sudo rm -f $made' EXIT
trap 'exit 130' INT TERM
if [ ! -e "$policy" ]; then
    made=$policy
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 0755 "$policy"
fi
case " $missing " in *" postgresql "*) # a cluster that is installed later may be made
    made="$made $told"
    $sudo mkdir -p "${told%/*}"
    echo "create_main_cluster = false" | $sudo tee "$told" >/dev/null ;;
esac
$sudo apt-get -o DPkg::Lock::Timeout=300 -qq update
DEBIAN_FRONTEND=noninteractive $sudo apt-get -o DPkg::Lock::Timeout=300 -qq install --no-install-recommends $missing
