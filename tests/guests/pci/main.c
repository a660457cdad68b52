/*
 * PCI configuration mechanism 1: the i440FX host bridge and the PIIX3 with its functions, empty slots read as
 * ones, byte and word access to 0xcfc-0xcff, the address register only as a dword, PIRQ routing registers,
 * header types. Manual: PCI Local Bus 3.0, 3.2.2.3.2; 82441FX; 82371SB. Real hardware: as checked here.
 */
#include "guest.h"
#include "pci.h"

enum { HOST_BRIDGE = 0 << 3, ISA_BRIDGE = 1 << 3, PM_FUNCTION = 1 << 3 | 3, EMPTY = 0x1f << 3 };

void guest_main(void)
{
    check_value("host bridge", pci_read(HOST_BRIDGE, 0), 0x12378086);
    check_value("  class", pci_read(HOST_BRIDGE, 8) >> 16, 0x600);
    check_value("ISA bridge", pci_read(ISA_BRIDGE, 0), 0x70008086);
    check_value("  class", pci_read(ISA_BRIDGE, 8) >> 16, 0x601);
    check_value("  several functions", pci_read(ISA_BRIDGE, 0xc) >> 23 & 1, 1);
    check_value("power management function", pci_read(PM_FUNCTION, 0), 0x71138086);
    check_value("  class", pci_read(PM_FUNCTION, 8) >> 16, 0x680);
    check_value("empty slot", pci_read(EMPTY, 0), 0xffffffff);
    check_value("address register reads back", (outl(PCI_ADDRESS, 0x80000008), inl(PCI_ADDRESS)), 0x80000008);
    check_value("byte of the data register", (pci_read(HOST_BRIDGE, 0), inb(PCI_DATA + 1)), 0x80);
    check_value("word of the data register", (pci_read(HOST_BRIDGE, 0), inw(PCI_DATA + 2)), 0x1237);
    outl(PCI_ADDRESS, 0);
    check_value("disabled: data reads as ones", inl(PCI_DATA), 0xffffffff);
    pci_write(ISA_BRIDGE, 0x60, 0x80808080);
    check_value("PIRQ routes off", pci_read(ISA_BRIDGE, 0x60), 0x80808080);
    pci_write(ISA_BRIDGE, 0x60, 0x0b0b0a0a);
    check_value("PIRQ routes", pci_read(ISA_BRIDGE, 0x60), 0x0b0b0a0a);
    uint32_t id = pci_read(HOST_BRIDGE, 0);
    pci_write(HOST_BRIDGE, 0, 0);
    check_value("IDs are read-only", pci_read(HOST_BRIDGE, 0), id);
}
