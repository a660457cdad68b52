/* nr check: guest descriptions and the files they name, without booting them. */
#include <argp.h>
#include <stdlib.h>
#include "guest.h"
#include "nr.h"

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    (void)value;
    if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "no guest description given");
    return ARGP_ERR_UNKNOWN;
}

static int check_run(int argc, char **argv)
{
    static const struct argp argp = {NULL,
                                     parse_option,
                                     "GUEST.dts...",
                                     "Checks guest descriptions and the files they name. Says each mistake "
                                     "as file:line: place: cause; cure.",
                                     NULL,
                                     NULL,
                                     NULL};
    int first;

    argp_parse(&argp, argc, argv, 0, &first, NULL);
    uint32_t count = (uint32_t)(argc - first);
    struct guest *guests = calloc(count, sizeof(*guests));
    char *scratch = scratch_make();
    int status = guests != NULL && scratch != NULL ? NR_DONE : NR_UNEXPECTED;

    if (status == NR_DONE)
        status = guests_open(guests, count, argv + first, &(struct guest_opening){.scratch = scratch});
    for (uint32_t i = 0; status == NR_DONE && i < count; i++)
        nr_say("%s: guest \"%s\": good", argv[first + (int)i], guests[i].config.name);
    if (scratch != NULL)
        scratch_remove(scratch);
    free(scratch);
    free(guests);
    return status;
}

const struct command command_check = {"check", "check guest descriptions and their files", check_run};
