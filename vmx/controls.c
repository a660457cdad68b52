/*
 * The controls of the VMCS (SDM Vol. 3C, 25.6 to 25.8): what never changes, and what follows from a vCPU's
 * mode; and the MSRs that a guest uses without an exit.
 */
#include "vmx.h"
#include "string.h"

enum { BITMAP_HIGH = 1024, BITMAP_WRITES = 2048, LEGACY = 0, WIDE = 1 };

/* MSRs that entries and exits switch. In long mode also the one that SWAPGS uses. */
static const uint32_t msrs_passed[] = {MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_FS_BASE,
                                       MSR_GS_BASE};
static _Alignas(PAGE_SIZE) uint8_t bitmaps[2][PAGE_SIZE];

/* Without what the processor has not, with what it cannot do without. */
static uint32_t allowed(uint64_t capability, uint32_t wanted)
{
    return (wanted | (uint32_t)capability) & (uint32_t)(capability >> 32);
}

/* Clears the bits of an MSR (25.6.9): 1 KiB for each of two ranges of 8192, first for reads, then for writes.
 */
static void msr_pass(uint8_t *bitmap, uint32_t msr)
{
    uint32_t at = (msr >> 13 ? BITMAP_HIGH : 0) + (msr & 0x1fff) / 8;
    bitmap[at] &= (uint8_t) ~(1u << msr % 8);
    bitmap[BITMAP_WRITES + at] &= (uint8_t) ~(1u << msr % 8);
}

void vmx_msr_bitmaps_init(void)
{
    memset(bitmaps[LEGACY], 0xff, PAGE_SIZE);
    for (unsigned i = 0; i < sizeof(msrs_passed) / sizeof(msrs_passed[0]); i++)
        msr_pass(bitmaps[LEGACY], msrs_passed[i]);
    memcpy(bitmaps[WIDE], bitmaps[LEGACY], PAGE_SIZE);
    msr_pass(bitmaps[WIDE], MSR_KERNEL_GS_BASE);
}

void vmx_controls_init(void)
{
    const struct vmx_features *f = &vmx_features;
    vmwrite(VMCS_PIN_CONTROLS,
            allowed(vmx_capability.pin, PIN_EXTERNAL | PIN_NMI |
                                            (f->preemption_timer ? PIN_PREEMPTION_TIMER : 0) |
                                            (f->virtual_nmis ? PIN_VIRTUAL_NMIS : 0)));
    vmwrite(VMCS_EXIT_CONTROLS,
            allowed(vmx_capability.exit, EXIT_DEBUG | EXIT_HOST_64 |
                                             (f->preemption_timer ? EXIT_SAVE_TIMER : 0) |
                                             (f->efer ? EXIT_LOAD_EFER : 0) | (f->pat ? EXIT_LOAD_PAT : 0)));
}

/* Exits by exceptions: #DB and #AC because delivering them can raise them again for ever (docs/design.md,
 * section 12); #MC is the host's. With the vTLB #PF is its own, and in
 * virtual-8086 mode for real mode all are the device model's. All others go straight to the guest. */
static const uint32_t exceptions_always = 1u << EXCEPTION_DB | 1u << EXCEPTION_AC | 1u << EXCEPTION_MC;

void vmx_controls_update(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    const struct vmx_features *f = &vmx_features;
    bool wide = vcpu->state.msrs.efer & EFER_LMA, tpr_window = vcpu->windows & WINDOW_TPR;
    uint32_t primary = PRIMARY_TSC_OFFSET | PRIMARY_HLT | PRIMARY_MWAIT | PRIMARY_RDPMC | PRIMARY_IO |
                       PRIMARY_MSR_BITMAPS | PRIMARY_MONITOR | PRIMARY_SECONDARY;
    uint32_t secondary = SECONDARY_RDTSCP | SECONDARY_WBINVD | (f->vpid ? SECONDARY_VPID : 0) |
                         (vcpu->vm->lapic_served ? SECONDARY_LAPIC : 0);
    uint32_t entry = ENTRY_DEBUG | (wide ? ENTRY_LONG_MODE : 0);

    primary |= f->tpr_shadow ? PRIMARY_TPR_SHADOW : PRIMARY_CR8_STORE;
    primary |= tpr_window || !f->tpr_shadow ? PRIMARY_CR8_LOAD : 0;
    primary |= vcpu->windows & WINDOW_INTERRUPT ? PRIMARY_INTERRUPT_WINDOW : 0;
    if (vcpu->windows & WINDOW_NMI)
        primary |= f->virtual_nmis ? PRIMARY_NMI_WINDOW : PRIMARY_INTERRUPT_WINDOW;
    if (vmx->shadow)
        primary |= PRIMARY_INVLPG | PRIMARY_CR3_LOAD | PRIMARY_CR3_STORE;
    else
        secondary |= SECONDARY_EPT | SECONDARY_INVPCID | (f->unrestricted ? SECONDARY_UNRESTRICTED : 0);
    entry |= (f->efer ? ENTRY_LOAD_EFER : 0) | (f->pat ? ENTRY_LOAD_PAT : 0);

    uint32_t exceptions = vmx->vm86 ? ~0u
                                    : exceptions_always | (vmx->shadow ? 1u << EXCEPTION_PF : 0) |
                                          (vcpu->vm->debugged ? 1u << EXCEPTION_BP : 0);
    uint64_t bitmap = virt_to_phys(bitmaps[wide ? WIDE : LEGACY]);
    primary = allowed(vmx_capability.primary, primary);
    secondary = allowed(vmx_capability.secondary, secondary);
    entry = allowed(vmx_capability.entry, entry);
    if (primary != vmx->primary)
        vmwrite(VMCS_PRIMARY_CONTROLS, vmx->primary = primary);
    if (secondary != vmx->secondary && (primary & PRIMARY_SECONDARY))
        vmwrite(VMCS_SECONDARY_CONTROLS, vmx->secondary = secondary);
    if (entry != vmx->entry)
        vmwrite(VMCS_ENTRY_CONTROLS, vmx->entry = entry);
    if (exceptions != vmx->exceptions)
        vmwrite(VMCS_EXCEPTIONS, vmx->exceptions = exceptions);
    if (bitmap != vmx->msr_bitmap)
        vmwrite(VMCS_MSR_BITMAP, vmx->msr_bitmap = bitmap);
}
