/* The command line of commands that speak to a running monitor. */
#include "control_arguments.h"
#include <stdlib.h>
#include "nr.h"

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct control_arguments *arguments = state->input;
    unsigned guest = arguments->guest, most = guest + arguments->most;

    switch (key) {
    case OPTION_CONTROL_MONITOR:
        arguments->monitor = value;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->word_count == most)
            argp_error(state, "\"%s\" is one word too many", value);
        arguments->word[arguments->word_count++] = value;
        return 0;
    case ARGP_KEY_INIT:
        if (arguments->more != NULL)
            state->child_inputs[0] = arguments->input;
        return 0;
    case ARGP_KEY_END:
        if (arguments->word_count < guest)
            argp_error(state, "no guest given; nr list shows them");
        if (arguments->word_count < guest + arguments->least)
            argp_error(state, "%s wanted", arguments->words);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void control_parse(struct control_arguments *arguments, int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"monitor", OPTION_CONTROL_MONITOR, "NAME|SOCKET", 0,
         "The run to speak to: its name, or the path of a socket or serial port (default: the only one)", 0},
        {0},
    };
    const struct argp_child children[] = {{arguments->more, 0, NULL, 0}, {0}};
    char *words = nr_format("%s%s%s", arguments->guest ? "GUEST" : "",
                            arguments->guest && arguments->words != NULL ? " " : "",
                            arguments->words != NULL ? arguments->words : "");
    const struct argp argp = {.options = options,
                              .parser = parse_option,
                              .args_doc = words,
                              .doc = arguments->doc,
                              .children = arguments->more != NULL ? children : NULL};

    argp_parse(&argp, argc, argv, 0, NULL, arguments);
    free(words);
}
