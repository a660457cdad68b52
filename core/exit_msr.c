/*
 * Model-specific registers: an allow-list of what is part of the processor's state. What is policy (machine
 * check, MTRR, KVM's clock) and what does not exist is the device model's answer, a value or #GP.
 */
#include "exit.h"
#include "cpu.h"
#include "vcpu_ops.h"
#include "x86.h"

#define LEAF_EXTENDED 0x80000001u
enum { EDX_SYSCALL = 1 << 11, EDX_NX = 1 << 20, EDX_FFXSR = 1 << 25, EDX_LONG_MODE = 1 << 29 };

/* What a value must be. */
enum msr_rule { RULE_NONE, RULE_CANONICAL, RULE_LOW_32 };

/* MSRs that are plain fields of the vCPU's state. */
static const struct {
    uint32_t index;
    uint16_t offset; /* in struct vcpu_msrs */
    uint16_t rule;
} fields[] = {
    {MSR_SYSENTER_CS, offsetof(struct vcpu_msrs, sysenter_cs), RULE_LOW_32},
    {MSR_SYSENTER_ESP, offsetof(struct vcpu_msrs, sysenter_esp), RULE_CANONICAL},
    {MSR_SYSENTER_EIP, offsetof(struct vcpu_msrs, sysenter_eip), RULE_CANONICAL},
    {MSR_STAR, offsetof(struct vcpu_msrs, star), RULE_NONE},
    {MSR_LSTAR, offsetof(struct vcpu_msrs, lstar), RULE_CANONICAL},
    {MSR_CSTAR, offsetof(struct vcpu_msrs, cstar), RULE_CANONICAL},
    {MSR_SFMASK, offsetof(struct vcpu_msrs, sfmask), RULE_LOW_32},
    {MSR_KERNEL_GS_BASE, offsetof(struct vcpu_msrs, kernel_gs_base), RULE_CANONICAL},
    {MSR_TSC_AUX, offsetof(struct vcpu_msrs, tsc_aux), RULE_LOW_32},
};

static uint64_t *field_of(struct vcpu *vcpu, uint32_t index, enum msr_rule *rule)
{
    for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].index == index) {
            *rule = (enum msr_rule)fields[i].rule;
            return (uint64_t *)((char *)&vcpu->state.msrs + fields[i].offset);
        }
    }
    return NULL;
}

static bool is_canonical(uint64_t value)
{
    return (uint64_t)((int64_t)(value << 16) >> 16) == value;
}

/* Memory types 2 and 3 are reserved (SDM Vol. 3A, 12.12.2). */
static bool pat_valid(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        uint8_t type = (uint8_t)(value >> (8 * i));
        if (type > 7 || type == 2 || type == 3)
            return false;
    }
    return true;
}

static uint64_t efer_allowed(struct vm *vm)
{
    uint32_t edx = exit_cpuid_lookup(vm, LEAF_EXTENDED, 0)->edx;
    return (edx & EDX_SYSCALL ? EFER_SCE : 0) | (edx & EDX_NX ? EFER_NXE : 0) |
           (edx & EDX_FFXSR ? EFER_FFXSR : 0) | (edx & EDX_LONG_MODE ? EFER_LME | EFER_LMA : 0);
}

/* AMD APM Vol. 2, 3.1.7: LME changes only while paging is off; LMA follows paging and is not writable. */
static bool efer_write(struct vcpu *vcpu, uint64_t value)
{
    vcpu_ops->get(vcpu, VCPU_CONTROL | VCPU_MSRS);
    uint64_t *efer = &vcpu->state.msrs.efer;
    bool paging = vcpu->state.control.cr0 & CR0_PG;
    if (value & ~efer_allowed(vcpu->vm) || (paging && (value ^ *efer) & EFER_LME))
        return false;
    *efer = (value & ~(uint64_t)EFER_LMA) | (*efer & EFER_LMA);
    vcpu_ops->set(vcpu, VCPU_MSRS);
    return true;
}

static enum exit_outcome exit_msr_upcall(struct vcpu *vcpu, enum upcall_kind kind)
{
    vcpu->upcall_kind = kind;
    return EXIT_UPCALL;
}

enum exit_outcome exit_rdmsr(struct vcpu *vcpu)
{
    uint64_t *reg = vcpu->state.gpr.reg, value;
    uint32_t index = (uint32_t)reg[RCX];
    enum msr_rule rule;
    vcpu->exit.msr.index = index;
    vcpu_ops->get(vcpu, VCPU_MSRS);
    const uint64_t *field = field_of(vcpu, index, &rule);
    if (field) {
        value = *field;
    } else if (index == MSR_TSC) {
        value = rdtsc() + vcpu->state.time.tsc_offset;
    } else if (index == MSR_APIC_BASE) {
        value = vcpu->lapic.base_msr;
    } else if (index == MSR_EFER) {
        value = vcpu->state.msrs.efer;
    } else if (index == MSR_PAT) {
        value = vcpu->state.msrs.pat;
    } else if (index == MSR_FS_BASE || index == MSR_GS_BASE) {
        vcpu_ops->get(vcpu, VCPU_SEGMENTS);
        value = vcpu->state.segment[index == MSR_FS_BASE ? SEG_FS : SEG_GS].base;
    } else if (index == MSR_KVM_PV_EOI && guest_config_has_kvm(&vcpu->vm->config)) {
        value = vcpu->lapic.pv_eoi;
    } else {
        return exit_msr_upcall(vcpu, UPCALL_RDMSR);
    }
    reg[RAX] = (uint32_t)value;
    reg[RDX] = value >> 32;
    return exit_skip(vcpu);
}

static bool field_write(struct vcpu *vcpu, uint64_t *field, enum msr_rule rule, uint64_t value)
{
    if (rule == RULE_CANONICAL && !is_canonical(value))
        return false;
    *field = rule == RULE_LOW_32 ? (uint32_t)value : value;
    vcpu_ops->set(vcpu, VCPU_MSRS);
    return true;
}

static bool base_write(struct vcpu *vcpu, enum segment_name segment, uint64_t value)
{
    if (!is_canonical(value))
        return false;
    vcpu_ops->get(vcpu, VCPU_SEGMENTS);
    vcpu->state.segment[segment].base = value;
    vcpu_ops->set(vcpu, VCPU_SEGMENTS);
    return true;
}

enum exit_outcome exit_wrmsr(struct vcpu *vcpu)
{
    const uint64_t *reg = vcpu->state.gpr.reg;
    uint32_t index = (uint32_t)reg[RCX];
    uint64_t value = (uint32_t)reg[RAX] | reg[RDX] << 32;
    enum msr_rule rule;
    bool good = true;
    vcpu->exit.msr.index = index;
    vcpu->exit.msr.value = value;
    vcpu_ops->get(vcpu, VCPU_MSRS);
    uint64_t *field = field_of(vcpu, index, &rule);
    if (field) {
        good = field_write(vcpu, field, rule, value);
    } else if (index == MSR_TSC) {
        vcpu->state.time.tsc_offset = value - rdtsc();
        vcpu_ops->set(vcpu, VCPU_TIME);
    } else if (index == MSR_APIC_BASE) {
        good = lapic_write_base(vcpu, value);
    } else if (index == MSR_EFER) {
        good = efer_write(vcpu, value);
    } else if (index == MSR_PAT) {
        good = pat_valid(value) && field_write(vcpu, &vcpu->state.msrs.pat, RULE_NONE, value);
    } else if (index == MSR_FS_BASE || index == MSR_GS_BASE) {
        good = base_write(vcpu, index == MSR_FS_BASE ? SEG_FS : SEG_GS, value);
    } else if (index == MSR_KVM_PV_EOI && guest_config_has_kvm(&vcpu->vm->config)) {
        good = lapic_write_pv_eoi(vcpu, value);
    } else {
        return exit_msr_upcall(vcpu, UPCALL_WRMSR);
    }
    return good ? exit_skip(vcpu) : exit_gp(vcpu);
}
