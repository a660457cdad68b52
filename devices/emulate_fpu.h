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
    FSW_TOP_SHIFT = 11,
    FSW_TOP_MASK = 7 << FSW_TOP_SHIFT,
    FSW_EXCEPTIONS = 0x3f,
    FSW_CLEARED = 0x80ff, /* by FNCLEX */
    FSW_ES = 1 << 7,
    FSW_BUSY = 1 << 15,
};

/* emulate_sse.c: makes sure that the area holds the part's registers, in their initial state if need be. */
void fpu_open_part(struct emulation *m, unsigned part);
/* Sets TOP of the status word, 0 to 7, and brings the registers into the order that belongs to it. */
void fpu_set_top(struct emulation *m, unsigned top);
