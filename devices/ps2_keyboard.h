/* The keyboard behind the controller's first port: state block. See ps2_keyboard.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PS2_KEYBOARD_QUEUE = 32, PS2_REPLIES = 4 };

struct ps2_keyboard {
    uint8_t pending; /* command that waits for its argument; 0: none */
    uint8_t scan_set;
    uint8_t leds, rate;
    uint8_t scanning;
    uint8_t last; /* byte sent, for RESEND */
    uint8_t reply_count, queue_next, queue_count;
    uint8_t reply[PS2_REPLIES]; /* go before keys */
    uint8_t reserved[3];
    uint8_t queue[PS2_KEYBOARD_QUEUE];
};

void ps2_keyboard_reset(struct ps2_keyboard *keyboard);
/* NULL, or the broken rule. */
const char *ps2_keyboard_check(const struct ps2_keyboard *keyboard);

/* A byte from the controller. */
void ps2_keyboard_write(struct ps2_keyboard *keyboard, uint8_t value);
/* The next byte for the controller; -1: none. */
int ps2_keyboard_read(struct ps2_keyboard *keyboard);

/* Whether a key has room for all of its bytes. */
bool ps2_keyboard_has_room(const struct ps2_keyboard *keyboard);
/* A key goes down or up: enum input_key (channel.h). */
void ps2_keyboard_press(struct ps2_keyboard *keyboard, uint8_t key, bool down);

/* What the controller makes of a byte of scan code set 2 when it translates. */
uint8_t ps2_translate(uint8_t code);
