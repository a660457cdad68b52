/*
 * The decoder's engine: prefixes, opcode, ModRM, SIB, displacement and immediates in the order in which they
 * lie in memory (Intel SDM Vol. 2A, 2.1 to 2.3), guided by the tables of decode_tables.h.
 */
#include "decode_internal.h"
#include "vcpu_state.h"

/* What each byte is when it stands where a prefix may stand. */
static void take_prefixes(struct decoder *d)
{
    struct instruction *in = d->to;
    int segment = -1;

    for (; d->at < d->limit; d->at++) {
        uint8_t byte = d->bytes[d->at];
        switch (byte) {
        case 0x26:
        case 0x2e:
        case 0x36:
        case 0x3e:
            in->prefixes |= PREFIX_SEGMENT;
            if (in->mode != DECODE_64)
                segment = SEG_ES + ((byte >> 3) & 3);
            break;
        case 0x64:
        case 0x65:
            in->prefixes |= PREFIX_SEGMENT;
            segment = SEG_FS + (byte & 1);
            break;
        case 0x66:
            in->prefixes |= PREFIX_OPERAND;
            break;
        case 0x67:
            in->prefixes |= PREFIX_ADDRESS;
            break;
        case 0xf0:
            in->prefixes |= PREFIX_LOCK;
            break;
        case 0xf2:
            in->prefixes = (in->prefixes & ~PREFIX_REP) | PREFIX_REPNE;
            break;
        case 0xf3:
            in->prefixes = (in->prefixes & ~PREFIX_REPNE) | PREFIX_REP;
            break;
        default:
            if (in->mode != DECODE_64 || (byte & 0xf0) != 0x40) {
                in->memory.segment = segment < 0 ? SEG_COUNT : segment;
                return;
            }
            /* REX counts only right before the opcode. */
            if (d->at + 1 < d->limit) {
                uint8_t next = d->bytes[d->at + 1];
                bool legacy = next == 0x66 || next == 0x67 || next == 0xf0 || next == 0xf2 || next == 0xf3 ||
                              (next & 0xe7) == 0x26 || (next & 0xfe) == 0x64 || (next & 0xf0) == 0x40;
                if (legacy)
                    break;
            }
            in->prefixes |= PREFIX_REX;
            in->rex = byte & 0xf;
            d->at++;
            in->memory.segment = segment < 0 ? SEG_COUNT : segment;
            return;
        }
    }
    decode_fail(d, d->limit == INSTRUCTION_LENGTH_MAX ? DECODE_TOO_LONG : DECODE_MORE);
}

static void set_address_size(struct instruction *in)
{
    bool prefix = in->prefixes & PREFIX_ADDRESS;

    if (in->mode == DECODE_64)
        in->address_size = prefix ? 4 : 8;
    else
        in->address_size = (in->mode == DECODE_32) != prefix ? 4 : 2;
}

/* Goes from an opcode's entry to the one that fits ModRM, prefixes and mode. No table is nested deeper than
 * four. */
static const struct opcode *select_opcode(struct decoder *d, const struct opcode *opcode)
{
    struct instruction *in = d->to;

    while (opcode->kind >= OPCODE_BY_REG) {
        unsigned which;
        switch (opcode->kind) {
        case OPCODE_BY_REG:
            decode_take_modrm(d);
            which = (in->modrm >> 3) & 7;
            break;
        case OPCODE_BY_RM:
            decode_take_modrm(d);
            which = in->modrm & 7;
            break;
        case OPCODE_BY_MOD:
            decode_take_modrm(d);
            which = in->modrm >= 0xc0;
            break;
        case OPCODE_BY_PREFIX:
            which = in->prefixes & PREFIX_REPNE ? 3
                    : in->prefixes & PREFIX_REP ? 2
                                                : !!(in->prefixes & PREFIX_OPERAND);
            in->mandatory = (const uint8_t[]){0, 0x66, 0xf3, 0xf2}[which];
            break;
        case OPCODE_BY_MODE:
            which = in->mode == DECODE_64;
            break;
        default:
            which = !!(in->rex & REX_B);
            break;
        }
        opcode = &opcode->table[which];
    }
    return opcode;
}

/* AMD's LOCK MOV CR0 is MOV CR8 (AMD APM Vol. 3, MOV CRn). */
static bool lock_names_cr8(struct instruction *in)
{
    for (unsigned i = 0; i < 2; i++) {
        if (in->operand[i].kind == OPERAND_CONTROL && in->operand[i].reg == 0) {
            in->operand[i].reg = 8;
            return true;
        }
    }
    return false;
}

static void take_legacy(struct decoder *d, const struct opcode *opcode)
{
    struct instruction *in = d->to;
    bool long_mode = in->mode == DECODE_64;

    opcode = select_opcode(d, opcode);
    if (opcode->kind == OPCODE_INVALID || (opcode->flags & (long_mode ? NOT_64 : ONLY_64)))
        decode_fail(d, DECODE_INVALID);
    if (d->status != DECODE_OK)
        return;
    d->ignore_mod = opcode->flags & ANY_MOD;
    decode_set_operand_size(in, opcode->flags);
    decode_take_operands(d, opcode);
    bool lockable = (opcode->flags & LOCKABLE) && in->operand[0].kind == OPERAND_MEMORY;
    if ((in->prefixes & PREFIX_LOCK) && !lockable && !lock_names_cr8(in))
        decode_fail(d, DECODE_INVALID);
}

/* 0F 0F ModRM suffix. */
static void take_3dnow(struct decoder *d)
{
    struct instruction *in = d->to;
    static const struct opcode operands = OP(0, RW(P, q), R(Q, q));

    in->map = MAP_3DNOW;
    take_legacy(d, &operands);
    in->opcode = decode_byte(d);
    if (!(decode_3dnow[in->opcode >> 6] >> (in->opcode & 63) & 1))
        decode_fail(d, DECODE_INVALID);
}

static void take_0f(struct decoder *d)
{
    struct instruction *in = d->to;

    in->opcode = decode_byte(d);
    switch (in->opcode) {
    case 0x0f:
        take_3dnow(d);
        break;
    case 0x38:
        in->map = MAP_0F38;
        in->opcode = decode_byte(d);
        take_legacy(d, &decode_0f38[in->opcode]);
        break;
    case 0x3a:
        in->map = MAP_0F3A;
        in->opcode = decode_byte(d);
        take_legacy(d, &decode_0f3a[in->opcode]);
        break;
    default:
        in->map = MAP_0F;
        take_legacy(d, &decode_0f[in->opcode]);
    }
}

/* C4, C5 and 62 are LES, LDS and BOUND outside 64-bit code unless the next byte would be a register ModRM; 8F
 * is POP unless the next byte names a map above 7. */
static bool is_escape(struct decoder *d, uint8_t byte)
{
    if (byte != 0xc4 && byte != 0xc5 && byte != 0x62 && byte != 0x8f)
        return false;
    if (d->at >= d->limit) {
        decode_byte(d); /* it says why */
        return false;
    }
    uint8_t next = d->bytes[d->at];
    if (byte == 0x8f)
        return (next & 0x1f) >= 8;
    return d->to->mode == DECODE_64 || next >= 0xc0;
}

enum decode_status instruction_decode(struct instruction *instruction, const uint8_t *bytes, size_t available,
                                      enum decode_mode mode)
{
    struct decoder d = {
        .to = instruction,
        .bytes = bytes,
        .limit = available < INSTRUCTION_LENGTH_MAX ? available : INSTRUCTION_LENGTH_MAX,
    };

    *instruction = (struct instruction){.mode = mode};
    take_prefixes(&d);
    set_address_size(instruction);
    uint8_t byte = instruction->opcode = decode_byte(&d);
    if (d.status != DECODE_OK)
        return d.status;
    if (byte == 0x0f)
        take_0f(&d);
    else if (!is_escape(&d, byte))
        take_legacy(&d, &decode_one_byte[byte]);
    else if (byte == 0x62)
        decode_take_evex(&d);
    else
        decode_take_vex(&d, byte);
    instruction->length = d.at;
    return d.status;
}
