/*
 * PUSH, POP, LEAVE.
 */
#include "emulate_internal.h"

unsigned emulate_stack_size(const struct emulation *m)
{
    return m->long64 ? 8 : m->state->segment[SEG_SS].attributes & SEG_DB ? 4 : 2;
}

enum outcome emulate_place_push(struct emulation *m, struct place *place, unsigned size, uint64_t *rsp)
{
    unsigned width = emulate_stack_size(m);

    *rsp = (gpr_read(m, RSP, width) - size) & size_mask(width);
    return emulate_place(m, place, SEG_SS, *rsp, size, INTENT_WRITE);
}

/* The operand must not be read before the stack is known to be writable: a device may count reads. */
enum outcome emulate_push(struct emulation *m)
{
    struct place place;
    uint64_t rsp;
    enum outcome outcome = emulate_place_push(m, &place, m->in->operand_size, &rsp);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    place_store(m, &place, operand_read(m, 0));
    gpr_write(m, RSP, emulate_stack_size(m), rsp);
    return OUTCOME_NEXT;
}

/* POP r and POP m. A memory operand with rSP as its base sees rSP as it is after the POP (SDM Vol. 2, POP).
 */
enum outcome emulate_pop(struct emulation *m)
{
    unsigned size = m->in->operand_size, width = emulate_stack_size(m);
    uint64_t before = m->state->gpr.reg[RSP];
    struct place place;
    enum outcome outcome = emulate_place(m, &place, SEG_SS, gpr_read(m, RSP, width), size, INTENT_READ);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    gpr_write(m, RSP, width, gpr_read(m, RSP, width) + size);
    if (m->in->operand[0].kind == OPERAND_MEMORY) {
        outcome = emulate_place(m, &m->place, m->in->memory.segment, emulate_effective_address(m), size,
                                INTENT_WRITE);
        if (outcome != OUTCOME_NEXT) {
            m->state->gpr.reg[RSP] = before;
            return outcome;
        }
    }
    operand_write(m, 0, place_load(m, &place));
    return OUTCOME_NEXT;
}

enum outcome emulate_leave(struct emulation *m)
{
    unsigned size = m->in->operand_size, width = emulate_stack_size(m);
    uint64_t frame = gpr_read(m, RBP, width);
    struct place place;
    enum outcome outcome = emulate_place(m, &place, SEG_SS, frame, size, INTENT_READ);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    gpr_write(m, RSP, width, frame + size);
    gpr_write(m, RBP, size, place_load(m, &place));
    return OUTCOME_NEXT;
}
