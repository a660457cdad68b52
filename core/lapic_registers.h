/*
 * What the files of the virtual local APIC share: its registers' bits (SDM Vol. 3A, figures 11-7 to 11-25)
 * and each other's functions.
 */
#pragma once

#include "lapic.h"

enum lapic_bits {
    APIC_BASE_BSP = 1 << 8,
    APIC_BASE_ENABLE = 1 << 11,
    SVR_ENABLE = 1 << 8,
    LVT_VECTOR = 0xff,
    LVT_TRIGGER_LEVEL = 1 << 15,
    LVT_MASKED = 1 << 16,
    LVT_PERIODIC = 1 << 17,
    DELIVERY_MODE_SHIFT = 8, /* in LVT, ICR and MSI data alike */
    DELIVERY_MODE_MASK = 7,
    ESR_SEND_ILLEGAL_VECTOR = 1 << 5,
    ESR_RECEIVE_ILLEGAL_VECTOR = 1 << 6,
    ESR_ILLEGAL_REGISTER = 1 << 7,
    FIRST_LEGAL_VECTOR = 16,
    ID_SHIFT = 24, /* in ID, LDR and ICR_HIGH */
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

static inline uint32_t lapic_get(const struct lapic *lapic, enum lapic_register at)
{
    return lapic->reg[at / sizeof(uint32_t)];
}

static inline void lapic_set(struct lapic *lapic, enum lapic_register at, uint32_t value)
{
    lapic->reg[at / sizeof(uint32_t)] = value;
}

/* The register of a bank that a vector's bit is in, and the bit. */
static inline enum lapic_register lapic_word(enum lapic_register bank, uint8_t vector)
{
    return bank + vector / 32u * LAPIC_REGISTER_SIZE;
}

static inline uint32_t lapic_bit(uint8_t vector)
{
    return 1u << (vector % 32);
}

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

/* lapic_pv_eoi.c: sets the guest's flag for the interrupt just accepted, where the guest may skip its EOI. */
void lapic_offer_pv_eoi(struct vcpu *vcpu, uint8_t vector);
/* Takes it back. */
void lapic_sync_pv_eoi(struct vcpu *vcpu);

/* lapic_ipi.c: sends what ICR says; does what an entry of the local vector table says when its signal comes,
 * from any processor. */
void lapic_send(struct vcpu *vcpu);
void lapic_deliver_lvt(struct vcpu *vcpu, uint32_t lvt);

/* lapic_timer.c: CURRENT_COUNT, and what writes to the timer's registers do; restart: to INITIAL_COUNT. */
uint32_t lapic_timer_current(struct vcpu *vcpu, uint64_t now);
void lapic_timer_update(struct vcpu *vcpu, bool restart);
