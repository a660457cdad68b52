/*
 * The schema of the guest description (docs/design.md, section 9): all nodes and properties in one table. The
 * parser in lib/description.c, `nr check`, the manual and the tests derive from it.
 *
 * A line:  X(node, property, type, required, minimum, maximum, default, choices, field, help)
 *
 *   node      SCHEMA_ROOT, SCHEMA_MEMORY ...: see GUEST_SCHEMA_NODES
 *   type      SCHEMA_NUMBER   one cell, minimum to maximum
 *             SCHEMA_TEXT     one string, at most maximum characters
 *             SCHEMA_NAME     one string of letters, digits, '-', '_' and '.'
 *             SCHEMA_PATH     one string without blanks: a file, relative to the description
 *             SCHEMA_CHOICE   one string of choices
 *             SCHEMA_LIST     strings, at most maximum of them
 *   default   of a number, or the index of a choice
 *   choices   separated by '|', in the order of the enumeration; '!' before one: known, not in this version
 *   field     where the value goes: a member of struct guest_config, for a drive of its struct;
 *             SCHEMA_NO_FIELD: only checked, or treated by a function of its own
 */
#pragma once

#include <stddef.h>
#include "guest_config.h"

enum schema_type { SCHEMA_NUMBER, SCHEMA_TEXT, SCHEMA_NAME, SCHEMA_PATH, SCHEMA_CHOICE, SCHEMA_LIST };

/* A line: X(node, name, instances, required, help). Several instances are called name0, name1 ... */
#define GUEST_SCHEMA_NODES(X)                                                                                \
    X(SCHEMA_ROOT, "", 0, true, "the guest")                                                                 \
    X(SCHEMA_MEMORY, "memory", 0, true, "its RAM")                                                           \
    X(SCHEMA_CPUS, "cpus", 0, false, "its processors")                                                       \
    X(SCHEMA_CHOSEN, "chosen", 0, true, "what it boots")                                                     \
    X(SCHEMA_DISK, "disk", GUEST_DISKS_MAX, false, "a disk")                                                 \
    X(SCHEMA_CD, "cd", GUEST_CDS_MAX, false, "a CD drive")                                                   \
    X(SCHEMA_FLOPPY, "floppy", GUEST_FLOPPIES_MAX, false, "a floppy drive")                                  \
    X(SCHEMA_NET, "net", 4, false, "a network card")

/* Where Debian's package seabios has them. */
#define GUEST_FIRMWARE       "/usr/share/seabios/bios-256k.bin"
#define GUEST_VIDEO_FIRMWARE "/usr/share/seabios/vgabios-stdvga.bin"

#define SCHEMA_NO_FIELD             0xffffu
#define SCHEMA_CONFIG(member)       offsetof(struct guest_config, member)
#define SCHEMA_DISK_FIELD(member)   offsetof(struct guest_disk, member)
#define SCHEMA_CD_FIELD(member)     offsetof(struct guest_cd, member)
#define SCHEMA_FLOPPY_FIELD(member) offsetof(struct guest_floppy, member)

#define GUEST_SCHEMA(X)                                                                                      \
    X(SCHEMA_ROOT, "compatible", SCHEMA_CHOICE, true, 0, 0, 0, "nullring,guest", SCHEMA_NO_FIELD,            \
      "marks a guest description")                                                                           \
    X(SCHEMA_ROOT, "model", SCHEMA_NAME, true, 1, GUEST_NAME_SIZE - 1, 0, "", SCHEMA_CONFIG(name),           \
      "the guest's name, different from every other guest's")                                                \
    X(SCHEMA_ROOT, "paravirt", SCHEMA_CHOICE, false, 0, 0, PARAVIRT_KVM, "kvm|none|!hyperv",                 \
      SCHEMA_CONFIG(paravirt), "the hooks it is offered: KVM's clock and end-of-interrupt, or a plain PC")   \
    X(SCHEMA_ROOT, "paging", SCHEMA_CHOICE, false, 0, 0, PAGING_NESTED, "nested|shadow",                     \
      SCHEMA_CONFIG(paging), "how its memory is translated")                                                 \
    X(SCHEMA_ROOT, "hypervisor", SCHEMA_CHOICE, false, 0, 0, 0, "visible|hidden",                            \
      SCHEMA_CONFIG(hypervisor_hidden), "whether CPUID tells that there is a monitor")                       \
    X(SCHEMA_ROOT, "local-apic", SCHEMA_CHOICE, false, 0, 0, 0, "hardware|software",                         \
      SCHEMA_CONFIG(lapic_software), "who serves it: the processor, where it can, or the monitor")           \
    X(SCHEMA_ROOT, "unknown-instruction", SCHEMA_CHOICE, false, 0, 0, 0, "stop|fault",                       \
      SCHEMA_CONFIG(unknown_faults), "what one of its system's on device memory does: end it, or #UD")       \
    X(SCHEMA_ROOT, "hpet", SCHEMA_CHOICE, false, 0, 0, HPET_AUTO, "off|on|auto", SCHEMA_CONFIG(hpet),        \
      "whether it has high precision event timers; auto: where it is not offered KVM's clock")               \
    X(SCHEMA_ROOT, "boot", SCHEMA_LIST, false, 1, GUEST_BOOT_MAX, 0, "", SCHEMA_NO_FIELD,                    \
      "order of boot devices (bios)")                                                                        \
    X(SCHEMA_ROOT, "test", SCHEMA_NUMBER, false, 0, 255, 0, "", SCHEMA_CONFIG(test),                         \
      "how a device model that was built for tests misbehaves; 0: not")                                      \
    X(SCHEMA_MEMORY, "size-mib", SCHEMA_NUMBER, true, GUEST_MEMORY_MIB_MIN, GUEST_MEMORY_MIB_MAX, 0, "",     \
      SCHEMA_CONFIG(memory_mib), "RAM in MiB")                                                               \
    X(SCHEMA_CPUS, "count", SCHEMA_NUMBER, true, 1, GUEST_CPUS_MAX, 1, "", SCHEMA_CONFIG(cpu_count),         \
      "virtual processors; 1 without this node")                                                             \
    X(SCHEMA_CPUS, "packages", SCHEMA_NUMBER, false, 1, GUEST_CPUS_MAX, 1, "", SCHEMA_CONFIG(packages),      \
      "sockets that they are spread over: 1, or so many that each has 1, 2 or 4")                            \
    X(SCHEMA_CHOSEN, "loader", SCHEMA_CHOICE, true, 0, 0, 0, "linux|multiboot|elf|bios|multiboot2",          \
      SCHEMA_CONFIG(loader), "boot protocol; elf: PVH")                                                      \
    X(SCHEMA_CHOSEN, "kernel", SCHEMA_PATH, false, 1, GUEST_PATH_SIZE - 1, 0, "", SCHEMA_CONFIG(kernel),     \
      "kernel image")                                                                                        \
    X(SCHEMA_CHOSEN, "initrd", SCHEMA_PATH, false, 1, GUEST_PATH_SIZE - 1, 0, "", SCHEMA_CONFIG(initrd),     \
      "initial RAM disk (linux, elf)")                                                                       \
    X(SCHEMA_CHOSEN, "bootargs", SCHEMA_TEXT, false, 0, GUEST_BOOTARGS_SIZE - 1, 0, "",                      \
      SCHEMA_CONFIG(bootargs), "the kernel's command line")                                                  \
    X(SCHEMA_CHOSEN, "modules", SCHEMA_LIST, false, 1, GUEST_MODULES_MAX, 0, "", SCHEMA_NO_FIELD,            \
      "files with their arguments behind a blank (multiboot, multiboot2, elf)")                              \
    X(SCHEMA_CHOSEN, "firmware", SCHEMA_PATH, false, 1, GUEST_PATH_SIZE - 1, 0, "", SCHEMA_CONFIG(firmware), \
      "the BIOS (bios); " GUEST_FIRMWARE " without this")                                                    \
    X(SCHEMA_CHOSEN, "video-firmware", SCHEMA_PATH, false, 1, GUEST_PATH_SIZE - 1, 0, "",                    \
      SCHEMA_CONFIG(video_firmware), "the VGA BIOS (bios); " GUEST_VIDEO_FIRMWARE " without this")           \
    X(SCHEMA_CHOSEN, "firmware-log", SCHEMA_CHOICE, false, 0, 0, 0, "off|console",                           \
      SCHEMA_CONFIG(firmware_log), "where the BIOS tells what it does (bios)")                               \
    X(SCHEMA_CHOSEN, "firmware-screen", SCHEMA_CHOICE, false, 0, 0, 0, "vga|serial",                         \
      SCHEMA_CONFIG(firmware_serial), "serial: text printed through the BIOS goes to COM1, too (bios)")      \
    X(SCHEMA_DISK, "compatible", SCHEMA_CHOICE, true, 0, 0, DISK_VIRTIO,                                     \
      "virtio,block|nullring,ide-disk|nullring,ahci-disk", SCHEMA_DISK_FIELD(kind), "kind of disk")          \
    X(SCHEMA_DISK, "image", SCHEMA_PATH, true, 1, GUEST_PATH_SIZE - 1, 0, "", SCHEMA_DISK_FIELD(image),      \
      "what the disk holds; the file itself is never written")                                               \
    X(SCHEMA_DISK, "overlay-mib", SCHEMA_NUMBER, false, 0, GUEST_OVERLAY_MIB_MAX, GUEST_OVERLAY_MIB_DEFAULT, \
      "", SCHEMA_DISK_FIELD(overlay_mib), "memory for changed sectors, in MiB, reserved at the start")       \
    X(SCHEMA_CD, "compatible", SCHEMA_CHOICE, true, 0, 0, 0, "nullring,ide-cd", SCHEMA_NO_FIELD,             \
      "kind of drive")                                                                                       \
    X(SCHEMA_CD, "image", SCHEMA_PATH, false, 1, GUEST_PATH_SIZE - 1, 0, "", SCHEMA_CD_FIELD(image),         \
      "the disc; without one the drive is empty")                                                            \
    X(SCHEMA_CD, "others", SCHEMA_LIST, false, 1, GUEST_OTHERS_MAX, 0, "", SCHEMA_CD_FIELD(other),           \
      "discs that `nr insert` can put in instead")                                                           \
    X(SCHEMA_FLOPPY, "compatible", SCHEMA_CHOICE, true, 0, 0, 0, "nullring,floppy", SCHEMA_NO_FIELD,         \
      "kind of drive")                                                                                       \
    X(SCHEMA_FLOPPY, "image", SCHEMA_PATH, false, 1, GUEST_PATH_SIZE - 1, 0, "", SCHEMA_FLOPPY_FIELD(image), \
      "the diskette, of 160 KB to 2.88 MB; the file itself is never written; without one the drive is "      \
      "empty")                                                                                               \
    X(SCHEMA_FLOPPY, "others", SCHEMA_LIST, false, 1, GUEST_OTHERS_MAX, 0, "", SCHEMA_FLOPPY_FIELD(other),   \
      "diskettes that `nr insert` can put in instead")                                                       \
    X(SCHEMA_FLOPPY, "write-protected", SCHEMA_CHOICE, false, 0, 0, 0, "no|yes",                             \
      SCHEMA_FLOPPY_FIELD(write_protected), "whether the guest is kept from writing it")                     \
    X(SCHEMA_NET, "compatible", SCHEMA_CHOICE, true, 0, 0, 0,                                                \
      "!virtio,net|!nullring,ne2000|!nullring,e1000", SCHEMA_NO_FIELD, "kind of card")                       \
    X(SCHEMA_NET, "network", SCHEMA_NAME, true, 1, GUEST_NAME_SIZE - 1, 0, "", SCHEMA_NO_FIELD,              \
      "name of the network")
