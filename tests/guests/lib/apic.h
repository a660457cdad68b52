/* Local APIC, in xAPIC mode (Intel SDM Vol. 3A, chapter 11), and IOAPIC (82093AA data sheet). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define LAPIC_BASE  0xfee00000u
#define IOAPIC_BASE 0xfec00000u

enum {
    LAPIC_ID = 0x20,
    LAPIC_VERSION = 0x30,
    LAPIC_TPR = 0x80,
    LAPIC_PPR = 0xa0,
    LAPIC_EOI = 0xb0,
    LAPIC_LDR = 0xd0,
    LAPIC_DFR = 0xe0,
    LAPIC_SVR = 0xf0,
    LAPIC_ISR = 0x100,
    LAPIC_TMR = 0x180,
    LAPIC_IRR = 0x200,
    LAPIC_ESR = 0x280,
    LAPIC_ICR = 0x300,
    LAPIC_ICR_HIGH = 0x310,
    LAPIC_LVT_TIMER = 0x320,
    LAPIC_LVT_LINT0 = 0x350,
    LAPIC_LVT_LINT1 = 0x360,
    LAPIC_LVT_ERROR = 0x370,
    LAPIC_INITIAL = 0x380,
    LAPIC_CURRENT = 0x390,
    LAPIC_DIVIDE = 0x3e0,

    LVT_MASKED = 1 << 16,
    LVT_PERIODIC = 1 << 17,
    DELIVERY_FIXED = 0 << 8,
    DELIVERY_LOWEST = 1 << 8,
    DELIVERY_NMI = 4 << 8,
    DELIVERY_INIT = 5 << 8,
    DELIVERY_SIPI = 6 << 8,
    DELIVERY_EXTINT = 7 << 8,
    DESTINATION_LOGICAL = 1 << 11,
    ICR_PENDING = 1 << 12,
    ICR_ASSERT = 1 << 14,
    ICR_LEVEL = 1 << 15,
    ICR_SELF = 1 << 18,
    ICR_ALL = 2 << 18,
    ICR_OTHERS = 3 << 18,

    REMOTE_IRR = 1 << 14,
    TRIGGER_LEVEL = 1 << 15,
    POLARITY_LOW = 1 << 13,
    IOAPIC_VERSION = 1,
    IOAPIC_REDIRECTION = 0x10
};

static inline volatile uint32_t *lapic_register(uint32_t offset)
{
    return (volatile uint32_t *)(LAPIC_BASE + offset);
}
static inline uint32_t lapic_read(uint32_t offset)
{
    return *lapic_register(offset);
}
static inline void lapic_write(uint32_t offset, uint32_t value)
{
    *lapic_register(offset) = value;
}
static inline uint32_t ioapic_read(uint32_t index)
{
    *(volatile uint32_t *)IOAPIC_BASE = index;
    return *(volatile uint32_t *)(IOAPIC_BASE + 0x10);
}
static inline void ioapic_write(uint32_t index, uint32_t value)
{
    *(volatile uint32_t *)IOAPIC_BASE = index;
    *(volatile uint32_t *)(IOAPIC_BASE + 0x10) = value;
}

/* Enables the local APIC with spurious vector 0xff, masks all LVTs, TPR 0. */
void lapic_enable(void);
/* Sends and waits for the delivery status. */
void lapic_send(uint8_t destination, uint32_t command);
/* Bit of a 256-bit register (ISR, TMR, IRR). */
bool lapic_bit(uint32_t offset, uint8_t vector);
/* Redirection entry of a pin, to an APIC ID in the upper half. */
void ioapic_route(uint8_t pin, uint32_t low, uint8_t destination);

/* Processors. Starts all others, which run the function once with their index (1..) and halt with interrupts
 * on; returns how many answered within a second. */
uint32_t smp_start(void (*function)(uint32_t index));
extern volatile uint32_t smp_online;
extern volatile uint8_t smp_apic_id[8];
