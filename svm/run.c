/*
 * Entering a guest: what goes into the VMCB before VMRUN and comes out of it after #VMEXIT (AMD APM Vol. 2,
 * 15.5 to 15.7), events (15.20), interrupt windows (15.21) and NMI blocking.
 *
 * There is no NMI window before virtual NMIs: while NMIs are blocked IRET is intercepted, and they are open
 * again once RIP has left the IRET. If an NMI waits for that, or for the end of an interrupt shadow, the
 * instruction is stepped with RFLAGS.TF. TCG forgets the interrupt shadow on entry, and a window opened at
 * once, between STI and HLT for one: there the end of the shadow is stepped to as well.
 */
#include "svm.h"
#include "cpu.h"
#include "known_insn.h"

/* A new ASID instead of a flush: the old one's translations die unused, and with the pool all at once. */
static void asid_assign(struct svm_vcpu *svm, struct svm_cpu *cpu)
{
    struct vmcb *vmcb = &svm->vmcb;
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
    const struct vcpu_event *event = &vcpu->state.interrupts.event;
    struct svm_vcpu *svm = vcpu->backend;
    if (event->type == EVENT_INTERRUPT && svm_features.tcg && !(vcpu->windows & WINDOW_INTERRUPT)) {
        svm->vmcb.virtual_interrupt |=
            V_IRQ | V_PRIORITY_MAX | V_IGNORE_TPR | (uint64_t)event->vector << V_VECTOR_SHIFT;
        svm->virtually_injected = true;
        svm->clean &= ~CLEAN_TPR;
        return;
    }
    uint64_t field = event_encode(event);
    if (event->has_error_code)
        field |= EVENT_ERROR_VALID | (uint64_t)event->error_code << EVENT_ERROR_SHIFT;
    svm->vmcb.event_injection = field;
    svm->nmi_work |= event->type == EVENT_NMI;
}

/* Whether the interrupt that was injected by V_IRQ has not been taken, or only in part: it waits for the next
 * entry. What was in delivery then can only be this interrupt, which TCG calls an exception. */
static bool virtual_waits(struct svm_vcpu *svm)
{
    bool waits = svm->vmcb.virtual_interrupt & V_IRQ;
    svm->vmcb.virtual_interrupt = V_INTR_MASKING;
    svm->clean &= ~CLEAN_TPR;
    svm->virtually_injected = false;
    return waits;
}

/* The event that the exit interrupted is injected again. A software interrupt of the guest's own is not, nor
 * INT3 and INTO, which are exceptions here: RIP is still at its instruction, which is executed again. */
static void event_recover(struct vcpu *vcpu, uint64_t info)
{
    uint8_t vector = (uint8_t)(info & EVENT_VECTOR);
    enum event_type type = event_type_of((uint32_t)info);
    bool soft = type > EVENT_EXCEPTION || vector == EXCEPTION_BP || vector == EXCEPTION_OF;
    bool coded = type == EVENT_EXCEPTION && (info & EVENT_ERROR_VALID);
    if (type < EVENT_EXCEPTION || !soft)
        vcpu->state.interrupts.event = (struct vcpu_event){
            .type = (uint8_t)type,
            .vector = vector,
            .has_error_code = coded,
            .error_code = coded ? (uint32_t)(info >> EVENT_ERROR_SHIFT) : 0,
        };
}

void svm_window(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    svm->nmi_work |= (vcpu->windows & WINDOW_NMI) != 0;
    svm->vmcb.virtual_interrupt = V_INTR_MASKING;
    if (vcpu->windows & WINDOW_INTERRUPT)
        svm->vmcb.virtual_interrupt |= V_IRQ | V_PRIORITY_MAX | V_IGNORE_TPR;
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
    bool window = svm_features.tcg && (vcpu->windows & WINDOW_INTERRUPT),
         shadowed = window && interrupts->shadow;
    svm->nmi_work = interrupts->nmi_blocked || (vcpu->windows & WINDOW_NMI) || svm->task_guard || shadowed;
    if (window)
        svm->vmcb.virtual_interrupt = (svm->vmcb.virtual_interrupt & ~V_IRQ) | (shadowed ? 0 : V_IRQ);
    bool ends_soon = svm->iret_ahead || !interrupts->nmi_blocked;
    if ((((vcpu->windows & WINDOW_NMI) && ends_soon) || shadowed) && interrupts->event.type == EVENT_NONE &&
        !(vcpu->state.gpr.rflags & RFLAGS_TF)) {
        svm->stepping = true;
        svm->vmcb.rflags |= RFLAGS_TF;
    }
}

static __attribute__((noinline)) void shadow_load(const struct vcpu *vcpu, struct svm_vcpu *svm)
{
    svm->vmcb.interrupt_shadow = INTERRUPT_SHADOW;
    svm->shadow_rip = vcpu->state.gpr.rip;
    svm->nmi_work |= svm_features.tcg && (vcpu->windows & WINDOW_INTERRUPT);
}

/* TCG forgets it also where the instruction has not run. */
static __attribute__((noinline)) void shadow_read(struct vcpu *vcpu, const struct svm_vcpu *svm)
{
    struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    bool still = svm_features.tcg && interrupts->shadow && vcpu->state.gpr.rip == svm->shadow_rip &&
                 svm->vmcb.exit_code != VMEXIT_DB;
    interrupts->shadow = still || (svm->vmcb.interrupt_shadow & INTERRUPT_SHADOW) ? SHADOW_STI : SHADOW_NONE;
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

inline void svm_code(const struct vcpu *vcpu, struct vcpu_code *code)
{
    const struct svm_vcpu *svm = vcpu->backend;
    const struct vmcb *vmcb = &svm->vmcb;
    const struct segment *cs = &vmcb->segment[SEG_CS];
    bool wide = (vmcb->efer & EFER_LMA) && (cs->attributes & SEG_L);
    code->linear = wide ? vmcb->rip : (uint32_t)(cs->base + vmcb->rip);
    code->space = *svm->space;
    code->mode = SEG_P | (cs->attributes & (SEG_L | SEG_DB)); /* L is reserved outside of long mode */
}

/* Without NRIPS the length of the instruction has to be known from before. */
static inline uint64_t next_rip(struct vcpu *vcpu, const struct svm_vcpu *svm)
{
    const struct vmcb *vmcb = &svm->vmcb;
    struct vcpu_code code;
    if (svm_features.next_rip)
        return vmcb->next_rip;
    svm_code(vcpu, &code);
    const struct upcall_insn *insn = known_insn_find(vcpu->known, &code, vcpu->exit.reason);
    return insn ? vmcb->rip + insn->length : NEXT_RIP_UNKNOWN;
}

/* Describes the exit in vcpu->exit. The most frequent ones need no call. */
static inline void exit_decode(struct vcpu *vcpu, const struct svm_vcpu *svm)
{
    struct vcpu_exit *exit = &vcpu->exit;
    uint64_t code = svm->vmcb.exit_code;
    exit->qualification = (uint32_t)code;
    exit->next_rip = 0;
    if (code >= EXIT_CODES_DENSE) {
        svm_exit_decode_sparse(vcpu);
        return;
    }
    const struct exit_decision *decision = &svm_exits[code];
    exit->reason = decision->reason ? decision->reason : VCPU_EXIT_INVALID;
    exit->detail = decision->detail;
    if (decision->detail == SKIPPED)
        exit->next_rip = next_rip(vcpu, svm);
    if (decision->describe)
        decision->describe(vcpu);
}

void svm_run(struct vcpu *vcpu)
{
    struct svm_vcpu *svm = vcpu->backend;
    struct vmcb *vmcb = &svm->vmcb;
    struct vcpu_gpr *gpr = &vcpu->state.gpr;
    struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    struct svm_cpu *cpu = this_cpu()->vendor;

    if (svm->asid_generation != cpu->asid_generation)
        asid_assign(svm, cpu);
    vmcb->rip = gpr->rip;
    vmcb->rflags = gpr->rflags;
    vmcb->rsp = gpr->reg[RSP];
    vmcb->rax = gpr->reg[RAX];
    vmcb->interrupt_shadow = 0;
    if (interrupts->shadow)
        shadow_load(vcpu, svm);
    if (svm->nmi_work)
        nmi_prepare(vcpu, svm);
    vmcb->clean = svm->clean;
    if (read_cr2() != vmcb->cr2)
        write_cr2(vmcb->cr2); /* Bochs 2.7 does not load it */

    svm_enter(gpr, svm->vmcb_physical, cpu->host_physical);

    gpr->rip = vmcb->rip;
    gpr->rflags = vmcb->rflags;
    gpr->reg[RSP] = vmcb->rsp;
    gpr->reg[RAX] = vmcb->rax;
    svm->clean = svm_features.clean;
    vmcb->tlb_control = TLB_CONTROL_NONE;
    vmcb->event_injection = 0;
    if (interrupts->shadow | vmcb->interrupt_shadow)
        shadow_read(vcpu, svm);
    if (!svm->virtually_injected || !virtual_waits(svm)) {
        interrupts->event.type = EVENT_NONE;
        if (vmcb->exit_int_info & EVENT_VALID) /* V alone counts: the rest may be left over */
            event_recover(vcpu, vmcb->exit_int_info);
    }
    if (svm->nmi_work)
        nmi_settle(vcpu, svm);
    exit_decode(vcpu, svm);
}
