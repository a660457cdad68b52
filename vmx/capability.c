/*
 * What the processor's VT-x can do (SDM Vol. 3D, appendix A): the capability MSRs, which of its features are
 * used, and what replaces those that it has not.
 */
#include "vmx.h"
#include "cpu.h"
#include "entry_checks.h"
#include "paging.h"
#include "stage2.h"

enum {
    MSR_VMX_BASIC = 0x480,
    MSR_VMX_PIN = 0x481, /* behind it those of primary, exit and entry controls */
    MSR_VMX_MISC = 0x485,
    MSR_VMX_CR0_FIXED0 = 0x486,
    MSR_VMX_CR4_FIXED0 = 0x488,
    MSR_VMX_CR4_FIXED1 = 0x489,
    MSR_VMX_SECONDARY = 0x48b,
    MSR_VMX_EPT_VPID = 0x48c,
    MSR_VMX_TRUE_PIN = 0x48d, /* likewise */
};

#define BASIC_TRUE_CONTROLS (1ull << 55)

/* IA32_VMX_EPT_VPID_CAP (A.10). */
#define EPT_4_LEVELS       (1ull << 6)
#define EPT_WRITE_BACK     (1ull << 14)
#define EPT_2M             (1ull << 16)
#define EPT_1G             (1ull << 17)
#define EPT_INVEPT         (1ull << 20)
#define EPT_NEEDED         (EPT_4_LEVELS | EPT_WRITE_BACK | EPT_2M | EPT_INVEPT)
#define EPT_ACCESSED       (1ull << 21)
#define EPT_INVEPT_TYPES   (3ull << 25)
#define VPID_INVVPID       (1ull << 32)
#define VPID_INVVPID_TYPES (3ull << 41)

/* Leaves of EPT (SDM Vol. 3C, 29.3.2): write-back, and a bit of its own for the right to execute. */
#define EPT_LEAF_WRITE_BACK (6ull << 3)
#define EPT_LEAF_EXECUTE    (1ull << 2)

struct vmx_capability vmx_capability;
struct vmx_features vmx_features;
static _Alignas(PAGE_SIZE) uint8_t lapic_page[PAGE_SIZE]; /* its address counts: nothing is ever in it */

/* Whether all these controls may be 1. */
static bool may(uint64_t capability, uint32_t controls)
{
    return !(controls & ~(capability >> 32));
}

const char *vmx_capability_read(struct vmx_capability *c)
{
    static const uint32_t primary = PRIMARY_TSC_OFFSET | PRIMARY_HLT | PRIMARY_INVLPG | PRIMARY_MWAIT |
                                    PRIMARY_RDPMC | PRIMARY_IO | PRIMARY_CR8_LOAD | PRIMARY_CR8_STORE |
                                    PRIMARY_MSR_BITMAPS | PRIMARY_MONITOR;
    *c = (struct vmx_capability){.basic = rdmsr(MSR_VMX_BASIC), .misc = rdmsr(MSR_VMX_MISC)};
    uint32_t controls = c->basic & BASIC_TRUE_CONTROLS ? MSR_VMX_TRUE_PIN : MSR_VMX_PIN;
    c->pin = rdmsr(controls);
    c->primary = rdmsr(controls + 1);
    c->exit = rdmsr(controls + 2);
    c->entry = rdmsr(controls + 3);
    c->cr0_fixed = rdmsr(MSR_VMX_CR0_FIXED0);
    c->cr4_fixed = rdmsr(MSR_VMX_CR4_FIXED0);
    c->cr4_allowed = rdmsr(MSR_VMX_CR4_FIXED1);
    if (may(c->primary, PRIMARY_SECONDARY))
        c->secondary = rdmsr(MSR_VMX_SECONDARY);
    if (may(c->secondary, SECONDARY_EPT) || may(c->secondary, SECONDARY_VPID))
        c->ept_vpid = rdmsr(MSR_VMX_EPT_VPID);
    bool able = may(c->pin, PIN_EXTERNAL | PIN_NMI) && may(c->primary, primary) &&
                may(c->exit, EXIT_HOST_64) && may(c->entry, ENTRY_LONG_MODE);
    return able ? NULL
                : "the processor's VT-x lacks controls that every 64-bit one has; in an emulator choose "
                  "another model";
}

const char *vmx_capability_use(void)
{
    struct vmx_features *f = &vmx_features;
    const struct vmx_capability *c = &vmx_capability;
    const char *why_not = vmx_capability_read(&vmx_capability);
    if (why_not)
        return why_not;
    f->ept = vcpu_fact("EPT", "shadow paging",
                       may(c->secondary, SECONDARY_EPT) && (c->ept_vpid & EPT_INVEPT_TYPES) &&
                           (c->ept_vpid & EPT_NEEDED) == EPT_NEEDED);
    bool large = vcpu_fact("EPT 1 GiB pages", "2 MiB pages",
                           (c->ept_vpid & EPT_1G) && (cpuid(LEAF_EXTENDED, 0).edx & EXTENDED_EDX_1G_PAGES));
    f->ept_accessed =
        vcpu_fact("EPT accessed and dirty bits", "not needed", f->ept && (c->ept_vpid & EPT_ACCESSED));
    f->vpid = vcpu_fact("VPID", "each entry and exit flushes",
                        may(c->secondary, SECONDARY_VPID) && (c->ept_vpid & VPID_INVVPID) &&
                            (c->ept_vpid & VPID_INVVPID_TYPES));
    f->unrestricted = vcpu_fact("unrestricted guest", "virtual-8086 mode, shadow paging, emulation",
                                f->ept && may(c->secondary, SECONDARY_UNRESTRICTED));
    f->preemption_timer = vcpu_fact("preemption timer", "NMIs interrupt guests that mask interrupts",
                                    may(c->pin, PIN_PREEMPTION_TIMER) && may(c->exit, EXIT_SAVE_TIMER));
    f->virtual_nmis = vcpu_fact("virtual NMIs", "open with interrupts",
                                may(c->pin, PIN_VIRTUAL_NMIS) && may(c->primary, PRIMARY_NMI_WINDOW));
    f->tpr_shadow = vcpu_fact("TPR shadow", "MOV CR8 leaves the guest", may(c->primary, PRIMARY_TPR_SHADOW));
    bool lapic = vcpu_fact("virtual-interrupt delivery", "local APICs are served by the monitor",
                           f->unrestricted && f->tpr_shadow && may(c->secondary, SECONDARY_LAPIC));
    f->efer = vcpu_fact("EFER controls", "MSR-load areas",
                        may(c->entry, ENTRY_LOAD_EFER) && may(c->exit, EXIT_LOAD_EFER));
    f->pat = vcpu_fact("PAT controls", "the guest's PAT has no effect",
                       may(c->entry, ENTRY_LOAD_PAT) && may(c->exit, EXIT_LOAD_PAT));
    f->physical_mask = (1ull << (cpuid(LEAF_SIZES, 0).eax & 0xff)) - 1;
    static struct entry_demands demands = {
        .segments = true, .events = true, .efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE};
    demands.cr3 = f->physical_mask;
    demands.cr4 = c->cr4_allowed;
    vcpu_features = (struct vcpu_features){.nested_paging = f->ept,
                                           .unpaged = f->unrestricted,
                                           .real = f->unrestricted,
                                           .lapic_page = lapic ? virt_to_phys(lapic_page) : 0,
                                           .nmi_bound = !f->preemption_timer,
                                           .demands = &demands};
    if (f->ept)
        stage2_format = (struct stage2_format){
            .separate = true, .leaf = EPT_LEAF_WRITE_BACK, .execute = EPT_LEAF_EXECUTE};
    stage2_format.level_max = large ? LEVEL_1G : LEVEL_2M;
    return NULL;
}
