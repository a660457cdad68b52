/*
 * Spare memory (core/spare.h): the process owns it in blocks of 2 MiB, and the guest sees pieces of it. A
 * device model can show its guest nothing but this memory, and only where no RAM of the guest lies. No table
 * is made after the guest's creation, no frame changes its owner.
 */
#include "spare.h"
#include "errors.h"
#include "frames.h"
#include "layout.h"
#include "memory.h"
#include "paging.h"
#include "process.h"
#include "syscalls.h"
#include "vm.h"

_Static_assert((int)MEMORY_READ == STAGE2_READ && (int)MEMORY_WRITE == STAGE2_WRITE &&
                   (int)MEMORY_EXECUTE == STAGE2_EXECUTE,
               "the same rights on both sides");

int spare_create(struct vm *vm)
{
    uint64_t size = (uint64_t)vm->config.spare_mib << 20;
    if (vm->config.spare_mib > GUEST_SPARE_MIB_MAX || size % LARGE_PAGE_SIZE)
        return NR_EINVAL;
    for (uint64_t at = 0; at < size; at += LARGE_PAGE_SIZE) {
        uint64_t *entry = paging_entry(vm->process->root, USER_SPARE + at, LEVEL_2M);
        uint64_t frame = entry ? frames_alloc(ORDER_2M) : FRAME_NONE;
        if (frame == FRAME_NONE)
            return NR_ENOMEM;
        window_zero(frame << PAGE_SHIFT, LARGE_PAGE_SIZE);
        *entry = frame << PAGE_SHIFT | PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_NX | PTE_LARGE | PTE_OWNED;
    }
    /* Mapping nothing makes the tables: of the ROM area, which hang where those of all the hole below it do.
     */
    return size ? stage2_set(&vm->stage2, GUEST_ROM_AREA, LEVEL_4K, 0, STAGE2_NONE) : NR_OK;
}

/* How large the pages are where [gpa, gpa + length) lies: tables hang there already. 0: no place for spare
 * memory. */
static unsigned spare_level(uint64_t gpa, uint64_t length)
{
    uint64_t end = gpa + length;
    if ((gpa >= GUEST_VGA_HOLE && end <= GUEST_HMA_END) || (gpa >= GUEST_ROM_AREA && end <= GUEST_HIGH_RAM))
        return LEVEL_4K;
    return gpa >= GUEST_LOW_RAM_MAX && end <= GUEST_ROM_AREA ? LEVEL_2M : 0;
}

int64_t spare_map(struct vm *vm, uint64_t gpa, uint64_t from, uint64_t length)
{
    uint64_t size = (uint64_t)vm->config.spare_mib << 20, generation = vm->stage2.generation;
    uint64_t rights = from & MEMORY_ALL, offset = from - rights;
    if (gpa >= GUEST_HIGH_RAM || length > LARGE_PAGE_SIZE || offset > size || length > size - offset)
        return NR_EINVAL;
    unsigned level = spare_level(gpa, length);
    if (!level || (gpa | offset | length) & (paging_size(level) - 1))
        return NR_EINVAL;
    int error = NR_OK;
    for (uint64_t at = 0; at < length && !error; at += paging_size(level)) {
        uint64_t *block = paging_entry(vm->process->root, USER_SPARE + offset + at, LEVEL_2M);
        uint64_t physical = (*block & PTE_ADDRESS) + ((offset + at) & (LARGE_PAGE_SIZE - 1));
        error = stage2_set(&vm->stage2, gpa + at, level, physical, (unsigned)rights);
    }
    if (vm->stage2.generation != generation) { /* something was lost: vCPUs in the guest come out and flush */
        process_forget(vm->process);
        for (uint32_t i = 0; i < vm->vcpu_count; i++)
            vcpu_request(vm->vcpu[i], REQUEST_EVENT);
    }
    return error;
}
