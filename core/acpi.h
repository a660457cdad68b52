/*
 * The few ACPI facts that the monitor needs of its host: processors, IOAPICs, PM timer, how to power off.
 */
#pragma once

#include <stdint.h>
#include "cpu.h"

enum { ACPI_IOAPICS_MAX = 8, ACPI_SERIAL_IRQ = 4 };

struct acpi_ioapic {
    uint64_t address;
    uint32_t gsi_base;
};

struct acpi_info {
    uint32_t cpu_count; /* usable processors, at most CPU_MAX */
    uint32_t apic_id[CPU_MAX];
    uint32_t ioapic_count;
    struct acpi_ioapic ioapic[ACPI_IOAPICS_MAX];
    uint32_t serial_gsi; /* of the first serial port, ISA interrupt 4 */
    uint16_t pm_timer;   /* port, 0: none */
    uint16_t pm1a_control, pm1b_control;
    uint16_t sleep_a, sleep_b; /* what to write there for S5; 0: unknown */
};

extern struct acpi_info acpi;

/* Reads the tables through the boot page tables. NULL, or what is wrong; the monitor then goes on with one
 * processor. */
const char *acpi_read(uint64_t rsdp);
/* Enters S5. Returns when the machine does not obey. */
void acpi_power_off(void);
