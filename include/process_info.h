/*
 * struct process_info: what the monitor tells a ring-3 process about its machine; read-only, at USER_INFO.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include "guest_config.h"

enum {
    PROCESS_MODULES_MAX = 48,
    PROCESS_MODULE_NAME = GUEST_NAME_SIZE + GUEST_PATH_SIZE,
    PROCESS_OPTIONS_SIZE = 128,
    PROCESS_FEATURES_SIZE = 576,
};

/* A boot module as the process sees it. The service sees all of them, a device model those that its guest
 * names. */
struct process_module {
    char name[PROCESS_MODULE_NAME]; /* GRUB's module string up to its first blank: "guest:path", or
                                       "guest.dtb" */
    uint64_t address;               /* in this address space */
    uint64_t size;                  /* bytes */
    uint64_t writable;              /* copy-on-write: sys_disk_prepare before a write */
};

/* The machine's display, as the boot loader has set it up: Multiboot2 1.6, 3.6.12, from the address on. */
enum display_kind { DISPLAY_INDEXED, DISPLAY_RGB, DISPLAY_TEXT };

struct process_display {
    uint64_t physical;
    uint32_t pitch, width, height; /* bytes of a line; pixels or characters. 0: no display */
    uint8_t bits, kind;            /* of a pixel; enum display_kind */
    uint16_t reserved;
    struct {
        uint8_t position, size; /* bits */
    } red, green, blue;         /* DISPLAY_RGB */
    uint16_t reserved_2;
};

_Static_assert(sizeof(struct process_display) == 32, "the tag behind its type and size");

struct process_info {
    /* Host TSC ticks to nanoseconds: ns = (ticks * tsc_mult) >> tsc_shift, 128-bit product. */
    uint64_t tsc_mult;
    uint32_t tsc_shift;
    uint32_t tsc_khz;
    /* Guest time = host TSC + clock_offset, in TSC ticks; every guest clock derives from it. */
    uint64_t clock_offset;
    uint32_t guest_index;
    uint32_t cpu_count; /* physical processors */
    uint32_t module_count;
    uint32_t test;   /* a device model built for tests misbehaves as this says; 0 in every other build */
    uint64_t canary; /* of the program's stack protector: FS points here */
    /* Of the whole machine, for the service alone: bytes of RAM free and the monitor's own; the boot loader's
     * protocol, 1 or 2; modules that could not be used. */
    uint64_t memory_free, memory_held;
    uint32_t multiboot, modules_lost;
    /* The display at USER_DISPLAY + physical % 4096; for the service alone. */
    struct process_display display;
    /* The virtualization extension and its features, as lines. For the service alone. */
    char features[PROCESS_FEATURES_SIZE];
    /* The monitor's own command line (words, NUL-terminated, cut to fit): "why" and "needs" are the
     * service's. */
    char options[PROCESS_OPTIONS_SIZE];
    struct process_module module[PROCESS_MODULES_MAX];
};

_Static_assert(offsetof(struct process_info, canary) == 0x28, "where the x86-64 psABI has it");
_Static_assert(sizeof(struct process_info) <= 8192, "two pages");
