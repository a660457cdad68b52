/*
 * Events before an entry (SDM Vol. 3A, 6.9 and 11.8.4; AMD APM Vol. 2, 8.5 and 15.20). In this order: what is
 * already irrevocable (an event interrupted in delivery, an exception, a vector from INTA), NMI, local APIC,
 * 8259 pair. What can be taken is injected here; for what has to wait a window is asked for. Whether it can
 * be taken is decided here, never by the processor: emulators differ in how they hold a virtual interrupt
 * against TPR and shadow. Where the processor serves the local APIC (vm->lapic_served), its interrupts are
 * left to it, and come after those of the 8259 pair.
 */
#include "lapic.h"
#include "vcpu_ops.h"
#include "vm.h"
#include "x86.h"

static void take(struct vcpu *vcpu, enum event_type type, uint8_t vector)
{
    vcpu->state.interrupts.event = (struct vcpu_event){.type = (uint8_t)type, .vector = vector};
}

/* The 8259 pair wants INTA from this vCPU, or an ExtINT message does. */
static bool extint_requested(const struct vcpu *vcpu)
{
    return vcpu->lapic.extint || (vcpu->vm->intr_level && lapic_accepts_extint(vcpu));
}

static bool interrupts_open(const struct vcpu *vcpu)
{
    return (vcpu->state.gpr.rflags & RFLAGS_IF) && vcpu->state.interrupts.shadow == SHADOW_NONE;
}

static __attribute__((noinline)) bool events_take(struct vcpu *vcpu)
{
    struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    bool served = vcpu->vm->lapic_served, extint = extint_requested(vcpu);
    bool requested = !served && lapic_any_request(&vcpu->lapic);
    uint32_t windows = WINDOW_NONE;

    if (interrupts->nmi_pending) {
        if (interrupts->event.type == EVENT_NONE && !interrupts->nmi_blocked &&
            interrupts->shadow == SHADOW_NONE) {
            take(vcpu, EVENT_NMI, EXCEPTION_NMI);
            interrupts->nmi_pending = 0;
            interrupts->nmi_blocked = 1;
        } else {
            windows |= WINDOW_NMI;
        }
    }
    if (requested || extint) {
        lapic_sync(vcpu); /* the end of the interrupt in service now matters */
        int vector = requested ? lapic_pending_vector(vcpu) : LAPIC_NO_VECTOR;
        if (interrupts->event.type != EVENT_NONE || !interrupts_open(vcpu)) {
            windows |= vector >= 0 || extint ? WINDOW_INTERRUPT : WINDOW_NONE;
        } else if (vector >= 0) {
            lapic_accept(vcpu, (uint8_t)vector);
            take(vcpu, EVENT_INTERRUPT, (uint8_t)vector);
            windows |= extint ? WINDOW_INTERRUPT : WINDOW_NONE;
        } else if (extint) {
            return false;
        }
        /* Held back by TPR, not by what is in service. */
        if (vector < 0 && requested && lapic_get_cr8(vcpu) > vcpu->lapic.in_service >> 4)
            windows |= WINDOW_TPR;
    }
    if (vcpu->windows != windows) {
        vcpu->windows = windows;
        vcpu_ops->window(vcpu);
    }
    if (interrupts->event.type != EVENT_NONE)
        vcpu_ops->inject(vcpu);
    if (served)
        vcpu_ops->lapic(vcpu, lapic_hand_over(vcpu));
    return true;
}

bool event_prepare(struct vcpu *vcpu)
{
    const struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    bool quiet = !(vcpu->lapic.extint | vcpu->vm->intr_level | interrupts->nmi_pending |
                   interrupts->event.type | vcpu->windows | vcpu->lapic.changed);
    return (quiet && !lapic_any_request(&vcpu->lapic)) || events_take(vcpu); /* quiet is the usual case */
}

uint32_t event_waiting(struct vcpu *vcpu)
{
    if (!vcpu->vm->lapic_served)
        return vcpu->windows;
    lapic_sync(vcpu);
    return vcpu->windows | (lapic_pending_vector(vcpu) >= 0 ? WINDOW_INTERRUPT : WINDOW_NONE);
}

void event_extint(struct vcpu *vcpu, uint8_t vector)
{
    vcpu->lapic.extint = 0;
    take(vcpu, EVENT_INTERRUPT, vector);
}

bool event_wakes(struct vcpu *vcpu)
{
    const struct vcpu_interrupts *interrupts = &vcpu->state.interrupts;
    lapic_sync(vcpu);
    if (interrupts->event.type != EVENT_NONE || (interrupts->nmi_pending && !interrupts->nmi_blocked))
        return true;
    return (vcpu->state.gpr.rflags & RFLAGS_IF) &&
           (lapic_pending_vector(vcpu) >= 0 || extint_requested(vcpu));
}
