/*
 * MUL, IMUL, DIV, IDIV in all their forms.
 */
#include "emulate_flags.h"
#include "emulate_internal.h"

/* CF and OF say that the upper half matters; SF, ZF, AF and PF are undefined. */
static void set_product_flags(struct emulation *m, bool overflow)
{
    set_flags(m, FLAG_CF | FLAG_OF, overflow ? FLAG_CF | FLAG_OF : 0);
}

/* The double-width result of MUL and what DIV divides: AX, or rDX:rAX. */
static void write_pair(struct emulation *m, unsigned size, uint64_t low, uint64_t high)
{
    if (size == 1) {
        gpr_write(m, RAX, 2, (high & 0xff) << 8 | (low & 0xff));
        return;
    }
    gpr_write(m, RAX, size, low);
    gpr_write(m, RDX, size, high);
}

enum outcome emulate_multiply(struct emulation *m)
{
    unsigned size = m->in->operand[0].size, bits = 8 * size;
    bool is_signed = m->in->modrm & 8;
    uint64_t left = gpr_read(m, RAX, size), right = operand_read(m, 0), low, high;

    if (is_signed) {
        __int128 product = (__int128)sign_extend(left, size) * sign_extend(right, size);
        low = (uint64_t)product & size_mask(size);
        high = (uint64_t)(product >> bits) & size_mask(size);
        set_product_flags(m, product != sign_extend(low, size));
    } else {
        unsigned __int128 product = (unsigned __int128)left * right;
        low = (uint64_t)product & size_mask(size);
        high = (uint64_t)(product >> bits) & size_mask(size);
        set_product_flags(m, high != 0);
    }
    write_pair(m, size, low, high);
    return OUTCOME_NEXT;
}

/* IMUL with two or three operands: the product of the last two goes to the first, a register. */
enum outcome emulate_multiply_to_register(struct emulation *m)
{
    unsigned size = m->in->operand[0].size;
    bool three = m->in->operand[2].kind != OPERAND_NONE;
    int64_t left = sign_extend(operand_read(m, three ? 1 : 0), size);
    int64_t right = sign_extend(operand_read(m, three ? 2 : 1) & size_mask(size), size);
    __int128 product = (__int128)left * right;

    operand_write(m, 0, (uint64_t)product);
    set_product_flags(m, product != sign_extend((uint64_t)product & size_mask(size), size));
    return OUTCOME_NEXT;
}

/* 128 by 64 bits. The caller knows that the quotient fits, so the processor's instruction cannot trap. */
static uint64_t divide_wide(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *remainder)
{
    uint64_t quotient;

    __asm__("divq %4" : "=a"(quotient), "=d"(*remainder) : "a"(low), "d"(high), "r"(divisor) : "cc");
    return quotient;
}

enum outcome emulate_divide(struct emulation *m)
{
    unsigned size = m->in->operand[0].size, bits = 8 * size;
    bool is_signed = m->in->modrm & 8;
    if (m->in->operand[0].kind == OPERAND_MEMORY && reads_before_fault(m, &m->place))
        return OUTCOME_UNKNOWN;
    uint64_t divisor = operand_read(m, 0), remainder;
    uint64_t low = size == 1 ? gpr_read(m, RAX, 1) : gpr_read(m, RAX, size);
    uint64_t high = size == 1 ? gpr_read(m, RAX, 2) >> 8 : gpr_read(m, RDX, size);
    bool negative = is_signed && (high & sign_bit(size));
    bool negative_divisor = is_signed && (divisor & sign_bit(size));
    unsigned __int128 dividend = (unsigned __int128)high << bits | low;

    /* Divide magnitudes; quotient truncates towards zero, the remainder has the dividend's sign. */
    if (negative)
        dividend = (((unsigned __int128)size_mask(size) << bits | size_mask(size)) & -dividend);
    if (negative_divisor)
        divisor = -divisor & size_mask(size);
    if (divisor == 0 || (uint64_t)(dividend >> bits) >= divisor)
        return emulate_fault(m, EXCEPTION_DE);
    /* The quotient has at most `bits` bits, so the high half of 64 is below the divisor. */
    uint64_t quotient = divide_wide((uint64_t)(dividend >> 64), (uint64_t)dividend, divisor, &remainder);
    if (is_signed) {
        uint64_t limit = sign_bit(size) - (negative == negative_divisor);
        if (quotient > limit)
            return emulate_fault(m, EXCEPTION_DE);
        quotient = negative == negative_divisor ? quotient : -quotient;
        remainder = negative ? -remainder : remainder;
    }
    write_pair(m, size, quotient & size_mask(size), remainder & size_mask(size));
    return OUTCOME_NEXT;
}
