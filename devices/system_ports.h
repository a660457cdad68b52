/* The small ports of the main board: reset, A20 and delays. See system_ports.c. */
#pragma once

#include <stdint.h>
#include "device.h"

struct system_ports {
    uint8_t port92; /* as written, without the reset bit */
    uint8_t reset_control;
    uint8_t post_code; /* last byte written to port 0x80 */
    uint8_t reserved[5];
};

extern const struct device system_ports_device;
