/*
 * The memory and string functions that only ring 3 uses (C17, 7.24), libfdt's needs among them. Rules as in
 * lib/string.c.
 */
#include <stdint.h>
#include "string.h"

#if !__STDC_HOSTED__ || defined(STRING_UNDER_TEST)

#pragma GCC optimize("no-tree-loop-distribute-patterns")

void *memmove(void *to, const void *from, size_t length)
{
    uint8_t *out = to;
    const uint8_t *in = from;

    if ((uintptr_t)out - (uintptr_t)in >= length)
        __asm__ volatile("rep movsb" : "+D"(out), "+S"(in), "+c"(length) : : "memory");
    while (length > 0) { /* backward without the direction flag */
        length--;
        out[length] = in[length];
    }
    return to;
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
    return strncmp(left, right, SIZE_MAX);
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
