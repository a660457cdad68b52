/*
 * Memory and string functions of the freestanding programs (monitor, device model, service), as in C17, 7.24.
 * GCC may call the first four on its own. Hosted programs get the C library's.
 */
#if __STDC_HOSTED__
/* No guard here: found beside a file of lib/ first, the next header is this one again. */
#include_next <string.h>
#else
#pragma once
#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *left, const void *right, size_t length);
void *memchr(const void *memory, int value, size_t length);

size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *left, const char *right);
int strncmp(const char *left, const char *right, size_t limit);
char *strchr(const char *text, int c);
char *strrchr(const char *text, int c);
#endif
