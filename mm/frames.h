/*
 * Physical memory. Frames for guests (not mapped in ring 0) come from a buddy allocator over the firmware's
 * memory map; pages for the monitor itself (mm/pages.c) are carved from 2 MiB blocks of it that are mapped
 * high.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SIZE       4096ull
#define PAGE_SHIFT      12
#define LARGE_PAGE_SIZE (2ull << 20)
#define FRAME_NONE      (~0ull)

/* The order of the smallest block that holds so many bytes. */
#define ORDER_OF(bytes) (63u - (unsigned)__builtin_clzll(((bytes)-1) / PAGE_SIZE * 2 + 1))

enum { FRAME_ORDERS = 19, ORDER_2M = 9, ORDER_1G = 18 };

/* Bytes of metadata for a physical address space of so many frames; frames_init() takes that much, zeroed or
 * not. */
uint64_t frames_metadata_size(uint64_t frames);
void frames_init(void *metadata, uint64_t frames);
/* Gives the frames [start, end) to the allocator. */
void frames_add(uint64_t start, uint64_t end);
/* 2^order frames, naturally aligned: the number of the first, or FRAME_NONE. Contents are unknown: see
 * window_zero(). */
uint64_t frames_alloc(unsigned order);
void frames_free(uint64_t frame, unsigned order);
uint64_t frames_free_count(void);

/* 2^order zeroed pages of the monitor's own memory, physically contiguous, order < ORDER_2M. NULL when
 * none is left. */
void *page_alloc(unsigned order);
void page_free(void *page, unsigned order);
/* Bytes that the monitor holds for itself: image, metadata, pages. */
extern uint64_t monitor_held;
/* Host-physical address of monitor memory (an image or page_alloc address), and back for page_alloc
 * addresses. */
uint64_t virt_to_phys(const void *address);
void *phys_to_virt(uint64_t address);
