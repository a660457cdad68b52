/* AHCI: state block. See ahci.c for the controller, ahci_port.c for a port's registers, ahci_command.c for
 * its commands. */
#pragma once

#include "ata.h"
#include "pci.h"

enum { AHCI_PORTS = GUEST_DISKS_MAX, AHCI_SLOTS = 32 };

struct ahci_port {
    struct ata_drive drive;
    /* Registers (AHCI 1.3.1, 3.3): PxCLB and PxFB with their upper halves, PxIS, PxIE, PxCMD, PxSIG, PxSERR,
     * PxCI, PxSCTL, PxTFD. */
    uint64_t list, received;
    uint32_t interrupt, interrupt_enable, command, signature, error, issued, sata_control, task_file;
    /* The command in progress. */
    uint32_t slot;    /* or AHCI_SLOTS: none */
    uint32_t entries; /* of its table of regions */
    uint32_t next;    /* entry */
    uint32_t left;    /* bytes of the last one, from address on */
    uint64_t table, address;
    uint32_t moved;  /* bytes */
    uint8_t pio_in;  /* ends with a PIO Setup FIS */
    uint8_t stopped; /* by an error, until PxCMD.ST is cleared */
    uint8_t current; /* slot of the last command that was fetched: PxCMD.CCS */
    uint8_t reserved[1];
};

struct ahci {
    struct pci_function pci;
    uint32_t control;   /* GHC */
    uint32_t interrupt; /* IS: a bit for each port */
    uint32_t present;   /* ports with drives; 0: the function is not there */
    uint32_t reserved;
    uint64_t resume; /* guest time in ns at which the rest of long commands is done, or DEADLINE_NONE */
    struct ahci_port port[AHCI_PORTS];
};

extern const struct device ahci_device;

/* PxIS (3.3.5), PxCMD (3.3.7). */
enum ahci_interrupt {
    AHCI_IS_DHRS = 1 << 0,  /* device to host register FIS */
    AHCI_IS_PSS = 1 << 1,   /* PIO setup FIS */
    AHCI_IS_PCS = 1 << 6,   /* connection changed: PxSERR.DIAG.X */
    AHCI_IS_OFS = 1 << 24,  /* more data than the table has room for */
    AHCI_IS_HBFS = 1 << 29, /* host bus fatal error */
    AHCI_IS_TFES = 1 << 30, /* task file error */
};
enum ahci_command {
    AHCI_CMD_ST = 1 << 0,
    AHCI_CMD_FRE = 1 << 4,
    AHCI_CMD_FR = 1 << 14,
    AHCI_CMD_CR = 1 << 15
};

/* ahci_port.c: a port after a reset of the controller; an access to its registers; its rules. */
void ahci_port_reset(struct ahci_port *port);
void ahci_port_io(struct ahci_port *port, uint32_t offset, struct io *io);
const char *ahci_port_check(const struct ahci_port *port);

/* ahci_command.c: does the commands that are issued, up to a bounded number of bytes; true when there are
 * more. */
bool ahci_port_run(struct ahci_port *port);
/* Forgets the command in progress. */
void ahci_port_stop(struct ahci_port *port);
/* What the drive's registers say, to PxTFD. */
void ahci_port_show(struct ahci_port *port);
