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
uint64_t *window_entry;

#define LOW_MEMORY_END 0x100000ull /* BIOS data, trampoline, tables: never handed out */
#define FIRST_PAGES    (64 * PAGE_SIZE)

static uint64_t round_up(uint64_t value, uint64_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* The first place of whole 2 MiB blocks that the boot tables reach, or 0. */
static uint64_t place_find(uint64_t size)
{
    for (uint32_t i = 0; i < boot_info.region_count; i++) {
        uint64_t at = round_up(boot_info.region[i].start, LARGE_PAGE_SIZE);
        if (at + size <= boot_info.region[i].end && at + size <= BOOT_MAP_END)
            return at;
    }
    return 0;
}

static int image_map(uint64_t from, const char *to, uint64_t rights)
{
    return paging_map(monitor_root, from, from - IMAGE_BASE, (uint64_t)to - from, rights | PTE_PRESENT);
}

/* The direct map's second level is one array, so that a block can be mapped by one store and without a page.
 */
static int direct_map_build(uint64_t *map, uint64_t entries, uint64_t pool, uint64_t pool_end)
{
    for (uint64_t i = 0; i < entries; i += TABLE_ENTRIES) {
        uint64_t *entry = paging_entry(monitor_root, DIRECT_BASE + i * LARGE_PAGE_SIZE, LEVEL_1G);
        if (!entry)
            return NR_ENOMEM;
        *entry = virt_to_phys(map + i) | PTE_PRESENT | PTE_WRITE;
    }
    for (uint64_t at = pool; at < pool_end; at += LARGE_PAGE_SIZE)
        map[at / LARGE_PAGE_SIZE] = at | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX;
    return NR_OK;
}

static int tables_build(void)
{
    int error = image_map(IMAGE_BASE + LOW_MEMORY_END, text_start, PTE_WRITE | PTE_NX);
    error |= image_map((uint64_t)text_start, text_end, 0);
    error |= image_map((uint64_t)text_end, rodata_end, PTE_NX);
    error |= image_map((uint64_t)rodata_end, bss_end, PTE_WRITE | PTE_NX);
    /* The other regions of the upper half get their tables now: address spaces copy the top level. */
    window_entry = paging_entry(monitor_root, WINDOW_BASE, LEVEL_2M);
    return error || !window_entry || !paging_entry(monitor_root, STACK_BASE, LEVEL_2M) ||
           !paging_entry(monitor_root, MMIO_BASE, LEVEL_2M);
}

const char *memory_init(void)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < boot_info.region_count; i++)
        end = boot_info.region[i].end > end ? boot_info.region[i].end : end;
    boot_region_cut(0, LOW_MEMORY_END);
    boot_region_cut(LOW_MEMORY_END, round_up((uint64_t)bss_end - IMAGE_BASE, PAGE_SIZE));
    for (uint32_t i = 0; i < boot_info.module_count; i++)
        boot_region_cut(boot_info.module[i].start, round_up(boot_info.module[i].end, PAGE_SIZE));
    uint64_t metadata = round_up(frames_metadata_size(end >> PAGE_SHIFT), PAGE_SIZE);
    uint64_t direct_entries = round_up(end, 1ull << 30) / LARGE_PAGE_SIZE;
    uint64_t direct_size = direct_entries * sizeof(uint64_t);
    uint64_t size = round_up(metadata + direct_size + FIRST_PAGES, LARGE_PAGE_SIZE);
    uint64_t pool = place_find(size);
    if (!pool)
        return "less than 4 MiB of free memory below 4 GiB: give the machine more, or load fewer modules";
    boot_region_cut(pool, pool + size);
    frames_init(phys_to_virt(pool), end >> PAGE_SHIFT);
    for (uint32_t i = 0; i < boot_info.region_count; i++)
        frames_add(boot_info.region[i].start >> PAGE_SHIFT, boot_info.region[i].end >> PAGE_SHIFT);
    uint64_t *direct_map = phys_to_virt(pool + metadata);
    memset(direct_map, 0, direct_size);
    pages_init(direct_map, pool + metadata + direct_size, pool + size);
    monitor_held = size + (uint64_t)bss_end - IMAGE_BASE - LOW_MEMORY_END;
    monitor_root = page_alloc(0);
    if (!monitor_root || direct_map_build(direct_map, direct_entries, pool, pool + size) || tables_build())
        return "no memory for the monitor's page tables: give the machine more";
    monitor_cr3 = virt_to_phys(monitor_root);
    write_cr3(monitor_cr3);
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
    void *pages = page_alloc(STACK_ORDER);
    if (!pages || paging_map(monitor_root, top - STACK_SIZE, virt_to_phys(pages), STACK_SIZE,
                             PTE_PRESENT | PTE_WRITE | PTE_NX))
        return 0;
    return top;
}
