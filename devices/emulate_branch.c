/*
 * Near branches: CALL, JMP, RET, Jcc, LOOP and JCXZ. A target is checked before anything changes.
 */
#include "emulate_internal.h"

enum { OPCODE_LOOPNE = 0xe0, OPCODE_LOOPE = 0xe1, OPCODE_LOOP = 0xe2 };

/* #GP(0) where RIP may not go: beyond the code segment, or a non-canonical address. */
static enum outcome jump_to(struct emulation *m, uint64_t target)
{
    uint64_t linear;
    enum outcome outcome = emulate_linear(m, SEG_CS, target, 1, INTENT_FETCH, &linear);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    m->state->gpr.rip = target;
    return OUTCOME_BRANCH;
}

/* A 16-bit operand size cuts the target (SDM Vol. 2, JMP). */
static uint64_t relative_target(const struct emulation *m)
{
    return (m->state->gpr.rip + m->in->length + (uint64_t)m->in->immediate) & size_mask(m->in->operand_size);
}

static enum outcome call(struct emulation *m, uint64_t target)
{
    unsigned size = m->in->operand_size;
    uint64_t next = m->state->gpr.rip + m->in->length, rsp, linear;
    struct place place;
    enum outcome outcome = emulate_linear(m, SEG_CS, target, 1, INTENT_FETCH, &linear);

    if (outcome == OUTCOME_NEXT)
        outcome = emulate_place_push(m, &place, size, &rsp);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    place_store(m, &place, next);
    gpr_write(m, RSP, emulate_stack_size(m), rsp);
    m->state->gpr.rip = target;
    return OUTCOME_BRANCH;
}

/* FF /2 and /4. */
enum outcome emulate_call(struct emulation *m)
{
    if (m->in->operand[0].kind == OPERAND_MEMORY && reads_before_fault(m, &m->place))
        return OUTCOME_UNKNOWN;
    return call(m, operand_read(m, 0));
}

enum outcome emulate_jump(struct emulation *m)
{
    if (m->in->operand[0].kind == OPERAND_MEMORY && reads_before_fault(m, &m->place))
        return OUTCOME_UNKNOWN;
    return jump_to(m, operand_read(m, 0));
}

enum outcome emulate_call_relative(struct emulation *m)
{
    return call(m, relative_target(m));
}

enum outcome emulate_jump_relative(struct emulation *m)
{
    return jump_to(m, relative_target(m));
}

enum outcome emulate_jump_if(struct emulation *m)
{
    return emulate_condition(m) ? emulate_jump_relative(m) : OUTCOME_NEXT;
}

/* E0 to E3: LOOPNE, LOOPE, LOOP and JCXZ count in rCX of the address size. */
enum outcome emulate_loop(struct emulation *m)
{
    unsigned width = m->in->address_size, opcode = m->in->opcode;
    uint64_t count = gpr_read(m, RCX, width);
    bool zero = m->state->gpr.rflags & FLAG_ZF;

    if (opcode > OPCODE_LOOP)
        return count == 0 ? emulate_jump_relative(m) : OUTCOME_NEXT;
    count = (count - 1) & size_mask(width);
    bool taken = count != 0 && (opcode == OPCODE_LOOP || zero == (opcode == OPCODE_LOOPE));
    enum outcome outcome = taken ? emulate_jump_relative(m) : OUTCOME_NEXT;
    if (outcome != OUTCOME_FAULT)
        gpr_write(m, RCX, width, count);
    return outcome;
}

/* C3, and C2 with a number of bytes to release. */
enum outcome emulate_return(struct emulation *m)
{
    unsigned size = m->in->operand_size, width = emulate_stack_size(m);
    uint64_t released = m->in->operand[0].kind == OPERAND_NONE ? 0 : (uint64_t)m->in->immediate & 0xffff;
    struct place place;
    enum outcome outcome = emulate_place(m, &place, SEG_SS, gpr_read(m, RSP, width), size, INTENT_READ);

    if (outcome == OUTCOME_NEXT)
        outcome = reads_before_fault(m, &place) ? OUTCOME_UNKNOWN : jump_to(m, place_load(m, &place));
    if (outcome == OUTCOME_BRANCH)
        gpr_write(m, RSP, width, gpr_read(m, RSP, width) + size + released);
    return outcome;
}
