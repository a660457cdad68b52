/*
 * Interrupts and exceptions: from a vector through the interrupt table to a handler, as the processor goes
 * (SDM Vol. 3A, 6.10 to 6.13 and 21.1.4; Vol. 2, INT n). And INT n, INT3, INTO, INT1, which begin so.
 *
 * Missing: delivery in long mode, which no processor leaves to an emulator, and redirection by the TSS's
 * bitmap (CR4.VME).
 */
#include "emulate_transfer.h"

enum { REAL_VECTOR_SIZE = 4, GATE_SIZE = 8, TSS_STACKS_32 = 4, TSS_STACKS_16 = 2, STACK_SEGMENT_SIZE = 2 };

/* Faults, whose instruction runs again: RF is set in what they push (SDM Vol. 3B, 18.3.1.1). */
#define FAULTS                                                                                               \
    (1u << EXCEPTION_DE | 1u << EXCEPTION_BR | 1u << EXCEPTION_UD | 1u << EXCEPTION_NM |                     \
     1u << EXCEPTION_TS | 1u << EXCEPTION_NP | 1u << EXCEPTION_SS | 1u << EXCEPTION_GP |                     \
     1u << EXCEPTION_PF | 1u << EXCEPTION_MF | 1u << EXCEPTION_AC | 1u << EXCEPTION_XM)

static bool is_soft(const struct vcpu_event *event)
{
    return event->type == EVENT_SOFT_INTERRUPT || event->type == EVENT_SOFT_EXCEPTION;
}

uint64_t emulate_pushed_flags(const struct emulation *m, const struct vcpu_event *event)
{
    bool fault =
        event->type == EVENT_EXCEPTION && event->vector < EXCEPTION_COUNT && (FAULTS >> event->vector & 1);
    return m->state->gpr.rflags | (fault ? FLAG_RF : 0);
}

static enum outcome gate_fault(struct emulation *m, const struct transfer *t, enum exception vector,
                               unsigned number)
{
    return emulate_fault_code(m, vector, number * GATE_SIZE | ERROR_IDT | t->external);
}

static enum outcome push_all(struct emulation *m, struct transfer *t, unsigned size, const uint64_t *values,
                             unsigned count)
{
    enum outcome outcome = OUTCOME_NEXT;

    for (unsigned i = 0; i < count && outcome == OUTCOME_NEXT; i++)
        outcome = transfer_push(m, t, size, values[i]);
    return outcome;
}

static enum outcome deliver_real(struct emulation *m, struct transfer *t, const struct vcpu_event *event,
                                 uint64_t next_rip)
{
    const struct descriptor_table *idtr = &m->state->tables.idtr;
    const struct segment *cs = &m->state->segment[SEG_CS];
    uint32_t at = event->vector * REAL_VECTOR_SIZE;
    uint64_t entry;

    if (at + REAL_VECTOR_SIZE - 1 > idtr->limit)
        return gate_fault(m, t, EXCEPTION_GP, event->vector);
    const uint64_t frame[] = {m->state->gpr.rflags, cs->selector, next_rip};
    enum outcome outcome = emulate_read_system(m, idtr->base + at, REAL_VECTOR_SIZE, &entry);
    if (outcome == OUTCOME_NEXT)
        outcome = push_all(m, t, 2, frame, 3);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    if ((entry & 0xffff) > cs->limit)
        return emulate_fault_code(m, EXCEPTION_GP, t->external);
    segment_load_real(m, SEG_CS, (uint16_t)(entry >> 16));
    m->state->gpr.rip = entry & 0xffff;
    m->state->gpr.rflags &= ~(uint64_t)(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF);
    return OUTCOME_BRANCH;
}

enum outcome transfer_to_inner_stack(struct emulation *m, struct transfer *t, unsigned cpl)
{
    const struct segment *tr = &m->state->segment[SEG_TR];
    bool wide = tr->attributes & TYPE_WIDE;
    unsigned size = wide ? 4 : 2, at = wide ? TSS_STACKS_32 + 8 * cpl : TSS_STACKS_16 + 4 * cpl;
    uint64_t rsp, ss;

    if (at + size + STACK_SEGMENT_SIZE - 1 > tr->limit)
        return selector_fault(m, t, EXCEPTION_TS, tr->selector);
    enum outcome outcome = emulate_read_system(m, tr->base + at, size, &rsp);
    if (outcome == OUTCOME_NEXT)
        outcome = emulate_read_system(m, tr->base + at + size, STACK_SEGMENT_SIZE, &ss);
    if (outcome == OUTCOME_NEXT)
        outcome = segment_load_stack(m, t, (uint16_t)ss, cpl, EXCEPTION_TS);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    m->cpl = (uint8_t)cpl;
    m->state->gpr.reg[RSP] = rsp;
    t->stack_error = ss & SELECTOR_ERROR;
    return OUTCOME_NEXT;
}

/* Where the gate leads: the handler's code segment and whether a stack of an inner level is needed. */
static enum outcome find_handler(struct emulation *m, struct transfer *t, uint16_t selector,
                                 struct descriptor *code, bool *inner)
{
    bool vm86 = t->gpr.rflags & FLAG_VM;

    if (selector_is_null(selector))
        return emulate_fault_code(m, EXCEPTION_GP, t->external);
    enum outcome outcome = descriptor_read(m, t, selector, EXCEPTION_GP, code);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    unsigned dpl = descriptor_dpl(code);
    if (!descriptor_is_code(code) || dpl > m->cpl)
        return selector_fault(m, t, EXCEPTION_GP, selector);
    if (!(code->attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, selector);
    *inner = !descriptor_is_conforming(code) && dpl < m->cpl;
    if (vm86 && (!*inner || dpl != 0))
        return selector_fault(m, t, EXCEPTION_GP, selector);
    return OUTCOME_NEXT;
}

static enum outcome push_inner_frame(struct emulation *m, struct transfer *t, unsigned size, unsigned cpl)
{
    const struct segment *old = t->segment;
    const uint64_t data[] = {old[SEG_GS].selector, old[SEG_FS].selector, old[SEG_DS].selector,
                             old[SEG_ES].selector};
    const uint64_t stack[] = {old[SEG_SS].selector, t->gpr.reg[RSP]};
    bool vm86 = t->gpr.rflags & FLAG_VM;

    m->state->gpr.rflags &= ~(uint64_t)FLAG_VM;
    m->protected = true;
    enum outcome outcome = transfer_to_inner_stack(m, t, cpl);
    if (outcome == OUTCOME_NEXT && vm86) {
        outcome = push_all(m, t, size, data, 4);
        for (unsigned i = SEG_ES; i <= SEG_GS; i++)
            if (i != SEG_CS && i != SEG_SS)
                segment_load_null(m, i, 0);
    }
    return outcome == OUTCOME_NEXT ? push_all(m, t, size, stack, 2) : outcome;
}

static enum outcome deliver_through_gate(struct emulation *m, struct transfer *t,
                                         const struct vcpu_event *event, const struct descriptor *gate,
                                         uint64_t next_rip)
{
    unsigned type = gate->attributes & SEG_TYPE_MASK, size = type & TYPE_WIDE ? 4 : 2;
    uint16_t selector = gate->raw >> 16 & 0xffff;
    uint64_t offset = (gate->raw & 0xffff) | (size == 4 ? gate->raw >> 32 & 0xffff0000 : 0);
    const uint64_t frame[] = {emulate_pushed_flags(m, event), t->segment[SEG_CS].selector, next_rip,
                              event->error_code};
    struct descriptor code = {0};
    bool inner = false;
    enum outcome outcome = find_handler(m, t, selector, &code, &inner);

    if (outcome == OUTCOME_NEXT && inner)
        outcome = push_inner_frame(m, t, size, descriptor_dpl(&code));
    if (outcome == OUTCOME_NEXT)
        outcome = push_all(m, t, size, frame, event->has_error_code ? 4 : 3);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    if (offset > code.limit)
        return emulate_fault_code(m, EXCEPTION_GP, t->external);
    outcome = segment_load(m, t, SEG_CS, (uint16_t)((selector & ~SELECTOR_RPL) | m->cpl), &code);
    m->state->gpr.rip = offset;
    m->state->gpr.rflags &= ~(uint64_t)(FLAG_TF | FLAG_VM | FLAG_RF | FLAG_NT | (type & 1 ? 0 : FLAG_IF));
    return outcome == OUTCOME_NEXT ? OUTCOME_BRANCH : outcome;
}

static enum outcome deliver_protected(struct emulation *m, struct transfer *t, const struct vcpu_event *event,
                                      uint64_t next_rip)
{
    const struct descriptor_table *idtr = &m->state->tables.idtr;
    uint32_t at = event->vector * GATE_SIZE;
    struct descriptor gate;
    uint64_t raw;

    if (at + GATE_SIZE - 1 > idtr->limit)
        return gate_fault(m, t, EXCEPTION_GP, event->vector);
    enum outcome outcome = emulate_read_system(m, idtr->base + at, GATE_SIZE, &raw);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    descriptor_parse(&gate, raw, idtr->base + at);
    unsigned type = gate.attributes & (SEG_TYPE_MASK | SEG_S);
    bool handler = (type & ~TYPE_WIDE) == TYPE_INTERRUPT_GATE_16 || (type & ~TYPE_WIDE) == TYPE_TRAP_GATE_16;
    if ((!handler && type != TYPE_TASK_GATE) || (is_soft(event) && descriptor_dpl(&gate) < m->cpl))
        return gate_fault(m, t, EXCEPTION_GP, event->vector);
    if (!(gate.attributes & SEG_P))
        return gate_fault(m, t, EXCEPTION_NP, event->vector);
    if (type == TYPE_TASK_GATE)
        return emulate_task_switch(m, t, TASK_GATE, raw >> 16 & 0xffff, event, next_rip);
    return deliver_through_gate(m, t, event, &gate, next_rip);
}

enum outcome emulate_deliver(struct emulation *m, const struct vcpu_event *event, uint64_t next_rip)
{
    struct transfer t;
    enum outcome outcome;

    if (!emulate_need(m, VCPU_TABLES) || (m->state->msrs.efer & EFER_LMA))
        return OUTCOME_UNKNOWN;
    transfer_begin(m, &t);
    t.external = is_soft(event) ? 0 : ERROR_EXTERNAL;
    if (m->state->control.cr0 & CR0_PE)
        outcome = deliver_protected(m, &t, event, next_rip);
    else
        outcome = deliver_real(m, &t, event, next_rip);
    return transfer_end(m, &t, outcome);
}

static enum outcome interrupt(struct emulation *m, enum event_type type, uint8_t vector)
{
    const struct vcpu_event event = {.type = (uint8_t)type, .vector = vector, .length = m->in->length};

    /* In long mode the processor delivers it, behind the instruction. */
    if ((m->state->msrs.efer & EFER_LMA) && type != EVENT_SOFT_INTERRUPT) {
        m->state->gpr.rip += m->in->length;
        if (!m->long64)
            m->state->gpr.rip = (uint32_t)m->state->gpr.rip;
        m->emulator->modified |= VCPU_GPR;
        return emulate_fault(m, vector);
    }
    return emulate_deliver(m, &event, m->state->gpr.rip + m->in->length);
}

/* CD. In virtual-8086 mode IOPL decides, unless CR4.VME asks the TSS. */
enum outcome emulate_int(struct emulation *m)
{
    if ((m->state->gpr.rflags & FLAG_VM) && (m->state->control.cr4 & CR4_VME))
        return OUTCOME_UNKNOWN;
    if ((m->state->gpr.rflags & FLAG_VM) && (m->state->gpr.rflags >> FLAG_IOPL_SHIFT & 3) < 3)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    return interrupt(m, EVENT_SOFT_INTERRUPT, (uint8_t)m->in->immediate);
}

/* CC. */
enum outcome emulate_int3(struct emulation *m)
{
    return interrupt(m, EVENT_SOFT_EXCEPTION, EXCEPTION_BP);
}

/* CE. */
enum outcome emulate_into(struct emulation *m)
{
    return m->state->gpr.rflags & FLAG_OF ? interrupt(m, EVENT_SOFT_EXCEPTION, EXCEPTION_OF) : OUTCOME_NEXT;
}

/* F1: a #DB behind the instruction, which no privilege forbids. */
enum outcome emulate_int1(struct emulation *m)
{
    return interrupt(m, EVENT_EXCEPTION, EXCEPTION_DB);
}
