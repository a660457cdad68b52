/* MSI-X: a function's table of messages. State and functions; see msix.c. */
#pragma once

#include "pci.h"

enum { MSIX_VECTORS_MAX = 4, MSIX_CAPABILITY_SIZE = 12, MSIX_ENTRY_SIZE = 16 };

struct msix_entry {
    uint32_t address_low, address_high, data, control;
};

struct msix {
    struct msix_entry entry[MSIX_VECTORS_MAX];
    uint32_t pending;   /* a bit for each vector */
    uint8_t count;      /* of vectors */
    uint8_t capability; /* its offset in configuration space */
    uint8_t reserved[2];
};

/* All vectors masked; adds the capability, with table and PBA at two offsets inside BAR number `bar`. */
void msix_reset(struct msix *msix, struct pci_function *function, uint8_t capability, unsigned count,
                unsigned bar, uint32_t table, uint32_t pba);
/* An access of at most 4 bytes to the table or to the PBA, offset from its start. */
void msix_table_io(struct msix *msix, const struct pci_function *function, uint32_t offset, struct io *io);
void msix_pba_io(const struct msix *msix, uint32_t offset, struct io *io);
/* To be called after a write to configuration space: sends what a lifted function mask had held back. */
void msix_config_written(struct msix *msix, const struct pci_function *function);
bool msix_enabled(const struct msix *msix, const struct pci_function *function);
/* Sends the vector's message, or keeps it pending while it is masked. Unknown vectors are dropped. */
void msix_raise(struct msix *msix, const struct pci_function *function, unsigned vector);
const char *msix_check(const struct msix *msix, unsigned count, uint8_t capability);
