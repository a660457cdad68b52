/* One run of an emulator: its console on stdout, the monitor's lines on stderr, until it ends or is ended. */
#pragma once

#include <stdio.h>
#include "consoles.h"
#include "expect.h"
#include "machine.h"

struct session_options {
    const struct machine *machine;
    const char *name;          /* of the run, for other commands */
    double timeout;            /* wall-clock seconds; 0: none */
    struct expect *expect;     /* may be empty */
    FILE *log;                 /* receives console and log as they come, or NULL */
    struct consoles *consoles; /* of each guest, in files */
};

/*
 * Runs the emulator that the machine describes and returns an nr_status, having said how it ended. The
 * emulator is gone on return. The run's channels are made here.
 */
int session_run(const struct session_options *options, struct machine_run *run);
