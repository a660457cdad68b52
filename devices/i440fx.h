/* The host bridge 82441FX (i440FX) with configuration mechanism 1: state block. See i440fx.c. */
#pragma once

#include "pci.h"

struct i440fx {
    struct pci_function pci;
    uint32_t config_address; /* port 0xCF8 */
    uint32_t reserved;
};

extern const struct device i440fx_device;
