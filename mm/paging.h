/*
 * Page tables in the processor's own 4-level format (AMD APM Vol. 2, 5.3; SDM Vol. 3A, 4.5), for address
 * spaces and, as nested paging uses the same format, for second-level trees.
 */
#pragma once

#include <stdint.h>

#define PTE_PRESENT  (1ull << 0)
#define PTE_WRITE    (1ull << 1)
#define PTE_USER     (1ull << 2)
#define PTE_PWT      (1ull << 3)
#define PTE_PCD      (1ull << 4)
#define PTE_ACCESSED (1ull << 5)
#define PTE_DIRTY    (1ull << 6)
#define PTE_LARGE    (1ull << 7)
#define PTE_OWNED    (1ull << 9) /* free for software: a page that goes with the process */
#define PTE_NX       (1ull << 63)
#define PTE_ADDRESS  0x000ffffffffff000ull

enum { LEVEL_4K = 1, LEVEL_2M = 2, LEVEL_1G = 3, LEVEL_ROOT = 4, TABLE_ENTRIES = 512 };

/* The entry of a level for an address, with the tables above it made where missing (they carry every right;
 * the leaf decides). NULL when no page is left, or a larger leaf is in the way. */
uint64_t *paging_entry(uint64_t *root, uint64_t address, unsigned level);
/* Maps pages of 4 KiB one after another. 0 or NR_ENOMEM. */
int paging_map(uint64_t *root, uint64_t address, uint64_t physical, uint64_t size, uint64_t rights);
/* Frees a page-directory-pointer table and all tables below; leaf(), if not NULL, is called for each
 * entry that maps something. */
typedef void paging_leaf(uint64_t entry, unsigned level);
void paging_free(uint64_t *pointers, paging_leaf *leaf);

static inline unsigned paging_index(uint64_t address, unsigned level)
{
    return address >> (12 + 9 * (level - 1)) & (TABLE_ENTRIES - 1);
}

/* Of a leaf, in frames and in bytes. */
static inline unsigned paging_order(unsigned level)
{
    return 9 * (level - 1);
}

static inline uint64_t paging_size(unsigned level)
{
    return 4096ull << paging_order(level);
}
