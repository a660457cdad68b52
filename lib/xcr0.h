/*
 * Which components of XCR0 go together (SDM Vol. 1, 13.3). The entry rules ask it, and the emulator for
 * XSETBV.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "x86.h"

#define XCR0_MPX    0x18ull /* BNDREGS, BNDCSR */
#define XCR0_AVX512 0xe0ull /* opmask, ZMM_Hi256, Hi16_ZMM */

/* x87 always, AVX needs SSE, MPX and AVX-512 come whole, AVX-512 needs AVX. */
static inline bool xcr0_goes_together(uint64_t xcr0)
{
    uint64_t avx512 = xcr0 & XCR0_AVX512, mpx = xcr0 & XCR0_MPX;
    return (xcr0 & XCR0_X87) && (!(xcr0 & XCR0_AVX) || (xcr0 & XCR0_SSE)) &&
           (!avx512 || (avx512 == XCR0_AVX512 && (xcr0 & XCR0_AVX))) && (!mpx || mpx == XCR0_MPX);
}
