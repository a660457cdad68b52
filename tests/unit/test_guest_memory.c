/*
 * Typed access to the guest's RAM (core/guest_memory.c): a guest-physical address leads into the guest's part
 * of the loaded address space or nowhere. What is mapped there is test_stage2.c's; the copy itself, a record
 * here, is test_usercopy.c's.
 *
 * sources: core/guest_memory.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "errors.h"
#include "fixup.h"
#include "guest_memory.h"
#include "layout.h"

static uint64_t touched; /* user address of the last access */
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

int user_exchange(uint64_t address, size_t size, uint64_t old, uint64_t new)
{
    assert_int_equal(old, 1);
    assert_int_equal(new, 2);
    return touch(address, size);
}

/* All accessors go to the same place. */
static void expect(uint64_t gpa, uint64_t address)
{
    uint8_t buffer[8];
    result = NR_OK;
    assert_int_equal(guest_read(buffer, gpa, sizeof buffer), NR_OK);
    assert_int_equal(touched, address);
    assert_int_equal(touched_size, sizeof buffer);
    assert_int_equal(guest_write(gpa, buffer, 3), NR_OK);
    assert_int_equal(touched, address);
    assert_int_equal(touched_size, 3);
    assert_int_equal(guest_exchange(gpa, 4, 1, 2), NR_OK);
    assert_int_equal(touched, address);
    assert_int_equal(touched_size, 4);
}

static void guest_part(void **state)
{
    (void)state;
    expect(0, USER_GUEST_RAM);
    expect(0x9ffff, USER_GUEST_RAM + 0x9ffff);
    expect(GUEST_HIGH_RAM + 5, USER_GUEST_RAM + GUEST_HIGH_RAM + 5);
    expect(USER_END - USER_GUEST_RAM - 1, USER_END - 1);
}

/* USER_END itself is refused by the accessors: nothing of ours or of the device model's own comes up. */
static void nowhere(void **state)
{
    (void)state;
    expect(USER_END - USER_GUEST_RAM, USER_END);
    expect(1ull << 52, USER_END);
    expect(0 - USER_GUEST_RAM, USER_END); /* would wrap to address 0 */
    expect(0 - USER_GUEST_RAM + USER_UPCALL, USER_END);
    expect(UINT64_MAX, USER_END);
}

static void failed_read_is_zeroed(void **state)
{
    (void)state;
    uint8_t buffer[16], zero[16] = {0};
    memset(buffer, 0xee, sizeof buffer);
    result = NR_EFAULT; /* in the middle of the copy */
    assert_int_equal(guest_read(buffer, 0x1000, sizeof buffer), NR_EFAULT);
    assert_memory_equal(buffer, zero, sizeof buffer);
    assert_int_equal(guest_write(0x1000, buffer, sizeof buffer), NR_EFAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guest_part),
        cmocka_unit_test(nowhere),
        cmocka_unit_test(failed_read_is_zeroed),
    };
    return cmocka_run_group_tests_name("guest_memory", tests, NULL, NULL);
}
