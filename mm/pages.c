/*
 * The monitor's own pages, carved from 2 MiB blocks that are mapped at DIRECT_BASE. Freed pages wait on a
 * list for each order; they are zeroed when they are handed out again.
 */
#include "errors.h"
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
    struct free_page *free[PAGE_ORDERS];
    uint64_t bump, bump_end; /* DIRECT_BASE addresses: what is left of the newest block */
    uint64_t held;
} pool;

uint64_t virt_to_phys(const void *address)
{
    uint64_t value = (uint64_t)address;
    return value >= IMAGE_BASE ? value - IMAGE_BASE : value - DIRECT_BASE;
}

void *phys_to_virt(uint64_t address)
{
    return (void *)(DIRECT_BASE + address);
}

uint64_t pages_held(void)
{
    return pool.held;
}

void pages_give(uint64_t start, uint64_t end)
{
    pool.bump = DIRECT_BASE + start;
    pool.bump_end = DIRECT_BASE + end;
}

void pages_count(uint64_t bytes)
{
    pool.held += bytes;
}

/* Takes `size` bytes of the newest block; 0 when it has not that much left. */
static uint64_t bump_take(uint64_t size)
{
    uint64_t at = (pool.bump + size - 1) & ~(size - 1);
    if (at + size > pool.bump_end)
        return 0;
    while (pool.bump < at) { /* the gap before an aligned block: single pages */
        struct free_page *page = (struct free_page *)pool.bump;
        page->next = pool.free[0];
        pool.free[0] = page;
        pool.bump += PAGE_SIZE;
    }
    pool.bump += size;
    return at;
}

/* Maps another 2 MiB block. Its page-directory must exist or be made from a page that is still free: the last
 * page of a block is never handed out before the next one is mapped, so one is always there. */
static bool pool_grow(void)
{
    uint64_t frame = frames_alloc(ORDER_2M);
    if (frame == FRAME_NONE)
        return false;
    uint64_t physical = frame << PAGE_SHIFT;
    uint64_t *table = monitor_root;
    for (unsigned level = LEVEL_ROOT; level > LEVEL_2M; level--) {
        uint64_t *entry = &table[paging_index(DIRECT_BASE + physical, level)];
        if (!(*entry & PTE_PRESENT)) {
            uint64_t page = bump_take(PAGE_SIZE);
            if (!page && pool.free[0]) {
                page = (uint64_t)pool.free[0];
                pool.free[0] = pool.free[0]->next;
            }
            if (!page) {
                frames_free(frame, ORDER_2M);
                return false;
            }
            memset((void *)page, 0, PAGE_SIZE);
            *entry = (page - DIRECT_BASE) | PTE_PRESENT | PTE_WRITE;
        }
        table = phys_to_virt(*entry & PTE_ADDRESS);
    }
    table[paging_index(DIRECT_BASE + physical, LEVEL_2M)] =
        physical | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX;
    uint64_t rest;
    while ((rest = bump_take(PAGE_SIZE))) { /* what the old block had left */
        ((struct free_page *)rest)->next = pool.free[0];
        pool.free[0] = (struct free_page *)rest;
    }
    pool.bump = DIRECT_BASE + physical;
    pool.bump_end = pool.bump + LARGE_PAGE_SIZE;
    pool.held += LARGE_PAGE_SIZE;
    return true;
}

void *page_alloc(unsigned order)
{
    uint64_t size = PAGE_SIZE << order;
    spin_lock(&pool.lock);
    uint64_t page = (uint64_t)pool.free[order];
    if (page) {
        pool.free[order] = pool.free[order]->next;
    } else {
        /* One page stays back for pool_grow()'s page directory. */
        if (pool.bump + size + PAGE_SIZE > pool.bump_end && !pool_grow()) {
            spin_unlock(&pool.lock);
            return NULL;
        }
        page = bump_take(size);
    }
    spin_unlock(&pool.lock);
    if (!page)
        return NULL;
    memset((void *)page, 0, size);
    return (void *)page;
}

void page_free(void *page, unsigned order)
{
    if (!page)
        return;
    struct free_page *node = page;
    spin_lock(&pool.lock);
    node->next = pool.free[order];
    pool.free[order] = node;
    spin_unlock(&pool.lock);
}
