/* The south bridge 82371SB (PIIX3), its ISA bridge function: state block. See piix3.c. */
#pragma once

#include "pci.h"

enum { PIIX3_PIRQS = 4, PCI_FUNCTIONS = 256 };

struct piix3 {
    struct pci_function pci;
    uint32_t asserted[PIIX3_PIRQS][PCI_FUNCTIONS / 32]; /* a bit for each function that drives the line */
};

extern const struct device piix3_device;

/* Level of INTA-D (pin 0-3) of a function: what effect_pci_interrupt() does. */
void piix3_set_interrupt(struct piix3 *piix, uint16_t devfn, unsigned pin, bool level);
