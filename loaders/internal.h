/*
 * What the loaders share: pieces and places in guest RAM, the memory map, the state of the first vCPU.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include "image_elf.h"
#include "loader.h"

/* Low memory as a PC's firmware leaves it: real-mode tables below, its extended data area on top. */
#define LOW_MEMORY_START 0x1000ull
#define LOW_MEMORY_END   0x9fc00ull
#define FIRMWARE_AREA    0xe0000ull /* ACPI and MP tables */
#define FIRMWARE_END     0x100000ull
#define PAGE             4096ull

/* Writes the sentence; always false. */
bool loader_refuse(struct loader *loader, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Module that the description names, or -1 with a sentence; what says what it is for ("kernel"). */
int loader_find_module(struct loader *loader, const struct loader_input *input, const char *what,
                       const char *path);

/* Are all bytes of [start, end) RAM that a loader may use? */
bool loader_is_ram(const struct loader_input *input, uint64_t start, uint64_t end);

/* Adds a piece to the plan. It must lie in RAM and overlap no other; else false with a sentence that calls it
 * what. A piece without module and without clear only takes the place. */
bool loader_add(struct loader *loader, const struct loader_input *input, const char *what,
                struct loader_piece piece);

/* Adds the kernel's segments, from a module. */
bool loader_add_segments(struct loader *loader, const struct loader_input *input,
                         const struct image_segment *segments, uint32_t count, uint32_t module);
/* The end of the highest piece, or `low` if that is higher. */
uint64_t loader_end(const struct loader *loader, uint64_t low);

/* The highest page-aligned place of size bytes within [low, high) that overlaps no piece and is RAM; 0 if
 * there is none. */
uint64_t loader_place_top(const struct loader *loader, const struct loader_input *input, uint64_t size,
                          uint64_t low, uint64_t high);
/* The same, the lowest. */
uint64_t loader_place_bottom(const struct loader *loader, const struct loader_input *input, uint64_t size,
                             uint64_t low, uint64_t high);

/* The guest's memory map in the manner of INT 15h, AX=E820h (ACPI 6.5, 15.1). */
enum memory_type { MEMORY_RAM = 1, MEMORY_RESERVED = 2 };
enum { MEMORY_MAP_MAX = 6 };

struct memory_range {
    uint64_t base, length;
    uint32_t type; /* enum memory_type */
};

unsigned loader_memory_map(const struct loader_input *input, struct memory_range map[MEMORY_MAP_MAX]);

/* Flat selectors of the descriptor table that loader_write_gdt() writes; those of the Linux boot protocol and
 * of GRUB. */
enum { BOOT_CS = 0x10, BOOT_DS = 0x18, BOOT_GDT_ENTRIES = 4, BOOT_GDT_SIZE = BOOT_GDT_ENTRIES * 8 };

void loader_write_gdt(uint8_t *to, bool long_mode);
/* Protected mode with flat segments, paging and interrupts off; returns the groups. */
uint32_t loader_state_flat(struct vcpu_state *state, uint64_t gdt);
/* Long mode with the page tables at cr3; returns the groups. */
uint32_t loader_state_long(struct vcpu_state *state, uint64_t gdt, uint64_t cr3);

/* What multiboot2_finish() writes. */
enum { MULTIBOOT2_BLOCK_SIZE = 4096 };

/* The loaders. plan: false with a sentence. finish: cannot fail. */
bool linux_plan(struct loader *loader, const struct loader_input *input);
uint32_t linux_finish(const struct loader *loader, const struct loader_input *input,
                      struct vcpu_state *state);
bool multiboot_plan(struct loader *loader, const struct loader_input *input);
uint32_t multiboot_finish(const struct loader *loader, const struct loader_input *input,
                          struct vcpu_state *state);
/* Of a kernel of version 2, with multiboot_plan(). */
uint32_t multiboot2_finish(const struct loader *loader, const struct loader_input *input,
                           struct vcpu_state *state);
bool pvh_plan(struct loader *loader, const struct loader_input *input);
uint32_t pvh_finish(const struct loader *loader, const struct loader_input *input, struct vcpu_state *state);
bool bios_plan(struct loader *loader, const struct loader_input *input);
uint32_t bios_finish(const struct loader *loader, const struct loader_input *input);
