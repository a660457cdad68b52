/*
 * AMD SVM (AMD APM Vol. 2, chapter 15): finding it, switching it on, and what it allocates.
 *
 * All guests share one I/O permission map, which makes every port exit, and one MSR permission map, which
 * lets through only what VMLOAD and VMSAVE switch. Guest memory is translated by nested paging, whose tree is
 * vm->stage2, or by the vTLB.
 */
#include "svm.h"
#include "cpu.h"
#include "errors.h"
#include "frames.h"
#include "paging.h"
#include "string.h"
#include "vcpu_registers.h"
#include "vtlb.h"
#include "x86.h"

enum {
    SIGNATURE_TCG = 0x54474354, /* "TCGT" */
    ECX_SVM = 1 << 2,
    EDX_NESTED_PAGING = 1 << 0,
    EDX_NEXT_RIP = 1 << 3,
    EDX_CLEAN_BITS = 1 << 5,
    EDX_FLUSH_BY_ASID = 1 << 6,
    EDX_DECODE_ASSISTS = 1 << 7,
    VM_CR_SVMDIS = 1 << 4,
    ASID_GENERATION_CPU_SHIFT = 32,
};

#define MSR_VM_CR       0xc0010114u
#define MSR_VM_HSAVE_PA 0xc0010117u
#define MSR_INT_PENDING 0xc0010055u
#define C1E_ENABLES     (3ull << 27)

struct svm_features svm_features;
static _Alignas(PAGE_SIZE) uint8_t iopm[3 * PAGE_SIZE], msrpm[2 * PAGE_SIZE];
static struct svm_cpu svm_cpus[CPU_MAX];
static uint32_t svm_edx;

/* MSRs that VMLOAD and VMSAVE switch and that mean nothing to the host while the guest runs. */
static const uint32_t msrs_passed[] = {
    MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP, MSR_STAR,    MSR_LSTAR,
    MSR_CSTAR,       MSR_SFMASK,       MSR_FS_BASE,      MSR_GS_BASE, MSR_KERNEL_GS_BASE,
};

static const char *svm_probe(void)
{
    uint64_t vm_cr;
    if (cpuid(LEAF_MAX_EXTENDED, 0).eax < LEAF_SVM || !(cpuid(LEAF_EXTENDED, 0).ecx & ECX_SVM))
        return vcpu_absent;
    if (rdmsr_safe(MSR_VM_CR, &vm_cr) && (vm_cr & VM_CR_SVMDIS)) /* without the MSR nothing can disable it */
        return "the firmware has disabled AMD SVM; enable virtualization in its set-up";
    struct cpuid_result leaf = cpuid(LEAF_SVM, 0);
    if (leaf.ebx < 2)
        return "the processor has no address space identifiers for guests";
    svm_edx = leaf.edx;
    bool nested = vcpu_fact("nested paging", "shadow paging", svm_edx & EDX_NESTED_PAGING);
    vcpu_features = (struct vcpu_features){
        .nested_paging = nested,
        .unpaged = nested, /* else paged real mode (15.18) stands for CR0.PG clear */
        .real = true,
    };
    svm_features.asid_count = leaf.ebx;
    svm_features.tcg = cpuid(LEAF_HYPERVISOR, 0).ebx == SIGNATURE_TCG;
    svm_features.next_rip = vcpu_fact("next RIP", "instruction lengths are decoded", svm_edx & EDX_NEXT_RIP);
    svm_features.decode_assists =
        vcpu_fact("decode assists", "operands are decoded", svm_edx & EDX_DECODE_ASSISTS);
    svm_features.flush_by_asid =
        vcpu_fact("flush by ASID", "flushes take a new ASID", svm_edx & EDX_FLUSH_BY_ASID);
    svm_features.clean =
        vcpu_fact("clean bits", "all state is reloaded", svm_edx & EDX_CLEAN_BITS) ? CLEAN_ALL : 0;
    if (!(cpuid(LEAF_EXTENDED, 0).edx & EXTENDED_EDX_1G_PAGES))
        stage2_format.level_max = LEVEL_2M;
    return NULL;
}

/* Clears both bits of an MSR in the map (15.11): 2 KiB for each of three ranges of 8192 MSRs. */
static void msr_pass(uint8_t *map, uint32_t msr)
{
    uint32_t range = msr >> 13 == 0 ? 0 : msr >> 13 == 0xc0000000u >> 13 ? 1 : 2;
    uint32_t bit = (msr & 0x1fff) * 2;
    map[range * 2048 + bit / 8] &= (uint8_t) ~(3u << bit % 8);
}

/* On the first processor. */
static void permission_maps_init(void)
{
    memset(iopm, 0xff, sizeof(iopm));
    memset(msrpm, 0xff, sizeof(msrpm));
    for (unsigned i = 0; i < sizeof(msrs_passed) / sizeof(msrs_passed[0]); i++)
        msr_pass(msrpm, msrs_passed[i]);
}

/* In C1E, which a family 10h processor enters when all its cores halt, the local APIC's timer stands still
 * (AMD erratum 400): it is not entered (BKDG for family 10h, MSRC001_0055: SmiOnCmpHalt, C1eOnCmpHalt). */
static void c1e_disable(void)
{
    uint64_t pending;
    uint32_t family_extended = cpuid(LEAF_FEATURES, 0).eax >> 20 & 0xff;
    if (family_extended <= 2 && rdmsr_safe(MSR_INT_PENDING, &pending) && (pending & C1E_ENABLES))
        wrmsr(MSR_INT_PENDING, pending & ~C1E_ENABLES);
}

static int svm_cpu_enable(void)
{
    struct cpu *cpu = this_cpu();
    struct svm_cpu *svm = &svm_cpus[cpu->index];
    if (!(cpuid(LEAF_EXTENDED, 0).ecx & ECX_SVM) || (svm_edx & ~cpuid(LEAF_SVM, 0).edx))
        return NR_ENOTSUP;
    if (cpu->index == 0) {
        svm_intercepts_init();
        permission_maps_init();
    }
    void *save = page_alloc(0);
    void *host = page_alloc(0);
    if (!save || !host)
        return NR_ENOMEM; /* the machine does not start */
    svm->host_physical = virt_to_phys(host);
    svm->asid_generation = (uint64_t)(cpu->index + 1) << ASID_GENERATION_CPU_SHIFT;
    svm->asid_next = svm_features.asid_count; /* the first entry starts a generation with a flush */
    c1e_disable();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
    wrmsr(MSR_VM_HSAVE_PA, virt_to_phys(save));
    cpu->vendor = svm;
    /* TR, FS, GS and the SYSCALL registers are the same from now on. */
    __asm__ volatile("vmsave" : : "a"(svm->host_physical) : "memory");
    return NR_OK;
}

static void svm_vcpu_init(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    struct vmcb *vmcb = &svm->vmcb;
    svm->vmcb_physical = virt_to_phys(vmcb);
    vmcb->iopm_base = virt_to_phys(iopm);
    vmcb->msrpm_base = virt_to_phys(msrpm);
    vmcb->virtual_interrupt = V_INTR_MASKING;
    svm->shadow = vcpu->vtlb;
    svm->task_guard = svm->nmi_work = svm->shadow && svm_features.tcg;
    vmcb->nested_control = svm->shadow ? 0 : NESTED_PAGING;
    vmcb->nested_cr3 = vcpu->vm->stage2.root;
}

/* With flush-by-ASID the ASID stays; without, the vCPU gets a new one. */
static void svm_flush(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    if (svm_features.flush_by_asid)
        svm->vmcb.tlb_control = TLB_CONTROL_FLUSH_ASID;
    else
        svm->asid_generation = 0;
}

static void svm_set_cr2(struct vcpu *vcpu, uint64_t linear)
{
    struct svm_vcpu *svm = vcpu->backend;
    svm->vmcb.cr2 = linear;
    svm->clean &= ~CLEAN_CR2;
}

const struct vcpu_ops svm_ops = {
    .name = "AMD SVM",
    .probe = svm_probe,
    .cpu_enable = svm_cpu_enable,
    .vcpu_order = ORDER_OF(sizeof(struct svm_vcpu)),
    .vcpu_init = svm_vcpu_init,
    .load = registers_load,
    .unload = registers_store,
    .run = svm_run,
    .get = svm_get,
    .set = svm_set,
    .code = svm_code,
    .inject = svm_inject,
    .window = svm_window,
    .flush = svm_flush,
    .set_cr2 = svm_set_cr2,
};
