/*
 * Formatted text for both rings: a small printf without floating point.
 *
 * Conversions: %s %c %d %i %u %x %X %p %%, with the flags '-' and '0', a width (or *), a precision for %s (or
 * *), and the lengths l, ll, z (64 bits), h, hh (as int). An unknown conversion is copied as it stands.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Takes the text piece by piece; pieces are not NUL-terminated. */
typedef void format_sink(void *context, const char *text, size_t length);

/* Formats into a buffer of size > 0 bytes. The text is cut if it does not fit and always NUL-terminated.
 * Returns the number of characters in the buffer, without the NUL. */
size_t format_text(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t format_text_va(char *to, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

/* Formats into a sink; returns the number of characters. */
size_t format_to_sink(format_sink *sink, void *context, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
