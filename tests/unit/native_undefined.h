/*
 * What the manuals leave undefined (SDM Vol. 2, instruction pages): two processors may differ there, and so
 * may the emulator. For test_emulate_native.c.
 */
#pragma once

#include "emulate_internal.h"
#include "native_run.h"

/* Status flags that are not defined after this instruction. */
static uint64_t undefined_flags(const struct instruction *in)
{
    unsigned reg = in->modrm >> 3 & 7, op = in->opcode;
    unsigned size = in->operand[0].size;
    uint64_t count = in->operand[1].kind == OPERAND_ONE         ? 1
                     : in->operand[1].kind == OPERAND_IMMEDIATE ? (uint64_t)in->immediate
                                                                : exchange->in[RCX];
    count &= size == 8 ? 63 : 31;
    if (in->map == MAP_ONE_BYTE) {
        if (op == 0x27 || op == 0x2f)
            return FLAG_OF;
        if (op == 0x37 || op == 0x3f)
            return FLAG_OF | FLAG_SF | FLAG_ZF | FLAG_PF;
        if (op == 0xd4 || op == 0xd5)
            return FLAG_OF | FLAG_AF | FLAG_CF;
        if (op < 0x40)
            return (op >> 3 & 7) == 1 || (op >> 3 & 7) == 4 || (op >> 3 & 7) == 6 ? FLAG_AF : 0;
        if (op >= 0x80 && op <= 0x83)
            return reg == 1 || reg == 4 || reg == 6 ? FLAG_AF : 0;
        if (op == 0x84 || op == 0x85 || op == 0xa8 || op == 0xa9)
            return FLAG_AF;
        if ((op & 0xfe) == 0xf6)
            return reg < 2   ? FLAG_AF
                   : reg < 4 ? 0
                   : reg < 6 ? FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF
                             : FLAGS_STATUS;
        if (op == 0x69 || op == 0x6b)
            return FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF;
        if ((op & 0xfe) == 0xc0 || (op & 0xfc) == 0xd0)
            return count == 0 ? 0
                              : (reg < 4 ? 0 : FLAG_AF) | (count != 1 ? FLAG_OF : 0) |
                                    (reg >= 4 && count >= 8 * size ? FLAG_CF : 0);
        return 0;
    }
    if (in->map == MAP_0F && (op == 0xbc || op == 0xbd))
        return FLAGS_STATUS & ~FLAG_ZF;
    if (in->map == MAP_0F && op == 0xaf)
        return FLAG_SF | FLAG_ZF | FLAG_AF | FLAG_PF;
    if (in->map == MAP_0F && (op == 0xa3 || op == 0xab || op == 0xb3 || op == 0xbb || op == 0xba))
        return FLAG_OF | FLAG_SF | FLAG_AF | FLAG_PF;
    if (in->map == MAP_0F && (op == 0xa4 || op == 0xa5 || op == 0xac || op == 0xad)) {
        count = (op & 1 ? exchange->in[RCX] : (uint64_t)in->immediate) & (size == 8 ? 63 : 31);
        return count == 0 ? 0 : FLAG_AF | (count != 1 ? FLAG_OF : 0);
    }
    return 0;
}

/* The result itself is undefined: SHLD and SHRD of 16 bits by more than 16, BSWAP of 16 bits. */
static bool undefined_result(const struct instruction *in)
{
    unsigned op = in->opcode;
    if (in->map != MAP_0F || in->operand_size != 2)
        return false;
    if ((op & 0xf8) == 0xc8)
        return true;
    uint64_t count = (op & 1 ? exchange->in[RCX] : (uint64_t)in->immediate) & 31;
    return (op == 0xa4 || op == 0xa5 || op == 0xac || op == 0xad) && count > 16;
}
