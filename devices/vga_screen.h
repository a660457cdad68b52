/*
 * The picture on the guest's screen: pure functions from the VGA's registers and its video memory to lines of
 * pixels, and in text modes to characters. See vga_screen.c and vga_text.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "vga.h"

enum { SCREEN_WIDTH_MAX = 256 * 18, SCREEN_COLUMNS_MAX = 256, SCREEN_COLORS = 16 };

enum screen_kind {
    SCREEN_TEXT,
    SCREEN_PLANES,      /* a bit of each plane for a pixel */
    SCREEN_INTERLEAVED, /* CGA's four colours */
    SCREEN_BYTES,       /* a VGA's 256 colours */
    SCREEN_LINEAR,      /* VBE, 8 bits and more */
};

struct screen_color {
    uint8_t red, green, blue;
};

/* What a picture is made of, worked out once for all of its lines. */
struct screen {
    uint32_t width, height; /* pixels */
    uint32_t columns, rows; /* characters; 0 in graphics modes */
    uint8_t kind;           /* enum screen_kind */
    uint8_t blank;          /* nothing is shown */
    uint8_t doubled;        /* each dot twice */
    uint8_t cell_width;     /* of a character, dots */
    uint8_t scan_lines;     /* of a row of characters */
    uint8_t line_doubling;  /* shift */
    uint32_t start, pitch;  /* of the lines: doublewords of four planes; SCREEN_LINEAR: bytes */
    uint32_t split;         /* the first line that is taken from address 0 */
    uint32_t mask;          /* of doubleword addresses */
    struct screen_color palette[SCREEN_COLORS];
};

/* The picture as it is now. */
void screen_look(const struct vga *vga, struct screen *screen);
/* Line y < height as width times red, green, blue. */
void screen_line(const struct vga *vga, const uint8_t *video, const struct screen *screen, uint32_t y,
                 uint8_t *rgb);
/* Row < rows of a text mode: columns times a character, in code page 437 as a rule, and its attribute << 8.
 */
void screen_text(const struct vga *vga, const uint8_t *video, const struct screen *screen, uint32_t row,
                 uint16_t *cells);

/* The position of the cursor of a text mode, counted through all rows; UINT32_MAX: it is not on the screen.
 */
uint32_t screen_cursor(const struct vga *vga, const struct screen *screen);

/* vga_text.c: screen_line() in a text mode; line counts from the row of characters at `address`. */
void screen_text_line(const struct vga *vga, const uint8_t *video, const struct screen *screen,
                      uint32_t address, uint32_t line, unsigned panning, uint8_t *rgb);

static inline void screen_put(uint8_t *rgb, uint32_t x, struct screen_color color)
{
    rgb[3 * x] = color.red;
    rgb[3 * x + 1] = color.green;
    rgb[3 * x + 2] = color.blue;
}
