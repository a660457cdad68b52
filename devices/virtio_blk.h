/* A virtio disk: state block. See virtio_blk.c. */
#pragma once

#include "virtio.h"

struct virtio_blk {
    struct virtio virtio; /* first: configuration and requests get at it by a cast */
    uint64_t sectors;     /* of 512 bytes; 0: the description has no such disk, the function is not there */
    uint64_t resume;      /* guest time in ns at which the rest of a long batch is done, or DEADLINE_NONE */
    uint16_t unit;        /* number of the disk in the description */
    uint8_t full;         /* the overlay is used up, and that has been said */
    uint8_t reserved[5];
};

extern const struct device virtio_blk_device;
