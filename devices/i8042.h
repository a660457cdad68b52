/* The keyboard controller with a keyboard: state block. See i8042.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "device.h"

enum { I8042_QUEUE = 16, I8042_RAM = 32 };

struct i8042 {
    uint8_t ram[I8042_RAM]; /* byte 0 is the command byte */
    uint8_t output_port;
    uint8_t pending;          /* controller command that waits for its data byte at port 0x60; 0: none */
    uint8_t keyboard_pending; /* the same of the keyboard */
    uint8_t last_was_command; /* status bit 3 */
    uint8_t scan_set;         /* 1-3 */
    uint8_t leds;
    uint8_t scanning;
    uint8_t irq; /* level of IRQ 1 */
    uint8_t queue_next, queue_count;
    uint8_t reserved[6];
    uint8_t queue[I8042_QUEUE]; /* for port 0x60 */
};

extern const struct device i8042_device;
