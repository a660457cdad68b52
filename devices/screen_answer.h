/* The guest's screen for the service: see screen_answer.c. */
#pragma once

#include <stdbool.h>
#include "channel.h"
#include "vga.h"

/* Answers a question that waits in the channel; true: the service is to be notified. video: the guest's video
 * memory; NULL: it has no screen. */
bool screen_answer(const struct vga *vga, const uint8_t *video, struct channel_screen *screen);
