/*
 * A small printf for both rings, without floating point, allocation or locale (C17, 7.21.6.1, as far as
 * format.h says).
 */
#include <stdbool.h>
#include <stdint.h>
#include "format.h"
#include "string.h"

enum { DIGITS_MAX = 20, PAD_SIZE = 16 }; /* 2^64 - 1 has 20 decimal digits */

struct conversion {
    bool left, zero;
    bool wide;        /* 64-bit argument */
    size_t width;     /* minimum */
    size_t precision; /* maximum for %s */
};

struct output {
    format_sink *sink;
    void *context;
    size_t count;
};

static void output_put(struct output *out, const char *text, size_t length)
{
    if (length > 0) {
        out->sink(out->context, text, length);
        out->count += length;
    }
}

static void output_pad(struct output *out, char with, size_t length)
{
    char pad[PAD_SIZE];

    memset(pad, with, sizeof pad);
    while (length > 0) {
        size_t piece = length < sizeof pad ? length : sizeof pad;
        output_put(out, pad, piece);
        length -= piece;
    }
}

/* A number's sign or prefix, then zeros, then digits; or blanks around all of it. */
static void output_field(struct output *out, const struct conversion *how, const char *prefix,
                         const char *body, size_t length)
{
    size_t prefix_length = strlen(prefix);
    size_t all = prefix_length + length;
    size_t fill = how->width > all ? how->width - all : 0;

    if (!how->left && !how->zero)
        output_pad(out, ' ', fill);
    output_put(out, prefix, prefix_length);
    if (!how->left && how->zero)
        output_pad(out, '0', fill);
    output_put(out, body, length);
    if (how->left)
        output_pad(out, ' ', fill);
}

static void output_number(struct output *out, const struct conversion *how, const char *prefix,
                          uint64_t value, unsigned base, const char *digits)
{
    char text[DIGITS_MAX];
    size_t at = sizeof text;

    do {
        text[--at] = digits[value % base];
        value /= base;
    } while (value != 0);
    output_field(out, how, prefix, text + at, sizeof text - at);
}

static const char *parse_number(const char *at, size_t *value)
{
    for (; *at >= '0' && *at <= '9'; at++)
        *value = *value * 10 + (size_t)(*at - '0');
    return at;
}

/* va_list passed on by reference: a function that takes it by value leaves the caller's undefined. */
struct arguments {
    va_list list;
};

static const char *parse_conversion(const char *at, struct conversion *how, struct arguments *arguments)
{
    for (;; at++)
        if (*at == '-')
            how->left = true;
        else if (*at == '0')
            how->zero = true;
        else
            break;
    if (*at == '*') {
        int width = va_arg(arguments->list, int);
        how->width = width > 0 ? (size_t)width : 0;
        at++;
    } else {
        at = parse_number(at, &how->width);
    }
    how->precision = SIZE_MAX;
    if (*at == '.') {
        at++;
        if (*at == '*') {
            int precision = va_arg(arguments->list, int);
            how->precision = precision >= 0 ? (size_t)precision : SIZE_MAX;
            at++;
        } else {
            how->precision = 0;
            at = parse_number(at, &how->precision);
        }
    }
    while (*at == 'l' || *at == 'z' || *at == 'h') {
        how->wide = *at != 'h';
        at++;
    }
    return at;
}

static uint64_t next_unsigned(struct arguments *arguments, bool wide)
{
    return wide ? va_arg(arguments->list, uint64_t) : va_arg(arguments->list, unsigned);
}

static void convert_signed(struct output *out, const struct conversion *how, struct arguments *arguments)
{
    int64_t value = how->wide ? va_arg(arguments->list, int64_t) : va_arg(arguments->list, int);
    bool negative = value < 0;
    uint64_t magnitude = negative ? 0 - (uint64_t)value : (uint64_t)value;

    output_number(out, how, negative ? "-" : "", magnitude, 10, "0123456789");
}

static void convert_string(struct output *out, struct conversion *how, const char *text)
{
    if (text == NULL)
        text = "(null)";
    how->zero = false;
    output_field(out, how, "", text, strnlen(text, how->precision));
}

/* Writes one conversion that starts after the percent sign; returns where the format goes on. */
static const char *convert(struct output *out, const char *start, struct arguments *arguments)
{
    struct conversion how = {0};
    const char *at = parse_conversion(start, &how, arguments);

    switch (*at) {
    case 's':
        convert_string(out, &how, va_arg(arguments->list, const char *));
        break;
    case 'c': {
        char c = (char)va_arg(arguments->list, int);
        how.zero = false;
        output_field(out, &how, "", &c, 1);
        break;
    }
    case 'd':
    case 'i':
        convert_signed(out, &how, arguments);
        break;
    case 'u':
        output_number(out, &how, "", next_unsigned(arguments, how.wide), 10, "0123456789");
        break;
    case 'x':
        output_number(out, &how, "", next_unsigned(arguments, how.wide), 16, "0123456789abcdef");
        break;
    case 'X':
        output_number(out, &how, "", next_unsigned(arguments, how.wide), 16, "0123456789ABCDEF");
        break;
    case 'p':
        output_number(out, &how, "0x", (uintptr_t)va_arg(arguments->list, void *), 16, "0123456789abcdef");
        break;
    case '%':
        output_put(out, "%", 1);
        break;
    default: /* also the format's end: at then points to its NUL */
        output_put(out, start - 1, (size_t)(at - start) + 1);
        return at;
    }
    return at + 1;
}

size_t format_to_sink(format_sink *sink, void *context, const char *format, va_list list)
{
    struct output out = {.sink = sink, .context = context};
    struct arguments arguments;

    va_copy(arguments.list, list);
    while (*format != '\0') {
        const char *percent = strchr(format, '%');
        if (percent == NULL) {
            output_put(&out, format, strlen(format));
            break;
        }
        output_put(&out, format, (size_t)(percent - format));
        format = convert(&out, percent + 1, &arguments);
    }
    va_end(arguments.list);
    return out.count;
}

struct buffer {
    char *to;
    size_t size, used;
};

static void buffer_sink(void *context, const char *text, size_t length)
{
    struct buffer *buffer = context;
    size_t room = buffer->size - 1 - buffer->used;
    size_t piece = length < room ? length : room;

    memcpy(buffer->to + buffer->used, text, piece);
    buffer->used += piece;
}

size_t format_text_va(char *to, size_t size, const char *format, va_list arguments)
{
    struct buffer buffer = {.to = to, .size = size};

    format_to_sink(buffer_sink, &buffer, format, arguments);
    to[buffer.used] = '\0';
    return buffer.used;
}

size_t format_text(char *to, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    size_t length = format_text_va(to, size, format, arguments);
    va_end(arguments);
    return length;
}
