/*
 * Memory and string functions without a C library (C17, 7.24): those that ring 0 uses, too. The others are in
 * lib/string_ring3.c.
 *
 * Copies use the string instructions on quadwords: an emulator counts each iteration as an instruction, and
 * real processors run them in microcode at full width.
 *
 * Hosted builds take the C library's functions; the unit test compiles this file under other names.
 */
#include <stdint.h>
#include "string.h"

#if !__STDC_HOSTED__ || defined(STRING_UNDER_TEST)

/* GCC would recognise the loops below as the functions that they are and call itself. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    void *out = to;
    size_t count = length / 8;
    __asm__ volatile("rep movsq" : "+D"(out), "+S"(from), "+c"(count) : : "memory");
    count = length % 8;
    __asm__ volatile("rep movsb" : "+D"(out), "+S"(from), "+c"(count) : : "memory");
    return to;
}

void *memset(void *to, int value, size_t length)
{
    void *out = to;
    uint64_t pattern = (uint8_t)value * UINT64_C(0x0101010101010101);
    size_t count = length / 8;
    __asm__ volatile("rep stosq" : "+D"(out), "+c"(count) : "a"(pattern) : "memory");
    count = length % 8;
    __asm__ volatile("rep stosb" : "+D"(out), "+c"(count) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *left, const void *right, size_t length)
{
    const uint8_t *a = left, *b = right;

    for (; length > 0; length--, a++, b++)
        if (*a != *b)
            return *a < *b ? -1 : 1;
    return 0;
}

int strncmp(const char *left, const char *right, size_t limit)
{
    for (; limit > 0; limit--, left++, right++)
        if (*left != *right || *left == '\0')
            return (uint8_t)*left - (uint8_t)*right;
    return 0;
}

#endif
