/*
 * Packet commands by which a CD drive tells of itself, its disc and its tray, and the raw form of a sector.
 *
 * Documents: SPC-3 (INQUIRY, REQUEST SENSE), MMC-4 (the rest), SFF-8020i 10.8.6 for the place of READ TOC's
 * format before MMC, ECMA-130 14 for sectors. A disc is one session with one data track. Missing: the error
 * correction of raw sectors, which reads as zeros; saved mode pages; changeable values, which there are none;
 * vital product data; READ TOC's formats 3 to 5; features, events and mode pages but those below; an open
 * tray in MECHANISM STATUS. Ignored bits: DESC of REQUEST SENSE, DBD of MODE SENSE (there are no block
 * descriptors), PMI and the address of READ CAPACITY, the session of READ TOC's formats 1 and 2.
 */
#include "ata.h"
#include "string.h"

enum { FRAMES_SECOND = 75, SECONDS_MINUTE = 60, LEAD_IN_FRAMES = 150 };
enum { TRACK_CONTROL = 0x14 /* data, ADR 1 */, TRACK_LEAD_OUT = 0xaa };
/* A disc of more than 80 minutes is a DVD. */
enum { CD_SECTORS_MAX = 80 * SECONDS_MINUTE * FRAMES_SECOND };
enum { PROFILE_CD_ROM = 0x08, PROFILE_DVD_ROM = 0x10 };
enum { KEY_UNIT_ATTENTION = 6 };

/* Bytes are put one behind the other. */
struct answer {
    uint8_t *bytes;
    uint32_t length;
};

static void put(struct answer *answer, uint32_t value, unsigned count)
{
    while (count--)
        answer->bytes[answer->length++] = count < sizeof value ? (uint8_t)(value >> 8 * count) : 0;
}

static void put_text(struct answer *answer, const char *text, unsigned count)
{
    for (; count; count--, text += *text != 0)
        put(answer, *text ? (uint8_t)*text : ' ', 1);
}

/* The length of what follows it, at the start of an answer. */
static void put_length(struct answer *answer, unsigned size)
{
    uint32_t all = answer->length;
    answer->length = 0;
    put(answer, all - size, size);
    answer->length = all;
}

static uint32_t disc_sectors(const struct ata_drive *drive)
{
    uint64_t sectors = drive->image.size / DISC_SECTOR;
    return sectors < UINT32_MAX ? (uint32_t)sectors : UINT32_MAX;
}

static bool has_disc(const struct ata_drive *drive)
{
    return drive->image.size && !drive->atapi.tray_open;
}

static uint32_t minutes_seconds_frames(uint32_t lba)
{
    uint32_t frames = lba + LEAD_IN_FRAMES, seconds = frames / FRAMES_SECOND;
    return (seconds / SECONDS_MINUTE & 0xff) << 16 | seconds % SECONDS_MINUTE << 8 | frames % FRAMES_SECOND;
}

static void request_sense(struct ata_drive *drive, struct answer *answer)
{
    struct atapi *atapi = &drive->atapi;
    if (atapi->attention) {
        atapi->sense_key = KEY_UNIT_ATTENTION;
        atapi->sense_code = atapi->attention;
        atapi->sense_qualifier = 0;
    }
    put(answer, 0x7000, 2); /* current error, fixed format */
    put(answer, atapi->sense_key, 1);
    put(answer, 0, 4);
    put(answer, 10, 1); /* bytes that follow */
    put(answer, 0, 4);
    put(answer, atapi->sense_code, 1);
    put(answer, atapi->sense_qualifier, 1);
    put(answer, 0, 4);
    atapi->sense_key = atapi->sense_code = atapi->sense_qualifier = atapi->attention = 0;
}

static void inquiry(struct answer *answer)
{
    put(answer, 0x05800021, 4); /* CD drive, removable; version 0 and ATAPI's format, as SFF-8020i has it */
    put(answer, 31, 1);         /* bytes that follow */
    put(answer, 0, 3);
    put_text(answer, "NULLRING", 8);
    put_text(answer, "CD-ROM", 16);
    put_text(answer, "1.0", 4);
}

static void put_track(struct answer *answer, unsigned track, uint32_t lba, bool msf)
{
    put(answer, TRACK_CONTROL << 16 | track << 8, 4);
    put(answer, msf ? minutes_seconds_frames(lba) : lba, 4);
}

/* A line of the lead-in (MMC-4, 6.26.3.3): point, and its minute, second and frame. */
static void put_point(struct answer *answer, unsigned point, uint32_t place)
{
    put(answer, 1u << 24 | TRACK_CONTROL << 16 | point, 4);
    put(answer, 0, 4);
    put(answer, place, 3);
}

static bool read_toc(const struct ata_drive *drive, const uint8_t *packet, struct answer *answer)
{
    bool msf = packet[1] & 2;
    unsigned format = packet[2] & 0x0f, first = packet[6];
    if (format == 0)
        format = packet[9] >> 6;
    put(answer, 0x00000101, 4); /* length, and the first and last track or session */
    switch (format) {
    case 0:
        if (first > 1 && first != TRACK_LEAD_OUT)
            return false;
        if (first <= 1)
            put_track(answer, 1, 0, msf);
        put_track(answer, TRACK_LEAD_OUT, disc_sectors(drive), msf);
        break;
    case 1:
        put_track(answer, 1, 0, msf);
        break;
    case 2:
        put_point(answer, 0xa0, 1u << 16);
        put_point(answer, 0xa1, 1u << 16);
        put_point(answer, 0xa2, minutes_seconds_frames(disc_sectors(drive)));
        put_point(answer, 1, minutes_seconds_frames(0));
        break;
    default:
        return false;
    }
    put_length(answer, 2);
    return true;
}

/* A feature (MMC-4, 5.2): code, version and whether it is current, data. */
static void put_feature(struct answer *answer, const uint8_t *packet, unsigned code, unsigned flags,
                        uint64_t data, unsigned size)
{
    unsigned wanted = packet[1] & 3, start = (unsigned)packet[2] << 8 | packet[3];
    if (wanted == 2 ? code != start : code < start || (wanted == 1 && !(flags & 1)))
        return;
    put(answer, code, 2);
    put(answer, flags, 1);
    put(answer, size, 1);
    put(answer, (uint32_t)(data >> 32), size > 4 ? size - 4 : 0);
    put(answer, (uint32_t)data, size > 4 ? 4 : size);
}

static bool get_configuration(const struct ata_drive *drive, const uint8_t *packet, struct answer *answer)
{
    bool disc = has_disc(drive), dvd = disc && disc_sectors(drive) > CD_SECTORS_MAX, cd = disc && !dvd;
    if ((packet[1] & 3) == 3)
        return false;
    put(answer, 0, 6);
    put(answer, dvd ? PROFILE_DVD_ROM : cd ? PROFILE_CD_ROM : 0, 2);
    uint64_t profiles = (uint64_t)(PROFILE_DVD_ROM << 16 | dvd << 8) << 32 | PROFILE_CD_ROM << 16 | cd << 8;
    put_feature(answer, packet, 0x0000, 0x03, profiles, 8);
    put_feature(answer, packet, 0x0001, 0x03, 2, 4);                     /* core: ATAPI */
    put_feature(answer, packet, 0x0003, 0x03, 0x29000000, 4);            /* a tray that can be locked */
    put_feature(answer, packet, 0x0010, disc, 0x0000080000010000ull, 8); /* random readable, by 2,048 bytes */
    put_feature(answer, packet, 0x001e, 0x08 | cd, 0, 4);                /* CD read */
    put_feature(answer, packet, 0x001f, dvd, 0, 4);                      /* DVD read */
    put_length(answer, 4);
    return true;
}

static bool get_event_status(struct ata_drive *drive, const uint8_t *packet, struct answer *answer)
{
    enum { POLLED = 1, CLASS_MEDIA = 4, CLASSES = 1 << CLASS_MEDIA, NO_EVENT_AVAILABLE = 0x80 };
    bool media = packet[4] & CLASSES;
    if (!(packet[1] & POLLED))
        return false;
    put(answer, 0, 2);
    put(answer, media ? CLASS_MEDIA : NO_EVENT_AVAILABLE, 1);
    put(answer, CLASSES, 1);
    if (media) {
        put(answer, drive->atapi.event, 1);
        put(answer, (has_disc(drive) ? 2 : 0) | drive->atapi.tray_open, 1);
        put(answer, 0, 2);
        drive->atapi.event = 0;
    }
    put_length(answer, 2);
    return true;
}

static void read_disc_information(struct answer *answer)
{
    put(answer, 0, 2);
    put(answer, 0x0e, 1);       /* a complete disc, its last session complete */
    put(answer, 0x01010101, 4); /* first track; sessions; first and last track of the last one */
    put(answer, 0x20, 1);       /* free use */
    put(answer, 0, 8);
    put(answer, UINT32_MAX, 4); /* no next session, no more lead-outs */
    put(answer, UINT32_MAX, 4);
    put(answer, 0, 10);
    put_length(answer, 2);
}

/* Mode pages (MMC-4, 7): error recovery and the drive's capabilities. Nothing can be changed. */
static bool mode_sense(const struct ata_drive *drive, const uint8_t *packet, struct answer *answer)
{
    enum { PAGE_RECOVERY = 0x01, PAGE_CAPABILITIES = 0x2a, PAGE_ALL = 0x3f, CHANGEABLE = 1, SAVED = 3 };
    enum { SPEED = 8467 /* KB/s: 48 times */, LOCKED = 2 };
    unsigned page = packet[2] & PAGE_ALL, control = packet[2] >> 6;
    uint32_t mask = control == CHANGEABLE ? 0 : UINT32_MAX;
    if (control == SAVED)
        return false;
    put(answer, 0, 2);
    put(answer, drive->atapi.tray_open ? 0x71 : drive->image.size ? 0x01 : 0x70, 1); /* type of the medium */
    put(answer, 0, 5);
    uint32_t header = answer->length;
    if (page == PAGE_RECOVERY || page == PAGE_ALL) {
        put(answer, PAGE_RECOVERY << 8 | 6, 2);
        put(answer, 0x0005 & mask, 2); /* with retries */
        put(answer, 0, 4);
    }
    if (page == PAGE_CAPABILITIES || page == PAGE_ALL) {
        put(answer, PAGE_CAPABILITIES << 8 | 18, 2);
        put(answer, 0x0b000000 & mask, 4); /* reads CD-R, CD-RW and DVD */
        put(answer, (0x29u | (drive->atapi.locked ? LOCKED : 0)) << 8 & mask, 2);
        put(answer, SPEED & mask, 2);
        put(answer, 0, 2);
        put(answer, 512 & mask, 2); /* KiB of buffer */
        put(answer, SPEED & mask, 2);
        put(answer, 0, 4);
    }
    bool known = answer->length > header;
    put_length(answer, 2);
    return known;
}

uint32_t atapi_information(struct ata_drive *drive, const uint8_t packet[ATA_PACKET_SIZE])
{
    struct answer answer = {.bytes = drive->buffer};
    bool good = true;
    switch (packet[0]) {
    case 0x03:
        request_sense(drive, &answer);
        break;
    case 0x12:
        good = !(packet[1] & 1); /* vital product data */
        inquiry(&answer);
        break;
    case 0x25: /* READ CAPACITY: the last sector and a sector's size */
        put(&answer, disc_sectors(drive) - 1, 4);
        put(&answer, DISC_SECTOR, 4);
        break;
    case 0x43:
        good = read_toc(drive, packet, &answer);
        break;
    case 0x46:
        good = get_configuration(drive, packet, &answer);
        break;
    case 0x4a:
        good = get_event_status(drive, packet, &answer);
        break;
    case 0x51:
        read_disc_information(&answer);
        break;
    case 0x5a:
        good = mode_sense(drive, packet, &answer);
        break;
    default: /* MECHANISM STATUS (6.9): one slot, idle; whether its door is open */
        put(&answer, drive->atapi.tray_open ? 0x00100000 : 0, 4);
        put(&answer, 0x00010000, 4);
    }
    return good ? answer.length : 0;
}

void atapi_raw_sector(struct ata_drive *drive, uint64_t at)
{
    enum { SYNC = 12, HEADER = 4, MODE_1 = 1 };
    const uint8_t *bytes = disk_image_read(&drive->image, at, DISC_SECTOR);
    uint32_t place = minutes_seconds_frames((uint32_t)(at / DISC_SECTOR));
    memset(drive->buffer, 0, ATA_RAW_SECTOR);
    memset(drive->buffer + 1, 0xff, SYNC - 2);
    for (unsigned i = 0; i < 3; i++) { /* as decimal digits */
        uint8_t value = (uint8_t)(place >> 8 * (2 - i));
        drive->buffer[SYNC + i] = (uint8_t)(value / 10 % 10 << 4 | value % 10);
    }
    drive->buffer[SYNC + 3] = MODE_1;
    if (bytes)
        memcpy(drive->buffer + SYNC + HEADER, bytes, DISC_SECTOR);
}
