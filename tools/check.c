/* nr check: guest descriptions and the files they name, without booting them. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "description_schema.h"
#include "guest.h"
#include "nr.h"

enum { OPTION_PROPERTIES = 256 };

static void print_choices(const struct schema_property *property)
{
    char *choices = nr_format("%s", property->choices);
    unsigned index = 0;

    for (char *save = NULL, *choice = strtok_r(choices, "|", &save); choice != NULL;
         choice = strtok_r(NULL, "|", &save), index++)
        printf("%s\"%s\"%s%s", index > 0 ? ", " : " ", choice + (*choice == '!'),
               *choice == '!' ? " (not in this version)" : "",
               !property->required && index == property->initial ? " (default)" : "");
    free(choices);
}

static void print_property(const struct schema_property *property)
{
    printf("    %-12s", property->name);
    switch (property->type) {
    case SCHEMA_NUMBER:
        printf(" a number, %u to %u", property->minimum, property->maximum);
        if (!property->required)
            printf(" (default %u)", property->initial);
        break;
    case SCHEMA_CHOICE:
        print_choices(property);
        break;
    case SCHEMA_PATH:
        printf(" a file, relative to the description");
        break;
    case SCHEMA_LIST:
        printf(" strings, at most %u", property->maximum);
        break;
    case SCHEMA_NAME:
    case SCHEMA_TEXT:
        printf(" a string of at most %u characters", property->maximum);
        break;
    }
    printf("%s\n                 %s\n", property->required ? "; required" : "", property->help);
}

/* All nodes and properties, from the table that the parser uses. */
static void print_schema(void)
{
    for (unsigned i = 0; i < SCHEMA_NODES; i++) {
        const struct schema_node *node = &schema_node[i];
        printf("%s/%s", i > 0 ? "\n" : "", node->name);
        if (node->instances > 0)
            printf("0 ... /%s%u", node->name, node->instances - 1);
        printf(": %s%s\n", node->help, node->required ? "; required" : "");
        for (unsigned j = 0; j < schema_property_count; j++)
            if (schema_property[j].node == i)
                print_property(&schema_property[j]);
    }
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    (void)value;
    switch (key) {
    case OPTION_PROPERTIES:
        print_schema();
        exit(NR_DONE);
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no guest description given");
        return EINVAL;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int check_run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"properties", OPTION_PROPERTIES, NULL, 0, "List all nodes and properties of a description", 0}, {0}};
    static const struct argp argp = {options,
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
    const char *scratch = scratch_make();
    int status = guests != NULL && scratch != NULL ? NR_DONE : NR_UNEXPECTED;

    if (status == NR_DONE)
        status = guests_open(guests, count, argv + first, &(struct guest_opening){.scratch = scratch});
    for (uint32_t i = 0; status == NR_DONE && i < count; i++)
        nr_say("%s: guest \"%s\": good", argv[first + (int)i], guests[i].config.name);
    free(guests);
    return status;
}

const struct command command_check = {"check", "check guest descriptions and their files", check_run};
