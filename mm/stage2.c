/*
 * The second-level tree and the guest's RAM in its device model's address space: one set of tables, or two.
 */
#include "stage2.h"
#include "errors.h"
#include "frames.h"
#include "layout.h"
#include "paging.h"

#define STAGE2_ADDRESS_END (1ull << 39) /* what one page-directory-pointer table covers */

#define PROCESS_FORMAT                                                                                       \
    {                                                                                                        \
        .leaf = PTE_USER, .no_execute = PTE_NX, .level_max = LEVEL_1G                                        \
    }
static const struct stage2_format process_format = PROCESS_FORMAT;
struct stage2_format stage2_format = PROCESS_FORMAT;

int stage2_create(struct stage2 *stage2, uint64_t *process_root)
{
    stage2->root_table = page_alloc(0);
    stage2->pointers = page_alloc(0);
    stage2->own = stage2_format.separate ? page_alloc(0) : NULL;
    if (!stage2->root_table || !stage2->pointers || (stage2_format.separate && !stage2->own))
        return NR_ENOMEM;
    uint64_t entry = virt_to_phys(stage2->pointers) | PTE_PRESENT | PTE_WRITE | PTE_USER;
    stage2->process_root = process_root;
    stage2->root = virt_to_phys(stage2->root_table);
    stage2->root_table[0] = entry;
    if (stage2->own)
        stage2->root_table[0] = virt_to_phys(stage2->own) | PTE_PRESENT | PTE_WRITE | PTE_USER;
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
    if (stage2->own)
        paging_free(stage2->own, NULL); /* the frames went with the other tree */
    page_free(stage2->root_table, 0);
}

/* Finds the place of a leaf. 0, NR_ENOMEM, or NR_EINVAL: a table hangs there. */
static int leaf_place(uint64_t *root, uint64_t address, unsigned level, uint64_t **entry)
{
    *entry = paging_entry(root, address, level);
    if (!*entry)
        return NR_ENOMEM;
    return level > LEVEL_4K && **entry & PTE_PRESENT && !(**entry & PTE_LARGE) ? NR_EINVAL : NR_OK;
}

static uint64_t leaf_make(const struct stage2_format *format, uint64_t physical, unsigned level,
                          unsigned rights)
{
    if (!(rights & STAGE2_READ))
        return 0;
    return physical | PTE_PRESENT | format->leaf | (level > LEVEL_4K ? PTE_LARGE : 0) |
           (rights & STAGE2_WRITE ? PTE_WRITE : 0) |
           (rights & STAGE2_EXECUTE ? format->execute : format->no_execute);
}

int stage2_set(struct stage2 *stage2, uint64_t gpa, unsigned level, uint64_t physical, unsigned rights)
{
    uint64_t *entry, *own = NULL;
    if (level < LEVEL_4K || level > stage2_format.level_max || (gpa | physical) & (paging_size(level) - 1) ||
        gpa >= STAGE2_ADDRESS_END)
        return NR_EINVAL;
    int error = leaf_place(stage2->process_root, USER_GUEST_RAM + gpa, level, &entry);
    if (!error && stage2->own)
        error = leaf_place(stage2->root_table, gpa, level, &own);
    if (error)
        return error;
    uint64_t value = leaf_make(stage2->own ? &process_format : &stage2_format, physical, level,
                               rights & STAGE2_GUEST_ONLY ? STAGE2_NONE : rights);
    uint64_t lost = *entry & ~value & (PTE_PRESENT | PTE_WRITE);
    uint64_t moved = *entry & PTE_PRESENT ? (*entry ^ value) & (PTE_ADDRESS | PTE_NX) : 0;
    *entry = value;
    if (own) {
        value = leaf_make(&stage2_format, physical, level, rights);
        lost |= *own & ~value & PTE_PRESENT;
        *own = value;
    }
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
