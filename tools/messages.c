/* nr's own lines: all on stderr, so that stdout is the guest's console byte for byte. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "nr.h"

enum { PATIENCE_MS = 1000 };

static bool raw_lines, hurried, gave_up;

void nr_set_raw_lines(bool raw)
{
    raw_lines = raw;
}

const char *nr_line_end(void)
{
    return raw_lines ? "\r\n" : "\n";
}

void nr_set_hurry(bool hurry)
{
    hurried = hurry;
    gave_up = false;
}

bool nr_can_print(int wait_ms)
{
    struct pollfd polled = {STDERR_FILENO, POLLOUT, 0};

    return poll(&polled, 1, wait_ms) != 0;
}

void nr_print(const char *before, const char *line)
{
    if (hurried)
        gave_up = !nr_can_print(gave_up ? 0 : PATIENCE_MS);
    if (!gave_up)
        fprintf(stderr, "%s%s%s", before, line, nr_line_end());
}

static void print_line(const char *format, va_list arguments)
{
    char *line = NULL;

    if (vasprintf(&line, format, arguments) < 0)
        return;
    nr_print("nr: ", line);
    free(line);
}

void nr_say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
}

int nr_fail(int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print_line(format, arguments);
    va_end(arguments);
    return status;
}

char *nr_format(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0) {
        fputs("nr: out of memory\n", stderr);
        exit(NR_UNEXPECTED);
    }
    return text;
}
