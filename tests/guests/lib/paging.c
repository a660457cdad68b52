/* Identity address spaces of 32-bit mode, two-level and PAE. */
#include "processor.h"
#include "paging.h"

volatile uint32_t page_directory[1024] __attribute__((aligned(4096)));
volatile uint32_t page_table[1024] __attribute__((aligned(4096)));
volatile uint64_t pae_pointers[4] __attribute__((aligned(32)));
volatile uint64_t pae_directory[4][512] __attribute__((aligned(4096)));
volatile uint64_t pae_table[512] __attribute__((aligned(4096)));

void paging_initialise(void)
{
    for (uint32_t i = 0; i < 1024; i++) {
        page_table[i] = i << 12 | PAGE_P | PAGE_W | PAGE_U;
        page_directory[i] = i << 22 | PAGE_P | PAGE_W | PAGE_U | PAGE_LARGE;
    }
    page_directory[0] = (uint32_t)page_table | PAGE_P | PAGE_W | PAGE_U;
}

void pae_initialise(void)
{
    for (uint32_t i = 0; i < 512; i++)
        pae_table[i] = (uint64_t)i << 12 | PAGE_P | PAGE_W | PAGE_U;
    for (uint32_t i = 0; i < 4; i++) {
        pae_pointers[i] = (uint32_t)pae_directory[i] | PAGE_P;
        for (uint32_t j = 0; j < 512; j++)
            pae_directory[i][j] = (uint64_t)i << 30 | j << 21 | PAGE_P | PAGE_W | PAGE_U | PAGE_LARGE;
    }
    pae_directory[0][0] = (uint32_t)pae_table | PAGE_P | PAGE_W | PAGE_U;
}

void paging_on(uint32_t root, uint32_t cr4)
{
    write_cr4(cr4);
    write_cr3(root);
    write_cr0(read_cr0() | CR0_PG);
}

void paging_off(void)
{
    write_cr0(read_cr0() & ~CR0_PG);
    write_cr3(0);
    write_cr4(0);
}
