#!/bin/sh
# Set a lab up on a machine with Debian or Ubuntu: its first boot on EC2, each later release there, and
# `labkit ec2 bootstrap --here`. Doing it again changes nothing; each change is one line that begins with "changed".
#
#   first-boot.sh             all of it; as root, in a clone
#   first-boot.sh --dry-run   say what would change
#
# /etc/labkit/lab.env says what the machine is: LAB_ROLE (head, worker, here), LAB_NAME, LAB_REGION, LAB_BUCKET,
# LAB_HEAD (a worker's), LAB_DOMAIN and LAB_EMAIL (for Let's Encrypt), LABKIT_LANG. What it does to a machine, and how
# to undo it, stands in docs/deploy.md.
set -eu
umask 022
export DEBIAN_FRONTEND=noninteractive

source=$(cd "$(dirname "$0")/.." && pwd)
settings=/etc/labkit srv=/srv/labkit state=/var/lib/labkit units=/etc/systemd/system
# What is fetched is kept, for the next release, and goes with the rest.
export UV_CACHE_DIR=$srv/cache/uv PIP_CACHE_DIR=$srv/cache/pip npm_config_cache=$srv/cache/npm
dry= n_changed=0
[ "${1:-}" != --dry-run ] || dry=yes
[ ! -r $settings/lab.env ] || [ "${LAB_ROLE:-}" = here ] || . $settings/lab.env
role=${LAB_ROLE:-here}

main() {
    trap 'told=$?; [ $told -eq 0 ] || remember "failed: step $step"' EXIT
    step=packages && ensure_packages
    step=user && ensure_user
    step=release && ensure_release
    step=venv && ensure_venv
    step=newest && take_newest
    step=dashboard && ensure_dashboard
    step=settings && ensure_settings
    step=token && ensure_ray_token
    step=certificate && ensure_certificate
    step=units && ensure_units
    step=switch && switch_over
    step=words && tell_words
    step=end
    [ -n "$dry" ] || remember ready
    [ $n_changed -gt 0 ] && echo "labkit: $n_changed changes" || echo "labkit: nothing changed"
}

# changes WHAT: count it and say it; false in a dry run, so that nothing is done.
changes() {
    n_changed=$((n_changed + 1))
    if [ -n "$dry" ]; then
        echo "would change: $*"
        return 1
    fi
    echo "changed: $*"
}

# write FILE MODE: what stands on standard input, if the file says something else; true where it did.
write() {
    content=$(cat && echo .) && content=${content%.}
    [ -e "$1" ] && [ "$(cat "$1" && echo .)" = "$content." ] && return 1
    changes "$1" || return 1
    mkdir -p "$(dirname "$1")"
    (umask 077 && printf %s "$content" >"$1.new")
    chmod "$2" "$1.new"
    mv "$1.new" "$1"
}

ensure_packages() {
    wanted="ca-certificates curl git openssl python3 python3-venv util-linux"
    [ "$role" = worker ] || wanted="$wanted nginx-light"
    [ -z "${LAB_DOMAIN:-}" ] || wanted="$wanted lego"
    missing=
    for package in $wanted; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    changes "packages$missing" || return 0
    said=$(mktemp)
    { apt-get -o DPkg::Lock::Timeout=300 -qq update && apt-get -o DPkg::Lock::Timeout=300 -qq -y install \
        --no-install-recommends $missing; } >"$said" 2>&1 || { cat "$said" >&2 && exit 1; }
    rm -f "$said"
    # The lab's own Nginx takes the ports; the system's, which was not here before, is kept from them.
    case $missing in *nginx*) systemctl disable --quiet $(! running || echo --now) nginx || true ;; esac
}

ensure_user() {
    if ! getent passwd labkit >/dev/null && changes "user labkit"; then
        useradd --system --home-dir $state --shell /usr/sbin/nologin labkit
    fi
    for place in $state $state/lab $state/keys $state/certificate $state/run; do
        if [ ! -d $place ] && changes "folder $place"; then
            install -d -m 0750 -o labkit -g labkit $place
        fi
    done
}

# Where the release is: unpacked by fetch.sh on EC2; elsewhere by us, from an archive or from the clone that we lie in.
ensure_release() {
    release=$source
    [ "$role" = here ] || return 0
    if [ -n "${LAB_ARCHIVE:-}" ]; then
        digest=$(basename "$LAB_ARCHIVE" | cut -d - -f 2 | cut -d . -f 1)
    elif [ -n "$dry" ] && ! command -v git >/dev/null; then
        digest=of-this-clone
    elif commit >/dev/null; then
        digest=$(commit | sha256sum | cut -d ' ' -f 1)
    else
        echo "labkit: $source is no clone with a commit: git clone the project, and run this there." >&2
        exit 2
    fi
    release=$srv/releases/$digest
    if [ ! -e "$release/setup/install.py" ] && changes "release $release"; then
        mkdir -p "$release.new"
        if [ -n "${LAB_ARCHIVE:-}" ]; then
            tar -xzf "$LAB_ARCHIVE" -C "$release.new"
        else
            commit | tar -x -C "$release.new"
        fi
        mv "$release.new" "$release"
    fi
}

# The code as it is committed; the clone may be another user's.
commit() {
    git -c safe.directory="$source" -C "$source" archive HEAD
}

ensure_venv() {
    if [ ! -e "$release/.venv/labkit-installed" ] && changes "Python packages of $release"; then
        (cd "$release" && python3 setup/install.py image)
        mkdir -p "$release/.venv/share/jupyter/lab/settings"
        cp "$release/deploy/overrides.json" "$release/.venv/share/jupyter/lab/settings/"
    fi
}

# A worker that comes after an update: its user data still names the release of the beginning.
take_newest() {
    [ "$role" = worker ] && [ -z "$dry" ] || return 0
    newest=$(parameter get release 2>/dev/null) || return 0
    case $newest in labkit-$(basename "$release").tar.gz) ;; *) exec bash "$release/ec2/fetch.sh" "$newest" ;; esac
}

# The dashboard takes Node.js from PyPI for a while; a lab without it still serves everything else.
ensure_dashboard() {
    [ "$role" != worker ] && [ -z "${LAB_NO_DASHBOARD:-}" ] || return 0
    if [ ! -e "$release/frontend/dist/index.html" ] && changes "dashboard of $release"; then
        (cd "$release" && python3 setup/frontend.py build) || echo "labkit: going on without the dashboard"
    fi
}

ensure_settings() {
    backups=$state/backups
    [ "$role" = here ] || backups=s3://${LAB_BUCKET:-}/backups
    write $settings/services.env 0644 <<END || true
LABKIT_HOME=$state/lab
LABKIT_LANG=${LABKIT_LANG:-en}
LABKIT_JUPYTER_URL=/jupyter/
LABKIT_HOSTS=${LAB_DOMAIN:-}
LABKIT_BACKUP_URL=$backups
AWS_DEFAULT_REGION=${LAB_REGION:-}
END
    write $settings/gateway.env 0644 <<END || true
GATEWAY_PLACE=$state/run/gateway
GATEWAY_CERTIFICATE=$state/certificate
GATEWAY_KEYS=$state/keys
GATEWAY_HTTP=127.0.0.1:3080
GATEWAY_HTTPS=443
GATEWAY_PLAIN=127.0.0.1:3000
GATEWAY_API=127.0.0.1:8000
GATEWAY_PREDICTION=127.0.0.1:8000
GATEWAY_TRAINING=127.0.0.1:8000
GATEWAY_BENCHMARK=127.0.0.1:8000
GATEWAY_METRICS=127.0.0.1:8000
GATEWAY_FRONTEND=127.0.0.1:8000
GATEWAY_JUPYTER=127.0.0.1:8888
GATEWAY_RAY=127.0.0.1:8265
LABKIT_HOSTS=${LAB_DOMAIN:-}
END
}

# The cluster's token: the head makes it, a worker is told it. A file that others can read is refused.
ensure_ray_token() {
    for file in $state/lab/token $state/keys/ray $state/keys/jupyter; do
        [ -e $file ] || continue
        case $(stat -c %a $file) in
            *00) ;;
            *) echo "labkit: $file is readable by others: chmod 600 $file; if anybody else may have read it," \
                "remove it and run this again." >&2 && exit 5 ;;
        esac
    done
    if [ ! -s $state/lab/token ] && changes "the cluster's token"; then
        if [ "$role" = worker ]; then
            until parameter get ray-token >$state/lab/token.new; do sleep 10; done
        else
            od -An -N 32 -t x1 /dev/urandom | tr -d ' \n' >$state/lab/token.new
        fi
        install -m 0600 -o labkit -g labkit $state/lab/token.new $state/lab/token && rm -f $state/lab/token.new
    fi
    [ "$role" != worker ] || return 0
    if [ ! -s $state/keys/ray ] && changes "what the gateway opens Ray's dashboard by"; then
        install -m 0600 -o labkit -g labkit $state/lab/token $state/keys/ray
    fi
    if [ ! -s $state/keys/jupyter ] && changes "JupyterLab's token"; then
        od -An -N 32 -t x1 /dev/urandom | tr -d ' \n' >$state/keys/jupyter.new
        install -m 0600 -o labkit -g labkit $state/keys/jupyter.new $state/keys/jupyter && rm -f $state/keys/jupyter.new
    fi
}

# At first the gateway makes a certificate of its own. With a name Let's Encrypt gives one, asking on port 443.
ensure_certificate() {
    [ "$role" != worker ] && [ -n "${LAB_DOMAIN:-}" ] || return 0
    kept=$state/certificate/lego/certificates/$LAB_DOMAIN
    write $settings/certify 0755 <<END || true
#!/bin/sh
# Ask Let's Encrypt for a certificate, or for the next one; what is there serves on where it gives none.
set -eu
systemctl stop labkit-gateway
trap 'systemctl start labkit-gateway' EXIT
verb=run
[ ! -e $kept.crt ] || verb='renew --days 30'
lego --accept-tos --email '$LAB_EMAIL' --domains '$LAB_DOMAIN' --path $state/certificate/lego --tls \$verb
install -m 0600 -o labkit -g labkit $kept.key $state/certificate/key.pem
install -m 0600 -o labkit -g labkit $kept.crt $state/certificate/certificate.pem
END
}

ensure_units() {
    rewritten=
    if [ "$role" = worker ]; then
        unit ray <<END
ExecStart=$srv/current/.venv/bin/labkit cluster join ${LAB_HEAD:-}:6379
ExecStop=$srv/current/.venv/bin/labkit cluster leave --yes
Type=oneshot
RemainAfterExit=yes
Restart=on-failure
RestartSec=15
END
        return 0
    fi
    opened=
    [ "$role" != head ] || opened='--head '
    unit ray <<END
ExecStart=$srv/current/.venv/bin/labkit cluster start $opened--dashboard-port 8265
ExecStop=$srv/current/.venv/bin/labkit cluster stop
Type=oneshot
RemainAfterExit=yes
Restart=on-failure
RestartSec=10
END
    unit api <<END
ExecStart=$srv/current/.venv/bin/labkit serve --port 8000 --url-file $state/run/address
SuccessExitStatus=130
Restart=always
RestartSec=3
TimeoutStopSec=20
END
    unit jupyter <<END
Environment=JUPYTER_TOKEN_FILE=$state/keys/jupyter
ExecStartPre=/bin/sh -c 'mkdir -p $state/notebooks && cp -Rn $srv/current/notebooks/en $srv/current/notebooks/es $state/notebooks || true'
ExecStart=$srv/current/.venv/bin/jupyter lab --ServerApp.ip=127.0.0.1 --ServerApp.port=8888 --ServerApp.port_retries=0 \\
    --ServerApp.base_url=/jupyter/ --ServerApp.root_dir=$state/notebooks --ServerApp.open_browser=False \\
    --ServerApp.allow_remote_access=True --LabApp.default_url=/lab/tree/${LABKIT_LANG:-en}
Restart=always
RestartSec=5
END
    unit gateway <<END
EnvironmentFile=$settings/gateway.env
AmbientCapabilities=CAP_NET_BIND_SERVICE
ExecStart=/bin/sh $srv/current/deploy/nginx/gateway
Restart=always
RestartSec=3
END
    if [ -n "${LAB_DOMAIN:-}" ]; then
        write $units/labkit-certify.service 0644 <<END && rewritten=yes || true
[Unit]
Description=labkit: certificate of Let's Encrypt
After=network-online.target labkit-gateway.service
[Service]
Type=oneshot
ExecStart=$settings/certify
END
        write $units/labkit-certify.timer 0644 <<END && rewritten=yes || true
[Unit]
Description=labkit: certificate of Let's Encrypt, looked after each day
[Timer]
OnBootSec=2min
OnCalendar=daily
RandomizedDelaySec=1h
[Install]
WantedBy=timers.target
END
    fi
}

# unit NAME: a service of the lab; the lines of its own come by standard input.
unit() {
    {
        printf '[Unit]\nDescription=labkit: %s\nAfter=network-online.target%s\nWants=network-online.target\n\n' \
            "$1" "$([ "$1" = ray ] || echo ' labkit-ray.service')"
        printf '[Service]\nUser=labkit\nGroup=labkit\nWorkingDirectory=%s\nEnvironment=HOME=%s\n' $state $state
        printf 'EnvironmentFile=%s/services.env\nUMask=0077\nNoNewPrivileges=yes\nProtectSystem=full\n' $settings
        cat
        printf '\n[Install]\nWantedBy=multi-user.target\n'
    } | write $units/labkit-$1.service 0644 && rewritten=yes || true
}

# The new release takes over; where it is not ready, the one before does again, and that is an error.
switch_over() {
    before=$(readlink $srv/current 2>/dev/null || true)
    if [ "$before" != "$release" ] && changes "$srv/current leads to $release"; then
        ln -sfn "$release" $srv/current.new
        mv -T $srv/current.new $srv/current
    fi
    services="labkit-ray"
    [ "$role" = worker ] || services="labkit-ray labkit-api labkit-jupyter labkit-gateway"
    for service in $(! command -v systemctl >/dev/null || echo $services); do
        systemctl is-enabled --quiet $service 2>/dev/null || { changes "$service starts with the machine" && systemctl enable --quiet $service; }
    done
    [ -z "$dry" ] && running || return 0
    [ -z "$rewritten" ] || systemctl daemon-reload
    [ -z "${LAB_DOMAIN:-}" ] || [ "$role" = worker ] || systemctl enable --quiet --now labkit-certify.timer
    if [ "$before" = "$release" ] && [ -z "$rewritten" ]; then
        systemctl start $services || true # whether it is ready is what counts
        ready && return 0
        echo "labkit: the lab is not ready: journalctl -u 'labkit-*'" >&2
        exit 1
    fi
    if [ -n "$before" ] && [ "$role" != worker ]; then
        sh "$before/ec2/as-lab.sh" backup make --at $state/before-update --keep 2 || true
    fi
    systemctl restart $services || true
    ready && return 0
    echo "labkit: $release is not ready" >&2
    journalctl --no-pager -n 40 -u 'labkit-*' >&2 || true
    if [ -n "$before" ] && [ "$before" != "$release" ]; then
        ln -sfn "$before" $srv/current.new && mv -T $srv/current.new $srv/current
        systemctl restart $services || true
        if ! ready; then # the database is of the new release: the copy of before
            systemctl stop labkit-jupyter labkit-api labkit-ray
            sh $srv/current/ec2/as-lab.sh backup restore newest --yes --discard --at $state/before-update
            systemctl restart $services || true
        fi
        echo "labkit: went back to $before" >&2
    fi
    exit 1
}

# Whether the lab answers in time, by its gateway too; a worker, whether it is a node.
ready() {
    until=$(($(date +%s) + ${LAB_PATIENCE_S:-120}))
    while [ "$(date +%s)" -lt $until ]; do
        if systemctl is-active --quiet labkit-ray && { [ "$role" = worker ] || all_answer; }; then
            return 0
        fi
        sleep 2
    done
    return 1
}

all_answer() {
    for place in http://127.0.0.1:8000/health https://127.0.0.1/health http://127.0.0.1:8888/jupyter/api; do
        curl -sfk -o /dev/null -m 5 $place || return 1
    done
}

# What a person and the workers need to know: kept by Systems Manager, encrypted.
tell_words() {
    [ "$role" != worker ] && [ -z "$dry" ] || return 0
    sh "$release/ec2/as-lab.sh" token new operator --days 365 --file $state/keys/operator >/dev/null
    if [ "$role" = head ]; then
        parameter put ray-token <$state/lab/token
        parameter put operator-token <$state/keys/operator
    elif running; then
        echo "labkit: https://localhost/?token=$(cat $state/keys/operator)"
    else
        echo "labkit: the lab starts when this machine boots; nothing was started, since systemd does not run here"
    fi
}

remember() {
    [ "$role" != head ] || [ -n "$dry" ] || printf %s "$1" | parameter put state || true
}

# parameter get NAME | parameter put NAME (the value by standard input)
parameter() {
    "$release/.venv/bin/python" "$release/ec2/parameter.py" "$1" "/labkit/$LAB_NAME/$2" "$LAB_REGION"
}

# Whether systemd runs here: in a chroot or a container it does not, and nothing is started.
running() {
    [ -d /run/systemd/system ]
}

main
