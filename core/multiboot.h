/*
 * What the boot loader left: memory map, modules, command line, RSDP; copied before anything overwrites it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "process_info.h"

enum {
    BOOT_REGIONS_MAX = 128,
    BOOT_MODULES_MAX = 48,
    BOOT_STRING_MAX = 256,
    BOOT_NAME_MAX = PROCESS_MODULE_NAME
};

struct boot_region {
    uint64_t start, end; /* RAM that is free, in whole pages; no two overlap, some are empty */
};

struct boot_module {
    uint64_t start, end;      /* physical; start is page-aligned */
    char name[BOOT_NAME_MAX]; /* first word of the module's string */
};

struct boot_info {
    uint32_t multiboot; /* 1 or 2 */
    uint32_t region_count, module_count, modules_lost;
    uint64_t rsdp; /* physical; 0: search low memory */
    struct process_display display;
    char options[BOOT_STRING_MAX];
    struct boot_region region[BOOT_REGIONS_MAX];
    struct boot_module module[BOOT_MODULES_MAX];
};

extern struct boot_info boot_info;

/* Reads the Multiboot (1 or 2) information at a physical address below 4 GiB into boot_info.
 * Returns NULL, or a sentence that says what is wrong. */
const char *multiboot_read(uint32_t magic, uint32_t address);
/* Takes [start, end) out of the regions. */
void boot_region_cut(uint64_t start, uint64_t end);
