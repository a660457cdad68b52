/*
 * The flags register: CLI, STI, PUSHF, POPF, LAHF, SAHF, and who may change what (SDM Vol. 2, tables of POPF
 * and CLI).
 *
 * Virtual-8086 mode extensions and protected-mode virtual interrupts (CR4.VME, CR4.PVI) are not emulated.
 */
#include "emulate_transfer.h"

enum { FLAGS_LAHF = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF, FLAGS_ONE = 2 };

unsigned emulate_iopl(const struct emulation *m)
{
    return m->state->gpr.rflags >> FLAG_IOPL_SHIFT & 3;
}

/* Whether IOPL forbids what touches IF, or who would have a say besides it. */
static enum outcome check_iopl(struct emulation *m)
{
    uint64_t virtual_interrupts = m->state->gpr.rflags & FLAG_VM ? CR4_VME : CR4_PVI;

    if (!(m->state->control.cr0 & CR0_PE) || m->cpl <= emulate_iopl(m))
        return OUTCOME_NEXT;
    if ((m->state->control.cr4 & virtual_interrupts) && m->cpl == 3)
        return OUTCOME_UNKNOWN;
    return emulate_fault_code(m, EXCEPTION_GP, 0);
}

enum outcome emulate_check_vm86(struct emulation *m)
{
    return m->state->gpr.rflags & FLAG_VM ? check_iopl(m) : OUTCOME_NEXT;
}

enum outcome emulate_cli(struct emulation *m)
{
    enum outcome outcome = check_iopl(m);

    if (outcome == OUTCOME_NEXT)
        m->state->gpr.rflags &= ~(uint64_t)FLAG_IF;
    return outcome;
}

/* No interrupt before the next instruction has ended, if they were off. */
enum outcome emulate_sti(struct emulation *m)
{
    enum outcome outcome = check_iopl(m);

    if (outcome != OUTCOME_NEXT || (m->state->gpr.rflags & FLAG_IF))
        return outcome;
    if (!emulate_need(m, VCPU_INTERRUPTS))
        return OUTCOME_UNKNOWN;
    m->state->gpr.rflags |= FLAG_IF;
    set_shadow(m, SHADOW_STI);
    return OUTCOME_NEXT;
}

/* VM and RF are pushed as 0. */
enum outcome emulate_push_flags(struct emulation *m)
{
    uint64_t flags = m->state->gpr.rflags & ~(uint64_t)(FLAG_VM | FLAG_RF);
    struct place place;
    uint64_t rsp;
    enum outcome outcome = emulate_check_vm86(m);

    if (outcome == OUTCOME_NEXT)
        outcome = emulate_place_push(m, &place, m->in->operand_size, &rsp);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    place_store(m, &place, flags);
    gpr_write(m, RSP, emulate_stack_size(m), rsp);
    return OUTCOME_NEXT;
}

uint64_t emulate_flags_changeable(const struct emulation *m, unsigned size)
{
    uint64_t mask = FLAGS_STATUS | FLAG_TF | FLAG_DF | FLAG_NT | FLAG_AC | FLAG_ID;

    if (m->cpl == 0)
        mask |= 3 << FLAG_IOPL_SHIFT;
    if (m->cpl <= emulate_iopl(m))
        mask |= FLAG_IF;
    return mask & size_mask(size);
}

enum outcome emulate_pop_flags(struct emulation *m)
{
    unsigned size = m->in->operand_size, width = emulate_stack_size(m);
    struct place place;
    enum outcome outcome = emulate_check_vm86(m);

    if (outcome == OUTCOME_NEXT)
        outcome = emulate_place(m, &place, SEG_SS, gpr_read(m, RSP, width), size, INTENT_READ);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    set_flags(m, emulate_flags_changeable(m, size), place_load(m, &place));
    gpr_write(m, RSP, width, gpr_read(m, RSP, width) + size);
    return OUTCOME_NEXT;
}

/* 9E and 9F. */
enum outcome emulate_ah_flags(struct emulation *m)
{
    uint64_t *rax = &m->state->gpr.reg[RAX];

    if (m->in->opcode == 0x9e)
        set_flags(m, FLAGS_LAHF, *rax >> 8);
    else
        *rax = (*rax & ~0xff00ull) | ((m->state->gpr.rflags & FLAGS_LAHF) | FLAGS_ONE) << 8;
    return OUTCOME_NEXT;
}
