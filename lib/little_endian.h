/* Loads and stores of little-endian values at any alignment: file formats, boot tables. */
#pragma once

#include <stdint.h>

static inline uint16_t load16(const void *from)
{
    const uint8_t *byte = from;
    return (uint16_t)(byte[0] | byte[1] << 8);
}

static inline uint32_t load32(const void *from)
{
    const uint8_t *byte = from;
    return load16(byte) | (uint32_t)load16(byte + 2) << 16;
}

static inline uint64_t load64(const void *from)
{
    const uint8_t *byte = from;
    return load32(byte) | (uint64_t)load32(byte + 4) << 32;
}

static inline void store16(void *to, uint16_t value)
{
    uint8_t *byte = to;
    byte[0] = (uint8_t)value;
    byte[1] = (uint8_t)(value >> 8);
}

static inline void store32(void *to, uint32_t value)
{
    uint8_t *byte = to;
    store16(byte, (uint16_t)value);
    store16(byte + 2, (uint16_t)(value >> 16));
}

static inline void store64(void *to, uint64_t value)
{
    uint8_t *byte = to;
    store32(byte, (uint32_t)value);
    store32(byte + 4, (uint32_t)(value >> 32));
}
