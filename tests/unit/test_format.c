/*
 * The small printf against the C library's, and what it does where that one is silent.
 *
 * sources: lib/format.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "format.h"

#define SAME(...)                                                                                            \
    do {                                                                                                     \
        char ours[200], expected[200];                                                                       \
        size_t length = format_text(ours, sizeof ours, __VA_ARGS__);                                         \
        assert_int_equal(length, snprintf(expected, sizeof expected, __VA_ARGS__));                          \
        assert_string_equal(ours, expected);                                                                 \
    } while (0)

static void test_text(void **state)
{
    (void)state;
    SAME("plain");
    SAME("100%%");
    SAME("%s", "abc");
    SAME("[%s] [%8s] [%-8s] [%2s]", "abc", "abc", "abc", "abc");
    SAME("[%.2s] [%8.2s] [%.0s] [%.9s]", "abc", "abc", "abc", "abc");
    SAME("[%.*s] [%*s] [%-*s]", 2, "abc", 6, "abc", 6, "abc");
    SAME("[%.*s]", -1, "abc");
    SAME("%c%c [%4c] [%-4c]", 'x', 'y', 'z', 'z');
}

static void test_numbers(void **state)
{
    (void)state;
    SAME("%d %d %d %d", 0, 1, -1, 42);
    SAME("%d %d", INT32_MIN, INT32_MAX);
    SAME("%u %u", 0u, UINT32_MAX);
    SAME("%x %x", 0xdeadbeefu, 0u);
    SAME("%lu %lx %ld", UINT64_MAX, UINT64_MAX, INT64_MIN);
    SAME("%llu %llx", 1ull << 63, 1ull << 63);
    SAME("%zu", (size_t)123456789012);
    SAME("[%8d] [%-8d] [%08d] [%08d]", -42, -42, -42, 42);
    SAME("[%2x] [%8x] [%08x] [%016lx]", 0xabcdu, 0xabcdu, 0xabcdu, 0xabcdul);
    SAME("[%*u] [%0*u]", 9, 77u, 9, 77u);
    SAME("%20u|%40u", 5u, 5u);
}

static void test_truncation(void **state)
{
    char text[8] = "#######";

    (void)state;
    assert_int_equal(format_text(text, 5, "%s", "abcdefgh"), 4);
    assert_string_equal(text, "abcd");
    assert_int_equal(text[5], '#');
    assert_int_equal(format_text(text, 1, "%d", 12345), 0);
    assert_string_equal(text, "");
    assert_int_equal(format_text(text, 8, "%7u", 1u), 7);
    assert_string_equal(text, "      1");
}

__attribute__((format(printf, 2, 0))) static size_t format_unchecked(char *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    size_t length = format_text_va(text, 64, format, arguments);
    va_end(arguments);
    return length;
}

static void test_odd_formats(void **state)
{
    const char *volatile null = NULL;
    const char *volatile unknown = "a %q b";
    const char *volatile cut = "a %";
    const char *volatile cut_width = "a %-08l";
    char text[64];

    (void)state;
    format_unchecked(text, "%s", null);
    assert_string_equal(text, "(null)");
    format_unchecked(text, unknown, 1);
    assert_string_equal(text, "a %q b");
    format_unchecked(text, cut, 1);
    assert_string_equal(text, "a %");
    format_unchecked(text, cut_width, 1);
    assert_string_equal(text, "a %-08l");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_odd_formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
