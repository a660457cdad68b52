/*
 * Status flags of arithmetic (SDM Vol. 1, 3.4.3.1). Operands and results are already cut to `size` bytes.
 */
#pragma once

#include "emulate_internal.h"

/* SF, ZF and PF, which depend on the result alone. PF is the parity of the low byte. */
static inline uint64_t flags_of_result(uint64_t result, unsigned size)
{
    uint64_t flags = result & sign_bit(size) ? FLAG_SF : 0;
    uint8_t parity = result ^ result >> 4;

    if (result == 0)
        flags |= FLAG_ZF;
    /* Bit n of 0x6996 is the parity of n. */
    if (!(0x6996 >> (parity & 0xf) & 1))
        flags |= FLAG_PF;
    return flags;
}

/* result = left + right (+ carry). A carry out of a bit is where two of the three agree that there is one. */
static inline uint64_t flags_of_add(uint64_t left, uint64_t right, uint64_t result, unsigned size)
{
    uint64_t carries = (left & right) | ((left | right) & ~result);
    uint64_t overflow = (left ^ result) & (right ^ result);

    return flags_of_result(result, size) | (carries & sign_bit(size) ? FLAG_CF : 0) |
           (carries & 8 ? FLAG_AF : 0) | (overflow & sign_bit(size) ? FLAG_OF : 0);
}

/* result = left - right (- borrow). */
static inline uint64_t flags_of_subtract(uint64_t left, uint64_t right, uint64_t result, unsigned size)
{
    uint64_t borrows = (~left & right) | ((~left | right) & result);
    uint64_t overflow = (left ^ right) & (left ^ result);

    return flags_of_result(result, size) | (borrows & sign_bit(size) ? FLAG_CF : 0) |
           (borrows & 8 ? FLAG_AF : 0) | (overflow & sign_bit(size) ? FLAG_OF : 0);
}
