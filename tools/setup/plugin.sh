#!/bin/bash
# Fetches qemu-plugin.h, which no package has, out of the source package of the installed QEMU: plugin.sh CACHE. It lies
# then in CACHE/qemu.
set -euo pipefail
[ $# = 1 ] || { echo "usage: plugin.sh CACHE" >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)
. "$(dirname "$0")/apt-private.sh"
exec 9>"$cache/.lock"
flock 9
[ ! -e "$cache/qemu/qemu-plugin.h" ] || exit 0

work=$cache/.qemu
rm -rf "$work"
mkdir -p "$work" "$cache/qemu"
trap 'rm -rf "$work"' EXIT
apt_private_prepare
echo "setup: fetching the source package of qemu for qemu-plugin.h" >&2
(cd "$work" && apt_private get source --download-only qemu >&2)
archive=$(find "$work" -name 'qemu_*.orig.tar.*' ! -name '*.asc' | head -1)
tar --no-same-owner -xf "$archive" -C "$work" --wildcards --strip-components=3 '*/include/qemu/qemu-plugin.h'
mv "$work/qemu-plugin.h" "$cache/qemu/"
