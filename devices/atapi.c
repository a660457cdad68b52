/*
 * Packet commands of a CD drive: readiness, the tray, and reading. What only informs is in atapi_info.c.
 *
 * Documents: ATA/ATAPI-6, 8.23 and 9.8 (the PACKET protocol); SPC-3 and MMC-4 (the commands). Missing: audio,
 * DVD structures and keys, sub-channels, C2 errors, MODE SELECT, and all that writes: these are refused as
 * unknown, or as a field that is not allowed. The tray holds its disc: one that was opened and closed has it
 * again, as if it had been changed, unless somebody has taken it out (media.c). Ignored bits: speeds; the
 * START bit without LOEJ; IMMED, FUA, DPO, the PERSISTENT bit of PREVENT ALLOW MEDIUM REMOVAL; OVL of PACKET.
 */
#include "ata.h"
#include "string.h"

/* Sense keys and additional sense codes (SPC-3, 4.5.6). */
enum { KEY_NOT_READY = 2, KEY_ILLEGAL_REQUEST = 5, KEY_UNIT_ATTENTION = 6 };
enum {
    ASC_INVALID_OPCODE = 0x20,
    ASC_LBA_OUT_OF_RANGE = 0x21,
    ASC_INVALID_FIELD = 0x24,
    ASC_MEDIUM_CHANGED = 0x28,
    ASC_NO_MEDIUM = 0x3a,
    ASC_REMOVAL_PREVENTED = 0x53,
};
enum { ASCQ_TRAY_CLOSED = 1, ASCQ_TRAY_OPEN = 2, ASCQ_PREVENTED = 2 };

/* Interrupt reason, in the count register (ATA/ATAPI-6, 8.23.4). */
enum { REASON_COMMAND = 1, REASON_IN = 2, REASON_DONE = 3 };
enum { FEATURES_DMA = 1, BYTE_COUNT_MAX = 0xfffe };

/* Media events (MMC-4, 6.6.2.5). */
enum { EVENT_EJECT_REQUEST = 1, EVENT_NEW_MEDIUM = 2, EVENT_REMOVAL = 3 };

enum { START_STOP_START = 1, START_STOP_LOEJ = 2 };

/* READ CD (MMC-4, 6.19): what of a sector is wanted, and of which kind it has to be. */
enum {
    READ_CD_USER_DATA = 0x10,
    READ_CD_ALL = 0xf8,
    READ_CD_SUBHEADER = 0x40, /* which a sector of mode 1 has not */
    READ_CD_SUBCHANNEL = 7,
};
enum { TYPE_ANY = 0, TYPE_MODE_1 = 2 };

enum packet_needs { NEEDS_MEDIUM = 1, SKIPS_ATTENTION = 2 };

struct packet {
    void (*function)(struct ata_drive *drive, const uint8_t *bytes);
    uint8_t needs;
};

static uint32_t big_endian(const uint8_t *bytes, unsigned count)
{
    uint32_t value = 0;
    for (unsigned i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

void atapi_end(struct ata_drive *drive)
{
    drive->registers.count = REASON_DONE;
    ata_done(drive);
}

void atapi_fail(struct ata_drive *drive, uint8_t key, uint8_t code, uint8_t qualifier)
{
    drive->atapi.sense_key = key;
    drive->atapi.sense_code = code;
    drive->atapi.sense_qualifier = qualifier;
    drive->registers.count = REASON_DONE;
    ata_fail(drive, (uint8_t)(key << ATAPI_SENSE_SHIFT | ATA_ABRT));
}

void atapi_block(struct ata_drive *drive)
{
    const struct ata_transfer *transfer = &drive->transfer;
    if (transfer->source == ATA_COMMAND_PACKET) {
        drive->registers.count = REASON_COMMAND;
        return;
    }
    drive->registers.count = REASON_IN;
    if (!transfer->dma) {
        drive->registers.lba_mid = transfer->block & 0xff;
        drive->registers.lba_high = (uint16_t)(transfer->block >> 8);
    }
}

/* Data for the host. In PIO the host has said how many bytes it takes at once: an even number. */
static void atapi_data(struct ata_drive *drive, enum ata_source source, uint64_t length)
{
    struct ata_registers *r = &drive->registers;
    uint32_t limit = (r->lba_mid & 0xffu) | (r->lba_high & 0xffu) << 8;
    drive->transfer.dma = r->features & FEATURES_DMA;
    if (length == 0) {
        atapi_end(drive);
        return;
    }
    if (limit > BYTE_COUNT_MAX || drive->transfer.dma)
        limit = BYTE_COUNT_MAX;
    if (limit < length)
        limit &= ~1u;
    if (limit == 0)
        ata_fail(drive, ATA_ABRT);
    else
        ata_begin(drive, ATA_IN, source, length, limit);
}

static void invalid_field(struct ata_drive *drive)
{
    atapi_fail(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_FIELD, 0);
}

static void packet_nothing(struct ata_drive *drive, const uint8_t *bytes)
{
    (void)bytes;
    atapi_end(drive);
}

/* `sectors` from `lba` on, each of `size` bytes for the host. */
static void atapi_read(struct ata_drive *drive, uint32_t lba, uint32_t sectors, enum ata_source source,
                       unsigned size)
{
    uint64_t all = drive->image.size / DISC_SECTOR;
    if (lba > all || sectors > all - lba) {
        atapi_fail(drive, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE, 0);
        return;
    }
    drive->transfer.at = (uint64_t)lba * DISC_SECTOR;
    atapi_data(drive, source, (uint64_t)sectors * size);
}

static void packet_read_10(struct ata_drive *drive, const uint8_t *bytes)
{
    atapi_read(drive, big_endian(bytes + 2, 4), big_endian(bytes + 7, 2), ATA_IMAGE, DISC_SECTOR);
}

static void packet_read_12(struct ata_drive *drive, const uint8_t *bytes)
{
    atapi_read(drive, big_endian(bytes + 2, 4), big_endian(bytes + 6, 4), ATA_IMAGE, DISC_SECTOR);
}

static void packet_read_cd(struct ata_drive *drive, const uint8_t *bytes)
{
    uint32_t lba = big_endian(bytes + 2, 4), sectors = big_endian(bytes + 6, 3);
    unsigned type = bytes[1] >> 2 & 7, parts = bytes[9] & ~1u;
    if ((type != TYPE_ANY && type != TYPE_MODE_1) || bytes[10] & READ_CD_SUBCHANNEL)
        invalid_field(drive);
    else if (parts == READ_CD_USER_DATA)
        atapi_read(drive, lba, sectors, ATA_IMAGE, DISC_SECTOR);
    else if ((parts | READ_CD_SUBHEADER) == READ_CD_ALL)
        atapi_read(drive, lba, sectors, ATA_RAW, ATA_RAW_SECTOR);
    else if (parts == 0)
        atapi_read(drive, lba, 0, ATA_IMAGE, DISC_SECTOR);
    else
        invalid_field(drive);
}

static void packet_start_stop(struct ata_drive *drive, const uint8_t *bytes)
{
    struct atapi *atapi = &drive->atapi;
    bool open = !(bytes[4] & START_STOP_START);
    if (!(bytes[4] & START_STOP_LOEJ) || open == atapi->tray_open) {
        atapi_end(drive);
        return;
    }
    if (open && atapi->locked) {
        atapi_fail(drive, KEY_ILLEGAL_REQUEST, ASC_REMOVAL_PREVENTED, ASCQ_PREVENTED);
        return;
    }
    atapi->tray_open = open;
    if (drive->image.size) {
        atapi->event = open ? EVENT_REMOVAL : EVENT_NEW_MEDIUM;
        atapi->attention = open ? 0 : ASC_MEDIUM_CHANGED;
    }
    atapi_end(drive);
}

static void packet_prevent(struct ata_drive *drive, const uint8_t *bytes)
{
    drive->atapi.locked = bytes[4] & 1;
    atapi_end(drive);
}

static void packet_information(struct ata_drive *drive, const uint8_t *bytes)
{
    uint32_t length = atapi_information(drive, bytes);
    if (length)
        atapi_data(drive, ATA_BUFFER, length);
    else
        invalid_field(drive);
}

/* The same with an allocation length, which is where commands have it: of 0 it asks for nothing. */
static void packet_information_10(struct ata_drive *drive, const uint8_t *bytes)
{
    uint32_t length = atapi_information(drive, bytes), room = big_endian(bytes + 7, 2);
    if (length)
        atapi_data(drive, ATA_BUFFER, length < room ? length : room);
    else
        invalid_field(drive);
}

static void packet_information_6(struct ata_drive *drive, const uint8_t *bytes)
{
    uint32_t length = atapi_information(drive, bytes), room = bytes[4];
    if (length)
        atapi_data(drive, ATA_BUFFER, length < room ? length : room);
    else
        invalid_field(drive);
}

static void packet_mechanism_status(struct ata_drive *drive, const uint8_t *bytes)
{
    uint32_t length = atapi_information(drive, bytes), room = big_endian(bytes + 8, 2);
    atapi_data(drive, ATA_BUFFER, length < room ? length : room);
}

static const struct packet packets[256] = {
    [0x00] = {packet_nothing, NEEDS_MEDIUM},           /* TEST UNIT READY */
    [0x03] = {packet_information_6, SKIPS_ATTENTION},  /* REQUEST SENSE */
    [0x12] = {packet_information_6, SKIPS_ATTENTION},  /* INQUIRY */
    [0x1b] = {packet_start_stop, 0},                   /* START STOP UNIT */
    [0x1e] = {packet_prevent, 0},                      /* PREVENT ALLOW MEDIUM REMOVAL */
    [0x25] = {packet_information, NEEDS_MEDIUM},       /* READ CAPACITY */
    [0x28] = {packet_read_10, NEEDS_MEDIUM},           /* READ (10) */
    [0x2b] = {packet_nothing, NEEDS_MEDIUM},           /* SEEK (10) */
    [0x43] = {packet_information_10, NEEDS_MEDIUM},    /* READ TOC/PMA/ATIP */
    [0x46] = {packet_information_10, SKIPS_ATTENTION}, /* GET CONFIGURATION */
    [0x4a] = {packet_information_10, SKIPS_ATTENTION}, /* GET EVENT STATUS NOTIFICATION */
    [0x51] = {packet_information_10, NEEDS_MEDIUM},    /* READ DISC INFORMATION */
    [0x5a] = {packet_information_10, 0},               /* MODE SENSE (10) */
    [0xa8] = {packet_read_12, NEEDS_MEDIUM},           /* READ (12) */
    [0xbb] = {packet_nothing, 0},                      /* SET CD SPEED */
    [0xbd] = {packet_mechanism_status, 0},             /* MECHANISM STATUS */
    [0xbe] = {packet_read_cd, NEEDS_MEDIUM},           /* READ CD */
};
enum { REQUEST_SENSE = 0x03 };

void atapi_packet(struct ata_drive *drive)
{
    struct atapi *atapi = &drive->atapi;
    uint8_t bytes[ATA_PACKET_SIZE];
    memcpy(bytes, drive->buffer, sizeof bytes);
    const struct packet *packet = &packets[bytes[0]];
    bool there = drive->image.size && !atapi->tray_open;
    if (bytes[0] != REQUEST_SENSE)
        atapi->sense_key = atapi->sense_code = atapi->sense_qualifier = 0;
    drive->registers.error = 0;
    if (!packet->function) {
        atapi_fail(drive, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE, 0);
    } else if (atapi->attention && !(packet->needs & SKIPS_ATTENTION)) {
        uint8_t attention = atapi->attention;
        atapi->attention = 0;
        atapi_fail(drive, KEY_UNIT_ATTENTION, attention, 0);
    } else if (packet->needs & NEEDS_MEDIUM && !there) {
        atapi_fail(drive, KEY_NOT_READY, ASC_NO_MEDIUM, atapi->tray_open ? ASCQ_TRAY_OPEN : ASCQ_TRAY_CLOSED);
    } else {
        packet->function(drive, bytes);
    }
}

bool atapi_open(struct ata_drive *drive, bool force)
{
    struct atapi *atapi = &drive->atapi;
    struct ata_transfer *transfer = &drive->transfer;
    if (atapi->tray_open)
        return true;
    if (atapi->locked && !force) {
        atapi->event = EVENT_EJECT_REQUEST;
        return false;
    }
    atapi->tray_open = true;
    if (drive->image.size) {
        atapi->event = EVENT_REMOVAL;
        atapi->attention = 0;
    }
    if (transfer->phase == ATA_IN && (transfer->source == ATA_IMAGE || transfer->source == ATA_RAW)) {
        transfer->phase = ATA_IDLE;
        atapi_fail(drive, KEY_NOT_READY, ASC_NO_MEDIUM, ASCQ_TRAY_OPEN);
    }
    return true;
}

void atapi_close(struct ata_drive *drive)
{
    drive->atapi.tray_open = false;
    drive->atapi.event = EVENT_NEW_MEDIUM;
    drive->atapi.attention = ASC_MEDIUM_CHANGED;
}
