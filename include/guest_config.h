/*
 * struct guest_config: a guest description (docs/design.md, section 9) after parsing. It is made by nr and by
 * the service from the same device tree with the same code, and handed to the monitor and to the device
 * model.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum {
    GUEST_CONFIG_SIZE = 8192, /* pages in which the device model sees it */
    GUEST_NAME_SIZE = 32,
    GUEST_PATH_SIZE = 96, /* of a file named in a description; a boot module is called "guest-name:path" */
    GUEST_BOOTARGS_SIZE = 1024,
    GUEST_CPUS_MAX = 8,
    GUEST_DISKS_MAX = 4,
    GUEST_CDS_MAX = 2,
    GUEST_FLOPPIES_MAX = 2,
    GUEST_OTHERS_MAX = 7, /* discs or diskettes that a drive may have in place of its image */
    GUEST_MODULES_MAX = 8,
    GUEST_BOOT_MAX = 8,
    GUEST_BOOT_NAME = 12, /* of a device in the boot order: a node's name */
    /* kernel and initrd, or two of firmware, too */
    GUEST_FILES_MAX = 2 + GUEST_DISKS_MAX + (GUEST_CDS_MAX + GUEST_FLOPPIES_MAX) * (1 + GUEST_OTHERS_MAX) +
                      GUEST_MODULES_MAX,
    GUEST_MEMORY_MIB_MIN = 1,
    GUEST_MEMORY_MIB_MAX = 1 << 16,
    GUEST_OVERLAY_MIB_DEFAULT = 64,
    GUEST_FLOPPY_OVERLAY_MIB = 3, /* every sector of the largest */
    GUEST_OVERLAY_MIB_MAX = 2048,
    GUEST_SPARE_MIB = 18, /* layout.h */
    GUEST_SPARE_MIB_MAX = 64,
};

enum guest_loader { LOADER_LINUX, LOADER_MULTIBOOT, LOADER_ELF, LOADER_BIOS, LOADER_MULTIBOOT2 };
enum guest_paravirt { PARAVIRT_KVM, PARAVIRT_NONE, PARAVIRT_HYPERV };
enum guest_hpet { HPET_OFF, HPET_ON, HPET_AUTO };
enum guest_paging { PAGING_NESTED, PAGING_SHADOW };
enum guest_disk_kind { DISK_VIRTIO, DISK_IDE, DISK_AHCI };

struct guest_disk {
    uint32_t present;
    uint32_t kind; /* enum guest_disk_kind */
    uint32_t overlay_mib;
    char image[GUEST_PATH_SIZE];
};

/* A CD drive on IDE; without an image it is empty. What it may have instead comes without a gap. */
struct guest_cd {
    uint32_t present;
    char image[GUEST_PATH_SIZE];
    char other[GUEST_OTHERS_MAX][GUEST_PATH_SIZE];
};

/* The same for a floppy drive. */
struct guest_floppy {
    uint32_t present;
    uint32_t write_protected;
    char image[GUEST_PATH_SIZE];
    char other[GUEST_OTHERS_MAX][GUEST_PATH_SIZE];
};

struct guest_module {
    char path[GUEST_PATH_SIZE];
    char arguments[160];
};

/* A boot module; with overlay_mib copy-on-write. */
struct guest_image {
    uint32_t module; /* index in process_info of the service */
    uint32_t overlay_mib;
};

struct guest_config {
    char name[GUEST_NAME_SIZE];
    uint32_t memory_mib;
    uint32_t cpu_count;
    uint32_t packages; /* that the processors are spread over; 0: one */
    uint32_t loader;   /* enum guest_loader */
    uint32_t paravirt; /* enum guest_paravirt */
    uint32_t paging;   /* enum guest_paging */
    uint32_t hypervisor_hidden;
    uint32_t lapic_software; /* the monitor serves the local APICs, even where the processor could */
    uint32_t unknown_faults; /* an instruction on device memory that cannot be emulated is #UD, not its end */
    uint32_t hpet;           /* enum guest_hpet; in what description_parse() returns never HPET_AUTO */
    uint32_t test;           /* process_info.test of the test build of the device model; 0 otherwise */
    uint32_t disk_count;
    uint32_t cd_count;
    uint32_t module_count;
    uint32_t file_count;
    uint32_t
        spare_mib;   /* memory beside RAM for the screen and the firmware, an even number; 0: a PC without */
    uint32_t paused; /* it is held before its first instruction (debug.h) */
    uint64_t boot_epoch;      /* the host's date when the service started, seconds since 1970 UTC */
    uint32_t firmware_log;    /* the firmware's debug output goes to the console */
    uint32_t firmware_serial; /* what the firmware and its callers print goes to the serial port, too */
    uint32_t boot_count;
    char boot[GUEST_BOOT_MAX][GUEST_BOOT_NAME]; /* the order in which a firmware tries: "cd0", "disk1" ... */
    char firmware[GUEST_PATH_SIZE];             /* of the "bios" loader, and its screen's part */
    char video_firmware[GUEST_PATH_SIZE];
    char kernel[GUEST_PATH_SIZE];
    char initrd[GUEST_PATH_SIZE];
    char bootargs[GUEST_BOOTARGS_SIZE];
    struct guest_disk disk[GUEST_DISKS_MAX];
    struct guest_cd cd[GUEST_CDS_MAX];
    struct guest_floppy floppy[GUEST_FLOPPIES_MAX];
    struct guest_module module[GUEST_MODULES_MAX];
    struct guest_image file[GUEST_FILES_MAX]; /* the service fills it in: what the device model is to see */
};

_Static_assert(sizeof(struct guest_config) <= GUEST_CONFIG_SIZE, "its pages");

/* Whether the guest gets KVM's hooks. A hidden monitor has none: they would tell of it. */
static inline bool guest_config_has_kvm(const struct guest_config *config)
{
    return config->paravirt == PARAVIRT_KVM && !config->hypervisor_hidden;
}
