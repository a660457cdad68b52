/*
 * Loads of segment registers by MOV, POP, LDS, LES, LFS, LGS, LSS; and PUSH of one.
 */
#include "emulate_transfer.h"

/* SS for MOV, POP and LSS, any other for them. */
static enum outcome load(struct emulation *m, struct transfer *t, unsigned name, uint16_t selector)
{
    if (name == SEG_SS)
        return segment_load_stack(m, t, selector, m->cpl, EXCEPTION_GP);
    return segment_load_data(m, t, name, selector, EXCEPTION_GP);
}

/* 8E. Behind a load of SS one of SP is expected: nothing comes between (SDM Vol. 3A, 6.8.3). */
enum outcome emulate_mov_to_segment(struct emulation *m)
{
    struct transfer t;
    unsigned name = m->in->operand[0].reg;

    if (name == SEG_SS && !emulate_need(m, VCPU_INTERRUPTS))
        return OUTCOME_UNKNOWN;
    transfer_begin(m, &t);
    enum outcome outcome = transfer_end(m, &t, load(m, &t, name, (uint16_t)operand_read(m, 1)));
    if (outcome == OUTCOME_NEXT && name == SEG_SS)
        set_shadow(m, SHADOW_MOV_SS);
    return outcome;
}

/* 06, 0E, 16, 1E, 0F A0, 0F A8. With 32 bits the upper half of the stack's place is 0, as newer processors
 * have it. */
enum outcome emulate_push_segment(struct emulation *m)
{
    struct transfer t;

    transfer_begin(m, &t);
    return transfer_end(m, &t, transfer_push(m, &t, m->in->operand_size, operand_read(m, 0)));
}

/* 07, 17, 1F, 0F A1, 0F A9. */
enum outcome emulate_pop_segment(struct emulation *m)
{
    struct transfer t;
    unsigned name = m->in->operand[0].reg;
    uint64_t selector;

    if (name == SEG_SS && !emulate_need(m, VCPU_INTERRUPTS))
        return OUTCOME_UNKNOWN;
    transfer_begin(m, &t);
    enum outcome outcome = transfer_pop(m, m->in->operand_size, &selector);
    if (outcome == OUTCOME_NEXT)
        outcome = load(m, &t, name, (uint16_t)selector);
    outcome = transfer_end(m, &t, outcome);
    if (outcome == OUTCOME_NEXT && name == SEG_SS)
        set_shadow(m, SHADOW_MOV_SS);
    return outcome;
}

/* C4, C5, 0F B2, 0F B4, 0F B5: the offset, then the selector behind it. LSS has no shadow: it loads both. */
enum outcome emulate_load_far_pointer(struct emulation *m)
{
    struct transfer t;
    unsigned size = m->in->operand_size;
    unsigned name =
        m->in->map == MAP_ONE_BYTE ? (m->in->opcode == 0xc4 ? SEG_ES : SEG_DS) : m->in->opcode & 7;
    uint8_t bytes[16] = {0};
    uint64_t offset = 0;
    uint16_t selector;

    place_read(m, &m->place, bytes);
    __builtin_memcpy(&offset, bytes, sizeof(offset));
    __builtin_memcpy(&selector, bytes + size, sizeof(selector));
    transfer_begin(m, &t);
    enum outcome outcome = load(m, &t, name, selector);
    if (outcome == OUTCOME_NEXT)
        gpr_write(m, m->in->operand[0].reg, size, offset & size_mask(size));
    return transfer_end(m, &t, outcome);
}
