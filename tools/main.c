/*
 * nr, the host tool: it checks guest descriptions, builds boot images, runs them, and speaks to what runs
 * (docs/design.md, section 10). Each command has a file of its own; this one finds it.
 */
#include <argp.h>
#include <stdio.h>
#include <string.h>
#include "nr.h"

static const struct command *const commands[] = {
    &command_check,      &command_image, &command_boot,  &command_list,  &command_info,    &command_console,
    &command_why,        &command_needs, &command_power, &command_reset, &command_destroy, &command_screen,
    &command_screenshot, &command_type,  &command_key,   &command_mouse, &command_pause,   &command_resume,
    &command_inspect,    &command_gdb,   &command_disk,  &command_eject, &command_insert,
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static void main_usage(FILE *out)
{
    fprintf(out, "Usage: nr COMMAND [OPTION...] [ARGUMENT...]\n"
                 "Runs guests on the Nullring monitor.\n\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    fprintf(out, "\n`nr COMMAND --help` lists a command's options.\n"
                 "Exit status: 0 done; 1 what was expected did not happen; 2 wrong usage or description;\n"
                 "3 time ran out; 4 the monitor panicked; 5 a tool is missing.\n");
}

int main(int argc, char **argv)
{
    argp_err_exit_status = NR_USAGE;
    signals_start();
    if (argc < 2) {
        main_usage(stderr);
        return NR_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0 || strcmp(argv[1], "help") == 0) {
        main_usage(stdout);
        return NR_DONE;
    }
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(argv[1], commands[i]->name) != 0)
            continue;
        argv[1] = nr_format("nr %s", commands[i]->name);
        return commands[i]->run(argc - 1, argv + 1);
    }
    return nr_fail(NR_USAGE, "there is no command \"%s\"; `nr --help` lists them", argv[1]);
}
