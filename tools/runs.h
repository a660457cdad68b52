/*
 * Runs of `nr boot` that other commands can speak to: each has a socket in a directory that is the user's
 * alone, named after the run.
 */
#pragma once

#include <stdbool.h>

/* Makes the directory if there is none, and listens in it under the name, or under NAME-2, NAME-3 ... while a
 * run has that. *path is where. Returns the socket, not blocking, or -1 after an error. */
int runs_listen(const char *name, char **path);
/* Connects to a run by its name, to a socket or a serial port by its path, or, with NULL, to the only run
 * there is. Returns the descriptor, or -1 after an error, with *status an nr_status. *direct: there is no hub
 * between. */
int runs_connect(const char *monitor, int *status, bool *direct);
