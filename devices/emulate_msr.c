/*
 * RDMSR and WRMSR (SDM Vol. 4; AMD APM Vol. 2, appendix A). What is a part of struct vcpu_state is read and
 * written here, with the faults of the manual; everything else is the machine's answer, a value or #GP.
 */
#include <stddef.h>
#include "emulate_internal.h"

enum { PAT_ENTRIES = 8 };

enum rule { RULE_ANY, RULE_CANONICAL, RULE_LOW_32, RULE_PAT, RULE_EFER };

/* Registers that are plain fields. */
static const struct field {
    uint32_t index;
    uint16_t offset; /* in struct vcpu_msrs */
    uint16_t rule;
} fields[] = {
    {MSR_SYSENTER_CS, offsetof(struct vcpu_msrs, sysenter_cs), RULE_LOW_32},
    {MSR_SYSENTER_ESP, offsetof(struct vcpu_msrs, sysenter_esp), RULE_CANONICAL},
    {MSR_SYSENTER_EIP, offsetof(struct vcpu_msrs, sysenter_eip), RULE_CANONICAL},
    {MSR_PAT, offsetof(struct vcpu_msrs, pat), RULE_PAT},
    {MSR_EFER, offsetof(struct vcpu_msrs, efer), RULE_EFER},
    {MSR_STAR, offsetof(struct vcpu_msrs, star), RULE_ANY},
    {MSR_LSTAR, offsetof(struct vcpu_msrs, lstar), RULE_CANONICAL},
    {MSR_CSTAR, offsetof(struct vcpu_msrs, cstar), RULE_CANONICAL},
    {MSR_SFMASK, offsetof(struct vcpu_msrs, sfmask), RULE_LOW_32},
    {MSR_KERNEL_GS_BASE, offsetof(struct vcpu_msrs, kernel_gs_base), RULE_CANONICAL},
    {MSR_TSC_AUX, offsetof(struct vcpu_msrs, tsc_aux), RULE_LOW_32},
};

static const struct field *field_find(uint32_t index)
{
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (fields[i].index == index)
            return &fields[i];
    return NULL;
}

static uint64_t *field_in(struct emulation *m, const struct field *field)
{
    return (uint64_t *)((char *)&m->state->msrs + field->offset);
}

static struct segment *segment_of(struct emulation *m, uint32_t index)
{
    return index == MSR_FS_BASE   ? &m->state->segment[SEG_FS]
           : index == MSR_GS_BASE ? &m->state->segment[SEG_GS]
                                  : NULL;
}

static bool is_canonical(uint64_t value)
{
    return (uint64_t)((int64_t)(value << 16) >> 16) == value;
}

/* Memory types 2 and 3 are reserved (SDM Vol. 3A, 12.12.2). */
static bool pat_valid(uint64_t value)
{
    for (unsigned i = 0; i < PAT_ENTRIES; i++) {
        uint8_t type = (uint8_t)(value >> 8 * i);
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

/* LME changes only while paging is off; LMA follows paging and is not writable (AMD APM Vol. 2, 3.1.7). */
static bool efer_valid(const struct emulation *m, uint64_t value)
{
    bool paging = m->state->control.cr0 & CR0_PG;
    return !(value & ~m->emulator->limits->efer) && !(paging && ((value ^ m->state->msrs.efer) & EFER_LME));
}

static bool field_write(struct emulation *m, const struct field *field, uint64_t value)
{
    uint64_t *to = field_in(m, field);
    bool valid = field->rule == RULE_CANONICAL ? is_canonical(value)
                 : field->rule == RULE_PAT     ? pat_valid(value)
                 : field->rule == RULE_EFER    ? efer_valid(m, value)
                                               : true;

    if (!valid)
        return false;
    if (field->rule == RULE_LOW_32)
        value = (uint32_t)value;
    if (field->rule == RULE_EFER)
        value = (value & ~(uint64_t)EFER_LMA) | (*to & EFER_LMA);
    *to = value;
    m->emulator->modified |= VCPU_MSRS;
    return true;
}

static bool msr_write_state(struct emulation *m, uint32_t index, uint64_t value)
{
    const struct emulator *e = m->emulator;
    const struct field *field = field_find(index);
    struct segment *segment = segment_of(m, index);

    if (field)
        return field_write(m, field, value);
    if (segment) {
        if (!is_canonical(value))
            return false;
        segment->base = value;
        m->emulator->modified |= VCPU_SEGMENTS;
        return true;
    }
    if (index == MSR_TSC) { /* the guest's is the host's with an offset */
        if (!emulate_need(m, VCPU_TIME))
            return false;
        m->state->time.tsc_offset = value - __builtin_ia32_rdtsc();
        m->emulator->modified |= VCPU_TIME;
        return true;
    }
    return e->machine->write_msr(e->context, e->vcpu, index, value);
}

enum outcome emulate_rdmsr(struct emulation *m)
{
    const struct emulator *e = m->emulator;
    uint64_t *reg = m->state->gpr.reg, value = 0;
    uint32_t index = (uint32_t)reg[RCX];
    const struct field *field = field_find(index);
    const struct segment *segment = segment_of(m, index);
    bool known = m->cpl == 0;

    if (known && field)
        value = *field_in(m, field);
    else if (known && segment)
        value = segment->base;
    else if (known && index == MSR_TSC && emulate_need(m, VCPU_TIME))
        value = __builtin_ia32_rdtsc() + m->state->time.tsc_offset;
    else if (known)
        known = e->machine->read_msr(e->context, e->vcpu, index, &value);
    if (!known)
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    reg[RAX] = (uint32_t)value;
    reg[RDX] = value >> 32;
    return OUTCOME_NEXT;
}

enum outcome emulate_wrmsr(struct emulation *m)
{
    const uint64_t *reg = m->state->gpr.reg;
    uint64_t value = (uint32_t)reg[RAX] | reg[RDX] << 32;

    if (m->cpl > 0 || !msr_write_state(m, (uint32_t)reg[RCX], value))
        return emulate_fault_code(m, EXCEPTION_GP, 0);
    return OUTCOME_NEXT;
}
