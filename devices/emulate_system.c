/*
 * Group 7 as far as intercepts lead here, and what flushes caches, which guests' memory does not need and
 * devices do not notice (SDM Vol. 2).
 */
#include "emulate_internal.h"

enum { MODRM_XSETBV = 0xd1 };

/* 0F 01: group 7. */
enum outcome emulate_group7(struct emulation *m)
{
    if (m->in.modrm == MODRM_XSETBV)
        return emulate_xsetbv(m);
    switch (m->in.modrm >> 3 & 7) {
    case 4:
        return emulate_smsw(m);
    case 6:
        return emulate_lmsw(m);
    default:
        return OUTCOME_UNKNOWN;
    }
}

/* 0F AE: CLFLUSH, CLFLUSHOPT and CLWB; the rest of group 15 is not emulated. */
enum outcome emulate_group15(struct emulation *m)
{
    unsigned reg = m->in.modrm >> 3 & 7;
    bool flush = reg == 7 || (reg == 6 && m->in.mandatory == 0x66);

    return flush && m->in.operand[0].kind == OPERAND_MEMORY ? OUTCOME_NEXT : OUTCOME_UNKNOWN;
}

/* INVD, WBINVD. */
enum outcome emulate_cache(struct emulation *m)
{
    return m->cpl > 0 ? emulate_fault_code(m, EXCEPTION_GP, 0) : OUTCOME_NEXT;
}
