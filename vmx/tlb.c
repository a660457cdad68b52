/*
 * Translations that the processor remembers (SDM Vol. 3C, 29.4). Those of linear addresses are tagged with a
 * VPID, one for each vCPU there can be; those of guest-physical addresses with the pointer to the VM's EPT. A
 * vCPU that comes to another processor forgets there what it left behind.
 */
#include "vmx.h"

#define CAP_INVEPT_CONTEXT  (1ull << 25)
#define CAP_INVVPID_CONTEXT (1ull << 41)

_Static_assert(VM_MAX *GUEST_CPUS_MAX < UINT16_MAX, "VPIDs have 16 bits");

static uint64_t ept_pointer(const struct vcpu *vcpu)
{
    return vcpu->vm->stage2.root | EPT_POINTER_WB | EPT_POINTER_LEVELS |
           (vmx_features.ept_accessed ? EPT_POINTER_ACCESSED : 0);
}

static uint16_t vpid_of(const struct vcpu *vcpu)
{
    return (uint16_t)(vcpu->vm->index * GUEST_CPUS_MAX + vcpu->index + 1); /* 0 is the host's */
}

void vmx_tags_write(const struct vcpu *vcpu)
{
    if (vmx_features.ept)
        vmwrite(VMCS_EPT_POINTER, ept_pointer(vcpu));
    if (vmx_features.vpid)
        vmwrite(VMCS_VPID, vpid_of(vcpu));
}

static void invept(enum invalidation type, uint64_t pointer)
{
    const struct invalidation_descriptor descriptor = {.context = pointer};
    __asm__ volatile("invept %0, %1" : : "m"(descriptor), "r"((uint64_t)type) : "cc", "memory");
}

static void invvpid(enum invalidation type, uint64_t vpid)
{
    const struct invalidation_descriptor descriptor = {.context = vpid};
    __asm__ volatile("invvpid %0, %1" : : "m"(descriptor), "r"((uint64_t)type) : "cc", "memory");
}

void vmx_invalidate_linear(const struct vcpu *vcpu)
{
    bool one = vmx_capability.ept_vpid & CAP_INVVPID_CONTEXT;
    if (vmx_features.vpid) /* else each entry does it */
        invvpid(one ? INVALIDATE_CONTEXT : INVALIDATE_ALL, one ? vpid_of(vcpu) : 0);
}

void vmx_invalidate(struct vcpu *vcpu)
{
    bool one = vmx_capability.ept_vpid & CAP_INVEPT_CONTEXT;
    const struct vmx_vcpu *vmx = vcpu->backend;
    if (vmx_features.ept && !vmx->shadow)
        invept(one ? INVALIDATE_CONTEXT : INVALIDATE_ALL, one ? ept_pointer(vcpu) : 0);
    vmx_invalidate_linear(vcpu);
}

void vmx_invalidate_all(void)
{
    if (vmx_features.ept)
        invept(INVALIDATE_ALL, 0);
    if (vmx_features.vpid)
        invvpid(INVALIDATE_ALL, 0);
}
