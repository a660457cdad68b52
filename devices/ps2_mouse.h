/* The mouse behind the controller's second port: state block. See ps2_mouse.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PS2_MOUSE_QUEUE = 16 };

struct ps2_mouse {
    int32_t dx, dy, dz; /* moved since the last packet: right, up, wheel towards the user */
    uint8_t buttons;    /* enum input_button */
    uint8_t buttons_told;
    uint8_t pending; /* command that waits for its argument; 0: none */
    uint8_t id;      /* 0: plain, 3: wheel, 4: wheel and five buttons */
    uint8_t rate, resolution;
    uint8_t scale_2, remote, wrap, enabled;
    uint8_t rates[2]; /* the two set before this one: three together ask for another kind of mouse */
    uint8_t last;
    uint8_t queue_next, queue_count;
    uint8_t reserved[1];
    uint8_t queue[PS2_MOUSE_QUEUE];
};

void ps2_mouse_reset(struct ps2_mouse *mouse);
/* NULL, or the broken rule. */
const char *ps2_mouse_check(const struct ps2_mouse *mouse);

/* A byte from the controller. */
void ps2_mouse_write(struct ps2_mouse *mouse, uint8_t value);
/* The next byte for the controller; -1: none. */
int ps2_mouse_read(struct ps2_mouse *mouse);

/* The mouse moves by so much to the right and down, its wheel turns towards the user. */
void ps2_mouse_move(struct ps2_mouse *mouse, int right, int down, int wheel);
/* Buttons (enum input_button) go down or up. */
void ps2_mouse_press(struct ps2_mouse *mouse, uint8_t buttons, bool down);
/* It will send how the buttons are: until then their next change would hide the last. */
bool ps2_mouse_has_buttons_to_tell(const struct ps2_mouse *mouse);
