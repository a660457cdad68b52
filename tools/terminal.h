/* The user's terminal while a guest's console is on it: raw, with Ctrl-a x to leave. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct terminal {
    bool raw;
    bool after_prefix; /* Ctrl-a came; the next byte says whether it was for nr */
};

/* Makes stdin raw if it is a terminal; the terminal is restored by terminal_restore() and at exit. */
void terminal_make_raw(struct terminal *terminal);
void terminal_restore(struct terminal *terminal);
/*
 * Takes typed bytes and writes to out (of twice the size) those for the guest; returns their number. *leave
 * is set at Ctrl-a x. Bytes that did not come from a terminal pass as they are.
 */
size_t terminal_filter(struct terminal *terminal, const char *in, size_t count, char *out, bool *leave);
