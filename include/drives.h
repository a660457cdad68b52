/*
 * Questions about what a guest's drives hold, and hands at those whose medium can be changed: nr asks over
 * the control line (CONTROL_DISK and the others beside it), the service passes it on through the channel, and
 * the device model answers.
 */
#pragma once

#include <stdint.h>
#include "guest_config.h"

enum media_op {
    MEDIA_LIST,   /* text: a line for each drive */
    MEDIA_READ,   /* data of a drive from `offset` on */
    MEDIA_EJECT,  /* takes out what is in the drive */
    MEDIA_INSERT, /* puts `image` into it, in place of what is there; without a name what was in last */
    MEDIA_OP_COUNT
};

enum media_flag {
    MEDIA_SKIP_ZEROS = 1, /* of MEDIA_READ: zeros before the data may be left out */
    MEDIA_FORCE = 2,      /* of the other two: even if the guest has locked it */
};

/* What was asked for cannot be, or cannot be now. */
enum media_refusal { MEDIA_DONE, MEDIA_WRONG, MEDIA_REFUSED };

enum { MEDIA_DATA = 4096 };

struct media_request {
    uint32_t op;    /* enum media_op */
    uint32_t flags; /* enum media_flag */
    uint64_t offset;
    char drive[GUEST_BOOT_NAME]; /* a node of the description */
    char image[GUEST_PATH_SIZE]; /* as the description has it, or its last part */
};

struct media_answer {
    uint32_t refused; /* enum media_refusal; data is a sentence that says why */
    uint32_t size;    /* of data */
    /* Of MEDIA_READ: where the data lie, of how many bytes altogether, and in which image. */
    uint64_t at, all;
    char image[GUEST_PATH_SIZE];
    uint8_t data[MEDIA_DATA];
};
