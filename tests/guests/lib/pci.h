/* PCI configuration mechanism 1 (PCI Local Bus Specification 3.0, 3.2.2.3.2), bus 0 only. */
#pragma once

#include <stdint.h>
#include "processor.h"

enum { PCI_ADDRESS = 0xcf8, PCI_DATA = 0xcfc };

/* function: device << 3 | function number. offset: of a dword. */
static inline uint32_t pci_read(uint8_t function, uint8_t offset)
{
    outl(PCI_ADDRESS, 0x80000000u | (uint32_t)function << 8 | (offset & 0xfc));
    return inl(PCI_DATA);
}
static inline void pci_write(uint8_t function, uint8_t offset, uint32_t value)
{
    outl(PCI_ADDRESS, 0x80000000u | (uint32_t)function << 8 | (offset & 0xfc));
    outl(PCI_DATA, value);
}
