/* The command line of commands that speak to a running monitor: --monitor, and words. */
#pragma once

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>
#include "control.h"

enum { CONTROL_WORDS_MAX = 65, OPTION_CONTROL_MONITOR = 256, OPTION_CONTROL_OWN };

struct control_arguments {
    /* to be filled in */
    bool guest;              /* the first word is a guest */
    unsigned least, most;    /* words behind the guest */
    const char *words;       /* how they are called in the usage; NULL: none */
    const char *doc;         /* a sentence of the help */
    const struct argp *more; /* options of the command's own, or NULL; its input is `input` */
    void *input;
    /* what was given */
    const char *monitor;
    unsigned word_count;
    const char *word[CONTROL_WORDS_MAX]; /* the guest first */
};

/* Ends nr with a message when something is wrong. */
void control_parse(struct control_arguments *arguments, int argc, char **argv);

/* control_commands.c: all of a command that is a question about a guest, answered by text, or an order. */
int control_ask_guest(int argc, char **argv, enum control_command command, const char *doc);
