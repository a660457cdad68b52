/*
 * The picture: geometry, colours, and lines of the graphics modes. See vga_screen.h.
 *
 * Document: FreeVGA, "CRT Controller Registers", "Attribute Controller Registers", "VGA Video DAC"; Bochs,
 * "vbe_display_api.txt". Missing: the overscan border, byte panning, the display's skew, the character clock
 * of nine dots in graphics modes, the attribute controller's palette and planes in modes of 256 colours.
 * Ignored bits: clocking mode bits 2 and 4 (loads of the shift registers); attribute mode: graphics and 8-bit
 * colour (the graphics controller's bits decide), monochrome, blinking in graphics modes; CRT mode control
 * bits 2, 3, 5 and 7 and underline location bits 5 and 6 (divided clocks, address wrap, sync, doublewords);
 * vertical blanking; the polarity of sync. Six bits of a colour become eight as on QEMU, so that pictures can
 * be compared byte for byte.
 */
#include "vga_screen.h"

enum { DOTS = 8 /* of a doubleword */, PIXEL_BYTES = 3 };

static uint8_t color_of_6(uint8_t value)
{
    unsigned lowest = value & 1;
    return (uint8_t)((value & 0x3f) << 2 | lowest << 1 | lowest);
}

/* An entry of the DAC as it is shown. */
static struct screen_color dac_color(const struct vga *vga, unsigned index)
{
    const uint8_t *entry = vga->dac[index & vga->dac_mask];
    if (vga->vbe[VBE_ENABLE] & VBE_8BIT_DAC)
        return (struct screen_color){entry[0], entry[1], entry[2]};
    return (struct screen_color){color_of_6(entry[0]), color_of_6(entry[1]), color_of_6(entry[2])};
}

/* The attribute controller: four bits through its palette, then two or four bits from color select. */
static void look_at_palette(const struct vga *vga, struct screen *screen)
{
    const uint8_t *attribute = vga->attribute;
    uint8_t select = attribute[ATTR_COLOR_SELECT];
    for (unsigned i = 0; i < SCREEN_COLORS; i++) {
        uint8_t color = attribute[i & attribute[ATTR_PLANE_ENABLE] & 15];
        unsigned index = attribute[ATTR_MODE] & ATTR_COLOR_54_SELECT ? (select & 15u) << 4 | (color & 15u)
                                                                     : (select & 12u) << 4 | (color & 0x3fu);
        screen->palette[i] = dac_color(vga, index);
    }
}

/* A vertical count of ten bits. */
static uint32_t vertical(uint8_t low, unsigned bit_8, unsigned bit_9)
{
    return low | (bit_8 & 1) << 8 | (bit_9 & 1) << 9;
}

static void look_at_vbe(const struct vga *vga, struct screen *screen)
{
    const uint16_t *vbe = vga->vbe;
    uint32_t line = vbe_line_bytes(vga), bits = vbe[VBE_BPP] == 15 ? 16 : vbe[VBE_BPP];
    screen->kind = bits == 4 ? SCREEN_PLANES : SCREEN_LINEAR;
    screen->width = vbe[VBE_XRES];
    screen->height = screen->split = vbe[VBE_YRES];
    screen->start = vbe[VBE_Y_OFFSET] * line + vbe[VBE_X_OFFSET] * bits / 8;
    screen->pitch = line;
    screen->mask = VGA_FRAME_BUFFER / 4 - 1;
    if (screen->kind == SCREEN_PLANES) {
        screen->start /= 4;
        screen->pitch /= 4;
    }
}

static void look_at_vga(const struct vga *vga, struct screen *screen)
{
    const uint8_t *crtc = vga->crtc;
    unsigned overflow = crtc[CRTC_OVERFLOW], scan = crtc[CRTC_MAXIMUM_SCAN_LINE];
    bool graphics = vga->graphics[GFX_MISCELLANEOUS] & GFX_GRAPHICS;
    if (!graphics)
        screen->kind = SCREEN_TEXT;
    else if (vga->graphics[GFX_MODE] & GFX_SHIFT_256)
        screen->kind = SCREEN_BYTES;
    else
        screen->kind = vga->graphics[GFX_MODE] & GFX_SHIFT_INTERLEAVE ? SCREEN_INTERLEAVED : SCREEN_PLANES;
    uint8_t clocking = vga->sequencer[SEQ_CLOCKING_MODE];
    screen->cell_width = graphics || clocking & SEQ_DOTS_8 ? 8 : 9;
    screen->doubled = clocking & SEQ_HALF_CLOCK ? 1 : 0;
    screen->line_doubling = scan & CRTC_SCAN_DOUBLING ? 1 : 0;
    screen->scan_lines = (uint8_t)((scan & CRTC_SCAN_LINES) + 1);
    uint32_t columns = crtc[CRTC_H_DISPLAY_END] + 1u;
    screen->width = (columns * screen->cell_width) << screen->doubled;
    screen->height = vertical(crtc[CRTC_V_DISPLAY_END], overflow >> 1, overflow >> 6) + 1;
    screen->split = vertical(crtc[CRTC_LINE_COMPARE], overflow >> 4, scan >> 6) + 1;
    screen->start = (uint32_t)crtc[CRTC_START_HIGH] << 8 | crtc[CRTC_START_LOW];
    screen->pitch = crtc[CRTC_OFFSET] * 2u;
    screen->mask = VGA_PLANE_SIZE - 1;
    if (graphics)
        return;
    uint32_t row_lines = (uint32_t)screen->scan_lines << screen->line_doubling;
    screen->columns = columns;
    screen->rows = (screen->height + row_lines - 1) / row_lines;
}

void screen_look(const struct vga *vga, struct screen *screen)
{
    *screen = (struct screen){.cell_width = DOTS, .scan_lines = 1};
    screen->blank =
        !(vga->attribute_index & ATTR_DISPLAY) || vga->sequencer[SEQ_CLOCKING_MODE] & SEQ_SCREEN_OFF;
    look_at_palette(vga, screen);
    if (vbe_is_on(vga))
        look_at_vbe(vga, screen);
    else
        look_at_vga(vga, screen);
}

static struct screen_color direct_color(unsigned bits, const uint8_t *at)
{
    unsigned value = at[0] | at[1] << 8;
    if (bits > 16)
        return (struct screen_color){at[2], at[1], at[0]};
    unsigned red = bits == 16 ? value >> 11 : value >> 10 & 31;
    unsigned green = bits == 16 ? value >> 5 & 63 : value >> 5 & 31, blue = value & 31;
    green = bits == 16 ? green << 2 | green >> 4 : green << 3 | green >> 2;
    return (struct screen_color){(uint8_t)(red << 3 | red >> 2), (uint8_t)green,
                                 (uint8_t)(blue << 3 | blue >> 2)};
}

/* The registers of a mode that is on keep the last pixel inside of the frame buffer (vbe_fit). */
static void linear_line(const struct vga *vga, const uint8_t *video, const struct screen *screen, uint32_t y,
                        uint8_t *rgb)
{
    unsigned bits = vga->vbe[VBE_BPP], bytes = (bits + 7) / 8;
    const uint8_t *at = video + screen->start + y * screen->pitch;
    for (uint32_t x = 0; x < screen->width; x++, at += bytes)
        screen_put(rgb, x, bits == 8 ? dac_color(vga, *at) : direct_color(bits, at));
}

/* The colour of dot 0 to 7 of a doubleword. */
static struct screen_color graphics_dot(const struct vga *vga, const struct screen *screen,
                                        const uint8_t *planes, unsigned dot)
{
    if (screen->kind == SCREEN_BYTES)
        return dac_color(vga, planes[dot / 2]);
    unsigned color = 0;
    if (screen->kind == SCREEN_INTERLEAVED) {
        unsigned plane = dot / 4, shift = 6 - 2 * (dot % 4);
        color = (planes[plane] >> shift & 3) | (planes[plane + 2] >> shift & 3) << 2;
    } else {
        for (unsigned plane = 0; plane < 4; plane++)
            color |= (planes[plane] >> (7 - dot) & 1u) << plane;
    }
    return screen->palette[color];
}

static void graphics_line(const struct vga *vga, const uint8_t *video, const struct screen *screen,
                          uint32_t address, unsigned panning, uint8_t *rgb)
{
    for (uint32_t x = 0; x < screen->width; x++) {
        uint32_t dot = (x >> screen->doubled) + panning;
        const uint8_t *planes = video + (size_t)4 * ((address + dot / DOTS) & screen->mask);
        screen_put(rgb, x, graphics_dot(vga, screen, planes, dot % DOTS));
    }
}

/* CGA's modes: the line within a row takes the place of an address bit, 13 (12 where odd and even bytes are
 * in one doubleword) and 14. */
static uint32_t row_scan_address(const struct vga *vga, uint32_t address, uint32_t scan)
{
    uint8_t mode = vga->crtc[CRTC_MODE_CONTROL];
    unsigned bit = mode & CRTC_BYTE_MODE ? 13 : 12;
    if (!(mode & CRTC_NOT_ROW_13))
        address = (address & ~(1u << bit)) | (scan & 1) << bit;
    if (!(mode & CRTC_NOT_ROW_14))
        address = (address & ~(2u << bit)) | (scan >> 1 & 1) << (bit + 1);
    return address;
}

/* How many dots the picture is shifted to the left. */
static unsigned panning_of(const struct vga *vga, const struct screen *screen, bool below_split)
{
    unsigned panning = vga->attribute[ATTR_PANNING] & 15;
    if (vbe_is_on(vga) || (below_split && vga->attribute[ATTR_MODE] & ATTR_PANNING_TOP))
        return 0;
    if (screen->cell_width == 9)
        return panning < 8 ? panning + 1 : 0;
    return panning & (screen->kind == SCREEN_BYTES ? 6 : 7);
}

void screen_line(const struct vga *vga, const uint8_t *video, const struct screen *screen, uint32_t y,
                 uint8_t *rgb)
{
    if (screen->blank) {
        for (uint32_t i = 0; i < screen->width * PIXEL_BYTES; i++)
            rgb[i] = 0;
        return;
    }
    if (screen->kind == SCREEN_LINEAR) {
        linear_line(vga, video, screen, y, rgb);
        return;
    }
    bool below = y >= screen->split, vbe = vbe_is_on(vga);
    uint32_t line = below ? y - screen->split : y, address = below ? 0 : screen->start;
    if (!below && !vbe)
        line += (uint32_t)(vga->crtc[CRTC_PRESET_ROW_SCAN] & CRTC_SCAN_LINES) << screen->line_doubling;
    line >>= screen->line_doubling;
    address += line / screen->scan_lines * screen->pitch;
    line %= screen->scan_lines;
    unsigned panning = panning_of(vga, screen, below);
    if (screen->kind == SCREEN_TEXT)
        screen_text_line(vga, video, screen, address, line, panning, rgb);
    else
        graphics_line(vga, video, screen, vbe ? address : row_scan_address(vga, address, line), panning, rgb);
}
