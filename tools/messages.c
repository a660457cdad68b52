/* nr's own lines: all on stderr, so that stdout is the guest's console byte for byte. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "nr.h"

static bool raw_lines;

void nr_set_raw_lines(bool raw)
{
    raw_lines = raw;
}

const char *nr_line_end(void)
{
    return raw_lines ? "\r\n" : "\n";
}

static void print_line(const char *format, va_list arguments)
{
    char *line = NULL;

    if (vasprintf(&line, format, arguments) < 0)
        return;
    fprintf(stderr, "nr: %s%s", line, nr_line_end());
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
