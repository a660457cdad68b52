#!/bin/bash
# Makes the disk of examples/debian-disk and examples/debian-pc: disk.sh CACHE. A Debian 12 i386 with systemd and udev, a stock
# kernel and its initrd, and GRUB in the gap behind the MBR, at CACHE/guests/disk/disk.img; root logs in on the serial
# console without a password. It finds its root by label, so that it starts from any controller. An image that this very
# script made is kept.
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
[ "$(cat "$target/recipe" 2>/dev/null)" = "$recipe" ] && [ -e "$target/disk.img" ] && exit 0

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
# Of the kernel's modules those stay that a PC without sound, 3D and radio can have: the image is a boot module, which GRUB
# loads as a whole.
modules='/lib/modules/*/kernel'
unwanted=(--dpkgopt=path-exclude=/usr/share/{doc,man,locale,info}'/*' --dpkgopt="path-exclude=$modules/sound/*"
    --dpkgopt="path-exclude=$modules/drivers/"{gpu,media,infiniband,staging,iio,isdn,hwmon,net,usb,mtd,bluetooth,platform}'/*')
"${as_root[@]}" mmdebstrap --quiet --mode=root --architectures=i386 --variant=minbase \
    --include=systemd-sysv,udev,linux-image-686,grub-pc-bin \
    "${unwanted[@]}" \
    --customize-hook='echo debian-disk >"$1/etc/hostname"' \
    --customize-hook='echo "LABEL=debian-disk / ext4 defaults 0 0" >"$1/etc/fstab"' \
    --customize-hook='chroot "$1" passwd --quiet -d root' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
    "$suite" "$work/root" "deb $site $suite main" >&2

# What grub-install would put there, which wants the disk as a device of this machine.
"${as_root[@]}" mkdir -p "$work/root/boot/grub"
"${as_root[@]}" cp -r "$work/root/usr/lib/grub/i386-pc" "$work/root/boot/grub/"
"${as_root[@]}" tee "$work/root/boot/grub/grub.cfg" >/dev/null <<'END'
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=1
menuentry 'Debian GNU/Linux' {
    linux /vmlinuz root=LABEL=debian-disk ro console=tty0 console=ttyS0 quiet
    initrd /initrd.img
}
END
grub-mkimage -d "$work/root/usr/lib/grub/i386-pc" -O i386-pc -p '(hd0,msdos1)/boot/grub' -o "$work/core.img" biosdisk part_msdos ext2

# The partition begins at 1 MiB. GRUB's first sector loads the second to the last of core.img, which lies behind it.
mib=400 first=2048
"${as_root[@]}" mke2fs -q -t ext4 -L debian-disk -E "root_owner=0:0,offset=$((first * 512))" -d "$work/root" "$work/disk.img" "${mib}M"
"${as_root[@]}" truncate -s $((mib + 1))M "$work/disk.img"
[ "$(id -u)" = 0 ] || sudo chown "$(id -u):$(id -g)" "$work/disk.img"
write() { dd of="$work/disk.img" conv=notrunc bs=1 seek="$1" status=none; }
le32() { printf '%08x' "$1" | sed 's/\(..\)\(..\)\(..\)\(..\)/\\x\4\\x\3\\x\2\\x\1/'; }
head -c 440 "$work/root/usr/lib/grub/i386-pc/boot.img" | write 0
# An active partition of type Linux; who reads cylinders, heads and sectors finds none there.
printf "\\x80\\xfe\\xff\\xff\\x83\\xfe\\xff\\xff$(le32 $first)$(le32 $((mib * 2048)))" | write 446
printf '\x55\xaa' | write 510
write 512 <"$work/core.img"
mkdir -p "$target"
mv "$work/disk.img" "$target/disk.img"
rm -f "$target/root.img"
echo "$recipe" >"$target/recipe"
