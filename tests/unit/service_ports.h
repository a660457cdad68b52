/* A machine's ports of the test's own, for a file of the service that is included behind this. */
#pragma once

#include <stdint.h>

#define port_read  hardware_read
#define port_write hardware_write
#include "../../service/ports.h"
#undef port_read
#undef port_write
static uint8_t port_read(uint16_t port);
static void port_write(uint16_t port, uint8_t value);
