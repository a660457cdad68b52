/* A virtio disk: state block. See virtio_blk.c. */
#pragma once

#include "disk_image.h"
#include "virtio.h"

struct virtio_blk {
    struct virtio virtio;    /* first: configuration and requests get at it by a cast */
    struct disk_image image; /* size 0: the description has no such disk, the function is not there */
    uint64_t resume; /* guest time in ns at which the rest of a long batch is done, or DEADLINE_NONE */
};

extern const struct device virtio_blk_device;
