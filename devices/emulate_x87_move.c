/*
 * x87 loads and stores of numbers: FLD, FST, FSTP, FILD, FIST, FISTP and FISTTP with memory (SDM Vol. 1, 4.8,
 * 4.9, 8.1, 8.2, 8.5; Vol. 2). Programs copy memory by them, and put numbers into frame buffers. Missing:
 * packed BCD (FBLD, FBSTP).
 *
 * Numbers are extended here, as in registers: a store rounds to its format, as RC says. An exception that is
 * masked has the manual's answer; one that is not leaves stack and memory as they are, but for an inexact
 * result, which is stored, and a denormal operand, which is loaded, whatever the manual says of it. FDP and
 * FDS are left alone, which no exception handler of today relies on.
 */
#include "emulate_fpu.h"
#include "string.h"

enum { EXTENDED_BIAS = 16383, EXTENDED_MAX = 0x7fff, EXTENDED_BYTES = 10 };
enum { ROUND_NEAREST, ROUND_DOWN, ROUND_UP, ROUND_TO_ZERO };
enum { NOT_STORED = FSW_IE | FSW_OE | FSW_UE, NOT_LOADED = FSW_IE };

#define INTEGER_BIT (1ull << 63)
#define QUIET_BIT   (1ull << 62)

struct extended {
    uint64_t significand;
    uint16_t exponent;
    bool sign;
};

enum class { ZERO, FINITE, INFINITE, QUIET, SIGNALLING, UNSUPPORTED };

static const struct extended indefinite = {INTEGER_BIT | QUIET_BIT, EXTENDED_MAX, true};

/* What is read and written, in memory. */
enum format { SINGLE, DOUBLE, EXTENDED, INTEGER };

/* A number on its way to memory, and what came of it: bits of the status word. */
struct conversion {
    uint16_t control;
    uint16_t raised;
    uint64_t bits; /* the result */
};

static enum class classify(const struct extended *x) {
    if (x->exponent == 0) return x->significand ? FINITE : ZERO;
    if (!(x->significand & INTEGER_BIT)) return UNSUPPORTED;
    if (x->exponent < EXTENDED_MAX) return FINITE;
    if (!(x->significand << 1)) return INFINITE;
    return x->significand & QUIET_BIT ? QUIET : SIGNALLING;
}

static unsigned leading_zeros(uint64_t value)
{
    return (unsigned)__builtin_clzll(value);
}

/* A single or double: `fraction` bits, and the exponent's above them. */
static struct extended from_binary(uint64_t bits, unsigned fraction, unsigned bias, uint16_t *raised)
{
    unsigned exponent = bits >> fraction & (2 * bias + 1);
    uint64_t significand = (bits & ((1ull << fraction) - 1)) << (63 - fraction);
    struct extended x = {significand, 0, bits >> (fraction == 23 ? 31 : 63) & 1};

    if (exponent == 2 * bias + 1) {
        x.exponent = EXTENDED_MAX;
        *raised |= significand && !(significand & QUIET_BIT) ? FSW_IE : 0;
        x.significand |= INTEGER_BIT | (significand ? QUIET_BIT : 0);
    } else if (exponent) {
        x.exponent = (uint16_t)(exponent + EXTENDED_BIAS - bias);
        x.significand |= INTEGER_BIT;
    } else if (significand) {
        unsigned shift = leading_zeros(significand);
        *raised |= FSW_DE;
        x.exponent = (uint16_t)(1 + EXTENDED_BIAS - bias - shift);
        x.significand <<= shift;
    }
    return x;
}

static struct extended from_integer(int64_t value)
{
    struct extended x = {value < 0 ? -(uint64_t)value : (uint64_t)value, 0, value < 0};

    if (value) {
        unsigned shift = leading_zeros(x.significand);
        x.significand <<= shift;
        x.exponent = (uint16_t)(EXTENDED_BIAS + 63 - shift);
    }
    return x;
}

/* Drops `shift` bits of a significand and rounds what is left; C1 is set in *raised where it has grown. */
static uint64_t round_off(uint64_t significand, unsigned shift, bool sign, unsigned rounding,
                          uint16_t *raised)
{
    uint64_t kept = shift < 64 ? significand >> shift : 0;
    uint64_t lost = shift == 0    ? 0
                    : shift <= 64 ? significand << (64 - shift)
                                  : significand != 0; /* far less than a half */
    bool up = false;

    if (!lost)
        return kept;
    *raised |= FSW_PE;
    if (rounding == ROUND_NEAREST)
        up = lost > INTEGER_BIT || (lost == INTEGER_BIT && (kept & 1));
    else
        up = rounding == (sign ? ROUND_DOWN : ROUND_UP);
    *raised |= up ? FSW_C1 : 0;
    return kept + up;
}

/* A finite number that is not 0, to `precision` bits. */
static uint64_t round_finite(struct conversion *c, const struct extended *x, unsigned precision, int bias)
{
    unsigned rounding = c->control >> FCW_RC_SHIFT & 3, zeros = leading_zeros(x->significand);
    uint64_t significand = x->significand << zeros;
    int exponent = (x->exponent ? x->exponent : 1) - EXTENDED_BIAS - (int)zeros;
    uint16_t raised = 0;
    uint64_t rounded = round_off(significand, 64 - precision, x->sign, rounding, &raised);
    bool carry = rounded >> precision;

    if (exponent + carry < 1 - bias) { /* tiny: as if the exponent had no bounds */
        unsigned more = (unsigned)(1 - bias - exponent);
        raised = 0;
        rounded =
            round_off(significand, 64 - precision + (more > 64 ? 64 : more), x->sign, rounding, &raised);
        bool masked = c->control & FSW_UE;
        c->raised |= !masked ? FSW_UE : raised & FSW_PE ? raised | FSW_UE : 0;
        return rounded;
    }
    exponent += carry;
    if (exponent > bias) {
        bool to_infinity = rounding == ROUND_NEAREST || rounding == (x->sign ? ROUND_DOWN : ROUND_UP);
        bool masked = c->control & FSW_OE;
        c->raised |= !masked ? FSW_OE : FSW_OE | FSW_PE | (to_infinity ? FSW_C1 : 0);
        return ((uint64_t)(2 * bias + 1) << (precision - 1)) - !to_infinity;
    }
    c->raised |= raised;
    rounded >>= carry;
    return ((uint64_t)(exponent + bias - 1) << (precision - 1)) + rounded;
}

static void to_binary(struct conversion *c, const struct extended *x, unsigned precision, int bias)
{
    uint64_t infinity = (uint64_t)(2 * bias + 1) << (precision - 1);
    const struct extended *from = x;

    switch (classify(x)) {
    case ZERO:
        c->bits = 0;
        break;
    case FINITE:
        c->bits = round_finite(c, x, precision, bias);
        break;
    case INFINITE:
        c->bits = infinity;
        break;
    case UNSUPPORTED:
        from = &indefinite;
        __attribute__((fallthrough));
    case SIGNALLING:
        c->raised |= FSW_IE;
        __attribute__((fallthrough));
    case QUIET:
        c->bits = infinity | ((from->significand | QUIET_BIT) << 1 >> (65 - precision));
    }
    c->bits |= from->sign ? 1ull << (precision == 24 ? 31 : 63) : 0;
}

/* To `size` bytes. What does not fit, and what is no number, is the integer indefinite. */
static void to_integer(struct conversion *c, const struct extended *x, unsigned size, unsigned rounding)
{
    enum class class = classify(x);
    uint64_t most = 1ull << (8 * size - 1), magnitude = 0;
    int exponent = x->exponent - EXTENDED_BIAS;
    uint16_t raised = 0;
    bool fits = class == ZERO || (class == FINITE && exponent < 64);

    if (class == FINITE && fits)
        magnitude = round_off(x->significand, exponent < -1 ? 65 : (unsigned)(63 - exponent), x->sign,
                              rounding, &raised);
    if (!fits || magnitude > most - !x->sign) {
        c->raised |= FSW_IE;
        c->bits = most;
        return;
    }
    c->raised |= raised;
    c->bits = x->sign ? -magnitude : magnitude;
}

static struct extended stack_top(const struct emulation *m)
{
    const uint8_t *from = m->state->fpu.xsave + XSAVE_ST;
    unsigned last = from[8] | (unsigned)from[9] << 8;
    struct extended x = {load_8(from), last & EXTENDED_MAX, last >> 15};

    return x;
}

static void encode(const struct extended *x, uint8_t to[EXTENDED_BYTES])
{
    uint16_t last = (uint16_t)(x->exponent | (x->sign ? 1u << 15 : 0));

    memcpy(to, &x->significand, 8);
    memcpy(to + 8, &last, 2);
}

/* The status word after it, and where it was. */
static void settle(struct emulation *m, unsigned which, uint16_t raised)
{
    fpu_put(m, XSAVE_FSW, (fpu_get16(m, XSAVE_FSW) & ~(unsigned)FSW_C1) | raised, 2);
    fpu_put(m, XSAVE_FIP, (uint32_t)m->state->gpr.rip, 4);
    fpu_put(m, XSAVE_FCS, m->state->segment[SEG_CS].selector, 2);
    fpu_put(m, XSAVE_FOP, (which >> 8 & 7) << 8 | m->in->modrm, 2);
    fpu_update_summary(m);
    m->emulator->modified |= VCPU_FPU;
}

static void push(struct emulation *m, unsigned which, struct extended x, uint16_t raised)
{
    unsigned top = (fpu_top(m) - 1) & 7, tags = m->state->fpu.xsave[XSAVE_FTW];

    if (tags >> top & 1) {
        raised = FSW_IE | FSW_SF | FSW_C1;
        x = indefinite;
    }
    if (!(raised & NOT_LOADED & ~(unsigned)fpu_get16(m, XSAVE_FCW))) {
        fpu_set_top(m, top);
        memset(m->state->fpu.xsave + XSAVE_ST, 0, 16);
        encode(&x, m->state->fpu.xsave + XSAVE_ST);
        fpu_put(m, XSAVE_FTW, tags | 1u << top, 1);
    }
    settle(m, which, raised);
}

static void pop(struct emulation *m)
{
    unsigned top = fpu_top(m), tags = m->state->fpu.xsave[XSAVE_FTW];

    fpu_put(m, XSAVE_FTW, tags & ~(1u << top), 1);
    fpu_set_top(m, (top + 1) & 7);
}

static void load(struct emulation *m, unsigned which, enum format format, unsigned size)
{
    uint8_t bytes[EXTENDED_BYTES] = {0};
    struct extended x = {0};
    uint16_t raised = 0;

    place_read(m, &m->place, bytes);
    uint64_t bits = load_8(bytes);
    unsigned shift = 64 - 8 * size;
    switch (format) {
    case SINGLE:
        x = from_binary(bits, 23, 127, &raised);
        break;
    case DOUBLE:
        x = from_binary(bits, 52, 1023, &raised);
        break;
    case INTEGER:
        x = from_integer((int64_t)(bits << shift) >> shift);
        break;
    case EXTENDED:
        x = (struct extended){bits, (uint16_t)(bytes[8] | bytes[9] << 8) & EXTENDED_MAX, bytes[9] >> 7};
    }
    push(m, which, x, raised);
}

static void store(struct emulation *m, unsigned which, enum format format, unsigned size, bool pops,
                  bool truncates)
{
    struct conversion c = {.control = fpu_get16(m, XSAVE_FCW)};
    bool empty = !(m->state->fpu.xsave[XSAVE_FTW] >> fpu_top(m) & 1);
    struct extended x = empty ? indefinite : stack_top(m);
    uint8_t bytes[EXTENDED_BYTES];

    if (format == SINGLE)
        to_binary(&c, &x, 24, 127);
    else if (format == DOUBLE)
        to_binary(&c, &x, 53, 1023);
    else if (format == INTEGER)
        to_integer(&c, &x, size, truncates ? ROUND_TO_ZERO : c.control >> FCW_RC_SHIFT & 3);
    encode(&x, bytes);
    if (format != EXTENDED)
        memcpy(bytes, &c.bits, 8);
    if (empty)
        c.raised = FSW_IE | FSW_SF;
    if (!(c.raised & NOT_STORED & ~(unsigned)c.control)) {
        place_write(m, &m->place, bytes);
        if (pops)
            pop(m);
    }
    settle(m, which, c.raised);
}

enum { LOAD, STORE_TRUNCATED, STORE, STORE_POP };

bool x87_is_move(unsigned which)
{
    unsigned opcode = which >> 8, reg = which & 7;

    if ((which & 0xff) > 7 || !(opcode & 1))
        return false;
    switch (opcode) {
    case 0xd9:
        return reg < 4 && reg != STORE_TRUNCATED;
    case 0xdb:
    case 0xdf:
        return reg < 4 || reg == 5 || reg == 7;
    default:
        return opcode == 0xdd && reg < 4;
    }
}

enum outcome x87_move(struct emulation *m, unsigned which)
{
    unsigned opcode = which >> 8, reg = which & 7, size = m->place.size;
    enum format format = opcode == 0xd9                             ? SINGLE
                         : opcode == 0xdd && reg != STORE_TRUNCATED ? DOUBLE
                                                                    : INTEGER;

    if (reg > 3) { /* the large ones */
        format = opcode == 0xdb ? EXTENDED : INTEGER;
        reg = reg == 5 ? LOAD : STORE_POP;
    }
    if (reg == LOAD)
        load(m, which, format, size);
    else
        store(m, which, format, size, reg != STORE, reg == STORE_TRUNCATED);
    return OUTCOME_NEXT;
}
