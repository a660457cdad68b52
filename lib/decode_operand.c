/*
 * Operands of an instruction: sizes, registers, memory addresses, immediates (SDM Vol. 2A, 2.1 and 2.2).
 */
#include "decode_internal.h"
#include "vcpu_state.h"

uint64_t decode_take(struct decoder *d, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)decode_byte(d) << 8 * i;
    return value;
}

static int64_t sign_extend(uint64_t value, unsigned size)
{
    unsigned unused = 64 - 8 * size;
    return (int64_t)(value << unused) >> unused; /* NOLINT(clang-analyzer-core.*): no caller has size 0 */
}

void decode_set_operand_size(struct instruction *in, uint8_t flags)
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
        in->sib = decode_byte(d);
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

void decode_take_modrm(struct decoder *d)
{
    struct instruction *in = d->to;

    if (in->has_modrm)
        return;
    in->has_modrm = 1;
    in->modrm = decode_byte(d);
}

void decode_take_address(struct decoder *d)
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
        in->memory.displacement = sign_extend(decode_take(d, in->displacement_size), in->displacement_size);
    if (in->memory.segment == SEG_COUNT)
        in->memory.segment = in->memory.base == RBP || in->memory.base == RSP ? SEG_SS : SEG_DS;
}

static unsigned type_size(const struct decoder *d, unsigned type)
{
    static const uint16_t fixed[] = {
        [TYPE_0] = 0,  [TYPE_b] = 1,  [TYPE_w] = 2,   [TYPE_d] = 4,   [TYPE_q] = 8,   [TYPE_x] = 16,
        [TYPE_t] = 10, [TYPE_p6] = 6, [TYPE_f] = 512, [TYPE_48] = 48, [TYPE_64] = 64,
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
    case TYPE_n:
        return d->to->address_size;
    case TYPE_e:
        return size == 2 ? 14 : 28;
    case TYPE_h:
        return size == 2 ? 94 : 108;
    case TYPE_o:
        return d->to->rex & REX_W ? 16 : 8;
    case TYPE_m:
        return decode_is_register(d) ? size : 2;
    case TYPE_u:
        return decode_is_register(d) ? 4 : 1;
    case TYPE_r:
        return decode_is_register(d) ? 4 : 2;
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
    bool memory = !decode_is_register(d);

    if (memory && (method == METHOD_R || method == METHOD_N || method == METHOD_U || method == METHOD_T))
        decode_fail(d, DECODE_INVALID);
    if (!memory && method == METHOD_M)
        decode_fail(d, DECODE_INVALID);
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
            decode_fail(d, DECODE_INVALID);
        break;
    case METHOD_C:
        operand->kind = OPERAND_CONTROL;
        if (!(control_registers >> number & 1))
            decode_fail(d, DECODE_INVALID);
        break;
    case METHOD_D:
        operand->kind = OPERAND_DEBUG;
        if (number > 7)
            decode_fail(d, DECODE_INVALID);
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
        in->immediate2 = decode_take(d, size);
        return;
    case METHOD_A:
        operand->kind = OPERAND_FAR;
        in->immediate_size = in->operand_size;
        in->immediate = decode_take(d, in->operand_size);
        in->immediate2_size = 2;
        in->immediate2 = decode_take(d, 2);
        return;
    case METHOD_I:
        operand->kind = OPERAND_IMMEDIATE;
        in->immediate = decode_take(d, size);
        break;
    default:
        operand->kind = method == METHOD_J ? OPERAND_RELATIVE : OPERAND_IMMEDIATE;
        in->immediate = sign_extend(decode_take(d, size), size);
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
        in->memory.displacement = decode_take(d, in->address_size);
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

void decode_take_operands(struct decoder *d, const struct opcode *opcode)
{
    for (unsigned i = 0; i < INSTRUCTION_OPERANDS && opcode->operand[i]; i++) {
        unsigned code = opcode->operand[i];
        unsigned method = code & METHOD_MASK;
        struct operand *operand = &d->to->operand[i];

        if (method <= METHOD_LAST_MODRM && !d->to->has_modrm)
            decode_take_modrm(d);
        if (i == 0 && d->to->has_modrm && !decode_is_register(d))
            decode_take_address(d);
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
