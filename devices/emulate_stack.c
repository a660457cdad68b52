/*
 * PUSH, POP, and near CALL and JMP through a register or memory.
 */
#include "emulate_internal.h"

static unsigned stack_address_size(const struct emulation *m)
{
    return m->long64 ? 8 : m->state->segment[SEG_SS].attributes & SEG_DB ? 4 : 2;
}

/* The stack's next place of `size` bytes for a push; rSP is to be written by the caller when all is done. */
static enum outcome place_push(struct emulation *m, struct place *place, unsigned size, uint64_t *rsp)
{
    unsigned width = stack_address_size(m);

    *rsp = (gpr_read(m, RSP, width) - size) & size_mask(width);
    return emulate_place(m, place, SEG_SS, *rsp, size, INTENT_WRITE);
}

static enum outcome push(struct emulation *m, uint64_t value, unsigned size)
{
    struct place place;
    uint64_t rsp;
    enum outcome outcome = place_push(m, &place, size, &rsp);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    place_store(m, &place, value);
    gpr_write(m, RSP, stack_address_size(m), rsp);
    return OUTCOME_NEXT;
}

/* The operand must not be read before the stack is known to be writable: a device may count reads. */
enum outcome emulate_push(struct emulation *m)
{
    struct place place;
    uint64_t rsp;
    enum outcome outcome = place_push(m, &place, m->in.operand_size, &rsp);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    place_store(m, &place, operand_read(m, 0));
    gpr_write(m, RSP, stack_address_size(m), rsp);
    return OUTCOME_NEXT;
}

/* POP r and POP m. A memory operand with rSP as its base sees rSP as it is after the POP (SDM Vol. 2, POP).
 */
enum outcome emulate_pop(struct emulation *m)
{
    unsigned size = m->in.operand_size, width = stack_address_size(m);
    uint64_t before = m->state->gpr.reg[RSP];
    struct place place;
    enum outcome outcome = emulate_place(m, &place, SEG_SS, gpr_read(m, RSP, width), size, INTENT_READ);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    gpr_write(m, RSP, width, gpr_read(m, RSP, width) + size);
    if (m->in.operand[0].kind == OPERAND_MEMORY) {
        outcome = emulate_place(m, &m->place, m->in.memory.segment, emulate_effective_address(m), size,
                                INTENT_WRITE);
        if (outcome != OUTCOME_NEXT) {
            m->state->gpr.reg[RSP] = before;
            return outcome;
        }
    }
    operand_write(m, 0, place_load(m, &place));
    return OUTCOME_NEXT;
}

/* #GP(0) where RIP may not go: beyond the code segment, or a non-canonical address. */
static enum outcome check_target(struct emulation *m, uint64_t target)
{
    uint64_t linear;
    enum outcome outcome = emulate_linear(m, SEG_CS, target, 1, INTENT_FETCH, &linear);

    return outcome;
}

/* FF /2 and /4. */
enum outcome emulate_call(struct emulation *m)
{
    unsigned size = m->in.operand_size;
    uint64_t target = operand_read(m, 0);
    enum outcome outcome = check_target(m, target);

    if (outcome == OUTCOME_NEXT)
        outcome = push(m, m->state->gpr.rip + m->in.length, size);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    m->state->gpr.rip = target;
    return OUTCOME_BRANCH;
}

enum outcome emulate_jump(struct emulation *m)
{
    uint64_t target = operand_read(m, 0);
    enum outcome outcome = check_target(m, target);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    m->state->gpr.rip = target;
    return OUTCOME_BRANCH;
}
