/*
 * The bus master of the PIIX3's IDE function: moves the data of DMA commands to and from guest RAM along a
 * table of physical region descriptors.
 *
 * Documents: Programming Interface for Bus Master IDE Controller 1.0 (Intel, 1994); 82371SB data sheet,
 * 2.3.11 to 2.3.13. Missing: nothing of these registers. Ignored bits: the direction, which the drive's
 * command has; the drives' DMA capable bits, which only read as written; of a descriptor bit 0 of the address
 * and of the byte count, which have to be 0, and the reserved bits. An address that is not RAM is a master
 * abort: the transfer stops with the error bit.
 *
 * Bounds: one call moves at most BATCH_BYTES and looks at BATCH_ENTRIES descriptors.
 */
#include "effects.h"
#include "ide.h"
#include "little_endian.h"

enum { CHANNEL_PORTS = BMIDE_SIZE / IDE_CHANNELS, REG_COMMAND = 0, REG_STATUS = 2, REG_TABLE = 4 };
enum { COMMAND_START = 1, COMMAND_WRITABLE = 9 /* start and direction */ };
enum { STATUS_ERROR = 2, STATUS_CAPABLE = 0x60, STATUS_CLEARED = BMIDE_INTERRUPT | STATUS_ERROR };
#define TABLE_WRITABLE 0xfffffffcu

/* A descriptor: address, byte count (0: 64 KiB) and the mark of the last one. */
enum { ENTRY_SIZE = 8, ENTRY_COUNT = 4, ENTRY_BYTES_MAX = 0x10000 };
#define ENTRY_LAST (1u << 31)

enum { BATCH_BYTES = 1 << 20, BATCH_ENTRIES = 1024 };

static void bmide_stop(struct bmide *bmide, uint8_t status)
{
    bmide->status = (uint8_t)((bmide->status & ~BMIDE_ACTIVE) | status);
}

static bool bmide_next_entry(struct bmide *bmide)
{
    const uint8_t *entry = effect_ram(bmide->next, ENTRY_SIZE);
    if (!entry)
        return false;
    uint32_t count = load32(entry + ENTRY_COUNT);
    bmide->address = load32(entry) & ~1u;
    bmide->left = count & (ENTRY_BYTES_MAX - 2) ? count & (ENTRY_BYTES_MAX - 2) : ENTRY_BYTES_MAX;
    bmide->last = count >> 31;
    bmide->next += ENTRY_SIZE;
    return true;
}

bool bmide_run(struct ide_channel *channel)
{
    struct bmide *bmide = &channel->bmide;
    struct ata_drive *drive = ide_selected(channel);
    uint32_t bytes = 0;
    for (unsigned i = 0; bmide->status & BMIDE_ACTIVE && drive->transfer.phase && drive->transfer.dma; i++) {
        if (bytes >= BATCH_BYTES || i >= BATCH_ENTRIES)
            return true;
        if (!bmide->left && !bmide_next_entry(bmide)) {
            bmide_stop(bmide, STATUS_ERROR);
            break;
        }
        uint8_t *ram = effect_ram(bmide->address, bmide->left);
        if (!ram) {
            bmide_stop(bmide, STATUS_ERROR);
            break;
        }
        uint32_t moved = ata_move(drive, ram, bmide->left);
        bmide->address += moved;
        bmide->left -= moved;
        bytes += moved;
        if (!bmide->left && bmide->last)
            bmide_stop(bmide, 0);
    }
    return false;
}

static void bmide_write_command(struct bmide *bmide, uint8_t value)
{
    bool start = value & ~bmide->command & COMMAND_START;
    bmide->command = value & COMMAND_WRITABLE;
    if (start) {
        bmide->status |= BMIDE_ACTIVE;
        bmide->next = bmide->table;
        bmide->left = 0;
        bmide->last = 0;
    } else if (!(value & COMMAND_START)) {
        bmide_stop(bmide, 0);
    }
}

static void bmide_write(struct bmide *bmide, unsigned offset, uint8_t value)
{
    unsigned shift = 8 * (offset & 3);
    if (offset == REG_COMMAND)
        bmide_write_command(bmide, value);
    else if (offset == REG_STATUS)
        bmide->status = (uint8_t)((bmide->status & ~STATUS_CAPABLE & ~(value & STATUS_CLEARED)) |
                                  (value & STATUS_CAPABLE));
    else if (offset >= REG_TABLE)
        bmide->table = ((bmide->table & ~(0xffu << shift)) | (uint32_t)value << shift) & TABLE_WRITABLE;
}

static uint8_t bmide_read(const struct bmide *bmide, unsigned offset)
{
    if (offset == REG_COMMAND)
        return bmide->command;
    if (offset == REG_STATUS)
        return bmide->status;
    return offset >= REG_TABLE ? (uint8_t)(bmide->table >> 8 * (offset & 3)) : 0;
}

void bmide_io(struct ide *ide, struct io *io)
{
    struct bmide *bmide = &ide->channel[io->offset / CHANNEL_PORTS % IDE_CHANNELS].bmide;
    uint32_t value = 0;
    for (unsigned i = 0; i < io->size; i++) {
        unsigned offset = (io->offset + i) % CHANNEL_PORTS;
        if (io->write)
            bmide_write(bmide, offset, (uint8_t)(io->value >> 8 * i));
        else
            value |= (uint32_t)bmide_read(bmide, offset) << 8 * i;
    }
    if (!io->write)
        io->value = value;
}

const char *bmide_check(const struct bmide *bmide)
{
    if (bmide->command & ~COMMAND_WRITABLE || bmide->table & ~TABLE_WRITABLE || bmide->last > 1)
        return "reserved bits of the bus master";
    if (bmide->status & ~(STATUS_CAPABLE | STATUS_CLEARED | BMIDE_ACTIVE) || bmide->left > ENTRY_BYTES_MAX)
        return "state of the bus master";
    return NULL;
}
