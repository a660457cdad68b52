/*
 * SMSW and LMSW, whose memory forms an intercept of CR0 leaves to us (SDM Vol. 2), and cache line flushes,
 * which devices do not notice.
 */
#include "emulate_internal.h"

enum { MSW_WRITABLE = CR0_MP | CR0_EM | CR0_TS };

static enum outcome store_msw(struct emulation *m)
{
    if ((m->state->control.cr4 & CR4_UMIP) && m->cpl > 0)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    operand_write(m, 0, m->state->control.cr0);
    return OUTCOME_NEXT;
}

/* LMSW can set PE and not clear it. */
static enum outcome load_msw(struct emulation *m)
{
    struct vcpu_control *control = &m->state->control;

    if (m->cpl > 0)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    uint64_t value = operand_read(m, 0);
    control->cr0 = (control->cr0 & ~(uint64_t)MSW_WRITABLE) | (value & (MSW_WRITABLE | CR0_PE));
    m->emulator->modified |= VCPU_CONTROL;
    return OUTCOME_NEXT;
}

/* 0F 01: group 7. */
enum outcome emulate_group7(struct emulation *m)
{
    switch (m->in.modrm >> 3 & 7) {
    case 4:
        return store_msw(m);
    case 6:
        return load_msw(m);
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
