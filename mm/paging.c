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

/* The table behind an entry; NULL, and leaf() has seen it, where the entry maps something or nothing. */
static uint64_t *table_behind(uint64_t entry, unsigned level, paging_leaf *leaf)
{
    if (!(entry & PTE_PRESENT))
        return NULL;
    if (level > LEVEL_4K && !(entry & PTE_LARGE))
        return phys_to_virt(entry & PTE_ADDRESS);
    if (leaf)
        leaf(entry, level);
    return NULL;
}

void paging_free(uint64_t *pointers, paging_leaf *leaf)
{
    for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
        uint64_t *directory = table_behind(pointers[i], LEVEL_1G, leaf);
        for (unsigned j = 0; directory && j < TABLE_ENTRIES; j++) {
            uint64_t *table = table_behind(directory[j], LEVEL_2M, leaf);
            for (unsigned k = 0; table && k < TABLE_ENTRIES; k++)
                table_behind(table[k], LEVEL_4K, leaf);
            page_free(table, 0);
        }
        page_free(directory, 0);
    }
    page_free(pointers, 0);
}
