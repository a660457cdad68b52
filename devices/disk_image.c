/*
 * Disk images: where they begin and end, copy-on-write, and the geometry of those that DOS has partitioned.
 *
 * Documents: ATA/ATAPI-6 (T13/1410D), annex C, for the default geometry; Phoenix Enhanced Disk Drive
 * Specification 1.1, 4, for translations. The geometry of a partitioned disk is what its first partition that
 * is in use ends with, as the system that made it believed; with more than 16 heads that was a translated
 * one. Missing: sectors of other than 512 bytes on disks and 2,048 on discs, LARGE with 15 heads (revised
 * ECHS), geometries from other partition tables than DOS'.
 */
#include "disk_image.h"
#include "effects.h"
#include "errors.h"
#include "format.h"

/* What ATA's registers can hold and what every BIOS calls the largest geometry. */
enum { CYLINDERS_MAX = 16383, HEADS_MAX = 16, SECTORS_MAX = 63 };
/* INT 13h has 1024 cylinders; LARGE shifts them into 255 heads. */
enum { BIOS_CYLINDERS = 1024, LARGE_TRACKS_MAX = 131072 };

/* Master boot record: four entries of 16 bytes from 446 on, and the signature. */
enum {
    MBR_ENTRIES = 446,
    MBR_ENTRY_SIZE = 16,
    MBR_ENTRY_COUNT = 4,
    MBR_END_HEAD = 5,
    MBR_END_SECTOR = 6,
    MBR_SECTOR_COUNT = 12,
    MBR_SIGNATURE = 510
};

static uint8_t *image_bytes(const struct disk_image *image, uint64_t *size)
{
    *size = 0;
    return image->is_cd ? effect_cd(image->unit, size) : effect_disk(image->unit, size);
}

void disk_image_open(struct disk_image *image, unsigned unit, enum guest_disk_kind kind)
{
    const struct guest_config *config = effect_guest_config();
    uint64_t size;
    *image = (struct disk_image){.unit = (uint8_t)unit};
    if (unit < config->disk_count && unit < GUEST_DISKS_MAX && config->disk[unit].kind == kind &&
        image_bytes(image, &size))
        image->size = size / DISK_SECTOR * DISK_SECTOR;
}

void disk_image_open_cd(struct disk_image *image, unsigned unit)
{
    uint64_t size;
    *image = (struct disk_image){.unit = (uint8_t)unit, .is_cd = true};
    if (image_bytes(image, &size))
        image->size = size / DISC_SECTOR * DISC_SECTOR;
}

const uint8_t *disk_image_read(const struct disk_image *image, uint64_t at, uint64_t length)
{
    uint64_t size;
    const uint8_t *bytes = image_bytes(image, &size);
    if (size > image->size)
        size = image->size;
    return !bytes || at > size || length > size - at ? NULL : bytes + at;
}

/* Says it once: the guest's own log has an error for each request. */
static void image_report_full(struct disk_image *image)
{
    char text[96];
    if (image->full)
        return;
    image->full = true;
    format_text(text, sizeof text, "disk%u: its overlay is full, writes fail; give it more overlay-mib",
                image->unit);
    effect_log(text);
}

uint8_t *disk_image_write(struct disk_image *image, uint64_t at, uint64_t length)
{
    uint64_t size;
    uint8_t *bytes = image_bytes(image, &size);
    if (image->is_cd || !disk_image_read(image, at, length))
        return NULL;
    if (effect_disk_prepare(bytes + at, length) != NR_OK) {
        image_report_full(image);
        return NULL;
    }
    return bytes + at;
}

const char *disk_image_check(const struct disk_image *image)
{
    uint64_t size;
    bool there = image_bytes(image, &size);
    unsigned sector = image->is_cd ? DISC_SECTOR : DISK_SECTOR;
    if (image->is_cd > 1 || image->full > 1)
        return "kind of the image";
    if (image->size && (!there || image->size != size / sector * sector))
        return "size of the image";
    return NULL;
}

/* What the partition table says; false if it says nothing. */
static bool image_partition_geometry(const struct disk_image *image, struct disk_geometry *geometry)
{
    const uint8_t *mbr = disk_image_read(image, 0, DISK_SECTOR);
    if (!mbr || mbr[MBR_SIGNATURE] != 0x55 || mbr[MBR_SIGNATURE + 1] != 0xaa)
        return false;
    for (unsigned i = 0; i < MBR_ENTRY_COUNT; i++) {
        const uint8_t *entry = mbr + MBR_ENTRIES + i * MBR_ENTRY_SIZE;
        const uint8_t *count = entry + MBR_SECTOR_COUNT;
        geometry->heads = entry[MBR_END_HEAD] + 1u;
        geometry->sectors = entry[MBR_END_SECTOR] & SECTORS_MAX;
        if (!(count[0] | count[1] | count[2] | count[3]) || geometry->heads == 1 || geometry->sectors == 0)
            continue;
        uint64_t cylinders = image->size / DISK_SECTOR / geometry->heads / geometry->sectors;
        if (cylinders >= 1 && cylinders <= CYLINDERS_MAX) {
            geometry->cylinders = (uint32_t)cylinders;
            return true;
        }
    }
    return false;
}

struct disk_geometry disk_image_geometry(const struct disk_image *image)
{
    struct disk_geometry found, geometry = {.heads = HEADS_MAX, .sectors = SECTORS_MAX};
    uint64_t cylinders = image->size / DISK_SECTOR / (HEADS_MAX * SECTORS_MAX);
    bool partitioned = image_partition_geometry(image, &found);
    if (partitioned && found.heads <= HEADS_MAX) {
        found.translation = TRANSLATION_NONE;
        return found;
    }
    geometry.cylinders = cylinders > CYLINDERS_MAX ? CYLINDERS_MAX : cylinders ? (uint32_t)cylinders : 1;
    if (partitioned && geometry.cylinders * HEADS_MAX <= LARGE_TRACKS_MAX)
        geometry.translation = TRANSLATION_LARGE;
    else if (partitioned || geometry.cylinders > BIOS_CYLINDERS)
        geometry.translation = TRANSLATION_LBA;
    return geometry;
}
