/*
 * The second-level tree in the format of AMD's nested paging.
 */
#include "stage2.h"
#include "errors.h"
#include "frames.h"
#include "layout.h"
#include "paging.h"

#define STAGE2_ADDRESS_END (1ull << 39) /* what one page-directory-pointer table covers */

int stage2_create(struct stage2 *stage2, uint64_t *process_root)
{
    stage2->root_table = page_alloc(0);
    stage2->pointers = page_alloc(0);
    if (!stage2->root_table || !stage2->pointers)
        return NR_ENOMEM;
    uint64_t entry = virt_to_phys(stage2->pointers) | PTE_PRESENT | PTE_WRITE | PTE_USER;
    stage2->root = virt_to_phys(stage2->root_table);
    stage2->root_table[0] = entry;
    process_root[paging_index(USER_GUEST_RAM, LEVEL_ROOT)] = entry | PTE_NX;
    return NR_OK;
}

static void leaf_free(uint64_t entry, unsigned level)
{
    uint64_t frame = (entry & PTE_ADDRESS) / PAGE_SIZE;
    frames_free(frame & ~((1ull << paging_order(level)) - 1), paging_order(level));
}

void stage2_destroy(struct stage2 *stage2)
{
    if (stage2->pointers)
        paging_free(stage2->pointers, leaf_free);
    page_free(stage2->root_table, 0);
}

int stage2_set(struct stage2 *stage2, uint64_t gpa, unsigned level, uint64_t physical, unsigned rights)
{
    if (level < LEVEL_4K || level > LEVEL_1G || (gpa | physical) & (paging_size(level) - 1) ||
        gpa >= STAGE2_ADDRESS_END)
        return NR_EINVAL;
    uint64_t *entry = paging_entry(stage2->root_table, gpa, level);
    if (!entry)
        return NR_ENOMEM;
    if (level > LEVEL_4K && *entry & PTE_PRESENT && !(*entry & PTE_LARGE))
        return NR_EINVAL; /* a table hangs there */
    uint64_t value = 0;
    if (rights & STAGE2_READ) {
        value = physical | PTE_PRESENT | PTE_USER | (level > LEVEL_4K ? PTE_LARGE : 0);
        value |= rights & STAGE2_WRITE ? PTE_WRITE : 0;
        value |= rights & STAGE2_EXECUTE ? 0 : PTE_NX;
    }
    uint64_t lost = *entry & ~value & (PTE_PRESENT | PTE_WRITE);
    uint64_t moved = *entry & PTE_PRESENT ? (*entry ^ value) & (PTE_ADDRESS | PTE_NX) : 0;
    *entry = value;
    if (lost || moved)
        stage2->generation++;
    return NR_OK;
}

int stage2_get(const struct stage2 *stage2, uint64_t gpa, uint64_t *physical, unsigned *level)
{
    const uint64_t *table = stage2->pointers;
    for (unsigned at = LEVEL_1G; gpa < STAGE2_ADDRESS_END; at--) {
        uint64_t entry = table[paging_index(gpa, at)], offset = gpa & (paging_size(at) - 1);
        if (!(entry & PTE_PRESENT))
            break;
        if (at == LEVEL_4K || entry & PTE_LARGE) {
            *level = at;
            *physical = (entry & PTE_ADDRESS & ~(paging_size(at) - 1)) + offset;
            return STAGE2_READ | (entry & PTE_WRITE ? STAGE2_WRITE : 0) |
                   (entry & PTE_NX ? 0 : STAGE2_EXECUTE);
        }
        table = phys_to_virt(entry & PTE_ADDRESS);
    }
    return NR_EFAULT;
}
