/* The ACPI tables of the virtual PC. See acpi_tables.c. */
#pragma once

#include <stdbool.h>
#include "table_area.h"

/* Writes RSDP, RSDT, XSDT, FADT, FACS, MADT, DSDT and, where there are timers, HPET. False if the area, whose
 * base is a multiple of 64, is too small. */
bool acpi_tables_build(struct table_area *area, const struct table_machine *machine);
