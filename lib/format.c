/*
 * A small printf for both rings, without floating point, allocation or locale (C17, 7.21.6.1, as far as
 * format.h says).
 */
#include <stdbool.h>
#include <stdint.h>
#include "format.h"
#include "string.h"

enum { DIGITS_MAX = 20 }; /* of 2^64 - 1 */

struct output {
    char *to;
    size_t size, used; /* without the NUL */
};

static void output_put(struct output *out, char c, size_t count)
{
    for (; count > 0 && out->used < out->size; count--)
        out->to[out->used++] = c;
}

/* A width or a precision: digits, or * for the next argument. Negative ones come out as very large. */
static size_t parse_number(const char **at, va_list *arguments)
{
    size_t value = 0;

    if (**at == '*') {
        (*at)++;
        return (size_t)va_arg(*arguments, int);
    }
    for (; **at >= '0' && **at <= '9'; (*at)++)
        value = value * 10 + (size_t)(**at - '0');
    return value;
}

/* The digits of a number at the end of a buffer; returns how many. */
static size_t format_digits(char buffer[DIGITS_MAX], uint64_t value, unsigned base)
{
    size_t at = DIGITS_MAX;

    do {
        buffer[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    return DIGITS_MAX - at;
}

/* Writes one conversion that starts after the percent sign; returns where the format goes on. */
static const char *convert(struct output *out, const char *start, va_list *arguments)
{
    char buffer[DIGITS_MAX];
    const char *at = start, *body = buffer;
    bool left = false, zero = false, wide = false, negative = false;
    size_t length = 1, precision = SIZE_MAX;
    uint64_t value;

    for (; *at == '-' || *at == '0'; at++) {
        left = left || *at == '-';
        zero = zero || *at == '0';
    }
    size_t width = parse_number(&at, arguments);
    if (*at == '.') {
        at++;
        precision = parse_number(&at, arguments);
    }
    for (; *at == 'l' || *at == 'z'; at++)
        wide = true;
    switch (*at) {
    case 's':
        body = va_arg(*arguments, const char *);
        body = body != NULL ? body : "(null)";
        for (length = 0; length < precision && body[length] != '\0';)
            length++;
        break;
    case 'c':
        buffer[0] = (char)va_arg(*arguments, int);
        break;
    case 'd':
        value = (uint64_t)(wide ? va_arg(*arguments, int64_t) : va_arg(*arguments, int));
        negative = (int64_t)value < 0;
        length = format_digits(buffer, negative ? 0 - value : value, 10);
        body = buffer + DIGITS_MAX - length;
        break;
    case 'u':
    case 'x':
        value = wide ? va_arg(*arguments, uint64_t) : va_arg(*arguments, unsigned);
        length = format_digits(buffer, value, *at == 'u' ? 10 : 16);
        body = buffer + DIGITS_MAX - length;
        break;
    case '%':
        body = "%";
        break;
    default: /* unknown, or the format's end: as it stands */
        for (const char *c = start - 1; c < at; c++)
            output_put(out, *c, 1);
        return at;
    }
    size_t fill = width > length + negative ? width - length - negative : 0;
    zero = zero && !left && *at != 's' && *at != 'c';
    output_put(out, ' ', left || zero ? 0 : fill);
    output_put(out, '-', negative);
    output_put(out, '0', zero ? fill : 0);
    for (size_t i = 0; i < length; i++)
        output_put(out, body[i], 1);
    output_put(out, ' ', left ? fill : 0);
    return at + 1;
}

size_t format_text_va(char *to, size_t size, const char *format, va_list arguments)
{
    struct output out = {.to = to, .size = size - 1};
    va_list list;

    va_copy(list, arguments);
    while (*format != '\0')
        if (*format == '%')
            format = convert(&out, format + 1, &list);
        else
            output_put(&out, *format++, 1);
    va_end(list);
    to[out.used] = '\0';
    return out.used;
}

size_t format_text(char *to, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    size_t length = format_text_va(to, size, format, arguments);
    va_end(arguments);
    return length;
}
