/* nr image: a bootable GRUB image with the monitor, guests and their files. */
#include <argp.h>
#include <stdlib.h>
#include <string.h>
#include "image.h"
#include "nr.h"

/* On a machine of the user's own there may be one serial port only: console and log share it, and commands go
 * over the second, if there is one. */
#define DEFAULT_OPTIONS "console=com1 log=com1 control=com2"

/* A machine with a UEFI has no text. */
#define DEFAULT_DISPLAY "1024x768x32,1024x768,auto,text"

enum { OPTION_MONITOR = 256, OPTION_OPTIONS, OPTION_DISPLAY };

struct image_arguments {
    const char *output, *monitor, *options, *display;
};

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct image_arguments *arguments = state->input;

    switch (key) {
    case 'o':
        arguments->output = value;
        return 0;
    case OPTION_MONITOR:
        arguments->monitor = value;
        return 0;
    case OPTION_OPTIONS:
        arguments->options = value;
        return 0;
    case OPTION_DISPLAY:
        if (strcmp(value, "text") != 0 && (*value == '\0' || value[strspn(value, "0123456789x,")] != '\0'))
            argp_error(state, "--display %s: text, or WIDTHxHEIGHT[xBITS] is wanted", value);
        arguments->display = strcmp(value, "text") == 0 ? value : nr_format("%s,auto,text", value);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no guest description given");
        return EINVAL;
    case ARGP_KEY_SUCCESS:
        if (arguments->output == NULL)
            argp_error(state, "no output given; use -o FILE");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static int image_run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"output", 'o', "FILE", 0, "The image to write", 0},
        {"monitor", OPTION_MONITOR, "FILE", 0, "The monitor (default: nullring beside nr)", 0},
        {"options", OPTION_OPTIONS, "WORDS", 0, "The monitor's command line (default: " DEFAULT_OPTIONS ")",
         0},
        {"display", OPTION_DISPLAY, "text|WIDTHxHEIGHT", 0,
         "The mode of the machine's display, which shows the focused guest's screen (default: 1024x768)", 0},
        {0},
    };
    static const struct argp argp = {
        options,
        parse_option,
        "GUEST.dts...",
        "Makes a boot image (BIOS and UEFI, disk and CD) of the monitor and guests.",
        NULL,
        NULL,
        NULL};
    struct image_arguments arguments = {.options = DEFAULT_OPTIONS, .display = DEFAULT_DISPLAY};
    int first;

    argp_parse(&argp, argc, argv, 0, &first, &arguments);
    uint32_t count = (uint32_t)(argc - first);
    struct guest *guests = calloc(count, sizeof(*guests));
    const char *scratch = scratch_make();
    char *monitor = NULL;
    int status = guests == NULL || scratch == NULL ? NR_UNEXPECTED : NR_DONE;

    if (status == NR_DONE)
        status = guests_open(guests, count, argv + first, &(struct guest_opening){.scratch = scratch});
    if (status == NR_DONE && (monitor = image_find_monitor(arguments.monitor)) == NULL)
        status = NR_USAGE;
    if (status == NR_DONE) {
        struct image image = {monitor, arguments.options, guests, count, arguments.display, NULL, false};
        status = image_write(&image, arguments.output, scratch);
    }
    free(monitor);
    free(guests);
    return status;
}

const struct command command_image = {"image", "make a bootable GRUB image (BIOS and UEFI)", image_run};
