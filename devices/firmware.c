/*
 * What a PC's firmware leaves behind, for guests whose kernel is loaded without one: PCI functions that have
 * their addresses and interrupts, ACPI and MP tables, the BIOS data area, the code at the reset vector.
 *
 * Document: PCI Firmware Specification 3.0, 3.5; MP 1.4, 4; ACPI 6.4, 5.2.5.1. It keeps no state and works
 * through the bus only, by the ports and registers that a BIOS would use.
 */
#include "firmware.h"
#include "acpi_tables.h"
#include "effects.h"
#include "layout.h"
#include "mptable.h"
#include "pci.h"
#include "piix4_pm.h"
#include "reset_rom.h"
#include "string.h"

enum { CONFIG_ADDRESS = 0xcf8, CONFIG_DATA = 0xcfc };
#define CONFIG_ENABLE (1u << 31)

/* Addresses for the functions: I/O above the PIIX4's registers, memory below the I/O APIC. */
enum { IO_FIRST = 0xc000, IO_LAST = 0xffff };
#define MEMORY_FIRST 0xfe000000u
#define MEMORY_LAST  0xfebfffffu

/* PIIX3: interrupt routes, as PC firmware chooses them, and the 8259's trigger modes for them. */
enum { DEVFN_PIIX3 = PCI_DEVFN(1, 0), DEVFN_PIIX4_PM = PCI_DEVFN(1, 3), REG_PIRQRC = 0x60, PIRQS = 4 };
static const uint8_t pirq_route[PIRQS] = {10, 10, 11, 11};
enum { ELCR1 = 0x4d0, ELCR2 = 0x4d1 };

/* PIIX3's IDE function: IDETIM of both channels with their ports decoded. */
enum { DEVFN_PIIX3_IDE = PCI_DEVFN(1, 1), REG_IDETIM = 0x40 };
#define IDETIM_DECODE 0x80008000u

/* I/O APIC: its identification register (82093AA, 3.2.1), which systems compare with what the tables say. */
enum { IOAPIC_WINDOW = 0x10, IOAPIC_ID = 0, IOAPIC_ID_SHIFT = 24, IOAPIC_ID_BITS = 4 };
_Static_assert(TABLE_IOAPIC_ID >> IOAPIC_ID_BITS == 0, "the register has four bits");

/* The BIOS data area's words that systems look at (in real mode's segment 0x40). */
enum { BDA_COM1 = 0x400, BDA_EBDA_SEGMENT = 0x40e, BDA_BASE_MEMORY_KIB = 0x413 };
enum { COM1_PORT = 0x3f8, EBDA_SEGMENT = 0x9fc0, BASE_MEMORY_KIB = 639 };

/* Where the tables lie: systems look for their signatures from 0xF0000 on. */
enum { TABLES_BASE = 0xf0000, TABLES_SIZE = RESET_ROM_SHADOW - TABLES_BASE };

enum { PCI_SLOTS = 32, PCI_SLOT_FUNCTIONS = 8, ROUTES_MAX = PCI_SLOTS };

struct firmware {
    struct bus *bus;
    uint32_t next_io, next_memory;
    uint32_t route_count;
    struct mp_pci_route route[ROUTES_MAX];
};

static uint32_t config_read(struct bus *bus, unsigned devfn, unsigned reg, unsigned size)
{
    bus_write(bus, IO_PORT, CONFIG_ADDRESS, 4, CONFIG_ENABLE | devfn << 8 | (reg & ~3u));
    return (uint32_t)bus_read(bus, IO_PORT, CONFIG_DATA + (reg & 3), size);
}

static void config_write(struct bus *bus, unsigned devfn, unsigned reg, unsigned size, uint32_t value)
{
    bus_write(bus, IO_PORT, CONFIG_ADDRESS, 4, CONFIG_ENABLE | devfn << 8 | (reg & ~3u));
    bus_write(bus, IO_PORT, CONFIG_DATA + (reg & 3), size, value);
}

/* Sizes one base address register and gives it the next free addresses; returns the command bit that its
 * space needs, or 0. */
static uint32_t firmware_place_bar(struct firmware *firmware, unsigned devfn, unsigned reg)
{
    config_write(firmware->bus, devfn, reg, 4, UINT32_MAX);
    uint32_t mask = config_read(firmware->bus, devfn, reg, 4);
    if (mask == 0)
        return 0;
    bool io = mask & PCI_BAR_IO_SPACE;
    uint32_t size = ~(mask & ~(io ? 3u : 15u)) + 1;
    uint32_t *next = io ? &firmware->next_io : &firmware->next_memory;
    uint64_t base = ((uint64_t)*next + size - 1) & ~((uint64_t)size - 1);
    if (base + size - 1 > (io ? (uint64_t)IO_LAST : MEMORY_LAST)) {
        config_write(firmware->bus, devfn, reg, 4, 0);
        return 0;
    }
    *next = (uint32_t)(base + size);
    config_write(firmware->bus, devfn, reg, 4, (uint32_t)base);
    return io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;
}

/* The function's interrupt line register, and its route for the MP table. */
static void firmware_route(struct firmware *firmware, unsigned devfn)
{
    unsigned slot = devfn / PCI_SLOT_FUNCTIONS;
    unsigned pin = config_read(firmware->bus, devfn, PCI_INTERRUPT_PIN, 1);
    if (pin == 0 || pin > PIRQS)
        return;
    uint8_t irq = pirq_route[(slot + pin - 1 + PIRQS - 1) % PIRQS];
    if (devfn == DEVFN_PIIX4_PM)
        irq = PIIX4_SCI; /* wired past the router */
    config_write(firmware->bus, devfn, PCI_INTERRUPT_LINE, 1, irq);
    if (firmware->route_count < ROUTES_MAX)
        firmware->route[firmware->route_count++] =
            (struct mp_pci_route){.slot = (uint8_t)slot, .pin = (uint8_t)(pin - 1), .gsi = irq};
}

static void firmware_set_up_function(struct firmware *firmware, unsigned devfn)
{
    uint32_t command = config_read(firmware->bus, devfn, PCI_COMMAND, 2);
    for (unsigned i = 0; i < PCI_BARS; i++)
        command |= firmware_place_bar(firmware, devfn, PCI_BAR0 + 4 * i);
    config_write(firmware->bus, devfn, PCI_COMMAND, 2, command);
    firmware_route(firmware, devfn);
}

static void firmware_set_up_pci(struct firmware *firmware)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        unsigned functions = 1;
        for (unsigned function = 0; function < functions; function++) {
            unsigned devfn = PCI_DEVFN(slot, function);
            if (config_read(firmware->bus, devfn, PCI_VENDOR_ID, 2) == 0xffff)
                continue;
            if (config_read(firmware->bus, devfn, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTI_FUNCTION)
                functions = PCI_SLOT_FUNCTIONS;
            firmware_set_up_function(firmware, devfn);
        }
    }
}

static void firmware_set_up_chipset(struct bus *bus)
{
    unsigned level = 0;
    for (unsigned i = 0; i < PIRQS; i++) {
        config_write(bus, DEVFN_PIIX3, REG_PIRQRC + i, 1, pirq_route[i]);
        level |= 1u << pirq_route[i];
    }
    level |= 1u << PIIX4_SCI;
    bus_write(bus, IO_PORT, ELCR1, 1, level & 0xff);
    bus_write(bus, IO_PORT, ELCR2, 1, level >> 8);
    config_write(bus, DEVFN_PIIX3_IDE, REG_IDETIM, 4, IDETIM_DECODE);
    config_write(bus, DEVFN_PIIX4_PM, PIIX4_REG_PMBA, 4, PIIX4_PM_BASE | PCI_BAR_IO_SPACE);
    config_write(bus, DEVFN_PIIX4_PM, PIIX4_REG_PMREGMISC, 1, 1);
    bus_write(bus, IO_MEMORY, GUEST_IOAPIC_BASE, 4, IOAPIC_ID);
    bus_write(bus, IO_MEMORY, GUEST_IOAPIC_BASE + IOAPIC_WINDOW, 4, TABLE_IOAPIC_ID << IOAPIC_ID_SHIFT);
}

static void ram_put16(uint64_t address, uint16_t value)
{
    uint8_t *at = effect_ram(address, sizeof value);
    if (!at)
        return;
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

bool firmware_prepare(struct bus *bus, const struct table_machine *machine)
{
    struct firmware firmware = {.bus = bus, .next_io = IO_FIRST, .next_memory = MEMORY_FIRST};
    firmware_set_up_pci(&firmware);
    firmware_set_up_chipset(bus);
    ram_put16(BDA_COM1, COM1_PORT);
    ram_put16(BDA_EBDA_SEGMENT, EBDA_SEGMENT);
    ram_put16(BDA_BASE_MEMORY_KIB, BASE_MEMORY_KIB);
    uint8_t *shadow = effect_ram(RESET_ROM_SHADOW, RESET_ROM_SIZE);
    if (shadow)
        memcpy(shadow, reset_rom_code, RESET_ROM_SIZE);
    struct table_area area = {
        .bytes = effect_ram(TABLES_BASE, TABLES_SIZE), .base = TABLES_BASE, .size = TABLES_SIZE};
    return area.bytes && mptable_build(&area, machine, firmware.route, firmware.route_count) &&
           acpi_tables_build(&area, machine);
}

uint64_t firmware_acpi_root(void)
{
    static const char signature[8] = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
    const uint8_t *bytes = effect_ram(TABLES_BASE, TABLES_SIZE);
    for (uint32_t at = 0; bytes && at + sizeof signature <= TABLES_SIZE; at += 16)
        if (memcmp(bytes + at, signature, sizeof signature) == 0)
            return TABLES_BASE + at;
    return 0;
}
