/*
 * The monitor's own pages (mm/pages.c) over a real buddy allocator: an arena stands for physical memory, and
 * is mapped where DIRECT_BASE says. Zeroed pages, alignment, growth by 2 MiB blocks, exhaustion, reuse.
 *
 * sources: mm/frames.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "layout_ring0.h"

static uint8_t *arena;
#undef DIRECT_BASE
#define DIRECT_BASE ((uint64_t)arena)

#include "../../mm/pages.c"

enum { ARENA_BLOCKS = 8, FIRST_PAGES = 64, PAGE_ORDERS = 5 };

static uint64_t direct_map[ARENA_BLOCKS];
static uint8_t *metadata;

static int setup(void **state)
{
    (void)state;
    uint64_t frames = ARENA_BLOCKS * LARGE_PAGE_SIZE / PAGE_SIZE;
    arena = aligned_alloc(LARGE_PAGE_SIZE, ARENA_BLOCKS * LARGE_PAGE_SIZE);
    memset(arena, 0xcc, ARENA_BLOCKS * LARGE_PAGE_SIZE);
    metadata = malloc(frames_metadata_size(frames));
    frames_init(metadata, frames);
    frames_add(512, frames);
    memset(&pool, 0, sizeof pool);
    /* As at boot: the end of the first block is there before anything else. */
    memset(direct_map, 0, sizeof direct_map);
    monitor_held = 0;
    pages_init(direct_map, LARGE_PAGE_SIZE - FIRST_PAGES * PAGE_SIZE, LARGE_PAGE_SIZE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(arena);
    free(metadata);
    return 0;
}

static void expect_fresh(const uint8_t *page, unsigned order)
{
    assert_non_null(page);
    assert_int_equal((uint64_t)page & ((PAGE_SIZE << order) - 1), 0);
    for (uint64_t i = 0; i < PAGE_SIZE << order; i++)
        assert_int_equal(page[i], 0);
}

static void test_zeroed_when_reused(void **state)
{
    (void)state;
    for (unsigned order = 0; order < PAGE_ORDERS; order++) {
        uint8_t *page = page_alloc(order);
        expect_fresh(page, order);
        memset(page, 0xee, PAGE_SIZE << order);
        page_free(page, order);
        assert_ptr_equal(page_alloc(order), page);
        expect_fresh(page, order);
    }
    page_free(NULL, 0);
}

static void test_addresses(void **state)
{
    (void)state;
    uint8_t *page = page_alloc(0);
    assert_int_equal(virt_to_phys(page), (uint64_t)(page - arena));
    assert_ptr_equal(phys_to_virt(virt_to_phys(page)), page);
}

/* Everything there is, in mixed sizes; nothing overlaps (each page carries its number), nothing is lost. */
static void test_exhaustion(void **state)
{
    (void)state;
    struct {
        uint8_t *page;
        unsigned order;
    } held[ARENA_BLOCKS * 512];
    unsigned count = 0;
    uint64_t bytes = 0;
    for (unsigned i = 0;; i++) {
        unsigned order = i % 7 == 3 ? 4 : i % 5 == 1 ? 2 : 0;
        uint8_t *page = page_alloc(order);
        if (!page && order != 0) { /* what alignment has left over still serves single pages */
            order = 0;
            page = page_alloc(order);
        }
        if (!page)
            break;
        expect_fresh(page, order);
        memset(page, (int)(count % 251 + 1), PAGE_SIZE << order);
        held[count].page = page;
        held[count++].order = order;
        bytes += PAGE_SIZE << order;
    }
    assert_true(frames_alloc(ORDER_2M) == FRAME_NONE);
    assert_int_equal(monitor_held, (ARENA_BLOCKS - 1) * LARGE_PAGE_SIZE);
    assert_true(bytes > (ARENA_BLOCKS - 1) * LARGE_PAGE_SIZE);
    for (unsigned i = 0; i < count; i++)
        for (uint64_t at = 0; at < PAGE_SIZE << held[i].order; at += 512)
            assert_int_equal(held[i].page[at], i % 251 + 1);
    for (unsigned i = 0; i < count; i++)
        page_free(held[i].page, held[i].order);
    for (unsigned i = 0; i < count; i++)
        expect_fresh(page_alloc(held[i].order), held[i].order);
}

/* Each new block is mapped, writable and never executable, at DIRECT_BASE + its address. */
static void test_growth_maps_the_block(void **state)
{
    (void)state;
    uint8_t *page;
    while ((page = page_alloc(4)) && page < arena + LARGE_PAGE_SIZE) {
    }
    assert_non_null(page);
    uint64_t physical = virt_to_phys(page) & ~(LARGE_PAGE_SIZE - 1);
    assert_true(direct_map[physical / LARGE_PAGE_SIZE] ==
                (physical | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_NX));
    assert_int_equal(direct_map[0], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_zeroed_when_reused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exhaustion, setup, teardown),
        cmocka_unit_test_setup_teardown(test_growth_maps_the_block, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
