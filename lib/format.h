/*
 * Formatted text for both rings: a small printf without floating point.
 *
 * Conversions: %s %c %d %u %x %%, with the flags '-' and '0', a width (or *, not negative), a precision for
 * %s (or *), and the lengths l, ll, z (64 bits). An unknown conversion is copied as it stands.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Formats into a buffer of size > 0 bytes. The text is cut if it does not fit and always NUL-terminated.
 * Returns the number of characters in the buffer, without the NUL. */
size_t format_text(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t format_text_va(char *to, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
