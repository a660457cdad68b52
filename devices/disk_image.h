/*
 * A disk's or a disc's image, as virtio_blk, ATA and AHCI disks and CD drives have it: bytes in memory,
 * shared and read-only until a write makes their pages private. See disk_image.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "guest_config.h"

enum { DISK_SECTOR = 512, DISC_SECTOR = 2048 };

/* Part of a device's state block. */
struct disk_image {
    uint64_t size; /* bytes; 0: there is none */
    uint8_t unit;  /* number of the disk, or of the CD drive, in the description */
    uint8_t is_cd;
    uint8_t full; /* the overlay is used up, and that has been said */
    uint8_t reserved[5];
};

/* Disk `unit` of the description, in whole sectors, if it is of that kind; otherwise size is 0. */
void disk_image_open(struct disk_image *image, unsigned unit, enum guest_disk_kind kind);
/* The disc in CD drive `unit`; size is 0 when the drive is empty. */
void disk_image_open_cd(struct disk_image *image, unsigned unit);

/* The bytes [at, at + length), or NULL if they reach over the end. */
const uint8_t *disk_image_read(const struct disk_image *image, uint64_t at, uint64_t length);
/* The same, writable. NULL also when the overlay is used up, which is said once. */
uint8_t *disk_image_write(struct disk_image *image, uint64_t at, uint64_t length);

/* NULL, or the broken rule. */
const char *disk_image_check(const struct disk_image *image);

/* Cylinders, heads and sectors on a track, which a disk has towards systems that do not know LBA; and how a
 * BIOS makes other ones of them (enum disk_translation). */
enum disk_translation { TRANSLATION_NONE, TRANSLATION_LBA, TRANSLATION_LARGE };
struct disk_geometry {
    uint32_t cylinders, heads, sectors;
    enum disk_translation translation;
};
struct disk_geometry disk_image_geometry(const struct disk_image *image);
