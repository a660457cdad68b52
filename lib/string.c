/*
 * Memory and string functions without a C library (C17, 7.24).
 *
 * Copies use the string instructions on quadwords: an emulator counts each iteration as an instruction, and
 * real processors run them in microcode at full width. The last, partial quadword is one overlapping access
 * and not a loop of bytes. Backward copies are a loop, so that the direction flag is never set.
 *
 * Hosted builds take the C library's functions; the unit test compiles this file under other names.
 */
#include <stdint.h>
#include "string.h"

#if !__STDC_HOSTED__ || defined(STRING_UNDER_TEST)

/* GCC would recognise the loops below as the functions that they are and call itself. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

enum { QUADWORD = 8 };

/* Unaligned accesses of fixed width, free of the aliasing rules. */
struct __attribute__((packed, may_alias)) unaligned64 {
    uint64_t value;
};
struct __attribute__((packed, may_alias)) unaligned32 {
    uint32_t value;
};
struct __attribute__((packed, may_alias)) unaligned16 {
    uint16_t value;
};

static inline uint64_t load64(const void *from)
{
    return ((const struct unaligned64 *)from)->value;
}

static inline void store64(void *to, uint64_t value)
{
    ((struct unaligned64 *)to)->value = value;
}

/* Fewer than 8 bytes: two overlapping accesses, both loaded before either is stored. */
static void copy_short(uint8_t *to, const uint8_t *from, size_t length)
{
    if (length >= 4) {
        uint32_t first = ((const struct unaligned32 *)from)->value;
        uint32_t last = ((const struct unaligned32 *)(from + length - 4))->value;
        ((struct unaligned32 *)to)->value = first;
        ((struct unaligned32 *)(to + length - 4))->value = last;
    } else if (length >= 2) {
        uint16_t first = ((const struct unaligned16 *)from)->value;
        uint16_t last = ((const struct unaligned16 *)(from + length - 2))->value;
        ((struct unaligned16 *)to)->value = first;
        ((struct unaligned16 *)(to + length - 2))->value = last;
    } else if (length == 1) {
        *to = *from;
    }
}

/* Right also for overlapping areas when to lies below from. */
static void copy_forward(uint8_t *to, const uint8_t *from, size_t length)
{
    uint64_t last = load64(from + length - QUADWORD);
    uint8_t *end = to + length;
    size_t count = length / QUADWORD;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    store64(end - QUADWORD, last);
}

void *memcpy(void *restrict to, const void *restrict from, size_t length)
{
    if (length < QUADWORD)
        copy_short(to, from, length);
    else
        copy_forward(to, from, length);
    return to;
}

void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    if (length < QUADWORD) {
        copy_short(out, in, length);
    } else if ((uintptr_t)out - (uintptr_t)in >= length) {
        copy_forward(out, in, length);
    } else {
        uint64_t first = load64(in);
        while (length > QUADWORD) {
            length -= QUADWORD;
            store64(out + length, load64(in + length));
        }
        store64(out, first);
    }
    return to;
}

void *memset(void *to, int value, size_t length)
{
    uint8_t *out = to;
    uint64_t pattern = (uint8_t)value * UINT64_C(0x0101010101010101);

    if (length < QUADWORD) {
        for (size_t i = 0; i < length; i++)
            out[i] = (uint8_t)value;
    } else {
        uint8_t *last = out + length - QUADWORD;
        size_t count = length / QUADWORD;
        __asm__ volatile("rep stosq" : "+D"(out), "+c"(count) : "a"(pattern) : "memory");
        store64(last, pattern);
    }
    return to;
}

int memcmp(const void *left, const void *right, size_t length)
{
    const uint8_t *a = left, *b = right;

    while (length >= QUADWORD && load64(a) == load64(b)) {
        a += QUADWORD;
        b += QUADWORD;
        length -= QUADWORD;
    }
    for (; length > 0; length--, a++, b++)
        if (*a != *b)
            return *a < *b ? -1 : 1;
    return 0;
}

void *memchr(const void *memory, int value, size_t length)
{
    const uint8_t *byte = memory;

    for (; length > 0; length--, byte++)
        if (*byte == (uint8_t)value)
            return (void *)byte;
    return NULL;
}

size_t strlen(const char *text)
{
    const char *end = text;

    while (*end != '\0')
        end++;
    return (size_t)(end - text);
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *left, const char *right)
{
    while (*left != '\0' && *left == *right) {
        left++;
        right++;
    }
    return (uint8_t)*left - (uint8_t)*right;
}

int strncmp(const char *left, const char *right, size_t limit)
{
    for (; limit > 0; limit--, left++, right++)
        if (*left != *right || *left == '\0')
            return (uint8_t)*left - (uint8_t)*right;
    return 0;
}

char *strchr(const char *text, int c)
{
    for (;; text++) {
        if (*text == (char)c)
            return (char *)text;
        if (*text == '\0')
            return NULL;
    }
}

char *strrchr(const char *text, int c)
{
    const char *found = NULL;

    for (;; text++) {
        if (*text == (char)c)
            found = text;
        if (*text == '\0')
            return (char *)found;
    }
}

#endif
