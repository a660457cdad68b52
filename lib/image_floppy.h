/*
 * The formats of diskettes, by the size of an image. Used by the floppy controller in ring 3 and by `nr
 * check` on the host.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { FLOPPY_SECTOR = 512 };

/* Types of drives as CMOS byte 0x10 has them. */
enum floppy_drive_type {
    FLOPPY_DRIVE_NONE,
    FLOPPY_DRIVE_360K, /* 5.25 inches */
    FLOPPY_DRIVE_1200K,
    FLOPPY_DRIVE_720K, /* 3.5 inches */
    FLOPPY_DRIVE_1440K,
    FLOPPY_DRIVE_2880K,
};

/* Data rates as the controller's registers have them. */
enum floppy_rate { FLOPPY_RATE_500K, FLOPPY_RATE_300K, FLOPPY_RATE_250K, FLOPPY_RATE_1M };

struct floppy_format {
    uint32_t kib;
    uint8_t cylinders, heads, sectors; /* sectors: of a track */
    uint8_t drive;                     /* enum floppy_drive_type: the drive that such a diskette is used in */
    uint8_t rates;                     /* bits 1 << enum floppy_rate at which it can be read */
};

/* The smallest format that holds an image of size bytes, which may lack sectors at its end; NULL: none, or no
 * whole number of sectors. */
const struct floppy_format *floppy_format_of(uint64_t size);

/* Whether a drive of that type (enum floppy_drive_type) takes diskettes of that format: those of its size
 * that are of no higher density. */
bool floppy_drive_takes(unsigned type, const struct floppy_format *format);
