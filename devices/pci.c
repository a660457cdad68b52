/*
 * PCI functions: configuration header, base address registers, capabilities, interrupt pin.
 *
 * Document: PCI Local Bus Specification 3.0, chapter 6. State: struct pci_function, inside the state block of
 * each PCI device. Missing: 64-bit and expansion ROM base address registers (they read 0: not implemented);
 * power management; parity and error status, which stay clear. Ignored bits: bus mastering (devices move data
 * whenever they are asked to), parity and SERR enable. All 32 bits of an I/O base are kept; a base above
 * 0xffff is not mapped.
 */
#include "pci.h"
#include "effects.h"
#include "string.h"

enum { CAPABILITY_LINK = 1, HEADER_SIZE = 0x40, BAR_SIZE = 4 };
enum { IO_SPACE_SIZE = 0x10000 };

uint16_t pci_get16(const struct pci_function *function, unsigned offset)
{
    const uint8_t *at = function->config + offset % PCI_CONFIG_SIZE;
    return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t pci_get32(const struct pci_function *function, unsigned offset)
{
    return pci_get16(function, offset) | (uint32_t)pci_get16(function, offset + 2) << 16;
}

void pci_put16(struct pci_function *function, unsigned offset, uint16_t value)
{
    function->config[offset % PCI_CONFIG_SIZE] = (uint8_t)value;
    function->config[(offset + 1) % PCI_CONFIG_SIZE] = (uint8_t)(value >> 8);
}

void pci_put32(struct pci_function *function, unsigned offset, uint32_t value)
{
    pci_put16(function, offset, (uint16_t)value);
    pci_put16(function, offset + 2, (uint16_t)(value >> 16));
}

void pci_reset(struct pci_function *function, const struct pci_identity *identity, uint16_t devfn)
{
    memset(function, 0, sizeof *function);
    function->devfn = devfn;
    pci_put16(function, PCI_VENDOR_ID, identity->vendor);
    pci_put16(function, PCI_DEVICE_ID, identity->device);
    pci_put16(function, PCI_COMMAND, identity->command);
    pci_put16(function, PCI_STATUS, identity->status);
    pci_put32(function, PCI_REVISION_ID, identity->revision | identity->class_code << 8);
    function->config[PCI_HEADER_TYPE] = identity->header_type;
    pci_put16(function, PCI_SUBSYSTEM_VENDOR_ID, identity->subsystem_vendor);
    pci_put16(function, PCI_SUBSYSTEM_ID, identity->subsystem);
    function->config[PCI_INTERRUPT_PIN] = identity->interrupt_pin;
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint8_t kind = identity->bar[i].kind;
        if (kind == PCI_BAR_IO || kind == PCI_BAR_PREFETCHABLE)
            function->config[PCI_BAR0 + BAR_SIZE * i] =
                kind == PCI_BAR_IO ? PCI_BAR_IO_SPACE : PCI_BAR_PREFETCH;
    }
}

void pci_add_capability(struct pci_function *function, uint8_t id, uint8_t offset)
{
    function->config[offset] = id;
    function->config[offset + CAPABILITY_LINK] = function->config[PCI_CAPABILITIES];
    function->config[PCI_CAPABILITIES] = offset;
    pci_put16(function, PCI_STATUS, pci_get16(function, PCI_STATUS) | PCI_STATUS_CAPABILITIES);
}

/* The bits of one byte of configuration space that a write may change. */
static uint8_t pci_writable_bits(const struct pci_identity *identity, unsigned offset)
{
    if (offset == PCI_COMMAND || offset == PCI_COMMAND + 1)
        return (uint8_t)(identity->command_mask >> 8 * (offset - PCI_COMMAND));
    if (offset == PCI_CACHE_LINE_SIZE || offset == PCI_LATENCY_TIMER || offset == PCI_INTERRUPT_LINE)
        return 0xff;
    if (offset >= PCI_BAR0 && offset < PCI_BAR0 + PCI_BARS * BAR_SIZE) {
        const struct pci_bar *bar = &identity->bar[(offset - PCI_BAR0) / BAR_SIZE];
        uint32_t mask = bar->kind == PCI_BAR_NONE ? 0 : ~(bar->size - 1);
        return (uint8_t)(mask >> 8 * (offset % BAR_SIZE));
    }
    for (unsigned i = 0; i < PCI_WRITABLE_MAX && identity->writable[i].mask; i++)
        if (identity->writable[i].offset == offset)
            return identity->writable[i].mask;
    return 0;
}

/* Maps each region where its register says, if its space is enabled. Zero is a register that has not been
 * set; one that reaches the end of its space is being sized. */
static void pci_map_bars(const struct pci_function *function, const struct pci_identity *identity,
                         const void *state)
{
    uint16_t command = pci_get16(function, PCI_COMMAND);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &identity->bar[i];
        if (bar->kind == PCI_BAR_NONE)
            continue;
        bool io = bar->kind == PCI_BAR_IO;
        uint64_t base = pci_get32(function, PCI_BAR0 + BAR_SIZE * i) & ~(bar->size - 1);
        uint64_t end = io ? IO_SPACE_SIZE : UINT32_MAX;
        bool on = command & (io ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY) && base && base + bar->size <= end;
        effect_region(state, bar->region, on ? base : 0, on ? bar->size : 0);
    }
}

static void pci_drive_pin(const struct pci_function *function)
{
    unsigned pin = function->config[PCI_INTERRUPT_PIN];
    bool disabled = pci_get16(function, PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
    if (pin)
        effect_pci_interrupt(function->devfn, pin - 1, function->interrupt && !disabled);
}

void pci_set_interrupt(struct pci_function *function, bool level)
{
    uint16_t status = pci_get16(function, PCI_STATUS);
    if (function->interrupt == level)
        return;
    function->interrupt = level;
    pci_put16(function, PCI_STATUS,
              level ? status | PCI_STATUS_INTERRUPT : status & (uint16_t)~PCI_STATUS_INTERRUPT);
    pci_drive_pin(function);
}

void pci_config_io(struct pci_function *function, const struct pci_identity *identity, const void *state,
                   struct io *io)
{
    unsigned offset = io->offset % PCI_CONFIG_SIZE;
    if (!io->write) {
        io->value = 0;
        for (unsigned i = 0; i < io->size && offset + i < PCI_CONFIG_SIZE; i++)
            io->value |= (uint32_t)function->config[offset + i] << 8 * i;
        return;
    }
    for (unsigned i = 0; i < io->size && offset + i < PCI_CONFIG_SIZE; i++) {
        uint8_t mask = pci_writable_bits(identity, offset + i);
        uint8_t *byte = &function->config[offset + i];
        *byte = (uint8_t)((*byte & ~mask) | (io->value >> 8 * i & mask));
    }
    bool command = offset / 4 == PCI_COMMAND / 4;
    if (command || (offset >= PCI_BAR0 && offset < PCI_BAR0 + PCI_BARS * BAR_SIZE))
        pci_map_bars(function, identity, state);
    if (command)
        pci_drive_pin(function);
}

const char *pci_check(const struct pci_function *function, const struct pci_identity *identity)
{
    struct pci_function fresh;
    pci_reset(&fresh, identity, function->devfn);
    if (function->interrupt > 1)
        return "level of the interrupt pin";
    for (unsigned i = 0; i < HEADER_SIZE; i++) {
        /* Status bits and the list of capabilities are the device's to set. */
        if (i == PCI_STATUS || i == PCI_CAPABILITIES)
            continue;
        if ((function->config[i] ^ fresh.config[i]) & ~pci_writable_bits(identity, i))
            return "read-only part of the PCI header";
    }
    return NULL;
}

void pci_inspect(const struct pci_function *function, struct inspector *inspector)
{
    static const char *const names[PCI_BARS] = {"bar 0", "bar 1", "bar 2", "bar 3", "bar 4", "bar 5"};
    inspector->field(inspector, "devfn", function->devfn);
    inspector->field(inspector, "id", pci_get32(function, PCI_VENDOR_ID));
    inspector->field(inspector, "command", pci_get16(function, PCI_COMMAND));
    inspector->field(inspector, "status", pci_get16(function, PCI_STATUS));
    for (unsigned i = 0; i < PCI_BARS; i++)
        inspector->field(inspector, names[i], pci_get32(function, PCI_BAR0 + BAR_SIZE * i));
    inspector->field(inspector, "interrupt", function->interrupt);
}
