/*
 * The rings between a device model and the service: order, fullness, free-running indices, and indices that
 * the other side has broken.
 *
 * sources:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "ring.h"

enum { SIZE = 8 };

struct fixture {
    uint8_t before[16], bytes[SIZE], after[16];
    uint32_t head, tail;
};

static void test_order(void **state)
{
    struct fixture f = {0};

    (void)state;
    assert_int_equal(ring_get(f.bytes, SIZE, &f.head, &f.tail), -1);
    for (unsigned i = 0; i < SIZE; i++) {
        assert_true(ring_put(f.bytes, SIZE, &f.head, &f.tail, (uint8_t)(i + 200)));
        assert_int_equal(ring_used(SIZE, &f.head, &f.tail), i + 1);
    }
    assert_false(ring_put(f.bytes, SIZE, &f.head, &f.tail, 1));
    for (unsigned i = 0; i < SIZE; i++)
        assert_int_equal(ring_get(f.bytes, SIZE, &f.head, &f.tail), i + 200);
    assert_int_equal(ring_get(f.bytes, SIZE, &f.head, &f.tail), -1);
}

static void test_indices_wrap(void **state)
{
    struct fixture f = {.head = UINT32_MAX - 2, .tail = UINT32_MAX - 2};

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < SIZE; i++)
            assert_true(ring_put(f.bytes, SIZE, &f.head, &f.tail, (uint8_t)i));
        assert_false(ring_put(f.bytes, SIZE, &f.head, &f.tail, 1));
        for (unsigned i = 0; i < SIZE; i++)
            assert_int_equal(ring_get(f.bytes, SIZE, &f.head, &f.tail), i);
    }
}

/* Whatever the indices say, no access leaves the ring, and a reader ends after a ring's worth of bytes once
 * the other side stands still. */
static void test_hostile_indices(void **state)
{
    static const uint32_t wrong[] = {0,          1,          SIZE,       SIZE + 1,  1000,
                                     0x7fffffff, 0x80000000, 0xfffffff0, UINT32_MAX};

    (void)state;
    for (unsigned h = 0; h < sizeof wrong / sizeof wrong[0]; h++) {
        for (unsigned t = 0; t < sizeof wrong / sizeof wrong[0]; t++) {
            struct fixture f = {.head = wrong[h], .tail = wrong[t]};
            assert_true(ring_used(SIZE, &f.head, &f.tail) <= SIZE);
            ring_put(f.bytes, SIZE, &f.head, &f.tail, 0xaa);
            ring_get(f.bytes, SIZE, &f.head, &f.tail);
            for (unsigned i = 0; i < SIZE && ring_get(f.bytes, SIZE, &f.head, &f.tail) >= 0; i++)
                ;
            assert_int_equal(ring_get(f.bytes, SIZE, &f.head, &f.tail), -1);
            for (unsigned i = 0; i < 16; i++) {
                assert_int_equal(f.before[i], 0);
                assert_int_equal(f.after[i], 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_indices_wrap),
        cmocka_unit_test(test_hostile_indices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
