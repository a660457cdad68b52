/*
 * Descriptor tables and what is asked of descriptors: LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT, STR, INVLPG,
 * LAR, LSL, VERR, VERW, ARPL (SDM Vol. 2; Vol. 3A, 2.8.1 and 5.10).
 */
#include "emulate_transfer.h"

enum { TABLE_LIMIT_SIZE = 2, BASE_24_BITS = 0xffffff, TYPE_BYTE = 5 };
enum { GROUP6_SLDT, GROUP6_STR, GROUP6_LLDT, GROUP6_LTR, GROUP6_VERR, GROUP6_VERW };

static enum outcome check_user(struct emulation *m)
{
    bool forbidden = (m->state->control.cr4 & CR4_UMIP) && m->cpl > 0;
    return forbidden ? emulate_fault_code(m, EXCEPTION_GP, 0) : OUTCOME_NEXT;
}

static bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* 0F 01 /0 and /1. */
enum outcome emulate_store_table(struct emulation *m)
{
    bool idt = m->in->modrm >> 3 & 1;
    enum outcome outcome = check_user(m);

    if (outcome == OUTCOME_NEXT && !emulate_need(m, VCPU_TABLES))
        outcome = OUTCOME_UNKNOWN;
    if (outcome != OUTCOME_NEXT)
        return outcome;
    const struct descriptor_table *table = idt ? &m->state->tables.idtr : &m->state->tables.gdtr;
    uint8_t bytes[TABLE_LIMIT_SIZE + sizeof(uint64_t)];
    uint16_t limit = (uint16_t)table->limit;
    __builtin_memcpy(bytes, &limit, sizeof(limit));
    __builtin_memcpy(bytes + TABLE_LIMIT_SIZE, &table->base, sizeof(table->base));
    place_write(m, &m->place, bytes);
    return OUTCOME_NEXT;
}

/* 0F 01 /2 and /3: with a 16-bit operand size the base has 24 bits. */
enum outcome emulate_load_table(struct emulation *m)
{
    uint8_t bytes[TABLE_LIMIT_SIZE + sizeof(uint64_t)] = {0};
    uint16_t limit;

    if (m->cpl > 0)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    if (!emulate_need(m, VCPU_TABLES))
        return OUTCOME_UNKNOWN;
    place_read(m, &m->place, bytes);
    __builtin_memcpy(&limit, bytes, sizeof(limit));
    uint64_t base = load_8(bytes + TABLE_LIMIT_SIZE);
    if (!m->long64)
        base &= m->in->operand_size == 2 ? BASE_24_BITS : UINT32_MAX;
    else if (!is_canonical(base))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    struct descriptor_table *table = m->in->modrm >> 3 & 1 ? &m->state->tables.idtr : &m->state->tables.gdtr;
    *table = (struct descriptor_table){.base = base, .limit = limit};
    m->emulator->modified |= VCPU_TABLES;
    return OUTCOME_NEXT;
}

/* 0F 01 /7: the emulator keeps no translations; the processor, which may, forgets its own with a write of
 * CR3. */
enum outcome emulate_invlpg(struct emulation *m)
{
    if (m->cpl > 0)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    m->emulator->modified |= VCPU_CONTROL;
    return OUTCOME_NEXT;
}

/* A system descriptor has 16 bytes in long mode: the upper half of the base lies behind the first eight. */
static enum outcome read_system_base(struct emulation *m, const struct descriptor *d, uint64_t *base)
{
    uint64_t high = 0;
    enum outcome outcome = OUTCOME_NEXT;

    if (m->state->msrs.efer & EFER_LMA)
        outcome = emulate_read_system(m, d->linear + 8, 4, &high);
    *base = d->base | high << 32;
    return outcome;
}

static enum outcome load_system(struct emulation *m, struct transfer *t, bool task, uint16_t selector)
{
    unsigned name = task ? SEG_TR : SEG_LDTR;
    struct descriptor d;
    uint64_t base;

    if (selector_is_null(selector)) {
        if (task)
            return emulate_fault_code(m, EXCEPTION_GP, 0);
        segment_load_null(m, name, selector);
        return OUTCOME_NEXT;
    }
    if (selector & SELECTOR_TI)
        return selector_fault(m, t, EXCEPTION_GP, selector);
    enum outcome outcome = descriptor_read(m, t, selector, EXCEPTION_GP, &d);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    unsigned type = d.attributes & (SEG_TYPE_MASK | SEG_S);
    bool right = task ? type == TYPE_TSS_32 || (type == TYPE_TSS_16 && !(m->state->msrs.efer & EFER_LMA))
                      : type == TYPE_LDT;
    if (!right)
        return selector_fault(m, t, EXCEPTION_GP, selector);
    if (!(d.attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, selector);
    outcome = read_system_base(m, &d, &base);
    if (outcome == OUTCOME_NEXT && task) {
        d.attributes |= TYPE_BUSY;
        outcome = transfer_store_system(m, t, d.linear + TYPE_BYTE, 1, d.attributes & 0xff);
    }
    m->state->segment[name] =
        (struct segment){.selector = selector, .attributes = d.attributes, .limit = d.limit, .base = base};
    m->emulator->modified |= VCPU_SEGMENTS;
    return outcome;
}

/* Whether the program could use the segment for what the instruction asks (SDM Vol. 3A, 5.10). */
static bool is_visible(const struct emulation *m, const struct descriptor *d, uint16_t selector)
{
    bool conforming = descriptor_is_code(d) && descriptor_is_conforming(d);
    unsigned dpl = descriptor_dpl(d);

    return conforming || (m->cpl <= dpl && (selector & SELECTOR_RPL) <= dpl);
}

/* Looks a selector up; an answer in *found and no fault, but for those of memory. */
static enum outcome look_up(struct emulation *m, uint16_t selector, struct descriptor *d, bool *found)
{
    const struct transfer none = {0};
    enum outcome outcome;

    *found = false;
    if (selector_is_null(selector))
        return OUTCOME_NEXT;
    outcome = descriptor_read(m, &none, selector, EXCEPTION_GP, d);
    if (outcome == OUTCOME_FAULT && m->emulator->inject.vector == EXCEPTION_GP)
        return OUTCOME_NEXT;
    *found = outcome == OUTCOME_NEXT && is_visible(m, d, selector);
    return outcome;
}

static void set_zero(struct emulation *m, bool zero)
{
    set_flags(m, FLAG_ZF, zero ? FLAG_ZF : 0);
}

static enum outcome verify(struct emulation *m, bool write)
{
    struct descriptor d;
    bool found;
    enum outcome outcome = look_up(m, (uint16_t)operand_read(m, 0), &d, &found);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    bool code = found && descriptor_is_code(&d);
    bool allowed = found && (d.attributes & SEG_S) &&
                   (write ? descriptor_is_writable_data(&d) : !code || (d.attributes & TYPE_READABLE));
    set_zero(m, allowed);
    return OUTCOME_NEXT;
}

/* 0F 00: not in real and virtual-8086 mode. */
enum outcome emulate_group6(struct emulation *m)
{
    unsigned reg = m->in->modrm >> 3 & 7;
    struct transfer t;
    enum outcome outcome;

    if (!m->protected)
        return emulate_fault(m, EXCEPTION_UD);
    switch (reg) {
    case GROUP6_SLDT:
    case GROUP6_STR:
        outcome = check_user(m);
        if (outcome == OUTCOME_NEXT)
            operand_write(m, 0, m->state->segment[reg == GROUP6_STR ? SEG_TR : SEG_LDTR].selector);
        return outcome;
    case GROUP6_LLDT:
    case GROUP6_LTR:
        if (m->cpl > 0)
            return emulate_fault_code(m, EXCEPTION_GP, 0);
        transfer_begin(m, &t);
        return transfer_end(m, &t, load_system(m, &t, reg == GROUP6_LTR, (uint16_t)operand_read(m, 0)));
    default:
        return verify(m, reg == GROUP6_VERW);
    }
}

/* System descriptors that LAR knows, a bit each; LSL those of them that have a limit (SDM Vol. 2, tables 3-53
 * and 3-67). */
static bool type_is_known(const struct emulation *m, const struct descriptor *d, bool limit)
{
    enum {
        SEGMENTS = 1 << TYPE_TSS_16 | 1 << TYPE_LDT | 1 << TYPE_TSS_16_BUSY | 1 << TYPE_TSS_32 |
                   1 << TYPE_TSS_32_BUSY
    };
    enum { GATES = 1 << TYPE_CALL_GATE_16 | 1 << TYPE_TASK_GATE | 1 << TYPE_CALL_GATE_32 };
    enum { LONG_MODE = 1 << TYPE_LDT | 1 << TYPE_TSS_32 | 1 << TYPE_TSS_32_BUSY | 1 << TYPE_CALL_GATE_32 };
    unsigned known = limit ? SEGMENTS : SEGMENTS | GATES;

    if (m->state->msrs.efer & EFER_LMA)
        known &= LONG_MODE;
    return (d->attributes & SEG_S) || (known >> (d->attributes & SEG_TYPE_MASK) & 1);
}

/* 0F 02 and 0F 03. */
enum outcome emulate_lar_lsl(struct emulation *m)
{
    enum { LAR_MASK = 0xf0ff00 };
    bool limit = m->in->opcode == 0x03, found;
    struct descriptor d;

    if (!m->protected)
        return emulate_fault(m, EXCEPTION_UD);
    enum outcome outcome = look_up(m, (uint16_t)operand_read(m, 1), &d, &found);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    found = found && type_is_known(m, &d, limit);
    if (found)
        operand_write(m, 0, limit ? d.limit : d.raw >> 32 & LAR_MASK);
    set_zero(m, found);
    return OUTCOME_NEXT;
}

/* 63 outside of 64-bit code. */
enum outcome emulate_arpl(struct emulation *m)
{
    if (!m->protected)
        return emulate_fault(m, EXCEPTION_UD);
    uint64_t selector = operand_read(m, 0), rpl = operand_read(m, 1) & SELECTOR_RPL;
    bool lower = (selector & SELECTOR_RPL) < rpl;
    if (lower)
        operand_write(m, 0, (selector & ~(uint64_t)SELECTOR_RPL) | rpl);
    set_zero(m, lower);
    return OUTCOME_NEXT;
}
