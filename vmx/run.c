/*
 * Entering a guest: what goes into the VMCS before VMRESUME and comes out of it after the exit (SDM Vol. 3C,
 * chapters 27 and 28), and events.
 */
#include "vmx.h"
#include "cpu.h"
#include "lapic_registers.h"
#include "vtlb.h"

enum { MASKED_US_MIN = 250, MASKED_US_MAX = 10000, MISC_TIMER_RATE = 0x1f, RIGHTS_MODE_SHIFT = 4 };
enum { TIMER_OFF = UINT32_MAX };

#define INTERRUPTIBILITY_UNKNOWN (1u << 31) /* in vmx->interruptibility: as no state is */

void vmx_inject(struct vcpu *vcpu)
{
    const struct vcpu_event *event = &vcpu->state.interrupts.event;
    uint32_t field = event_encode(event);
    /* Which exceptions have a code is the entry's rule, too; in real mode none has (27.2.1.3). */
    if (event->type == EVENT_EXCEPTION && (EXCEPTIONS_WITH_CODE >> event->vector & 1) &&
        (vcpu->state.control.cr0 & CR0_PE)) {
        field |= EVENT_ERROR_VALID;
        vmwrite(VMCS_ENTRY_ERROR_CODE, event->error_code);
    }
    if (event->type >= EVENT_SOFT_INTERRUPT)
        vmwrite(VMCS_ENTRY_LENGTH, event->length);
    vmwrite(VMCS_ENTRY_EVENT, field);
}

/* A software interrupt of the guest's own is not injected again: RIP is still at its instruction, which is
 * executed again. */
void vmx_recover_event(struct vcpu *vcpu, bool soft)
{
    uint32_t info = (uint32_t)vmread(VMCS_VECTORING), coded = info & EVENT_ERROR_VALID;
    enum event_type type = event_type_of(info);
    if (type == EVENT_NONE || type == EVENT_PRIVILEGED || (type >= EVENT_SOFT_INTERRUPT && !soft))
        return;
    if (type == EVENT_NMI)
        ((struct vmx_vcpu *)vcpu->backend)->interruptibility |= INTERRUPTIBILITY_UNKNOWN;
    vcpu->state.interrupts.event = (struct vcpu_event){
        .type = (uint8_t)type,
        .vector = (uint8_t)(info & EVENT_VECTOR),
        .has_error_code = coded != 0,
        .length = type >= EVENT_SOFT_INTERRUPT ? (uint8_t)vmread(VMCS_INSTRUCTION_LENGTH) : 0,
        .error_code = coded ? (uint32_t)vmread(VMCS_VECTORING_ERROR_CODE) : 0,
    };
}

void vmx_window(struct vcpu *vcpu)
{
    if (this_cpu()->loaded == vcpu)
        vmx_controls_update(vcpu);
}

void vmx_lapic(struct vcpu *vcpu, uint16_t status)
{
    const struct lapic *lapic = &vcpu->lapic;
    vmwrite(VMCS_GUEST_INTERRUPT_STATUS, status);
    for (unsigned i = 0; i < 4; i++) {
        enum lapic_register at = lapic_word(LAPIC_TMR, (uint8_t)(i * 64));
        uint64_t high = lapic_get(lapic, at + LAPIC_REGISTER_SIZE);
        vmwrite(VMCS_EOI_EXITS + 2 * i, high << 32 | lapic_get(lapic, at));
    }
}

void vmx_code(const struct vcpu *vcpu, struct vcpu_code *code)
{
    const struct vmx_vcpu *vmx = vcpu->backend;
    uint32_t rights = (uint32_t)vmread(VMCS_GUEST_RIGHTS + 2 * SEG_CS) >> RIGHTS_MODE_SHIFT;
    bool wide = (vcpu->state.msrs.efer & EFER_LMA) && (rights & SEG_L);
    uint64_t rip = vcpu->state.gpr.rip;
    code->linear = wide ? rip : (uint32_t)(vmread(VMCS_GUEST_BASE + 2 * SEG_CS) + rip);
    code->space = !(vcpu->state.control.cr0 & CR0_PG) ? CODE_SPACE_FLAT
                  : vmx->shadow                       ? vcpu->state.control.cr3
                                                      : vmread(VMCS_GUEST_CR3);
    code->mode = SEG_P | (rights & (SEG_L | SEG_DB));
}

/* An interrupt of the host ends a guest whether its IF is set or not. Bochs does not do so if IF is clear at
 * the entry, until it changes: this is the place where that is met. A guest that masks interrupts leaves by
 * the preemption timer, when the host's timer is due or another processor's kick has waited long enough;
 * exits do not count. */
static __attribute__((noinline)) void masked_bound(struct vmx_vcpu *vmx, uint64_t rflags)
{
    uint64_t now = rdtsc(), due = this_cpu()->timer_deadline, left = due > now ? due - now : 0;
    uint64_t least = tsc_khz * MASKED_US_MIN / 1000, most = tsc_khz * MASKED_US_MAX / 1000;
    uint64_t ticks = !due || left > most ? most : left < least ? least : left;
    vmx->timer_flags = rflags;
    vmwrite(VMCS_PREEMPTION_TIMER,
            rflags & RFLAGS_IF ? TIMER_OFF : ticks >> (vmx_capability.misc & MISC_TIMER_RATE));
}

/* An NMI that is injected blocks others by itself, and they must not be blocked before (27.3.1.5). */
static __attribute__((noinline)) void interruptibility_write(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    const struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    bool blocked =
        vmx_features.virtual_nmis && interrupts->nmi_blocked && interrupts->event.type != EVENT_NMI;
    uint32_t value = interrupts->shadow | (blocked ? INTERRUPTIBILITY_NMI : 0);
    bool step = interrupts->shadow && (vcpu->state.gpr.rflags & RFLAGS_TF);
    vmwrite(VMCS_GUEST_PENDING_DEBUG, step ? PENDING_DEBUG_BS : 0); /* or an instruction has been skipped */
    vmwrite(VMCS_GUEST_INTERRUPTIBILITY, value);
    /* An NMI's handler may have ended before the next exit: then the field is as it was, and the state is
     * not. */
    vmx->interruptibility = interrupts->event.type == EVENT_NMI ? INTERRUPTIBILITY_UNKNOWN : value;
}

static __attribute__((noinline)) void interruptibility_read(struct vcpu_interrupts *interrupts,
                                                            uint32_t value)
{
    interrupts->shadow = value & INTERRUPTIBILITY_SHADOW;
    if (vmx_features.virtual_nmis)
        interrupts->nmi_blocked = (value & INTERRUPTIBILITY_NMI) != 0;
}

/* As the VMCS has it, where nothing has to be thought of. */
static inline uint32_t interruptibility(const struct vcpu_interrupts *interrupts)
{
    _Static_assert(INTERRUPTIBILITY_NMI == 1 << 3, "shifted");
    return interrupts->shadow | (uint32_t)interrupts->nmi_blocked << 3;
}

static inline void state_write(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    const struct vcpu_gpr *gpr = &vcpu->state.gpr;
    vmwrite(VMCS_GUEST_RIP, gpr->rip); /* few exits leave it as it was */
    uint64_t rflags = gpr->rflags | vmx->forced_rflags;
    if (rflags != vmx->rflags) {
        vmwrite(VMCS_GUEST_RFLAGS, rflags);
        if (vcpu->state.interrupts.shadow) /* a pending single step has to go with TF (27.3.1.5) */
            vmx->interruptibility |= INTERRUPTIBILITY_UNKNOWN;
    }
    if (gpr->reg[RSP] != vmx->rsp)
        vmwrite(VMCS_GUEST_RSP, gpr->reg[RSP]);
    if (interruptibility(&vcpu->state.interrupts) != vmx->interruptibility)
        interruptibility_write(vcpu, vmx);
    if (vmx->cr2 != read_cr2())
        write_cr2(vmx->cr2);
}

static inline void state_read(struct vcpu *vcpu, struct vmx_vcpu *vmx)
{
    struct vcpu_gpr *gpr = &vcpu->state.gpr;
    struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    gpr->rip = vmread(VMCS_GUEST_RIP);
    vmx->rflags = vmread(VMCS_GUEST_RFLAGS);
    gpr->rflags = vmx->vm86 ? (vmx->rflags & ~VM86_FLAGS) | (gpr->rflags & RFLAGS_IOPL) : vmx->rflags;
    gpr->reg[RSP] = vmx->rsp = vmread(VMCS_GUEST_RSP);
    vmx->cr2 = read_cr2();
    uint32_t now = (uint32_t)vmread(VMCS_GUEST_INTERRUPTIBILITY);
    if (now != vmx->interruptibility)
        interruptibility_read(interrupts, vmx->interruptibility = now);
    interrupts->event.type = EVENT_NONE;
    if (vmread(VMCS_VECTORING) & EVENT_VALID)
        vmx_recover_event(vcpu, false);
}

/* Describes the exit in vcpu->exit. The most frequent ones need no call. */
static inline void exit_decode(struct vcpu *vcpu, uint32_t reason)
{
    struct vcpu_exit *exit = &vcpu->exit;
    uint32_t code = reason & EXIT_REASON_CODE;
    const struct exit_decision *decision = &vmx_exits[code < EXIT_CODES ? code : CODE_SIPI];
    exit->qualification = reason;
    exit->next_rip = 0;
    exit->reason = decision->reason;
    exit->detail = decision->detail;
    if (decision->detail == SKIPPED)
        exit->next_rip = vcpu->state.gpr.rip + vmread(VMCS_INSTRUCTION_LENGTH);
    if (decision->describe)
        decision->describe(vcpu);
}

/* The VMCS is as it was before (27.8), and so is vcpu->state: with the event, for the entry checks. */
static __attribute__((noinline)) void entry_refused(struct vcpu *vcpu, uint32_t reason)
{
    if ((reason & EXIT_REASON_CODE) == CODE_ENTRY_MACHINE_CHECK)
        __asm__ volatile("int $18"); /* the host's handler reads the banks and stops the machine */
    if (reason == VMX_REFUSED)
        reason |= (uint32_t)vmread(VMCS_INSTRUCTION_ERROR);
    vcpu->exit = (struct vcpu_exit){.reason = VCPU_EXIT_INVALID, .qualification = reason};
    vmx_get(vcpu, VCPU_ALL & ~(uint32_t)VCPU_FPU);
}

void vmx_run(struct vcpu *vcpu)
{
    struct vmx_vcpu *vmx = vcpu->backend;
    struct cpu *cpu = this_cpu();
    if (vcpu->vtlb && vmx_is_unfit(vcpu, vmx))
        return;
    if ((vmx->entry & ENTRY_LONG_MODE) && !(cpu->left_behind & LEFT_SYSCALL))
        syscall_registers_load(vcpu);
    uint64_t rflags = vcpu->state.gpr.rflags;
    if (((rflags ^ vmx->timer_flags) & RFLAGS_IF) && vmx_features.preemption_timer)
        masked_bound(vmx, rflags);
    state_write(vcpu, vmx);
    uint32_t reason = vmx_enter(&vcpu->state.gpr, vmx->launched, &vmx->host_rsp);
    cpu->left_behind |= LEFT_GDT | LEFT_TSS;
    vmx->fresh = 0;
    if (reason & EXIT_REASON_FAILURE) {
        entry_refused(vcpu, reason);
        return;
    }
    vmx->launched = true;
    state_read(vcpu, vmx);
    exit_decode(vcpu, reason);
}
