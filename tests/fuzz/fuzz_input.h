/* What libFuzzer gives, taken a few bytes at a time; behind its end all is 0. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *data;
    size_t size;
};

/* The next 1 to 8 bytes as a number, the lowest first. */
static inline uint64_t take(struct input *input, unsigned bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < bytes; i++) {
        value |= input->size ? (uint64_t)*input->data << 8 * i : 0;
        input->data += input->size != 0;
        input->size -= input->size != 0;
    }
    return value;
}
