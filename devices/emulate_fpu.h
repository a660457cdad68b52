/*
 * The vCPU's XSAVE area as x87, MMX and SSE instructions see it (SDM Vol. 1, 13.4; the first 512 bytes: table
 * 10-2). A part whose bit in XSTATE_BV is clear is in its initial state, whatever its bytes are.
 */
#pragma once

#include "emulate_internal.h"

enum {
    XSAVE_FCW = 0,
    XSAVE_FSW = 2,
    XSAVE_FTW = 4, /* one bit a register: not empty */
    XSAVE_FOP = 6,
    XSAVE_FIP = 8,
    XSAVE_FCS = 12,
    XSAVE_FDP = 16,
    XSAVE_FDS = 20,
    XSAVE_MXCSR = 24,
    XSAVE_MXCSR_MASK = 28,
    XSAVE_ST = 32, /* 16 bytes each, the 80-bit value first */
    XSAVE_XMM = 160,
    XSAVE_LEGACY_END = 416,
    XSAVE_XSTATE_BV = 512,
    XSTATE_X87 = 1 << 0,
    XSTATE_SSE = 1 << 1,
    FCW_INITIAL = 0x37f,
    FCW_MASKS = 0x3f,
    FCW_RC_SHIFT = 10, /* rounding control, two bits */
    FSW_IE = 1 << 0,
    FSW_DE = 1 << 1,
    FSW_OE = 1 << 3,
    FSW_UE = 1 << 4,
    FSW_PE = 1 << 5,
    FSW_SF = 1 << 6,
    FSW_C1 = 1 << 9,
    FSW_TOP_SHIFT = 11,
    FSW_TOP_MASK = 7 << FSW_TOP_SHIFT,
    FSW_EXCEPTIONS = 0x3f,
    FSW_CLEARED = 0x80ff, /* by FNCLEX */
    FSW_ES = 1 << 7,
    FSW_BUSY = 1 << 15,
};

static inline uint16_t fpu_get16(const struct emulation *m, unsigned at)
{
    uint16_t value;
    __builtin_memcpy(&value, m->state->fpu.xsave + at, sizeof(value));
    return value;
}

static inline void fpu_put(struct emulation *m, unsigned at, uint32_t value, unsigned size)
{
    __builtin_memcpy(m->state->fpu.xsave + at, &value, size);
}

static inline unsigned fpu_top(const struct emulation *m)
{
    return (fpu_get16(m, XSAVE_FSW) & FSW_TOP_MASK) >> FSW_TOP_SHIFT;
}

/* emulate_x87.c: ES and B follow from what is pending and not masked. */
void fpu_update_summary(struct emulation *m);
/* emulate_x87_move.c: whether this is a load or store of a number, and it. Opcode and ModRM.reg in one
 * number. */
bool x87_is_move(unsigned which);
enum outcome x87_move(struct emulation *m, unsigned which);

/* emulate_sse.c: makes sure that the area holds the part's registers, in their initial state if need be. */
void fpu_open_part(struct emulation *m, unsigned part);
/* Sets TOP of the status word, 0 to 7, and brings the registers into the order that belongs to it. */
void fpu_set_top(struct emulation *m, unsigned top);
