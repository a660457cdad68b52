/* In place of misbehave.c in every build but the one for tests: a device that answers to nothing. */
#include "misbehave.h"

static void behave_reset(void *state, const struct device_slot *slot)
{
    (void)state;
    (void)slot;
}

static void behave_io(void *state, struct io *io)
{
    (void)state;
    (void)io;
}

static const char *behave_check(const void *state)
{
    (void)state;
    return NULL;
}

static void behave_inspect(const void *state, struct inspector *inspector)
{
    (void)state;
    (void)inspector;
}

const struct device misbehave_device = {
    .name = "no test device",
    .state_size = 0,
    .region_count = 0,
    .reset = behave_reset,
    .io = behave_io,
    .check = behave_check,
    .inspect = behave_inspect,
    .missed_ticks = TICKS_NONE,
    .deadline = device_no_deadline,
    .tick = device_no_tick,
};
