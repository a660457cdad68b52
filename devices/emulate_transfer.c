/*
 * The steps of a transfer (emulate_transfer.h): registers that can be put back, stores that wait, and the
 * stack.
 */
#include "emulate_transfer.h"
#include <stddef.h>
#include "string.h"

void transfer_begin(struct emulation *m, struct transfer *t)
{
    t->gpr = m->state->gpr;
    memcpy(t->segment, m->state->segment, sizeof(t->segment));
    t->modified = m->emulator->modified;
    t->cpl = m->cpl;
    t->protected = m->protected;
    t->long64 = m->long64;
    t->external = 0;
    t->stack_error = 0;
    t->stores = 0;
}

enum outcome transfer_end(struct emulation *m, struct transfer *t, enum outcome outcome)
{
    if (outcome == OUTCOME_NEXT || outcome == OUTCOME_BRANCH) {
        for (unsigned i = 0; i < t->stores; i++)
            place_store(m, &t->store[i].place, t->store[i].value);
        m->emulator->modified |= VCPU_GPR;
        return outcome;
    }
    m->state->gpr = t->gpr;
    memcpy(m->state->segment, t->segment, sizeof(t->segment));
    m->emulator->modified = t->modified | (m->emulator->modified & VCPU_CONTROL); /* CR2 of a #PF */
    m->cpl = t->cpl;
    m->protected = t->protected;
    m->long64 = t->long64;
    return outcome;
}

static enum outcome keep_store(struct transfer *t, const struct place *place, uint64_t value)
{
    if (t->stores == TRANSFER_STORES)
        return OUTCOME_UNKNOWN;
    t->store[t->stores].place = *place;
    t->store[t->stores++].value = value;
    return OUTCOME_NEXT;
}

enum outcome transfer_push(struct emulation *m, struct transfer *t, unsigned size, uint64_t value)
{
    struct place place;
    uint64_t rsp;
    enum outcome outcome = emulate_place_push(m, &place, size, &rsp);

    if (outcome == OUTCOME_FAULT && m->emulator->inject.vector == EXCEPTION_SS)
        m->emulator->inject.error_code = t->stack_error | t->external;
    if (outcome != OUTCOME_NEXT)
        return outcome;
    gpr_write(m, RSP, emulate_stack_size(m), rsp);
    return keep_store(t, &place, value);
}

enum outcome transfer_pop(struct emulation *m, unsigned size, uint64_t *value)
{
    unsigned width = emulate_stack_size(m);
    struct place place;
    enum outcome outcome = emulate_place(m, &place, SEG_SS, gpr_read(m, RSP, width), size, INTENT_READ);

    if (outcome != OUTCOME_NEXT)
        return outcome;
    *value = place_load(m, &place);
    gpr_write(m, RSP, width, gpr_read(m, RSP, width) + size);
    return OUTCOME_NEXT;
}

enum outcome transfer_store_system(struct emulation *m, struct transfer *t, uint64_t linear, unsigned size,
                                   uint64_t value)
{
    struct place place;
    enum outcome outcome = emulate_place_system(m, &place, linear, size, INTENT_WRITE);

    return outcome == OUTCOME_NEXT ? keep_store(t, &place, value) : outcome;
}

enum outcome emulate_read_system(struct emulation *m, uint64_t linear, unsigned size, uint64_t *value)
{
    struct place place;
    enum outcome outcome = emulate_place_system(m, &place, linear, size, INTENT_READ);

    if (outcome == OUTCOME_NEXT)
        *value = place_load(m, &place);
    return outcome;
}

/* The machine brings all groups as they were when the guest was left: what is here already stays. */
bool emulate_need(struct emulation *m, uint32_t group)
{
    static const struct {
        uint32_t group;
        uint16_t offset, size;
    } parts[] = {
#define PART(bit, field) {bit, offsetof(struct vcpu_state, field), sizeof(((struct vcpu_state *)0)->field)}
        PART(VCPU_GPR, gpr),       PART(VCPU_SEGMENTS, segment), PART(VCPU_CONTROL, control),
        PART(VCPU_TABLES, tables), PART(VCPU_MSRS, msrs),        PART(VCPU_INTERRUPTS, interrupts),
        PART(VCPU_TIME, time),
#undef PART
    };
    struct emulator *e = m->emulator;
    uint8_t old[offsetof(struct vcpu_state, fpu)];

    if (e->groups & group)
        return true;
    memcpy(old, m->state, sizeof(old));
    bool there = e->machine->get(e->context, m->state, group) >= 0;
    for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (!there || parts[i].group != group)
            memcpy((uint8_t *)m->state + parts[i].offset, old + parts[i].offset, parts[i].size);
    if (there)
        e->groups |= group;
    return there;
}
