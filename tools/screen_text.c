/* See screen_text.h. */
#include "screen_text.h"
#include <stdlib.h>
#include "cp437.h"
#include "nr.h"

char *screen_text_line(const uint8_t *cells, size_t columns)
{
    char *line = malloc(columns * CP437_UTF8_MAX + 1);
    size_t length = 0, end = 0;

    if (line == NULL) {
        nr_say("out of memory");
        exit(NR_UNEXPECTED);
    }
    for (size_t i = 0; i < columns; i++) {
        length += cp437_to_utf8(cells[SCREEN_CELL * i], line + length);
        if (line[length - 1] != ' ')
            end = length;
    }
    line[end] = '\0';
    return line;
}
