/*
 * Spare memory (core/spare.c, core/spare.h): a device model shows its guest this memory and nothing else,
 * only where no RAM lies; no table is made after the guest's creation; what is taken back is flushed.
 *
 * sources: core/spare.c mm/stage2.c mm/paging.c
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
#include "memory.h"
#include "paging.h"
#include "process.h"
#include "spare.h"
#include "syscalls.h"
#include "vm.h"

enum { SPARE_MIB = 4, LARGE = 2 << 20, PAGE = 4096, FIRST_FRAME = 0x800 };
#define SPARE ((uint64_t)SPARE_MIB << 20)

static uint64_t root[TABLE_ENTRIES], next_frame, frames_left, zeroed;
static unsigned pages, pages_left, forgotten, requested;
static struct process process;
static struct vm vm;
static struct vcpu vcpus[2];

void *page_alloc(unsigned order)
{
    if (pages_left == 0)
        return NULL;
    pages_left--;
    pages++;
    return memset(aligned_alloc(PAGE_SIZE, PAGE_SIZE << order), 0, PAGE_SIZE << order);
}

void page_free(void *page, unsigned order)
{
    (void)order;
    pages -= page != NULL;
    free(page);
}

uint64_t frames_alloc(unsigned order)
{
    assert_int_equal(order, ORDER_2M);
    if (frames_left == 0)
        return FRAME_NONE;
    frames_left--;
    next_frame += 1u << ORDER_2M;
    return next_frame;
}

void frames_free(uint64_t frame, unsigned order)
{
    (void)frame, (void)order;
}

uint64_t virt_to_phys(const void *address)
{
    return (uint64_t)address;
}

void *phys_to_virt(uint64_t address)
{
    return (void *)address;
}

void window_zero(uint64_t physical, uint64_t size)
{
    (void)physical;
    zeroed += size;
}

void process_forget(const struct process *of)
{
    assert_ptr_equal(of, &process);
    forgotten++;
}

void vcpu_request(struct vcpu *vcpu, uint32_t requests)
{
    (void)vcpu;
    assert_int_equal(requests, REQUEST_EVENT);
    requested++;
}

static int set_up(void **state)
{
    (void)state;
    memset(root, 0, sizeof root);
    memset(&vm, 0, sizeof vm);
    memset(&process, 0, sizeof process);
    process.root = root;
    vm.process = &process;
    vm.config.spare_mib = SPARE_MIB;
    vm.vcpu_count = 2;
    vm.vcpu[0] = &vcpus[0];
    vm.vcpu[1] = &vcpus[1];
    next_frame = FIRST_FRAME;
    frames_left = SPARE_MIB;
    pages = forgotten = requested = 0;
    pages_left = UINT32_MAX;
    zeroed = 0;
    if (stage2_create(&vm.stage2, root))
        return -1;
    /* The guest's lowest RAM, as vm_create() makes it. */
    if (stage2_set(&vm.stage2, GUEST_VGA_HOLE - PAGE, LEVEL_4K, 0x1000, STAGE2_ALL) || spare_create(&vm))
        return -1;
    pages_left = 0; /* from here on no table may be made */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stage2_destroy(&vm.stage2);
    root[paging_index(USER_GUEST_RAM, LEVEL_ROOT)] = 0;
    paging_free((uint64_t *)(root[0] & PTE_ADDRESS), NULL);
    return pages != 0;
}

static int64_t map(uint64_t gpa, uint64_t offset, unsigned rights, uint64_t length)
{
    return spare_map(&vm, gpa, offset | rights, length);
}

/* What the guest has at an address: the offset in spare memory and its rights, or NR_EFAULT. */
static int look(uint64_t gpa, uint64_t *offset)
{
    uint64_t physical = 0;
    unsigned level;
    int rights = stage2_get(&vm.stage2, gpa, &physical, &level);
    *offset = physical - ((FIRST_FRAME + (1ull << ORDER_2M)) << PAGE_SHIFT);
    return rights;
}

static void assert_shows(uint64_t gpa, uint64_t offset, int rights)
{
    uint64_t found;
    assert_int_equal(look(gpa, &found), rights);
    if (rights > 0)
        assert_int_equal(found, offset);
}

static void it_is_all_there_and_zero_at_creation(void **state)
{
    (void)state;
    assert_int_equal(zeroed, SPARE);
    for (uint64_t at = 0; at < SPARE; at += LARGE) {
        const uint64_t *entry = paging_entry(root, USER_SPARE + at, LEVEL_2M);
        assert_non_null(entry);
        assert_int_equal(*entry & (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_LARGE | PTE_OWNED | PTE_NX),
                         PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_LARGE | PTE_OWNED | PTE_NX);
    }
    assert_shows(GUEST_VGA_HOLE, 0, NR_EFAULT);
}

static void an_odd_or_huge_size_is_refused(void **state)
{
    (void)state;
    vm.config.spare_mib = 3;
    assert_int_equal(spare_create(&vm), NR_EINVAL);
    vm.config.spare_mib = GUEST_SPARE_MIB_MAX + 2;
    assert_int_equal(spare_create(&vm), NR_EINVAL);
    vm.config.spare_mib = UINT32_MAX;
    assert_int_equal(spare_create(&vm), NR_EINVAL);
    vm.config.spare_mib = 0;
    assert_int_equal(spare_create(&vm), NR_OK);
    assert_int_equal(map(GUEST_VGA_HOLE, 0, MEMORY_ALL, PAGE), NR_EINVAL);
    vm.config.spare_mib = SPARE_MIB;
    frames_left = 1;
    assert_int_equal(spare_create(&vm), NR_ENOMEM);
}

static void pages_of_upper_memory_and_of_the_rom_area(void **state)
{
    (void)state;
    assert_int_equal(map(GUEST_VGA_HOLE, LARGE + 0x3000, MEMORY_ALL, GUEST_HMA_END - GUEST_VGA_HOLE), NR_OK);
    assert_shows(GUEST_VGA_HOLE, LARGE + 0x3000, STAGE2_ALL);
    assert_shows(GUEST_HMA_END - 1, LARGE + 0x72fff, STAGE2_ALL);
    assert_int_equal(map(0xf0000, 0x5000, MEMORY_READ | MEMORY_EXECUTE, 0x2000), NR_OK);
    assert_shows(0xf0000, 0x5000, STAGE2_READ | STAGE2_EXECUTE);
    assert_shows(0xf1000, 0x6000, STAGE2_READ | STAGE2_EXECUTE);
    assert_shows(0xf2000, LARGE + 0x55000, STAGE2_ALL);
    assert_int_equal(map(GUEST_ROM_AREA, LARGE, MEMORY_READ, LARGE), NR_OK);
    assert_shows(0xffffffff, LARGE + LARGE - 1, STAGE2_READ);
    assert_int_equal(map(0xf1000, 0, MEMORY_NONE, PAGE), NR_OK);
    assert_shows(0xf1000, 0, NR_EFAULT);
}

static void blocks_of_the_hole_below_it(void **state)
{
    (void)state;
    assert_int_equal(map(0xfd000000, LARGE, MEMORY_READ | MEMORY_WRITE, LARGE), NR_OK);
    assert_shows(0xfd012345, LARGE + 0x12345, STAGE2_READ | STAGE2_WRITE);
    assert_int_equal(map(GUEST_LOW_RAM_MAX, 0, MEMORY_ALL, LARGE), NR_OK);
    assert_int_equal(map(0xfd000000, LARGE, MEMORY_ALL, PAGE), NR_EINVAL);
    assert_int_equal(map(0xfd001000, 0, MEMORY_ALL, LARGE), NR_EINVAL);
    assert_int_equal(map(0xfd000000, PAGE, MEMORY_ALL, LARGE), NR_EINVAL);
    assert_int_equal(map(0xfd000000, 0, MEMORY_NONE, LARGE), NR_OK);
    assert_shows(0xfd012345, 0, NR_EFAULT);
}

/* What a device model that means harm could ask for. */
static void nothing_else_can_be_mapped(void **state)
{
    static const struct {
        uint64_t gpa, offset, length;
    } wrong[] = {
        {GUEST_VGA_HOLE, SPARE, PAGE},            /* behind its memory: a foreign frame */
        {GUEST_VGA_HOLE, SPARE - PAGE, 2 * PAGE}, /* partly behind it */
        {GUEST_VGA_HOLE, ~0xfffull, PAGE},        /* sums that wrap */
        {GUEST_VGA_HOLE, PAGE, ~0xfffull},
        {~0xfffull, 0, PAGE},
        {GUEST_VGA_HOLE, 0, LARGE + PAGE}, /* too long */
        {GUEST_VGA_HOLE - PAGE, 0, PAGE},  /* RAM of the guest */
        {GUEST_VGA_HOLE - PAGE, 0, 2 * PAGE},
        {GUEST_HMA_END - PAGE, 0, 2 * PAGE},
        {GUEST_HMA_END, 0, LARGE},
        {GUEST_LOW_RAM_MAX - LARGE, 0, LARGE},
        {GUEST_HIGH_RAM - PAGE, 0, 2 * PAGE},
        {GUEST_HIGH_RAM, 0, LARGE},
        {1ull << 38, 0, LARGE},
        {GUEST_ROM_AREA - PAGE, 0, 2 * PAGE},
        {GUEST_VGA_HOLE + 1, 0, PAGE}, /* no whole pages */
        {GUEST_VGA_HOLE, 8, PAGE},
        {GUEST_VGA_HOLE, 0, PAGE + 1},
    };
    (void)state;
    for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        for (unsigned rights = 0; rights <= MEMORY_ALL; rights++)
            assert_int_equal(map(wrong[i].gpa, wrong[i].offset, rights, wrong[i].length), NR_EINVAL);
    assert_shows(GUEST_VGA_HOLE, 0, NR_EFAULT);
    assert_int_equal(map(GUEST_VGA_HOLE, 0, MEMORY_ALL, 0), NR_OK);
    assert_shows(GUEST_VGA_HOLE, 0, NR_EFAULT);
}

static void what_is_taken_back_is_flushed(void **state)
{
    (void)state;
    map(GUEST_VGA_HOLE, 0, MEMORY_ALL, 2 * PAGE);
    assert_int_equal(forgotten, 0); /* nobody remembers what was not there */
    map(GUEST_VGA_HOLE, 0, MEMORY_READ | MEMORY_EXECUTE, 2 * PAGE);
    assert_int_equal(forgotten, 1);
    assert_int_equal(requested, 2);
    map(GUEST_VGA_HOLE, 0, MEMORY_ALL, 2 * PAGE); /* a gain */
    assert_int_equal(forgotten, 1);
    map(GUEST_VGA_HOLE, PAGE, MEMORY_ALL, PAGE); /* another page */
    assert_int_equal(forgotten, 2);
    map(GUEST_VGA_HOLE, 0, MEMORY_NONE, 2 * PAGE);
    assert_int_equal(forgotten, 3);
    assert_int_equal(requested, 6);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_is_all_there_and_zero_at_creation),
        TEST(an_odd_or_huge_size_is_refused),
        TEST(pages_of_upper_memory_and_of_the_rom_area),
        TEST(blocks_of_the_hole_below_it),
        TEST(nothing_else_can_be_mapped),
        TEST(what_is_taken_back_is_flushed),
    };
    return cmocka_run_group_tests_name("spare", tests, NULL, NULL);
}
