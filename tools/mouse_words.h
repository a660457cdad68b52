/* What a user says the mouse does. */
#pragma once

#include <stddef.h>
#include "channel.h"

enum { MOUSE_WORD_EVENTS_MAX = 2 };

/* "move=RIGHT,DOWN", "wheel=STEPS" (towards the user), "down=", "up=", "click=" and a button: left, right,
 * middle, fourth or fifth. Returns how many events it makes; 0: it is none of these. */
size_t mouse_word(const char *word, struct input_event *events);
