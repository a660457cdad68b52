/* nr boot: builds the image of some guests in a temporary place and runs it on a machine. */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "consoles.h"
#include "image.h"
#include "machine.h"
#include "nr.h"
#include "session.h"

/* The guest's console on the first serial port, the monitor's log on the second, commands on the third. */
#define MONITOR_OPTIONS "console=com1 log=com2 control=com3"

enum {
    OPTION_MACHINE = 256,
    OPTION_CPUS,
    OPTION_MEMORY,
    OPTION_TIMEOUT,
    OPTION_EXPECT,
    OPTION_LOG,
    OPTION_CONSOLE_DIR,
    OPTION_WHY,
    OPTION_NEEDS,
    OPTION_PAUSED,
    OPTION_MONITOR,
    OPTION_FIRMWARE,
    OPTION_APPEND,
    OPTION_EMULATOR,
    OPTION_UNCHECKED,
    OPTION_GRUB,
    OPTION_NAME,
};

enum { CPUS_MAX = 64, MEMORY_MIB_MAX = 1 << 20, TIMEOUT_MAX = 1000000 };

struct boot_arguments {
    const char *machine, *log, *console_dir, *monitor, *append, *grub, *name;
    struct machine_options options;
    struct expect expect;
    double timeout;
    bool why, needs, paused, unchecked;
};

static const struct argp_option boot_options[] = {
    {"machine", OPTION_MACHINE, "M", 0,
     "svm (QEMU, the default), svm:no-npt; vmx[:MODEL], bochs-svm[:MODEL] (Bochs); native, "
     "native:bochs[:MODEL] "
     "(without the monitor)",
     0},
    {"cpus", OPTION_CPUS, "N", 0, "Processors of the machine (default: the largest guest's count)", 0},
    {"memory", OPTION_MEMORY, "MIB", 0, "Memory of the machine (default: what the guests need)", 0},
    {"timeout", OPTION_TIMEOUT, "S", 0, "End after S seconds of wall-clock time, with status 3", 0},
    {"expect", OPTION_EXPECT, "REGEX", 0,
     "End with status 0 when a line of the console, or of a text screen of a guest with a BIOS, matches; "
     "several must match in order",
     0},
    {"log", OPTION_LOG, "FILE", 0, "Write console and monitor's log to FILE too", 0},
    {"console-dir", OPTION_CONSOLE_DIR, "DIR", 0,
     "Write each guest's console to DIR/NAME too, byte for byte, also of several guests", 0},
    {"why", OPTION_WHY, NULL, 0, "At a guest's end show its exits and its flight recorder", 0},
    {"needs", OPTION_NEEDS, NULL, 0, "At a guest's end show the accesses that no device claimed", 0},
    {"paused", OPTION_PAUSED, NULL, 0,
     "Hold each guest before its first instruction, until nr resume or nr gdb", 0},
    {"monitor", OPTION_MONITOR, "FILE", 0, "The monitor (default: nullring beside nr)", 0},
    {"firmware", OPTION_FIRMWARE, "bios|uefi", 0, "The machine's firmware (default: bios)", 0},
    {"emulator", OPTION_EMULATOR, "WORDS", 0,
     "Add words to QEMU's command line, or lines, divided by semicolons, to Bochs' configuration", 0},
    {"append", OPTION_APPEND, "WORDS", 0, "Add words to each guest's bootargs", 0},
    {"grub", OPTION_GRUB, "COMMANDS", 0, "Have GRUB do this first, as \"wrmsr 0x3a 1\", to test", 0},
    {"name", OPTION_NAME, "NAME", 0, "What other commands call this run (default: the first guest's name)",
     0},
    {"unchecked", OPTION_UNCHECKED, NULL, 0, "Boot despite mistakes, to see what the monitor says to them",
     0},
    {0},
};

/* A whole number from 1 to maximum, or a usage error. */
static unsigned parse_number(struct argp_state *state, const char *option, const char *value,
                             unsigned maximum)
{
    char *rest;
    unsigned long number = strtoul(value, &rest, 10);

    if (*value < '0' || *value > '9' || *rest != '\0' || number < 1 || number > maximum)
        argp_error(state, "%s %s: a number from 1 to %u is wanted", option, value, maximum);
    return (unsigned)number;
}

static void parse_firmware(struct argp_state *state, struct boot_arguments *arguments, const char *value)
{
    arguments->options.uefi = strcmp(value, "uefi") == 0;
    if (!arguments->options.uefi && strcmp(value, "bios") != 0)
        argp_error(state, "--firmware %s: bios or uefi is wanted", value);
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
    struct boot_arguments *arguments = state->input;

    switch (key) {
    case OPTION_MACHINE:
        arguments->machine = value;
        break;
    case OPTION_CPUS:
        arguments->options.cpus = parse_number(state, "--cpus", value, CPUS_MAX);
        break;
    case OPTION_MEMORY:
        arguments->options.memory_mib = parse_number(state, "--memory", value, MEMORY_MIB_MAX);
        break;
    case OPTION_TIMEOUT:
        arguments->timeout = parse_number(state, "--timeout", value, TIMEOUT_MAX);
        break;
    case OPTION_EXPECT:
        if (expect_add(&arguments->expect, value) != NR_DONE)
            exit(NR_USAGE);
        break;
    case OPTION_LOG:
        arguments->log = value;
        break;
    case OPTION_CONSOLE_DIR:
        arguments->console_dir = value;
        break;
    case OPTION_WHY:
        arguments->why = true;
        break;
    case OPTION_NEEDS:
        arguments->needs = true;
        break;
    case OPTION_PAUSED:
        arguments->paused = true;
        break;
    case OPTION_MONITOR:
        arguments->monitor = value;
        break;
    case OPTION_FIRMWARE:
        parse_firmware(state, arguments, value);
        break;
    case OPTION_UNCHECKED:
        arguments->unchecked = true;
        break;
    case OPTION_EMULATOR:
        arguments->options.emulator = value;
        break;
    case OPTION_GRUB:
        arguments->grub = value;
        break;
    case OPTION_NAME:
        if (*value == '\0' || *value == '.' || strchr(value, '/') != NULL)
            argp_error(state, "--name %s: a name without / is wanted", value);
        arguments->name = value;
        break;
    case OPTION_APPEND:
        arguments->append = value;
        break;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "no guest description given");
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

/*
 * Without the monitor it is GRUB that hands on the words, and it puts a backslash before each quote and
 * backslash (grub_create_loader_cmdline): the guest would not be the one that the monitor runs.
 */
static int check_native_words(const struct guest *guest, const char *path)
{
    bool changed = strpbrk(guest->config.bootargs, "'\"\\") != NULL;
    const char *place = "bootargs";

    for (uint32_t i = 0; i < guest->file_count && !changed; i++) {
        if (guest->file[i].kind != FILE_MODULE)
            continue;
        changed = strpbrk(guest->file[i].arguments, "'\"\\") != NULL;
        place = "modules";
    }
    if (!changed)
        return NR_DONE;
    return nr_fail(NR_USAGE,
                   "%s: /chosen %s: without the monitor a quote or backslash does not reach the guest as it "
                   "is, for GRUB puts a backslash before it; leave it out, or use another --machine",
                   path, place);
}

/* Everything between the temporary directory's making and its end. */
static int boot_in(const char *scratch, struct boot_arguments *arguments, const struct machine *machine,
                   char **paths, struct guest *guests, uint32_t count, FILE *log)
{
    int status = NR_DONE;
    struct guest_opening opening = {arguments->append, arguments->unchecked, scratch};
    struct consoles consoles = {0};
    char *monitor = NULL;

    if (status == NR_DONE)
        status = guests_open(guests, count, paths, &opening);
    if (status == NR_DONE && !machine->monitor && guests[0].config.loader == LOADER_ELF)
        status = nr_fail(NR_USAGE,
                         "%s: /chosen loader: without the monitor GRUB starts the guest, and it knows no PVH "
                         "entry; use another --machine",
                         paths[0]);
    if (status == NR_DONE && !machine->monitor)
        status = check_native_words(&guests[0], paths[0]);
    bool has_image = machine->monitor || guests[0].config.loader != LOADER_BIOS;
    if (status == NR_DONE && machine->monitor && (monitor = image_find_monitor(arguments->monitor)) == NULL)
        status = NR_USAGE;
    char *path = nr_format("%s/image.iso", scratch);
    char *options = nr_format("%s%s%s%s", MONITOR_OPTIONS, arguments->why ? " why" : "",
                              arguments->needs ? " needs" : "", arguments->paused ? " paused" : "");
    if (status == NR_DONE && has_image) {
        struct image image = {monitor, options, guests, count, "text", arguments->grub, true};
        status = image_write(&image, path, scratch);
    }
    if (status == NR_DONE && arguments->console_dir != NULL)
        status = consoles_open(&consoles, arguments->console_dir, guests, machine->monitor ? count : 1);
    if (status == NR_DONE) {
        struct session_options session = {.machine = machine,
                                          .name = arguments->name != NULL ? arguments->name
                                                                          : guests[0].config.name,
                                          .timeout = arguments->timeout,
                                          .expect = &arguments->expect,
                                          .log = log,
                                          .consoles = &consoles};
        struct machine_run run = {.image = has_image ? path : NULL,
                                  .scratch = scratch,
                                  .guest = guests,
                                  .guest_count = count,
                                  .options = &arguments->options};
        status = session_run(&session, &run);
    }
    int written = consoles_close(&consoles);
    status = status == NR_DONE ? written : status;
    free(options);
    free(path);
    free(monitor);
    return status;
}

static int boot_run(int argc, char **argv)
{
    static const struct argp argp = {boot_options,
                                     parse_option,
                                     "GUEST.dts...",
                                     "Runs guests with the console on the terminal; Ctrl-a x leaves.",
                                     NULL,
                                     NULL,
                                     NULL};
    static struct boot_arguments arguments;
    FILE *log = NULL;
    int first;

    argp_parse(&argp, argc, argv, 0, &first, &arguments);
    const struct machine *machine = machine_find(arguments.machine, &arguments.options.model);
    if (machine == NULL)
        return NR_USAGE;
    const char *uefi = machine->emulator->uefi;
    if (arguments.options.uefi && uefi == NULL)
        return nr_fail(NR_USAGE, "--firmware uefi: Bochs has a BIOS only; use svm or native");
    if (arguments.options.uefi && access(uefi, R_OK) != 0)
        return nr_fail(NR_MISSING_TOOL, "%s is not installed; install its package: apt-get install ovmf",
                       uefi);
    if (arguments.log != NULL && (log = fopen(arguments.log, "w")) == NULL)
        return nr_fail(NR_USAGE, "--log %s: cannot be written: %s", arguments.log, strerror(errno));
    struct guest *guests = calloc((size_t)(argc - first), sizeof(*guests));
    const char *scratch = scratch_make();
    int status = NR_UNEXPECTED;
    if (guests != NULL && scratch != NULL)
        status = boot_in(scratch, &arguments, machine, argv + first, guests, (uint32_t)(argc - first), log);
    if (log != NULL)
        fclose(log);
    free(guests);
    return status;
}

const struct command command_boot = {"boot", "build an image and run it; the guest's console on the terminal",
                                     boot_run};
