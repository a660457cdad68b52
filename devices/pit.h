/* The 8254 timer and port 0x61: state block. See pit.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"
#include "pit_channel.h"

enum { PIT_CHANNELS = 3, PIT_HZ = 1193182 };

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
