/*
 * Windows: the only way to frames that are mapped nowhere. Each processor has 2 MiB of address space for it,
 * used with interrupts off, and empty in between.
 */
#include "cpu.h"
#include "fixup.h"
#include "frames.h"
#include "layout_ring0.h"
#include "memory.h"
#include "paging.h"
#include "string.h"

static void *window_open(uint64_t physical)
{
    uint32_t cpu = this_cpu()->index;
    uint64_t block = physical & ~(LARGE_PAGE_SIZE - 1);
    window_entry[cpu] = block | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX;
    return (void *)(WINDOW_BASE + cpu * LARGE_PAGE_SIZE + (physical - block));
}

static void window_close(void)
{
    uint32_t cpu = this_cpu()->index;
    window_entry[cpu] = 0;
    __asm__ volatile("invlpg (%0)" : : "r"(WINDOW_BASE + cpu * LARGE_PAGE_SIZE) : "memory");
}

void window_zero(uint64_t physical, uint64_t size)
{
    while (size) {
        uint64_t part = LARGE_PAGE_SIZE - (physical & (LARGE_PAGE_SIZE - 1));
        part = part < size ? part : size;
        memset(window_open(physical), 0, part);
        window_close();
        physical += part;
        size -= part;
    }
}

int window_write_page(uint64_t physical, uint64_t from_user)
{
    int error = user_copy_in(window_open(physical), from_user, PAGE_SIZE);
    window_close();
    return error;
}
