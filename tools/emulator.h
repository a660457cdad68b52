/* The emulator as a process: its start, its channels, what it has used, its end. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include "machine.h"

struct emulator {
    pid_t process;             /* 0: none is running */
    int console, log, control; /* nr's ends of the channels, not blocking; -1 when closed */
    int listener;              /* where the console is to call, until it has; -1: nowhere */
    int line, line_listener;   /* the same of the control line, for the hub to take */
    const char *directory;     /* in which it runs; NULL: nr's */
    double seconds;            /* of processor time, once it has ended */
};

/* Makes the channels; theirs are the emulator's ends. Returns -1 and errno if there are none left. */
int emulator_connect(struct emulator *emulator, const struct emulator_kind *kind,
                     struct machine_channels *theirs);
/* Takes the call of an emulator that dials for its console. */
void emulator_accept(struct emulator *emulator);
/*
 * Starts it and closes its ends here. It is killed when nr dies,
 * however that comes about. Returns an nr_status, having said what is wrong.
 */
int emulator_start(struct emulator *emulator, const struct emulator_kind *kind,
                   struct machine_command *command, const struct machine_channels *theirs);
/* True, and its wait status, once when it has ended. */
bool emulator_has_ended(struct emulator *emulator, int *wait_status);
/* Ends it if it runs; that it has ended comes as of any other end. */
void emulator_kill(struct emulator *emulator);
/* The same, waits for it, and closes the channels. */
void emulator_end(struct emulator *emulator);
/* Processor time that it has used so far, or in all. */
double emulator_processor_seconds(const struct emulator *emulator);
