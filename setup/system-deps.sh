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
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
done
if [ -z "$missing" ]; then
    echo "The system packages are all there:" $packages
    exit 0
fi
sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
echo "Installing$missing"
$sudo apt-get -o DPkg::Lock::Timeout=300 -qq update
DEBIAN_FRONTEND=noninteractive $sudo apt-get -o DPkg::Lock::Timeout=300 -qq install --no-install-recommends $missing
