/*
 * Walks and builds page tables. Table pages are monitor pages (page_alloc), so that they can be reached here.
 */
#include "paging.h"
#include "errors.h"
#include "frames.h"

uint64_t *paging_entry(uint64_t *root, uint64_t address, unsigned level)
{
    uint64_t *table = root;
    for (unsigned at = LEVEL_ROOT; at > level; at--) {
        uint64_t *entry = &table[paging_index(address, at)];
        if (!(*entry & PTE_PRESENT)) {
            uint64_t *next = page_alloc(0);
            if (!next)
                return NULL;
            *entry = virt_to_phys(next) | PTE_PRESENT | PTE_WRITE | PTE_USER;
        } else if (*entry & PTE_LARGE) {
            return NULL;
        }
        table = phys_to_virt(*entry & PTE_ADDRESS);
    }
    return &table[paging_index(address, level)];
}

uint64_t *paging_find(uint64_t *root, uint64_t address, unsigned *level)
{
    uint64_t *table = root;
    for (unsigned at = LEVEL_ROOT;; at--) {
        uint64_t *entry = &table[paging_index(address, at)];
        if (!(*entry & PTE_PRESENT))
            return NULL;
        if (at == LEVEL_4K || *entry & PTE_LARGE) {
            *level = at;
            return entry;
        }
        table = phys_to_virt(*entry & PTE_ADDRESS);
    }
}

int paging_map(uint64_t *root, uint64_t address, uint64_t physical, uint64_t size, uint64_t rights)
{
    for (uint64_t at = 0; at < size; at += PAGE_SIZE) {
        uint64_t *entry = paging_entry(root, address + at, LEVEL_4K);
        if (!entry)
            return NR_ENOMEM;
        *entry = (physical + at) | rights;
    }
    return NR_OK;
}

static bool is_table(uint64_t entry)
{
    return (entry & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT;
}

void paging_free_tables(uint64_t *pointers)
{
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        if (!is_table(pointers[i]))
            continue;
        uint64_t *directory = phys_to_virt(pointers[i] & PTE_ADDRESS);
        for (unsigned j = 0; j < TABLE_ENTRIES; j++)
            if (is_table(directory[j]))
                page_free(phys_to_virt(directory[j] & PTE_ADDRESS), 0);
        page_free(directory, 0);
    }
    page_free(pointers, 0);
}
