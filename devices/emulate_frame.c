/*
 * PUSHA, POPA, ENTER, BOUND and XLAT.
 */
#include "emulate_transfer.h"

enum { PUSHED_REGISTERS = 8, ENTER_LEVEL_MASK = 31 };

/* 60: RSP is pushed as it was before. */
enum outcome emulate_push_all(struct emulation *m)
{
    struct transfer t;
    enum outcome outcome = OUTCOME_NEXT;

    transfer_begin(m, &t);
    for (unsigned i = RAX; i <= RDI && outcome == OUTCOME_NEXT; i++)
        outcome = transfer_push(m, &t, m->in->operand_size, t.gpr.reg[i]);
    return transfer_end(m, &t, outcome);
}

/* 61: what was pushed of RSP is skipped. */
enum outcome emulate_pop_all(struct emulation *m)
{
    struct transfer t;
    uint64_t value[PUSHED_REGISTERS];
    enum outcome outcome = OUTCOME_NEXT;

    transfer_begin(m, &t);
    for (int i = RDI; i >= RAX && outcome == OUTCOME_NEXT; i--)
        outcome = transfer_pop(m, m->in->operand_size, &value[i]);
    for (unsigned i = RAX; i <= RDI && outcome == OUTCOME_NEXT; i++)
        if (i != RSP)
            gpr_write(m, i, m->in->operand_size, value[i]);
    return transfer_end(m, &t, outcome);
}

/* Finds the frame pointers of the outer procedures, in the old frame, and their places in the new one. */
static enum outcome find_frames(struct emulation *m, struct transfer *t, unsigned level, struct place *from)
{
    unsigned size = m->in->operand_size, width = emulate_stack_size(m);
    enum outcome outcome = OUTCOME_NEXT;

    for (unsigned i = 1; i < level && outcome == OUTCOME_NEXT; i++) {
        uint64_t at = (t->gpr.reg[RBP] - (uint64_t)i * size) & size_mask(width);
        outcome = emulate_place(m, &from[i], SEG_SS, at, size, INTENT_READ);
        if (outcome == OUTCOME_NEXT)
            outcome = transfer_push(m, t, size, 0);
    }
    return outcome;
}

/* C8. The new stack must be writable at its end, too. The old frame may lie where the new one comes to be:
 * pointers are copied one after the other. */
enum outcome emulate_enter(struct emulation *m)
{
    unsigned size = m->in->operand_size, width = emulate_stack_size(m);
    unsigned level = m->in->immediate2 & ENTER_LEVEL_MASK;
    struct place place, from[ENTER_LEVEL_MASK + 1];
    struct transfer t;

    transfer_begin(m, &t);
    enum outcome outcome = transfer_push(m, &t, size, t.gpr.reg[RBP]);
    uint64_t frame = gpr_read(m, RSP, width);
    if (outcome == OUTCOME_NEXT)
        outcome = find_frames(m, &t, level, from);
    if (outcome == OUTCOME_NEXT && level > 0)
        outcome = transfer_push(m, &t, size, frame);
    if (outcome == OUTCOME_NEXT) {
        gpr_write(m, RBP, size, frame);
        gpr_write(m, RSP, width, gpr_read(m, RSP, width) - (uint16_t)m->in->immediate);
        outcome = emulate_place(m, &place, SEG_SS, gpr_read(m, RSP, width), size, INTENT_WRITE);
    }
    for (unsigned i = 0; i + 1 < level && outcome == OUTCOME_NEXT; i++) {
        place_store(m, &t.store[i].place, t.store[i].value);
        t.store[i + 1].value = place_load(m, &from[i + 1]);
    }
    return transfer_end(m, &t, outcome);
}

/* 62: signed, both bounds included. */
enum outcome emulate_bound(struct emulation *m)
{
    unsigned size = m->in->operand_size;
    uint8_t bytes[8] = {0};
    uint64_t bounds;

    place_read(m, &m->place, bytes);
    bounds = load_8(bytes);
    int64_t index = sign_extend(operand_read(m, 0), size);
    bool inside = index >= sign_extend(bounds, size) && index <= sign_extend(bounds >> 8 * size, size);
    return inside ? OUTCOME_NEXT : emulate_fault(m, EXCEPTION_BR);
}

/* D7: AL from the table at rBX. */
enum outcome emulate_xlat(struct emulation *m)
{
    struct place place;
    uint64_t at = (m->state->gpr.reg[RBX] + (uint8_t)m->state->gpr.reg[RAX]) & size_mask(m->in->address_size);
    unsigned segment = m->in->memory.segment < SEG_COUNT ? m->in->memory.segment : SEG_DS;
    enum outcome outcome = emulate_place(m, &place, segment, at, 1, INTENT_READ);

    if (outcome == OUTCOME_NEXT)
        gpr_write(m, RAX, 1, place_load(m, &place));
    return outcome;
}
