/*
 * What --expect sees of the guests' text screens: a run asks its own monitor for them, one after the other,
 * as `nr screen` does from outside.
 */
#pragma once

#include <stdint.h>
#include "control_client.h"
#include "expect.h"
#include "guest.h"

struct screen_watch {
    struct control_client client; /* fd -1: nobody is watched */
    const struct guest *guest;
    uint32_t guest_count, next; /* the guest to ask about */
    uint32_t id, pieces;
    int64_t due_ms; /* when to ask, or to ask again */
    struct control_answer answer;
};

/* Guests that start from a BIOS have a screen. fd: a connection to the hub, or -1; not blocking. */
void screen_watch_open(struct screen_watch *watch, int fd, const struct guest *guests, uint32_t count);
/* To be called when due_ms has come: asks. */
void screen_watch_ask(struct screen_watch *watch, int64_t now_ms);
/* To be called when the connection can be read: holds a whole screen to what is expected. */
void screen_watch_read(struct screen_watch *watch, int64_t now_ms, struct expect *expect);
/* Also to be called when the monitor has gone. */
void screen_watch_close(struct screen_watch *watch);
