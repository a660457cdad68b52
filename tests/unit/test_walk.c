/*
 * The page-table walker against tables built by hand, for each paging mode: addresses, rights, error codes,
 * accessed and dirty flags.
 *
 * sources: lib/walk.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "walk.h"

enum { RAM = 0x10000, P = 1, W = 2, U = 4, A = 0x20, D = 0x40, PS = 0x80, LINEAR = 0x00403123 };

#define PG     (1ull << 31)
#define WP     (1ull << 16)
#define PSE    (1ull << 4)
#define PAE    (1ull << 5)
#define LA57   (1ull << 12)
#define SMEP   (1ull << 20)
#define SMAP   (1ull << 21)
#define LMA    (1ull << 10)
#define NXE    (1ull << 11)
#define NX     (1ull << 63)
#define RIGHTS (P | W | U)

static uint8_t ram[RAM];

static bool ram_read(void *context, uint64_t gpa, unsigned size, uint64_t *entry)
{
    (void)context;
    assert_int_equal(gpa % size, 0);
    if (gpa + size > RAM)
        return false;
    *entry = 0;
    memcpy(entry, ram + gpa, size);
    return true;
}

static bool entry_changes; /* another processor puts something else there before it can be marked */

static bool ram_mark(void *context, uint64_t gpa, unsigned size, uint64_t entry, uint64_t marked)
{
    (void)context;
    if (entry_changes)
        memset(ram + gpa, 0, size);
    if (memcmp(ram + gpa, &entry, size) != 0)
        return false;
    memcpy(ram + gpa, &marked, size);
    return true;
}

static const struct walk_memory memory = {.read = ram_read, .mark = ram_mark};

static void put32(uint64_t gpa, uint32_t value)
{
    memcpy(ram + gpa, &value, sizeof(value));
}

static void put64(uint64_t gpa, uint64_t value)
{
    memcpy(ram + gpa, &value, sizeof(value));
}

static uint64_t get64(uint64_t gpa)
{
    uint64_t value;
    memcpy(&value, ram + gpa, sizeof(value));
    return value;
}

static int clear(void **state)
{
    (void)state;
    memset(ram, 0, sizeof(ram));
    entry_changes = false;
    return 0;
}

/* Directory at 0x1000, table at 0x2000, page at 0x5000. */
static struct walk_registers set_up_32bit(void)
{
    put32(0x1000 + 4 * 1, 0x2000 | RIGHTS);
    put32(0x2000 + 4 * 3, 0x5000 | RIGHTS);
    return (struct walk_registers){.cr0 = PG | WP, .cr3 = 0x1000, .cr4 = PSE, .physical_width = 40};
}

static struct walk_registers set_up_pae(void)
{
    put64(0x1020, 0x2000 | P);
    put64(0x2000 + 8 * 2, 0x3000 | RIGHTS);
    put64(0x3000 + 8 * 3, 0x5000 | RIGHTS);
    return (struct walk_registers){
        .cr0 = PG | WP, .cr3 = 0x1020, .cr4 = PAE, .efer = NXE, .physical_width = 40};
}

static struct walk_registers set_up_4level(void)
{
    put64(0x1000, 0x2000 | RIGHTS);
    put64(0x2000, 0x3000 | RIGHTS);
    put64(0x3000 + 8 * 2, 0x4000 | RIGHTS);
    put64(0x4000 + 8 * 3, 0x5000 | RIGHTS);
    return (struct walk_registers){
        .cr0 = PG | WP, .cr3 = 0x1000, .cr4 = PAE, .efer = NXE | LMA, .physical_width = 40};
}

static uint64_t gpa_of(const struct walk_registers *r, uint64_t linear, uint32_t access)
{
    struct walk_result result;
    assert_true(walk_translate(&memory, r, linear, access, &result));
    return result.gpa;
}

static uint32_t error_of(const struct walk_registers *r, uint64_t linear, uint32_t access)
{
    struct walk_result result;
    assert_false(walk_translate(&memory, r, linear, access, &result));
    return result.error_code;
}

static void paging_off(void **state)
{
    (void)state;
    struct walk_registers r = {.cr0 = 1, .cr4 = PSE};
    assert_int_equal(gpa_of(&r, 0x1fee00020, WALK_WRITE | WALK_USER), 0xfee00020);
}

static void legacy(void **state)
{
    (void)state;
    struct walk_registers r = set_up_32bit();
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x5123);
    assert_int_equal(ram[0x1004], (RIGHTS | A) & 0xff);
    assert_int_equal(ram[0x200c] & (A | D), A);
    gpa_of(&r, LINEAR, WALK_WRITE);
    assert_int_equal(ram[0x200c] & (A | D), A | D);
    assert_int_equal(ram[0x1004] & D, 0);
    assert_int_equal(error_of(&r, 0x00800000, WALK_USER), WALK_USER);
    put32(0x1004, 0x00c00000 | 3u << 13 | RIGHTS | PS); /* 4 MiB at 3 * 4 GiB + 12 MiB */
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x300c03123);
    put32(0x1004, 0x00c00000 | 1u << 21 | RIGHTS | PS);
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT | WALK_RESERVED);
    r.cr4 = 0; /* without PSE the bit means nothing */
    put32(0x1004, 0x2000 | RIGHTS | PS);
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x5123);
}

/* What a vTLB asks besides. */
static void dirty_and_changed(void **state)
{
    (void)state;
    struct walk_registers r = set_up_32bit();
    struct walk_result result;
    assert_true(walk_translate(&memory, &r, LINEAR, 0, &result));
    assert_false(result.dirty);
    assert_false(result.changed);
    assert_true(walk_translate(&memory, &r, LINEAR, WALK_WRITE, &result));
    assert_true(result.dirty);
    assert_true(walk_translate(&memory, &r, LINEAR, 0, &result));
    assert_true(result.dirty);
    r.cr0 = 0;
    assert_true(walk_translate(&memory, &r, LINEAR, 0, &result));
    assert_true(result.dirty);
    r = set_up_32bit();
    entry_changes = true;
    assert_true(walk_translate(&memory, &r, LINEAR, WALK_WRITE, &result));
    assert_true(result.changed);
    assert_int_equal(ram[0x1004] | ram[0x200c] << 8, (RIGHTS & 0xff)
                                                         << 8); /* the first has gone, no second is marked */
}

static void pae(void **state)
{
    (void)state;
    struct walk_registers r = set_up_pae();
    assert_int_equal(gpa_of(&r, LINEAR, WALK_WRITE | WALK_USER), 0x5123);
    assert_int_equal(get64(0x1020), 0x2000 | P); /* a PDPTE has no accessed flag */
    put64(0x1020, 0x2000 | P | A);               /* but emulators set it */
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x5123);
    put64(0x2010, 0x00600000 | RIGHTS | PS);
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x603123);
    put64(0x2010, 0x00600000 | RIGHTS | PS | 1 << 13);
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT | WALK_RESERVED);
    put64(0x2010, 0x3000 | RIGHTS | 1ull << 40);
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT | WALK_RESERVED);
    put64(0x2010, 0x3000 | RIGHTS | 1ull << 52);
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT | WALK_RESERVED);
}

static void four_levels(void **state)
{
    (void)state;
    struct walk_registers r = set_up_4level();
    assert_int_equal(gpa_of(&r, LINEAR, WALK_WRITE), 0x5123);
    for (uint64_t entry = 0x1000; entry < 0x3000; entry += 0x1000)
        assert_int_equal(get64(entry) & (A | D), A);
    assert_int_equal(get64(0x4018) & (A | D), A | D);
    put64(0x3010, 0x00600000 | RIGHTS | PS);
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x603123);
    put64(0x2000, 0x40000000 | RIGHTS | PS);
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x40403123);
    put64(0x2000, 0x40000000 | RIGHTS | PS | 1 << 29);
    assert_int_equal(error_of(&r, LINEAR, WALK_WRITE), WALK_PRESENT | WALK_RESERVED | WALK_WRITE);
    put64(0x1000, 0x2000 | RIGHTS | PS);
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT | WALK_RESERVED);
    put64(0x1000, 0x2000 | RIGHTS | 1ull << 51);
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT | WALK_RESERVED);
}

static void five_levels(void **state)
{
    (void)state;
    struct walk_registers r = set_up_4level();
    put64(0x6000 + 8 * 1, 0x1000 | RIGHTS);
    r.cr3 = 0x6000;
    r.cr4 |= LA57;
    assert_int_equal(gpa_of(&r, 1ull << 48 | LINEAR, 0), 0x5123);
    assert_int_equal(error_of(&r, LINEAR, 0), 0);
}

static void rights(void **state)
{
    (void)state;
    struct walk_registers r = set_up_4level();
    put64(0x3010, 0x4000 | P | U); /* read-only for all below */
    assert_int_equal(error_of(&r, LINEAR, WALK_WRITE), WALK_PRESENT | WALK_WRITE);
    assert_int_equal(get64(0x4018) & (A | D), 0); /* a refused access leaves no trace */
    r.cr0 = PG;
    assert_int_equal(gpa_of(&r, LINEAR, WALK_WRITE), 0x5123);
    assert_int_equal(error_of(&r, LINEAR, WALK_WRITE | WALK_USER), WALK_PRESENT | WALK_WRITE | WALK_USER);
    put64(0x3010, 0x4000 | P | W);
    assert_int_equal(error_of(&r, LINEAR, WALK_USER), WALK_PRESENT | WALK_USER);
    put64(0x3010, 0x4000 | RIGHTS | NX);
    assert_int_equal(error_of(&r, LINEAR, WALK_FETCH), WALK_PRESENT | WALK_FETCH);
    assert_int_equal(gpa_of(&r, LINEAR, WALK_USER), 0x5123);
    r.efer = LMA; /* without NXE the bit is reserved, and fetches are not told apart */
    assert_int_equal(error_of(&r, LINEAR, WALK_FETCH), WALK_PRESENT | WALK_RESERVED);
}

static void supervisor_protections(void **state)
{
    (void)state;
    struct walk_registers r = set_up_4level();
    r.efer = LMA;
    r.cr4 |= SMEP;
    assert_int_equal(error_of(&r, LINEAR, WALK_FETCH), WALK_PRESENT | WALK_FETCH);
    assert_int_equal(gpa_of(&r, LINEAR, WALK_FETCH | WALK_USER), 0x5123);
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x5123);
    r.cr4 |= SMAP;
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT);
    assert_int_equal(gpa_of(&r, LINEAR, WALK_USER), 0x5123);
    r.override_smap = true;
    assert_int_equal(gpa_of(&r, LINEAR, 0), 0x5123);
}

/* A table where there is no RAM reads as all ones: a reserved bit, not an endless walk. */
static void tables_outside_ram(void **state)
{
    (void)state;
    struct walk_registers r = set_up_4level();
    r.cr3 = 0x100000;
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT | WALK_RESERVED);
    r = set_up_pae();
    put64(0x2010, 0x100000 | RIGHTS);
    assert_int_equal(error_of(&r, LINEAR, 0), WALK_PRESENT | WALK_RESERVED);
}

static void rights_reported(void **state)
{
    (void)state;
    struct walk_registers r = set_up_4level();
    struct walk_result result;
    put64(0x2000, 0x3000 | P | U | NX);
    assert_true(walk_translate(&memory, &r, LINEAR, 0, &result));
    assert_false(result.writable);
    assert_false(result.executable);
    assert_true(result.user);
    assert_int_equal(result.page_shift, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(paging_off, clear),
        cmocka_unit_test_setup(legacy, clear),
        cmocka_unit_test_setup(dirty_and_changed, clear),
        cmocka_unit_test_setup(pae, clear),
        cmocka_unit_test_setup(four_levels, clear),
        cmocka_unit_test_setup(five_levels, clear),
        cmocka_unit_test_setup(rights, clear),
        cmocka_unit_test_setup(supervisor_protections, clear),
        cmocka_unit_test_setup(tables_outside_ram, clear),
        cmocka_unit_test_setup(rights_reported, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
