/*
 * What the commands of nr share: the exit statuses (docs/design.md, section 10), messages, and other programs
 * run as tools.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Stable: scripts depend on them. */
enum nr_status {
    NR_DONE = 0,
    NR_UNEXPECTED = 1, /* what was expected did not happen */
    NR_USAGE = 2,      /* wrong usage or description */
    NR_TIMEOUT = 3,
    NR_PANIC = 4,
    NR_MISSING_TOOL = 5
};

/* One command of nr. Each gets its own argument vector, argv[0] being "nr COMMAND", and returns a status. */
struct command {
    const char *name;
    const char *summary; /* a line of `nr --help` */
    int (*run)(int argc, char **argv);
};

extern const struct command command_check, command_image, command_boot;
/* Commands to a running monitor. */
extern const struct command command_list, command_info, command_console, command_why, command_needs;
extern const struct command command_power, command_reset, command_destroy;
extern const struct command command_screen, command_screenshot;
extern const struct command command_type, command_key, command_mouse;
extern const struct command command_pause, command_resume, command_inspect, command_gdb;
extern const struct command command_disk, command_eject, command_insert;

/* A line on stderr, "nr: ..."; stderr carries nr's and the monitor's lines, stdout the guest's console. */
void nr_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for an error: what went wrong and how to mend it. Returns status, to be returned at once. */
int nr_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Lines on stderr end in CR LF while the terminal is raw. */
void nr_set_raw_lines(bool raw);
const char *nr_line_end(void);

/* A line on stderr as it is. */
void nr_print(const char *before, const char *line);
/* While signals are held, nobody could end a wait for a reader of stderr that stands still: lines that it
 * does not take within a second are left out. */
void nr_set_hurry(bool hurry);
/* stderr takes a line now, or within so many milliseconds. */
bool nr_can_print(int wait_ms);

/* asprintf that cannot fail: out of memory ends the program with a sentence. */
char *nr_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Once, before anything else: a pipe that nobody reads is an error of write() and does not end nr amid
 * something. */
void signals_start(void);
/* From now on the signals that end a program wait until somebody asks for them: who waits for a tool or an
 * emulator. SIGCHLD is among them. */
void signals_hold(void);
const sigset_t *signals_held(void);
/* In a child, before it becomes another program: the signals are as they were. */
void signals_release(void);

/*
 * Runs a program that the user's machine provides and waits for it. Its output is kept back, and shown if it
 * fails. package is named when the program is not there. Returns an nr_status: NR_DONE, NR_MISSING_TOOL,
 * NR_USAGE if it ran and failed (whatever it refused came from the user), or NR_UNEXPECTED if it was ended by
 * a signal. A signal to nr ends the tool and nr.
 */
int tool_run(const char *package, char *const argv[]);
/* The same, but what it prints goes to output, whether it fails or not. */
int tool_capture(const char *package, char *const argv[], FILE *output);
/* The path of a program, found as the shell would, or NULL after an error that names the package. */
char *tool_find(const char *name, const char *package);

/* A directory of this run for temporary files, those of tools among them; it is removed with all in it when
 * nr ends, and signals are held from now on. To be called once. NULL after an error. */
const char *scratch_make(void);
