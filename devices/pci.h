/*
 * A PCI function as every PCI device of the virtual PC has one: its configuration header, base address
 * registers, capabilities and interrupt pin. See pci.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { PCI_CONFIG_SIZE = 256, PCI_BARS = 6, PCI_WRITABLE_MAX = 24 };

#define PCI_DEVFN(slot, function) ((slot) << 3 | (function))

/* Configuration header, type 0 (PCI Local Bus Specification 3.0, 6.1). */
enum pci_register {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION_ID = 0x08,
    PCI_CLASS_CODE = 0x09, /* three bytes */
    PCI_CACHE_LINE_SIZE = 0x0c,
    PCI_LATENCY_TIMER = 0x0d,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10,
    PCI_SUBSYSTEM_VENDOR_ID = 0x2c,
    PCI_SUBSYSTEM_ID = 0x2e,
    PCI_CAPABILITIES = 0x34,
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
};

enum pci_command {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_PARITY = 1 << 6,
    PCI_COMMAND_SERR = 1 << 8,
    PCI_COMMAND_INTX_DISABLE = 1 << 10,
};

enum pci_status { PCI_STATUS_INTERRUPT = 1 << 3, PCI_STATUS_CAPABILITIES = 1 << 4 };

enum { PCI_HEADER_MULTI_FUNCTION = 0x80 };

/* Low bits of a base address register (6.2.5.1). */
enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEMORY, PCI_BAR_PREFETCHABLE };
enum { PCI_BAR_IO_SPACE = 1, PCI_BAR_PREFETCH = 8 };

struct pci_bar {
    uint32_t size;  /* bytes, a power of two */
    uint8_t kind;   /* enum pci_bar_kind */
    uint8_t region; /* of the device, that this register moves */
};

/* A byte of configuration space beyond the header that the guest may change. */
struct pci_writable {
    uint8_t offset, mask;
};

/* What a kind of function is; const. */
struct pci_identity {
    uint16_t vendor, device, subsystem_vendor, subsystem;
    uint32_t class_code; /* base class << 16 | subclass << 8 | interface */
    uint8_t revision;
    uint8_t header_type;
    uint8_t interrupt_pin; /* 1-4: INTA-D; 0: none */
    uint16_t command;      /* its value after reset */
    uint16_t command_mask; /* bits that the guest may change */
    uint16_t status;
    struct pci_bar bar[PCI_BARS];
    struct pci_writable writable[PCI_WRITABLE_MAX]; /* up to the first with mask 0 */
};

/* Part of a device's state block. */
struct pci_function {
    uint16_t devfn;
    uint8_t interrupt; /* level of its INTx as the device drives it */
    uint8_t reserved[5];
    uint8_t config[PCI_CONFIG_SIZE];
};

/* The header after reset. */
void pci_reset(struct pci_function *function, const struct pci_identity *identity, uint16_t devfn);
/* An access to configuration space with io->space IO_CONFIG. Moves the regions of `state`, the device's
 * block, when a base address register or the command register was written. */
void pci_config_io(struct pci_function *function, const struct pci_identity *identity, const void *state,
                   struct io *io);
/* Level of the function's interrupt pin; with the pin disabled only the status bit shows it (6.2.2). */
void pci_set_interrupt(struct pci_function *function, bool level);
/* Appends a capability of `length` bytes at `offset`, which is a multiple of 4, in front of the others. The
 * first two bytes are its ID and the link, filled in here. */
void pci_add_capability(struct pci_function *function, uint8_t id, uint8_t offset);
/* NULL, or the broken rule: bits of the header that nobody can change differ from the identity. */
const char *pci_check(const struct pci_function *function, const struct pci_identity *identity);
void pci_inspect(const struct pci_function *function, struct inspector *inspector);

uint16_t pci_get16(const struct pci_function *function, unsigned offset);
uint32_t pci_get32(const struct pci_function *function, unsigned offset);
void pci_put16(struct pci_function *function, unsigned offset, uint16_t value);
void pci_put32(struct pci_function *function, unsigned offset, uint32_t value);
