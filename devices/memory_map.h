/*
 * What the guest sees of its spare memory (layout.h), and with which rights: the device model's own record of
 * what it has told the monitor. It decides where an emulated instruction finds memory and where a device may
 * move data.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "layout.h"
#include "syscalls.h"

enum {
    MEMORY_PAGE = 4096,
    MEMORY_UPPER_PAGES = (GUEST_HMA_END - GUEST_VGA_HOLE) / MEMORY_PAGE,
    MEMORY_WINDOWS = 8,
};

struct memory_window {
    uint64_t base;
    uint64_t length; /* 0: not in use */
    uint32_t rights; /* enum memory_rights */
    uint32_t reserved;
};

struct memory_map {
    uint8_t upper[MEMORY_UPPER_PAGES];           /* rights of each page from GUEST_VGA_HOLE on */
    struct memory_window window[MEMORY_WINDOWS]; /* in the hole below GUEST_HIGH_RAM */
};

/* The map of a guest that has just been created. Without spare memory it has RAM behind the VGA hole. */
void memory_map_reset(struct memory_map *map, bool spare);
/* NULL, or the broken rule. */
const char *memory_map_check(const struct memory_map *map);
/* Notes that [gpa, gpa + length) now has these rights: whole pages of the upper memory, or one window, which
 * takes the place of one that begins at the same address. False: no such place, or all windows are in use. */
bool memory_map_note(struct memory_map *map, uint64_t gpa, uint64_t length, unsigned rights);
/* The rights that all of [gpa, gpa + length) has, as far as it lies in upper memory or in one window;
 * MEMORY_NONE elsewhere. */
unsigned memory_map_rights(const struct memory_map *map, uint64_t gpa, uint64_t length);
