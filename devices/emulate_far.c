/*
 * Far JMP, CALL and RET: in real mode, between code segments, through call gates, and to another task (SDM
 * Vol. 2, CALL, JMP, RET; Vol. 3A, 5.8).
 *
 * Missing: call gates of long mode.
 */
#include "emulate_transfer.h"

enum { GATE_PARAMETERS = 31, PARAMETERS_SHIFT = 32 };

struct far_target {
    uint16_t selector;
    uint64_t offset;
    bool call;
};

/* What CALL pushes: operand size, or the gate's. */
static enum outcome push_return(struct emulation *m, struct transfer *t, unsigned size)
{
    enum outcome outcome = transfer_push(m, t, size, t->segment[SEG_CS].selector);

    return outcome == OUTCOME_NEXT ? transfer_push(m, t, size, t->gpr.rip + m->in->length) : outcome;
}

enum outcome transfer_to_code(struct emulation *m, struct transfer *t, uint16_t selector,
                              struct descriptor *code, uint64_t offset)
{
    bool code64 = (code->attributes & SEG_L) && (m->state->msrs.efer & EFER_LMA);
    uint64_t unused;

    if (code64 && (code->attributes & SEG_DB))
        return selector_fault(m, t, EXCEPTION_GP, selector);
    if (!code64 && offset > code->limit)
        return emulate_fault_code(m, EXCEPTION_GP, t->external);
    enum outcome outcome = segment_load(m, t, SEG_CS, (uint16_t)((selector & ~SELECTOR_RPL) | m->cpl), code);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    m->long64 = code64;
    m->state->gpr.rip = offset;
    if (code64) /* canonical? */
        outcome = emulate_linear(m, SEG_CS, offset, 1, INTENT_FETCH, &unused);
    return outcome == OUTCOME_NEXT ? OUTCOME_BRANCH : outcome;
}

static enum outcome far_real(struct emulation *m, struct transfer *t, const struct far_target *target)
{
    enum outcome outcome = target->call ? push_return(m, t, m->in->operand_size) : OUTCOME_NEXT;

    if (outcome != OUTCOME_NEXT)
        return outcome;
    segment_load_real(m, SEG_CS, target->selector);
    if (target->offset > m->state->segment[SEG_CS].limit)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    m->state->gpr.rip = target->offset;
    return OUTCOME_BRANCH;
}

static enum outcome far_code(struct emulation *m, struct transfer *t, const struct far_target *target,
                             struct descriptor *code)
{
    unsigned dpl = descriptor_dpl(code), rpl = target->selector & SELECTOR_RPL;
    bool allowed = descriptor_is_conforming(code) ? dpl <= m->cpl : rpl <= m->cpl && dpl == m->cpl;

    if (!allowed)
        return selector_fault(m, t, EXCEPTION_GP, target->selector);
    if (!(code->attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, target->selector);
    enum outcome outcome = target->call ? push_return(m, t, m->in->operand_size) : OUTCOME_NEXT;
    return outcome == OUTCOME_NEXT ? transfer_to_code(m, t, target->selector, code, target->offset) : outcome;
}

/* Copies the caller's parameters from its stack, which is the one of t, the lowest last. */
static enum outcome copy_parameters(struct emulation *m, struct transfer *t, unsigned size, unsigned count,
                                    const uint64_t *values)
{
    enum outcome outcome = OUTCOME_NEXT;

    for (unsigned i = count; i > 0 && outcome == OUTCOME_NEXT; i--)
        outcome = transfer_push(m, t, size, values[i - 1]);
    return outcome;
}

/* To an inner level: a stack from the TSS, on which the caller's stack, the parameters and the return lie. */
static enum outcome call_inner(struct emulation *m, struct transfer *t, unsigned size, unsigned parameters,
                               unsigned cpl)
{
    uint64_t values[GATE_PARAMETERS];
    unsigned width = emulate_stack_size(m);
    enum outcome outcome = OUTCOME_NEXT;
    struct place place;

    for (unsigned i = 0; i < parameters; i++) {
        uint64_t at = (gpr_read(m, RSP, width) + (uint64_t)i * size) & size_mask(width);
        outcome = emulate_place(m, &place, SEG_SS, at, size, INTENT_READ);
        if (outcome != OUTCOME_NEXT)
            return outcome;
        values[i] = place_load(m, &place);
    }
    outcome = transfer_to_inner_stack(m, t, cpl);
    if (outcome == OUTCOME_NEXT)
        outcome = transfer_push(m, t, size, t->segment[SEG_SS].selector);
    if (outcome == OUTCOME_NEXT)
        outcome = transfer_push(m, t, size, t->gpr.reg[RSP]);
    if (outcome == OUTCOME_NEXT)
        outcome = copy_parameters(m, t, size, parameters, values);
    return outcome == OUTCOME_NEXT ? push_return(m, t, size) : outcome;
}

static enum outcome far_gate(struct emulation *m, struct transfer *t, const struct far_target *target,
                             const struct descriptor *gate)
{
    unsigned size = gate->attributes & TYPE_WIDE ? 4 : 2;
    uint16_t selector = gate->raw >> 16 & 0xffff;
    uint64_t offset = (gate->raw & 0xffff) | (size == 4 ? gate->raw >> 32 & 0xffff0000 : 0);
    struct descriptor code;

    if (selector_is_null(selector))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    enum outcome outcome = descriptor_read(m, t, selector, EXCEPTION_GP, &code);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    unsigned dpl = descriptor_dpl(&code);
    bool inner = !descriptor_is_conforming(&code) && dpl < m->cpl;
    if (!descriptor_is_code(&code) || dpl > m->cpl || (inner && !target->call))
        return selector_fault(m, t, EXCEPTION_GP, selector);
    if (!(code.attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, selector);
    if (inner)
        outcome = call_inner(m, t, size, gate->raw >> PARAMETERS_SHIFT & GATE_PARAMETERS, dpl);
    else if (target->call)
        outcome = push_return(m, t, size);
    return outcome == OUTCOME_NEXT ? transfer_to_code(m, t, selector, &code, offset) : outcome;
}

static enum outcome far_system(struct emulation *m, struct transfer *t, const struct far_target *target,
                               const struct descriptor *d)
{
    unsigned type = d->attributes & SEG_TYPE_MASK, rpl = target->selector & SELECTOR_RPL;
    enum task_source source = target->call ? TASK_CALL : TASK_JMP;
    bool call_gate = (type & ~(unsigned)TYPE_WIDE) == TYPE_CALL_GATE_16;
    bool tss = (type & ~(unsigned)TYPE_WIDE) == TYPE_TSS_16;

    if (m->state->msrs.efer & EFER_LMA)
        return call_gate ? OUTCOME_UNKNOWN : selector_fault(m, t, EXCEPTION_GP, target->selector);
    if ((!call_gate && !tss && type != TYPE_TASK_GATE) || descriptor_dpl(d) < m->cpl ||
        descriptor_dpl(d) < rpl)
        return selector_fault(m, t, EXCEPTION_GP, target->selector);
    if (!(d->attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, target->selector);
    if (call_gate)
        return far_gate(m, t, target, d);
    return emulate_task_switch(m, t, source, tss ? target->selector : d->raw >> 16 & 0xffff, NULL,
                               m->state->gpr.rip + m->in->length);
}

static enum outcome far_branch(struct emulation *m, const struct far_target *target)
{
    struct transfer t;
    struct descriptor d;
    enum outcome outcome;

    transfer_begin(m, &t);
    if (!m->protected) {
        outcome = far_real(m, &t, target);
    } else if (selector_is_null(target->selector)) {
        outcome = emulate_fault_code(m, EXCEPTION_GP, 0);
    } else {
        outcome = descriptor_read(m, &t, target->selector, EXCEPTION_GP, &d);
        if (outcome == OUTCOME_NEXT && descriptor_is_code(&d))
            outcome = far_code(m, &t, target, &d);
        else if (outcome == OUTCOME_NEXT && (d.attributes & SEG_S))
            outcome = selector_fault(m, &t, EXCEPTION_GP, target->selector);
        else if (outcome == OUTCOME_NEXT)
            outcome = far_system(m, &t, target, &d);
    }
    return transfer_end(m, &t, outcome);
}

/* 9A and EA. */
enum outcome emulate_far_direct(struct emulation *m)
{
    const struct far_target target = {.selector = m->in->immediate2,
                                      .offset = (uint64_t)m->in->immediate & size_mask(m->in->operand_size),
                                      .call = m->in->opcode == 0x9a};

    return far_branch(m, &target);
}

/* FF /3 and /5. */
enum outcome emulate_far_indirect(struct emulation *m)
{
    unsigned size = m->in->operand_size;
    struct far_target target = {.call = (m->in->modrm >> 3 & 7) == 3};
    uint8_t bytes[16] = {0};

    place_read(m, &m->place, bytes);
    __builtin_memcpy(&target.offset, bytes, sizeof(target.offset));
    __builtin_memcpy(&target.selector, bytes + size, sizeof(target.selector));
    target.offset &= size_mask(size);
    return far_branch(m, &target);
}
