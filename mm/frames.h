/*
 * Physical memory. Frames for guests (not mapped in ring 0) come from a buddy allocator over the firmware's
 * memory map; pages for the monitor itself are carved from 2 MiB blocks of it that are mapped high.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE       4096ull
#define LARGE_PAGE_SIZE (2ull << 20)

/* 2^order zeroed pages of the monitor's own memory, physically contiguous, order <= 4. NULL when none is
 * left. */
void *page_alloc(unsigned order);
void page_free(void *page, unsigned order);
/* Host-physical address of monitor memory (an image or page_alloc address). */
uint64_t virt_to_phys(const void *address);
