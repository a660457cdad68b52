/*
 * Lengths and memory operands of VEX, EVEX and XOP instructions. Which of their opcodes are defined is not
 * known here.
 */
#include "decode_internal.h"

/* What follows VEX, EVEX or XOP: opcode, ModRM, and an immediate of the given size. */
static void take_vector(struct decoder *d, unsigned immediate_size)
{
    struct instruction *in = d->to;
    struct operand *operand = &in->operand[0];

    decode_set_operand_size(in, 0);
    decode_take_modrm(d);
    if (decode_is_register(d)) {
        operand->kind = OPERAND_XMM;
        operand->reg = (in->modrm & 7) | (in->rex & REX_B ? 8 : 0);
    } else {
        decode_take_address(d);
        operand->kind = OPERAND_MEMORY;
    }
    in->immediate = decode_take(d, immediate_size);
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
void decode_take_vex(struct decoder *d, uint8_t first)
{
    struct instruction *in = d->to;
    uint8_t byte = decode_byte(d);

    in->map = first == 0x8f ? MAP_XOP : MAP_VEX;
    in->rex = byte & 0x80 ? 0 : REX_R;
    in->map_select = 1;
    if (first != 0xc5) {
        in->rex |= (byte & 0x40 ? 0 : REX_X) | (byte & 0x20 ? 0 : REX_B);
        in->map_select = byte & 0x1f;
        in->rex |= decode_byte(d) & 0x80 ? REX_W : 0;
    }
    if (in->mode != DECODE_64)
        in->rex &= REX_W;
    in->opcode = decode_byte(d);
    if (!vector_prefixes_valid(in))
        decode_fail(d, DECODE_INVALID);
    if (in->map == MAP_VEX) {
        if (in->map_select == 0 || in->map_select > 3)
            decode_fail(d, DECODE_INVALID);
        if (in->map_select != 1 || in->opcode != 0x77) /* VZEROUPPER, VZEROALL */
            take_vector(d, vector_immediate(in));
    } else {
        static const uint8_t immediate[] = {1, 0, 4};
        if (in->map_select < 8 || in->map_select > 10)
            decode_fail(d, DECODE_INVALID);
        else
            take_vector(d, immediate[in->map_select - 8]);
    }
}

/* EVEX (SDM Vol. 2A, 2.7). A displacement of one byte is not scaled by the vector's size here. */
void decode_take_evex(struct decoder *d)
{
    struct instruction *in = d->to;
    uint8_t p0 = decode_byte(d), p1 = decode_byte(d);

    decode_byte(d);
    in->map = MAP_EVEX;
    in->map_select = p0 & 7;
    in->rex =
        (p0 & 0x80 ? 0 : REX_R) | (p0 & 0x40 ? 0 : REX_X) | (p0 & 0x20 ? 0 : REX_B) | (p1 & 0x80 ? REX_W : 0);
    if (in->mode != DECODE_64)
        in->rex &= REX_W;
    in->opcode = decode_byte(d);
    if (!vector_prefixes_valid(in) || (p0 & 8) || !(p1 & 4) || in->map_select == 0 || in->map_select == 4 ||
        in->map_select == 7)
        decode_fail(d, DECODE_INVALID);
    take_vector(d, vector_immediate(in));
}
