/*
 * Decimal arithmetic: DAA, DAS, AAA, AAS, AAM, AAD; and SALC (SDM Vol. 2; AMD APM Vol. 3).
 */
#include "emulate_flags.h"
#include "emulate_internal.h"

enum { FLAGS_OF_RESULT = FLAG_SF | FLAG_ZF | FLAG_PF };

/* 27 and 2F. OF is not defined and stays. */
enum outcome emulate_decimal_adjust(struct emulation *m)
{
    bool subtract = m->in->opcode == 0x2f;
    uint8_t old = (uint8_t)m->state->gpr.reg[RAX], al = old;
    uint64_t flags = m->state->gpr.rflags, result = 0;
    bool low = (old & 0xf) > 9 || (flags & FLAG_AF), high = old > 0x99 || (flags & FLAG_CF);

    if (low) {
        al = (uint8_t)(subtract ? al - 6 : al + 6);
        result |= FLAG_AF | (subtract && old < 6 ? FLAG_CF : 0);
    }
    if (high) {
        al = (uint8_t)(subtract ? al - 0x60 : al + 0x60);
        result |= FLAG_CF;
    }
    gpr_write(m, RAX, 1, al);
    set_flags(m, FLAGS_STATUS & ~FLAG_OF, result | flags_of_result(al, 1));
    return OUTCOME_NEXT;
}

/* 37 and 3F: the carry goes into AH. The other flags are not defined and stay. */
enum outcome emulate_ascii_adjust(struct emulation *m)
{
    bool subtract = m->in->opcode == 0x3f;
    uint16_t ax = (uint16_t)m->state->gpr.reg[RAX];
    bool adjust = (ax & 0xf) > 9 || (m->state->gpr.rflags & FLAG_AF);

    if (adjust)
        ax = (uint16_t)(subtract ? ax - 0x106 : ax + 0x106);
    gpr_write(m, RAX, 2, ax & 0xff0f);
    set_flags(m, FLAG_AF | FLAG_CF, adjust ? FLAG_AF | FLAG_CF : 0);
    return OUTCOME_NEXT;
}

/* D4: AH and AL become quotient and remainder. */
enum outcome emulate_ascii_multiply(struct emulation *m)
{
    uint8_t base = (uint8_t)m->in->immediate, al = (uint8_t)m->state->gpr.reg[RAX];

    if (base == 0)
        return emulate_fault(m, EXCEPTION_DE);
    gpr_write(m, RAX, 2, (uint64_t)(al / base) << 8 | al % base);
    set_flags(m, FLAGS_OF_RESULT, flags_of_result(al % base, 1));
    return OUTCOME_NEXT;
}

/* D5. */
enum outcome emulate_ascii_divide(struct emulation *m)
{
    uint16_t ax = (uint16_t)m->state->gpr.reg[RAX];
    uint8_t al = (uint8_t)((ax & 0xff) + (ax >> 8) * (uint8_t)m->in->immediate);

    gpr_write(m, RAX, 2, al);
    set_flags(m, FLAGS_OF_RESULT, flags_of_result(al, 1));
    return OUTCOME_NEXT;
}

/* D6: AL from CF. */
enum outcome emulate_salc(struct emulation *m)
{
    gpr_write(m, RAX, 1, m->state->gpr.rflags & FLAG_CF ? 0xff : 0);
    return OUTCOME_NEXT;
}
