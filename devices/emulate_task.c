/*
 * Task switches between 16- and 32-bit TSSs (SDM Vol. 3A, chapter 8; AMD APM Vol. 2, chapter 12).
 *
 * A fault that concerns the new TSS itself is met before anything has changed, and belongs to the old task.
 * Then comes the switch, and what is wrong with the new task's segments is a fault of the new task.
 */
#include "emulate_transfer.h"
#include "string.h"

enum { TSS_REGISTERS = GPR_COUNT / 2, TSS_SEGMENTS = SEG_GS + 1, TYPE_BYTE = 5, DR6_BT = 1 << 15 };
enum { NO_CODE_YET = SEG_P | SEG_S | 0xb /* readable, accessed; its limit is 0 */ };
enum { DR7_LOCAL = 0x155 }; /* L0 to L3, LE: breakpoints of the old task */

/* Where things lie in a TSS. */
struct tss_layout {
    uint8_t size;  /* of a register, in bytes */
    uint8_t limit; /* the least */
    uint8_t rip, flags, registers, segments, segment_count, ldt;
    uint8_t segment_step;
};

static const struct tss_layout layout_16 = {.size = 2,
                                            .limit = 0x2b,
                                            .rip = 0x0e,
                                            .flags = 0x10,
                                            .registers = 0x12,
                                            .segments = 0x22,
                                            .segment_count = 4,
                                            .ldt = 0x2a,
                                            .segment_step = 2};
static const struct tss_layout layout_32 = {.size = 4,
                                            .limit = 0x67,
                                            .rip = 0x20,
                                            .flags = 0x24,
                                            .registers = 0x28,
                                            .segments = 0x48,
                                            .segment_count = 6,
                                            .ldt = 0x60,
                                            .segment_step = 4};
enum { TSS_CR3 = 0x1c, TSS_TRAP = 0x64 };

static const struct tss_layout *layout_of(uint16_t attributes)
{
    return attributes & TYPE_WIDE ? &layout_32 : &layout_16;
}

/* The new task's registers, as its TSS has them. */
struct task {
    uint64_t rip, flags, cr3, ldt, trap;
    uint64_t reg[TSS_REGISTERS], selector[TSS_SEGMENTS];
};

static enum outcome find_tss(struct emulation *m, struct transfer *t, enum task_source source,
                             uint16_t selector, struct descriptor *d)
{
    enum exception vector = source == TASK_IRET ? EXCEPTION_TS : EXCEPTION_GP;

    if ((selector & SELECTOR_TI) || selector_is_null(selector))
        return selector_fault(m, t, vector, selector);
    enum outcome outcome = descriptor_read(m, t, selector, vector, d);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    unsigned type = d->attributes & (SEG_TYPE_MASK | SEG_S) & ~(unsigned)TYPE_WIDE;
    if (type != (source == TASK_IRET ? TYPE_TSS_16_BUSY : TYPE_TSS_16))
        return selector_fault(m, t, vector, selector);
    if (!(d->attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, selector);
    if (d->limit < layout_of(d->attributes)->limit)
        return selector_fault(m, t, EXCEPTION_TS, selector);
    return OUTCOME_NEXT;
}

static enum outcome read_task(struct emulation *m, const struct descriptor *d, struct task *task)
{
    const struct tss_layout *layout = layout_of(d->attributes);
    uint8_t bytes[TSS_TRAP + 2] = {0};
    struct place place;
    enum outcome outcome = emulate_place_system(
        m, &place, d->base, layout->limit < sizeof(bytes) ? layout->limit + 1u : sizeof(bytes), INTENT_READ);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    place_read(m, &place, bytes);
    *task = (struct task){0};
    memcpy(&task->rip, bytes + layout->rip, layout->size);
    memcpy(&task->flags, bytes + layout->flags, layout->size);
    memcpy(&task->ldt, bytes + layout->ldt, 2);
    for (unsigned i = 0; i < TSS_REGISTERS; i++)
        memcpy(&task->reg[i], bytes + layout->registers + i * layout->size, layout->size);
    for (unsigned i = 0; i < layout->segment_count; i++)
        memcpy(&task->selector[i], bytes + layout->segments + i * layout->segment_step, 2);
    if (layout == &layout_32) {
        memcpy(&task->cr3, bytes + TSS_CR3, 4);
        memcpy(&task->trap, bytes + TSS_TRAP, 2);
    }
    return OUTCOME_NEXT;
}

/* Keeps the stores that save the old task. */
static enum outcome save_task(struct emulation *m, struct transfer *t, uint64_t rip, uint64_t flags)
{
    const struct segment *tr = &m->state->segment[SEG_TR];
    const struct tss_layout *layout = layout_of(tr->attributes);
    enum outcome outcome = OUTCOME_NEXT;

    if (tr->limit < layout->limit)
        return selector_fault(m, t, EXCEPTION_TS, tr->selector);
    outcome = transfer_store_system(m, t, tr->base + layout->rip, layout->size, rip);
    if (outcome == OUTCOME_NEXT)
        outcome = transfer_store_system(m, t, tr->base + layout->flags, layout->size, flags);
    for (unsigned i = 0; i < TSS_REGISTERS && outcome == OUTCOME_NEXT; i++)
        outcome = transfer_store_system(m, t, tr->base + layout->registers + i * layout->size, layout->size,
                                        m->state->gpr.reg[i]);
    for (unsigned i = 0; i < layout->segment_count && outcome == OUTCOME_NEXT; i++)
        outcome = transfer_store_system(m, t, tr->base + layout->segments + i * layout->segment_step, 2,
                                        m->state->segment[i].selector);
    return outcome;
}

/* Sets or clears the busy bit of a TSS descriptor in the GDT. */
static enum outcome mark_busy(struct emulation *m, struct transfer *t, uint16_t selector, uint16_t attributes,
                              bool busy)
{
    uint64_t linear = m->state->tables.gdtr.base + (selector & SELECTOR_INDEX) + TYPE_BYTE;

    attributes = (uint16_t)(busy ? attributes | TYPE_BUSY : attributes & ~TYPE_BUSY);
    return transfer_store_system(m, t, linear, 1, attributes & 0xff);
}

/* All that is stored by the switch itself. */
static enum outcome leave_task(struct emulation *m, struct transfer *t, enum task_source source,
                               uint16_t selector, const struct descriptor *d, uint64_t rip, uint64_t flags)
{
    const struct segment *tr = &m->state->segment[SEG_TR];
    enum outcome outcome = save_task(m, t, rip, source == TASK_IRET ? flags & ~(uint64_t)FLAG_NT : flags);

    if (outcome == OUTCOME_NEXT && (source == TASK_JMP || source == TASK_IRET))
        outcome = mark_busy(m, t, tr->selector, tr->attributes, false);
    if (outcome == OUTCOME_NEXT && source != TASK_IRET)
        outcome = mark_busy(m, t, selector, d->attributes, true);
    if (outcome == OUTCOME_NEXT && (source == TASK_CALL || source == TASK_GATE))
        outcome = transfer_store_system(m, t, d->base, 2, tr->selector);
    return outcome;
}

/* Registers, with segments that cannot be used yet. */
static void enter_task(struct emulation *m, enum task_source source, uint16_t selector,
                       const struct descriptor *d, const struct task *task)
{
    struct vcpu_state *state = m->state;
    bool nested = source == TASK_CALL || source == TASK_GATE;

    state->segment[SEG_TR] = (struct segment){
        .selector = selector, .attributes = d->attributes | TYPE_BUSY, .limit = d->limit, .base = d->base};
    if ((state->control.cr0 & CR0_PG) && (d->attributes & TYPE_WIDE))
        state->control.cr3 = task->cr3;
    state->control.cr0 |= CR0_TS;
    state->control.dr7 &= ~(uint64_t)DR7_LOCAL;
    for (unsigned i = 0; i < TSS_REGISTERS; i++)
        state->gpr.reg[i] = task->reg[i];
    state->gpr.rip = task->rip;
    state->gpr.rflags = (task->flags & RFLAGS_KNOWN) | RFLAGS_FIXED | (nested ? FLAG_NT : 0);
    m->keeps_rf = true;
    m->protected = !(state->gpr.rflags & FLAG_VM);
    m->cpl = m->protected ? task->selector[SEG_CS] & SELECTOR_RPL : 3;
    segment_load_null(m, SEG_LDTR, (uint16_t)task->ldt);
    for (unsigned i = 0; i < TSS_SEGMENTS; i++)
        if (m->protected)
            segment_load_null(m, i, (uint16_t)task->selector[i]);
        else
            segment_load_real(m, i, (uint16_t)task->selector[i]);
    if (m->protected) /* a fault in loading them is delivered from here: with this CPL, and no code yet */
        state->segment[SEG_CS].attributes = NO_CODE_YET | (uint16_t)(m->cpl << SEG_DPL_SHIFT);
    m->emulator->modified |= VCPU_CONTROL | VCPU_SEGMENTS | VCPU_GPR;
}

static enum outcome load_ldt(struct emulation *m, struct transfer *t, uint16_t selector)
{
    struct descriptor d;

    if (selector_is_null(selector))
        return OUTCOME_NEXT;
    if (selector & SELECTOR_TI)
        return selector_fault(m, t, EXCEPTION_TS, selector);
    enum outcome outcome = descriptor_read(m, t, selector, EXCEPTION_TS, &d);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    if ((d.attributes & (SEG_TYPE_MASK | SEG_S | SEG_P)) != (TYPE_LDT | SEG_P))
        return selector_fault(m, t, EXCEPTION_TS, selector);
    return segment_load(m, t, SEG_LDTR, selector, &d);
}

static enum outcome load_code(struct emulation *m, struct transfer *t, uint16_t selector)
{
    struct descriptor d;

    if (selector_is_null(selector))
        return selector_fault(m, t, EXCEPTION_TS, selector);
    enum outcome outcome = descriptor_read(m, t, selector, EXCEPTION_TS, &d);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    bool level = descriptor_is_conforming(&d) ? descriptor_dpl(&d) <= m->cpl : descriptor_dpl(&d) == m->cpl;
    if (!descriptor_is_code(&d) || !level)
        return selector_fault(m, t, EXCEPTION_TS, selector);
    if (!(d.attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, selector);
    return segment_load(m, t, SEG_CS, selector, &d);
}

static enum outcome load_segments(struct emulation *m, struct transfer *t, const struct task *task)
{
    static const uint8_t data[] = {SEG_DS, SEG_ES, SEG_FS, SEG_GS};
    enum outcome outcome = load_ldt(m, t, (uint16_t)task->ldt);

    if (!m->protected)
        return outcome;
    if (outcome == OUTCOME_NEXT)
        outcome = load_code(m, t, (uint16_t)task->selector[SEG_CS]);
    if (outcome == OUTCOME_NEXT)
        outcome = segment_load_stack(m, t, (uint16_t)task->selector[SEG_SS], m->cpl, EXCEPTION_TS);
    for (unsigned i = 0; i < sizeof(data) && outcome == OUTCOME_NEXT; i++)
        outcome = segment_load_data(m, t, data[i], (uint16_t)task->selector[data[i]], EXCEPTION_TS);
    return outcome;
}

/* The new task before its first instruction. */
static enum outcome begin_task(struct emulation *m, struct transfer *t, const struct task *task,
                               const struct vcpu_event *event, unsigned size)
{
    enum outcome outcome = load_segments(m, t, task);

    if (outcome == OUTCOME_NEXT && event && event->has_error_code)
        outcome = transfer_push(m, t, size, event->error_code);
    if (outcome == OUTCOME_NEXT && task->rip > m->state->segment[SEG_CS].limit)
        outcome = emulate_fault_code(m, EXCEPTION_GP, t->external);
    return outcome == OUTCOME_NEXT ? OUTCOME_BRANCH : outcome;
}

enum outcome emulate_task_switch(struct emulation *m, struct transfer *t, enum task_source source,
                                 uint16_t selector, const struct vcpu_event *event, uint64_t next_rip)
{
    uint8_t external = t->external;
    uint64_t flags = event ? emulate_pushed_flags(m, event) : m->state->gpr.rflags, link = 0;
    struct descriptor d = {0};
    struct task task = {0};
    enum outcome outcome = OUTCOME_NEXT;

    if (!(m->state->control.cr0 & CR0_PE) ||
        (m->state->msrs.efer & EFER_LMA)) /* there are none: who asks has not looked */
        return OUTCOME_UNKNOWN;
    if (source == TASK_IRET) {
        outcome = emulate_read_system(m, m->state->segment[SEG_TR].base, 2, &link);
        selector = (uint16_t)link;
    }
    if (outcome == OUTCOME_NEXT)
        outcome = find_tss(m, t, source, selector, &d);
    if (outcome == OUTCOME_NEXT)
        outcome = read_task(m, &d, &task);
    if (outcome == OUTCOME_NEXT)
        outcome = leave_task(m, t, source, selector, &d, next_rip, flags);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    transfer_end(m, t, OUTCOME_NEXT); /* what is stored counts, whatever follows */
    enter_task(m, source, selector, &d, &task);
    transfer_begin(m, t);
    t->external = external;
    outcome = begin_task(m, t, &task, event, layout_of(d.attributes)->size);
    if (outcome != OUTCOME_BRANCH || !(task.trap & 1))
        return outcome;
    transfer_end(m, t, OUTCOME_NEXT); /* T in the TSS */
    m->state->control.dr6 |= DR6_BT;
    transfer_begin(m, t);
    return emulate_fault(m, EXCEPTION_DB);
}
