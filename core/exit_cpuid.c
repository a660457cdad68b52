/*
 * CPUID: the device model's table (policy) with the few bits that follow the vCPU's state (SDM Vol. 2A,
 * CPUID).
 */
#include "exit.h"
#include "cpu.h"
#include "lapic_registers.h"
#include "vcpu_ops.h"
#include "x86.h"

enum {
    APIC_ID_SHIFT = 24,
    FEATURE_ECX_OSXSAVE = 1 << 27,
    FEATURE_EDX_APIC = 1 << 9,
};

const struct cpuid_entry *exit_cpuid_lookup(const struct vm *vm, uint32_t leaf, uint32_t subleaf)
{
    const struct cpuid_entry *e = NULL;
    for (uint32_t slot = cpuid_slot(leaf), end = slot + CPUID_SLOTS; slot < end; slot++) {
        e = &vm->cpuid[slot % CPUID_SLOTS];
        if ((e->leaf == leaf && (e->subleaf == CPUID_ANY || e->subleaf == subleaf)) || e->leaf == CPUID_FREE)
            break;
    }
    return e;
}

/* What is not the same for all vCPUs, or changes while they run. */
static __attribute__((noinline)) void cpuid_dynamic(struct vcpu *vcpu, uint32_t leaf, uint64_t *reg)
{
    if (leaf == LEAF_TOPOLOGY) {
        reg[RDX] = vcpu->index;
        return;
    }
    if (leaf == LEAF_XSAVE) { /* the size for XCR0, which is the guest's while it is loaded */
        reg[RBX] = cpuid(LEAF_XSAVE, 0).ebx;
        return;
    }
    vcpu_ops->get(vcpu, VCPU_CONTROL);
    reg[RBX] = (reg[RBX] & 0x00ffffff) | vcpu->index << APIC_ID_SHIFT;
    if (!(vcpu->state.control.cr4 & CR4_OSXSAVE))
        reg[RCX] &= ~(uint64_t)FEATURE_ECX_OSXSAVE;
    if (!lapic_enabled(&vcpu->lapic))
        reg[RDX] &= ~(uint64_t)FEATURE_EDX_APIC;
}

static const uint32_t leaves_dynamic = 1u << LEAF_FEATURES | 1u << LEAF_TOPOLOGY | 1u << LEAF_XSAVE;

enum exit_outcome exit_cpuid(struct vcpu *vcpu)
{
    uint64_t *reg = vcpu->state.gpr.reg;
    uint32_t leaf = (uint32_t)reg[RAX], subleaf = (uint32_t)reg[RCX];
    const struct cpuid_entry *e = exit_cpuid_lookup(vcpu->vm, leaf, subleaf);
    reg[RAX] = e->eax;
    reg[RBX] = e->ebx;
    reg[RCX] = e->ecx;
    reg[RDX] = e->edx;
    if (leaf <= LEAF_XSAVE && leaves_dynamic >> leaf & 1 && (leaf != LEAF_XSAVE || !subleaf))
        cpuid_dynamic(vcpu, leaf, reg);
    return exit_skip(vcpu);
}
