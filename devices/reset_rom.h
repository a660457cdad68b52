/* The last bytes of the guest's firmware. See reset_rom.c. */
#pragma once

#include "device.h"

enum { RESET_ROM_SIZE = 16 };

/* What lies at 0xfffffff0, and once more where real mode reaches it, at RESET_ROM_SHADOW. */
extern const uint8_t reset_rom_code[RESET_ROM_SIZE];
#define RESET_ROM_BASE   0xfffffff0u
#define RESET_ROM_SHADOW 0xffff0u

extern const struct device reset_rom_device;
