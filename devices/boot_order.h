/* The order in which a firmware tries the guest's drives. See boot_order.c. */
#pragma once

#include <stdint.h>
#include "guest_config.h"

/* Writes the description's order as the firmware's file "bootorder" wants it; returns its length without the
 * NUL; 0: it has none. */
uint32_t boot_order_text(const struct guest_config *config, char *to, uint32_t size);
/* The same by classes of drives, for CMOS: four bits each, the first lowest. */
uint16_t boot_order_classes(const struct guest_config *config);
