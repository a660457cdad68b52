/*
 * CPUID: the device model's table (policy) with the few bits that follow the vCPU's state (SDM Vol. 2A,
 * CPUID).
 */
#include "exit.h"
#include "string.h"
#include "vcpu_ops.h"
#include "x86.h"

enum cpuid_leaf { LEAF_FEATURES = 1, LEAF_EXTENDED_FEATURES = 7, LEAF_TOPOLOGY = 0xb };
#define LEAF_AMD_TOPOLOGY 0x8000001eu

enum {
    APIC_ID_SHIFT = 24,
    FEATURE_ECX_OSXSAVE = 1 << 27,
    FEATURE_EDX_APIC = 1 << 9,
    EXTENDED_ECX_OSPKE = 1 << 4,
    APIC_BASE_ENABLE = 1 << 11,
};

/* Leaves are numbered in three ranges: basic, hypervisor, extended. The first ones of each have an index. */
static inline uint8_t *leaf_index(struct vm *vm, uint32_t leaf)
{
    uint32_t range = leaf >> CPUID_RANGE_SHIFT, low = leaf & ((1u << CPUID_RANGE_SHIFT) - 1);
    return low < CPUID_INDEXED ? &vm->cpuid_first[range][low] : NULL;
}

static bool entry_before(const struct cpuid_entry *a, const struct cpuid_entry *b)
{
    return a->leaf < b->leaf || (a->leaf == b->leaf && a->subleaf < b->subleaf);
}

/* Sorted: CPUID_ANY comes behind each subleaf that has an entry of its own. */
void exit_cpuid_prepare(struct vm *vm)
{
    memset(vm->cpuid_first, CPUID_ENTRIES_MAX, sizeof(vm->cpuid_first));
    for (uint32_t i = 1; i < vm->cpuid_count; i++) {
        struct cpuid_entry entry = vm->cpuid[i];
        uint32_t at = i;
        for (; at > 0 && entry_before(&entry, &vm->cpuid[at - 1]); at--)
            vm->cpuid[at] = vm->cpuid[at - 1];
        vm->cpuid[at] = entry;
    }
    for (uint32_t i = vm->cpuid_count; i-- > 0;) {
        uint8_t *first = leaf_index(vm, vm->cpuid[i].leaf);
        if (first)
            *first = (uint8_t)i;
    }
}

static inline const struct cpuid_entry *lookup(struct vm *vm, uint32_t leaf, uint32_t subleaf)
{
    static const struct cpuid_entry none; /* AMD's processors answer a leaf that they have not with zeros */
    const uint8_t *first = leaf_index(vm, leaf);
    const struct cpuid_entry *end = &vm->cpuid[vm->cpuid_count];
    for (const struct cpuid_entry *e = &vm->cpuid[first ? *first : 0]; e < end && e->leaf <= leaf; e++)
        if (e->leaf == leaf && (e->subleaf == CPUID_ANY || e->subleaf == subleaf))
            return e;
    return &none;
}

const struct cpuid_entry *exit_cpuid_lookup(struct vm *vm, uint32_t leaf, uint32_t subleaf)
{
    return lookup(vm, leaf, subleaf);
}

/* Bits that are not the same for all vCPUs, or change while they run. */
static void cpuid_dynamic(struct vcpu *vcpu, uint32_t leaf, uint64_t *reg)
{
    switch (leaf) {
    case LEAF_FEATURES:
        vcpu_ops->get(vcpu, VCPU_CONTROL);
        reg[RBX] = (reg[RBX] & 0x00ffffff) | vcpu->index << APIC_ID_SHIFT;
        reg[RCX] &= ~(uint64_t)FEATURE_ECX_OSXSAVE;
        reg[RCX] |= vcpu->state.control.cr4 & CR4_OSXSAVE ? FEATURE_ECX_OSXSAVE : 0;
        reg[RDX] &= vcpu->lapic.base_msr & APIC_BASE_ENABLE ? ~0u : ~(uint32_t)FEATURE_EDX_APIC;
        break;
    case LEAF_EXTENDED_FEATURES:
        vcpu_ops->get(vcpu, VCPU_CONTROL);
        reg[RCX] &= ~(uint64_t)EXTENDED_ECX_OSPKE;
        reg[RCX] |= vcpu->state.control.cr4 & CR4_PKE ? EXTENDED_ECX_OSPKE : 0;
        break;
    case LEAF_TOPOLOGY:
        reg[RDX] = vcpu->index;
        break;
    case LEAF_AMD_TOPOLOGY:
        reg[RAX] = vcpu->index;
        break;
    default:
        break;
    }
}

enum exit_outcome exit_cpuid(struct vcpu *vcpu)
{
    uint64_t *reg = vcpu->state.gpr.reg;
    uint32_t leaf = (uint32_t)reg[RAX];
    const struct cpuid_entry *e = lookup(vcpu->vm, leaf, (uint32_t)reg[RCX]);
    reg[RAX] = e->eax;
    reg[RBX] = e->ebx;
    reg[RCX] = e->ecx;
    reg[RDX] = e->edx;
    cpuid_dynamic(vcpu, leaf, reg);
    return exit_skip(vcpu);
}
