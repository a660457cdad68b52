/*
 * The monitor's address space: built once at boot, its upper half shared by every address space after that.
 */
#pragma once

#include <stdint.h>

extern uint64_t *monitor_root; /* top-level table that no process uses; its upper half is in all of them */
extern uint64_t monitor_cr3;

/* Builds allocator, page pool and final page tables from boot_info, and loads them. NULL, or what is wrong.
 */
const char *memory_init(void);
/* Maps 4 KiB of device registers, uncached; the result stays mapped. NULL when no page is left. */
volatile void *mmio_map(uint64_t physical);
/* Maps a stack (docs/design.md, section 3) and returns its top; 0 when no page is left. */
uint64_t stack_map(uint32_t cpu, unsigned use);

/* Per-processor windows onto frames that are mapped nowhere else. */
void window_zero(uint64_t physical, uint64_t size);
/* Copies one page from the loaded address space (user memory) or the monitor into a frame; 0 or NR_EFAULT. */
int window_write_page(uint64_t physical, uint64_t from_user);
/* The second-level entries of the windows, one for each processor: set by memory_init(). */
extern uint64_t *window_entry;

/* mm/pages.c: the second-level entries of the direct map, one for each 2 MiB of physical memory; and the
 * first pages, [start, end), which can be reached already. */
void pages_init(uint64_t *direct_map, uint64_t start, uint64_t end);
