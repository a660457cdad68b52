/*
 * The freestanding memory and string functions against the C library's, at all small lengths and alignments.
 * The files are compiled here under other names, so that both are at hand.
 *
 * sources:
 */
#define STRING_UNDER_TEST
#define memcpy  our_memcpy
#define memmove our_memmove
#define memset  our_memset
#define memcmp  our_memcmp
#define memchr  our_memchr
#define strlen  our_strlen
#define strnlen our_strnlen
#define strcmp  our_strcmp
#define strncmp our_strncmp
#define strchr  our_strchr
#define strrchr our_strrchr
#include "../../lib/string.c"
#include "../../lib/string_ring3.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef memchr
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strrchr
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

enum { LONGEST = 40, SHIFTS = 9, ROOM = LONGEST + SHIFTS + 16 };

static void fill(uint8_t *bytes, unsigned seed)
{
    for (unsigned i = 0; i < ROOM; i++)
        bytes[i] = (uint8_t)(i * 37 + seed);
}

static void test_memcpy(void **state)
{
    (void)state;
    for (unsigned length = 0; length < LONGEST; length++) {
        for (unsigned to = 0; to < SHIFTS; to++) {
            for (unsigned from = 0; from < SHIFTS; from++) {
                uint8_t source[ROOM], ours[ROOM], expected[ROOM];
                fill(source, 1);
                fill(ours, 99);
                fill(expected, 99);
                for (unsigned i = 0; i < length; i++)
                    expected[to + i] = source[from + i];
                assert_ptr_equal(our_memcpy(ours + to, source + from, length), ours + to);
                assert_memory_equal(ours, expected, ROOM);
            }
        }
    }
}

static void test_memmove(void **state)
{
    (void)state;
    for (unsigned length = 0; length < LONGEST; length++) {
        for (unsigned to = 0; to < 16; to++) {
            for (unsigned from = 0; from < 16; from++) {
                uint8_t ours[ROOM], before[ROOM], expected[ROOM];
                fill(ours, 5);
                fill(before, 5);
                fill(expected, 5);
                for (unsigned i = 0; i < length; i++)
                    expected[to + i] = before[from + i];
                assert_ptr_equal(our_memmove(ours + to, ours + from, length), ours + to);
                assert_memory_equal(ours, expected, ROOM);
            }
        }
    }
}

static void test_memset(void **state)
{
    (void)state;
    for (unsigned length = 0; length < LONGEST; length++) {
        for (unsigned to = 0; to < SHIFTS; to++) {
            uint8_t ours[ROOM], expected[ROOM];
            fill(ours, 7);
            fill(expected, 7);
            for (unsigned i = 0; i < length; i++)
                expected[to + i] = 0xa5;
            assert_ptr_equal(our_memset(ours + to, 0x7a5, length), ours + to);
            assert_memory_equal(ours, expected, ROOM);
        }
    }
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static void test_memcmp(void **state)
{
    (void)state;
    for (unsigned length = 0; length < LONGEST; length++) {
        uint8_t left[ROOM], right[ROOM];
        fill(left, 3);
        fill(right, 3);
        right[length] ^= 0x80; /* behind the end: not looked at */
        assert_int_equal(our_memcmp(left, right, length), 0);
        for (unsigned at = 0; at < length; at++) {
            fill(right, 3);
            right[at] ^= 0x80;
            right[at + 1] = (uint8_t)~right[at + 1];
            assert_int_equal(sign(our_memcmp(left, right, length)), left[at] < right[at] ? -1 : 1);
            assert_int_equal(sign(our_memcmp(right, left, length)), left[at] < right[at] ? 1 : -1);
        }
    }
}

static void test_memchr(void **state)
{
    const char text[] = "abcabc\xff";

    (void)state;
    assert_ptr_equal(our_memchr(text, 'c', 7), text + 2);
    assert_null(our_memchr(text, 'c', 2));
    assert_ptr_equal(our_memchr(text, 0x1ff, 7), text + 6);
    assert_null(our_memchr(text, 'a', 0));
}

static void test_lengths(void **state)
{
    (void)state;
    assert_int_equal(our_strlen(""), 0);
    assert_int_equal(our_strlen("abc"), 3);
    assert_int_equal(our_strnlen("abc", 2), 2);
    assert_int_equal(our_strnlen("abc", 3), 3);
    assert_int_equal(our_strnlen("abc", 9), 3);
}

static void test_comparisons(void **state)
{
    (void)state;
    assert_int_equal(our_strcmp("abc", "abc"), 0);
    assert_true(our_strcmp("abc", "abd") < 0);
    assert_true(our_strcmp("abc", "ab") > 0);
    assert_true(our_strcmp("\xff", "a") > 0);
    assert_int_equal(our_strncmp("abcd", "abxy", 2), 0);
    assert_true(our_strncmp("abcd", "abxy", 3) < 0);
    assert_int_equal(our_strncmp("ab", "ab", 9), 0);
    assert_int_equal(our_strncmp("a", "b", 0), 0);
}

static void test_searches(void **state)
{
    const char text[] = "a:b:c";

    (void)state;
    assert_ptr_equal(our_strchr(text, ':'), text + 1);
    assert_ptr_equal(our_strrchr(text, ':'), text + 3);
    assert_ptr_equal(our_strchr(text, 0), text + 5);
    assert_ptr_equal(our_strrchr(text, 0), text + 5);
    assert_null(our_strchr(text, 'x'));
    assert_null(our_strrchr(text, 'x'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memcpy),      cmocka_unit_test(test_memmove),  cmocka_unit_test(test_memset),
        cmocka_unit_test(test_memcmp),      cmocka_unit_test(test_memchr),   cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_comparisons), cmocka_unit_test(test_searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
