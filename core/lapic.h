/*
 * The virtual local APIC (SDM Vol. 3A, chapter 11), the one device in ring 0. State is a plain struct: its
 * save record. What other processors use to deliver an interrupt is atomic; the rest is touched only by the
 * processor that the vCPU lives on. There are no locks.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vm;

enum { LAPIC_PAGE = 4096, LAPIC_REGISTER_SIZE = 16 };

struct lapic {
    /* The register page as the guest sees it, so that a processor can use it as its own: others read who is
     * addressed and what is accepted, and set TMR. Its IRR is empty but for what lapic_hand_over() has put
     * there. */
    _Atomic uint32_t reg[LAPIC_PAGE / sizeof(uint32_t)];
    /* IRR: set by others, too. It is not in the page, which a processor that uses it has for itself; it
     * begins as a descriptor of posted interrupts does (SDM Vol. 3C, 30.6), and can become one. */
    _Atomic uint64_t irr[4];
    _Atomic uint64_t base_msr;    /* IA32_APIC_BASE */
    _Atomic uint32_t esr_pending; /* errors since ESR was last written */
    _Atomic uint32_t extint;      /* an ExtINT message waits for INTA */
    uint32_t in_service;          /* the highest vector in ISR; 0, which is no legal one: none */
    uint32_t changed;             /* ISR, while the processor serves the page: it has to learn of it */
    uint32_t timer_entry;    /* LVT_TIMER and DIVIDE as the timer goes by them: in the page they may be */
    uint32_t timer_divide;   /* newer, when the processor has written there */
    uint32_t pv_eoi_pending; /* the guest's flag is set for the vector in service */
    uint64_t timer_deadline; /* guest time of the next expiry; 0: not running */
    uint64_t timer_fraction; /* what the deadline lost in rounding, in 10^-6 TSC ticks */
    uint64_t pv_eoi;         /* MSR_KVM_PV_EOI_EN as written; 0: off */
};

enum lapic_register {
    LAPIC_ID = 0x020,
    LAPIC_VERSION = 0x030,
    LAPIC_TPR = 0x080,
    LAPIC_APR = 0x090,
    LAPIC_PPR = 0x0a0,
    LAPIC_EOI = 0x0b0,
    LAPIC_RRD = 0x0c0,
    LAPIC_LDR = 0x0d0,
    LAPIC_DFR = 0x0e0,
    LAPIC_SVR = 0x0f0,
    LAPIC_ISR = 0x100,
    LAPIC_TMR = 0x180,
    LAPIC_IRR = 0x200,
    LAPIC_ESR = 0x280,
    LAPIC_ICR_LOW = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_THERMAL = 0x330,
    LAPIC_LVT_PERFORMANCE = 0x340,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_INITIAL_COUNT = 0x380,
    LAPIC_CURRENT_COUNT = 0x390,
    LAPIC_DIVIDE = 0x3e0,
};

enum { LAPIC_NO_VECTOR = -1 };

/* State after RESET, or after INIT: that keeps the APIC ID and IA32_APIC_BASE (SDM Vol. 3A, 11.4.7). */
void lapic_reset(struct vcpu *vcpu, bool init);

/* Register access at a byte offset in the page, 32-bit, aligned. Unknown registers read 0 and set ESR as real
 * ones do. The guest's memory must be loaded (PV EOI). */
uint32_t lapic_read(struct vcpu *vcpu, uint32_t offset);
void lapic_write(struct vcpu *vcpu, uint32_t offset, uint32_t value);
/* Whether the page of a guest-physical address is this vCPU's local APIC. */
bool lapic_decodes(const struct vcpu *vcpu, uint64_t gpa);

/* Delivers the message of an MSI or an IOAPIC (SDM Vol. 3A, 11.11) to the vCPUs it names; from any processor.
 */
void lapic_message(struct vm *vm, uint64_t address, uint32_t data);
/* The chipset's NMI line, through LINT1 of each vCPU; from any processor. */
void lapic_chipset_nmi(struct vm *vm);
/* The INTR output of the guest's 8259 pair, to LINT0 of each vCPU: sets vm->intr_level; from any processor.
 */
void lapic_intr_level(struct vm *vm, bool level);

/* Highest vector that the vCPU may take now by priority (IRR above PPR), or LAPIC_NO_VECTOR. */
int lapic_pending_vector(struct vcpu *vcpu);
/* Whether anything is in IRR. */
static inline bool lapic_any_request(const struct lapic *lapic)
{
    return (lapic->irr[0] | lapic->irr[1] | lapic->irr[2] | lapic->irr[3]) != 0;
}
/* Whether LINT0 (or a disabled APIC) lets the 8259's INTR through to this vCPU. */
bool lapic_accepts_extint(const struct vcpu *vcpu);
/* The vector is being injected: IRR to ISR; sets the guest's PV EOI flag where it may. */
void lapic_accept(struct vcpu *vcpu, uint8_t vector);
/* Takes back what the guest can change without an exit: the PV EOI flag, and ends the interrupt if the guest
 * has cleared it; IRR and ISR from a processor that serves them. Before lapic_pending_vector. The guest's
 * memory must be loaded. */
void lapic_sync(struct vcpu *vcpu);
/* Gives IRR to the processor, in the page. What it has to know with it (SDM Vol. 3C, 25.4.2): RVI, and SVI
 * from bit 8 on. */
uint16_t lapic_hand_over(struct vcpu *vcpu);
/* MSR_KVM_PV_EOI_EN; false: #GP. */
bool lapic_write_pv_eoi(struct vcpu *vcpu, uint64_t value);
/* IA32_APIC_BASE; false: #GP. */
bool lapic_write_base(struct vcpu *vcpu, uint64_t value);

/* CR8 is the upper half of TPR. MOV to CR8 clears the lower half (SDM Vol. 3A, 11.8.6.1). */
uint8_t lapic_get_cr8(const struct vcpu *vcpu);
void lapic_set_cr8(struct vcpu *vcpu, uint8_t cr8);

/* Host TSC at which lapic_timer_expire wants to be called, 0 if never. */
uint64_t lapic_timer_deadline(const struct vcpu *vcpu);
/* Raises the timer interrupt if its (guest) time has come; rearms the periodic one. Missed ticks are merged.
 * On the vCPU's own processor. */
void lapic_timer_expire(struct vcpu *vcpu, uint64_t now);

/* Events before an entry (core/event.c): NMI, local APIC, ExtINT, windows. Returns false when INTA is needed
 * first: the 8259 pair must be asked for its vector by an upcall. */
bool event_prepare(struct vcpu *vcpu);
/* enum vcpu_window: what the guest is to take as soon as it can, also where no exit is asked for. The guest's
 * memory must be loaded. */
uint32_t event_waiting(struct vcpu *vcpu);
/* The vector that INTA returned: irrevocable. */
void event_extint(struct vcpu *vcpu, uint8_t vector);
/* Would event_prepare find something that ends HLT? To be asked first at the HLT itself, with the guest's
 * memory loaded: that takes the PV EOI flag back, so that later calls need no guest memory. */
bool event_wakes(struct vcpu *vcpu);
