/*
 * x87 instructions that control the unit and move its state: FNINIT, FNCLEX, FNOP, FLDCW, FNSTCW, FNSTSW,
 * FLDENV, FNSTENV, FRSTOR, FNSAVE, FWAIT; FXSAVE, FXRSTOR, LDMXCSR and STMXCSR (SDM Vol. 1, 8.1 and 10.5;
 * Vol. 2). It is what systems do before they are in a mode that a processor runs by itself. Loads and stores
 * of numbers are in emulate_x87_move.c; arithmetic is not emulated.
 */
#include "emulate_fpu.h"
#include "string.h"

#define HIGH_ONES 0xffff0000u

enum {
    ENVIRONMENT_WORDS = 7,
    REGISTER_BYTES = 10,
    REGISTERS = 8,
    FXSAVE_SIZE = 512,
    MXCSR_MASK_DEFAULT = 0xffbf
};
enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static uint32_t get32(const struct emulation *m, unsigned at)
{
    return load_4(m->state->fpu.xsave + at);
}

/* #NM where the system has switched the unit off; its registers. */
static enum outcome open_x87(struct emulation *m)
{
    if (m->state->control.cr0 & (CR0_EM | CR0_TS))
        return emulate_fault(m, EXCEPTION_NM);
    if (!emulate_need(m, VCPU_FPU))
        return OUTCOME_UNKNOWN;
    fpu_open_part(m, XSTATE_X87);
    return OUTCOME_NEXT;
}

/* An exception that was not masked when it came is raised by the next instruction that waits for it. With
 * CR0.NE clear it is an interrupt of the PC's, which is not emulated. */
static enum outcome check_pending(struct emulation *m)
{
    bool pending = (fpu_get16(m, XSAVE_FSW) & FSW_ES) && (m->state->control.cr0 & CR0_NE);
    return pending ? emulate_fault(m, EXCEPTION_MF) : OUTCOME_NEXT;
}

static void initialise(struct emulation *m)
{
    fpu_set_top(m, 0);
    memset(m->state->fpu.xsave, 0, XSAVE_MXCSR);
    fpu_put(m, XSAVE_FCW, FCW_INITIAL, 2);
}

void fpu_update_summary(struct emulation *m)
{
    uint16_t status = fpu_get16(m, XSAVE_FSW);
    bool pending = status & FSW_EXCEPTIONS & ~(unsigned)fpu_get16(m, XSAVE_FCW);

    status &= (uint16_t) ~(FSW_ES | FSW_BUSY);
    fpu_put(m, XSAVE_FSW, status | (pending ? FSW_ES | FSW_BUSY : 0u), 2);
}

/* Two bits for each physical register (SDM Vol. 1, 8.1.7). */
static unsigned tag_of(const struct emulation *m, unsigned physical)
{
    const uint8_t *reg = m->state->fpu.xsave + XSAVE_ST + 16 * ((physical - fpu_top(m)) & 7);
    uint64_t significand = load_8(reg);
    unsigned exponent = (unsigned)(reg[8] | reg[9] << 8) & 0x7fff;

    if (!(m->state->fpu.xsave[XSAVE_FTW] >> physical & 1))
        return TAG_EMPTY;
    if (exponent == 0 && significand == 0)
        return TAG_ZERO;
    return exponent == 0 || exponent == 0x7fff || !(significand >> 63) ? TAG_SPECIAL : TAG_VALID;
}

/* Real mode has one linear address where protected mode has selector and offset; the opcode is in one of the
 * words. */
static void environment_words(const struct emulation *m, unsigned size, uint32_t words[ENVIRONMENT_WORDS])
{
    uint32_t fip = get32(m, XSAVE_FIP), fdp = get32(m, XSAVE_FDP), fcs = fpu_get16(m, XSAVE_FCS),
             fds = fpu_get16(m, XSAVE_FDS);
    uint32_t fop = fpu_get16(m, XSAVE_FOP) & 0x7ff, tags = 0;

    for (unsigned i = 0; i < REGISTERS; i++)
        tags |= tag_of(m, i) << 2 * i;
    words[0] = fpu_get16(m, XSAVE_FCW);
    words[1] = fpu_get16(m, XSAVE_FSW);
    words[2] = tags;
    if (m->protected) {
        words[3] = fip;
        words[4] = fcs | (size == 4 ? fop << 16 : 0);
        words[5] = fdp;
        words[6] = fds;
    } else {
        fip += fcs << 4;
        fdp += fds << 4;
        words[3] = fip & 0xffff;
        words[4] = (fip >> 16) << 12 | fop;
        words[5] = fdp & 0xffff;
        words[6] = (fdp >> 16) << 12;
    }
    for (unsigned i = 0; size == 4 && i < 3; i++) /* the upper halves of 16-bit fields are ones */
        words[i] |= HIGH_ONES;
    if (m->protected)
        words[6] |= HIGH_ONES;
}

static unsigned environment_size(const struct emulation *m)
{
    return ENVIRONMENT_WORDS * (m->in->operand_size == 2 ? 2 : 4);
}

static void store_environment(const struct emulation *m, uint8_t *to)
{
    unsigned size = environment_size(m) / ENVIRONMENT_WORDS;
    uint32_t words[ENVIRONMENT_WORDS];

    environment_words(m, size, words);
    for (unsigned i = 0; i < ENVIRONMENT_WORDS; i++)
        memcpy(to + i * size, &words[i], size);
}

static void load_environment(struct emulation *m, const uint8_t *from)
{
    unsigned size = environment_size(m) / ENVIRONMENT_WORDS;
    uint32_t words[ENVIRONMENT_WORDS] = {0}, full = 0;

    for (unsigned i = 0; i < ENVIRONMENT_WORDS; i++)
        memcpy(&words[i], from + i * size, size);
    for (unsigned i = 0; i < REGISTERS; i++)
        full |= (words[2] >> 2 * i & 3) != TAG_EMPTY ? 1u << i : 0;
    fpu_put(m, XSAVE_FCW, (words[0] & 0x1f3f) | 0x40, 2);
    fpu_set_top(m, (words[1] & FSW_TOP_MASK) >> FSW_TOP_SHIFT);
    fpu_put(m, XSAVE_FSW, words[1], 2);
    fpu_put(m, XSAVE_FTW, full, 2);
    if (m->protected) {
        fpu_put(m, XSAVE_FIP, words[3], 4);
        fpu_put(m, XSAVE_FCS, words[4] & 0xffff, 4);
        fpu_put(m, XSAVE_FOP, size == 4 ? words[4] >> 16 & 0x7ff : 0, 2);
        fpu_put(m, XSAVE_FDP, words[5], 4);
        fpu_put(m, XSAVE_FDS, words[6] & 0xffff, 4);
    } else {
        fpu_put(m, XSAVE_FIP, (words[3] & 0xffff) | (words[4] >> 12 & 0xffff) << 16, 4);
        fpu_put(m, XSAVE_FCS, 0, 4);
        fpu_put(m, XSAVE_FOP, words[4] & 0x7ff, 2);
        fpu_put(m, XSAVE_FDP, (words[5] & 0xffff) | (words[6] >> 12 & 0xffff) << 16, 4);
        fpu_put(m, XSAVE_FDS, 0, 4);
    }
    fpu_update_summary(m);
}

/* FNSTENV masks all exceptions, FNSAVE initialises the unit. */
static void store_state(struct emulation *m, bool registers)
{
    uint8_t bytes[4 * ENVIRONMENT_WORDS + REGISTERS * REGISTER_BYTES];
    unsigned size = environment_size(m);

    store_environment(m, bytes);
    for (unsigned i = 0; registers && i < REGISTERS; i++)
        memcpy(bytes + size + i * REGISTER_BYTES, m->state->fpu.xsave + XSAVE_ST + 16 * i, REGISTER_BYTES);
    place_write(m, &m->place, bytes);
    if (registers) {
        initialise(m);
    } else {
        fpu_put(m, XSAVE_FCW, fpu_get16(m, XSAVE_FCW) | FCW_MASKS, 2);
        fpu_update_summary(m);
    }
}

static void load_state(struct emulation *m, bool registers)
{
    uint8_t bytes[4 * ENVIRONMENT_WORDS + REGISTERS * REGISTER_BYTES] = {0};
    unsigned size = environment_size(m);

    place_read(m, &m->place, bytes);
    load_environment(m, bytes);
    for (unsigned i = 0; registers && i < REGISTERS; i++) {
        memset(m->state->fpu.xsave + XSAVE_ST + 16 * i, 0, 16);
        memcpy(m->state->fpu.xsave + XSAVE_ST + 16 * i, bytes + size + i * REGISTER_BYTES, REGISTER_BYTES);
    }
}

/* Opcode and ModRM.reg of the forms with memory, and what follows 0xc0 of those without, in one number. */
enum control {
    FLDENV = 0xd904,
    FLDCW = 0xd905,
    FNSTENV = 0xd906,
    FNSTCW = 0xd907,
    FRSTOR = 0xdd04,
    FNSAVE = 0xdd06,
    FNSTSW = 0xdd07,
    FNOP = 0xd9d0,
    FNCLEX = 0xdbe2,
    FNINIT = 0xdbe3,
    FNSTSW_AX = 0xdfe0,
};

static bool waits(unsigned which)
{
    return which == FLDENV || which == FLDCW || which == FRSTOR || which == FNOP;
}

static enum outcome control(struct emulation *m, unsigned which)
{
    switch (which) {
    case FLDENV:
    case FRSTOR:
        load_state(m, which == FRSTOR);
        break;
    case FNSTENV:
    case FNSAVE:
        store_state(m, which == FNSAVE);
        break;
    case FLDCW:
        fpu_put(m, XSAVE_FCW, ((uint32_t)operand_read(m, 0) & 0x1f3f) | 0x40, 2);
        fpu_update_summary(m);
        break;
    case FNSTCW:
        operand_write(m, 0, fpu_get16(m, XSAVE_FCW));
        return OUTCOME_NEXT;
    case FNSTSW:
    case FNSTSW_AX:
        operand_write(m, 0, fpu_get16(m, XSAVE_FSW));
        return OUTCOME_NEXT;
    case FNCLEX:
        fpu_put(m, XSAVE_FSW, fpu_get16(m, XSAVE_FSW) & ~(unsigned)FSW_CLEARED, 2);
        break;
    case FNINIT:
        initialise(m);
        break;
    case FNOP:
        return OUTCOME_NEXT;
    default:
        return OUTCOME_UNKNOWN;
    }
    m->emulator->modified |= VCPU_FPU;
    return OUTCOME_NEXT;
}

/* D8 to DF. */
enum outcome emulate_x87(struct emulation *m)
{
    unsigned which =
        (unsigned)m->in->opcode << 8 | (m->in->modrm >= 0xc0 ? m->in->modrm : m->in->modrm >> 3 & 7);
    enum outcome outcome = open_x87(m);

    bool moves = x87_is_move(which);

    if (outcome == OUTCOME_NEXT && (moves || waits(which)))
        outcome = check_pending(m);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    return moves ? x87_move(m, which) : control(m, which);
}

/* 9B: FWAIT looks at TS only with MP (SDM Vol. 3A, table 2-2). */
enum outcome emulate_fwait(struct emulation *m)
{
    if ((m->state->control.cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS))
        return emulate_fault(m, EXCEPTION_NM);
    if (!emulate_need(m, VCPU_FPU))
        return OUTCOME_UNKNOWN;
    fpu_open_part(m, XSTATE_X87);
    return check_pending(m);
}

static uint32_t mxcsr_mask(const struct emulation *m)
{
    uint32_t mask = get32(m, XSAVE_MXCSR_MASK);
    return mask ? mask : MXCSR_MASK_DEFAULT;
}

/* XMM registers are with FXSAVE only if the system has said so; 8 of them outside of 64-bit code. */
static unsigned fxsave_end(const struct emulation *m)
{
    if (!(m->state->control.cr4 & CR4_OSFXSR))
        return XSAVE_XMM;
    return m->long64 ? XSAVE_LEGACY_END : XSAVE_XMM + 8 * 16;
}

static enum outcome fxsave(struct emulation *m)
{
    uint8_t bytes[FXSAVE_SIZE];
    unsigned end = fxsave_end(m);

    place_read(m, &m->place, bytes); /* what is not stored stays */
    memcpy(bytes, m->state->fpu.xsave, XSAVE_MXCSR);
    memcpy(bytes + XSAVE_ST, m->state->fpu.xsave + XSAVE_ST, end - XSAVE_ST);
    uint32_t mxcsr[2] = {get32(m, XSAVE_MXCSR), mxcsr_mask(m)};
    memcpy(bytes + XSAVE_MXCSR, mxcsr, sizeof(mxcsr));
    place_write(m, &m->place, bytes);
    return OUTCOME_NEXT;
}

static enum outcome fxrstor(struct emulation *m)
{
    uint8_t bytes[FXSAVE_SIZE];
    unsigned end = fxsave_end(m);

    place_read(m, &m->place, bytes);
    uint32_t mxcsr = load_4(bytes + XSAVE_MXCSR);
    if (mxcsr & ~mxcsr_mask(m))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    memcpy(m->state->fpu.xsave, bytes, XSAVE_MXCSR);
    fpu_put(m, XSAVE_MXCSR, mxcsr, 4);
    memcpy(m->state->fpu.xsave + XSAVE_ST, bytes + XSAVE_ST, end - XSAVE_ST);
    fpu_update_summary(m);
    m->emulator->modified |= VCPU_FPU;
    return OUTCOME_NEXT;
}

static enum outcome mxcsr_access(struct emulation *m, bool store)
{
    uint32_t value;

    if (!(m->state->control.cr4 & CR4_OSFXSR))
        return emulate_fault(m, EXCEPTION_UD);
    if (store) {
        operand_write(m, 0, get32(m, XSAVE_MXCSR));
        return OUTCOME_NEXT;
    }
    value = (uint32_t)operand_read(m, 0);
    if (value & ~mxcsr_mask(m))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    fpu_put(m, XSAVE_MXCSR, value, 4);
    m->emulator->modified |= VCPU_FPU;
    return OUTCOME_NEXT;
}

/* 0F AE /0 to /3 with memory. */
enum outcome emulate_fxsave(struct emulation *m)
{
    unsigned reg = m->in->modrm >> 3 & 7;
    bool area = reg < 2;

    if ((m->state->control.cr0 & CR0_EM) && !area)
        return emulate_fault(m, EXCEPTION_UD);
    if (m->state->control.cr0 & (CR0_EM | CR0_TS))
        return emulate_fault(m, EXCEPTION_NM);
    if (area && (m->place.piece[0].gpa & 15))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    if (!emulate_need(m, VCPU_FPU))
        return OUTCOME_UNKNOWN;
    fpu_open_part(m, XSTATE_X87);
    fpu_open_part(m, XSTATE_SSE);
    return reg == 0 ? fxsave(m) : reg == 1 ? fxrstor(m) : mxcsr_access(m, reg == 3);
}
