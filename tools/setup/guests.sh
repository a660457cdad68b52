#!/bin/bash
# Fetches what the guests of examples/ are made of into the cache folder: guests.sh CACHE PART...
#
#   kernels    $cache/guests/{686,686-pae,amd64}/vmlinuz, as packaged, and modules/*.ko of virtio and ext4
#   busybox    $cache/guests/busybox-{i386,amd64}
#   installer  $cache/guests/installer/{vmlinuz,initrd.gz}, the netboot i386 installer as packaged
#   rescue     $cache/guests/grub-rescue/{cdrom.iso,floppy.img}, GRUB's rescue images
#   memtest    $cache/guests/memtest86/memtest86.iso, the 64-bit memtest86+ on a disc of its own
#   ipxe       $cache/guests/ipxe/ipxe.iso
#
# A part that is there is not fetched again. Each is made in a place of its own and moved, so that a run that was cut
# short leaves nothing half done; a lock keeps two runs apart.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: guests.sh CACHE PART..." >&2; exit 2; }
mkdir -p "$1"
cache=$(cd "$1" && pwd)
shift
. "$(dirname "$0")/apt-private.sh"
guests=$cache/guests
mkdir -p "$guests"

exec 9>"$cache/.lock"
flock 9
work=$guests/.work
trap 'rm -rf "$work"' EXIT

# What the initial file systems load: disks over virtio and their file system are modules in the stock kernels.
modules=(drivers/virtio/virtio drivers/virtio/virtio_ring drivers/virtio/virtio_pci_modern_dev
    drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci drivers/block/virtio_blk
    drivers/scsi/scsi_common drivers/scsi/scsi_mod drivers/scsi/sd_mod drivers/ata/libata drivers/ata/ata_piix
    crypto/crct10dif_common crypto/crct10dif_generic lib/crc-t10dif lib/crc64 crypto/crc64_rocksoft_generic lib/crc64-rocksoft
    block/t10-pi drivers/ata/libahci drivers/ata/ahci drivers/cdrom/cdrom drivers/scsi/sr_mod fs/isofs/isofs
    crypto/crc32c_generic lib/crc16 fs/mbcache fs/jbd2/jbd2 fs/ext4/ext4)

# The package that a meta package such as linux-image-686 stands for today.
versioned_kernel() {
    apt_private cache depends "$1" | sed -n 's/^ *Depends: *\(linux-image-[0-9][^:]*\(:i386\)\?\)$/\1/p' | head -1
}

fetch_kernel() {
    local flavour=$1 architecture=$2 package tree module
    [ ! -e "$guests/$flavour/vmlinuz" ] || return 0
    apt_private_prepare
    package=$(versioned_kernel "linux-image-$flavour:$architecture")
    if [ -z "$package" ]; then
        echo "setup: apt knows no linux-image-$flavour for $architecture" >&2
        exit 5
    fi
    case $package in *:*) ;; *) package=$package:$architecture ;; esac
    echo "setup: fetching $package" >&2
    apt_private_unpack "$work/root" "$package"
    mkdir -p "$work/made/lib"
    mv "$work"/root/boot/vmlinuz-* "$work/made/vmlinuz"
    tree=$(echo "$work"/root/lib/modules/*/kernel)
    mkdir -p "$work/made/modules"
    for module in "${modules[@]}"; do
        mv "$tree/$module.ko" "$work/made/modules/"
    done
    mv "$work/made" "$guests/$flavour"
    rm -rf "$work"
}

fetch_busybox() {
    local architecture=$1
    [ ! -e "$guests/busybox-$architecture" ] || return 0
    apt_private_prepare
    echo "setup: fetching busybox-static:$architecture" >&2
    apt_private_unpack "$work/root" "busybox-static:$architecture"
    mv "$work/root/bin/busybox" "$guests/busybox-$architecture"
    rm -rf "$work"
}

fetch_installer() {
    local images
    [ ! -e "$guests/installer/initrd.gz" ] || return 0
    apt_private_prepare
    echo "setup: fetching debian-installer-12-netboot-i386" >&2
    apt_private_unpack "$work/root" debian-installer-12-netboot-i386
    images=$(find "$work/root" -type d -path '*/i386/text/debian-installer/i386' | head -1)
    mkdir -p "$work/made"
    mv "$images/linux" "$work/made/vmlinuz"
    mv "$images/initrd.gz" "$work/made/initrd.gz"
    mv "$work/made" "$guests/installer"
    rm -rf "$work"
}

fetch_rescue() {
    [ ! -e "$guests/grub-rescue/cdrom.iso" ] || return 0
    apt_private_prepare
    echo "setup: fetching grub-rescue-pc" >&2
    apt_private_unpack "$work/root" grub-rescue-pc
    mkdir -p "$work/made"
    mv "$work/root/usr/lib/grub-rescue/grub-rescue-cdrom.iso" "$work/made/cdrom.iso"
    mv "$work/root/usr/lib/grub-rescue/grub-rescue-floppy.img" "$work/made/floppy.img"
    mv "$work/made" "$guests/grub-rescue"
    rm -rf "$work"
}

# fetch_file PACKAGE PATH FILE: one file of a package, as $guests/FILE.
fetch_file() {
    [ ! -e "$guests/$3" ] || return 0
    apt_private_prepare
    echo "setup: fetching $1" >&2
    apt_private_unpack "$work/root" "$1"
    mkdir -p "$(dirname "$guests/$3")"
    mv "$work/root/$2" "$guests/$3"
    rm -rf "$work"
}

for part in "$@"; do
    case $part in
    kernels) fetch_kernel 686 i386; fetch_kernel 686-pae i386; fetch_kernel amd64 amd64 ;;
    busybox) fetch_busybox i386; fetch_busybox amd64 ;;
    installer) fetch_installer ;;
    rescue) fetch_rescue ;;
    memtest) fetch_file memtest86+ usr/lib/memtest86+/memtest86+x64.iso memtest86/memtest86.iso ;;
    ipxe) fetch_file ipxe usr/lib/ipxe/ipxe.iso ipxe/ipxe.iso ;;
    *) echo "guests.sh: no part $part (kernels, busybox, installer, rescue, memtest, ipxe)" >&2; exit 2 ;;
    esac
done
