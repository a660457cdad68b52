/* The SMBIOS structures that describe the guest's PC: see smbios.c. */
#pragma once

#include <stdint.h>
#include "cpuid.h"
#include "guest_config.h"

enum { SMBIOS_ANCHOR_SIZE = 31 };

/* Writes the structures, and the entry point whose address and sums the firmware fills in. Returns the bytes
 * of the structures; 0: they do not fit. */
uint32_t smbios_build(uint8_t *to, uint32_t size, uint8_t anchor[SMBIOS_ANCHOR_SIZE],
                      const struct guest_config *config, cpuid_host_function *host);
