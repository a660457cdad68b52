/*
 * What the registers of a guest's processors accept. It follows from the guest's CPUID: a bit that CPUID does
 * not offer is reserved.
 */
#pragma once

#include <stdint.h>
#include "syscalls.h"

struct processor_limits {
    uint64_t cr4, efer, xcr0; /* the bits that may be set */
    uint32_t physical_width;  /* of an address, in bits */
    uint32_t reserved;
};

/* Documents: SDM Vol. 3A, 2.5 and 2.6; AMD APM Vol. 2, 3.1. */
void processor_limits(struct processor_limits *limits, const struct cpuid_entry *table, uint32_t count);
