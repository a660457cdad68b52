/*
 * Operands of the instruction under emulation: registers with their partial widths, memory, immediates.
 */
#include "emulate_internal.h"

uint64_t gpr_read(const struct emulation *m, unsigned reg, unsigned size)
{
    return m->state->gpr.reg[reg & (GPR_COUNT - 1)] & size_mask(size);
}

/* A write of 32 bits clears the upper half, narrower ones keep the rest (SDM Vol. 1, 3.4.1.1). */
void gpr_write(struct emulation *m, unsigned reg, unsigned size, uint64_t value)
{
    uint64_t *to = &m->state->gpr.reg[reg & (GPR_COUNT - 1)];

    if (size >= 4)
        *to = value & size_mask(size);
    else
        *to = (*to & ~size_mask(size)) | (value & size_mask(size));
}

uint64_t emulate_effective_address(const struct emulation *m)
{
    const struct memory_operand *memory = &m->in->memory;
    uint64_t address = memory->displacement;

    if (memory->base == BASE_RIP)
        address += m->state->gpr.rip + m->in->length;
    else if (memory->base != BASE_NONE)
        address += m->state->gpr.reg[memory->base & (GPR_COUNT - 1)];
    if (memory->index != BASE_NONE)
        address += m->state->gpr.reg[memory->index & (GPR_COUNT - 1)] * memory->scale;
    return address & size_mask(m->in->address_size);
}

uint64_t operand_read(struct emulation *m, unsigned number)
{
    const struct operand *operand = &m->in->operand[number];

    switch (operand->kind) {
    case OPERAND_GPR:
        return gpr_read(m, operand->reg, operand->size);
    case OPERAND_GPR_HIGH:
        return m->state->gpr.reg[operand->reg & 3] >> 8 & 0xff;
    case OPERAND_SEGMENT:
        return m->state->segment[operand->reg].selector;
    case OPERAND_MEMORY:
        return place_load(m, &m->place);
    case OPERAND_ONE:
        return 1;
    case OPERAND_IMMEDIATE_2:
        return m->in->immediate2;
    default:
        return m->in->immediate;
    }
}

void operand_write(struct emulation *m, unsigned number, uint64_t value)
{
    const struct operand *operand = &m->in->operand[number];
    uint64_t *reg;

    switch (operand->kind) {
    case OPERAND_GPR:
        gpr_write(m, operand->reg, operand->size, value);
        break;
    case OPERAND_GPR_HIGH:
        reg = &m->state->gpr.reg[operand->reg & 3];
        *reg = (*reg & ~0xff00ull) | (value & 0xff) << 8;
        break;
    case OPERAND_MEMORY:
        place_store(m, &m->place, value);
        break;
    }
}

enum outcome operand_update(struct emulation *m, unsigned number, uint64_t old, uint64_t value)
{
    if (m->in->operand[number].kind != OPERAND_MEMORY || !(m->in->prefixes & PREFIX_LOCK)) {
        operand_write(m, number, value);
        return OUTCOME_NEXT;
    }
    return place_exchange(m, &m->place, old, value) ? OUTCOME_NEXT : OUTCOME_RETRY;
}
