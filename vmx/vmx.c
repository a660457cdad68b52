/*
 * Intel VT-x (SDM Vol. 3C, chapters 24 to 31): finding it, switching it on and what it allocates. Every
 * port exits, and every MSR but those that entries and exits switch.
 */
#include "vmx.h"
#include "cpu.h"
#include "errors.h"
#include "fixup.h"
#include "string.h"

enum {
    ECX_VMX = 1 << 5,
    MSR_FEATURE_CONTROL = 0x3a,
    FEATURE_CONTROL_LOCK = 1 << 0,
    FEATURE_CONTROL_VMXON = 1 << 2, /* outside of SMX */
};

#define CR4_VMXE       (1ull << 13)
#define BASIC_REVISION 0x7fffffffu

static const char *vmx_probe(void)
{
    uint64_t control;
    if (!(cpuid(LEAF_FEATURES, 0).ecx & ECX_VMX))
        return vcpu_absent;
    if (rdmsr_safe(MSR_FEATURE_CONTROL, &control) && (control & FEATURE_CONTROL_LOCK) &&
        !(control & FEATURE_CONTROL_VMXON))
        return "the firmware has locked Intel VT-x off; enable virtualization in its set-up";
    return vmx_capability_use();
}

/* A region for VMXON or a VMCS starts with the revision (25.2). */
static void region_init(uint32_t *region)
{
    *region = (uint32_t)vmx_capability.basic & BASIC_REVISION;
}

/* VMXON needs bits of CR0 and CR4 (A.7 and A.8), and FEATURE_CONTROL locked with it on (24.7). */
static void vmx_on(uint64_t region)
{
    uint64_t control;
    if (rdmsr_safe(MSR_FEATURE_CONTROL, &control) && !(control & FEATURE_CONTROL_LOCK))
        wrmsr(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMXON);
    write_cr0(read_cr0() | vmx_capability.cr0_fixed);
    write_cr4(read_cr4() | vmx_capability.cr4_fixed | CR4_VMXE);
    __asm__ volatile("vmxon %0" : : "m"(region) : "cc", "memory");
}

static int vmx_cpu_enable(void)
{
    const struct cpu *cpu = this_cpu();
    struct vmx_capability mine;
    if (!(cpuid(LEAF_FEATURES, 0).ecx & ECX_VMX) || vmx_capability_read(&mine) ||
        memcmp(&mine, &vmx_capability, sizeof(mine)) != 0)
        return NR_ENOTSUP;
    if (cpu->index == 0) {
        vmx_msr_bitmaps_init();
        vmx_vm86_init();
    }
    uint32_t *region = page_alloc(0);
    if (!region)
        return NR_ENOMEM; /* the machine does not start */
    region_init(region);
    vmx_on(virt_to_phys(region));
    vmx_invalidate_all();
    return NR_OK;
}

static void vmx_vcpu_init(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    region_init(vmx->vmcs);
    vmx->timer_flags = RFLAGS_IF; /* off: the first entry with IF clear sets it */
    if (vcpu->vtlb)
        vmx_vm86_prepare(vcpu);
    vmcs_clear(vmx->vmcs);
}

const struct vcpu_ops vmx_ops = {
    .name = "Intel VT-x",
    .probe = vmx_probe,
    .cpu_enable = vmx_cpu_enable,
    .vcpu_order = ORDER_OF(sizeof(struct vmx_vcpu)),
    .vcpu_init = vmx_vcpu_init,
    .load = vmx_load,
    .unload = vmx_unload,
    .run = vmx_run,
    .get = vmx_get,
    .set = vmx_set,
    .code = vmx_code,
    .inject = vmx_inject,
    .window = vmx_window,
    .lapic = vmx_lapic,
    .flush = vmx_invalidate,
    .set_cr2 = vmx_set_cr2,
};
