/*
 * Bounds of typed access to the guest's RAM (core/guest_memory.c) against the layout of include/layout.h. The
 * copy itself is a record here; test_usercopy.c tests it.
 *
 * sources: lib/walk.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define this_cpu this_cpu_of_the_host
#include "cpu.h"
#undef this_cpu

static struct cpu processor;

static inline struct cpu *this_cpu(void)
{
    return &processor;
}

#include "../../core/guest_memory.c"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

static struct vm vm;
static struct process device_model = {.vm = &vm};
static uint64_t touched; /* user address of the last access, 0: none */
static size_t touched_size;
static int result;
static uint8_t ram[0x10000]; /* the first of the guest's */
static unsigned reads;
static struct vcpu vcpu;

static int touch(uint64_t address, size_t size)
{
    touched = address;
    touched_size = size;
    return result;
}

static void code(const struct vcpu *of, struct vcpu_code *to)
{
    const struct vcpu_state *s = &of->state;
    const struct segment *cs = &s->segment[SEG_CS];
    bool wide = (s->msrs.efer & 1 << 10) && (cs->attributes & SEG_L);
    *to = (struct vcpu_code){
        .linear = wide ? s->gpr.rip : (uint32_t)(cs->base + s->gpr.rip),
        .space = s->control.cr0 >> 31 ? s->control.cr3 : INSN_CACHE_FLAT,
        .bits = wide                      ? 64
                : cs->attributes & SEG_DB ? 32
                                          : 16,
    };
}

static void get(struct vcpu *of, uint32_t groups)
{
    (void)of;
    assert_int_equal(groups, VCPU_CONTROL | VCPU_MSRS);
}

static const struct vcpu_ops ops = {.code = code, .get = get};
const struct vcpu_ops *vcpu_ops = &ops;

int user_copy_in(void *to, uint64_t from, size_t size)
{
    uint64_t gpa = from - USER_GUEST_RAM;
    memset(to, 0xab, result == NR_OK ? size : size / 2);
    if (gpa < sizeof ram && size <= sizeof ram - gpa)
        memcpy(to, ram + gpa, size);
    reads++;
    return touch(from, size);
}

int user_copy_out(uint64_t to, const void *from, size_t size)
{
    (void)from;
    return touch(to, size);
}

static int reset(void **state)
{
    (void)state;
    processor.process = &device_model;
    vm.ram_bytes = 256 * MIB;
    touched = 0;
    result = NR_OK;
    memset(ram, 0, sizeof ram);
    memset(&vcpu, 0, sizeof vcpu);
    reads = 0;
    for (unsigned i = 0; i < 32; i++)
        ram[0x5ff0 + i] = (uint8_t)(i + 1); /* code across 0x6000 */
    return 0;
}

/* Whether both accessors agree on it, and touch what they should and nothing else. */
static bool reaches(uint64_t gpa, size_t size)
{
    static uint8_t buffer[4 * KIB];
    touched = 0;
    int read = guest_read(buffer, gpa, size);
    bool ok = touched != 0;
    assert_int_equal(read, ok ? NR_OK : NR_EFAULT);
    assert_true(!ok || (touched == USER_GUEST_RAM + gpa && touched_size == size));
    touched = 0;
    assert_int_equal(guest_write(gpa, buffer, size), read);
    assert_true(touched == (ok ? USER_GUEST_RAM + gpa : 0));
    return ok;
}

static void test_low_ram(void **state)
{
    (void)state;
    assert_true(reaches(0, 1));
    assert_true(reaches(0x9ffff, 1));
    assert_true(reaches(0xc0000, 1));
    assert_true(reaches(256 * MIB - 1, 1));
    assert_true(reaches(256 * MIB - 8, 8));
    assert_false(reaches(256 * MIB, 1));
    assert_false(reaches(256 * MIB - 7, 8));
    assert_false(reaches(GUEST_LOW_RAM_MAX, 1));
    assert_false(reaches(GUEST_LAPIC_BASE, 1));
    assert_false(reaches(GUEST_HIGH_RAM, 1));
    assert_false(reaches(UINT64_MAX, 1));
    assert_false(reaches(UINT64_MAX, 8));
}

static void test_vga_hole(void **state)
{
    (void)state;
    assert_false(reaches(0xa0000, 1));
    assert_false(reaches(0xbffff, 1));
    assert_false(reaches(0x9ffff, 2));
    assert_true(reaches(0x9fff8, 8));
    assert_false(reaches(0xbffff, 2)); /* from the hole into RAM */
}

static void test_high_ram(void **state)
{
    (void)state;
    vm.ram_bytes = 4 * GIB;
    assert_true(reaches(GUEST_LOW_RAM_MAX - 1, 1));
    assert_false(reaches(GUEST_LOW_RAM_MAX - 1, 2));
    assert_false(reaches(GUEST_LOW_RAM_MAX, 1));
    assert_false(reaches(GUEST_HIGH_RAM - 1, 2));
    assert_true(reaches(GUEST_HIGH_RAM, 1));
    assert_true(reaches(GUEST_HIGH_RAM + GIB - 8, 8));
    assert_false(reaches(GUEST_HIGH_RAM + GIB - 7, 8));
    assert_false(reaches(GUEST_HIGH_RAM + GIB, 1));
    vm.ram_bytes = GUEST_LOW_RAM_MAX;
    assert_true(reaches(GUEST_LOW_RAM_MAX - 1, 1));
    assert_false(reaches(GUEST_HIGH_RAM, 1));
}

static void test_tiny_ram(void **state)
{
    (void)state;
    vm.ram_bytes = 512 * KIB;
    assert_true(reaches(512 * KIB - 1, 1));
    assert_false(reaches(512 * KIB, 1));
    assert_false(reaches(0xc0000, 1));
    vm.ram_bytes = 1 * MIB;
    assert_true(reaches(0xfffff, 1));
    assert_false(reaches(1 * MIB, 1));
}

static void test_sizes_do_not_wrap(void **state)
{
    (void)state;
    uint8_t byte = 0;
    assert_int_equal(guest_write(0x1000, &byte, SIZE_MAX), NR_EFAULT);
    assert_int_equal(guest_write(0x1000, &byte, 0 - 0x1000ull), NR_EFAULT);
    assert_int_equal(guest_write(UINT64_MAX - 3, &byte, 8), NR_EFAULT);
    assert_int_equal(touched, 0);
}

static void test_failed_read_is_zeroed(void **state)
{
    (void)state;
    uint8_t buffer[16], zero[16] = {0};
    memset(buffer, 0xee, sizeof buffer);
    assert_int_equal(guest_read(buffer, 1 * GIB, sizeof buffer), NR_EFAULT);
    assert_memory_equal(buffer, zero, sizeof buffer);
    memset(buffer, 0xee, sizeof buffer);
    result = NR_EFAULT; /* in the middle of the copy */
    assert_int_equal(guest_read(buffer, 0x1000, sizeof buffer), NR_EFAULT);
    assert_memory_equal(buffer, zero, sizeof buffer);
}

static void test_no_guest(void **state)
{
    (void)state;
    static struct process service_process;
    processor.process = &service_process;
    assert_false(reaches(0x1000, 1));
    processor.process = NULL;
    assert_false(reaches(0x1000, 1));
}

static void expect_fetch(size_t length, size_t got)
{
    uint8_t bytes[15];
    assert_int_equal(guest_fetch(&vcpu, bytes, length), got);
    for (size_t i = 0; i < got; i++)
        assert_int_equal(bytes[i], i + 1);
}

static void test_fetch_real_mode(void **state)
{
    (void)state;
    vcpu.state.segment[SEG_CS].base = 0x5f00;
    vcpu.state.gpr.rip = 0xf0;
    expect_fetch(15, 15);
    assert_int_equal(reads, 1);
    vcpu.state.segment[SEG_CS].base = 0xffff0000; /* base + offset wraps at 4 GiB */
    vcpu.state.gpr.rip = 0x15ff0;
    expect_fetch(15, 15);
    vcpu.state.gpr.rip = 0xfff0; /* nothing there */
    expect_fetch(15, 0);
}

static void put(uint64_t gpa, uint64_t entry, unsigned size)
{
    memcpy(ram + gpa, &entry, size);
}

/* Linear 0x400000 and 0x401000 are pages 0x5000 and, unless it is missing, 0x6000. */
static void map_32bit(bool second)
{
    vcpu.state.control.cr0 = 1ull << 31;
    vcpu.state.control.cr3 = 0x1000;
    put(0x1000 + 4, 0x2007, 4);
    put(0x2000, 0x5005, 4);
    put(0x2004, second ? 0x6005 : 0, 4);
    vcpu.state.gpr.rip = 0x400ff0;
}

static void test_fetch_paged(void **state)
{
    (void)state;
    map_32bit(true);
    expect_fetch(15, 15);
    assert_int_equal(reads, 3);
    expect_fetch(15, 15);
    assert_int_equal(reads, 4); /* the page is remembered */
}

static void test_fetch_across_pages(void **state)
{
    (void)state;
    uint8_t bytes[15];
    map_32bit(true);
    vcpu.state.gpr.rip = 0x400ffb;
    assert_int_equal(guest_fetch(&vcpu, bytes, 15), 15);
    assert_memory_equal(bytes, ram + 0x5ffb, 15);
    assert_int_equal(vcpu.insn_cache.page, 0x400000); /* the page of RIP, not the second one */
    map_32bit(false);
    vcpu.state.gpr.rip = 0x400ffb;
    vcpu.insn_cache.valid = false;
    assert_int_equal(guest_fetch(&vcpu, bytes, 15), 5);
    assert_memory_equal(bytes, ram + 0x5ffb, 5);
}

static void test_fetch_cache_is_keyed(void **state)
{
    (void)state;
    uint8_t bytes[4];
    map_32bit(true);
    expect_fetch(4, 4);
    vcpu.state.control.cr3 = 0x3000; /* no tables there */
    expect_fetch(4, 0);
    vcpu.state.control.cr3 = 0x1000;
    put(0x2000, 0x7005, 4); /* remapped without a word: stale until the caller notices */
    expect_fetch(4, 4);
    vcpu.insn_cache.valid = false;
    assert_int_equal(guest_fetch(&vcpu, bytes, 4), 4);
    assert_memory_equal(bytes, ram + 0x7ff0, 4);
    vcpu.state.control.cr0 = 0; /* paging off: the cache has no meaning */
    vcpu.state.gpr.rip = 0x5ff0;
    expect_fetch(4, 4);
}

static void test_fetch_long_mode(void **state)
{
    (void)state;
    vcpu.state.control.cr0 = 1ull << 31;
    vcpu.state.control.cr4 = 1 << 5;
    vcpu.state.control.cr3 = 0x1000;
    vcpu.state.msrs.efer = 1 << 10 | 1 << 8;
    vcpu.state.segment[SEG_CS].attributes = SEG_P | SEG_L;
    vcpu.state.segment[SEG_CS].base = 0x1234; /* ignored */
    put(0x1000 + 511 * 8, 0x2003, 8);
    put(0x2000 + 510 * 8, 0x3003, 8);
    put(0x3000, 0x4003, 8);
    put(0x4000 + 5 * 8, 0x5003, 8);
    vcpu.state.gpr.rip = 0xffffffff80005ff0;
    expect_fetch(15, 15);
    vcpu.state.segment[SEG_CS].attributes = SEG_P | SEG_DB; /* compatibility mode: 32 bits of it */
    expect_fetch(15, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_low_ram, reset),
        cmocka_unit_test_setup(test_vga_hole, reset),
        cmocka_unit_test_setup(test_high_ram, reset),
        cmocka_unit_test_setup(test_tiny_ram, reset),
        cmocka_unit_test_setup(test_sizes_do_not_wrap, reset),
        cmocka_unit_test_setup(test_failed_read_is_zeroed, reset),
        cmocka_unit_test_setup(test_no_guest, reset),
        cmocka_unit_test_setup(test_fetch_real_mode, reset),
        cmocka_unit_test_setup(test_fetch_paged, reset),
        cmocka_unit_test_setup(test_fetch_across_pages, reset),
        cmocka_unit_test_setup(test_fetch_cache_is_keyed, reset),
        cmocka_unit_test_setup(test_fetch_long_mode, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
