/*
 * Commands of an AHCI port: from the list in guest RAM to the drive, data along the table of regions, and the
 * FIS by which the drive answers.
 *
 * Documents: Serial ATA AHCI 1.3.1, 4 (structures) and 5 (operation); Serial ATA 2.6, 10.3 (FIS). Missing:
 * native command queuing, port multipliers, packet commands: the drives are disks, which abort them.
 * Different: PIO data for the host have one PIO Setup FIS, behind the last of them. Ignored bits: in the
 * first word of a command's header all but the number of regions; of a region I (interrupt on completion); of
 * a FIS the port multiplier's port, and the control byte of one with a command. An address that is not RAM is
 * a host bus fatal error, and stops the port as any error does.
 *
 * Bounds: one call moves at most BATCH_BYTES and looks at BATCH_ENTRIES regions and commands.
 */
#include "ahci.h"
#include "effects.h"
#include "little_endian.h"
#include "string.h"

enum { BATCH_BYTES = 1 << 20, BATCH_ENTRIES = 1024 };

/* Command header (4.2.2). */
enum { HEADER_SIZE = 32, HEADER_MOVED = 4, HEADER_TABLE = 8, HEADER_ENTRIES_SHIFT = 16 };
/* Command table (4.2.3): the FIS, and regions of at most 4 MiB. */
enum { FIS_SIZE = 20, TABLE_REGIONS = 0x80, REGION_SIZE = 16, REGION_COUNT = 12, REGION_BYTES = 0x3fffff };

/* FIS types and bits (SATA 2.6, 10.3), and where they are received (4.2.1). */
enum { FIS_HOST = 0x27, FIS_DEVICE = 0x34, FIS_PIO_SETUP = 0x5f };
enum { FIS_IS_COMMAND = 0x80, FIS_INTERRUPT = 0x40, FIS_DATA_IN = 0x20, FIS_CONTROL_SRST = 4 };
enum { RECEIVED_PIO_SETUP = 0x20, RECEIVED_DEVICE = 0x40, RECEIVED_SIZE = 0x100 };

void ahci_port_show(struct ahci_port *port)
{
    const struct ata_registers *r = &port->drive.registers;
    port->task_file = r->status | (uint32_t)r->error << 8;
}

void ahci_port_stop(struct ahci_port *port)
{
    port->slot = AHCI_SLOTS;
    port->left = 0;
    port->drive.transfer = (struct ata_transfer){0};
}

/* The FIS with the registers of the drive, which both kinds have in their first 14 bytes. */
static void fis_receive(struct ahci_port *port, uint8_t type, unsigned place)
{
    const struct ata_registers *r = &port->drive.registers;
    uint8_t *to = port->command & AHCI_CMD_FRE ? effect_ram(port->received, RECEIVED_SIZE) : NULL;
    uint8_t fis[FIS_SIZE] = {
        type,
        FIS_INTERRUPT | (type == FIS_PIO_SETUP ? FIS_DATA_IN : 0),
        r->status,
        r->error,
        (uint8_t)r->lba_low,
        (uint8_t)r->lba_mid,
        (uint8_t)r->lba_high,
        r->device,
        (uint8_t)(r->lba_low >> 8),
        (uint8_t)(r->lba_mid >> 8),
        (uint8_t)(r->lba_high >> 8),
        0,
        (uint8_t)r->count,
        (uint8_t)(r->count >> 8),
    };
    if (type == FIS_PIO_SETUP) {
        fis[2] |= ATA_DRQ;
        fis[15] = r->status; /* when the data have been moved */
        store16(fis + 16, (uint16_t)port->moved);
    }
    if (to)
        memcpy(to + place, fis, sizeof fis);
}

/* The drive's last word on a command, or its signature after a reset. */
static void device_fis(struct ahci_port *port)
{
    fis_receive(port, FIS_DEVICE, RECEIVED_DEVICE);
    port->interrupt |= AHCI_IS_DHRS;
}

static void port_fail(struct ahci_port *port, uint32_t interrupt)
{
    port->interrupt |= interrupt;
    port->stopped = true;
    ahci_port_stop(port);
}

static void command_end(struct ahci_port *port)
{
    uint8_t *header = effect_ram(port->list + port->slot * HEADER_SIZE, HEADER_SIZE);
    ahci_port_show(port);
    if (header)
        store32(header + HEADER_MOVED, port->moved);
    if (port->drive.registers.status & ATA_ERR) {
        device_fis(port);
        port_fail(port, AHCI_IS_TFES);
        return;
    }
    if (port->pio_in) {
        fis_receive(port, FIS_PIO_SETUP, RECEIVED_PIO_SETUP);
        port->interrupt |= AHCI_IS_PSS;
    } else {
        device_fis(port);
    }
    port->issued &= ~(1u << port->slot);
    ahci_port_stop(port);
}

/* The control register alone: SRST, set and cleared by a FIS each. */
static void control_fis(struct ahci_port *port, const uint8_t *fis)
{
    struct ata_drive *drive = &port->drive;
    bool in_reset = drive->registers.status & ATA_BSY;
    port->issued &= ~(1u << port->slot);
    ahci_port_stop(port);
    if (fis[15] & FIS_CONTROL_SRST) {
        drive->registers.status = ATA_BSY;
    } else if (in_reset) {
        ata_reset(drive);
        device_fis(port);
    }
    ahci_port_show(port);
}

static void command_fis(struct ahci_port *port, const uint8_t *fis)
{
    struct ata_registers *r = &port->drive.registers;
    r->features = (uint16_t)(fis[3] | fis[11] << 8);
    r->lba_low = (uint16_t)(fis[4] | fis[8] << 8);
    r->lba_mid = (uint16_t)(fis[5] | fis[9] << 8);
    r->lba_high = (uint16_t)(fis[6] | fis[10] << 8);
    r->device = fis[7];
    r->count = (uint16_t)(fis[12] | fis[13] << 8);
    if (fis[2] == ATA_EXECUTE_DEVICE_DIAGNOSTIC)
        ata_reset(&port->drive);
    else
        ata_command(&port->drive, fis[2]);
    port->pio_in = port->drive.transfer.phase == ATA_IN && !port->drive.transfer.dma;
}

/* Fetches the command of a slot. */
static void command_begin(struct ahci_port *port, uint32_t slot)
{
    uint8_t header[HEADER_SIZE], fis[FIS_SIZE];
    const uint8_t *from = effect_ram(port->list + slot * HEADER_SIZE, HEADER_SIZE);
    port->slot = slot;
    port->current = (uint8_t)slot;
    if (from)
        memcpy(header, from, sizeof header);
    port->table = from ? load64(header + HEADER_TABLE) & ~0x7full : 0;
    const uint8_t *table = effect_ram(port->table, TABLE_REGIONS);
    if (!from || !table) {
        port_fail(port, AHCI_IS_HBFS);
        return;
    }
    memcpy(fis, table, sizeof fis);
    port->entries = load32(header) >> HEADER_ENTRIES_SHIFT;
    port->next = port->left = port->moved = 0;
    port->pio_in = false;
    if (fis[0] != FIS_HOST)
        port_fail(port, AHCI_IS_HBFS);
    else if (fis[1] & FIS_IS_COMMAND)
        command_fis(port, fis);
    else
        control_fis(port, fis);
}

/* The next region of the table: 0, or why there is none. */
static uint32_t region_next(struct ahci_port *port)
{
    if (port->next >= port->entries)
        return AHCI_IS_OFS;
    const uint8_t *entry =
        effect_ram(port->table + TABLE_REGIONS + (uint64_t)port->next * REGION_SIZE, REGION_SIZE);
    if (!entry)
        return AHCI_IS_HBFS;
    port->address = load64(entry) & ~1ull;
    port->left = (load32(entry + REGION_COUNT) & REGION_BYTES) + 1;
    port->next++;
    return 0;
}

/* Moves what fits into one region; returns how many bytes. */
static uint32_t region_move(struct ahci_port *port)
{
    uint32_t why = port->left ? 0 : region_next(port);
    uint8_t *ram = why ? NULL : effect_ram(port->address, port->left);
    if (!ram) {
        port_fail(port, why ? why : AHCI_IS_HBFS);
        return 0;
    }
    uint32_t moved = ata_move(&port->drive, ram, port->left);
    port->address += moved;
    port->left -= moved;
    port->moved += moved;
    return moved;
}

bool ahci_port_run(struct ahci_port *port)
{
    struct ata_drive *drive = &port->drive;
    uint32_t bytes = 0;
    for (unsigned i = 0; port->command & AHCI_CMD_ST && !port->stopped && drive->kind && port->issued; i++) {
        if (bytes >= BATCH_BYTES || i >= BATCH_ENTRIES)
            return true;
        if (port->slot == AHCI_SLOTS)
            command_begin(port, (uint32_t)__builtin_ctz(port->issued));
        else
            bytes += region_move(port);
        if (port->slot != AHCI_SLOTS && !drive->transfer.phase)
            command_end(port);
    }
    return false;
}
