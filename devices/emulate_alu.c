/*
 * Integer arithmetic and logic: ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST, INC, DEC, NOT, NEG.
 */
#include "emulate_internal.h"
#include "emulate_flags.h"

enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

static enum outcome alu(struct emulation *m, enum alu operation)
{
    unsigned size = m->in->operand[0].size;
    uint64_t left = operand_read(m, 0), right = operand_read(m, 1) & size_mask(size);
    bool carry = m->state->gpr.rflags & FLAG_CF;
    uint64_t result, flags;

    switch (operation) {
    case ALU_ADD:
    case ALU_ADC:
        carry = carry && operation == ALU_ADC;
        result = (left + right + carry) & size_mask(size);
        flags = flags_of_add(left, right, result, size);
        break;
    case ALU_SUB:
    case ALU_SBB:
    case ALU_CMP:
        carry = carry && operation == ALU_SBB;
        result = (left - right - carry) & size_mask(size);
        flags = flags_of_subtract(left, right, result, size);
        break;
    default:
        result = operation == ALU_OR ? left | right : operation == ALU_AND ? left & right : left ^ right;
        flags = flags_of_result(result, size);
    }
    if (operation != ALU_CMP && operand_update(m, 0, left, result) != OUTCOME_NEXT)
        return OUTCOME_RETRY;
    set_flags(m, FLAGS_STATUS, flags);
    return OUTCOME_NEXT;
}

/* 00 to 3F: the operation is in bits 3 to 5 of the opcode. */
enum outcome emulate_alu(struct emulation *m)
{
    return alu(m, m->in->opcode >> 3 & 7);
}

/* 80 to 83: it is in ModRM.reg. */
enum outcome emulate_alu_group1(struct emulation *m)
{
    return alu(m, m->in->modrm >> 3 & 7);
}

enum outcome emulate_test(struct emulation *m)
{
    unsigned size = m->in->operand[0].size;

    set_flags(m, FLAGS_STATUS,
              flags_of_result(operand_read(m, 0) & operand_read(m, 1) & size_mask(size), size));
    return OUTCOME_NEXT;
}

/* INC and DEC leave CF alone. */
static enum outcome step(struct emulation *m, bool down)
{
    unsigned size = m->in->operand[0].size;
    uint64_t old = operand_read(m, 0);
    uint64_t result = (down ? old - 1 : old + 1) & size_mask(size);
    uint64_t flags = down ? flags_of_subtract(old, 1, result, size) : flags_of_add(old, 1, result, size);

    if (operand_update(m, 0, old, result) != OUTCOME_NEXT)
        return OUTCOME_RETRY;
    set_flags(m, FLAGS_STATUS & ~FLAG_CF, flags);
    return OUTCOME_NEXT;
}

static enum outcome not(struct emulation * m) {
    uint64_t old = operand_read(m, 0);

    return operand_update(m, 0, old, ~old &size_mask(m->in->operand[0].size));
}

static enum outcome negate(struct emulation *m)
{
    unsigned size = m->in->operand[0].size;
    uint64_t old = operand_read(m, 0), result = -old & size_mask(size);

    if (operand_update(m, 0, old, result) != OUTCOME_NEXT)
        return OUTCOME_RETRY;
    set_flags(m, FLAGS_STATUS, flags_of_subtract(0, old, result, size));
    return OUTCOME_NEXT;
}

/* F6 and F7: TEST, TEST, NOT, NEG, MUL, IMUL, DIV, IDIV. */
enum outcome emulate_group3(struct emulation *m)
{
    switch (m->in->modrm >> 3 & 7) {
    case 0:
    case 1:
        return emulate_test(m);
    case 2:
        return not(m);
    case 3:
        return negate(m);
    case 4:
    case 5:
        return emulate_multiply(m);
    default:
        return emulate_divide(m);
    }
}

/* FE, and 40 to 4F. */
enum outcome emulate_group4(struct emulation *m)
{
    return step(m, (m->in->has_modrm ? m->in->modrm : m->in->opcode) >> 3 & 1);
}

/* FF: INC, DEC, CALL, far CALL, JMP, far JMP, PUSH. */
enum outcome emulate_group5(struct emulation *m)
{
    switch (m->in->modrm >> 3 & 7) {
    case 0:
        return step(m, false);
    case 1:
        return step(m, true);
    case 2:
        return emulate_call(m);
    case 3:
    case 5:
        return emulate_far_indirect(m);
    case 4:
        return emulate_jump(m);
    case 6:
        return emulate_push(m);
    default:
        return OUTCOME_UNKNOWN;
    }
}
