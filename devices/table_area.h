/*
 * A stretch of the firmware's memory that is filled from its start: ACPI and MP tables. And what both kinds
 * of tables say about the machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "guest_config.h"

enum {
    TABLE_IOAPIC_ID = GUEST_CPUS_MAX, /* behind the local APIC IDs, which are 0 to GUEST_CPUS_MAX - 1 */
    TABLE_ISA_IRQS = 16,
    TABLE_TIMER_PIN = 2, /* of the I/O APIC, for ISA IRQ 0 */
};

/* The processors' signature and features, as the MP table repeats them. */
struct table_machine {
    uint32_t cpu_count;
    uint32_t cpu_signature; /* CPUID 1, EAX */
    uint32_t cpu_features;  /* CPUID 1, EDX */
    uint8_t ioapic_id;
    bool screen; /* there is a VGA */
    bool hpet;   /* there are high precision event timers */
};

struct table_area {
    uint8_t *bytes;
    uint64_t base; /* guest-physical address of bytes */
    uint32_t size, used;
};

/* Takes `size` zeroed bytes, aligned to a power of two. NULL when the area is full. */
void *table_take(struct table_area *area, uint32_t size, uint32_t align);
/* The guest-physical address of something in the area. */
uint32_t table_address(const struct table_area *area, const void *table);
/* The byte that makes the sum of all `length` bytes zero, if the byte itself is zero now. */
uint8_t table_checksum(const void *bytes, uint32_t length);
