/*
 * IN and OUT, and who may use a port: CPL against IOPL, then the bitmap in the TSS (SDM Vol. 1, 19.5).
 */
#include "emulate_internal.h"

enum { TSS_TYPE_32 = 9, TSS_TYPE_BUSY = 2, TSS_IO_BASE = 0x66 };

enum outcome emulate_port_allowed(struct emulation *m, uint16_t port, unsigned size)
{
    const struct segment *tss = &m->state->segment[SEG_TR];
    unsigned iopl = m->state->gpr.rflags >> FLAG_IOPL_SHIFT & 3;
    bool virtual_8086 = m->state->gpr.rflags & FLAG_VM;
    struct place place;

    if (!(m->state->control.cr0 & CR0_PE) || (!virtual_8086 && m->cpl <= iopl))
        return OUTCOME_NEXT;
    if (!(tss->attributes & SEG_P) || ((tss->attributes & SEG_TYPE_MASK) & ~TSS_TYPE_BUSY) != TSS_TYPE_32 ||
        tss->limit < TSS_IO_BASE + 1)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    enum outcome outcome = emulate_place_system(m, &place, tss->base + TSS_IO_BASE, 2, INTENT_READ);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    /* Two bytes are read always, so the bitmap needs one beyond its last. */
    uint32_t at = place_load(m, &place) + port / 8;
    if (at + 1 > tss->limit)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    outcome = emulate_place_system(m, &place, tss->base + at, 2, INTENT_READ);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    if (place_load(m, &place) >> port % 8 & ((1u << size) - 1))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    return OUTCOME_NEXT;
}

enum outcome emulate_in(struct emulation *m)
{
    const struct emulator *e = m->emulator;
    unsigned size = m->in->operand[0].size;
    uint16_t port = operand_read(m, 1);
    enum outcome outcome = emulate_port_allowed(m, port, size);

    if (outcome == OUTCOME_NEXT)
        operand_write(m, 0, e->machine->in(e->context, port, size));
    return outcome;
}

enum outcome emulate_out(struct emulation *m)
{
    const struct emulator *e = m->emulator;
    unsigned size = m->in->operand[1].size;
    uint16_t port = operand_read(m, 0);
    enum outcome outcome = emulate_port_allowed(m, port, size);

    if (outcome == OUTCOME_NEXT)
        e->machine->out(e->context, port, size, operand_read(m, 1));
    return outcome;
}
