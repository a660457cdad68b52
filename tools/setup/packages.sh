#!/bin/bash
# Installs the Debian packages of packages.txt that are missing on this machine: packages.sh build|run|test.
#
# Nothing happens, and nothing is printed, when all are there: that is decided by dpkg itself at every call, not by a
# stamp. Root is taken directly or through sudo. NULLRING_NO_INSTALL=1 only names what is missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

case ${1:-} in
build) sets="build" ;;
run) sets="build|run" ;;
test) sets="build|run|test" ;;
*) echo "usage: packages.sh build|run|test" >&2; exit 2 ;;
esac

wanted=$(sed 's/#.*//' "$here/packages.txt" | awk -v sets="^($sets)\$" '$2 ~ sets { print $1 }')
missing=$(comm -23 <(sort <<<"$wanted") \
    <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p' | sort -u))
[ -z "$missing" ] && exit 0
missing=$(tr '\n' ' ' <<<"$missing")

if [ -n "${NULLRING_NO_INSTALL:-}" ]; then
    echo "setup: missing packages: $missing(install them with: apt-get install --no-install-recommends $missing)" >&2
    exit 5
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: missing packages: $missing; become root and run: apt-get install --no-install-recommends $missing" >&2
        exit 5
    fi
    as_root=(sudo)
fi

echo "setup: installing with apt, because they are missing here: $missing" >&2
# An update may fail with 100 while a mirror synchronises one of its indices; what counts is that apt knows the packages.
"${as_root[@]}" apt-get -q update >&2 || echo "setup: apt-get update reported an error; going on with the lists there are" >&2
for package in $missing; do
    # Not into `grep -q`: it closes the pipe early, which pipefail takes for a failure.
    if ! [[ $(apt-cache policy "$package") =~ Candidate:\ [^\(] ]]; then
        echo "setup: apt knows no package $package; check this machine's apt sources (Debian 12, main)" >&2
        exit 5
    fi
done
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends $missing >&2
