/*
 * Descriptors, and what loading a segment register checks (SDM Vol. 3A, 3.4, 5.5 and 5.7).
 */
#include "emulate_transfer.h"

enum { DESCRIPTOR_SIZE = 8, TYPE_BYTE = 5, LIMIT_64K = 0xffff, PAGE_SHIFT = 12 };
enum { VM86_ATTRIBUTES = SEG_P | SEG_DPL_MASK | SEG_S | TYPE_WRITABLE | TYPE_ACCESSED };

enum outcome selector_fault(struct emulation *m, const struct transfer *t, enum exception vector,
                            uint16_t selector)
{
    return emulate_fault_code(m, vector, (selector & SELECTOR_ERROR) | t->external);
}

void descriptor_parse(struct descriptor *d, uint64_t raw, uint64_t linear)
{
    uint32_t limit = (uint32_t)((raw & 0xffff) | (raw >> 32 & 0xf0000));

    d->raw = raw;
    d->linear = linear;
    d->base = (uint32_t)((raw >> 16 & 0xffffff) | (raw >> 32 & 0xff000000));
    d->attributes = (uint16_t)((raw >> 40 & 0xff) | (raw >> 44 & 0xf00));
    d->limit = d->attributes & SEG_G ? limit << PAGE_SHIFT | ((1u << PAGE_SHIFT) - 1) : limit;
}

enum outcome descriptor_read(struct emulation *m, const struct transfer *t, uint16_t selector,
                             enum exception vector, struct descriptor *d)
{
    const struct segment *ldtr = &m->state->segment[SEG_LDTR];
    uint32_t index = selector & SELECTOR_INDEX;
    uint64_t base, limit, raw = 0;

    *d = (struct descriptor){0};
    if (!emulate_need(m, VCPU_TABLES))
        return OUTCOME_UNKNOWN;
    if (selector & SELECTOR_TI) {
        if (!(ldtr->attributes & SEG_P))
            return selector_fault(m, t, vector, selector);
        base = ldtr->base;
        limit = ldtr->limit;
    } else {
        base = m->state->tables.gdtr.base;
        limit = m->state->tables.gdtr.limit;
    }
    if (index + DESCRIPTOR_SIZE - 1 > limit)
        return selector_fault(m, t, vector, selector);
    enum outcome outcome = emulate_read_system(m, base + index, DESCRIPTOR_SIZE, &raw);
    descriptor_parse(d, raw, base + index);
    return outcome;
}

enum outcome segment_load(struct emulation *m, struct transfer *t, unsigned name, uint16_t selector,
                          struct descriptor *d)
{
    enum outcome outcome = OUTCOME_NEXT;

    if ((d->attributes & SEG_S) && !(d->attributes & TYPE_ACCESSED)) {
        d->attributes |= TYPE_ACCESSED;
        outcome = transfer_store_system(m, t, d->linear + TYPE_BYTE, 1, d->attributes & 0xff);
    }
    m->state->segment[name] = (struct segment){
        .selector = selector, .attributes = d->attributes, .limit = d->limit, .base = d->base};
    m->emulator->modified |= VCPU_SEGMENTS;
    return outcome;
}

void segment_load_real(struct emulation *m, unsigned name, uint16_t selector)
{
    struct segment *s = &m->state->segment[name];

    s->selector = selector;
    s->base = (uint64_t)selector << 4;
    if (m->state->gpr.rflags & FLAG_VM) {
        s->limit = LIMIT_64K;
        s->attributes = VM86_ATTRIBUTES;
    }
    m->emulator->modified |= VCPU_SEGMENTS;
}

/* The level of SS is kept: it is the processor's. */
void segment_load_null(struct emulation *m, unsigned name, uint16_t selector)
{
    m->state->segment[name] = (struct segment){
        .selector = selector, .attributes = name == SEG_SS ? (uint16_t)(m->cpl << SEG_DPL_SHIFT) : 0};
    m->emulator->modified |= VCPU_SEGMENTS;
}

enum outcome segment_load_data(struct emulation *m, struct transfer *t, unsigned name, uint16_t selector,
                               enum exception vector)
{
    struct descriptor d;

    if (!m->protected) {
        segment_load_real(m, name, selector);
        return OUTCOME_NEXT;
    }
    if (selector_is_null(selector)) {
        segment_load_null(m, name, selector);
        return OUTCOME_NEXT;
    }
    enum outcome outcome = descriptor_read(m, t, selector, vector, &d);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    bool code = descriptor_is_code(&d), conforming = code && descriptor_is_conforming(&d);
    bool level = (selector & SELECTOR_RPL) <= descriptor_dpl(&d) && m->cpl <= descriptor_dpl(&d);
    if (!(d.attributes & SEG_S) || (code && !(d.attributes & TYPE_READABLE)) || (!conforming && !level))
        return selector_fault(m, t, vector, selector);
    if (!(d.attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_NP, selector);
    return segment_load(m, t, name, selector, &d);
}

enum outcome segment_load_stack(struct emulation *m, struct transfer *t, uint16_t selector, unsigned cpl,
                                enum exception vector)
{
    struct descriptor d;

    if (!m->protected) {
        segment_load_real(m, SEG_SS, selector);
        return OUTCOME_NEXT;
    }
    if (selector_is_null(selector)) {
        if (!m->long64 || cpl == 3 || (selector & SELECTOR_RPL) != cpl)
            return selector_fault(m, t, vector, 0);
        segment_load_null(m, SEG_SS, selector);
        m->state->segment[SEG_SS].attributes = (uint16_t)(cpl << SEG_DPL_SHIFT);
        return OUTCOME_NEXT;
    }
    enum outcome outcome = descriptor_read(m, t, selector, vector, &d);
    if (outcome != OUTCOME_NEXT)
        return outcome;
    if ((selector & SELECTOR_RPL) != cpl || descriptor_dpl(&d) != cpl || !descriptor_is_writable_data(&d))
        return selector_fault(m, t, vector, selector);
    if (!(d.attributes & SEG_P))
        return selector_fault(m, t, EXCEPTION_SS, selector);
    return segment_load(m, t, SEG_SS, selector, &d);
}
