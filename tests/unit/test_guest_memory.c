/*
 * Bounds of typed access to the guest's RAM (core/guest_memory.c) against the layout of include/layout.h. The
 * copy itself is a record here; test_usercopy.c tests it.
 *
 * sources:
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

static int touch(uint64_t address, size_t size)
{
    touched = address;
    touched_size = size;
    return result;
}

int user_copy_in(void *to, uint64_t from, size_t size)
{
    memset(to, 0xab, result == NR_OK ? size : size / 2);
    return touch(from, size);
}

int user_copy_out(uint64_t to, const void *from, size_t size)
{
    (void)from;
    return touch(to, size);
}

int user_set_bit(uint64_t address, unsigned bit)
{
    (void)bit;
    return touch(address, 1);
}

int user_clear_bit(uint64_t address, unsigned bit)
{
    (void)bit;
    return touch(address, 1);
}

static int reset(void **state)
{
    (void)state;
    processor.process = &device_model;
    vm.ram_bytes = 256 * MIB;
    touched = 0;
    result = NR_OK;
    return 0;
}

/* Whether the four accessors agree on it, and touch what they should and nothing else. */
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
    if (size == 1) {
        touched = 0;
        assert_int_equal(guest_test_and_set_bit(gpa, 0), read);
        assert_true(touched == (ok ? USER_GUEST_RAM + gpa : 0));
        touched = 0;
        assert_int_equal(guest_test_and_clear_bit(gpa, 0), read);
        assert_true(touched == (ok ? USER_GUEST_RAM + gpa : 0));
    }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
