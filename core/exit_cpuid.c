/*
 * CPUID: the device model's table (policy) with the few bits that follow the vCPU's state (SDM Vol. 2A,
 * CPUID).
 */
#include "exit.h"
#include "vcpu_ops.h"

enum cpuid_leaf { LEAF_FEATURES = 1, LEAF_EXTENDED_FEATURES = 7, LEAF_TOPOLOGY = 0xb };
#define LEAF_AMD_TOPOLOGY 0x8000001eu

enum {
    APIC_ID_SHIFT = 24,
    FEATURE_ECX_OSXSAVE = 1 << 27,
    FEATURE_EDX_APIC = 1 << 9,
    EXTENDED_ECX_OSPKE = 1 << 4,
    CR4_OSXSAVE = 1 << 18,
    CR4_PKE = 1 << 22,
    APIC_BASE_ENABLE = 1 << 11,
};

/* The table is sorted (sys_cpuid_table); CPUID_ANY sorts behind each subleaf that has an entry of its own. */
struct cpuid_entry exit_cpuid_lookup(const struct vm *vm, uint32_t leaf, uint32_t subleaf)
{
    uint32_t low = 0, high = vm->cpuid_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (vm->cpuid[middle].leaf < leaf) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < vm->cpuid_count && vm->cpuid[low].leaf == leaf; low++) {
        if (vm->cpuid[low].subleaf == subleaf || vm->cpuid[low].subleaf == CPUID_ANY) {
            return vm->cpuid[low];
        }
    }
    return (struct cpuid_entry){0}; /* as AMD's processors answer a leaf that they have not */
}

/* Bits that are not the same for all vCPUs, or change while they run. */
static void cpuid_dynamic(struct vcpu *vcpu, uint32_t leaf, struct cpuid_entry *e)
{
    switch (leaf) {
    case LEAF_FEATURES:
        vcpu_ops->get(vcpu, VCPU_CONTROL);
        e->ebx = (e->ebx & 0x00ffffff) | vcpu->index << APIC_ID_SHIFT;
        e->ecx &= ~(uint32_t)FEATURE_ECX_OSXSAVE;
        e->ecx |= vcpu->state.control.cr4 & CR4_OSXSAVE ? FEATURE_ECX_OSXSAVE : 0;
        e->edx &= vcpu->lapic.base_msr & APIC_BASE_ENABLE ? ~0u : ~(uint32_t)FEATURE_EDX_APIC;
        break;
    case LEAF_EXTENDED_FEATURES:
        vcpu_ops->get(vcpu, VCPU_CONTROL);
        e->ecx &= ~(uint32_t)EXTENDED_ECX_OSPKE;
        e->ecx |= vcpu->state.control.cr4 & CR4_PKE ? EXTENDED_ECX_OSPKE : 0;
        break;
    case LEAF_TOPOLOGY:
        e->edx = vcpu->index;
        break;
    case LEAF_AMD_TOPOLOGY:
        e->eax = vcpu->index;
        break;
    default:
        break;
    }
}

enum exit_outcome exit_cpuid(struct vcpu *vcpu)
{
    uint64_t *reg = vcpu->state.gpr.reg;
    uint32_t leaf = (uint32_t)reg[RAX], subleaf = (uint32_t)reg[RCX];
    struct cpuid_entry e = exit_cpuid_lookup(vcpu->vm, leaf, subleaf);
    cpuid_dynamic(vcpu, leaf, &e);
    reg[RAX] = e.eax;
    reg[RBX] = e.ebx;
    reg[RCX] = e.ecx;
    reg[RDX] = e.edx;
    return exit_skip(vcpu);
}
