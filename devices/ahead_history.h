/*
 * Where going on behind an access to a device is worth it. Each access is remembered by the address behind
 * it, and tried when it comes again. A place that nothing follows is left alone for longer and longer; where
 * something does, the most accesses that have followed so far are the end, and only now and then more is
 * looked for.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct ahead_place {
    uint32_t next_rip; /* its low half */
    uint8_t wait;      /* how often not to try */
    uint8_t failures;  /* in a row */
    uint8_t most;      /* accesses that have followed */
    uint8_t trust;     /* how often not to look for more */
};

enum {
    AHEAD_PLACES = 256,
    AHEAD_PLACES_SHIFT = 24,
    AHEAD_HASH = 0x9e3779b1u, /* 2^32 by the golden ratio */
    AHEAD_TRUST = 15,
    AHEAD_MOST = 16, /* accesses: more are a loop's, where one try in vain at its end is nothing */
};

struct ahead_history {
    struct ahead_place place[AHEAD_PLACES];
};

static inline struct ahead_place *ahead_place(struct ahead_history *history, uint64_t next_rip)
{
    return &history->place[(uint32_t)next_rip * AHEAD_HASH >> AHEAD_PLACES_SHIFT];
}

/* Whether to go on behind this access, which ends at next_rip. */
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

/* Behind how many accesses to end. */
static inline uint32_t ahead_most(const struct ahead_place *place)
{
    return place->trust ? place->most : UINT32_MAX;
}

/* So many have followed when it was tried. */
void ahead_learn(struct ahead_place *place, uint32_t accesses);
