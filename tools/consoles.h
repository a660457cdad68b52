/* The consoles of one run's guests, each in a file of its own: `nr boot --console-dir`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "guest.h"

enum { CONSOLES_MAX = 64, CONSOLE_PREFIX_SIZE = GUEST_NAME_SIZE + 4 };

enum console_place {
    PLACE_LINE_START, /* a guest's prefix may follow, or the monitor's own words */
    PLACE_GUEST,      /* in the current guest's line */
    PLACE_LINE_END,   /* its LF is here; whether it is the guest's, the next byte says */
    PLACE_OTHER       /* in a line that is no guest's */
};

struct consoles {
    const struct guest *guest;
    uint32_t count; /* of guests on the line; 0: no files are wanted */
    FILE *file[CONSOLES_MAX];
    enum console_place place;
    uint32_t current;
    char prefix[CONSOLE_PREFIX_SIZE];
    size_t prefix_length;
};

/* Opens DIRECTORY/NAME for each guest; the directory is made if it is missing. Returns an nr_status, having
 * said what is wrong. */
int consoles_open(struct consoles *consoles, const char *directory, const struct guest *guest,
                  uint32_t count);
/* Some bytes of the serial line that the guests share; nothing to do without files. */
void consoles_put(struct consoles *consoles, const char *bytes, size_t count);
/* Writes what is held back and closes the files; an nr_status as above. */
int consoles_close(struct consoles *consoles);
