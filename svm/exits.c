/*
 * Every architectural exit of SVM with a decision (AMD APM Vol. 2, appendix C), and what follows from it: the
 * intercepts, and the vendor-neutral description of the exit.
 */
#include "svm.h"
#include "cpu.h"
#include "string.h"
#include "vtlb.h"
#include "x86.h"

static void describe_io(struct vcpu *vcpu)
{
    const struct svm_vcpu *svm = vcpu->backend;
    uint32_t info = (uint32_t)svm->vmcb.exit_info1;
    vcpu->exit.next_rip = svm->vmcb.exit_info2;
    exit_pio(vcpu, info >> IOIO_PORT_SHIFT, info >> IOIO_SIZE_SHIFT & IOIO_SIZE_MASK, info & IOIO_IN,
             info & IOIO_STRING, info & IOIO_REP);
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

#define UD                            ALWAYS, VCPU_EXIT_EXCEPTION, EXCEPTION_UD, exit_refuse
#define UD_IF(bit)                    IF + (bit), VCPU_EXIT_EXCEPTION, EXCEPTION_UD, exit_refuse
#define NEVER                         NOT, 0, 0, NULL
#define EXIT(code, name, ...)         [code] = {__VA_ARGS__},
#define EXITS(first, last, name, ...) [first... last] = {__VA_ARGS__},
const struct exit_decision svm_exits[EXIT_CODES_DENSE] = {
#include "exit_table.h"
};

static uint32_t intercepts[2][INTERCEPT_WORDS]; /* whatever the mode: with nested paging, on the vTLB */

void svm_intercepts_init(void)
{
    uint32_t features = cpuid(LEAF_SIZES, 0).ebx;
    for (unsigned code = 0; code < EXIT_CODES_DENSE; code++) {
        unsigned when = svm_exits[code].when;
        uint32_t bit = 1u << code % 32;
        bool both = when == ALWAYS || (when >= IF && features >> (when - IF) & 1);
        intercepts[0][code / 32] |= both ? bit : 0;
        intercepts[1][code / 32] |= both || when == SHADOW ? bit : 0;
    }
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
    memcpy(vmcb->intercepts, intercepts[svm->shadow], sizeof(vmcb->intercepts));
    if ((vmcb->cr0 ^ control->cr0) & ~CR0_OWNED) {
        intercept(vmcb, VMEXIT_CR0_READ);
        intercept(vmcb, VMEXIT_CR0_WRITE);
    }
    if (vmcb->cr4 != control->cr4)
        intercept(vmcb, VMEXIT_CR4_READ);
    if (vcpu->windows & WINDOW_INTERRUPT)
        intercept(vmcb, VMEXIT_VINTR);
    if (svm->task_guard)
        intercept(vmcb, VMEXIT_TR_WRITE);
    if (vcpu->vm->debugged)
        intercept(vmcb, svm_features.tcg ? VMEXIT_SWINT : VMEXIT_BP);
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
