/*
 * Moves: MOV, MOVZX, MOVSX, MOVSXD, XCHG, CMOVcc, SETcc, BSWAP, MOVBE, MOVNTI, LEA, CBW and CWD with their
 * wider forms.
 */
#include "emulate_internal.h"

enum outcome emulate_nop(struct emulation *m)
{
    (void)m;
    return OUTCOME_NEXT;
}

/* All forms of MOV between registers, memory and immediates; MOVZX and MOVNTI are the same on values. */
enum outcome emulate_mov(struct emulation *m)
{
    operand_write(m, 0, operand_read(m, 1));
    return OUTCOME_NEXT;
}

/* C6 and C7; XABORT and XBEGIN share them. */
enum outcome emulate_mov_immediate(struct emulation *m)
{
    return m->in->modrm >> 3 & 7 ? OUTCOME_UNKNOWN : emulate_mov(m);
}

/* MOVSX, and MOVSXD, which is ARPL outside 64-bit code. */
enum outcome emulate_movsx(struct emulation *m)
{
    if (m->in->map == MAP_ONE_BYTE && !m->long64)
        return emulate_arpl(m);
    operand_write(m, 0, sign_extend(operand_read(m, 1), m->in->operand[1].size));
    return OUTCOME_NEXT;
}

/* XCHG with memory locks without the prefix (SDM Vol. 2, XCHG). */
enum outcome emulate_xchg(struct emulation *m)
{
    uint64_t left = operand_read(m, 0), right = operand_read(m, 1);

    if (m->in->operand[0].kind != OPERAND_MEMORY)
        operand_write(m, 0, right);
    else if (!place_exchange(m, &m->place, left, right))
        return OUTCOME_RETRY;
    operand_write(m, 1, left);
    return OUTCOME_NEXT;
}

/* 90 to 97: NOP, PAUSE, and XCHG with the accumulator. */
enum outcome emulate_xchg_accumulator(struct emulation *m)
{
    return m->in->operand[0].kind == OPERAND_NONE ? OUTCOME_NEXT : emulate_xchg(m);
}

bool emulate_condition(const struct emulation *m)
{
    uint64_t flags = m->state->gpr.rflags;
    bool sign = flags & FLAG_SF, overflow = flags & FLAG_OF;
    bool holds;

    switch (m->in->opcode >> 1 & 7) {
    case 0:
        holds = overflow;
        break;
    case 1:
        holds = flags & FLAG_CF;
        break;
    case 2:
        holds = flags & FLAG_ZF;
        break;
    case 3:
        holds = flags & (FLAG_CF | FLAG_ZF);
        break;
    case 4:
        holds = sign;
        break;
    case 5:
        holds = flags & FLAG_PF;
        break;
    case 6:
        holds = sign != overflow;
        break;
    default:
        holds = (flags & FLAG_ZF) || sign != overflow;
        break;
    }
    return holds != (m->in->opcode & 1);
}

/* CMOVcc reads its source, and clears the upper half of a 32-bit destination, even if the condition is false.
 */
enum outcome emulate_cmov(struct emulation *m)
{
    uint64_t value = operand_read(m, 1);

    operand_write(m, 0, emulate_condition(m) ? value : operand_read(m, 0));
    return OUTCOME_NEXT;
}

enum outcome emulate_setcc(struct emulation *m)
{
    operand_write(m, 0, emulate_condition(m));
    return OUTCOME_NEXT;
}

enum outcome emulate_lea(struct emulation *m)
{
    operand_write(m, 0, emulate_effective_address(m));
    return OUTCOME_NEXT;
}

/* 98: CBW, CWDE, CDQE; 99: CWD, CDQ, CQO. */
enum outcome emulate_extend_accumulator(struct emulation *m)
{
    unsigned size = m->in->operand_size;

    if (m->in->opcode == 0x98)
        gpr_write(m, RAX, size, (uint64_t)sign_extend(gpr_read(m, RAX, size / 2), size / 2));
    else
        gpr_write(m, RDX, size, gpr_read(m, RAX, size) & sign_bit(size) ? ~0ull : 0);
    return OUTCOME_NEXT;
}

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

/* BSWAP of 16 bits is undefined; processors clear the register. */
enum outcome emulate_bswap(struct emulation *m)
{
    unsigned size = m->in->operand_size;

    operand_write(m, 0, size == 2 ? 0 : swap_bytes(operand_read(m, 0), size));
    return OUTCOME_NEXT;
}

/* MOVBE and CRC32 share their opcodes; CRC32 (F2) is not emulated. */
enum outcome emulate_movbe(struct emulation *m)
{
    if (m->in->mandatory == 0xf2)
        return OUTCOME_UNKNOWN;
    operand_write(m, 0, swap_bytes(operand_read(m, 1), m->in->operand_size));
    return OUTCOME_NEXT;
}
