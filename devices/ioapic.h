/* The I/O APIC: state block, pins, end of interrupt. See ioapic.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { IOAPIC_PINS = 24 };

struct ioapic {
    uint64_t redirection[IOAPIC_PINS];
    uint32_t line; /* level of each pin, active high */
    uint8_t select, id;
    uint8_t reserved[2];
};

extern const struct device ioapic_device;

void ioapic_set_line(struct ioapic *ioapic, unsigned pin, bool level);
/* The local APICs have ended level-triggered interrupts: a bit per vector. */
void ioapic_end_of_interrupt(struct ioapic *ioapic, const uint64_t vectors[4]);
