/* What a firmware has done to the machine when it starts a system. See firmware.c. */
#pragma once

#include <stdbool.h>
#include "bus.h"
#include "table_area.h"

/*
 * Sets up the PCI functions (bases, interrupt routes, power management registers) by accesses to the bus, and
 * writes the BIOS data area and the ACPI and MP tables into guest RAM. To be called after bus_reset(), for
 * guests that are started without a firmware of their own. False if the tables have no room: a fault of ours.
 */
bool firmware_prepare(struct bus *bus, const struct table_machine *machine);

/* The guest-physical address of the ACPI tables' root pointer that firmware_prepare() has left; 0: none. */
uint64_t firmware_acpi_root(void);
