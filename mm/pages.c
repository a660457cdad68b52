/*
 * The monitor's own pages, carved from 2 MiB blocks that are mapped at DIRECT_BASE and stay so. Free pages
 * wait on a list for each order; they are zeroed when they are handed out.
 */
#include "frames.h"
#include "layout_ring0.h"
#include "memory.h"
#include "paging.h"
#include "spinlock.h"
#include "string.h"

struct free_page {
    struct free_page *next;
};

static struct {
    struct spinlock lock;
    struct free_page *free[ORDER_2M];
    uint64_t *direct_map;
} pool;

uint64_t monitor_held;

uint64_t virt_to_phys(const void *address)
{
    uint64_t value = (uint64_t)address;
    return value >= IMAGE_BASE ? value - IMAGE_BASE : value - DIRECT_BASE;
}

void *phys_to_virt(uint64_t address)
{
    return (void *)(DIRECT_BASE + address);
}

static void list_put(void *page, unsigned order)
{
    struct free_page *node = page;
    node->next = pool.free[order];
    pool.free[order] = node;
}

void pages_init(uint64_t *direct_map, uint64_t start, uint64_t end)
{
    pool.direct_map = direct_map;
    while (start < end) {
        unsigned order = 0;
        while (order + 1 < ORDER_2M && !(start & ((PAGE_SIZE << (order + 1)) - 1)) &&
               start + (PAGE_SIZE << (order + 1)) <= end)
            order++;
        list_put(phys_to_virt(start), order);
        start += PAGE_SIZE << order;
    }
}

/* Maps another block; NULL when none is free. */
static void *block_map(void)
{
    uint64_t frame = frames_alloc(ORDER_2M);
    if (frame == FRAME_NONE)
        return NULL;
    uint64_t physical = frame << PAGE_SHIFT;
    pool.direct_map[physical / LARGE_PAGE_SIZE] = physical | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX;
    monitor_held += LARGE_PAGE_SIZE;
    return phys_to_virt(physical);
}

void *page_alloc(unsigned order)
{
    spin_lock(&pool.lock);
    unsigned from = order;
    while (from < ORDER_2M && !pool.free[from])
        from++;
    void *page = from < ORDER_2M ? pool.free[from] : block_map();
    if (from < ORDER_2M)
        pool.free[from] = pool.free[from]->next;
    while (page && from > order) { /* keep the lower half */
        from--;
        list_put((char *)page + (PAGE_SIZE << from), from);
    }
    spin_unlock(&pool.lock);
    return page ? memset(page, 0, PAGE_SIZE << order) : NULL;
}

void page_free(void *page, unsigned order)
{
    if (!page)
        return;
    spin_lock(&pool.lock);
    list_put(page, order);
    spin_unlock(&pool.lock);
}
