/*
 * Entry checks that not every processor makes (SDM Vol. 3C, 27.3.1 with "unrestricted guest", and 27.2.1.3):
 * each rule belongs to a demand, which the backend names. Without "unrestricted guest" a state is held
 * against lib/real_mode.h instead, and one that does not fit is not refused but emulated.
 *
 * Not here, because the monitor writes it itself and not as the state has it: NE, CD and NW of CR0, the
 * pointers to page directories, pending debug exceptions, IA32_DEBUGCTL.
 */
#include "entry_demands.h"
#include <stddef.h>
#include "entry_state.h"

enum {
    SELECTOR_TI = 4,
    TYPE_ACCESSED = 1,
    TYPE_READABLE = 2, /* of code; of data: writable */
    TYPE_CONFORMING = 4,
    TYPE_EXPAND_DOWN = 4,
    TYPE_DATA = TYPE_READABLE | TYPE_ACCESSED,
    VM86_ATTRIBUTES = SEG_P | SEG_DPL_MASK | SEG_S | TYPE_DATA,
    VM86_LIMIT = 0xffff,
    PAGE_MASK = 0xfff,
    INSTRUCTION_MAX = 15,
};

static bool usable(const struct segment *s)
{
    return s->attributes & SEG_P;
}

static bool vm86_bases(const struct vcpu_state *s)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        if (vm86(s) && s->segment[i].base != (uint64_t)s->segment[i].selector << 4)
            return false;
    return true;
}

static bool vm86_limits(const struct vcpu_state *s)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        if (vm86(s) && s->segment[i].limit != VM86_LIMIT)
            return false;
    return true;
}

static bool vm86_rights(const struct vcpu_state *s)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        if (vm86(s) && s->segment[i].attributes != VM86_ATTRIBUTES)
            return false;
    return true;
}

/* Virtual-8086 mode's segments are data, CS too. */
static bool cs_type(const struct vcpu_state *s)
{
    unsigned type = type_of(&s->segment[SEG_CS]);
    return vm86(s) || type == TYPE_DATA || ((type & TYPE_CODE) && (type & TYPE_ACCESSED));
}

static bool cs_data_level(const struct vcpu_state *s)
{
    return vm86(s) || (type_of(&s->segment[SEG_CS]) & TYPE_CODE) || !dpl_of(&s->segment[SEG_SS]);
}

static bool cs_level(const struct vcpu_state *s)
{
    const struct segment *cs = &s->segment[SEG_CS], *ss = &s->segment[SEG_SS];
    if (!(type_of(cs) & TYPE_CODE))
        return true;
    return type_of(cs) & TYPE_CONFORMING ? dpl_of(cs) <= dpl_of(ss) : dpl_of(cs) == dpl_of(ss);
}

static bool ss_type(const struct vcpu_state *s)
{
    const struct segment *ss = &s->segment[SEG_SS];
    return implies(usable(ss),
                   (ss->attributes & SEG_S) && (type_of(ss) & ~(unsigned)TYPE_EXPAND_DOWN) == TYPE_DATA);
}

static bool data_types(const struct vcpu_state *s)
{
    static const uint8_t data[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (unsigned i = 0; i < sizeof(data); i++) {
        const struct segment *d = &s->segment[data[i]];
        bool readable = implies(type_of(d) & TYPE_CODE, type_of(d) & TYPE_READABLE);
        if (usable(d) && (!(d->attributes & SEG_S) || !(type_of(d) & TYPE_ACCESSED) || !readable))
            return false;
    }
    return true;
}

/* G scales by 4 KiB: a limit that is not the end of a page has it clear, one above 1 MiB has it set. */
static bool limits_scaled(const struct vcpu_state *s)
{
    for (unsigned i = SEG_ES; i < SEG_COUNT; i++) {
        const struct segment *d = &s->segment[i];
        bool scaled = d->attributes & SEG_G;
        if (usable(d) && !(scaled ? (d->limit & PAGE_MASK) == PAGE_MASK : d->limit >> 20 == 0))
            return false;
    }
    return true;
}

static bool system_selectors(const struct vcpu_state *s)
{
    const struct segment *ldtr = &s->segment[SEG_LDTR];
    return !(s->segment[SEG_TR].selector & SELECTOR_TI) &&
           implies(usable(ldtr), !(ldtr->selector & SELECTOR_TI));
}

static bool interrupt_flag(const struct vcpu_state *s)
{
    return implies(s->interrupts.event.type == EVENT_INTERRUPT, s->gpr.rflags & RFLAGS_IF);
}

static bool event_shadow(const struct vcpu_state *s)
{
    uint8_t type = s->interrupts.event.type;
    return implies(type == EVENT_INTERRUPT || type == EVENT_NMI, s->interrupts.shadow == SHADOW_NONE);
}

static bool shadow_flag(const struct vcpu_state *s)
{
    return implies(s->interrupts.shadow & SHADOW_STI, s->gpr.rflags & RFLAGS_IF);
}

static bool nmi_vector(const struct vcpu_state *s)
{
    return implies(s->interrupts.event.type == EVENT_NMI, s->interrupts.event.vector == EXCEPTION_NMI);
}

static bool error_code_width(const struct vcpu_state *s)
{
    const struct vcpu_event *event = &s->interrupts.event;
    return implies(event->type == EVENT_EXCEPTION && event->has_error_code, event->error_code <= UINT16_MAX);
}

static bool soft_length(const struct vcpu_state *s)
{
    const struct vcpu_event *event = &s->interrupts.event;
    return implies(event->type >= EVENT_SOFT_INTERRUPT,
                   event->length > 0 && event->length <= INSTRUCTION_MAX);
}

static bool halted_level(const struct vcpu_state *s)
{
    return implies(s->interrupts.activity == ACTIVITY_HALTED, !dpl_of(&s->segment[SEG_SS]));
}

static bool inactive_shadow(const struct vcpu_state *s)
{
    return implies(s->interrupts.activity != ACTIVITY_RUN, s->interrupts.shadow == SHADOW_NONE);
}

static bool cr3_bits(const struct vcpu_state *s, const struct entry_demands *demands)
{
    return !(s->control.cr3 & ~demands->cr3);
}

static bool cr4_bits(const struct vcpu_state *s, const struct entry_demands *demands)
{
    return !(s->control.cr4 & ~demands->cr4);
}

static bool efer_bits(const struct vcpu_state *s, const struct entry_demands *demands)
{
    return !(s->msrs.efer & ~demands->efer);
}

enum demand { DEMAND_BITS, DEMAND_SEGMENTS, DEMAND_EVENTS };

static const struct demanded_rule {
    const char *name;
    enum demand demand;
    bool (*holds)(const struct vcpu_state *state);
    bool (*within)(const struct vcpu_state *state, const struct entry_demands *demands); /* DEMAND_BITS */
} demanded[] = {
    {"CR3 has a bit set that this processor has not", DEMAND_BITS, NULL, cr3_bits},
    {"CR4 has a bit set that this processor has not", DEMAND_BITS, NULL, cr4_bits},
    {"EFER has a bit set that this processor has not", DEMAND_BITS, NULL, efer_bits},
    {"a segment of virtual-8086 mode is not where its selector says", DEMAND_SEGMENTS, vm86_bases, NULL},
    {"a segment of virtual-8086 mode has not 64 KiB", DEMAND_SEGMENTS, vm86_limits, NULL},
    {"a segment of virtual-8086 mode is not data of level 3", DEMAND_SEGMENTS, vm86_rights, NULL},
    {"CS is not accessed code, nor what real mode leaves", DEMAND_SEGMENTS, cs_type, NULL},
    {"CS is data outside of level 0", DEMAND_SEGMENTS, cs_data_level, NULL},
    {"CS has not the level of SS", DEMAND_SEGMENTS, cs_level, NULL},
    {"SS is not accessed writable data", DEMAND_SEGMENTS, ss_type, NULL},
    {"ES, DS, FS or GS is not accessed and readable", DEMAND_SEGMENTS, data_types, NULL},
    {"a segment has a limit that its granularity cannot have", DEMAND_SEGMENTS, limits_scaled, NULL},
    {"TR or LDTR is in a local descriptor table", DEMAND_SEGMENTS, system_selectors, NULL},
    {"an interrupt is to be delivered with RFLAGS.IF clear", DEMAND_EVENTS, interrupt_flag, NULL},
    {"an interrupt is to be delivered in an interrupt shadow", DEMAND_EVENTS, event_shadow, NULL},
    {"STI has begun an interrupt shadow with RFLAGS.IF clear", DEMAND_EVENTS, shadow_flag, NULL},
    {"an NMI has another vector than 2", DEMAND_EVENTS, nmi_vector, NULL},
    {"an error code has more than 16 bits", DEMAND_EVENTS, error_code_width, NULL},
    {"a software event's instruction has not 1 to 15 bytes", DEMAND_EVENTS, soft_length, NULL},
    {"it is halted outside of level 0", DEMAND_EVENTS, halted_level, NULL},
    {"it does not run, and is in an interrupt shadow", DEMAND_EVENTS, inactive_shadow, NULL},
};

const char *entry_demands_check(const struct vcpu_state *state, const struct entry_demands *demands)
{
    const bool made[] = {
        [DEMAND_BITS] = true, [DEMAND_SEGMENTS] = demands->segments, [DEMAND_EVENTS] = demands->events};
    for (unsigned i = 0; i < sizeof(demanded) / sizeof(demanded[0]); i++) {
        const struct demanded_rule *rule = &demanded[i];
        if (made[rule->demand] && !(rule->within ? rule->within(state, demands) : rule->holds(state)))
            return rule->name;
    }
    return NULL;
}
