/* One run of an emulator: its console on stdout, the monitor's lines on stderr, until it ends or is ended. */
#pragma once

#include <stdio.h>
#include "expect.h"
#include "machine.h"

struct session_options {
    const struct machine *machine;
    double timeout;        /* wall-clock seconds; 0: none */
    struct expect *expect; /* may be empty */
    FILE *log;             /* receives console and log as they come, or NULL */
};

/*
 * Runs the emulator that the machine describes for this image and returns an nr_status, having said how it
 * ended. The emulator is gone on return.
 */
int session_run(const struct session_options *options, const struct machine_options *machine_options,
                const char *image, const struct guest *guests, uint32_t count);
