/*
 * The decoder's engine: prefixes, opcode, ModRM, SIB, displacement and immediates in the order in which they
 * lie in memory (Intel SDM Vol. 2A, 2.1 to 2.3), guided by the tables of decode_tables.h.
 */
#include <stdbool.h>
#include "decode.h"
#include "decode_tables.h"
#include "vcpu_state.h"

struct decoder {
    struct instruction *to;
    const uint8_t *bytes;
    unsigned at;
    unsigned limit;
    enum decode_status status; /* the first error; reads after it give zeroes */
    bool ignore_mod;
};

static void fail(struct decoder *d, enum decode_status status)
{
    if (d->status == DECODE_OK)
        d->status = status;
}

static inline uint8_t take_byte(struct decoder *d)
{
    if (d->at < d->limit)
        return d->bytes[d->at++];
    fail(d, d->limit == INSTRUCTION_LENGTH_MAX ? DECODE_TOO_LONG : DECODE_MORE);
    return 0;
}

static uint64_t take(struct decoder *d, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)take_byte(d) << 8 * i;
    return value;
}

static int64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned unused = 64 - 8 * size;
    return (int64_t)(value << unused) >> unused;
}

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
    fail(d, d->limit == INSTRUCTION_LENGTH_MAX ? DECODE_TOO_LONG : DECODE_MORE);
}

static void set_operand_size(struct instruction *in, uint8_t flags)
{
    bool prefix = in->prefixes & PREFIX_OPERAND;

    if (in->mode == DECODE_16)
        in->operand_size = prefix ? 4 : 2;
    else if (in->mode == DECODE_32)
        in->operand_size = prefix ? 2 : 4;
    else if ((in->rex & REX_W) || (flags & FORCED_64))
        in->operand_size = 8;
    else if (prefix)
        in->operand_size = 2;
    else
        in->operand_size = (flags & DEFAULT_64) ? 8 : 4;
}

static void set_address_size(struct instruction *in)
{
    bool prefix = in->prefixes & PREFIX_ADDRESS;

    if (in->mode == DECODE_64)
        in->address_size = prefix ? 4 : 8;
    else
        in->address_size = (in->mode == DECODE_32) != prefix ? 4 : 2;
}

/* 16-bit addressing forms (SDM Vol. 2A, table 2-1). */
static void take_address_16(struct decoder *d, unsigned mod, unsigned rm)
{
    static const uint8_t base[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    static const uint8_t index[8] = {RSI, RDI, RSI, RDI, BASE_NONE, BASE_NONE, BASE_NONE, BASE_NONE};
    struct instruction *in = d->to;

    in->memory.base = mod == 0 && rm == 6 ? BASE_NONE : base[rm];
    in->memory.index = index[rm];
    in->displacement_size = mod == 1 ? 1 : mod == 2 || rm == 6 ? 2 : 0;
    if (mod == 0 && rm != 6)
        in->displacement_size = 0;
}

/* 32- and 64-bit addressing forms (SDM Vol. 2A, tables 2-2 and 2-3, and 2.2.1.6 for RIP). */
static void take_address_32(struct decoder *d, unsigned mod, unsigned rm)
{
    struct instruction *in = d->to;

    in->displacement_size = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    if (rm == 4) {
        in->has_sib = 1;
        in->sib = take_byte(d);
        unsigned index = ((in->sib >> 3) & 7) | (in->rex & REX_X ? 8 : 0);
        in->memory.scale = 1 << (in->sib >> 6);
        in->memory.index = index == RSP ? BASE_NONE : index;
        rm = in->sib & 7;
        in->memory.base = rm | (in->rex & REX_B ? 8 : 0);
        if (rm != RBP || mod != 0)
            return;
        in->memory.base = BASE_NONE;
    } else if (rm == 5 && mod == 0) {
        in->memory.base = in->mode == DECODE_64 ? BASE_RIP : BASE_NONE;
    } else {
        in->memory.base = rm | (in->rex & REX_B ? 8 : 0);
        return;
    }
    in->displacement_size = 4;
}

static void take_modrm(struct decoder *d)
{
    struct instruction *in = d->to;

    if (in->has_modrm)
        return;
    in->has_modrm = 1;
    in->modrm = take_byte(d);
}

static bool is_register(const struct decoder *d)
{
    return d->to->modrm >= 0xc0 || d->ignore_mod;
}

/* SIB and displacement, which follow ModRM. */
static void take_address(struct decoder *d)
{
    struct instruction *in = d->to;
    unsigned mod = in->modrm >> 6, rm = in->modrm & 7;

    in->memory.scale = 1;
    in->memory.index = BASE_NONE;
    if (in->address_size == 2)
        take_address_16(d, mod, rm);
    else
        take_address_32(d, mod, rm);
    if (in->displacement_size)
        in->memory.displacement = sign_extend(take(d, in->displacement_size), in->displacement_size);
    if (in->memory.segment == SEG_COUNT)
        in->memory.segment = in->memory.base == RBP || in->memory.base == RSP ? SEG_SS : SEG_DS;
}

static unsigned type_size(const struct decoder *d, unsigned type)
{
    static const uint16_t fixed[] = {
        [TYPE_0] = 0,  [TYPE_b] = 1,  [TYPE_w] = 2,  [TYPE_d] = 4,   [TYPE_q] = 8,
        [TYPE_x] = 16, [TYPE_t] = 10, [TYPE_p6] = 6, [TYPE_f] = 512, [TYPE_64] = 64,
    };
    unsigned size = d->to->operand_size;
    bool long_mode = d->to->mode == DECODE_64;

    switch (type) {
    case TYPE_v:
        return size;
    case TYPE_z:
        return size == 2 ? 2 : 4;
    case TYPE_y:
        return size == 8 ? 8 : 4;
    case TYPE_p:
        return size + 2;
    case TYPE_a:
        return 2 * size;
    case TYPE_s:
        return long_mode ? 10 : 6;
    case TYPE_k:
        return long_mode ? 8 : 4;
    case TYPE_e:
        return size == 2 ? 14 : 28;
    case TYPE_h:
        return size == 2 ? 94 : 108;
    case TYPE_o:
        return d->to->rex & REX_W ? 16 : 8;
    case TYPE_m:
        return is_register(d) ? size : 2;
    case TYPE_u:
        return is_register(d) ? 4 : 1;
    case TYPE_r:
        return is_register(d) ? 4 : 2;
    default:
        return fixed[type];
    }
}

static void set_gpr(struct decoder *d, struct operand *operand, unsigned number)
{
    bool high = operand->size == 1 && number >= 4 && number < 8 && !(d->to->prefixes & PREFIX_REX);

    operand->kind = high ? OPERAND_GPR_HIGH : OPERAND_GPR;
    operand->reg = high ? number - 4 : number;
}

/* An operand that ModRM.rm names: memory, or a register of the given kind. */
static void set_rm(struct decoder *d, struct operand *operand, unsigned method)
{
    struct instruction *in = d->to;
    unsigned rm = in->modrm & 7;
    bool memory = !is_register(d);

    if (memory && (method == METHOD_R || method == METHOD_N || method == METHOD_U || method == METHOD_T))
        fail(d, DECODE_INVALID);
    if (!memory && method == METHOD_M)
        fail(d, DECODE_INVALID);
    if (memory) {
        operand->kind = OPERAND_MEMORY;
    } else if (method == METHOD_Q || method == METHOD_N || method == METHOD_T) {
        operand->kind = method == METHOD_T ? OPERAND_X87 : OPERAND_MMX;
        operand->reg = rm;
    } else if (method == METHOD_W || method == METHOD_U) {
        operand->kind = OPERAND_XMM;
        operand->reg = rm | (in->rex & REX_B ? 8 : 0);
    } else {
        set_gpr(d, operand, rm | (in->rex & REX_B ? 8 : 0));
    }
}

/* An operand that ModRM.reg names. */
static void set_reg(struct decoder *d, struct operand *operand, unsigned method)
{
    /* CR0, CR2, CR3, CR4, CR8 */
    static const uint16_t control_registers = 0x11d;
    unsigned low = (d->to->modrm >> 3) & 7;
    unsigned number = low | (d->to->rex & REX_R ? 8 : 0);

    operand->reg = number;
    switch (method) {
    case METHOD_P:
        operand->kind = OPERAND_MMX;
        operand->reg = low;
        break;
    case METHOD_V:
        operand->kind = OPERAND_XMM;
        break;
    case METHOD_S:
    case METHOD_L:
        operand->kind = OPERAND_SEGMENT;
        operand->reg = low;
        if (low > SEG_GS || (low == SEG_CS && method == METHOD_L))
            fail(d, DECODE_INVALID);
        break;
    case METHOD_C:
        operand->kind = OPERAND_CONTROL;
        if (!(control_registers >> number & 1))
            fail(d, DECODE_INVALID);
        break;
    case METHOD_D:
        operand->kind = OPERAND_DEBUG;
        if (number > 7)
            fail(d, DECODE_INVALID);
        break;
    default:
        set_gpr(d, operand, number);
    }
}

static void set_immediate(struct decoder *d, struct operand *operand, unsigned method)
{
    struct instruction *in = d->to;
    unsigned size = operand->size;

    switch (method) {
    case METHOD_I2:
        operand->kind = OPERAND_IMMEDIATE_2;
        in->immediate2_size = size;
        in->immediate2 = take(d, size);
        return;
    case METHOD_A:
        operand->kind = OPERAND_FAR;
        in->immediate_size = in->operand_size;
        in->immediate = take(d, in->operand_size);
        in->immediate2_size = 2;
        in->immediate2 = take(d, 2);
        return;
    case METHOD_I:
        operand->kind = OPERAND_IMMEDIATE;
        in->immediate = take(d, size);
        break;
    default:
        operand->kind = method == METHOD_J ? OPERAND_RELATIVE : OPERAND_IMMEDIATE;
        in->immediate = sign_extend(take(d, size), size);
    }
    in->immediate_size = size;
}

static void set_fixed(struct decoder *d, struct operand *operand, unsigned method)
{
    struct instruction *in = d->to;

    switch (method) {
    case METHOD_Z:
        set_gpr(d, operand, (in->opcode & 7) | (in->rex & REX_B ? 8 : 0));
        break;
    case METHOD_O:
        operand->kind = OPERAND_MEMORY;
        in->displacement_size = in->address_size;
        in->memory.base = in->memory.index = BASE_NONE;
        in->memory.scale = 1;
        in->memory.displacement = take(d, in->address_size);
        if (in->memory.segment == SEG_COUNT)
            in->memory.segment = SEG_DS;
        break;
    case METHOD_X:
        operand->kind = OPERAND_STRING_SI;
        if (in->memory.segment == SEG_COUNT)
            in->memory.segment = SEG_DS;
        break;
    case METHOD_Y:
        operand->kind = OPERAND_STRING_DI;
        break;
    case METHOD_1:
        operand->kind = OPERAND_ONE;
        break;
    case METHOD_ST0:
        operand->kind = OPERAND_X87;
        break;
    case METHOD_XMM0:
        operand->kind = OPERAND_XMM;
        break;
    case METHOD_AX:
    case METHOD_CX:
    case METHOD_DX:
        operand->kind = OPERAND_GPR;
        operand->reg = RAX + (method - METHOD_AX);
        break;
    default:
        operand->kind = OPERAND_SEGMENT;
        operand->reg = SEG_ES + (method - METHOD_ES);
    }
}

static void set_operands(struct decoder *d, const struct opcode *opcode)
{
    for (unsigned i = 0; i < INSTRUCTION_OPERANDS && opcode->operand[i]; i++) {
        unsigned code = opcode->operand[i];
        unsigned method = code & METHOD_MASK;
        struct operand *operand = &d->to->operand[i];

        if (method <= METHOD_LAST_MODRM && !d->to->has_modrm)
            take_modrm(d);
        if (i == 0 && d->to->has_modrm && !is_register(d))
            take_address(d);
        operand->access = code >> (METHOD_BITS + TYPE_BITS);
        operand->size = type_size(d, code >> METHOD_BITS & TYPE_MASK);
        if (method <= METHOD_T)
            set_rm(d, operand, method);
        else if (method <= METHOD_LAST_MODRM)
            set_reg(d, operand, method);
        else if (method >= METHOD_I && method <= METHOD_A)
            set_immediate(d, operand, method);
        else
            set_fixed(d, operand, method);
    }
}

/* Goes from an opcode's entry to the one that fits ModRM, prefixes and mode. No table is nested deeper than
 * four. */
static const struct opcode *select_opcode(struct decoder *d, const struct opcode *opcode)
{
    struct instruction *in = d->to;

    while (opcode->table) {
        unsigned which;
        switch (opcode->kind) {
        case OPCODE_BY_REG:
            take_modrm(d);
            which = (in->modrm >> 3) & 7;
            break;
        case OPCODE_BY_RM:
            take_modrm(d);
            which = in->modrm & 7;
            break;
        case OPCODE_BY_MOD:
            take_modrm(d);
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

static void take_legacy(struct decoder *d, const struct opcode *opcode)
{
    struct instruction *in = d->to;
    bool long_mode = in->mode == DECODE_64;

    opcode = select_opcode(d, opcode);
    if (opcode->kind == OPCODE_INVALID || (opcode->flags & (long_mode ? NOT_64 : ONLY_64)))
        fail(d, DECODE_INVALID);
    if (d->status != DECODE_OK)
        return;
    d->ignore_mod = opcode->flags & ANY_MOD;
    set_operand_size(in, opcode->flags);
    set_operands(d, opcode);
    if (in->prefixes & PREFIX_LOCK)
        if (!(opcode->flags & LOCKABLE) || in->operand[0].kind != OPERAND_MEMORY)
            fail(d, DECODE_INVALID);
}

/* What follows VEX, EVEX or XOP: opcode, ModRM, and an immediate of the given size. */
static void take_vector(struct decoder *d, unsigned immediate_size)
{
    struct instruction *in = d->to;
    struct operand *operand = &in->operand[0];

    set_operand_size(in, 0);
    take_modrm(d);
    if (is_register(d)) {
        operand->kind = OPERAND_XMM;
        operand->reg = (in->modrm & 7) | (in->rex & REX_B ? 8 : 0);
    } else {
        take_address(d);
        operand->kind = OPERAND_MEMORY;
    }
    in->immediate = take(d, immediate_size);
    in->immediate_size = immediate_size;
}

/* Immediates in the maps of VEX and EVEX: all of 0F3A, none of 0F38, of 0F a few. */
static unsigned vector_immediate(const struct instruction *in)
{
    if (in->map_select == 1)
        return (in->opcode >= 0x70 && in->opcode <= 0x73) || in->opcode == 0xc2 ||
               (in->opcode >= 0xc4 && in->opcode <= 0xc6);
    return in->map_select == 3;
}

static bool vector_prefixes_valid(const struct instruction *in)
{
    return !(in->prefixes & (PREFIX_LOCK | PREFIX_REP | PREFIX_REPNE | PREFIX_OPERAND | PREFIX_REX));
}

/* VEX with two (C5) or three bytes (C4), XOP (8F), SDM Vol. 2A 2.3.5 and APM Vol. 3, 1.2.7. */
static void take_vex(struct decoder *d, uint8_t first)
{
    struct instruction *in = d->to;
    uint8_t byte = take_byte(d);

    in->map = first == 0x8f ? MAP_XOP : MAP_VEX;
    in->rex = byte & 0x80 ? 0 : REX_R;
    in->map_select = 1;
    if (first != 0xc5) {
        in->rex |= (byte & 0x40 ? 0 : REX_X) | (byte & 0x20 ? 0 : REX_B);
        in->map_select = byte & 0x1f;
        in->rex |= take_byte(d) & 0x80 ? REX_W : 0;
    }
    if (in->mode != DECODE_64)
        in->rex &= REX_W;
    in->opcode = take_byte(d);
    if (!vector_prefixes_valid(in))
        fail(d, DECODE_INVALID);
    if (in->map == MAP_VEX) {
        if (in->map_select == 0 || in->map_select > 3)
            fail(d, DECODE_INVALID);
        if (in->map_select != 1 || in->opcode != 0x77) /* VZEROUPPER, VZEROALL */
            take_vector(d, vector_immediate(in));
    } else {
        static const uint8_t immediate[] = {1, 0, 4};
        if (in->map_select < 8 || in->map_select > 10)
            fail(d, DECODE_INVALID);
        else
            take_vector(d, immediate[in->map_select - 8]);
    }
}

/* EVEX (SDM Vol. 2A, 2.7). A displacement of one byte is not scaled by the vector's size here. */
static void take_evex(struct decoder *d)
{
    struct instruction *in = d->to;
    uint8_t p0 = take_byte(d), p1 = take_byte(d);

    take_byte(d);
    in->map = MAP_EVEX;
    in->map_select = p0 & 7;
    in->rex =
        (p0 & 0x80 ? 0 : REX_R) | (p0 & 0x40 ? 0 : REX_X) | (p0 & 0x20 ? 0 : REX_B) | (p1 & 0x80 ? REX_W : 0);
    if (in->mode != DECODE_64)
        in->rex &= REX_W;
    in->opcode = take_byte(d);
    if (!vector_prefixes_valid(in) || (p0 & 8) || !(p1 & 4) || in->map_select == 0 || in->map_select == 4 ||
        in->map_select == 7)
        fail(d, DECODE_INVALID);
    take_vector(d, vector_immediate(in));
}

/* 0F 0F ModRM suffix. */
static void take_3dnow(struct decoder *d)
{
    struct instruction *in = d->to;
    static const struct opcode operands = OP(0, RW(P, q), R(Q, q));

    in->map = MAP_3DNOW;
    take_legacy(d, &operands);
    in->opcode = take_byte(d);
    if (!(decode_3dnow[in->opcode >> 6] >> (in->opcode & 63) & 1))
        fail(d, DECODE_INVALID);
}

static void take_0f(struct decoder *d)
{
    struct instruction *in = d->to;

    in->opcode = take_byte(d);
    switch (in->opcode) {
    case 0x0f:
        take_3dnow(d);
        break;
    case 0x38:
        in->map = MAP_0F38;
        in->opcode = take_byte(d);
        take_legacy(d, &decode_0f38[in->opcode]);
        break;
    case 0x3a:
        in->map = MAP_0F3A;
        in->opcode = take_byte(d);
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
        take_byte(d); /* it says why */
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
    uint8_t byte = instruction->opcode = take_byte(&d);
    if (d.status != DECODE_OK)
        return d.status;
    if (byte == 0x0f)
        take_0f(&d);
    else if (!is_escape(&d, byte))
        take_legacy(&d, &decode_one_byte[byte]);
    else if (byte == 0x62)
        take_evex(&d);
    else
        take_vex(&d, byte);
    instruction->length = d.at;
    return d.status;
}
