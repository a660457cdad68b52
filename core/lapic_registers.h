/*
 * The local APIC's registers as the manual numbers them (SDM Vol. 3A, table 11-1 and figures 11-7 to 11-25),
 * and what the files of the virtual local APIC share.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct lapic;
struct vcpu;

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

/* Index in lapic.lvt. */
enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_PERFORMANCE, LVT_LINT0, LVT_LINT1, LVT_ERROR };

enum lapic_bits {
    APIC_BASE_BSP = 1 << 8,
    APIC_BASE_X2APIC = 1 << 10,
    APIC_BASE_ENABLE = 1 << 11,
    SVR_ENABLE = 1 << 8,
    SVR_WRITABLE = 0x1ff,
    ICR_DELIVERY_STATUS = 1 << 12,
    LVT_VECTOR = 0xff,
    LVT_TRIGGER_LEVEL = 1 << 15,
    LVT_MASKED = 1 << 16,
    LVT_PERIODIC = 1 << 17,
    DELIVERY_MODE_SHIFT = 8, /* in LVT, ICR and MSI data alike */
    DELIVERY_MODE_MASK = 7,
    ESR_SEND_ILLEGAL_VECTOR = 1 << 5,
    ESR_RECEIVE_ILLEGAL_VECTOR = 1 << 6,
    ESR_ILLEGAL_REGISTER = 1 << 7,
    DIVIDE_WRITABLE = 0xb,
    FIRST_LEGAL_VECTOR = 16,
};

enum lapic_delivery_mode {
    DELIVERY_FIXED,
    DELIVERY_LOWEST_PRIORITY,
    DELIVERY_SMI,
    DELIVERY_RESERVED,
    DELIVERY_NMI,
    DELIVERY_INIT,
    DELIVERY_STARTUP,
    DELIVERY_EXTINT,
};

/* lapic.c */
bool lapic_enabled(const struct lapic *lapic);
/* PPR: the higher of TPR and the class in service. */
uint32_t lapic_processor_priority(const struct lapic *lapic);
/* Ends the interrupt of highest priority in service, by EOI register or PV EOI. */
void lapic_end_interrupt(struct vcpu *vcpu);
/* Accepts a fixed interrupt; from any processor. True if it was not pending yet: the vCPU must look. */
bool lapic_raise(struct vcpu *vcpu, uint8_t vector, bool level);
/* Notes an error for ESR, and raises the error interrupt. */
void lapic_error(struct vcpu *vcpu, uint32_t esr_bit);
/* What an input of the local vector table does when its signal comes; from any processor. */
void lapic_deliver_lvt(struct vcpu *vcpu, enum lapic_lvt index);

/* lapic_pv_eoi.c: sets the guest's flag for the interrupt just accepted, where the guest may skip its EOI. */
void lapic_offer_pv_eoi(struct vcpu *vcpu, uint8_t vector);

/* lapic_ipi.c: sends what ICR says. */
void lapic_send(struct vcpu *vcpu);

/* lapic_timer.c: CURRENT_COUNT, and what writes to the timer's registers do. */
uint32_t lapic_timer_current(struct vcpu *vcpu, uint64_t now);
void lapic_timer_start(struct vcpu *vcpu, uint32_t initial_count);
void lapic_timer_set_divide(struct vcpu *vcpu, uint32_t divide);
void lapic_timer_set_lvt(struct vcpu *vcpu, uint32_t value);
