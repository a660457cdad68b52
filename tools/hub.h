/*
 * The hub of a run: joins any number of commands, each on a connection of its own, to the one control line of
 * the monitor. A request goes on with the connection's number in the highest byte of its id, and the answer
 * back by it (include/control.h). What is no frame goes nowhere.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "control_frame.h"

/* A queue holds what a console says in seconds: one that has no processor for so long is not dropped. */
enum { HUB_CLIENTS = 32, HUB_QUEUE = 1 << 20 };

/* One side of the hub. */
struct hub_end {
    int fd; /* -1: none */
    bool watched_out;
    uint32_t queued; /* bytes in queue */
    struct control_decoder decoder;
    uint8_t queue[HUB_QUEUE];
};

struct hub {
    int events;   /* can be read when hub_run() has something to do; -1: there is no hub */
    int listener; /* where commands connect */
    int dialled;  /* where the emulator connects for the line, until it has; -1: nowhere */
    char *path;
    struct hub_end line;
    struct hub_end client[HUB_CLIENTS];
};

/* Listens under a name; a run without a hub is good, too: the reason has been said then. line: nr's end of
 * the line, or -1; dialled: where it is to be accepted, or -1. Both are the hub's from now on. */
void hub_open(struct hub *hub, const char *name, int line, int dialled);
/* A connection for the run itself, not blocking; -1: there is none. */
int hub_join(struct hub *hub);
/* Moves what can be moved, without waiting. */
void hub_run(struct hub *hub);
void hub_close(struct hub *hub);
