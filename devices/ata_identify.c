/*
 * IDENTIFY DEVICE and IDENTIFY PACKET DEVICE: what a drive says of itself.
 *
 * Document: ATA/ATAPI-6, 8.15 and 8.16. Disks claim LBA, 48-bit addresses, multiple sectors, multiword DMA
 * 0-2 and ultra DMA 0-5, a write cache with FLUSH CACHE, and power management; CD drives what a packet device
 * has. Missing: the integrity word, the serial number of a medium, what ata.c lacks; power management and
 * FLUSH CACHE of CD drives, which have both and do not claim them. Look-ahead is claimed to be on whatever
 * SET FEATURES has said. Ignored bits: see ata.c.
 */
#include "ata.h"
#include "string.h"

enum { LBA28_MAX = 0x0fffffff, MODE_KIND_SHIFT = 3, MODE_MULTIWORD = 4, MODE_ULTRA = 8 };

static void put_word(struct ata_drive *drive, unsigned word, uint32_t value)
{
    drive->buffer[2 * word] = (uint8_t)value;
    drive->buffer[2 * word + 1] = (uint8_t)(value >> 8);
}

static void put_words(struct ata_drive *drive, unsigned word, unsigned count, uint64_t value)
{
    for (unsigned i = 0; i < count; i++)
        put_word(drive, word + i, (uint32_t)(value >> 16 * i));
}

/* Text stands with the first of two characters in the high byte, filled up with blanks. */
static void put_text(struct ata_drive *drive, unsigned word, unsigned words, const char *text)
{
    uint8_t *to = drive->buffer + 2 * word;
    for (unsigned i = 0; i < 2 * words; i++) {
        to[i ^ 1] = *text ? (uint8_t)*text : ' ';
        text += *text != 0;
    }
}

/* Modes that there are, and in the high byte the selected one. */
static uint32_t modes(const struct ata_drive *drive, unsigned kind, uint32_t there)
{
    return there | (drive->mode >> MODE_KIND_SHIFT == kind ? 0x100u << (drive->mode & 7) : 0);
}

static void put_common(struct ata_drive *drive, const char *model, char serial)
{
    char name[] = "NR0000";
    name[sizeof name - 2] = serial;
    put_text(drive, 10, 10, name);
    put_text(drive, 23, 4, "1.0");
    put_text(drive, 27, 20, model);
    put_word(drive, 53, 7); /* words 54-58, 64-70 and 88 are valid */
    put_word(drive, 63, modes(drive, MODE_MULTIWORD, 0x07));
    put_word(drive, 64, 0x03); /* PIO 3 and 4 */
    for (unsigned word = 65; word <= 68; word++)
        put_word(drive, word, 120); /* ns a cycle */
    put_word(drive, 80, 0xf0);      /* ATA/ATAPI-4 to 7 */
    put_word(drive, 88, modes(drive, MODE_ULTRA, 0x3f));
    if (drive->serial)
        put_word(drive, 76, 0x0002); /* generation 1 */
    else
        put_word(drive, 93, drive->number ? 0 : 0x6001); /* 80-conductor cable, device 0 passed */
}

static void identify_disk(struct ata_drive *drive)
{
    struct disk_geometry geometry = disk_image_geometry(&drive->image);
    uint64_t sectors = drive->image.size / DISK_SECTOR;
    uint32_t current = drive->cylinders * drive->heads * drive->sectors;
    uint32_t cache = drive->write_cache ? 0x20 : 0;
    put_word(drive, 0, 0x0040); /* fixed */
    put_word(drive, 1, geometry.cylinders);
    put_word(drive, 3, geometry.heads);
    put_word(drive, 6, geometry.sectors);
    put_word(drive, 47, 0x8010); /* 16 sectors in a block at most */
    put_word(drive, 48, 0x0001); /* 32-bit PIO; the interface's business, but systems look here */
    put_word(drive, 49, 0x0f00); /* IORDY, LBA, DMA */
    put_word(drive, 50, 0x4000);
    put_word(drive, 51, 0x0200);
    put_word(drive, 52, 0x0200);
    put_word(drive, 54, drive->cylinders);
    put_word(drive, 55, drive->heads);
    put_word(drive, 56, drive->sectors);
    put_words(drive, 57, 2, current);
    put_word(drive, 59, drive->multiple ? 0x0100u | drive->multiple : 0);
    put_words(drive, 60, 2, sectors < LBA28_MAX ? sectors : LBA28_MAX);
    put_word(drive, 82, 0x0068); /* look-ahead, write cache, power management */
    put_word(drive, 83, 0x7400); /* FLUSH CACHE (EXT), 48-bit addresses */
    put_word(drive, 84, 0x4000);
    put_word(drive, 85, 0x0048 | cache);
    put_word(drive, 86, 0x3400);
    put_word(drive, 87, 0x4000);
    put_words(drive, 100, 4, sectors);
    put_common(drive, "NULLRING DISK", (char)('0' + drive->image.unit));
}

static void identify_cd(struct ata_drive *drive)
{
    put_word(drive, 0, 0x85c0);  /* packet device, CD drive, removable, DRQ within 50 us, 12-byte packets */
    put_word(drive, 49, 0x0b00); /* IORDY, LBA, DMA */
    put_word(drive, 82, 0x0210); /* DEVICE RESET, packets */
    put_word(drive, 83, 0x4000);
    put_word(drive, 84, 0x4000);
    put_word(drive, 85, 0x0210);
    put_word(drive, 87, 0x4000);
    put_common(drive, "NULLRING CD-ROM", (char)('A' + drive->image.unit));
}

void ata_identify(struct ata_drive *drive)
{
    memset(drive->buffer, 0, DISK_SECTOR);
    if (drive->kind == ATA_CD)
        identify_cd(drive);
    else
        identify_disk(drive);
}
