/* Keys by name and by character, on a US keyboard. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "channel.h"

enum { STROKE_KEYS_MAX = 8, STROKE_EVENTS_MAX = 2 * STROKE_KEYS_MAX };

/* Keys that go down in this order, and up in the opposite one. */
struct key_stroke {
    uint8_t count;
    uint8_t key[STROKE_KEYS_MAX]; /* codes as in struct input_event */
};

/* The stroke that makes a character; newline is Enter. False: a US keyboard has none. */
bool keys_of_character(char character, struct key_stroke *stroke);

/*
 * The stroke that a user names: keys joined by "-" or "+" ("ctrl-alt-delete", "shift-f10", "ctrl--"), each a
 * name in either case or a character. False: it is none, or too many keys.
 */
bool keys_of_name(const char *name, struct key_stroke *stroke);

/* Its keys as events that go down, or up; at most STROKE_KEYS_MAX. Returns how many. */
size_t keys_events(const struct key_stroke *stroke, bool down, struct input_event *events);
