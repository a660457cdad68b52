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
/* Hands the RAM that the boot still needed (nothing but its page tables and the loader's data) to the
 * allocator. */
void memory_report(void);

/* Maps 4 KiB of device registers, uncached; the result stays mapped. NULL when no page is left. */
volatile void *mmio_map(uint64_t physical);
/* Maps a stack (docs/design.md, section 3) and returns its top; 0 when no page is left. */
uint64_t stack_map(uint32_t cpu, unsigned use);

/* Per-processor windows onto frames that are mapped nowhere else. */
void window_zero(uint64_t physical, uint64_t size);
/* Copies `size` bytes that do not cross a 2 MiB boundary out of physical memory. */
void window_read(void *to, uint64_t physical, uint64_t size);
/* Copies one page from the loaded address space (user memory) or the monitor into a frame; 0 or NR_EFAULT. */
int window_write_page(uint64_t physical, uint64_t from_user);
/* Reserves a window for a processor. */
int window_init(uint32_t cpu);

/* mm/pages.c */
void pages_give(uint64_t start, uint64_t end);
void pages_count(uint64_t bytes);
