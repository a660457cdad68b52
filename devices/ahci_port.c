/*
 * The registers of an AHCI port.
 *
 * Document: Serial ATA AHCI 1.3.1, 3.3. Missing: power management of the link, hot plug, FIS-based switching.
 * A port begins and stops its lists at once; it has spun up and has power always. Ignored bits: interface
 * communication control, LEDs, speed limits.
 */
#include "ahci.h"
#include "effects.h"

enum port_register {
    PORT_CLB = 0x00,
    PORT_CLBU = 0x04,
    PORT_FB = 0x08,
    PORT_FBU = 0x0c,
    PORT_IS = 0x10,
    PORT_IE = 0x14,
    PORT_CMD = 0x18,
    PORT_TFD = 0x20,
    PORT_SIG = 0x24,
    PORT_SSTS = 0x28,
    PORT_SCTL = 0x2c,
    PORT_SERR = 0x30,
    PORT_CI = 0x38,
};

enum { CLB_ALIGN = 0x400, FB_ALIGN = 0x100 };
#define IE_WRITABLE 0x7dc0007fu

/* PxCMD: what is always on, what the host sets, CLO; the slot in bits 12:8. */
enum { CMD_SPUN_UP = 6, CMD_WRITABLE = AHCI_CMD_ST | AHCI_CMD_FRE, CMD_CLO = 1 << 3, CMD_SLOT_SHIFT = 8 };
#define CMD_ALL (CMD_SPUN_UP | CMD_WRITABLE | AHCI_CMD_FR | AHCI_CMD_CR)

/* PxSSTS: device and communication, generation 1, active. PxSCTL.DET: COMRESET. */
enum { SSTS_ACTIVE = 0x113, SCTL_DET = 0x0f, SCTL_COMRESET = 1, SCTL_WRITABLE = 0xfff };
#define SERR_EXCHANGED (1u << 26)

/* PxSIG (SATA 2.6, 11.4); task files while there is no drive, and after power-on. */
#define SIGNATURE_DISK 0x00000101u
#define SIGNATURE_NONE 0xffffffffu
enum { TASK_FILE_NONE = 0x7f };

/* The drive answers with its signature (5.3, P:RegFisAccept). */
static void port_link_up(struct ahci_port *port)
{
    ahci_port_stop(port);
    if (!port->drive.kind)
        return;
    ata_reset(&port->drive);
    ahci_port_show(port);
    port->signature = SIGNATURE_DISK;
    port->error |= SERR_EXCHANGED;
    port->interrupt |= AHCI_IS_PCS;
}

void ahci_port_reset(struct ahci_port *port)
{
    port->list = port->received = 0;
    port->interrupt = port->interrupt_enable = port->error = port->issued = port->sata_control = 0;
    port->command = CMD_SPUN_UP;
    port->stopped = false;
    port->current = 0;
    port->task_file = TASK_FILE_NONE;
    port->signature = SIGNATURE_NONE;
    port_link_up(port);
}

static void write_command(struct ahci_port *port, uint32_t value)
{
    bool started = port->command & AHCI_CMD_ST;
    port->command = CMD_SPUN_UP | (value & CMD_WRITABLE);
    if (value & AHCI_CMD_ST)
        port->command |= AHCI_CMD_CR;
    if (value & AHCI_CMD_FRE)
        port->command |= AHCI_CMD_FR;
    if (started && !(value & AHCI_CMD_ST)) {
        port->issued = 0;
        port->stopped = false;
        port->current = 0;
        ahci_port_stop(port);
    }
    if (value & CMD_CLO)
        port->task_file &= ~(uint32_t)(ATA_BSY | ATA_DRQ);
}

static void write_sata_control(struct ahci_port *port, uint32_t value)
{
    bool before = (port->sata_control & SCTL_DET) == SCTL_COMRESET,
         after = (value & SCTL_DET) == SCTL_COMRESET;
    port->sata_control = value & SCTL_WRITABLE;
    if (after) {
        ahci_port_stop(port);
        port->task_file = TASK_FILE_NONE;
    } else if (before) {
        port_link_up(port);
    }
}

static void write_half(uint64_t *address, bool upper, uint32_t value, uint32_t align)
{
    if (upper)
        *address = (*address & UINT32_MAX) | (uint64_t)value << 32;
    else
        *address = (*address & ~(uint64_t)UINT32_MAX) | (value & ~(align - 1));
}

static void port_write(struct ahci_port *port, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case PORT_CLB:
    case PORT_CLBU:
        write_half(&port->list, offset == PORT_CLBU, value, CLB_ALIGN);
        break;
    case PORT_FB:
    case PORT_FBU:
        write_half(&port->received, offset == PORT_FBU, value, FB_ALIGN);
        break;
    case PORT_IS: /* the change of the connection is cleared at its source */
        port->interrupt &= ~value | AHCI_IS_PCS;
        break;
    case PORT_IE:
        port->interrupt_enable = value & IE_WRITABLE;
        break;
    case PORT_CMD:
        write_command(port, value);
        break;
    case PORT_SCTL:
        write_sata_control(port, value);
        break;
    case PORT_SERR:
        port->error &= ~value;
        if (!(port->error & SERR_EXCHANGED))
            port->interrupt &= ~(uint32_t)AHCI_IS_PCS;
        break;
    case PORT_CI:
        if (port->command & AHCI_CMD_ST)
            port->issued |= value;
        break;
    }
}

static uint32_t port_read(const struct ahci_port *port, uint32_t offset)
{
    bool link = port->drive.kind && (port->sata_control & SCTL_DET) == 0;
    switch (offset) {
    case PORT_CLB:
        return (uint32_t)port->list;
    case PORT_CLBU:
        return (uint32_t)(port->list >> 32);
    case PORT_FB:
        return (uint32_t)port->received;
    case PORT_FBU:
        return (uint32_t)(port->received >> 32);
    case PORT_IS:
        return port->interrupt;
    case PORT_IE:
        return port->interrupt_enable;
    case PORT_CMD:
        return port->command | (uint32_t)port->current << CMD_SLOT_SHIFT;
    case PORT_TFD:
        return port->task_file;
    case PORT_SIG:
        return port->signature;
    case PORT_SSTS:
        return link ? SSTS_ACTIVE : 0;
    case PORT_SCTL:
        return port->sata_control;
    case PORT_SERR:
        return port->error;
    case PORT_CI:
        return port->issued;
    }
    return 0;
}

void ahci_port_io(struct ahci_port *port, uint32_t offset, struct io *io)
{
    if (io->write)
        port_write(port, offset, io->value);
    else
        io->value = port_read(port, offset);
}

const char *ahci_port_check(const struct ahci_port *port)
{
    if (port->slot > AHCI_SLOTS || port->entries > UINT16_MAX || port->pio_in > 1 || port->stopped > 1 ||
        port->current >= AHCI_SLOTS)
        return "command of a port";
    if (port->list & (CLB_ALIGN - 1) || port->received & (FB_ALIGN - 1) || port->command & ~(uint32_t)CMD_ALL)
        return "reserved bits of a port";
    if (port->drive.kind == ATA_CD)
        return "kind of the drive";
    /* A command in progress has data to move: what has none ends at once. */
    if (port->slot < AHCI_SLOTS && (!port->drive.transfer.phase || !(port->issued >> port->slot & 1)))
        return "command in progress";
    return ata_check(&port->drive);
}
