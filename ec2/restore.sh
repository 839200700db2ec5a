#!/bin/sh
# Put the lab to the state of a backup: its services stop, the present state is backed up, and they start again,
# whatever came of it. One at a time: a second one waits for the first.
set -eu
exec 9>/run/labkit-restore.lock
flock 9
trap 'systemctl start labkit-ray labkit-api labkit-jupyter' EXIT
systemctl stop labkit-jupyter labkit-api labkit-ray
sh "$(dirname "$0")/as-lab.sh" backup restore "$1" --yes
