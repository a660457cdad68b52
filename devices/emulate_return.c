/*
 * Far RET and IRET: back to the same or an outer privilege level, to virtual-8086 mode, or to the task before
 * (SDM Vol. 2, RET and IRET; Vol. 3A, 5.8.6 and 21.2.2).
 */
#include "emulate_transfer.h"

/* RIP, CS, and for IRET the flags, as they were on the stack. */
struct return_frame {
    uint64_t rip, cs, flags;
    unsigned size;
    uint16_t released; /* bytes of parameters, on both stacks */
    bool interrupt;    /* IRET */
};

/* Bits that an IRET leaves alone in real and virtual-8086 mode, whatever it pops. */
#define FLAGS_VIRTUAL (3ull << 19)

static void set_return_flags(struct emulation *m, const struct return_frame *frame, uint64_t mask)
{
    set_flags(m, (mask | FLAG_RF) & size_mask(frame->size), frame->flags);
    m->keeps_rf = true;
}

/* The handler of an NMI ends. */
static void unblock_nmi(struct emulation *m)
{
    m->state->interrupts.nmi_blocked = 0;
    m->emulator->modified |= VCPU_INTERRUPTS;
}

static enum outcome return_real(struct emulation *m, const struct return_frame *frame)
{
    segment_load_real(m, SEG_CS, (uint16_t)frame->cs);
    if (frame->rip > m->state->segment[SEG_CS].limit)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    m->state->gpr.rip = frame->rip;
    gpr_write(m, RSP, emulate_stack_size(m), gpr_read(m, RSP, emulate_stack_size(m)) + frame->released);
    if (frame->interrupt)
        set_return_flags(m, frame, emulate_flags_changeable(m, frame->size));
    return OUTCOME_BRANCH;
}

/* Segments that the outer level may not see become null. */
static void drop_inner_segments(struct emulation *m)
{
    static const uint8_t names[] = {SEG_ES, SEG_FS, SEG_GS, SEG_DS};

    for (unsigned i = 0; i < sizeof(names); i++) {
        const struct segment *s = &m->state->segment[names[i]];
        bool conforming = (s->attributes & TYPE_CODE) && (s->attributes & TYPE_CONFORMING);
        if ((s->attributes & SEG_P) && !conforming &&
            (s->attributes & SEG_DPL_MASK) >> SEG_DPL_SHIFT < m->cpl)
            segment_load_null(m, names[i], 0);
    }
}

static enum outcome return_to_vm86(struct emulation *m, const struct return_frame *frame)
{
    static const uint8_t names[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    uint64_t rsp, ss, selector;
    enum outcome outcome = transfer_pop(m, 4, &rsp);

    if (outcome == OUTCOME_NEXT)
        outcome = transfer_pop(m, 4, &ss);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    /* From here on loads are those of virtual-8086 mode, but what is popped still is on the old stack: it
     * stays where it is until all is read. */
    uint64_t data[sizeof(names)];
    for (unsigned i = 0; i < sizeof(names); i++) {
        outcome = transfer_pop(m, 4, &selector);
        if (outcome != OUTCOME_NEXT)
            return outcome;
        data[i] = selector;
    }
    if (frame->rip > 0xffff)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    m->state->gpr.rflags = (frame->flags & RFLAGS_KNOWN) | RFLAGS_FIXED;
    m->keeps_rf = true;
    for (unsigned i = 0; i < sizeof(names); i++)
        segment_load_real(m, names[i], (uint16_t)data[i]);
    segment_load_real(m, SEG_SS, (uint16_t)ss);
    segment_load_real(m, SEG_CS, (uint16_t)frame->cs);
    m->state->gpr.reg[RSP] = (uint32_t)rsp;
    m->state->gpr.rip = frame->rip;
    m->cpl = 3;
    m->protected = false;
    return OUTCOME_BRANCH;
}

static enum outcome check_code(struct emulation *m, const struct transfer *t, uint16_t selector,
                               struct descriptor *code)
{
    unsigned rpl = selector & SELECTOR_RPL;

    if (selector_is_null(selector))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    enum outcome outcome = descriptor_read(m, t, selector, EXCEPTION_GP, code);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    unsigned dpl = descriptor_dpl(code);
    if (rpl < m->cpl || !descriptor_is_code(code) ||
        (descriptor_is_conforming(code) ? dpl > rpl : dpl != rpl))
        return selector_fault(m, t, EXCEPTION_GP, selector);
    if (!(code->attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, selector);
    return OUTCOME_NEXT;
}

/* The stack of an outer level lies behind the parameters. Its segment may be null in 64-bit code only. */
static enum outcome pop_stack(struct emulation *m, struct transfer *t, const struct return_frame *frame,
                              unsigned cpl, bool to64)
{
    uint64_t rsp, ss;
    unsigned width = emulate_stack_size(m);
    bool from64 = m->long64;

    gpr_write(m, RSP, width, gpr_read(m, RSP, width) + frame->released);
    enum outcome outcome = transfer_pop(m, frame->size, &rsp);
    if (outcome == OUTCOME_NEXT)
        outcome = transfer_pop(m, frame->size, &ss);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    m->long64 = to64;
    outcome = segment_load_stack(m, t, (uint16_t)ss, cpl, EXCEPTION_GP);
    m->long64 = from64;
    if (outcome != OUTCOME_NEXT)
        return outcome;
    /* A 16-bit stack keeps the upper half of ESP. */
    unsigned to = to64 ? 8 : m->state->segment[SEG_SS].attributes & SEG_DB ? 4 : 2;
    gpr_write(m, RSP, to, rsp + frame->released);
    return OUTCOME_NEXT;
}

static enum outcome return_protected(struct emulation *m, struct transfer *t,
                                     const struct return_frame *frame)
{
    uint16_t selector = (uint16_t)frame->cs;
    uint64_t flags = emulate_flags_changeable(m, frame->size);
    unsigned old = m->cpl, rpl = selector & SELECTOR_RPL;
    struct descriptor code = {0};
    enum outcome outcome = check_code(m, t, selector, &code);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    bool to64 = (code.attributes & SEG_L) && (m->state->msrs.efer & EFER_LMA);
    if (rpl > old || (frame->interrupt && m->long64)) {
        outcome = pop_stack(m, t, frame, rpl, to64);
    } else {
        unsigned width = emulate_stack_size(m);
        gpr_write(m, RSP, width, gpr_read(m, RSP, width) + frame->released);
    }
    if (outcome != OUTCOME_NEXT)
        return outcome;
    m->cpl = (uint8_t)rpl;
    outcome = transfer_to_code(m, t, selector, &code, frame->rip);
    if (outcome != OUTCOME_BRANCH)
        return outcome;
    if (frame->interrupt)
        set_return_flags(m, frame, flags | (old == 0 ? FLAGS_VIRTUAL : 0));
    if (rpl > old)
        drop_inner_segments(m);
    return OUTCOME_BRANCH;
}

static enum outcome far_return(struct emulation *m, struct transfer *t, struct return_frame *frame)
{
    enum outcome outcome = transfer_pop(m, frame->size, &frame->rip);

    if (outcome == OUTCOME_NEXT)
        outcome = transfer_pop(m, frame->size, &frame->cs);
    if (outcome == OUTCOME_NEXT && frame->interrupt)
        outcome = transfer_pop(m, frame->size, &frame->flags);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    if (!m->protected)
        return return_real(m, frame);
    if (frame->interrupt && frame->size == 4 && (frame->flags & FLAG_VM) && m->cpl == 0 && !m->long64)
        return return_to_vm86(m, frame);
    return return_protected(m, t, frame);
}

/* CA and CB. */
enum outcome emulate_far_return(struct emulation *m)
{
    struct return_frame frame = {.size = m->in->operand_size,
                                 .released =
                                     m->in->operand[0].kind == OPERAND_NONE ? 0 : (uint16_t)m->in->immediate};
    struct transfer t;

    transfer_begin(m, &t);
    return transfer_end(m, &t, far_return(m, &t, &frame));
}

/* CF. With NT it ends a task that was called. */
enum outcome emulate_iret(struct emulation *m)
{
    struct return_frame frame = {.size = m->in->operand_size, .interrupt = true};
    struct transfer t;
    enum outcome outcome = emulate_check_vm86(m);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    if (!emulate_need(m, VCPU_INTERRUPTS))
        return OUTCOME_UNKNOWN;
    transfer_begin(m, &t);
    if (m->protected && (m->state->gpr.rflags & FLAG_NT))
        outcome = m->state->msrs.efer & EFER_LMA
                      ? emulate_fault_code(m, EXCEPTION_GP, 0)
                      : emulate_task_switch(m, &t, TASK_IRET, 0, NULL, m->state->gpr.rip + m->in->length);
    else
        outcome = far_return(m, &t, &frame);
    outcome = transfer_end(m, &t, outcome);
    if (outcome == OUTCOME_BRANCH)
        unblock_nmi(m);
    return outcome;
}
