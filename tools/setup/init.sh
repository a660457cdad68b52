#!/bin/sh
# The first process of the example guests: busybox, a few modules, and this script as /init.
#
# Words of the kernel command line:
#   mode=report   say what this machine is, then power off
#   mode=off      power off at once
#   mode=end      end the machine here and now, through the emulator's debug-exit port: nothing is shut down
#   mode=disk     write 64 MiB to the first disk, read them back, compare their checksums, then power off
#   mode=read     reads=N direct reads of 4 KiB, depth=M (1) at a time, with disk-reads, which only the bench's initrd has
#   mode=sequence read 64 MiB of each disk, one after the other, and say how fast that was by this machine's clock
#   mode=shell    a shell on the serial console (without a mode); leaving it powers off
#   nonce=N       print "MARKER x" with x computed from N, so that the line cannot come from anywhere else
#   root=/dev/vda1 mount that one and go on with its own init
#   disk=/dev/vda the disk of mode=disk and mode=read; one called sdX there or as root loads the drivers of IDE and AHCI
# The kernel hands words that it does not know to its first process, as variables.
mode=${mode:-shell} reads=${reads:-1} depth=${depth:-1} disk=${disk:-/dev/vda} root=
[ -n "$nonce" ] && echo "MARKER $((nonce * 7 + 3))"
if [ "$mode" = end ]; then
    /bin/busybox mount -t devtmpfs dev /dev
    printf '\000' | /bin/busybox dd of=/dev/port bs=1 seek=244 conv=notrunc 2>/dev/null
fi

/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
echo 4 >/proc/sys/kernel/printk
read -r words </proc/cmdline
for word in $words; do
    case $word in
    root=/dev/*) root=${word#root=} ;;
    esac
done

load_modules() {
    for module in "$@"; do
        insmod "/modules/$module.ko" || echo "init: cannot load $module"
    done
}

# virtio_pci finds its device at once, but the disk's node comes a moment later.
wait_for() {
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ -e "$1" ] && return 0
        sleep 0.1
    done
    return 1
}

has_virtio() {
    grep -q '^0x1af4$' /sys/bus/pci/devices/*/vendor 2>/dev/null
}

report() {
    uname -a
    head -n 8 /proc/cpuinfo
    echo "processors: $(grep -c '^processor' /proc/cpuinfo)"
    grep MemTotal /proc/meminfo
    echo "clock: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
    for block in /sys/block/vd* /sys/block/sd* /sys/block/sr*; do
        [ -e "$block" ] && echo "disk: ${block##*/} $(cat "$block/size") sectors"
    done
}

disk_check() {
    echo "disk before: $(dd if="$disk" bs=1M count=64 2>/dev/null | md5sum)"
    dd if=/dev/urandom of=/pattern bs=1M count=64 2>/dev/null
    written=$(md5sum </pattern)
    dd if=/pattern of="$disk" bs=1M conv=notrunc,fsync 2>&1 | grep -i error
    rm /pattern
    echo 3 >/proc/sys/vm/drop_caches
    read_back=$(dd if="$disk" bs=1M count=64 2>/dev/null | md5sum)
    echo "disk check: written $written read $read_back"
    [ "$written" = "$read_back" ] && echo "DISK GOOD" || echo "DISK BAD"
}

# The first words of stat: reads that the device has done, reads that were merged into others.
disk_read() {
    disk-reads "$disk" "$reads" "$depth" && echo "reads done: $(cut -c 1-17 "/sys/block/${disk##*/}/stat")" || echo "reads failed"
}

disk_sequence() {
    for block in /sys/block/vd* /sys/block/sd*; do
        read -r before _ </proc/uptime
        dd if="/dev/${block##*/}" of=/dev/null bs=1M count=64 2>/dev/null || echo "sequence failed"
        read -r after _ </proc/uptime
        echo "sequence: $(readlink -f "$block") $before to $after"
    done
}

if has_virtio; then
    load_modules virtio virtio_ring virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk
    wait_for /dev/vda
fi
case $disk$root in
*/dev/s*)
    load_modules scsi_common scsi_mod crct10dif_common crct10dif_generic crc-t10dif crc64 crc64_rocksoft_generic crc64-rocksoft \
        t10-pi sd_mod cdrom sr_mod libata ata_piix libahci ahci
    wait_for "${root:-$disk}"
    ;;
esac

if [ -n "$root" ]; then
    load_modules crc32c_generic crc16 mbcache jbd2 ext4
    mkdir -p /root
    if mount -t ext4 "$root" /root; then
        mount --move /proc /root/proc
        mount --move /sys /root/sys
        mount --move /dev /root/dev
        exec switch_root /root /sbin/init
    fi
    echo "init: cannot mount $root; here is a shell"
    mode=shell
fi

case $mode in
report) report ;;
disk) disk_check ;;
read) disk_read ;;
sequence) disk_sequence ;;
off) ;;
*)
    export PS1='guest:\w# '
    setsid cttyhack sh
    ;;
esac
poweroff -f
