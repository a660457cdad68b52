/*
 * The guest's console on stdout, which is never waited for: a reader that stands still (a pager, a full pipe)
 * must not keep a run from its end. What stdout does not take at once waits here, and whoever has more for it
 * waits too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { OUTPUT_SIZE = 4096 };

struct output {
    int fd;
    size_t piece; /* what one write takes without blocking when poll() says that it can be written */
    int error;    /* errno of the write that failed; nothing is written after it */
    char bytes[OUTPUT_SIZE];
    size_t count;
};

void output_open(struct output *output);
/* Closes it without waiting for what has not been written. */
void output_close(struct output *output);
/* Writes up to OUTPUT_SIZE bytes, or keeps them; to be called when none wait. */
void output_put(struct output *output, const char *bytes, size_t count);
/* Writes of those that wait what stdout takes now. */
void output_flush(struct output *output);
/* Some bytes wait. */
bool output_waits(const struct output *output);
