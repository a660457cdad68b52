/*
 * The table of what is in the PC. Of two devices that claim a port the later one has it: the reset control
 * register 0xcf9 lies inside of the configuration address 0xcf8-0xcfb,
 * and port 0x3f7, behind an IDE channel's control port, is the floppy controller's.
 */
#include "pc.h"
#include "misbehave.h"
#include "reset_rom.h"

#define SLOT(device_, member, devfn_, unit_)                                                                 \
    {                                                                                                        \
        .device = &device_, .state_offset = offsetof(struct pc, member), .devfn = devfn_, .unit = unit_      \
    }

const struct device_slot bus_slots[] = {
    SLOT(pic_device, pic, DEVFN_NONE, 0),
    SLOT(pit_device, pit, DEVFN_NONE, 0),
    SLOT(ioapic_device, ioapic, DEVFN_NONE, 0),
    SLOT(rtc_device, rtc, DEVFN_NONE, 0),
    SLOT(hpet_device, hpet, DEVFN_NONE, 0),
    SLOT(dma8237_device, dma, DEVFN_NONE, 0),
    SLOT(i8042_device, i8042, DEVFN_NONE, 0),
    SLOT(uart_device, uart, DEVFN_NONE, 0),
    SLOT(i440fx_device, i440fx, PCI_DEVFN(0, 0), 0),
    SLOT(piix3_device, piix3, PCI_DEVFN(1, 0), 0),
    SLOT(ide_device, ide, PCI_DEVFN(1, 1), 0),
    SLOT(fdc_device, fdc, DEVFN_NONE, 0),
    SLOT(piix4_pm_device, piix4_pm, PCI_DEVFN(1, 3), 0),
    SLOT(vga_device, vga, PCI_DEVFN(2, 0), 0),
    SLOT(virtio_blk_device, disk[0], PCI_DEVFN(4, 0), 0),
    SLOT(virtio_blk_device, disk[1], PCI_DEVFN(5, 0), 1),
    SLOT(virtio_blk_device, disk[2], PCI_DEVFN(6, 0), 2),
    SLOT(virtio_blk_device, disk[3], PCI_DEVFN(7, 0), 3),
    SLOT(ahci_device, ahci, PCI_DEVFN(8, 0), 0),
    SLOT(system_ports_device, system_ports, DEVFN_NONE, 0),
    SLOT(debug_ports_device, debug_ports, DEVFN_NONE, 0),
    SLOT(fw_cfg_device, fw_cfg, DEVFN_NONE, 0),
    SLOT(reset_rom_device, bus, DEVFN_NONE, 0),
    SLOT(misbehave_device, misbehaved, DEVFN_NONE, 0),
};

const unsigned bus_slot_count = sizeof bus_slots / sizeof bus_slots[0];

_Static_assert(sizeof bus_slots / sizeof bus_slots[0] <= BUS_SLOTS_MAX, "slots");
_Static_assert(offsetof(struct pc, bus) == 0, "offsets start at the bus");
