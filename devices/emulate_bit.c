/*
 * Bits and read-modify-write primitives: BT, BTS, BTR, BTC, BSF, BSR, CMPXCHG, CMPXCHG8B, CMPXCHG16B, XADD.
 */
#include "emulate_flags.h"
#include "emulate_internal.h"
#include "string.h"

enum bit_operation { BIT_TEST, BIT_SET, BIT_RESET, BIT_COMPLEMENT };

/* With a bit number in a register, a memory operand is a string of bits around the effective address: the
 * number is signed and counts whole operands before or behind it (SDM Vol. 1, 3.1.1.9 of Vol. 2). */
static enum outcome place_bit(struct emulation *m, int64_t number, enum bit_operation operation)
{
    unsigned size = m->in->operand[0].size;
    unsigned shift = size == 2 ? 4 : size == 4 ? 5 : 6;
    uint64_t offset = emulate_effective_address(m) + (uint64_t)(number >> shift) * size;

    return emulate_place(m, &m->place, m->in->memory.segment, offset & size_mask(m->in->address_size), size,
                         operation == BIT_TEST ? INTENT_READ : INTENT_WRITE);
}

static enum outcome bit_operate(struct emulation *m, enum bit_operation operation, uint64_t number)
{
    uint64_t bit = 1ull << (number & (8 * m->in->operand[0].size - 1));
    uint64_t old = operand_read(m, 0), value;

    switch (operation) {
    case BIT_SET:
        value = old | bit;
        break;
    case BIT_RESET:
        value = old & ~bit;
        break;
    default:
        value = old ^ bit;
    }
    if (operation != BIT_TEST && operand_update(m, 0, old, value) != OUTCOME_NEXT)
        return OUTCOME_RETRY;
    set_flags(m, FLAG_CF, old & bit ? FLAG_CF : 0);
    return OUTCOME_NEXT;
}

/* 0F A3, AB, B3, BB: the operation is in bits 3 and 4 of the opcode. */
enum outcome emulate_bit(struct emulation *m)
{
    enum bit_operation operation = m->in->opcode >> 3 & 3;
    int64_t number = sign_extend(operand_read(m, 1), m->in->operand[1].size);

    if (m->in->operand[0].kind == OPERAND_MEMORY) {
        enum outcome outcome = place_bit(m, number, operation);
        if (outcome != OUTCOME_NEXT)
            return outcome;
    }
    return bit_operate(m, operation, (uint64_t)number);
}

/* 0F BA: the operation is in ModRM.reg, the number an immediate. */
enum outcome emulate_bit_immediate(struct emulation *m)
{
    return bit_operate(m, m->in->modrm >> 3 & 3, (uint64_t)m->in->immediate);
}

/* BSF and BSR. With F3 they are TZCNT and LZCNT on some processors and not on others: not emulated. A source
 * of zero leaves the destination as it is. */
enum outcome emulate_bit_scan(struct emulation *m)
{
    uint64_t source = operand_read(m, 1);

    if (m->in->prefixes & PREFIX_REP)
        return OUTCOME_UNKNOWN;
    if (source)
        operand_write(m, 0, m->in->opcode & 1 ? 63 - __builtin_clzll(source) : __builtin_ctzll(source));
    set_flags(m, FLAG_ZF, source ? 0 : FLAG_ZF);
    return OUTCOME_NEXT;
}

/* The destination is written in either case, if only with what it held. */
enum outcome emulate_cmpxchg(struct emulation *m)
{
    unsigned size = m->in->operand[0].size;
    uint64_t expected = gpr_read(m, RAX, size), old = operand_read(m, 0);
    bool equal = expected == old;

    if (equal || m->in->operand[0].kind == OPERAND_MEMORY)
        if (operand_update(m, 0, old, equal ? operand_read(m, 1) : old) != OUTCOME_NEXT)
            return OUTCOME_RETRY;
    if (!equal)
        gpr_write(m, RAX, size, old);
    set_flags(m, FLAGS_STATUS, flags_of_subtract(expected, old, (expected - old) & size_mask(size), size));
    return OUTCOME_NEXT;
}

enum outcome emulate_xadd(struct emulation *m)
{
    unsigned size = m->in->operand[0].size;
    uint64_t old = operand_read(m, 0), add = operand_read(m, 1);
    uint64_t sum = (old + add) & size_mask(size);

    if (m->in->operand[0].kind == OPERAND_MEMORY && operand_update(m, 0, old, sum) != OUTCOME_NEXT)
        return OUTCOME_RETRY;
    operand_write(m, 1, old);
    if (m->in->operand[0].kind != OPERAND_MEMORY)
        operand_write(m, 0, sum); /* after the source, which may be the same register */
    set_flags(m, FLAGS_STATUS, flags_of_add(old, add, sum, size));
    return OUTCOME_NEXT;
}

static bool exchange_16(void *memory, const uint64_t old[2], const uint64_t value[2])
{
    uint64_t low = old[0], high = old[1];
    bool done;

    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(done), "+m"(*(unsigned __int128 *)memory), "+a"(low), "+d"(high)
                     : "b"(value[0]), "c"(value[1])
                     : "memory");
    return done;
}

static enum outcome cmpxchg16b(struct emulation *m)
{
    struct vcpu_gpr *gpr = &m->state->gpr;
    uint64_t old[2], value[2] = {gpr->reg[RBX], gpr->reg[RCX]};

    if (m->place.piece[0].gpa & 15)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    place_read(m, &m->place, old);
    bool equal = old[0] == gpr->reg[RAX] && old[1] == gpr->reg[RDX];
    if (!equal)
        memcpy(value, old, sizeof(value));
    /* Aligned, so it is one piece. */
    if (!m->place.piece[0].ram)
        place_write(m, &m->place, value);
    else if (!exchange_16(m->place.piece[0].ram, old, value))
        return OUTCOME_RETRY;
    gpr->reg[RAX] = old[0];
    gpr->reg[RDX] = old[1];
    set_flags(m, FLAG_ZF, equal ? FLAG_ZF : 0);
    return OUTCOME_NEXT;
}

/* 0F C7 /1 with memory; the rest of group 9 is not emulated. */
enum outcome emulate_cmpxchg8b(struct emulation *m)
{
    if (m->in->operand[0].kind != OPERAND_MEMORY || (m->in->modrm >> 3 & 7) != 1)
        return OUTCOME_UNKNOWN;
    if (m->in->operand[0].size == 16)
        return cmpxchg16b(m);
    uint64_t expected = gpr_read(m, RDX, 4) << 32 | gpr_read(m, RAX, 4);
    uint64_t desired = gpr_read(m, RCX, 4) << 32 | gpr_read(m, RBX, 4);
    uint64_t old = operand_read(m, 0);
    bool equal = old == expected;

    if (operand_update(m, 0, old, equal ? desired : old) != OUTCOME_NEXT)
        return OUTCOME_RETRY;
    if (!equal) {
        gpr_write(m, RAX, 4, old);
        gpr_write(m, RDX, 4, old >> 32);
    }
    set_flags(m, FLAG_ZF, equal ? FLAG_ZF : 0);
    return OUTCOME_NEXT;
}
