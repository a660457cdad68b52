/*
 * Control registers: MOV to and from CRn, CLTS, LMSW, SMSW and XSETBV, with the faults of SDM Vol. 3A, 2.5,
 * 2.6 and 4.1.2, and AMD APM Vol. 2, 3.1. Which bits exist follows from the guest's CPUID.
 */
#include "emulate_internal.h"
#include "xcr0.h"

enum { MSW_WRITABLE = CR0_MP | CR0_EM | CR0_TS, CR8_MAX = 15, CR3_LOW = 0xfff, PDPTES = 4, PDPTE_P = 1 };

#define CR3_NO_FLUSH (1ull << 63)

static enum outcome refuse(struct emulation *m)
{
    return emulate_fault_code(m, EXCEPTION_GP, 0);
}

/* The four page-directory pointers of a PAE guest are loaded, and checked, with CR3 (SDM Vol. 3A, 4.4.1). */
static bool pdptes_valid(const struct emulation *m, uint64_t cr3)
{
    const struct emulator *e = m->emulator;
    const uint64_t *pdpte = e->machine->ram(e->context, cr3 & CR3_PAE_TABLE, false);

    for (unsigned i = 0; pdpte && i < PDPTES; i++) { /* not RAM: reads as all ones, and faults when used */
        uint64_t entry = __atomic_load_n(&pdpte[i], __ATOMIC_RELAXED);
        if ((entry & PDPTE_P) && (entry & PDPTE_RESERVED))
            return false;
    }
    return true;
}

static bool is_pae(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
    return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

static enum outcome cr0_write(struct emulation *m, uint64_t value)
{
    struct vcpu_control *control = &m->state->control;
    uint64_t old = control->cr0, efer = m->state->msrs.efer;
    bool cs_long = m->state->segment[SEG_CS].attributes & SEG_L;

    if (value >> 32 || ((value & CR0_PG) && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD)))
        return refuse(m);
    value = (value & CR0_KNOWN) | CR0_ET;
    if ((value & ~old & CR0_PG) && (efer & EFER_LME)) {
        if (!(control->cr4 & CR4_PAE) || cs_long)
            return refuse(m);
        efer |= EFER_LMA;
    } else if (~value & old & CR0_PG) {
        if (((efer & EFER_LMA) && cs_long) || (control->cr4 & CR4_PCIDE))
            return refuse(m);
        efer &= ~(uint64_t)EFER_LMA;
    }
    if (((value ^ old) & (CR0_PG | CR0_CD | CR0_NW)) && is_pae(value, control->cr4, efer) &&
        !pdptes_valid(m, control->cr3))
        return refuse(m);
    m->emulator->modified |= VCPU_CONTROL | (efer != m->state->msrs.efer ? VCPU_MSRS : 0);
    m->state->msrs.efer = efer;
    control->cr0 = value;
    return OUTCOME_NEXT;
}

static enum outcome cr3_write(struct emulation *m, uint64_t value)
{
    struct vcpu_control *control = &m->state->control;

    if (m->state->msrs.efer & EFER_LMA) {
        value &= control->cr4 & CR4_PCIDE ? ~CR3_NO_FLUSH : ~0ull;
        if (value >> m->emulator->limits->physical_width)
            return refuse(m);
    } else if (is_pae(control->cr0, control->cr4, m->state->msrs.efer) && !pdptes_valid(m, value)) {
        return refuse(m);
    }
    control->cr3 = value;
    m->emulator->modified |= VCPU_CONTROL;
    return OUTCOME_NEXT;
}

static enum outcome cr4_write(struct emulation *m, uint64_t value)
{
    struct vcpu_control *control = &m->state->control;
    bool long_mode = m->state->msrs.efer & EFER_LMA;
    uint64_t changed = control->cr4 ^ value;

    if ((value & ~m->emulator->limits->cr4) || (long_mode && !(value & CR4_PAE)))
        return refuse(m);
    if ((changed & value & CR4_PCIDE) && (!long_mode || (control->cr3 & CR3_LOW)))
        return refuse(m);
    if (changed && is_pae(control->cr0, value, m->state->msrs.efer) && !pdptes_valid(m, control->cr3))
        return refuse(m);
    control->cr4 = value;
    m->emulator->modified |= VCPU_CONTROL;
    return OUTCOME_NEXT;
}

static enum outcome cr_write(struct emulation *m, unsigned number, uint64_t value)
{
    struct vcpu_control *control = &m->state->control;

    switch (number) {
    case 0:
        return cr0_write(m, value);
    case 2:
        control->cr2 = value;
        break;
    case 3:
        return cr3_write(m, value);
    case 4:
        return cr4_write(m, value);
    case 8:
        if (value > CR8_MAX)
            return refuse(m);
        control->cr8 = value;
        break;
    default:
        return emulate_fault(m, EXCEPTION_UD);
    }
    m->emulator->modified |= VCPU_CONTROL;
    return OUTCOME_NEXT;
}

/* 0F 20 and 0F 22. */
enum outcome emulate_mov_control(struct emulation *m)
{
    const struct vcpu_control *control = &m->state->control;
    const uint64_t value[] = {
        [0] = control->cr0, [2] = control->cr2, [3] = control->cr3, [4] = control->cr4, [8] = control->cr8};
    bool write = m->in->opcode == 0x22;
    unsigned number = m->in->operand[write ? 0 : 1].reg;

    if (m->cpl > 0)
        return refuse(m);
    if (write)
        return cr_write(m, number, operand_read(m, 1));
    if (number != 0 && (number < 2 || number > 4) && number != 8)
        return emulate_fault(m, EXCEPTION_UD);
    operand_write(m, 0, value[number]);
    return OUTCOME_NEXT;
}

enum outcome emulate_clts(struct emulation *m)
{
    return m->cpl > 0 ? refuse(m) : cr0_write(m, m->state->control.cr0 & ~(uint64_t)CR0_TS);
}

/* LMSW can set PE and not clear it. */
enum outcome emulate_lmsw(struct emulation *m)
{
    if (m->cpl > 0)
        return refuse(m);
    uint64_t value = operand_read(m, 0) & (MSW_WRITABLE | CR0_PE);
    return cr0_write(m, (m->state->control.cr0 & ~(uint64_t)MSW_WRITABLE) | value);
}

enum outcome emulate_smsw(struct emulation *m)
{
    if ((m->state->control.cr4 & CR4_UMIP) && m->cpl > 0)
        return refuse(m);
    operand_write(m, 0, m->state->control.cr0);
    return OUTCOME_NEXT;
}

static bool xcr0_valid(const struct emulation *m, uint64_t value)
{
    return xcr0_goes_together(value) && !(value & ~m->emulator->limits->xcr0);
}

enum outcome emulate_xsetbv(struct emulation *m)
{
    const uint64_t *reg = m->state->gpr.reg;
    uint64_t value = (uint32_t)reg[RAX] | reg[RDX] << 32;

    if (!(m->state->control.cr4 & CR4_OSXSAVE))
        return emulate_fault(m, EXCEPTION_UD);
    if (m->cpl > 0 || (uint32_t)reg[RCX] != 0 || !xcr0_valid(m, value))
        return refuse(m);
    m->state->control.xcr0 = value;
    m->emulator->modified |= VCPU_CONTROL;
    return OUTCOME_NEXT;
}
