/*
 * The south bridge's ISA bridge function: routes the PCI interrupts to ISA interrupts.
 *
 * Document: Intel 82371FB/82371SB (PIIX, PIIX3) data sheet (290550-002), 2.2.9 (PIRQRC). State: struct piix3.
 * The reset control register is in system_ports.c. Missing: top of memory, the motherboard's interrupt and
 * DMA lines, the programmable chip select, the I/O APIC's base, SMIs (their registers read 0); the
 * coprocessor's error at IRQ 13 and port 0xf0. Ignored bits: I/O recovery and X-bus chip selects, which read
 * as written. The wiring of INTx to PIRQx is the board's: pin p of slot n at PIRQ (n + p - 1) mod 4, which
 * the _PRT in acpi/dsdt.asl and mptable.c repeat.
 */
#include "piix3.h"
#include "effects.h"
#include "string.h"

enum { REG_XBCS = 0x4e, REG_PIRQRC = 0x60 };

/* PIRQRC: bit 7 disables the routing. Bits 3:0: the ISA interrupt. */
enum { ROUTE_DISABLED = 0x80, ROUTE_IRQ = 0x0f };

static const struct pci_identity piix3_identity = {
    .vendor = 0x8086,
    .device = 0x7000,
    .subsystem_vendor = 0x1af4,
    .subsystem = 0x1100,
    .class_code = 0x060100,
    .header_type = PCI_HEADER_MULTI_FUNCTION,
    .command = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER,
    .command_mask = PCI_COMMAND_SERR,
    .status = 0x0200, /* medium DEVSEL timing */
    .writable = {{0x4c, 0xff},
                 {REG_XBCS, 0xff},
                 {REG_XBCS + 1, 0x01},
                 {REG_PIRQRC, ROUTE_DISABLED | ROUTE_IRQ},
                 {REG_PIRQRC + 1, ROUTE_DISABLED | ROUTE_IRQ},
                 {REG_PIRQRC + 2, ROUTE_DISABLED | ROUTE_IRQ},
                 {REG_PIRQRC + 3, ROUTE_DISABLED | ROUTE_IRQ}},
};

static bool piix3_line(const struct piix3 *piix, unsigned pirq)
{
    uint32_t any = 0;
    for (unsigned i = 0; i < PCI_FUNCTIONS / 32; i++)
        any |= piix->asserted[pirq][i];
    return any != 0;
}

static void piix3_drive(const struct piix3 *piix, unsigned pirq, bool level)
{
    uint8_t route = piix->pci.config[REG_PIRQRC + pirq];
    if (!(route & ROUTE_DISABLED))
        effect_irq(route & ROUTE_IRQ, (enum irq_source)(IRQ_PIRQ_A + pirq), level);
}

void piix3_set_interrupt(struct piix3 *piix, uint16_t devfn, unsigned pin, bool level)
{
    unsigned slot = devfn >> 3;
    unsigned pirq = (slot + pin + PIIX3_PIRQS - 1) % PIIX3_PIRQS;
    uint32_t bit = 1u << devfn % 32;
    uint32_t *word = &piix->asserted[pirq][devfn % PCI_FUNCTIONS / 32];
    *word = level ? *word | bit : *word & ~bit;
    piix3_drive(piix, pirq, piix3_line(piix, pirq));
}

/* The lines leave their old ISA interrupts before they reach the new ones. */
static void piix3_config_io(struct piix3 *piix, struct io *io)
{
    bool routes = io->write && io->offset / 4 == REG_PIRQRC / 4;
    for (unsigned pirq = 0; routes && pirq < PIIX3_PIRQS; pirq++)
        piix3_drive(piix, pirq, false);
    pci_config_io(&piix->pci, &piix3_identity, piix, io);
    for (unsigned pirq = 0; routes && pirq < PIIX3_PIRQS; pirq++)
        piix3_drive(piix, pirq, piix3_line(piix, pirq));
}

static void piix3_io(void *state, struct io *io)
{
    if (io->space == IO_CONFIG)
        piix3_config_io(state, io);
}

static void piix3_reset(void *state, const struct device_slot *slot)
{
    struct piix3 *piix = state;
    pci_reset(&piix->pci, &piix3_identity, slot->devfn);
    piix->pci.config[REG_XBCS] = 0x03;
    memset(piix->pci.config + REG_PIRQRC, ROUTE_DISABLED, PIIX3_PIRQS);
}

static const char *piix3_check(const void *state)
{
    const struct piix3 *piix = state;
    for (unsigned pirq = 0; pirq < PIIX3_PIRQS; pirq++)
        if (piix->pci.config[REG_PIRQRC + pirq] & ~(ROUTE_DISABLED | ROUTE_IRQ))
            return "reserved bits of PIRQRC";
    return pci_check(&piix->pci, &piix3_identity);
}

static void piix3_inspect(const void *state, struct inspector *inspector)
{
    static const char *const routes[PIIX3_PIRQS] = {"PIRQA route", "PIRQB route", "PIRQC route",
                                                    "PIRQD route"};
    static const char *const lines[PIIX3_PIRQS] = {"PIRQA", "PIRQB", "PIRQC", "PIRQD"};
    const struct piix3 *piix = state;
    pci_inspect(&piix->pci, inspector);
    for (unsigned pirq = 0; pirq < PIIX3_PIRQS; pirq++) {
        inspector->field(inspector, routes[pirq], piix->pci.config[REG_PIRQRC + pirq]);
        inspector->field(inspector, lines[pirq], piix3_line(piix, pirq));
    }
}

const struct device piix3_device = {
    .name = "PIIX3",
    .state_size = sizeof(struct piix3),
    .region_count = 0,
    .reset = piix3_reset,
    .io = piix3_io,
    .check = piix3_check,
    .inspect = piix3_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
