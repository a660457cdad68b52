/*
 * The second-level tree (mm/stage2.c, mm/paging.c) against AMD APM Vol. 2, 5.3 and 15.25: what the
 * processor's walk finds, in the nested tree and in the device model's address space alike; the generation;
 * memory given back.
 *
 * sources: mm/stage2.c mm/paging.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "errors.h"
#include "frames.h"
#include "layout.h"
#include "paging.h"
#include "stage2.h"

#define MIB 0x100000ull
#define GIB 0x40000000ull

static unsigned pages, pages_left; /* in use; until the allocator fails */
static uint64_t process_root[TABLE_ENTRIES];
static struct stage2 tree;

void *page_alloc(unsigned order)
{
    if (pages_left == 0)
        return NULL;
    pages_left--;
    pages++;
    void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
    memset(page, 0, PAGE_SIZE << order);
    return page;
}

void page_free(void *page, unsigned order)
{
    (void)order;
    pages -= page != NULL;
    free(page);
}

static uint64_t freed_frame[4], freed_count;
static unsigned freed_order[4];

void frames_free(uint64_t frame, unsigned order)
{
    freed_frame[freed_count % 4] = frame;
    freed_order[freed_count++ % 4] = order;
}

uint64_t virt_to_phys(const void *address)
{
    return (uint64_t)address;
}

void *phys_to_virt(uint64_t address)
{
    return (void *)address;
}

static int setup(void **state)
{
    (void)state;
    pages = 0;
    pages_left = UINT32_MAX;
    memset(process_root, 0, sizeof process_root);
    memset(&tree, 0, sizeof tree);
    return stage2_create(&tree, process_root);
}

static int teardown(void **state)
{
    (void)state;
    stage2_destroy(&tree);
    return pages != 0;
}

/* A walk as the processor does it: the leaf with the rights of all levels in it, 0 if there is none. */
static uint64_t walk(const uint64_t *root, uint64_t address, unsigned *level)
{
    uint64_t rights = PTE_WRITE | PTE_USER, nx = 0;
    const uint64_t *table = root;
    for (*level = LEVEL_ROOT;; --*level) {
        uint64_t entry = table[address >> (12 + 9 * (*level - 1)) & 511];
        if (!(entry & PTE_PRESENT))
            return 0;
        rights &= entry;
        nx |= entry & PTE_NX;
        if (*level == LEVEL_4K || (*level < LEVEL_ROOT && (entry & PTE_LARGE))) {
            uint64_t size = 4096ull << (9 * (*level - 1));
            assert_int_equal(entry & PTE_ADDRESS & (size - 1), 0); /* reserved bits of a large leaf */
            return (entry & PTE_ADDRESS) | PTE_PRESENT | rights | nx;
        }
        table = (const uint64_t *)(entry & PTE_ADDRESS);
    }
}

/* Both trees show this leaf; the device model never executes guest memory. */
static void expect(uint64_t gpa, unsigned level, uint64_t physical, uint64_t rights)
{
    unsigned found;
    uint64_t want = physical | PTE_PRESENT | PTE_USER | rights;
    assert_true(walk(tree.root_table, gpa, &found) == want);
    assert_int_equal(found, level);
    assert_true(walk(process_root, USER_GUEST_RAM + gpa, &found) == (want | PTE_NX));
    assert_int_equal(found, level);
    uint64_t at;
    int expected =
        STAGE2_READ | (rights & PTE_WRITE ? STAGE2_WRITE : 0) | (rights & PTE_NX ? 0 : STAGE2_EXECUTE);
    assert_int_equal(stage2_get(&tree, gpa + 5, &at, &found), expected);
    assert_true(at == physical + 5);
    assert_int_equal(found, level);
}

static void expect_none(uint64_t gpa)
{
    unsigned level;
    uint64_t at;
    assert_int_equal(walk(tree.root_table, gpa, &level), 0);
    assert_int_equal(walk(process_root, USER_GUEST_RAM + gpa, &level), 0);
    assert_int_equal(stage2_get(&tree, gpa, &at, &level), NR_EFAULT);
}

static void test_leaf_sizes(void **state)
{
    (void)state;
    assert_int_equal(stage2_set(&tree, 0x1000, LEVEL_4K, 0x123456000, STAGE2_ALL), NR_OK);
    assert_int_equal(stage2_set(&tree, 2 * MIB, LEVEL_2M, 0x40000000, STAGE2_ALL), NR_OK);
    assert_int_equal(stage2_set(&tree, 4 * GIB, LEVEL_1G, 8 * GIB, STAGE2_ALL), NR_OK);
    expect(0x1000, LEVEL_4K, 0x123456000, PTE_WRITE);
    expect(2 * MIB, LEVEL_2M, 0x40000000, PTE_WRITE);
    expect(4 * GIB, LEVEL_1G, 8 * GIB, PTE_WRITE);
    expect_none(0);
    expect_none(0x2000);
    expect_none(4 * MIB);
    expect_none(4 * GIB - 1);
    expect_none(5 * GIB);
    uint64_t at;
    unsigned level;
    assert_int_equal(stage2_get(&tree, 4 * GIB + 0x3456789, &at, &level), STAGE2_ALL);
    assert_true(at == 8 * GIB + 0x3456789);
}

static void test_rights(void **state)
{
    (void)state;
    static const struct {
        unsigned rights;
        uint64_t bits;
    } rows[] = {{STAGE2_READ, PTE_NX},
                {STAGE2_READ | STAGE2_WRITE, PTE_WRITE | PTE_NX},
                {STAGE2_READ | STAGE2_EXECUTE, 0},
                {STAGE2_ALL, PTE_WRITE}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (unsigned level = LEVEL_4K; level <= LEVEL_2M; level++) {
            uint64_t gpa = level * 16 * MIB;
            assert_int_equal(stage2_set(&tree, gpa, level, 0x40000000, rows[i].rights), NR_OK);
            expect(gpa, level, 0x40000000, rows[i].bits);
        }
    }
    /* The format has no leaf that can be written or executed but not read. */
    assert_int_equal(stage2_set(&tree, 16 * MIB, LEVEL_4K, 0x40000000, STAGE2_WRITE), NR_OK);
    expect_none(16 * MIB);
}

static void test_generation(void **state)
{
    (void)state;
    static const struct {
        unsigned before, after;
        uint64_t physical;
        bool bumps;
    } rows[] = {
        {STAGE2_NONE, STAGE2_ALL, 0x5000, false},
        {STAGE2_READ, STAGE2_READ | STAGE2_WRITE, 0x5000, false},
        {STAGE2_ALL, STAGE2_ALL, 0x5000, false},
        {STAGE2_ALL, STAGE2_NONE, 0x5000, true},
        {STAGE2_ALL, STAGE2_READ, 0x5000, true},
        {STAGE2_ALL, STAGE2_READ | STAGE2_EXECUTE, 0x5000, true},
        {STAGE2_ALL, STAGE2_READ | STAGE2_WRITE, 0x5000, true}, /* NX is a right lost */
        {STAGE2_ALL, STAGE2_ALL, 0x6000, true},                 /* another frame */
        {STAGE2_READ, STAGE2_ALL, 0x6000, true},                /* copy-on-write */
        {STAGE2_NONE, STAGE2_NONE, 0x5000, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        stage2_set(&tree, 0x3000, LEVEL_4K, 0x5000, rows[i].before);
        uint64_t generation = tree.generation;
        assert_int_equal(stage2_set(&tree, 0x3000, LEVEL_4K, rows[i].physical, rows[i].after), NR_OK);
        assert_int_equal(tree.generation != generation, rows[i].bumps);
        stage2_set(&tree, 0x3000, LEVEL_4K, 0, STAGE2_NONE);
    }
}

/* A page for the guest alone, as the processor's local APIC has it; where each side has a tree of its own. */
static void test_guest_only(void **state)
{
    const struct stage2_format shared = stage2_format;
    unsigned level;
    uint64_t at;
    stage2_destroy(&tree);
    stage2_format =
        (struct stage2_format){.separate = true, .leaf = 6 << 3, .execute = 4, .level_max = LEVEL_2M};
    assert_int_equal(setup(state), 0);
    uint64_t generation = tree.generation;
    unsigned rights = STAGE2_GUEST_ONLY | STAGE2_READ | STAGE2_WRITE;
    assert_int_equal(stage2_set(&tree, 0xfee00000, LEVEL_4K, 0x5000, rights), NR_OK);
    assert_int_equal(*paging_entry(tree.root_table, 0xfee00000, LEVEL_4K), 0x5000 | 6 << 3 | 3);
    assert_int_equal(walk(process_root, USER_GUEST_RAM + 0xfee00000, &level), 0);
    assert_int_equal(stage2_get(&tree, 0xfee00000, &at, &level), NR_EFAULT);
    assert_int_equal(tree.generation, generation);
    pages_left = 0; /* what is there once changes without memory */
    assert_int_equal(stage2_set(&tree, 0xfee00000, LEVEL_4K, 0x5000, STAGE2_GUEST_ONLY), NR_OK);
    assert_int_equal(*paging_entry(tree.root_table, 0xfee00000, LEVEL_4K), 0);
    assert_int_equal(tree.generation, generation + 1);
    assert_int_equal(stage2_set(&tree, 0xfee00000, LEVEL_4K, 0x5000, rights), NR_OK);
    stage2_format = shared;
}

static void test_dirty_bits_do_not_matter(void **state)
{
    (void)state;
    stage2_set(&tree, 0x3000, LEVEL_4K, 0x5000, STAGE2_READ);
    *paging_entry(tree.root_table, 0x3000, LEVEL_4K) |= PTE_ACCESSED | PTE_DIRTY;
    uint64_t generation = tree.generation;
    assert_int_equal(stage2_set(&tree, 0x3000, LEVEL_4K, 0x5000, STAGE2_READ), NR_OK);
    assert_int_equal(tree.generation, generation);
}

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(stage2_set(&tree, 0x1001, LEVEL_4K, 0, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, 0x1000, LEVEL_4K, 0x800, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, 0x1000, LEVEL_2M, 0, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, 0, LEVEL_2M, 0x1000, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, 2 * MIB, LEVEL_1G, 0, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, 0, 0, 0, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, 0, LEVEL_ROOT, 0, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, 512 * GIB, LEVEL_4K, 0, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, UINT64_MAX & ~0xfffull, LEVEL_4K, 0, STAGE2_ALL), NR_EINVAL);
    assert_int_equal(stage2_set(&tree, 512 * GIB - 4096, LEVEL_4K, 0x7000, STAGE2_ALL), NR_OK);
    uint64_t at;
    unsigned level;
    assert_int_equal(stage2_get(&tree, 512 * GIB, &at, &level), NR_EFAULT);
    assert_int_equal(stage2_get(&tree, UINT64_MAX, &at, &level), NR_EFAULT);
}

static void test_leaf_and_table_in_the_way(void **state)
{
    (void)state;
    stage2_set(&tree, 0, LEVEL_2M, 0x40000000, STAGE2_ALL);
    assert_int_not_equal(stage2_set(&tree, 0x1000, LEVEL_4K, 0x7000, STAGE2_ALL), NR_OK);
    expect(0, LEVEL_2M, 0x40000000, PTE_WRITE);
    stage2_set(&tree, 4 * MIB, LEVEL_4K, 0x7000, STAGE2_ALL);
    assert_int_equal(stage2_set(&tree, 4 * MIB, LEVEL_2M, 0x40000000, STAGE2_ALL), NR_EINVAL);
    expect(4 * MIB, LEVEL_4K, 0x7000, PTE_WRITE);
    assert_int_equal(stage2_set(&tree, 0, LEVEL_1G, 0x40000000, STAGE2_ALL), NR_EINVAL);
}

static void test_memory_runs_out(void **state)
{
    (void)state;
    for (unsigned left = 0; left < 2; left++) {
        pages_left = left;
        assert_int_equal(stage2_set(&tree, 3 * GIB + left * GIB, LEVEL_4K, 0x7000, STAGE2_ALL), NR_ENOMEM);
        expect_none(3 * GIB + left * GIB);
    }
    pages_left = 2;
    assert_int_equal(stage2_set(&tree, 6 * GIB, LEVEL_4K, 0x7000, STAGE2_ALL), NR_OK);
    expect(6 * GIB, LEVEL_4K, 0x7000, PTE_WRITE);
}

static void test_create_runs_out(void **state)
{
    (void)state;
    for (unsigned left = 0; left < 2; left++) {
        struct stage2 other = {0};
        unsigned before = pages;
        pages_left = left;
        assert_int_equal(stage2_create(&other, process_root), NR_ENOMEM);
        stage2_destroy(&other);
        assert_int_equal(pages, before);
    }
}

/* Pieces of each size go back to the allocator as they came. */
static void test_frames_given_back(void **state)
{
    (void)state;
    static uint64_t other_root[TABLE_ENTRIES];
    struct stage2 other = {0};
    assert_int_equal(stage2_create(&other, other_root), NR_OK);
    assert_int_equal(stage2_set(&other, 4096, LEVEL_4K, 0x7000, STAGE2_ALL), NR_OK);
    assert_int_equal(stage2_set(&other, 8192, LEVEL_4K, 0x8000, STAGE2_READ), NR_OK);
    assert_int_equal(stage2_set(&other, 8192, LEVEL_4K, 0, STAGE2_NONE), NR_OK);
    assert_int_equal(stage2_set(&other, 2 * MIB, LEVEL_2M, 6 * MIB, STAGE2_ALL), NR_OK);
    assert_int_equal(stage2_set(&other, 4 * GIB, LEVEL_1G, 3 * GIB, STAGE2_ALL), NR_OK);
    freed_count = 0;
    stage2_destroy(&other);
    assert_int_equal(freed_count, 3);
    static const uint64_t frame[] = {7, 6 * MIB / 4096, 3 * GIB / 4096};
    static const unsigned order[] = {0, ORDER_2M, ORDER_1G};
    assert_memory_equal(freed_frame, frame, sizeof frame);
    assert_memory_equal(freed_order, order, sizeof order);
}

static void test_whole_guest(void **state)
{
    (void)state;
    /* 4 KiB pages around the VGA hole, 2 MiB above it, as a guest of 64 MiB has them. */
    for (uint64_t gpa = 0; gpa < 2 * MIB; gpa += 4096)
        if (gpa < GUEST_VGA_HOLE || gpa >= GUEST_VGA_HOLE_END)
            assert_int_equal(stage2_set(&tree, gpa, LEVEL_4K, 0x10000000 + gpa, STAGE2_ALL), NR_OK);
    for (uint64_t gpa = 2 * MIB; gpa < 64 * MIB; gpa += 2 * MIB)
        assert_int_equal(stage2_set(&tree, gpa, LEVEL_2M, 0x10000000 + gpa, STAGE2_ALL), NR_OK);
    assert_int_equal(pages, 4); /* two tops, one directory, one table */
    expect(0x9f000, LEVEL_4K, 0x1009f000, PTE_WRITE);
    expect_none(0xa0000);
    expect_none(0xbffff);
    expect(0xc0000, LEVEL_4K, 0x100c0000, PTE_WRITE);
    expect(62 * MIB, LEVEL_2M, 0x10000000 + 62 * MIB, PTE_WRITE);
    expect_none(64 * MIB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_leaf_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_generation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_dirty_bits_do_not_matter, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_leaf_and_table_in_the_way, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_runs_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create_runs_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frames_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_guest_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whole_guest, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
