/*
 * Shifts and rotates: ROL, ROR, RCL, RCR, SHL, SHR, SAR (group 2), SHLD, SHRD. Flags that the manual leaves
 * undefined (AF, OF for counts above one) get the value that the formula for a count of one would give.
 */
#include "emulate_flags.h"
#include "emulate_internal.h"

enum shift { SHIFT_ROL, SHIFT_ROR, SHIFT_RCL, SHIFT_RCR, SHIFT_SHL, SHIFT_SHR, SHIFT_SAL, SHIFT_SAR };

struct shifted {
    uint64_t value;
    bool carry, overflow;
};

/* Counts are taken modulo 32, or 64 for 64-bit operands (SDM Vol. 2, SAL/SAR/SHL/SHR). */
static unsigned shift_count(struct emulation *m, unsigned operand, unsigned size)
{
    return operand_read(m, operand) & (size == 8 ? 63 : 31);
}

static struct shifted rotate_left(uint64_t value, unsigned count, unsigned size)
{
    unsigned bits = 8 * size;

    count &= bits - 1;
    uint64_t result = count ? (value << count | value >> (bits - count)) & size_mask(size) : value;
    bool carry = result & 1;
    return (struct shifted){result, carry, carry != !!(result & sign_bit(size))};
}

static struct shifted rotate_right(uint64_t value, unsigned count, unsigned size)
{
    unsigned bits = 8 * size;

    count &= bits - 1;
    uint64_t result = count ? (value >> count | value << (bits - count)) & size_mask(size) : value;
    return (struct shifted){result, result & sign_bit(size), ((result ^ result << 1) & sign_bit(size)) != 0};
}

/* Rotates through CF are done bit by bit: at most 63 steps, and nobody uses them on devices. */
static struct shifted rotate_carry_left(uint64_t value, unsigned count, unsigned size, bool carry)
{
    for (count %= 8 * size + 1; count > 0; count--) {
        bool out = value & sign_bit(size);
        value = (value << 1 | carry) & size_mask(size);
        carry = out;
    }
    return (struct shifted){value, carry, carry != !!(value & sign_bit(size))};
}

static struct shifted rotate_carry_right(uint64_t value, unsigned count, unsigned size, bool carry)
{
    for (count %= 8 * size + 1; count > 0; count--) {
        bool out = value & 1;
        value = value >> 1 | (carry ? sign_bit(size) : 0);
        carry = out;
    }
    return (struct shifted){value, carry, ((value ^ value << 1) & sign_bit(size)) != 0};
}

/* For the three shifts count is not zero; it may exceed the operand's width when that is 8 or 16 bits. */
static struct shifted shift_left(uint64_t value, unsigned count, unsigned size)
{
    uint64_t before = value << (count - 1);
    uint64_t result = before << 1 & size_mask(size);
    bool carry = before & sign_bit(size);

    return (struct shifted){result, carry, carry != !!(result & sign_bit(size))};
}

static struct shifted shift_right(uint64_t value, unsigned count, unsigned size)
{
    uint64_t before = value >> (count - 1);

    return (struct shifted){before >> 1, before & 1, value & sign_bit(size)};
}

static struct shifted shift_arithmetic(uint64_t value, unsigned count, unsigned size)
{
    int64_t before = sign_extend(value, size) >> (count - 1);

    return (struct shifted){(uint64_t)(before >> 1) & size_mask(size), before & 1, false};
}

static enum outcome write_shifted(struct emulation *m, uint64_t old, struct shifted s, uint64_t mask)
{
    unsigned size = m->in->operand[0].size;

    if (operand_update(m, 0, old, s.value) != OUTCOME_NEXT)
        return OUTCOME_RETRY;
    set_flags(m, mask,
              flags_of_result(s.value, size) | (s.carry ? FLAG_CF : 0) |
                  (s.overflow ? (uint64_t)FLAG_OF : 0));
    return OUTCOME_NEXT;
}

enum outcome emulate_shift(struct emulation *m)
{
    unsigned size = m->in->operand[0].size;
    uint64_t value = operand_read(m, 0);
    unsigned count = shift_count(m, 1, size);
    bool carry = m->state->gpr.rflags & FLAG_CF;

    if (count == 0) /* no flag changes */
        return operand_update(m, 0, value, value);
    switch (m->in->modrm >> 3 & 7) {
    case SHIFT_ROL:
        return write_shifted(m, value, rotate_left(value, count, size), FLAG_CF | FLAG_OF);
    case SHIFT_ROR:
        return write_shifted(m, value, rotate_right(value, count, size), FLAG_CF | FLAG_OF);
    case SHIFT_RCL:
        return write_shifted(m, value, rotate_carry_left(value, count, size, carry), FLAG_CF | FLAG_OF);
    case SHIFT_RCR:
        return write_shifted(m, value, rotate_carry_right(value, count, size, carry), FLAG_CF | FLAG_OF);
    case SHIFT_SHR:
        return write_shifted(m, value, shift_right(value, count, size), FLAGS_STATUS);
    case SHIFT_SAR:
        return write_shifted(m, value, shift_arithmetic(value, count, size), FLAGS_STATUS);
    default:
        return write_shifted(m, value, shift_left(value, count, size), FLAGS_STATUS);
    }
}

/* SHLD and SHRD: opcode bit 3 tells them apart. A count above 16 on 16-bit operands is undefined; the source
 * then comes round again. */
enum outcome emulate_shift_double(struct emulation *m)
{
    unsigned size = m->in->operand[0].size, bits = 8 * size;
    uint64_t value = operand_read(m, 0), source = operand_read(m, 1);
    unsigned count = shift_count(m, 2, size);
    struct shifted s;

    if (count == 0)
        return operand_update(m, 0, value, value);
    if (count > bits) {
        count -= bits;
        uint64_t swap = value;
        value = source;
        source = swap;
    }
    if (m->in->opcode & 8) {
        s.value = ((count < bits ? value >> count : 0) | source << (bits - count)) & size_mask(size);
        s.carry = value >> (count - 1) & 1;
    } else {
        s.value = ((count < bits ? value << count : 0) | source >> (bits - count)) & size_mask(size);
        s.carry = value >> (bits - count) & 1;
    }
    s.overflow = (s.value ^ value) & sign_bit(size);
    return write_shifted(m, operand_read(m, 0), s, FLAGS_STATUS);
}
