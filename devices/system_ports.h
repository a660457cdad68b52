/* The small ports of the main board: reset, A20 and delays. See system_ports.c. */
#pragma once

#include <stdint.h>
#include "device.h"

/* The FADT's PM2 control block. It lies at the write port of ISA Plug and Play: this board has no ISA slots,
 * and a system that finds the port taken does not look for cards there, which is two thousand accesses. */
enum { SYSTEM_PORT_PM2 = 0xa79 };

struct system_ports {
    uint8_t port92; /* as written, without the reset bit */
    uint8_t reset_control;
    uint8_t post_code; /* last byte written to port 0x80 */
    uint8_t pm2_control;
    uint8_t reserved[4];
};

extern const struct device system_ports_device;
