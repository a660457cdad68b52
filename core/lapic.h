/*
 * The virtual local APIC (SDM Vol. 3A, chapter 11), the one device in ring 0. State is a plain struct: its
 * save record. All but the IRR/TMR words is touched only by the processor that the vCPU lives on.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu;
struct vm;

enum { LAPIC_LVT_COUNT = 6 };

struct lapic {
    uint64_t base_msr; /* IA32_APIC_BASE */
    uint32_t id, ldr, dfr, svr, esr, esr_pending, tpr;
    uint32_t icr_low, icr_high;
    uint32_t lvt[LAPIC_LVT_COUNT]; /* timer, thermal, performance, LINT0, LINT1, error */
    uint32_t divide, initial_count;
    uint64_t timer_deadline; /* host TSC of the next expiry; 0: not running */
    uint64_t timer_period;   /* TSC ticks, periodic mode; 0: one-shot */
    uint64_t pv_eoi;         /* MSR_KVM_PV_EOI_EN as written; 0: off */
    uint32_t pv_eoi_pending; /* the guest's flag is set for the vector in service */
    _Atomic uint32_t irr[8], tmr[8];
    uint32_t isr[8];
};

enum { LAPIC_NO_VECTOR = -1 };

void lapic_reset(struct vcpu *vcpu, bool init);

/* Register access at a byte offset in the page, 32-bit, aligned. Unknown registers read 0 and set ESR as real
 * ones do. */
uint32_t lapic_read(struct vcpu *vcpu, uint32_t offset);
void lapic_write(struct vcpu *vcpu, uint32_t offset, uint32_t value);

/* Delivers the message of an MSI or an IOAPIC (SDM Vol. 3A, 11.11) to the vCPUs it names; from any processor.
 */
void lapic_message(struct vm *vm, uint64_t address, uint32_t data);
/* The chipset's NMI line, through LINT1 of each vCPU; from any processor. */
void lapic_chipset_nmi(struct vm *vm);

/* Highest vector that the vCPU may take now by priority (IRR above PPR), or LAPIC_NO_VECTOR. */
int lapic_pending_vector(struct vcpu *vcpu);
/* Whether LINT0 (or a disabled APIC) lets the 8259's INTR through to this vCPU. */
bool lapic_accepts_extint(const struct vcpu *vcpu);
/* The vector is being injected: IRR to ISR; sets the guest's PV EOI flag where it may. */
void lapic_accept(struct vcpu *vcpu, uint8_t vector);
void lapic_eoi(struct vcpu *vcpu);
/* Takes back the guest's PV EOI flag: ends the interrupt if the guest has cleared it. Before
 * lapic_pending_vector. */
void lapic_sync_pv_eoi(struct vcpu *vcpu);
/* MSR_KVM_PV_EOI_EN; false: #GP. */
bool lapic_write_pv_eoi(struct vcpu *vcpu, uint64_t value);
/* IA32_APIC_BASE; false: #GP. */
bool lapic_write_base(struct vcpu *vcpu, uint64_t value);

/* Host TSC at which lapic_timer_expire wants to be called, 0 if never. */
uint64_t lapic_timer_deadline(const struct vcpu *vcpu);
/* Raises the timer interrupt if its time has come; rearms the periodic one. Missed ticks are merged. */
void lapic_timer_expire(struct vcpu *vcpu, uint64_t now);

/* Events before an entry (core/event.c): NMI, local APIC, ExtINT, windows. Returns false when INTA is needed
 * first: the 8259 pair must be asked for its vector by an upcall. */
bool event_prepare(struct vcpu *vcpu);
/* The vector that INTA returned: irrevocable. */
void event_extint(struct vcpu *vcpu, uint8_t vector);
/* Would event_prepare find something that ends HLT? */
bool event_wakes(struct vcpu *vcpu);
