/*
 * A driver of the first disk of an AHCI controller, polling, for test kernels (Serial ATA AHCI 1.3.1).
 * Commands go into slots, and run when they are issued, some at once. A BAR that no firmware has placed is
 * placed here.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "dma.h"

enum { AHCI_SLOTS = 32, AHCI_TIMEOUT = 0xbad };
enum ahci_host_register { AHCI_CAP = 0x00, AHCI_GHC = 0x04, AHCI_IS = 0x08, AHCI_PI = 0x0c };
enum ahci_port_register {
    AHCI_PX_IS = 0x10,
    AHCI_PX_CMD = 0x18,
    AHCI_PX_TFD = 0x20,
    AHCI_PX_SIG = 0x24,
    AHCI_PX_SSTS = 0x28,
    AHCI_PX_SCTL = 0x2c,
    AHCI_PX_SERR = 0x30,
    AHCI_PX_CI = 0x38
};

/* A controller with a disk; false: there is none. */
bool ahci_find(void);
uint32_t ahci_host_read(uint32_t offset);
void ahci_host_write(uint32_t offset, uint32_t value);
/* Registers of its port. */
uint32_t ahci_read(uint32_t offset);
void ahci_write(uint32_t offset, uint32_t value);

/* PxCMD.ST and FRE with the lists in place; false: the drive is busy. */
bool ahci_start(void);
/* Both off, and until the port says so. */
bool ahci_stop(void);
/* COMRESET, and until the drive has come back; the port is stopped before. */
bool ahci_comreset(void);

/* Puts a command into a slot. */
void ahci_prepare(uint32_t slot, uint8_t code, uint64_t lba, uint32_t count, bool write,
                  const struct dma_pieces *pieces);
/* A FIS that is no command: the device control register. */
void ahci_prepare_control(uint32_t slot, uint8_t control);
void ahci_issue(uint32_t slots);
/* Until they are done: 0, the error register, or AHCI_TIMEOUT. */
uint32_t ahci_end(uint32_t slots);
/* One command in slot 0, of which an error is cleared behind it. */
uint32_t ahci_do(uint8_t code, uint64_t lba, uint32_t count, bool write, const struct dma_pieces *pieces);
/* Bytes that the controller says it has moved. */
uint32_t ahci_moved(uint32_t slot);
/* The address in the last register FIS that came from the drive. */
uint64_t ahci_reported(void);
