/* Page-table bits and a small 32-bit address space (AMD APM Vol. 2, 5.2-5.4). */
#pragma once

#include <stdint.h>

enum {
    PAGE_P = 1 << 0,
    PAGE_W = 1 << 1,
    PAGE_U = 1 << 2,
    PAGE_A = 1 << 5,
    PAGE_D = 1 << 6,
    PAGE_LARGE = 1 << 7,
    PAGE_GLOBAL = 1 << 8,
    PAGE_SIZE = 4096
};
#define PAGE_NX (1ull << 63)

/* #PF error code. */
enum { PF_P = 1, PF_W = 2, PF_U = 4, PF_RSVD = 8, PF_FETCH = 16 };

/* Two-level paging: the first 4 MiB by 4 KiB pages in page_table, all else by 4 MiB pages, identity. */
extern volatile uint32_t page_directory[1024], page_table[1024];
void paging_initialise(void);
/* The same for PAE: the first 2 MiB by 4 KiB pages. */
extern volatile uint64_t pae_pointers[4], pae_directory[4][512], pae_table[512];
void pae_initialise(void);
void paging_on(uint32_t root, uint32_t cr4);
void paging_off(void);
