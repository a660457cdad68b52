/* The keyboard controller with keyboard and mouse: state block. See i8042.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "channel.h"
#include "device.h"
#include "ps2_keyboard.h"
#include "ps2_mouse.h"

enum { I8042_RAM = 32 };

struct i8042 {
    uint8_t ram[I8042_RAM]; /* byte 0 is the command byte */
    uint8_t output_port;
    uint8_t pending;          /* controller command that waits for its data byte at port 0x60; 0: none */
    uint8_t last_was_command; /* status bit 3 */
    uint8_t output;           /* the byte for port 0x60 */
    uint8_t full;             /* nobody has read it yet */
    uint8_t from_aux;         /* it comes from the second port */
    uint8_t breaking;         /* translation: the next byte is that of a key going up */
    uint8_t irq, aux_irq;     /* levels of IRQ 1 and 12 */
    uint8_t event_waits;      /* the keyboard had no room for `event` yet */
    uint8_t reserved[6];
    struct input_event event;
    struct ps2_keyboard keyboard;
    struct ps2_mouse mouse;
};

extern const struct device i8042_device;

/* Somebody has done something at keyboard or mouse: effect_input(). */
void i8042_receive(struct i8042 *i8042);
