/*
 * The commands of an ATA disk, and those that an ATAPI drive shares with it.
 *
 * Document: ATA/ATAPI-6 (T13/1410D revision 3b), 8. A command is done within the write of the command
 * register, up to its data. Missing: queued and streaming commands, SMART, security, the host protected area,
 * power modes beyond their answers, the buffer commands: they are aborted, and the identification does not
 * claim them. Ignored bits: the transfer mode, for all of them are equally fast; the write cache, for there
 * is none; look-ahead; SET FEATURES 0x66 and 0xcc, for a reset keeps settings always; the time of STANDBY and
 * IDLE. An address beyond the end is IDNF, after the sectors before it have been moved.
 */
#include "ata.h"
#include "string.h"

enum { MULTIPLE_MAX = 16, SECTORS_28 = 256, SECTORS_48 = 65536 };
enum { POWER_ACTIVE = 0xff };

/* SET FEATURES (8.46): the features register. */
enum {
    FEATURE_WRITE_CACHE_ON = 0x02,
    FEATURE_TRANSFER_MODE = 0x03,
    FEATURE_LOOK_AHEAD_OFF = 0x55,
    FEATURE_KEEP_SETTINGS = 0x66,
    FEATURE_WRITE_CACHE_OFF = 0x82,
    FEATURE_LOOK_AHEAD_ON = 0xaa,
    FEATURE_REVERT_SETTINGS = 0xcc,
};

/* Transfer modes: the kind in bits 7:3, the number in bits 2:0. */
enum { MODE_PIO_DEFAULT = 0, MODE_PIO = 1, MODE_MULTIWORD = 4, MODE_ULTRA = 8, MODE_KIND_SHIFT = 3 };

/* How a command takes its address and its data. */
enum access { ACCESS_EXT = 1, ACCESS_OUT = 2, ACCESS_DMA = 4, ACCESS_MULTIPLE = 8, ACCESS_VERIFY = 16 };
enum { FOR_DISK = 1, FOR_CD = 2 };

struct command {
    void (*function)(struct ata_drive *drive, unsigned access);
    uint8_t drives;
    uint8_t access;
};

void ata_done(struct ata_drive *drive)
{
    drive->registers.status = ATA_DRDY | ATA_DSC;
    drive->interrupt = true;
}

void ata_fail(struct ata_drive *drive, uint8_t error)
{
    drive->registers.error = error;
    drive->registers.status = ATA_DRDY | ATA_DSC | ATA_ERR;
    drive->interrupt = true;
}

bool ata_get_lba(const struct ata_drive *drive, bool ext, uint64_t *lba)
{
    const struct ata_registers *r = &drive->registers;
    uint32_t low = (r->lba_low & 0xff) | (r->lba_mid & 0xffu) << 8 | (r->lba_high & 0xffu) << 16;
    if (ext) {
        *lba = low | (uint64_t)(r->lba_low >> 8) << 24 | (uint64_t)(r->lba_mid >> 8) << 32 |
               (uint64_t)(r->lba_high >> 8) << 40;
        return true;
    }
    if (r->device & ATA_DEVICE_LBA) {
        *lba = low | (uint32_t)(r->device & ATA_DEVICE_HEAD) << 24;
        return true;
    }
    uint32_t sector = low & 0xff, cylinder = low >> 8, head = r->device & ATA_DEVICE_HEAD;
    *lba = ((uint64_t)cylinder * drive->heads + head) * drive->sectors + sector - 1;
    return sector && sector <= drive->sectors && head < drive->heads;
}

void ata_put_lba(struct ata_drive *drive, bool ext, uint64_t lba)
{
    struct ata_registers *r = &drive->registers;
    uint32_t low = (uint32_t)lba;
    if (!ext && !(r->device & ATA_DEVICE_LBA)) {
        uint64_t track = lba / drive->sectors, cylinder = track / drive->heads;
        r->device = (uint8_t)((r->device & ~ATA_DEVICE_HEAD) | track % drive->heads);
        low = (uint32_t)(lba % drive->sectors + 1) | (uint32_t)(cylinder & 0xffff) << 8;
    } else if (!ext) {
        r->device = (uint8_t)((r->device & ~ATA_DEVICE_HEAD) | (lba >> 24 & ATA_DEVICE_HEAD));
    }
    r->lba_low = (uint16_t)((low & 0xff) | (ext ? lba >> 24 & 0xff : 0) << 8);
    r->lba_mid = (uint16_t)((low >> 8 & 0xff) | (ext ? lba >> 32 & 0xff : 0) << 8);
    r->lba_high = (uint16_t)((low >> 16 & 0xff) | (ext ? lba >> 40 & 0xff : 0) << 8);
}

void ata_signature(struct ata_drive *drive)
{
    struct ata_registers *r = &drive->registers;
    bool cd = drive->kind == ATA_CD;
    r->count = 1;
    r->lba_low = 1;
    r->lba_mid = cd ? 0x14 : 0;
    r->lba_high = cd ? 0xeb : 0;
    r->device = cd ? r->device & ATA_DEVICE_DEV : 0;
}

static uint64_t disk_sectors(const struct ata_drive *drive)
{
    return drive->image.size / DISK_SECTOR;
}

/* READ, WRITE and VERIFY in all their forms: sectors up to the end of the disk, then the error. */
static void command_access(struct ata_drive *drive, unsigned access)
{
    const struct ata_registers *r = &drive->registers;
    bool ext = access & ACCESS_EXT;
    uint64_t lba, count = ext ? r->count : r->count & 0xff;
    if (count == 0)
        count = ext ? SECTORS_48 : SECTORS_28;
    if (access & ACCESS_MULTIPLE && !drive->multiple) {
        ata_fail(drive, ATA_ABRT);
        return;
    }
    if (!ata_get_lba(drive, ext, &lba) || lba >= disk_sectors(drive)) {
        ata_fail(drive, ATA_IDNF);
        return;
    }
    struct ata_transfer *transfer = &drive->transfer;
    transfer->at = lba * DISK_SECTOR;
    transfer->ext = ext;
    transfer->cut = count > disk_sectors(drive) - lba;
    transfer->dma = (access & ACCESS_DMA) != 0;
    if (transfer->cut)
        count = disk_sectors(drive) - lba;
    if (access & ACCESS_VERIFY && transfer->cut) {
        ata_put_lba(drive, ext, disk_sectors(drive));
        ata_fail(drive, ATA_IDNF);
    } else if (access & ACCESS_VERIFY) {
        ata_done(drive);
    } else {
        ata_begin(drive, access & ACCESS_OUT ? ATA_OUT : ATA_IN, ATA_IMAGE, count * DISK_SECTOR,
                  access & ACCESS_MULTIPLE ? drive->multiple * (uint32_t)DISK_SECTOR : DISK_SECTOR);
    }
}

/* What needs nothing to be done: FLUSH CACHE, SEEK, RECALIBRATE, power management. */
static void command_nothing(struct ata_drive *drive, unsigned access)
{
    (void)access;
    ata_done(drive);
}

static void command_check_power(struct ata_drive *drive, unsigned access)
{
    drive->registers.count = POWER_ACTIVE;
    command_nothing(drive, access);
}

static void command_identify(struct ata_drive *drive, unsigned access)
{
    (void)access;
    ata_identify(drive);
    ata_begin(drive, ATA_IN, ATA_BUFFER, DISK_SECTOR, DISK_SECTOR);
}

/* A CD drive says by its signature that it is one (9.12). */
static void command_identify_cd(struct ata_drive *drive, unsigned access)
{
    (void)access;
    ata_signature(drive);
    ata_fail(drive, ATA_ABRT);
}

static void command_set_multiple(struct ata_drive *drive, unsigned access)
{
    unsigned count = drive->registers.count & 0xff;
    if (count > MULTIPLE_MAX || count & (count - 1)) {
        ata_fail(drive, ATA_ABRT);
        return;
    }
    drive->multiple = (uint8_t)count;
    command_nothing(drive, access);
}

/* INITIALIZE DEVICE PARAMETERS (ATA-5, 8.16): another geometry for the addresses to come. */
static void command_set_geometry(struct ata_drive *drive, unsigned access)
{
    uint32_t heads = (drive->registers.device & ATA_DEVICE_HEAD) + 1u,
             sectors = drive->registers.count & 0xff;
    if (sectors == 0) {
        ata_fail(drive, ATA_ABRT);
        return;
    }
    uint64_t cylinders = disk_sectors(drive) / (heads * sectors);
    drive->cylinders = (uint32_t)(cylinders < UINT16_MAX ? cylinders : UINT16_MAX);
    drive->heads = heads;
    drive->sectors = sectors;
    command_nothing(drive, access);
}

/* What PIO, multiword and ultra DMA have, by the highest number. */
static bool mode_exists(uint8_t mode)
{
    unsigned number = mode & 7;
    switch (mode >> MODE_KIND_SHIFT) {
    case MODE_PIO_DEFAULT:
        return number <= 1;
    case MODE_PIO:
        return number <= 4;
    case MODE_MULTIWORD:
        return number <= 2;
    case MODE_ULTRA:
        return number <= 5;
    }
    return false;
}

static void command_set_features(struct ata_drive *drive, unsigned access)
{
    uint8_t mode = (uint8_t)drive->registers.count;
    bool known = true;
    switch (drive->registers.features & 0xff) {
    case FEATURE_TRANSFER_MODE:
        known = mode_exists(mode);
        if (known && mode >> MODE_KIND_SHIFT > MODE_PIO)
            drive->mode = mode;
        break;
    case FEATURE_WRITE_CACHE_ON:
    case FEATURE_WRITE_CACHE_OFF:
        known = drive->kind == ATA_DISK;
        drive->write_cache = (drive->registers.features & 0xff) == FEATURE_WRITE_CACHE_ON;
        break;
    case FEATURE_LOOK_AHEAD_ON:
    case FEATURE_LOOK_AHEAD_OFF:
        known = drive->kind == ATA_DISK;
        break;
    case FEATURE_KEEP_SETTINGS:
    case FEATURE_REVERT_SETTINGS:
        break;
    default:
        known = false;
    }
    if (known)
        command_nothing(drive, access);
    else
        ata_fail(drive, ATA_ABRT);
}

/* READ NATIVE MAX ADDRESS: the address of the last sector, in 28 or 48 bits. */
static void command_native_max(struct ata_drive *drive, unsigned access)
{
    uint64_t last = disk_sectors(drive) - 1, most = 0x0fffffff;
    bool ext = access & ACCESS_EXT;
    ata_put_lba(drive, ext, !ext && last > most ? most : last);
    command_nothing(drive, access);
}

static void command_device_reset(struct ata_drive *drive, unsigned access)
{
    (void)access;
    ata_reset(drive);
}

/* PACKET: twelve bytes follow (8.23). The low bit of features asks for DMA. */
static void command_packet(struct ata_drive *drive, unsigned access)
{
    (void)access;
    drive->transfer.dma = false;
    ata_begin(drive, ATA_OUT, ATA_COMMAND_PACKET, ATA_PACKET_SIZE, ATA_PACKET_SIZE);
}

/* To these a CD drive answers with its signature. */
enum { IDENTIFY_DEVICE = 0xec, READ_SECTORS = 0x20, READ_SECTORS_ONCE = 0x21 };

static const struct command commands[256] = {
    [ATA_DEVICE_RESET] = {command_device_reset, FOR_CD, 0},
    [0x10] = {command_nothing, FOR_DISK, 0}, /* RECALIBRATE */
    [READ_SECTORS] = {command_access, FOR_DISK, 0},
    [READ_SECTORS_ONCE] = {command_access, FOR_DISK, 0},
    [0x24] = {command_access, FOR_DISK, ACCESS_EXT},
    [0x25] = {command_access, FOR_DISK, ACCESS_EXT | ACCESS_DMA},
    [0x27] = {command_native_max, FOR_DISK, ACCESS_EXT},
    [0x29] = {command_access, FOR_DISK, ACCESS_EXT | ACCESS_MULTIPLE},
    [0x30] = {command_access, FOR_DISK, ACCESS_OUT}, /* WRITE SECTORS */
    [0x31] = {command_access, FOR_DISK, ACCESS_OUT},
    [0x34] = {command_access, FOR_DISK, ACCESS_OUT | ACCESS_EXT},
    [0x35] = {command_access, FOR_DISK, ACCESS_OUT | ACCESS_EXT | ACCESS_DMA},
    [0x39] = {command_access, FOR_DISK, ACCESS_OUT | ACCESS_EXT | ACCESS_MULTIPLE},
    [0x3c] = {command_access, FOR_DISK, ACCESS_OUT},    /* WRITE VERIFY */
    [0x40] = {command_access, FOR_DISK, ACCESS_VERIFY}, /* READ VERIFY SECTORS */
    [0x41] = {command_access, FOR_DISK, ACCESS_VERIFY},
    [0x42] = {command_access, FOR_DISK, ACCESS_VERIFY | ACCESS_EXT},
    [0x70] = {command_nothing, FOR_DISK, 0},          /* SEEK */
    [0x91] = {command_set_geometry, FOR_DISK, 0},     /* INITIALIZE DEVICE PARAMETERS */
    [0x94] = {command_nothing, FOR_DISK | FOR_CD, 0}, /* power management, as ATA-3 had it */
    [0x95] = {command_nothing, FOR_DISK | FOR_CD, 0},
    [0x96] = {command_nothing, FOR_DISK | FOR_CD, 0},
    [0x97] = {command_nothing, FOR_DISK | FOR_CD, 0},
    [0x98] = {command_check_power, FOR_DISK | FOR_CD, 0},
    [0x99] = {command_nothing, FOR_DISK | FOR_CD, 0},
    [ATA_PACKET] = {command_packet, FOR_CD, 0},
    [0xa1] = {command_identify, FOR_CD, 0}, /* IDENTIFY PACKET DEVICE */
    [0xc4] = {command_access, FOR_DISK, ACCESS_MULTIPLE},
    [0xc5] = {command_access, FOR_DISK, ACCESS_OUT | ACCESS_MULTIPLE},
    [0xc6] = {command_set_multiple, FOR_DISK, 0},
    [0xc8] = {command_access, FOR_DISK, ACCESS_DMA},
    [0xc9] = {command_access, FOR_DISK, ACCESS_DMA},
    [0xca] = {command_access, FOR_DISK, ACCESS_OUT | ACCESS_DMA},
    [0xcb] = {command_access, FOR_DISK, ACCESS_OUT | ACCESS_DMA},
    [0xe0] = {command_nothing, FOR_DISK | FOR_CD, 0}, /* STANDBY IMMEDIATE */
    [0xe1] = {command_nothing, FOR_DISK | FOR_CD, 0}, /* IDLE IMMEDIATE */
    [0xe2] = {command_nothing, FOR_DISK, 0},          /* STANDBY */
    [0xe3] = {command_nothing, FOR_DISK, 0},          /* IDLE */
    [0xe5] = {command_check_power, FOR_DISK | FOR_CD, 0},
    [0xe6] = {command_nothing, FOR_DISK | FOR_CD, 0}, /* SLEEP */
    [0xe7] = {command_nothing, FOR_DISK | FOR_CD, 0}, /* FLUSH CACHE */
    [0xea] = {command_nothing, FOR_DISK, 0},          /* FLUSH CACHE EXT */
    [IDENTIFY_DEVICE] = {command_identify, FOR_DISK, 0},
    [0xef] = {command_set_features, FOR_DISK | FOR_CD, 0},
    [0xf8] = {command_native_max, FOR_DISK, 0},
};

void ata_command(struct ata_drive *drive, uint8_t command)
{
    const struct command *entry = &commands[command];
    bool cd = drive->kind == ATA_CD;
    drive->interrupt = false;
    drive->registers.error = 0;
    drive->transfer = (struct ata_transfer){0};
    if (entry->function && entry->drives & (cd ? FOR_CD : FOR_DISK))
        entry->function(drive, entry->access);
    else if (cd && (command == IDENTIFY_DEVICE || command == READ_SECTORS || command == READ_SECTORS_ONCE))
        command_identify_cd(drive, 0);
    else
        ata_fail(drive, ATA_ABRT);
}

void ata_reset(struct ata_drive *drive)
{
    drive->transfer = (struct ata_transfer){0};
    drive->interrupt = false;
    drive->registers.features = 0;
    drive->registers.error = ATA_DIAGNOSTIC_PASSED;
    /* A packet device is ready when the first command asks (9.12). */
    drive->registers.status = drive->kind == ATA_DISK ? ATA_DRDY | ATA_DSC : 0;
    drive->atapi.locked = false;
    ata_signature(drive);
}

void ata_power_on(struct ata_drive *drive, enum ata_kind kind, unsigned number)
{
    struct disk_geometry geometry = disk_image_geometry(&drive->image);
    drive->kind = (uint8_t)kind;
    drive->number = (uint8_t)number;
    drive->multiple = MULTIPLE_MAX;
    drive->mode = MODE_MULTIWORD << MODE_KIND_SHIFT | 2;
    drive->write_cache = true;
    drive->cylinders = geometry.cylinders;
    drive->heads = geometry.heads;
    drive->sectors = geometry.sectors;
    if (kind != ATA_NONE)
        ata_reset(drive);
}

static const char *transfer_check(const struct ata_drive *drive)
{
    const struct ata_transfer *transfer = &drive->transfer;
    uint64_t in_buffer = (uint64_t)transfer->position + transfer->left;
    if (transfer->phase > ATA_OUT || transfer->source > ATA_COMMAND_PACKET || transfer->dma > 1 ||
        transfer->ext > 1 || transfer->cut > 1)
        return "kind of the transfer";
    if (transfer->filled > ATA_BUFFER_SIZE || transfer->position > ATA_BUFFER_SIZE)
        return "place in the buffer";
    if (transfer->phase == ATA_IDLE)
        return NULL;
    if (transfer->block == 0 || transfer->block > transfer->left || transfer->limit == 0)
        return "block of data";
    if (transfer->phase == ATA_IN && transfer->position > transfer->filled)
        return "place in the buffer";
    if (transfer->phase == ATA_OUT && transfer->source == ATA_IMAGE && transfer->position >= DISK_SECTOR)
        return "place in the sector";
    if (transfer->source == ATA_BUFFER || transfer->source == ATA_COMMAND_PACKET)
        return in_buffer > ATA_BUFFER_SIZE ? "bytes in the buffer" : NULL;
    return NULL;
}

const char *ata_check(const struct ata_drive *drive)
{
    if (drive->kind > ATA_CD || drive->number > 1 || drive->interrupt > 1 || drive->write_cache > 1 ||
        drive->serial > 1)
        return "kind of the drive";
    if (drive->multiple > MULTIPLE_MAX || drive->multiple & (drive->multiple - 1))
        return "sectors in a block";
    if (drive->heads < 1 || drive->heads > UINT8_MAX || drive->sectors < 1 || drive->sectors > UINT8_MAX)
        return "geometry";
    const char *broken = disk_image_check(&drive->image);
    return broken ? broken : transfer_check(drive);
}

void ata_inspect(const struct ata_drive *drive, struct inspector *inspector)
{
    inspector->field(inspector, "sectors", disk_sectors(drive));
    inspector->field(inspector, "status", drive->registers.status);
    inspector->field(inspector, "error", drive->registers.error);
    inspector->field(inspector, "device", drive->registers.device);
    inspector->field(inspector, "bytes left", drive->transfer.phase ? drive->transfer.left : 0);
    inspector->field(inspector, "overlay full", drive->image.full);
    inspector->field(inspector, "sense key", drive->atapi.sense_key);
    inspector->field(inspector, "tray open", drive->atapi.tray_open);
}
