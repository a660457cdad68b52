/*
 * What the rules ask of a state, in the manuals' words.
 */
#pragma once

#include <stdbool.h>
#include "vcpu_state.h"
#include "x86.h"

enum { TYPE_CODE = 8, TSS_32_BUSY = 0xb, TSS_16_BUSY = 3, LDT = 2 };

static inline bool implies(bool condition, bool consequence)
{
    return !condition || consequence;
}

static inline bool paging(const struct vcpu_state *s)
{
    return s->control.cr0 & CR0_PG;
}

static inline bool protected_mode(const struct vcpu_state *s)
{
    return s->control.cr0 & CR0_PE;
}

static inline bool long_active(const struct vcpu_state *s)
{
    return paging(s) && (s->msrs.efer & EFER_LME);
}

static inline bool vm86(const struct vcpu_state *s)
{
    return s->gpr.rflags & RFLAGS_VM;
}

static inline unsigned type_of(const struct segment *s)
{
    return s->attributes & SEG_TYPE_MASK;
}

static inline unsigned dpl_of(const struct segment *s)
{
    return (s->attributes & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
}
