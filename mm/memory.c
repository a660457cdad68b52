/*
 * Memory at boot: finds a place for the monitor's first pages, builds its page tables (W^X, 4 KiB pages for
 * the image), and gives the rest of the RAM to the frame allocator.
 */
#include "memory.h"
#include "cpu.h"
#include "errors.h"
#include "frames.h"
#include "layout_ring0.h"
#include "multiboot.h"
#include "paging.h"
#include "string.h"

extern char image_start[], boot_end[], text_start[], text_end[], rodata_end[], bss_end[];

uint64_t *monitor_root;
uint64_t monitor_cr3;

#define LOW_MEMORY_END 0x100000ull /* BIOS data, trampoline, tables: never handed out */

static uint64_t image_end_physical(void)
{
    return (uint64_t)bss_end - IMAGE_BASE;
}

/* Whether [start, end) meets the image or a module; *past is then moved behind what is in the way. */
static bool in_the_way(uint64_t start, uint64_t end, uint64_t *past)
{
    if (start < image_end_physical() && end > LOW_MEMORY_END) {
        *past = image_end_physical();
        return true;
    }
    for (uint32_t i = 0; i < boot_info.module_count; i++) {
        const struct boot_module *module = &boot_info.module[i];
        if (start < module->end && end > module->start) {
            *past = module->end;
            return true;
        }
    }
    return false;
}

/* The first 2 MiB-aligned place of the given size below 4 GiB (the boot tables reach no further), or 0. */
static uint64_t place_find(uint64_t size)
{
    for (uint32_t i = 0; i < boot_info.region_count; i++) {
        uint64_t at = boot_info.region[i].start < LOW_MEMORY_END ? LOW_MEMORY_END : boot_info.region[i].start;
        uint64_t past;
        at = (at + LARGE_PAGE_SIZE - 1) & ~(LARGE_PAGE_SIZE - 1);
        while (at + size <= boot_info.region[i].end && at + size <= 1ull << 32) {
            if (!in_the_way(at, at + size, &past))
                return at;
            at = (past + LARGE_PAGE_SIZE - 1) & ~(LARGE_PAGE_SIZE - 1);
        }
    }
    return 0;
}

/* Gives [start, end) to the allocator except for what is in use. Each round passes one obstacle. */
static void region_add(uint64_t start, uint64_t end, uint64_t pool, uint64_t pool_end)
{
    while (start < end) {
        uint64_t stop = end, past = 0;
        if (start < LOW_MEMORY_END) {
            start = LOW_MEMORY_END;
            continue;
        }
        if (start >= pool && start < pool_end) {
            start = pool_end;
            continue;
        }
        if (in_the_way(start, start + PAGE_SIZE, &past)) {
            start = (past + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
            continue;
        }
        /* Up to the nearest obstacle. */
        if (pool > start && pool < stop)
            stop = pool;
        for (uint32_t i = 0; i < boot_info.module_count; i++) {
            uint64_t module = boot_info.module[i].start & ~(PAGE_SIZE - 1);
            if (module > start && module < stop)
                stop = module;
        }
        frames_add(start >> PAGE_SHIFT, stop >> PAGE_SHIFT);
        start = stop;
    }
}

static int image_map(uint64_t from, const char *to, uint64_t rights)
{
    return paging_map(monitor_root, from, from - IMAGE_BASE, (uint64_t)to - from, rights | PTE_PRESENT);
}

static int tables_build(uint64_t pool, uint64_t pool_end)
{
    monitor_root = page_alloc(0);
    if (!monitor_root)
        return NR_ENOMEM;
    int error = image_map(IMAGE_BASE + LOW_MEMORY_END, text_start, PTE_WRITE | PTE_NX);
    error |= image_map((uint64_t)text_start, text_end, 0);
    error |= image_map((uint64_t)text_end, rodata_end, PTE_NX);
    error |= image_map((uint64_t)rodata_end, bss_end, PTE_WRITE | PTE_NX);
    for (uint64_t at = pool; at < pool_end && !error; at += LARGE_PAGE_SIZE) {
        uint64_t *entry = paging_entry(monitor_root, DIRECT_BASE + at, LEVEL_2M);
        if (!entry)
            return NR_ENOMEM;
        *entry = at | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX;
    }
    /* The other regions of the upper half get their top-level tables now: address spaces copy the top level.
     */
    static const uint64_t regions[] = {STACK_BASE, WINDOW_BASE, MMIO_BASE};
    for (unsigned i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
        if (!paging_entry(monitor_root, regions[i], LEVEL_2M))
            return NR_ENOMEM;
    return error;
}

const char *memory_init(void)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < boot_info.region_count; i++)
        end = boot_info.region[i].end > end ? boot_info.region[i].end : end;
    uint64_t metadata = frames_metadata_size(end >> PAGE_SHIFT);
    uint64_t size = (metadata + LARGE_PAGE_SIZE) & ~(LARGE_PAGE_SIZE - 1); /* and some pages */
    size += size - metadata < LARGE_PAGE_SIZE / 4 ? LARGE_PAGE_SIZE : 0;
    uint64_t pool = place_find(size);
    if (!pool)
        return "less than 4 MiB of free memory below 4 GiB: give the machine more, or load fewer modules";
    metadata = (metadata + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    frames_init(phys_to_virt(pool), end >> PAGE_SHIFT);
    pages_give(pool + metadata, pool + size);
    pages_count(size + image_end_physical() - LOW_MEMORY_END);
    for (uint32_t i = 0; i < boot_info.region_count; i++)
        region_add(boot_info.region[i].start, boot_info.region[i].end, pool, pool + size);
    if (tables_build(pool, pool + size))
        return "no memory for the monitor's page tables: give the machine more";
    monitor_cr3 = virt_to_phys(monitor_root);
    __asm__ volatile("mov %0, %%cr3" : : "r"(monitor_cr3) : "memory");
    return NULL;
}

volatile void *mmio_map(uint64_t physical)
{
    static uint64_t next = MMIO_BASE;
    uint64_t page = physical & ~(PAGE_SIZE - 1);
    if (paging_map(monitor_root, next, page, PAGE_SIZE, PTE_PRESENT | PTE_WRITE | PTE_PCD | PTE_PWT | PTE_NX))
        return NULL;
    next += PAGE_SIZE;
    return (volatile void *)(next - PAGE_SIZE + (physical & (PAGE_SIZE - 1)));
}

uint64_t stack_map(uint32_t cpu, unsigned use)
{
    uint64_t top = STACK_BASE + ((uint64_t)cpu * STACK_USES + use + 1) * STACK_SLOT;
    for (unsigned i = 1; i <= STACK_PAGES; i++) {
        void *page = page_alloc(0);
        if (!page || paging_map(monitor_root, top - i * PAGE_SIZE, virt_to_phys(page), PAGE_SIZE,
                                PTE_PRESENT | PTE_WRITE | PTE_NX))
            return 0;
    }
    return top;
}
