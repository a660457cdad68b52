/*
 * Entering a guest: what goes into the VMCB before VMRUN and comes out of it after #VMEXIT (AMD APM Vol. 2,
 * 15.5 to 15.7), events (15.20), interrupt windows (15.21) and NMI blocking.
 *
 * There is no NMI window before virtual NMIs: while NMIs are blocked IRET is intercepted, and they are open
 * again once RIP has left the IRET. If an NMI waits for that, or for the end of an interrupt shadow, the
 * instruction is stepped with RFLAGS.TF.
 */
#include "svm.h"
#include "cpu.h"
#include "x86.h"

/* A new ASID instead of a flush: the old one's translations die unused, and with the pool all at once. */
static void asid_assign(struct svm_vcpu *svm, struct svm_cpu *cpu)
{
    struct vmcb *vmcb = svm->vmcb;
    if (cpu->asid_next >= svm_features.asid_count) {
        cpu->asid_generation++;
        cpu->asid_next = 1;
        vmcb->tlb_control = TLB_CONTROL_FLUSH_ALL;
    }
    vmcb->asid = cpu->asid_next++;
    svm->asid_generation = cpu->asid_generation;
    svm->clean &= ~CLEAN_ASID;
}

void svm_inject(struct vcpu *vcpu)
{
    static const uint8_t type[] = {
        [EVENT_INTERRUPT] = EVENT_INJECT_INTR,
        [EVENT_NMI] = EVENT_INJECT_NMI,
        [EVENT_EXCEPTION] = EVENT_INJECT_EXCEPTION,
    };
    const struct vcpu_event *event = &vcpu->state.interrupts.event;
    struct svm_vcpu *svm = vcpu->backend;
    if (event->type == EVENT_INTERRUPT && svm_features.inject_virtually &&
        !(svm->windows & WINDOW_INTERRUPT)) {
        svm->vmcb->virtual_interrupt |=
            V_IRQ | V_PRIORITY_MAX | V_IGNORE_TPR | (uint64_t)event->vector << V_VECTOR_SHIFT;
        svm->virtually_injected = true;
        svm->clean &= ~CLEAN_TPR;
        return;
    }
    uint64_t field = EVENT_VALID | (uint64_t)type[event->type] << EVENT_TYPE_SHIFT | event->vector;
    if (event->has_error_code)
        field |= EVENT_ERROR_VALID | (uint64_t)event->error_code << EVENT_ERROR_SHIFT;
    svm->vmcb->event_injection = field;
    svm->nmi_work |= event->type == EVENT_NMI;
}

/* Whether an interrupt that was injected by V_IRQ has not been taken, or only in part: it waits for the next
 * entry. What was in delivery then can only be this interrupt, which TCG calls an exception. */
static bool virtual_waits(struct svm_vcpu *svm)
{
    struct vmcb *vmcb = svm->vmcb;
    bool waits = svm->virtually_injected && (vmcb->virtual_interrupt & V_IRQ);
    if (svm->virtually_injected) {
        vmcb->virtual_interrupt = V_INTR_MASKING;
        svm->clean &= ~CLEAN_TPR;
        svm->virtually_injected = false;
    }
    return waits;
}

/* The event that the exit interrupted is injected again. A software interrupt of the guest's own is not: RIP
 * is still at its instruction, which is executed again. */
static void event_recover(struct vcpu *vcpu, uint64_t info)
{
    struct vcpu_event *event = &vcpu->state.interrupts.event;
    uint8_t vector = (uint8_t)(info & EVENT_VECTOR);
    *event = (struct vcpu_event){.type = EVENT_NONE, .vector = vector};
    switch (info >> EVENT_TYPE_SHIFT & EVENT_TYPE_MASK) {
    case EVENT_INJECT_INTR:
        event->type = EVENT_INTERRUPT;
        break;
    case EVENT_INJECT_NMI:
        event->type = EVENT_NMI;
        break;
    case EVENT_INJECT_EXCEPTION:
        event->type = vector == EXCEPTION_BP || vector == EXCEPTION_OF ? EVENT_NONE : EVENT_EXCEPTION;
        event->has_error_code = (info & EVENT_ERROR_VALID) != 0;
        event->error_code = event->has_error_code ? (uint32_t)(info >> EVENT_ERROR_SHIFT) : 0;
        break;
    default:
        break;
    }
}

void svm_window(struct vcpu *vcpu, uint32_t windows)
{
    struct svm_vcpu *svm = vcpu->backend;
    struct vmcb *vmcb = svm->vmcb;
    svm->windows = windows;
    svm->nmi_work |= (windows & WINDOW_NMI) != 0;
    vmcb->virtual_interrupt = V_INTR_MASKING;
    if (windows & WINDOW_INTERRUPT)
        vmcb->virtual_interrupt |= V_IRQ | V_PRIORITY_MAX | V_IGNORE_TPR;
    svm->clean &= ~CLEAN_TPR;
    svm_intercepts_update(vcpu);
}

/* Before an entry: whether IRET has to be intercepted, and whether to step. */
static void nmi_prepare(struct vcpu *vcpu, struct svm_vcpu *svm)
{
    const struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    if (svm->iret_intercepted != (interrupts->nmi_blocked && !svm->iret_ahead))
        svm_intercepts_update(vcpu);
    svm->stepping = false;
    svm->nmi_work = interrupts->nmi_blocked || (svm->windows & WINDOW_NMI) || svm->task_guard;
    bool ends_soon = svm->iret_ahead || !interrupts->nmi_blocked;
    if ((svm->windows & WINDOW_NMI) && ends_soon && interrupts->event.type == EVENT_NONE &&
        !(vcpu->state.gpr.rflags & RFLAGS_TF)) {
        svm->stepping = true;
        svm->vmcb->rflags |= RFLAGS_TF;
    }
}

/* After an exit: has the IRET been executed, and whose is RFLAGS.TF? */
static void nmi_settle(struct vcpu *vcpu, struct svm_vcpu *svm)
{
    struct vcpu_gpr *gpr = &vcpu->state.gpr;
    if (svm->task_guard)
        svm_task_guard(vcpu, svm);
    bool returned = svm->iret_ahead && gpr->rip != svm->iret_rip;
    if (svm->stepping && !returned)
        gpr->rflags &= ~RFLAGS_TF; /* IRET has loaded the guest's own */
    if (returned) {
        svm->iret_ahead = false;
        vcpu->state.interrupts.nmi_blocked = 0;
    }
}

static inline void code_find(const struct svm_vcpu *svm, struct vcpu_code *code)
{
    const struct vmcb *vmcb = svm->vmcb;
    bool wide = (vmcb->efer & EFER_LMA) && (vmcb->cs.attributes & SEG_L);
    code->linear = wide ? vmcb->rip : (uint32_t)(vmcb->cs.base + vmcb->rip);
    code->space = *svm->space;
    code->mode = SEG_P | (vmcb->cs.attributes & (SEG_L | SEG_DB)); /* L is reserved outside of long mode */
}

void svm_code(const struct vcpu *vcpu, struct vcpu_code *code)
{
    code_find(vcpu->backend, code);
}

/* Without NRIPS the length of the instruction has to be known from before. */
static inline uint64_t next_rip(struct vcpu *vcpu, const struct svm_vcpu *svm)
{
    const struct vmcb *vmcb = svm->vmcb;
    struct vcpu_code code;
    if (svm_features.next_rip)
        return vmcb->next_rip;
    code_find(svm, &code);
    const struct upcall_insn *insn = known_insn_find(vcpu->known, &code, vcpu->exit.reason);
    return insn ? vmcb->rip + insn->length : NEXT_RIP_UNKNOWN;
}

/* Describes the exit in vcpu->exit. The most frequent ones need no call. */
static inline void exit_decode(struct vcpu *vcpu, struct svm_vcpu *svm, const struct vmcb *vmcb)
{
    struct vcpu_exit *exit = &vcpu->exit;
    uint64_t code = vmcb->exit_code;
    exit->qualification = (uint32_t)code;
    exit->next_rip = 0;
    if (code >= EXIT_CODES_DENSE) {
        svm_exit_decode_sparse(vcpu, vmcb);
        return;
    }
    const struct exit_decision *decision = &svm_exits[code];
    exit->reason = decision->reason ? decision->reason : VCPU_EXIT_INVALID;
    if (decision->detail == SKIPPED)
        exit->next_rip = next_rip(vcpu, svm);
    if (decision->describe)
        decision->describe(vcpu, svm, (uint32_t)code);
}

void svm_run(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    struct vmcb *vmcb = svm->vmcb;
    struct vcpu_gpr *gpr = &vcpu->state.gpr;
    struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    struct svm_cpu *cpu = this_cpu()->vendor;

    if (svm->asid_generation != cpu->asid_generation)
        asid_assign(svm, cpu);
    vmcb->rip = gpr->rip;
    vmcb->rflags = gpr->rflags;
    vmcb->rsp = gpr->reg[RSP];
    vmcb->rax = gpr->reg[RAX];
    vmcb->interrupt_shadow = interrupts->shadow ? INTERRUPT_SHADOW : 0;
    if (svm->nmi_work)
        nmi_prepare(vcpu, svm);
    vmcb->clean = svm->clean;

    svm_enter(gpr, svm->vmcb_physical, cpu->host_physical);

    gpr->rip = vmcb->rip;
    gpr->rflags = vmcb->rflags;
    gpr->reg[RSP] = vmcb->rsp;
    gpr->reg[RAX] = vmcb->rax;
    svm->clean = svm_features.clean;
    vmcb->tlb_control = TLB_CONTROL_NONE;
    vmcb->event_injection = 0;
    interrupts->shadow = vmcb->interrupt_shadow & INTERRUPT_SHADOW ? SHADOW_STI : SHADOW_NONE;
    if (!virtual_waits(svm)) {
        interrupts->event.type = EVENT_NONE;
        if (vmcb->exit_int_info & EVENT_VALID) /* V alone counts: the rest may be left over */
            event_recover(vcpu, vmcb->exit_int_info);
    }
    if (svm->nmi_work)
        nmi_settle(vcpu, svm);
    exit_decode(vcpu, svm, vmcb);
}
