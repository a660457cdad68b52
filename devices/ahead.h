/* When the device model goes on emulating behind an access to a device. See ahead.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "upcall.h"

struct pc;

/* What is known of the instructions behind an access, by the address where they begin. */
struct ahead_place {
    uint32_t next_rip; /* its low half */
    uint8_t wait;      /* how often not to try */
    uint8_t failures;  /* in a row */
    uint8_t reserved[2];
};

enum { AHEAD_PLACES = 256, AHEAD_PLACES_SHIFT = 24, AHEAD_HASH = 0x9e3779b1u /* 2^32 by the golden ratio */ };

struct ahead_history {
    struct ahead_place place[AHEAD_PLACES];
};

static inline struct ahead_place *ahead_place(struct ahead_history *history, uint64_t next_rip)
{
    return &history->place[(uint32_t)next_rip * AHEAD_HASH >> AHEAD_PLACES_SHIFT];
}

/* Whether to go on behind this access, which ends at next_rip: another one has followed there before. */
static inline bool ahead_expects(struct ahead_history *history, uint64_t next_rip)
{
    struct ahead_place *place = ahead_place(history, next_rip);
    if (place->next_rip != (uint32_t)next_rip) {
        *place = (struct ahead_place){.next_rip = (uint32_t)next_rip};
        return false;
    }
    if (!place->wait)
        return true;
    place->wait--;
    return false;
}

/* Goes on behind the port access of an UPCALL_PIO, or behind the instruction of an UPCALL_EMULATE, that has
 * been answered. */
void ahead_of_pio(struct upcall *upcall, struct pc *pc);
void ahead_of_emulation(struct upcall *upcall, struct pc *pc);
