/* The MP table of the virtual PC. See mptable.c. */
#pragma once

#include <stdbool.h>
#include "table_area.h"

/* How an interrupt of a PCI slot reaches the I/O APIC. */
struct mp_pci_route {
    uint8_t slot;
    uint8_t pin; /* 0-3: INTA-D */
    uint8_t gsi;
};

/* Writes the floating pointer and the configuration table. False if the area is too small. */
bool mptable_build(struct table_area *area, const struct table_machine *machine,
                   const struct mp_pci_route *route, uint32_t route_count);
