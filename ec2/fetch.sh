#!/bin/bash
# Fetch a release from the lab's bucket with the instance's own rights, check its digest, unpack it and run it.
# It is the end of an instance's user data, and what `labkit ec2 update` runs there: fetch.sh RELEASE.
set -eu
umask 077
. /etc/labkit/lab.env
release=${1:-$LAB_RELEASE}
place=/srv/labkit/releases
digest=$(echo "$release" | cut -d - -f 2 | cut -d . -f 1)
bucket=${LAB_BUCKET_URL:-https://$LAB_BUCKET.s3.$LAB_REGION.amazonaws.com}
imds=${LAB_IMDS:-http://169.254.169.254}/latest
mkdir -p -m 0755 /srv/labkit "$place" "$place/$digest"

if [ ! -e "$place/$digest/setup/install.py" ]; then
    word=$(curl -sSf --retry 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$imds/api/token")
    ask() { curl -sSf --retry 5 -H "X-aws-ec2-metadata-token: $word" "$imds/meta-data/iam/security-credentials/$1"; }
    keys=$(ask "$(ask '')")
    of() { printf %s "$keys" | tr ',' '\n' | sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p"; }
    # By standard input: a command line is for all to read.
    curl -sSf --retry 5 -o "$place/$release" -K - <<END
url = "$bucket/releases/$release"
user = "$(of AccessKeyId):$(of SecretAccessKey)"
header = "x-amz-security-token: $(of Token)"
header = "x-amz-content-sha256: UNSIGNED-PAYLOAD"
aws-sigv4 = "aws:amz:$LAB_REGION:s3"
END
    echo "$digest  $place/$release" | sha256sum -c - >/dev/null
    (umask 022 && tar -xzf "$place/$release" -C "$place/$digest")
    rm -f "$place/$release"
fi
[ -z "${LAB_FETCH_ONLY:-}" ] || exit 0
exec sh "$place/$digest/ec2/first-boot.sh"
