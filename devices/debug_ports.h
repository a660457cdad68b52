/* The debug console and debug exit ports. See debug_ports.c. */
#pragma once

#include <stdint.h>
#include "device.h"

struct debug_ports {
    uint32_t exit_value; /* last one written; the guest ends with it */
    uint32_t lost;       /* bytes that the console had no room for */
};

extern const struct device debug_ports_device;
