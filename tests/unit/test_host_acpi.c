/*
 * The host's ACPI tables (core/acpi.c): what is read from right ones, and that wrong ones are not followed
 * out of memory. An arena stands for all of physical memory, so that the address sanitizer sees each access
 * beyond.
 *
 * sources:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "layout_ring0.h"

static _Alignas(16) uint8_t arena[0x100000];
#undef BOOT_MAP_END
#define BOOT_MAP_END sizeof(arena)

#include "../../core/acpi.c"

void *phys_to_virt(uint64_t address)
{
    return arena + address;
}

enum {
    RSDP = 0xe1230,
    ROOT = 0x1000,
    MADT = 0x2000,
    FADT = 0x3000,
    DSDT = 0x4000,
    S5_DSDT = 0x5000,
    END = 0xff000
};

static void put(uint32_t address, uint64_t value, unsigned size)
{
    memcpy(arena + address, &value, size);
}

static void seal(uint32_t table, uint32_t length)
{
    arena[table + 9] = 0;
    uint8_t sum = 0;
    for (uint32_t i = 0; i < length; i++)
        sum = (uint8_t)(sum + arena[table + i]);
    arena[table + 9] = (uint8_t)-sum;
}

static void make(uint32_t table, const char *signature, const void *body, uint32_t size)
{
    uint32_t length = (uint32_t)sizeof(struct table_header) + size;
    memcpy(arena + table, signature, 4);
    put(table + 4, length, 4);
    memcpy(arena + table + sizeof(struct table_header), body, size);
    seal(table, length);
}

static const uint8_t madt_body[] = {
    0, 0,   0xe0, 0xfe, 1,    0,    0,    0,                 /* local APIC address, flags */
    0, 8,   0,    0,    1,    0,    0,    0,                 /* APIC ID 0, enabled */
    0, 8,   1,    7,    0,    0,    0,    0,                 /* 7, not enabled */
    4, 6,   0xff, 0,    0,    1,                             /* an NMI: passed over */
    1, 12,  0,    0,    0,    0,    0xc0, 0xfe, 24, 0, 0, 0, /* IOAPIC at 0xfec00000, from GSI 24 */
    2, 10,  0,    4,    20,   0,    0,    0,    0,  0,       /* ISA 4 is GSI 20 */
    2, 10,  0,    99,   21,   0,    0,    0,    0,  0,       /* no ISA interrupt */
    9, 16,  0,    0,    0x34, 0x12, 0,    0,    1,  0, 0, 0, 0, 0, 0, 0, /* x2APIC ID 0x1234 */
    0, 4,   9,    9,                         /* too short for its flags: not enabled */
    0, 200, 9,    9,    1,    0,    0,    0, /* longer than the table: the end */
};

static const uint8_t dsdt_body[] = {
    0x10, 0x20, '_', 'S', '5', '_', 0x12, 7, 4, 0x0a, 5, 0x0a, 6, 0, 0, 0x5b, 0x80, 1, 2, 3, 4, 5, 6, 7, 8,
};

static int setup(void **state)
{
    (void)state;
    uint8_t fadt_body[80] = {0};
    uint32_t fields = sizeof(struct table_header);
    memset(arena, 0, sizeof arena);
    memset(&acpi, 0, sizeof acpi);
    make(MADT, "APIC", madt_body, sizeof madt_body);
    make(DSDT, "DSDT", dsdt_body, sizeof dsdt_body);
    make(FADT, "FACP", fadt_body, sizeof fadt_body);
    put(FADT + FADT_DSDT, DSDT, 4);
    put(FADT + FADT_PM1A_CONTROL, 0x604, 4);
    put(FADT + FADT_PM_TIMER, 0x608, 4);
    seal(FADT, fields + sizeof fadt_body);
    make(ROOT, "XSDT", (const uint64_t[]){MADT, FADT}, 16);
    memcpy(arena + RSDP, "RSD PTR ", 8);
    arena[RSDP + 15] = 2;
    put(RSDP + 24, ROOT, 8);
    uint8_t sum = 0;
    for (uint32_t i = 0; i < 20; i++)
        sum = (uint8_t)(sum + arena[RSDP + i]);
    arena[RSDP + 8] = (uint8_t)-sum;
    return 0;
}

static void test_right_tables(void **state)
{
    (void)state;
    assert_null(acpi_read(0)); /* found in the BIOS area */
    assert_int_equal(acpi.cpu_count, 2);
    assert_int_equal(acpi.apic_id[0], 0);
    assert_int_equal(acpi.apic_id[1], 0x1234);
    assert_int_equal(acpi.ioapic_count, 1);
    assert_int_equal(acpi.ioapic[0].address, 0xfec00000);
    assert_int_equal(acpi.ioapic[0].gsi_base, 24);
    assert_int_equal(acpi.serial_gsi, 20);
    assert_int_equal(acpi.pm_timer, 0x608);
    assert_int_equal(acpi.pm1a_control, 0x604);
    assert_int_equal(acpi.sleep_a, 5 << SLP_TYP_SHIFT | SLP_EN);
    assert_int_equal(acpi.sleep_b, 6 << SLP_TYP_SHIFT | SLP_EN);
}

/* The DSDT of Bochs' BIOS ends with the package, whose numbers are single bytes. */
static void test_s5_at_the_end(void **state)
{
    (void)state;
    static const uint8_t whole[] = {0x08, '_', 'S', '5', '_', 0x12, 6, 4, 1, 2, 0, 0};
    for (uint32_t size = 6; size <= sizeof whole; size++) {
        memset(&acpi, 0, sizeof acpi);
        make(S5_DSDT, "DSDT", whole, size); /* nothing behind it */
        put(FADT + FADT_DSDT, S5_DSDT, 4);
        seal(FADT, (uint32_t)sizeof(struct table_header) + 80);
        assert_null(acpi_read(0));
        assert_int_equal(acpi.sleep_a, size < 10 ? 0 : 1 << SLP_TYP_SHIFT | SLP_EN);
        assert_int_equal(acpi.sleep_b, size < 10 ? 0 : 2 << SLP_TYP_SHIFT | SLP_EN);
    }
}

static void test_many_processors(void **state)
{
    (void)state;
    uint8_t body[8 + 8 * (CPU_MAX + 5)] = {0};
    for (unsigned i = 0; i < CPU_MAX + 5; i++)
        memcpy(body + 8 + 8 * i, (const uint8_t[]){0, 8, 0, (uint8_t)i, 1, 0, 0, 0}, 8);
    make(MADT, "APIC", body, sizeof body);
    assert_null(acpi_read(RSDP));
    assert_int_equal(acpi.cpu_count, CPU_MAX);
}

static void test_damaged_root(void **state)
{
    (void)state;
    static const uint64_t nowhere[] = {0, ~0ull, ~0ull - 20, sizeof arena - 4, sizeof arena, 1ull << 40};
    for (size_t i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
        put(RSDP + 24, nowhere[i], 8);
        assert_non_null(acpi_read(RSDP));
    }
    put(RSDP + 24, ROOT, 8);
    arena[ROOT + 30]++; /* the checksum is wrong now */
    assert_non_null(acpi_read(RSDP));
    arena[RSDP] = 0;
    assert_non_null(acpi_read(0));
    assert_int_equal(acpi.cpu_count, 0);
}

/* A table at the end of memory, or longer than what is left. */
static void test_lying_lengths(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {0, 1, 35, 0x1001, 0x80000000, 0xffffffff};
    make(END, "APIC", madt_body, sizeof madt_body);
    put(ROOT + sizeof(struct table_header), END, 8);
    seal(ROOT, sizeof(struct table_header) + 16);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        put(END + 4, lengths[i], 4);
        assert_non_null(acpi_read(RSDP)); /* no processor */
    }
    assert_int_equal(acpi.cpu_count, 0);
    assert_int_equal(acpi.pm_timer, 0x608); /* the others count */
}

/* Whatever stands in the tables: nothing is read outside of memory, nothing is written outside of acpi. */
static void test_random_tables(void **state)
{
    (void)state;
    uint64_t random = 0x2545f4914f6cdd1d;
    static const uint32_t tables[] = {ROOT, MADT, FADT, DSDT};
    for (unsigned round = 0; round < 3000; round++) {
        setup(NULL);
        for (unsigned i = 0; i < 8; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            arena[tables[random % 4] + (random >> 8) % 200] = (uint8_t)(random >> 32);
        }
        for (unsigned i = 0; i < 4; i++) {
            uint32_t length = (uint32_t)field(arena + tables[i], 4, 4);
            if (length < 0x1000)
                seal(tables[i], length);
        }
        (void)acpi_read(RSDP);
        assert_true(acpi.cpu_count <= CPU_MAX && acpi.ioapic_count <= ACPI_IOAPICS_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_right_tables, setup),
        cmocka_unit_test_setup(test_s5_at_the_end, setup),
        cmocka_unit_test_setup(test_many_processors, setup),
        cmocka_unit_test_setup(test_damaged_root, setup),
        cmocka_unit_test_setup(test_lying_lengths, setup),
        cmocka_unit_test_setup(test_random_tables, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
