#!/bin/bash
# Makes the root file system of examples/debian-disk: disk.sh CACHE. A Debian 12 i386 with systemd and udev in an ext4
# image of 300 MB, at CACHE/guests/disk/root.img; root logs in on the serial console without a password. An image that
# this very script made is kept.
set -euo pipefail
[ $# = 1 ] || { echo "usage: disk.sh CACHE" >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)
here=$(cd "$(dirname "$0")" && pwd)
. "$here/apt-private.sh"
target=$cache/guests/disk
recipe=$(sha256sum <"$here/disk.sh" | cut -d ' ' -f 1)

exec 9>"$cache/.lock"
flock 9
[ "$(cat "$target/recipe" 2>/dev/null)" = "$recipe" ] && [ -e "$target/root.img" ] && exit 0

as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo)
apt_private_prepare
mirror=$(sed -n 's/^deb .*\(http[^ ]*\) \([a-z]*\) main$/\1 \2/p' "$apt_state/sources.list" | head -1)
read -r site suite <<<"$mirror"

work=$cache/guests/.disk
"${as_root[@]}" rm -rf "$work"
mkdir -p "$work"
trap '"${as_root[@]}" rm -rf "$work"' EXIT
echo "setup: making a Debian $suite i386 root file system (mmdebstrap, as root)" >&2
"${as_root[@]}" mmdebstrap --quiet --mode=root --architectures=i386 --variant=minbase \
    --include=systemd-sysv,udev \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --customize-hook='echo debian-disk >"$1/etc/hostname"' \
    --customize-hook='echo "/dev/vda / ext4 defaults 0 0" >"$1/etc/fstab"' \
    --customize-hook='chroot "$1" passwd --quiet -d root' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
    "$suite" "$work/root" "deb $site $suite main" >&2
"${as_root[@]}" mke2fs -q -t ext4 -L debian-disk -E root_owner=0:0 -d "$work/root" "$work/root.img" 286M
[ "$(id -u)" = 0 ] || sudo chown "$(id -u):$(id -g)" "$work/root.img"
mkdir -p "$target"
mv "$work/root.img" "$target/root.img"
echo "$recipe" >"$target/recipe"
