/* The emulator as a process: its start, its sockets, what it has used, its end. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>
#include "machine.h"

struct emulator {
    pid_t process;             /* 0: none is running */
    int console, log, control; /* nr's ends of its sockets, not blocking; -1 when closed */
    double seconds;            /* of processor time, once it has ended */
};

/* Makes the sockets; theirs are the emulator's ends. Returns -1 and errno if there are none left. */
int emulator_connect(struct emulator *emulator, struct machine_sockets *theirs);
/*
 * Starts it with the signals in the set unblocked, and closes its ends here. It is killed when nr dies,
 * however that comes about. Returns an nr_status, having said what is wrong.
 */
int emulator_start(struct emulator *emulator, struct machine_command *command, const char *package,
                   const struct machine_sockets *theirs, const sigset_t *signals);
/* True, and its wait status, once when it has ended. */
bool emulator_has_ended(struct emulator *emulator, int *wait_status);
/* Kills it if it runs, and closes the sockets. */
void emulator_end(struct emulator *emulator);
/* Processor time that it has used so far, or in all. */
double emulator_processor_seconds(const struct emulator *emulator);
