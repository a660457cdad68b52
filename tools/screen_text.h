/* The text on a screen, as UTF-8 lines. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SCREEN_CELL = 2 /* bytes: a character of code page 437, and its attribute */ };

/* A row of a text screen without the blanks at its end; to be freed. */
char *screen_text_line(const uint8_t *cells, size_t columns);
