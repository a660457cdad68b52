/*
 * The picture of a text mode, as pixels and as characters. See vga_screen.h.
 *
 * Document: FreeVGA, "VGA Text Mode Operation", "Attribute Controller Registers" (mode control), "Character
 * Map Select Register". What blinks is shown as it is when it can be seen, the cursor too. Missing: the skew
 * of the cursor. Ignored bits: cursor end bits 5 and 6, that skew; attribute mode: monochrome (the underline
 * location alone decides whether an underline shows).
 */
#include "vga_screen.h"

enum { FONT_PLANE = 2, GLYPH_BYTES = 32, FONT_UNIT = 0x2000 };
enum { ATTRIBUTE_FOREGROUND = 15, ATTRIBUTE_FONT_A = 1 << 3, ATTRIBUTE_UNDERLINE = 0x77 /* of this, 1 */ };
enum { LINE_GRAPHICS_FIRST = 0xc0, LINE_GRAPHICS_LAST = 0xdf };

/* The character and its attribute at a doubleword's address. */
static uint16_t text_cell(const struct vga *vga, const uint8_t *video, uint32_t address)
{
    address %= VGA_PLANE_SIZE;
    bool in_window = vga->text_window && address < VGA_TEXT_SIZE / 2;
    const uint8_t *at = in_window ? video + VGA_TEXT_WINDOW + address * 2 : video + address * 4;
    return (uint16_t)(at[0] | at[1] << 8);
}

/* Where the characters of a map (0 to 7) begin in their plane. */
static uint32_t font_offset(unsigned map)
{
    return FONT_UNIT * ((map & 3) << 1 | map >> 2);
}

/* The map that an attribute selects: A (bits 5, 3 and 2 of the register) or B (bits 4, 1 and 0). */
static uint32_t font_of(const struct vga *vga, uint8_t attribute)
{
    unsigned select = vga->sequencer[SEQ_CHARACTER_MAP];
    if (attribute & ATTRIBUTE_FONT_A)
        return font_offset((select >> 2 & 3) | (select >> 5 & 1) << 2);
    return font_offset((select & 3) | (select >> 4 & 1) << 2);
}

static bool cursor_is_at(const struct vga *vga, uint32_t address, uint32_t line)
{
    const uint8_t *crtc = vga->crtc;
    uint32_t cursor = (uint32_t)crtc[CRTC_CURSOR_HIGH] << 8 | crtc[CRTC_CURSOR_LOW];
    return !(crtc[CRTC_CURSOR_START] & CRTC_CURSOR_OFF) && address % VGA_PLANE_SIZE == cursor &&
           line >= (crtc[CRTC_CURSOR_START] & CRTC_SCAN_LINES) &&
           line <= (crtc[CRTC_CURSOR_END] & CRTC_SCAN_LINES);
}

/* One line of a character: nine dots, the leftmost in bit 8. */
static unsigned cell_dots(const struct vga *vga, const uint8_t *video, uint32_t address, uint16_t cell,
                          uint32_t line)
{
    uint8_t character = (uint8_t)cell, attribute = (uint8_t)(cell >> 8);
    uint32_t glyph = font_of(vga, attribute) + character * GLYPH_BYTES + line;
    unsigned dots = (unsigned)video[glyph * 4 + FONT_PLANE] << 1;
    bool joined = character >= LINE_GRAPHICS_FIRST && character <= LINE_GRAPHICS_LAST &&
                  vga->attribute[ATTR_MODE] & ATTR_LINE_GRAPHICS;
    if (joined)
        dots |= dots >> 1 & 1;
    bool underlined =
        (attribute & ATTRIBUTE_UNDERLINE) == 1 && line == (vga->crtc[CRTC_UNDERLINE] & CRTC_SCAN_LINES);
    return underlined || cursor_is_at(vga, address, line) ? 0x1ff : dots;
}

void screen_text_line(const struct vga *vga, const uint8_t *video, const struct screen *screen,
                      uint32_t address, uint32_t line, unsigned panning, uint8_t *rgb)
{
    unsigned background_bits = vga->attribute[ATTR_MODE] & ATTR_BLINK ? 7 : 15;
    uint32_t dot = panning, column = 0, x = 0;
    while (x < screen->width) {
        uint16_t cell = text_cell(vga, video, address + column);
        unsigned dots = cell_dots(vga, video, address + column, cell, line);
        struct screen_color ink = screen->palette[cell >> 8 & ATTRIBUTE_FOREGROUND];
        struct screen_color paper = screen->palette[cell >> 12 & background_bits];
        for (; dot < screen->cell_width && x < screen->width; dot++)
            for (unsigned i = 0; i <= screen->doubled && x < screen->width; i++)
                screen_put(rgb, x++, dots >> (8 - dot) & 1 ? ink : paper);
        dot = 0;
        column++;
    }
}

void screen_text(const struct vga *vga, const uint8_t *video, const struct screen *screen, uint32_t row,
                 uint16_t *cells)
{
    uint32_t row_lines = (uint32_t)screen->scan_lines << screen->line_doubling, y = row * row_lines;
    uint32_t address = screen->start + row * screen->pitch;
    if (y >= screen->split)
        address = (y - screen->split) / row_lines * screen->pitch;
    for (uint32_t i = 0; i < screen->columns; i++)
        cells[i] = text_cell(vga, video, address + i);
}

uint32_t screen_cursor(const struct vga *vga, const struct screen *screen)
{
    const uint8_t *crtc = vga->crtc;
    uint32_t cursor = (uint32_t)crtc[CRTC_CURSOR_HIGH] << 8 | crtc[CRTC_CURSOR_LOW];
    uint32_t behind = cursor - screen->start, pitch = screen->pitch ? screen->pitch : 1;
    if (crtc[CRTC_CURSOR_START] & CRTC_CURSOR_OFF || cursor < screen->start ||
        behind % pitch >= screen->columns || behind / pitch >= screen->rows)
        return UINT32_MAX;
    return behind / pitch * screen->columns + behind % pitch;
}
