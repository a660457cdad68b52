/*
 * Every architectural exit of SVM with a decision (AMD APM Vol. 2, appendix C), and what follows from it: the
 * intercepts, and the vendor-neutral description of the exit.
 */
#include "svm.h"
#include "cpu.h"
#include "string.h"
#include "vtlb.h"
#include "x86.h"

enum { LEAF_SIZES = 0x80000008 };

static void describe_io(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->backend;
    uint32_t info = (uint32_t)svm->vmcb.exit_info1;
    vcpu->exit.next_rip = svm->vmcb.exit_info2;
    vcpu->exit.pio = (struct vcpu_exit_pio){
        .port = (uint16_t)(info >> IOIO_PORT_SHIFT),
        .size = info >> IOIO_SIZE_SHIFT & IOIO_SIZE_MASK,
        .in = info & IOIO_IN,
        .string = (info & IOIO_STRING) != 0,
        .rep = (info & IOIO_REP) != 0,
        .value = (uint32_t)vcpu->state.gpr.reg[RAX],
    };
}

static void describe_msr(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->backend;
    vcpu->exit.reason = svm->vmcb.exit_info1 & 1 ? VCPU_EXIT_WRMSR : VCPU_EXIT_RDMSR;
    vcpu->exit.detail = (uint32_t)vcpu->state.gpr.reg[RCX];
}

/* MOV CR, CLTS, LMSW, SMSW. */
static void describe_cr(struct vcpu *vcpu)
{
    uint32_t code = vcpu->exit.qualification;
    vcpu->exit.detail = code == VMEXIT_CR0_SEL_WRITE ? 0 : code & 0xf;
}

/* Bochs 2.7 does not write the cause into DR6 before the exit: none is ours, too. */
static bool step_is_seen(uint64_t dr6)
{
    return (dr6 & DR6_BS) || !(dr6 & (DR6_TRAPS | DR6_BD));
}

static void describe_exception(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    struct vmcb *vmcb = &svm->vmcb;
    uint32_t code = vcpu->exit.qualification;
    if (code == VMEXIT_MC)
        __asm__ volatile("int $18"); /* the host's handler reads the banks and stops the machine */
    if (code == VMEXIT_DB && svm->stepping && step_is_seen(vmcb->dr6)) {
        vmcb->dr6 &= ~DR6_BS;
        svm->clean &= ~CLEAN_DR;
        vcpu->exit.reason = VCPU_EXIT_NMI_WINDOW;
        return;
    }
    if (code == VMEXIT_DB && (vmcb->dr7 & DR7_GD)) { /* delivery clears it, injection does not */
        vmcb->dr7 &= ~DR7_GD;
        svm->clean &= ~CLEAN_DR;
    }
    exit_raise(vcpu, code - VMEXIT_EXCEPTION_0, (uint32_t)vmcb->exit_info1);
}

static void describe_page_fault(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    const struct vmcb *vmcb = &svm->vmcb;
    if (vmcb->cr3 != vtlb_root(vcpu)) { /* TCG switches tasks without asking */
        guest_kill(vcpu->vm, "vCPU %u: the processor let it load CR3; without nested paging that is not safe",
                   vcpu->index);
        vcpu->exit.reason = VCPU_EXIT_NONE;
        return;
    }
    exit_raise(vcpu, EXCEPTION_PF, (uint32_t)vmcb->exit_info1);
    vcpu->exit.exception.address = vmcb->exit_info2;
    if (svm->task_guard)
        svm_task_fault(vcpu, svm);
    else
        vtlb_fault(vcpu);
}

static void describe_invlpg(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->backend;
    vcpu->exit.invlpg_address = svm_features.decode_assists ? svm->vmcb.exit_info1 : INVLPG_UNKNOWN;
}

/* NMIs open again after this instruction, not before: until RIP has moved it is only ahead. */
static void describe_iret(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    svm->iret_ahead = true;
    svm->iret_rip = vcpu->state.gpr.rip;
    svm_intercepts_update(vcpu);
    vcpu->exit.reason = VCPU_EXIT_NONE;
}

/* clang-format off */
#define UD {ALWAYS, VCPU_EXIT_EXCEPTION, EXCEPTION_UD, exit_refuse}
const struct exit_decision svm_exits[EXIT_CODES_DENSE] = {
    /* Control registers. CR2, CR3: with nested paging the guest's own. CR0 and CR4 are read freely
     * unless the VMCB's value is not the guest's. CR0 writes leave by the selective intercept: TS and MP
     * change freely. All CR4 writes: reserved bits must fault, and under TCG would end the entry; LME
     * depends on PAE. CR8 is TPR of the local APIC. Others: #UD anyway. With the vTLB CR3 is its root, and
     * bits of CR0 are not the guest's: the selective intercept does not see what it writes as they are. */
    [VMEXIT_CR0_READ]       = {MODE, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [VMEXIT_CR4_READ]       = {MODE, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [VMEXIT_CR8_READ]       = {ALWAYS, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [VMEXIT_CR4_WRITE]      = {ALWAYS, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [VMEXIT_CR8_WRITE]      = {ALWAYS, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [VMEXIT_CR0_SEL_WRITE]  = {ALWAYS, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [VMEXIT_CR0_WRITE]      = {MODE, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [VMEXIT_CR3_READ]       = {MODE, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    [VMEXIT_CR3_WRITE]      = {MODE, VCPU_EXIT_CR_ACCESS, 0, describe_cr},
    /* Debug registers are switched with the vCPU. */
    [VMEXIT_DR0_READ ... VMEXIT_DR15_WRITE] = {NOT, 0, 0, NULL},
    /* Exceptions: #DB and #AC because delivering them can raise them again for ever (docs/design.md, section
     * 12); #MC is the host's. With the vTLB #PF is its own, and those that make #DF of a #PF whose delivery they
     * interrupt: TCG does not do that if the #PF was injected. All others go straight to the guest. INT3 and INTO are not asked for: no
     * decision for SWINT either. */
    [VMEXIT_DB]             = {ALWAYS, VCPU_EXIT_EXCEPTION, 0, describe_exception},
    [VMEXIT_TS ... VMEXIT_GP] = {MODE, VCPU_EXIT_EXCEPTION, 0, describe_exception},
    [VMEXIT_PF]             = {MODE, VCPU_EXIT_EXCEPTION, 0, describe_page_fault},
    [VMEXIT_AC]             = {ALWAYS, VCPU_EXIT_EXCEPTION, 0, describe_exception},
    [VMEXIT_MC]             = {ALWAYS, VCPU_EXIT_EXCEPTION, 0, describe_exception},
    /* The host's interrupts. SMI belongs to the firmware. INIT comes from nobody; TCG would reset after
     * the exit. */
    [VMEXIT_INTR]           = {ALWAYS, VCPU_EXIT_EXTERNAL, 0, NULL},
    [VMEXIT_NMI]            = {ALWAYS, VCPU_EXIT_EXTERNAL, 0, NULL},
    [VMEXIT_SMI]            = {NOT, 0, 0, NULL},
    [VMEXIT_INIT]           = {NOT, 0, 0, NULL},
    [VMEXIT_VINTR]          = {MODE, VCPU_EXIT_INTERRUPT_WINDOW, 0, NULL},
    /* Descriptor tables and TR are the guest's own; but see task_switch.c. */
    [VMEXIT_IDTR_READ ... VMEXIT_LDTR_WRITE] = {NOT, 0, 0, NULL},
    [VMEXIT_TR_WRITE]       = {MODE, VCPU_EXIT_UNFIT, 0, svm_task_describe},
    /* The TSC runs with an offset. Without performance counters RDPMC faults. PUSHF, POPF and INT n are
     * harmless. */
    [VMEXIT_RDTSC]          = {NOT, 0, 0, NULL},
    [VMEXIT_RDTSCP]         = {NOT, 0, 0, NULL},
    [VMEXIT_RDPMC]          = {ALWAYS, VCPU_EXIT_EXCEPTION, EXCEPTION_GP, exit_refuse},
    [VMEXIT_PUSHF]          = {NOT, 0, 0, NULL},
    [VMEXIT_POPF]           = {NOT, 0, 0, NULL},
    [VMEXIT_SWINT]          = {NOT, 0, 0, NULL},
    [VMEXIT_ICEBP]          = {NOT, 0, 0, NULL}, /* its #DB is intercepted */
    [VMEXIT_CPUID]          = {ALWAYS, VCPU_EXIT_CPUID, SKIPPED, NULL},
    [VMEXIT_RSM]            = UD, /* as outside of system management mode */
    [VMEXIT_IRET]           = {MODE, VCPU_EXIT_NMI_WINDOW, 0, describe_iret},
    /* Caches: all of the guest's memory is ordinary RAM, so they need no flushing; INVD would lose the
     * host's data. */
    [VMEXIT_INVD]           = {ALWAYS, VCPU_EXIT_INSTRUCTION, 0, NULL},
    [VMEXIT_WBINVD]         = {ALWAYS, VCPU_EXIT_INSTRUCTION, 0, NULL},
    [VMEXIT_PAUSE]          = {NOT, 0, 0, NULL}, /* a spinning guest uses up its slice */
    [VMEXIT_HLT]            = {ALWAYS, VCPU_EXIT_HLT, SKIPPED, NULL},
    [VMEXIT_INVLPG]         = {MODE, VCPU_EXIT_INVLPG, SKIPPED, describe_invlpg},
    [VMEXIT_IOIO]           = {ALWAYS, VCPU_EXIT_PIO, 0, describe_io},
    [VMEXIT_MSR]            = {ALWAYS, VCPU_EXIT_RDMSR, 0, describe_msr},
    [VMEXIT_TASK_SWITCH]    = {MODE, VCPU_EXIT_UNFIT, 0, svm_task_describe}, /* with the vTLB: it would load CR3 */
    [VMEXIT_FERR_FREEZE]    = {NOT, 0, 0, NULL}, /* the host's next interrupt ends the freeze */
    [VMEXIT_SHUTDOWN]       = {ALWAYS, VCPU_EXIT_SHUTDOWN, 0, NULL},
    /* Guests have no SVM: #UD, as with EFER.SVME clear. */
    [VMEXIT_VMRUN]          = UD,
    [VMEXIT_VMLOAD]         = UD,
    [VMEXIT_VMSAVE]         = UD,
    [VMEXIT_STGI]           = UD,
    [VMEXIT_CLGI]           = UD,
    [VMEXIT_SKINIT]         = UD,
    [VMEXIT_INVLPGA]        = UD,
    [VMEXIT_VMMCALL]        = {ALWAYS, VCPU_EXIT_HYPERCALL, SKIPPED, NULL},
    /* Hidden by CPUID: MONITOR would watch an address for the host, RDPRU and the broadcasts of INVLPGB
     * reach beyond the guest. */
    [VMEXIT_MONITOR]        = UD,
    [VMEXIT_MWAIT]          = UD,
    [VMEXIT_MWAIT_ARMED]    = UD,
    [VMEXIT_RDPRU]          = UD,
    [VMEXIT_INVLPGB]        = UD,
    [VMEXIT_INVLPGB_ILLEGAL] = UD,
    [VMEXIT_MCOMMIT]        = UD,
    [VMEXIT_TLBSYNC]        = UD,
    [VMEXIT_INVPCID]        = {NOT, 0, 0, NULL}, /* acts within the ASID */
    [VMEXIT_XSETBV]         = {ALWAYS, VCPU_EXIT_INSTRUCTION, 0, NULL},
    /* Traps after writes to EFER and CRn are for encrypted guests; so is VMGEXIT. */
    [VMEXIT_EFER_WRITE_TRAP] = {NOT, 0, 0, NULL},
    [VMEXIT_CR0_WRITE_TRAP ... VMEXIT_CR15_WRITE_TRAP] = {NOT, 0, 0, NULL},
    [VMEXIT_BUSLOCK]        = {NOT, 0, 0, NULL},
    [VMEXIT_IDLE_HLT]       = {NOT, 0, 0, NULL},
};
/* clang-format on */

static uint32_t intercepts_always[INTERCEPT_WORDS];

/* Intercepts of instructions that not every processor has: where it has not, the bit is reserved. */
static const struct {
    uint8_t code;
    uint8_t feature; /* bit of CPUID 8000_0008, EBX */
} optional[] = {
    {VMEXIT_RDPRU, 4},           {VMEXIT_MCOMMIT, 8}, {VMEXIT_INVLPGB, 3},
    {VMEXIT_INVLPGB_ILLEGAL, 3}, {VMEXIT_TLBSYNC, 3},
};

void svm_intercepts_init(void)
{
    uint32_t features = cpuid(LEAF_SIZES, 0).ebx;
    for (unsigned code = 0; code < EXIT_CODES_DENSE; code++)
        if (svm_exits[code].when == ALWAYS)
            intercepts_always[code / 32] |= 1u << code % 32;
    for (unsigned i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
        if (!(features >> optional[i].feature & 1))
            intercepts_always[optional[i].code / 32] &= ~(1u << optional[i].code % 32);
}

static void intercept(struct vmcb *vmcb, enum vmexit_code code)
{
    vmcb->intercepts[code / 32] |= 1u << code % 32;
}

void svm_intercepts_update(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    struct vmcb *vmcb = &svm->vmcb;
    const struct vcpu_control *control = &vcpu->state.control;
    memcpy(vmcb->intercepts, intercepts_always, sizeof(vmcb->intercepts));
    if ((vmcb->cr0 ^ control->cr0) & ~CR0_OWNED) {
        intercept(vmcb, VMEXIT_CR0_READ);
        intercept(vmcb, VMEXIT_CR0_WRITE);
    }
    if (vmcb->cr4 != control->cr4)
        intercept(vmcb, VMEXIT_CR4_READ);
    if (vcpu->windows & WINDOW_INTERRUPT)
        intercept(vmcb, VMEXIT_VINTR);
    static const uint8_t shadow[] = {VMEXIT_CR3_READ, VMEXIT_CR3_WRITE, VMEXIT_TS,
                                     VMEXIT_NP,       VMEXIT_SS,        VMEXIT_GP,
                                     VMEXIT_PF,       VMEXIT_INVLPG,    VMEXIT_TASK_SWITCH};
    for (unsigned i = 0; svm->shadow && i < sizeof(shadow); i++)
        intercept(vmcb, shadow[i]);
    if (svm->task_guard)
        intercept(vmcb, VMEXIT_TR_WRITE);
    svm->iret_intercepted = vcpu->state.interrupts.nmi_blocked && !svm->iret_ahead;
    if (svm->iret_intercepted)
        intercept(vmcb, VMEXIT_IRET);
    svm->clean &= ~CLEAN_INTERCEPTS;
}

/* A refused entry. TCG, which alone leaves the code's upper half clear, also ends a guest so that loads
 * reserved bits into CR3 (hardware: #GP): RIP is still at the MOV. Where it refuses an entry it has not
 * loaded RAX, whose place then shows the host's, and nothing of that state is used. Twice in a row is no MOV:
 * the guest's handler would run. */
static void decode_invalid(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    bool guest = svm->vmcb.exit_code == VMEXIT_INVALID && svm->vmcb.rax != svm->vmcb_physical &&
                 svm->invalid_at != vcpu->record.recorder_next;
    svm->invalid_at = vcpu->record.recorder_next + 1;
    vcpu->exit.reason = VCPU_EXIT_INVALID;
    if (guest)
        exit_raise(vcpu, EXCEPTION_GP, 0);
}

void svm_exit_decode_sparse(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->backend;
    const struct vmcb *vmcb = &svm->vmcb;
    uint64_t info = vmcb->exit_info1;
    if (vmcb->exit_code == VMEXIT_NPF)
        exit_memory(vcpu, vmcb->exit_info2, info & NPF_FETCH, info & NPF_WRITE,
                    (info & NPF_WALK ? ACCESS_WALK : 0) | (info & NPF_PRESENT ? ACCESS_PRESENT : 0));
    else if ((uint32_t)vmcb->exit_code == VMEXIT_INVALID)
        decode_invalid(vcpu);
    else
        vcpu->exit.reason = VCPU_EXIT_INVALID;
}
