/* The 8254 timer and port 0x61: state block. See pit.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { PIT_CHANNELS = 3, PIT_HZ = 1193182 };

/* One counter. Times are in clocks of the 8254 since guest time 0. */
struct pit_channel {
    uint64_t start;         /* clock at which the counting element was loaded */
    uint64_t frozen;        /* clocks counted when the gate stopped it */
    uint64_t pending_start; /* when pending takes effect; DEADLINE_NONE: at the next trigger */
    uint32_t count;         /* of the period that runs, 1-65536 */
    uint32_t pending;       /* count written for later; 0: none */
    uint16_t latched_count;
    uint8_t latched_status;
    uint8_t mode;                /* 0-5 */
    uint8_t access;              /* enum pit_access */
    uint8_t bcd;                 /* counts in decimal */
    uint8_t gate;                /* level of the input */
    uint8_t loaded;              /* a count was written since the control word */
    uint8_t running;             /* the counting element counts */
    uint8_t low_byte;            /* first byte of a count, until the second comes */
    uint8_t write_high;          /* the next write is the second byte */
    uint8_t read_high;           /* the next read is the second byte */
    uint8_t count_bytes_latched; /* bytes of latched_count that are still to be read */
    uint8_t status_latched;
    uint8_t reserved[2];
};

struct pit {
    struct pit_channel channel[PIT_CHANNELS];
    uint64_t next_rise; /* clock at which the output of channel 0 rises next, or DEADLINE_NONE */
    uint64_t retry;     /* clock at which an owed tick is tried again */
    uint32_t owed;      /* ticks of channel 0 that the guest has not had yet */
    uint8_t port61;     /* bits 0-3 as written */
    uint8_t polls;      /* reads of port 0x61 since anything else was accessed */
    uint8_t reserved[2];
};

extern const struct device pit_device;
