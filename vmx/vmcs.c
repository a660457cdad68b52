/*
 * The VMCS's life (SDM Vol. 3C, 25.11): it is active on one processor while its vCPU is loaded there, and
 * goes back to memory with it. What never changes is written when it is current for the first time; the
 * host's half (25.5), which an exit loads, when it comes to another processor.
 */
#include "vmx.h"
#include "cpu.h"
#include "frames.h"
#include "layout.h"
#include "layout_ring0.h"
#include "process.h"

void vmcs_load(const void *vmcs)
{
    uint64_t physical = virt_to_phys(vmcs);
    __asm__ volatile("vmptrld %0" : : "m"(physical) : "cc", "memory");
}

void vmcs_clear(const void *vmcs)
{
    uint64_t physical = virt_to_phys(vmcs);
    __asm__ volatile("vmclear %0" : : "m"(physical) : "cc", "memory");
}

void vmx_vmcs_init(const struct vcpu *vcpu)
{
    static const uint16_t zero[] = {
        VMCS_PAGE_FAULT_MASK,  VMCS_PAGE_FAULT_MATCH,  VMCS_CR3_TARGETS,         VMCS_EXIT_MSR_STORES,
        VMCS_EXIT_MSR_LOADS,   VMCS_ENTRY_MSR_LOADS,   VMCS_ENTRY_EVENT,         VMCS_TPR_THRESHOLD,
        VMCS_GUEST_DEBUGCTL,   VMCS_GUEST_ACTIVITY,    VMCS_GUEST_PENDING_DEBUG, VMCS_GUEST_INTERRUPTIBILITY,
        VMCS_HOST_DS_SELECTOR, VMCS_HOST_ES_SELECTOR,  VMCS_HOST_FS_SELECTOR,    VMCS_HOST_GS_SELECTOR,
        VMCS_HOST_SYSENTER_CS, VMCS_HOST_SYSENTER_ESP, VMCS_HOST_SYSENTER_EIP,
    };
    struct vmx_vcpu *vmx = vcpu->backend;
    for (unsigned i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
        vmwrite(zero[i], 0);
    vmwrite(VMCS_LINK_POINTER, ~0ull);
    if (vmx_features.preemption_timer)
        vmwrite(VMCS_PREEMPTION_TIMER, UINT32_MAX);
    vmwrite(VMCS_CR0_MASK, ~CR0_OWNED);
    vmwrite(VMCS_CR4_MASK, ~CR4_OWNED);
    if (vmx_features.tpr_shadow)
        vmwrite(VMCS_VIRTUAL_APIC, virt_to_phys(&vcpu->lapic));
    if (!vmx_features.efer) {
        vmx->msr_areas[0].index = vmx->msr_areas[1].index = MSR_EFER;
        vmwrite(VMCS_ENTRY_MSR_LOAD, virt_to_phys(&vmx->msr_areas[0]));
        vmwrite(VMCS_EXIT_MSR_LOAD, virt_to_phys(&vmx->msr_areas[1]));
        vmwrite(VMCS_ENTRY_MSR_LOADS, 1);
        vmwrite(VMCS_EXIT_MSR_LOADS, 1);
    }
    if (vcpu->vm->lapic_served)
        vmwrite(VMCS_APIC_ACCESS, vcpu_features.lapic_page);
    vmx_controls_init();
    vmx_tags_write(vcpu);
}

void vmx_host_write(const struct vcpu *vcpu)
{
    struct cpu *cpu = this_cpu();
    struct vmx_vcpu *vmx = vcpu->backend;
    struct table_pointer gdt, idt;
    uint16_t tr;
    __asm__ volatile("sgdt %0; sidt %1; str %2" : "=m"(gdt), "=m"(idt), "=r"(tr));
    vmwrite(VMCS_HOST_CS_SELECTOR, SELECTOR_CODE);
    vmwrite(VMCS_HOST_SS_SELECTOR, SELECTOR_DATA);
    vmwrite(VMCS_HOST_TR_SELECTOR, tr);
    vmwrite(VMCS_HOST_CR0, read_cr0() | CR0_TS); /* the FPU is the guest's: core/fpu.c */
    vmwrite(VMCS_HOST_CR3, vcpu->vm->process->cr3);
    vmwrite(VMCS_HOST_CR4, read_cr4());
    vmwrite(VMCS_HOST_FS_BASE, USER_FS_BASE);
    vmwrite(VMCS_HOST_GS_BASE, (uint64_t)cpu);
    vmwrite(VMCS_HOST_TR_BASE, (uint64_t)&cpu->tss);
    vmwrite(VMCS_HOST_GDTR_BASE, gdt.base);
    vmwrite(VMCS_HOST_IDTR_BASE, idt.base);
    vmwrite(VMCS_HOST_RIP, (uint64_t)vmx_exit);
    if (vmx_features.efer)
        vmwrite(VMCS_HOST_EFER, rdmsr(MSR_EFER));
    else
        vmx->msr_areas[1].value = rdmsr(MSR_EFER);
    if (vmx_features.pat)
        vmwrite(VMCS_HOST_PAT, rdmsr(MSR_PAT));
}
