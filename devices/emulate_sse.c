/*
 * SSE and MMX moves between a register and memory: what compilers and drivers use on frame buffers and rings.
 *
 * The registers live in the vCPU's XSAVE area (emulate_fpu.h): MMX in the x87 part, XMM in the SSE part.
 */
#include "emulate_fpu.h"
#include "string.h"

void fpu_open_part(struct emulation *m, unsigned part)
{
    uint8_t *area = m->state->fpu.xsave;
    uint64_t valid;
    uint16_t control = FCW_INITIAL;

    memcpy(&valid, area + XSAVE_XSTATE_BV, sizeof(valid));
    if (valid & part)
        return;
    if (part == XSTATE_SSE) {
        memset(area + XSAVE_XMM, 0, XSAVE_LEGACY_END - XSAVE_XMM);
    } else {
        memset(area, 0, XSAVE_MXCSR);
        memset(area + XSAVE_ST, 0, XSAVE_XMM - XSAVE_ST);
        memcpy(area + XSAVE_FCW, &control, sizeof(control));
    }
    valid |= part;
    memcpy(area + XSAVE_XSTATE_BV, &valid, sizeof(valid));
}

/* Physical registers stay what they are, but the area holds them from the stack's top on. */
void fpu_set_top(struct emulation *m, unsigned top)
{
    uint8_t *area = m->state->fpu.xsave, old[8 * 16];
    uint16_t status;

    memcpy(&status, area + XSAVE_FSW, sizeof(status));
    unsigned before = (status & FSW_TOP_MASK) >> FSW_TOP_SHIFT;
    memcpy(old, area + XSAVE_ST, sizeof(old));
    for (unsigned i = 0; i < 8; i++)
        memcpy(area + XSAVE_ST + 16 * ((i + before - top) & 7), old + 16 * i, 16);
    status = (uint16_t)((status & ~FSW_TOP_MASK) | top << FSW_TOP_SHIFT);
    memcpy(area + XSAVE_FSW, &status, sizeof(status));
}

/* MMn is a physical register. An MMX instruction sets TOP to 0 and marks all registers as used (SDM Vol.
 * 1, 9.5). */
static void enter_mmx(struct emulation *m)
{
    fpu_set_top(m, 0);
    m->state->fpu.xsave[XSAVE_FTW] = 0xff;
}

/* #UD or #NM where the system has switched these instructions off (SDM Vol. 3A, table 13-1). */
static enum outcome check_enabled(struct emulation *m, bool sse)
{
    const struct vcpu_control *control = &m->state->control;

    if ((control->cr0 & CR0_EM) || (sse && !(control->cr4 & CR4_OSFXSR)))
        return emulate_fault(m, EXCEPTION_UD);
    if (control->cr0 & CR0_TS)
        return emulate_fault(m, EXCEPTION_NM);
    return OUTCOME_NEXT;
}

/* The register operand's bytes in the area, or NULL for one that is not MMX or XMM. */
static uint8_t *vector_register(struct emulation *m, const struct operand *operand)
{
    if (operand->kind == OPERAND_XMM)
        return m->state->fpu.xsave + XSAVE_XMM + 16 * operand->reg;
    if (operand->kind == OPERAND_MMX)
        return m->state->fpu.xsave + XSAVE_ST + 16 * operand->reg;
    return NULL;
}

/* Reads the source, at most 16 bytes; a high half (MOVHPS) starts at byte 8 of the register. */
static void read_source(struct emulation *m, const struct operand *from, unsigned offset, uint8_t *bytes)
{
    const uint8_t *reg = vector_register(m, from);
    uint64_t value;

    if (from->kind == OPERAND_MEMORY) {
        place_read(m, &m->place, bytes);
    } else if (reg) {
        memcpy(bytes, reg + offset, from->kind == OPERAND_MMX ? 8 : 16 - offset);
    } else {
        value = operand_read(m, 1);
        memcpy(bytes, &value, sizeof(value));
    }
}

enum { KEEP_REST, CLEAR_REST };

static void write_target(struct emulation *m, const struct operand *to, unsigned offset, unsigned size,
                         int rest, const uint8_t *bytes)
{
    uint8_t *reg = vector_register(m, to);
    uint64_t value;

    if (to->kind == OPERAND_MEMORY) {
        place_write(m, &m->place, bytes);
    } else if (reg) {
        unsigned width = to->kind == OPERAND_MMX ? 8 : 16;
        if (rest == CLEAR_REST)
            memset(reg, 0, width);
        memcpy(reg + offset, bytes, size);
        if (to->kind == OPERAND_MMX)
            memset(reg + 8, 0xff, 2); /* sign and exponent of the aliased x87 register */
        m->emulator->modified |= VCPU_FPU;
    } else {
        memcpy(&value, bytes, sizeof(value));
        operand_write(m, 0, value);
    }
}

/* What differs between the moves: how much goes where. */
struct vector_move {
    uint8_t size;    /* bytes */
    uint8_t offset;  /* of the register's part: MOVHPS, MOVHPD */
    uint8_t rest;    /* of an XMM destination */
    uint8_t aligned; /* #GP(0) for memory that is not aligned to its size */
};

static enum outcome move_vector(struct emulation *m, struct vector_move move)
{
    const struct operand *to = &m->in->operand[0], *from = &m->in->operand[1];
    bool xmm = to->kind == OPERAND_XMM || from->kind == OPERAND_XMM;
    bool memory = to->kind == OPERAND_MEMORY || from->kind == OPERAND_MEMORY;
    uint8_t bytes[16] = {0};
    enum outcome outcome = check_enabled(m, xmm);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    if (move.aligned && memory && (m->place.piece[0].gpa & (move.size - 1)))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    if (!emulate_need(m, VCPU_FPU))
        return OUTCOME_UNKNOWN;
    fpu_open_part(m, xmm ? XSTATE_SSE : XSTATE_X87);
    if (!xmm) {
        enter_mmx(m);
        m->emulator->modified |= VCPU_FPU;
    }
    read_source(m, from, to->kind == OPERAND_MEMORY ? move.offset : 0, bytes);
    write_target(m, to, move.offset, move.size, move.rest, bytes);
    return OUTCOME_NEXT;
}

static unsigned memory_size(const struct emulation *m)
{
    return m->in->operand[m->in->operand[0].kind == OPERAND_MEMORY ? 0 : 1].size;
}

static bool has_memory(const struct emulation *m)
{
    return m->in->operand[0].kind == OPERAND_MEMORY || m->in->operand[1].kind == OPERAND_MEMORY;
}

/* MOVUPS, MOVUPD, MOVSS, MOVSD, MOVDQU, LDDQU, MOVQ: a load of less than a register clears the rest. Between
 * registers they never come here: only memory leaves the guest. */
enum outcome emulate_vector_unaligned(struct emulation *m)
{
    if (!has_memory(m))
        return OUTCOME_UNKNOWN;
    return move_vector(m, (struct vector_move){.size = memory_size(m), .rest = CLEAR_REST});
}

/* MOVAPS, MOVAPD, MOVDQA, MOVNTPS, MOVNTPD, MOVNTDQ, MOVNTDQA; with MMX (MOVQ, MOVNTQ) nothing must be
 * aligned. */
enum outcome emulate_vector_aligned(struct emulation *m)
{
    unsigned size = memory_size(m);

    if (!has_memory(m))
        return OUTCOME_UNKNOWN;
    return move_vector(m, (struct vector_move){.size = size, .rest = CLEAR_REST, .aligned = size == 16});
}

/* 0F 6F and 7F: MOVQ, MOVDQA, MOVDQU. */
enum outcome emulate_vector_6f(struct emulation *m)
{
    return m->in->mandatory == 0x66 ? emulate_vector_aligned(m) : emulate_vector_unaligned(m);
}

/* MOVLPS, MOVLPD (12, 13), MOVHPS, MOVHPD (16, 17): the other half of the register stays. MOVSLDUP, MOVSHDUP
 * and MOVDDUP share the opcodes. */
enum outcome emulate_vector_half(struct emulation *m)
{
    if (!has_memory(m) || m->in->mandatory == 0xf3 || m->in->mandatory == 0xf2)
        return OUTCOME_UNKNOWN;
    return move_vector(
        m, (struct vector_move){.size = 8, .offset = m->in->opcode & 4 ? 8 : 0, .rest = KEEP_REST});
}

/* 0F 6E and 7E: MOVD and MOVQ between a vector register and a general one or memory; F3 0F 7E: MOVQ xmm,
 * xmm/m64. */
enum outcome emulate_vector_movd(struct emulation *m)
{
    unsigned size = m->in->operand[m->in->opcode == 0x6e || m->in->mandatory == 0xf3 ? 1 : 0].size;

    return move_vector(m, (struct vector_move){.size = size, .rest = CLEAR_REST});
}
