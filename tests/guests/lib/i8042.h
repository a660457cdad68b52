/* The keyboard controller, polled (IBM PS/2 hardware interface technical reference). */
#pragma once

#include <stdint.h>

enum {
    I8042_DATA = 0x60,
    I8042_STATUS = 0x64,
    I8042_FULL = 1,
    I8042_INPUT_FULL = 2,
    I8042_FROM_AUX = 0x20,
    I8042_NOTHING = 0x100,
    I8042_AUX = 0x1000
};

/* Each waits until the controller takes it. */
void i8042_command(uint8_t value);
void i8042_data(uint8_t value);
/* The next byte, with I8042_AUX if it is from the mouse's port; I8042_NOTHING: none came. */
uint32_t i8042_next(void);
