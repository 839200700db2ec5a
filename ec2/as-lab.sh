#!/bin/sh
# Run a command of the lab as its own user, with its own settings: as-lab.sh backup list
set -eu
set -a
. /etc/labkit/services.env
set +a
cd /var/lib/labkit
exec setpriv --reuid=labkit --regid=labkit --clear-groups env HOME=/var/lib/labkit \
    /srv/labkit/current/.venv/bin/labkit "$@"
