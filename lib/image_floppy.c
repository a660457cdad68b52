/*
 * Formats of PC diskettes: IBM PC technical references, ECMA-70 and ECMA-99 (5.25 inches), ECMA-100 and
 * ECMA-125 (3.5 inches).
 */
#include "image_floppy.h"
#include <stddef.h>

#define RATE(rate) (1u << FLOPPY_RATE_##rate)

/* By size. A 360 KB diskette turns faster in a drive for 1.2 MB, which reads it at 300 kbit/s. */
static const struct floppy_format formats[] = {
    {160, 40, 1, 8, FLOPPY_DRIVE_360K, RATE(250K) | RATE(300K)},
    {180, 40, 1, 9, FLOPPY_DRIVE_360K, RATE(250K) | RATE(300K)},
    {320, 40, 2, 8, FLOPPY_DRIVE_360K, RATE(250K) | RATE(300K)},
    {360, 40, 2, 9, FLOPPY_DRIVE_360K, RATE(250K) | RATE(300K)},
    {720, 80, 2, 9, FLOPPY_DRIVE_1440K, RATE(250K)},
    {1200, 80, 2, 15, FLOPPY_DRIVE_1200K, RATE(500K)},
    {1440, 80, 2, 18, FLOPPY_DRIVE_1440K, RATE(500K)},
    {2880, 80, 2, 36, FLOPPY_DRIVE_2880K, RATE(1M)},
};

const struct floppy_format *floppy_format_of(uint64_t size)
{
    if (size == 0 || size % FLOPPY_SECTOR)
        return NULL;
    for (unsigned i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (size <= (uint64_t)formats[i].kib << 10)
            return &formats[i];
    return NULL;
}

bool floppy_drive_takes(unsigned type, const struct floppy_format *format)
{
    switch (type) {
    case FLOPPY_DRIVE_1200K:
        return format->drive == FLOPPY_DRIVE_1200K || format->drive == FLOPPY_DRIVE_360K;
    case FLOPPY_DRIVE_2880K:
        return format->drive == FLOPPY_DRIVE_2880K || format->drive == FLOPPY_DRIVE_1440K;
    default:
        return format->drive == type;
    }
}
