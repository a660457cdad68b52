/*
 * Ring 0's small instruction reader (lib/insn.h). A cursor runs over the bytes; running off their end, or off
 * the 15 bytes that an instruction may have, ends in failure.
 */
#include "insn.h"

enum {
    ESCAPE = 0x0f,
    REX_MASK = 0xf0,
    REX = 0x40,
    REX_B = 1,
    REX_X = 2,
    REX_R = 4,
    REX_W = 8,
    PREFIX_OPERAND_SIZE = 0x66,
    PREFIX_ADDRESS_SIZE = 0x67,
    PREFIX_LOCK = 0xf0,
    PREFIX_REPNE = 0xf2,
    PREFIX_REP = 0xf3,
    MOD_REGISTER = 3,
    RM_SIB = 4,
    RM_DISP16 = 6,
    RM_DISP32 = 5,
    HIGH_BYTE_FIRST = 4, /* without REX: AH, CH, DH, BH */
    HIGH_BYTE_END = 8,
};

struct cursor {
    const uint8_t *bytes;
    size_t count, at;
    unsigned code_bits;
    uint8_t rex;
    bool operand_prefix, address_prefix;
};

static bool cursor_next(struct cursor *c, uint8_t *byte)
{
    if (c->at >= c->count)
        return false;
    *byte = c->bytes[c->at++];
    return true;
}

/* Reads a little-endian number of `size` bytes (0, 1, 2, 4, 8) and extends its sign. */
static bool cursor_number(struct cursor *c, unsigned size, uint64_t *value)
{
    const uint8_t *p = c->bytes + c->at;
    if (size > c->count - c->at)
        return false;
    c->at += size;
    uint32_t low = size < 4 ? 0 : p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    switch (size) {
    case 0:
        *value = 0;
        break;
    case 1:
        *value = (uint64_t)(int8_t)p[0];
        break;
    case 2:
        *value = (uint64_t)(int16_t)(p[0] | p[1] << 8);
        break;
    case 4:
        *value = (uint64_t)(int32_t)low;
        break;
    default:
        *value = low | (uint64_t)(p[4] | (uint32_t)p[5] << 8 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 24)
                           << 32;
        break;
    }
    return true;
}

/* Leaves the first byte of the opcode in *byte. A REX prefix counts only right before the opcode. */
static bool read_prefixes(struct cursor *c, struct insn *insn, uint8_t *byte)
{
    while (cursor_next(c, byte)) {
        switch (*byte) {
        case PREFIX_OPERAND_SIZE:
            c->operand_prefix = true;
            break;
        case PREFIX_ADDRESS_SIZE:
            c->address_prefix = true;
            break;
        case PREFIX_LOCK:
            insn->lock = true;
            break;
        case PREFIX_REPNE:
        case PREFIX_REP:
            insn->repeat = true;
            break;
        case 0x26: /* the segment overrides */
        case 0x2e:
        case 0x36:
        case 0x3e:
        case 0x64:
        case 0x65:
            break;
        default:
            if (c->code_bits != 64 || (*byte & REX_MASK) != REX)
                return true;
            c->rex = *byte;
            continue;
        }
        c->rex = 0;
    }
    return false;
}

static unsigned address_bits(const struct cursor *c)
{
    if (c->code_bits == 64)
        return c->address_prefix ? 32 : 64;
    return (c->code_bits == 32) != c->address_prefix ? 32 : 16;
}

static bool read_modrm(struct cursor *c, struct insn *insn)
{
    if (!cursor_next(c, &insn->modrm))
        return false;
    unsigned mod = insn->modrm >> 6;
    unsigned rm = insn->modrm & 7;
    insn->reg = (uint8_t)((insn->modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0));
    insn->rm = (uint8_t)(rm | (c->rex & REX_B ? 8 : 0));
    insn->memory = mod != MOD_REGISTER;
    if (!insn->memory)
        return true;
    unsigned displacement = mod == 1 ? 1 : 0;
    if (address_bits(c) == 16) {
        displacement = mod == 2 || (mod == 0 && rm == RM_DISP16) ? 2 : displacement;
        return cursor_number(c, displacement, &insn->displacement);
    }
    uint8_t base = (uint8_t)rm;
    if (rm == RM_SIB) {
        uint8_t sib;
        if (!cursor_next(c, &sib))
            return false;
        base = sib & 7;
        uint8_t index = (uint8_t)((sib >> 3 & 7) | (c->rex & REX_X ? 8 : 0));
        insn->index = index == RM_SIB ? INSN_NO_REGISTER : index;
        insn->scale = sib >> 6;
    }
    if (mod == 0 && base == RM_DISP32) {
        displacement = 4;
        insn->rip_relative = rm == RM_DISP32 && c->code_bits == 64;
    } else {
        displacement = mod == 2 ? 4 : displacement;
        insn->base = (uint8_t)(base | (c->rex & REX_B ? 8 : 0));
    }
    return cursor_number(c, displacement, &insn->displacement);
}

static uint8_t full_operand_size(const struct cursor *c)
{
    if (c->rex & REX_W)
        return 8;
    return (c->code_bits != 16) != c->operand_prefix ? 4 : 2;
}

/* What follows the opcode. */
static bool read_operands(struct cursor *c, struct insn *insn)
{
    insn->operand_size = full_operand_size(c);
    switch (insn->opcode) {
    case INSN_MOV_RM8_R8:
    case INSN_MOV_R8_RM8:
        insn->operand_size = 1;
        return read_modrm(c, insn);
    case INSN_MOV_RM_R:
    case INSN_MOV_R_RM:
    case INSN_GROUP7:
        return read_modrm(c, insn);
    case INSN_MOV_AL_MOFFS:
    case INSN_MOV_MOFFS_AL:
        insn->operand_size = 1;
        insn->memory = true;
        return cursor_number(c, address_bits(c) / 8, &insn->displacement);
    case INSN_MOV_AX_MOFFS:
    case INSN_MOV_MOFFS_AX:
        insn->memory = true;
        return cursor_number(c, address_bits(c) / 8, &insn->displacement);
    case INSN_MOV_RM8_IMM:
        insn->operand_size = 1;
        return read_modrm(c, insn) && !(insn->reg & 7) && cursor_number(c, 1, &insn->immediate);
    case INSN_MOV_RM_IMM:
        return read_modrm(c, insn) && !(insn->reg & 7) &&
               cursor_number(c, insn->operand_size == 2 ? 2 : 4, &insn->immediate);
    case INSN_MOV_FROM_CR:
    case INSN_MOV_FROM_DR:
    case INSN_MOV_TO_CR:
    case INSN_MOV_TO_DR:
        /* Both operands are registers whatever mod says, as wide as the mode (SDM Vol. 2B, MOV). */
        insn->operand_size = c->code_bits == 64 ? 8 : 4;
        if (!cursor_next(c, &insn->modrm))
            return false;
        insn->reg = (uint8_t)((insn->modrm >> 3 & 7) | (c->rex & REX_R ? 8 : 0));
        insn->rm = (uint8_t)((insn->modrm & 7) | (c->rex & REX_B ? 8 : 0));
        return true;
    case INSN_INT3:
    case INSN_IRET:
    case INSN_ICEBP:
    case INSN_HLT:
    case INSN_CLTS:
    case INSN_INVD:
    case INSN_WBINVD:
    case INSN_WRMSR:
    case INSN_RDTSC:
    case INSN_RDMSR:
    case INSN_RDPMC:
    case INSN_CPUID:
        return true;
    default:
        return false;
    }
}

bool insn_read(struct insn *insn, const uint8_t *bytes, size_t count, unsigned code_bits)
{
    struct cursor c = {
        .bytes = bytes, .count = count < INSN_LENGTH_MAX ? count : INSN_LENGTH_MAX, .code_bits = code_bits};
    uint8_t byte;
    *insn = (struct insn){.base = INSN_NO_REGISTER, .index = INSN_NO_REGISTER};
    if (!read_prefixes(&c, insn, &byte))
        return false;
    insn->opcode = byte;
    if (byte == ESCAPE) {
        if (!cursor_next(&c, &byte))
            return false;
        insn->opcode = (uint16_t)(ESCAPE << 8 | byte);
    }
    insn->rex = c.rex != 0;
    if (!read_operands(&c, insn))
        return false;
    insn->length = (uint8_t)c.at;
    return true;
}

uint64_t insn_address(const struct insn *insn, const uint64_t *registers, uint64_t rip)
{
    uint64_t address = insn->displacement;
    address += insn->base < INSN_NO_REGISTER ? registers[insn->base] : 0;
    address += insn->index < INSN_NO_REGISTER ? registers[insn->index] << insn->scale : 0;
    return address + (insn->rip_relative ? rip + insn->length : 0);
}

bool insn_read_move(const struct insn *insn, struct insn_move *move)
{
    if (!insn->memory || insn->lock || insn->repeat)
        return false;
    *move = (struct insn_move){.size = insn->operand_size, .gpr = insn->reg};
    switch (insn->opcode) {
    case INSN_MOV_RM8_R8:
    case INSN_MOV_RM_R:
        move->to_memory = true;
        break;
    case INSN_MOV_R8_RM8:
    case INSN_MOV_R_RM:
        break;
    case INSN_MOV_AL_MOFFS:
    case INSN_MOV_AX_MOFFS:
        move->gpr = 0;
        break;
    case INSN_MOV_MOFFS_AL:
    case INSN_MOV_MOFFS_AX:
        move->to_memory = true;
        move->gpr = 0;
        break;
    case INSN_MOV_RM8_IMM:
    case INSN_MOV_RM_IMM:
        move->to_memory = true;
        move->has_immediate = true;
        move->immediate = insn->immediate;
        return true;
    default:
        return false;
    }
    return insn->operand_size > 1 || insn->rex || move->gpr < HIGH_BYTE_FIRST || move->gpr >= HIGH_BYTE_END;
}
