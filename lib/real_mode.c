/*
 * The guest-segment rules of a VM entry without "unrestricted guest" (SDM Vol. 3C, 27.3.1.2 and 27.3.1.4),
 * and what virtual-8086 mode can imitate of real mode (SDM Vol. 3B, 21.2).
 *
 * While a guest goes from real to protected mode it has, for some instructions, segments of the one mode in
 * the other: a selector's privilege level that is no level, a code segment of type data, a limit that the
 * selector does not stand for. That is what these rules find.
 */
#include "real_mode.h"
#include "x86.h"

enum {
    LIMIT_64K = 0xffff,
    REAL_IDT_LIMIT = 0x3ff, /* 256 vectors of four bytes */
    VM86_ATTRIBUTES = SEG_P | SEG_DPL_MASK | SEG_S | 3,
    SELECTOR_RPL = 3,
    SELECTOR_TI = 4,
    TYPE_ACCESSED = 1,
    TYPE_READABLE = 2, /* of code; of data: writable */
    TYPE_CONFORMING = 4,
    TYPE_EXPAND_DOWN = 4,
    TYPE_CODE = 8,
    TYPE_LDT = 2,
    TYPE_TSS_16_BUSY = 3,
    TYPE_TSS_32_BUSY = 11,
    PAGE_MASK = 0xfff,
};

static unsigned type_of(const struct segment *s)
{
    return s->attributes & SEG_TYPE_MASK;
}

static unsigned dpl_of(const struct segment *s)
{
    return (s->attributes & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
}

static unsigned rpl_of(const struct segment *s)
{
    return s->selector & SELECTOR_RPL;
}

static bool is_paragraph(const struct segment *s)
{
    return s->base == (uint64_t)s->selector << 4 && s->limit == LIMIT_64K;
}

/* G scales by 4 KiB: a limit that is not the end of a page has it clear, one above 1 MiB has it set. */
static bool limit_fits_granularity(const struct segment *s)
{
    return s->attributes & SEG_G ? (s->limit & PAGE_MASK) == PAGE_MASK : s->limit >> 20 == 0;
}

/* Virtual-8086 mode knows 16-bit code, a 16-bit stack and segments that grow up, and nothing else. */
static bool real_segments_fit(const struct vcpu_state *state)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++) {
        const struct segment *s = &state->segment[i];
        unsigned type = type_of(s);
        if (!is_paragraph(s) || (!(type & TYPE_CODE) && (type & TYPE_EXPAND_DOWN)))
            return false;
    }
    return !((state->segment[SEG_CS].attributes | state->segment[SEG_SS].attributes) & SEG_DB);
}

static bool vm86_segments_fit(const struct vcpu_state *state)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        if (!is_paragraph(&state->segment[i]) || state->segment[i].attributes != VM86_ATTRIBUTES)
            return false;
    return true;
}

static bool code_fits(const struct segment *cs, unsigned cpl)
{
    bool conforming = type_of(cs) & TYPE_CONFORMING;

    return (cs->attributes & SEG_P) && (cs->attributes & SEG_S) && (type_of(cs) & TYPE_CODE) &&
           (type_of(cs) & TYPE_ACCESSED) && (conforming ? dpl_of(cs) <= cpl : dpl_of(cs) == cpl) &&
           limit_fits_granularity(cs);
}

/* The level of SS is the processor's, whether there is a stack or not. */
static bool stack_fits(const struct segment *ss, const struct segment *cs)
{
    if (rpl_of(ss) != rpl_of(cs) || dpl_of(ss) != rpl_of(ss))
        return false;
    if (!(ss->attributes & SEG_P))
        return true;
    return (ss->attributes & SEG_S) &&
           (type_of(ss) & ~(unsigned)TYPE_EXPAND_DOWN) == (TYPE_READABLE | TYPE_ACCESSED) &&
           limit_fits_granularity(ss);
}

static bool data_fits(const struct segment *s)
{
    bool code = type_of(s) & TYPE_CODE, conforming = code && (type_of(s) & TYPE_CONFORMING);

    if (!(s->attributes & SEG_P))
        return true;
    return (s->attributes & SEG_S) && (type_of(s) & TYPE_ACCESSED) &&
           (!code || (type_of(s) & TYPE_READABLE)) && (conforming || dpl_of(s) >= rpl_of(s)) &&
           limit_fits_granularity(s);
}

static bool task_fits(const struct segment *tr, bool long_mode)
{
    bool busy = type_of(tr) == TYPE_TSS_32_BUSY || (type_of(tr) == TYPE_TSS_16_BUSY && !long_mode);

    return (tr->attributes & SEG_P) && !(tr->attributes & SEG_S) && busy && !(tr->selector & SELECTOR_TI) &&
           limit_fits_granularity(tr);
}

static bool ldt_fits(const struct segment *ldtr)
{
    if (!(ldtr->attributes & SEG_P))
        return true;
    return !(ldtr->attributes & SEG_S) && type_of(ldtr) == TYPE_LDT && !(ldtr->selector & SELECTOR_TI) &&
           limit_fits_granularity(ldtr);
}

bool real_mode_fits(const struct vcpu_state *state)
{
    const struct segment *segment = state->segment;
    bool vm86 = state->gpr.rflags & RFLAGS_VM;

    if (!(state->gpr.rflags & RFLAGS_FIXED) || (state->gpr.rflags & ~RFLAGS_KNOWN))
        return false;
    if (!(state->control.cr0 & CR0_PE))
        return !vm86 && real_segments_fit(state) && state->tables.idtr.base == 0 &&
               state->tables.idtr.limit >= REAL_IDT_LIMIT;
    if (!task_fits(&segment[SEG_TR], state->msrs.efer & EFER_LMA) || !ldt_fits(&segment[SEG_LDTR]))
        return false;
    if (vm86)
        return vm86_segments_fit(state);
    return code_fits(&segment[SEG_CS], dpl_of(&segment[SEG_SS])) &&
           stack_fits(&segment[SEG_SS], &segment[SEG_CS]) && data_fits(&segment[SEG_ES]) &&
           data_fits(&segment[SEG_DS]) && data_fits(&segment[SEG_FS]) && data_fits(&segment[SEG_GS]);
}
