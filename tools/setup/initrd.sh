#!/bin/bash
# Makes an initial file system for a stock kernel: initrd.sh OUTPUT BUSYBOX MODULES INIT. The same inputs give the same
# bytes: fixed times and owners, sorted names, no time in the gzip header. /dev/console comes from the kernel's own.
set -euo pipefail
[ $# = 4 ] || { echo "usage: initrd.sh OUTPUT BUSYBOX MODULES INIT" >&2; exit 2; }
output=$1 busybox=$2 modules=$3 init=$4

work=$(mktemp -d "$output.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/root/{bin,dev,proc,sys,modules}
install -m 755 "$busybox" "$work/root/bin/busybox"
ln -s busybox "$work/root/bin/sh"
install -m 755 "$init" "$work/root/init"
install -m 644 "$modules"/*.ko "$work/root/modules/"
(
    cd "$work/root"
    find . -exec touch -h -d @0 {} +
    find . | LC_ALL=C sort | cpio --quiet -o -H newc --reproducible -R 0:0
) | gzip -9 -n >"$work/initrd.gz"
mv "$work/initrd.gz" "$output"
