/*
 * A SATA controller with disks, for systems that have no driver for IDE or virtio.
 *
 * Document: Serial ATA AHCI 1.3.1, 2 and 3. One function with a port for each disk of the description, at its
 * number; without such disks it is not there. Interrupts by MSI or INTA. State: struct ahci. Missing: command
 * completion coalescing, enclosure management, native command queuing, hand-over from a BIOS, the registers
 * of IDE emulation. Ignored bits: AE, which stays set, for the controller knows no other mode.
 */
#include "ahci.h"
#include "effects.h"

enum { MEMORY_SIZE = 0x1000, PORTS_BASE = 0x100, PORT_SIZE = 0x80 };

/* Generic host control (3.1). */
enum host_register { HOST_CAP = 0x00, HOST_GHC = 0x04, HOST_IS = 0x08, HOST_PI = 0x0c, HOST_VS = 0x10 };
enum { VERSION = 0x00010300, GHC_HR = 1 << 0, GHC_IE = 1 << 1 };
#define GHC_AE (1u << 31)
/* 64-bit addresses, AHCI only, generation 1, command list override, 32 slots. */
#define CAP (1u << 31 | 1u << 24 | 1u << 20 | 1u << 18 | (AHCI_SLOTS - 1u) << 8 | (AHCI_PORTS - 1u))

/* Message signalled interrupts (PCI 3.0, 6.8.1), with a 64-bit address. */
enum { AT_MSI = 0x80, CAP_MSI = 0x05, MSI_CONTROL = 2, MSI_ADDRESS = 4, MSI_DATA = 12 };
enum { MSI_ENABLE = 1, MSI_64_BIT = 0x80 };

static const struct pci_identity ahci_identity = {
    .vendor = 0x8086, /* ICH9 */
    .device = 0x2922,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .class_code = 0x010601,
    .revision = 0x02,
    .interrupt_pin = 1,
    .command_mask = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE,
    .bar = {[5] = {.size = MEMORY_SIZE, .kind = PCI_BAR_MEMORY, .region = 0}},
    .writable = {{AT_MSI + MSI_CONTROL, MSI_ENABLE},
                 {AT_MSI + MSI_ADDRESS, 0xfc},
                 {AT_MSI + MSI_ADDRESS + 1, 0xff},
                 {AT_MSI + MSI_ADDRESS + 2, 0xff},
                 {AT_MSI + MSI_ADDRESS + 3, 0xff},
                 {AT_MSI + MSI_ADDRESS + 4, 0xff},
                 {AT_MSI + MSI_ADDRESS + 5, 0xff},
                 {AT_MSI + MSI_ADDRESS + 6, 0xff},
                 {AT_MSI + MSI_ADDRESS + 7, 0xff},
                 {AT_MSI + MSI_DATA, 0xff},
                 {AT_MSI + MSI_DATA + 1, 0xff}},
};

static bool msi_enabled(const struct ahci *ahci)
{
    return ahci->pci.config[AT_MSI + MSI_CONTROL] & MSI_ENABLE;
}

/* Ports that want attention show in IS until the host clears them there, too (3.1.3). A message is sent for
 * each that is new, and for those that are still there when others have been cleared. */
static void ahci_update(struct ahci *ahci, bool again)
{
    uint32_t before = ahci->interrupt;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        if (ahci->port[i].interrupt & ahci->port[i].interrupt_enable)
            ahci->interrupt |= 1u << i;
    bool on = ahci->interrupt && ahci->control & GHC_IE;
    pci_set_interrupt(&ahci->pci, on && !msi_enabled(ahci));
    if (on && msi_enabled(ahci) && (again || ahci->interrupt & ~before))
        effect_msi(pci_get32(&ahci->pci, AT_MSI + MSI_ADDRESS) |
                       (uint64_t)pci_get32(&ahci->pci, AT_MSI + MSI_ADDRESS + 4) << 32,
                   pci_get16(&ahci->pci, AT_MSI + MSI_DATA));
}

static void ahci_run(struct ahci *ahci)
{
    bool more = false;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        more |= ahci_port_run(&ahci->port[i]);
    ahci->resume = more ? effect_now() : DEADLINE_NONE;
}

static void host_reset(struct ahci *ahci)
{
    ahci->control = GHC_AE;
    ahci->interrupt = 0;
    for (unsigned i = 0; i < AHCI_PORTS; i++)
        ahci_port_reset(&ahci->port[i]);
}

static void host_write(struct ahci *ahci, uint32_t offset, uint32_t value)
{
    if (offset == HOST_IS)
        ahci->interrupt &= ~value;
    else if (offset == HOST_GHC && value & GHC_HR)
        host_reset(ahci);
    else if (offset == HOST_GHC)
        ahci->control = GHC_AE | (value & GHC_IE);
}

static uint32_t host_read(const struct ahci *ahci, uint32_t offset)
{
    switch (offset) {
    case HOST_CAP:
        return CAP;
    case HOST_GHC:
        return ahci->control;
    case HOST_IS:
        return ahci->interrupt;
    case HOST_PI:
        return (1u << AHCI_PORTS) - 1;
    case HOST_VS:
        return VERSION;
    }
    return 0;
}

static void memory_io(struct ahci *ahci, struct io *io)
{
    uint32_t index = (io->offset - PORTS_BASE) / PORT_SIZE;
    if (io->offset >= PORTS_BASE && index < AHCI_PORTS)
        ahci_port_io(&ahci->port[index], io->offset % PORT_SIZE, io);
    else if (io->write)
        host_write(ahci, io->offset, io->value);
    else
        io->value = host_read(ahci, io->offset);
    if (!io->write)
        return;
    ahci_run(ahci);
    ahci_update(ahci, io->offset == HOST_IS);
}

static void ahci_io(void *state, struct io *io)
{
    struct ahci *ahci = state;
    if (!ahci->present)
        return;
    if (io->space != IO_CONFIG) {
        memory_io(ahci, io);
        return;
    }
    pci_config_io(&ahci->pci, &ahci_identity, ahci, io);
    if (io->write)
        ahci_update(ahci, false);
}

static void ahci_reset(void *state, const struct device_slot *slot)
{
    struct ahci *ahci = state;
    pci_reset(&ahci->pci, &ahci_identity, slot->devfn);
    pci_add_capability(&ahci->pci, CAP_MSI, AT_MSI);
    ahci->pci.config[AT_MSI + MSI_CONTROL] = MSI_64_BIT;
    ahci->resume = DEADLINE_NONE;
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        struct ata_drive *drive = &ahci->port[i].drive;
        disk_image_open(&drive->image, i, DISK_AHCI);
        drive->serial = true;
        ata_power_on(drive, drive->image.size ? ATA_DISK : ATA_NONE, 0);
        ahci->present |= (drive->image.size ? 1u : 0u) << i;
    }
    host_reset(ahci);
}

static const char *ahci_check(const void *state)
{
    const struct ahci *ahci = state;
    const char *broken = pci_check(&ahci->pci, &ahci_identity);
    if ((ahci->control | GHC_IE) != (GHC_AE | GHC_IE) || ahci->interrupt >> AHCI_PORTS)
        return "host control";
    for (unsigned i = 0; i < AHCI_PORTS && !broken; i++) {
        broken = ahci_port_check(&ahci->port[i]);
        if ((ahci->present >> i & 1) != (ahci->port[i].drive.kind != ATA_NONE))
            return "ports with drives";
    }
    return broken;
}

static void ahci_inspect(const void *state, struct inspector *inspector)
{
    const struct ahci *ahci = state;
    pci_inspect(&ahci->pci, inspector);
    inspector->field(inspector, "host control", ahci->control);
    inspector->field(inspector, "interrupts", ahci->interrupt);
    for (unsigned i = 0; i < AHCI_PORTS; i++) {
        const struct ahci_port *port = &ahci->port[i];
        if (!port->drive.kind)
            continue;
        inspector->field(inspector, "port", i);
        inspector->field(inspector, "port interrupts", port->interrupt);
        inspector->field(inspector, "port command", port->command);
        inspector->field(inspector, "task file", port->task_file);
        inspector->field(inspector, "commands issued", port->issued);
        ata_inspect(&port->drive, inspector);
    }
}

static uint64_t ahci_deadline(const void *state)
{
    const struct ahci *ahci = state;
    return ahci->resume;
}

static void ahci_tick(void *state, uint64_t now)
{
    struct ahci *ahci = state;
    if (now < ahci->resume)
        return;
    ahci_run(ahci);
    ahci_update(ahci, false);
}

const struct device ahci_device = {
    .name = "AHCI",
    .state_size = sizeof(struct ahci),
    .region_count = 1,
    .region = {{.length = MEMORY_SIZE, .space = IO_MEMORY, .widths = WIDTH_4}},
    .reset = ahci_reset,
    .io = ahci_io,
    .check = ahci_check,
    .inspect = ahci_inspect,
    .missed_ticks = TICKS_MERGE,
    .deadline = ahci_deadline,
    .tick = ahci_tick,
};
