/*
 * Group 7 as far as intercepts lead here, what flushes caches, which guests' memory does not need and devices
 * do not notice, fences, single flags, and the time stamp counter (SDM Vol. 2).
 */
#include "emulate_internal.h"

enum { MODRM_VMCALL = 0xc1, MODRM_XSETBV = 0xd1, MODRM_VMMCALL = 0xd9 };
enum { PREFIX_SELECTS = PREFIX_OPERAND | PREFIX_REP | PREFIX_REPNE };
enum { GROUP15_LFENCE = 5, GROUP15_SFENCE = 7 };
enum { OPCODE_CMC = 0xf5, OPCODE_CLC = 0xf8, OPCODE_STC = 0xf9, OPCODE_CLD = 0xfc };

/* RDTSC and RDTSCP. */
enum outcome emulate_rdtsc(struct emulation *m)
{
    const struct emulator *e = m->emulator;
    uint64_t tsc;

    if (!e->machine->tsc && !emulate_need(m, VCPU_TIME))
        return OUTCOME_UNKNOWN;
    if ((m->state->control.cr4 & CR4_TSD) && m->cpl > 0)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    tsc = e->machine->tsc ? e->machine->tsc(e->context) : __builtin_ia32_rdtsc() + m->state->time.tsc_offset;
    m->state->gpr.reg[RAX] = (uint32_t)tsc;
    m->state->gpr.reg[RDX] = tsc >> 32;
    if (m->in->opcode == 0x01)
        m->state->gpr.reg[RCX] = (uint32_t)m->state->msrs.tsc_aux;
    return OUTCOME_NEXT;
}

/* CMC, CLC, STC, CLD, STD. */
enum outcome emulate_flag(struct emulation *m)
{
    uint64_t *rflags = &m->state->gpr.rflags;

    if (m->in->opcode == OPCODE_CMC)
        *rflags ^= FLAG_CF;
    else if (m->in->opcode == OPCODE_CLC || m->in->opcode == OPCODE_STC)
        *rflags = (*rflags & ~(uint64_t)FLAG_CF) | (m->in->opcode == OPCODE_STC ? FLAG_CF : 0);
    else
        *rflags = (*rflags & ~(uint64_t)FLAG_DF) | (m->in->opcode == OPCODE_CLD ? 0 : FLAG_DF);
    return OUTCOME_NEXT;
}

static enum outcome emulate_hypercall(struct emulation *m)
{
    const struct emulator *e = m->emulator;

    if (!e->machine->hypercall)
        return OUTCOME_UNKNOWN;
    if (m->cpl > 0 || !e->machine->hypercall(e->context, &m->state->gpr.reg[RAX]))
        return emulate_fault(m, EXCEPTION_UD);
    return OUTCOME_NEXT;
}

/* 0F 01: group 7. */
enum outcome emulate_group7(struct emulation *m)
{
    if (m->in->modrm == MODRM_RDTSCP)
        return emulate_rdtsc(m);
    if (m->in->modrm == MODRM_XSETBV)
        return emulate_xsetbv(m);
    if (m->in->modrm == MODRM_VMCALL || m->in->modrm == MODRM_VMMCALL)
        return emulate_hypercall(m);
    bool memory = m->in->operand[0].kind == OPERAND_MEMORY;
    switch (m->in->modrm >> 3 & 7) {
    case 0:
    case 1:
        return memory ? emulate_store_table(m) : OUTCOME_UNKNOWN;
    case 2:
    case 3:
        return memory ? emulate_load_table(m) : OUTCOME_UNKNOWN;
    case 4:
        return emulate_smsw(m);
    case 6:
        return emulate_lmsw(m);
    case 7:
        return memory ? emulate_invlpg(m) : OUTCOME_UNKNOWN;
    default:
        return OUTCOME_UNKNOWN;
    }
}

/* 0F AE: CLFLUSH, CLFLUSHOPT, CLWB and the fences, FXSAVE and its kin; the rest of group 15 is not emulated.
 */
enum outcome emulate_group15(struct emulation *m)
{
    unsigned reg = m->in->modrm >> 3 & 7;
    if (m->in->modrm >= 0xc0)
        return reg >= GROUP15_LFENCE && reg <= GROUP15_SFENCE && !(m->in->prefixes & PREFIX_SELECTS)
                   ? OUTCOME_NEXT
                   : OUTCOME_UNKNOWN;
    if (reg < 4 && m->in->mandatory == 0)
        return emulate_fxsave(m);
    bool flush = reg == 7 || (reg == 6 && m->in->mandatory == 0x66);

    return flush && m->in->operand[0].kind == OPERAND_MEMORY ? OUTCOME_NEXT : OUTCOME_UNKNOWN;
}

/* INVD, WBINVD. */
enum outcome emulate_cache(struct emulation *m)
{
    return m->cpl > 0 ? emulate_fault_code(m, EXCEPTION_GP, 0) : OUTCOME_NEXT;
}
