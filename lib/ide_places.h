/*
 * Which drive of a description is where on IDE: the same for the emulated controller, for the BIOS' boot
 * order and for a native run.
 */
#pragma once

#include <stdbool.h>
#include "guest_config.h"

/* Primary master, primary slave, secondary master, secondary slave. */
enum { IDE_DRIVES = 4, IDE_CHANNEL_DRIVES = 2 };

struct ide_place {
    bool used;
    bool is_cd;
    uint32_t unit; /* number of the disk, or of the CD drive */
};

/* Disks in their order from the primary master on; CD drives from the secondary master on where that is free,
 * as PCs are wired, and then wherever there is room. Drives beyond IDE_DRIVES are left out. */
void ide_places(const struct guest_config *config, struct ide_place place[IDE_DRIVES]);
