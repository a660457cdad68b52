/*
 * The picture against FreeVGA: text with fonts, cursor and colours, the graphics modes, split screens and
 * panning, the linear modes; and code page 437.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c devices/vga_screen.c
 * sources: devices/vga_text.c devices/pci.c devices/bus.c lib/cp437.c tests/unit/host_effects.c
 */
#include "vga_fixture.h"
#include "cp437.h"
#include "vga_screen.h"

static struct screen screen;
static uint8_t line[SCREEN_WIDTH_MAX * 3];

static void look(void)
{
    screen_look(&vga, &screen);
}

static uint32_t pixel(uint32_t x, uint32_t y)
{
    assert_true(x < screen.width && y < screen.height);
    screen_line(&vga, host.spare, &screen, y, line);
    return (uint32_t)line[3 * x] << 16 | (uint32_t)line[3 * x + 1] << 8 | line[3 * x + 2];
}

/* The DAC: entry i is (i, 63 - i, i / 2) for the first 64, and its index in the red of all others. */
static uint32_t shown(unsigned six)
{
    return (six & 63) << 2 | (six & 1) << 1 | (six & 1);
}

static uint32_t color(unsigned index)
{
    return index < 64 ? shown(index) << 16 | shown(63 - index) << 8 | shown(index / 2)
                      : shown(index / 4) << 16;
}

static void load_dac(void)
{
    out(0x3c8, 0);
    for (unsigned i = 0; i < 256; i++) {
        out(0x3c9, (uint8_t)(i < 64 ? i : i / 4));
        out(0x3c9, (uint8_t)(i < 64 ? 63 - i : 0));
        out(0x3c9, (uint8_t)(i < 64 ? i / 2 : 0));
    }
}

static void start(const struct vga_mode *mode)
{
    set_mode(mode);
    load_dac();
    look();
}

/* A glyph: eight dots of one line of a character, in one of the eight maps. */
static void set_glyph(uint32_t offset, uint8_t character, unsigned scan, uint8_t dots)
{
    host.spare[(offset + character * 32u + scan) * 4 + 2] = dots;
}

static void put_cell(uint32_t index, uint8_t character, uint8_t attribute)
{
    poke(0xb8000 + 2 * index, character), poke(0xb8001 + 2 * index, attribute);
}

static void text_geometry(void **state)
{
    (void)state;
    start(&mode_03);
    assert_int_equal(screen.kind, SCREEN_TEXT);
    assert_int_equal(screen.width, 720);
    assert_int_equal(screen.height, 400);
    assert_int_equal(screen.columns, 80);
    assert_int_equal(screen.rows, 25);
    sequencer(1, 0x01);
    look();
    assert_int_equal(screen.width, 640);
    /* 40 columns of dots that are twice as wide. */
    sequencer(1, 0x08), crtc(0x11, 0), crtc(1, 39);
    look();
    assert_int_equal(screen.width, 720);
    assert_int_equal(screen.columns, 40);
}

static void text_pixels(void **state)
{
    (void)state;
    start(&mode_03);
    crtc(0x0a, 0x20);
    set_glyph(0, 'A', 3, 0x81), set_glyph(0, 0xc4, 3, 0x81), set_glyph(0, 0xbf, 3, 0x81);
    put_cell(0, 'A', 0x2e), put_cell(81, 0xc4, 0x74), put_cell(82, 0xbf, 0x74);
    static const uint32_t nine[2][9] = {{1, 0, 0, 0, 0, 0, 0, 1, 0}, {1, 0, 0, 0, 0, 0, 0, 1, 1}};
    for (uint32_t x = 0; x < 9; x++) {
        assert_int_equal(pixel(x, 3), color(nine[0][x] ? 0xe : 2));
        assert_int_equal(pixel(x, 2), color(2));
        assert_int_equal(pixel(9 + x, 19), color(nine[1][x] ? 4 : 7)); /* line graphics */
        assert_int_equal(pixel(18 + x, 19), color(nine[0][x] ? 4 : 7));
    }
    /* Bit 7: blinking, or a bright background. */
    put_cell(0, 'A', 0xae);
    assert_int_equal(pixel(1, 3), color(2));
    attribute(0x10, 0x04);
    in(0x3da), out(0x3c0, 0x20);
    look();
    assert_int_equal(pixel(1, 3), color(0xa));
    /* Line graphics off. */
    attribute(0x10, 0x08);
    in(0x3da), out(0x3c0, 0x20);
    look();
    assert_int_equal(pixel(9 + 8, 19), color(7));
}

static void text_fonts(void **state)
{
    (void)state;
    static const uint32_t offsets[8] = {0x0000, 0x4000, 0x8000, 0xc000, 0x2000, 0x6000, 0xa000, 0xe000};
    start(&mode_03);
    crtc(0x0a, 0x20);
    for (unsigned map = 0; map < 8; map++)
        set_glyph(offsets[map], 'B', 0, (uint8_t)(0x80 >> map));
    put_cell(0, 'B', 0x07), put_cell(1, 'B', 0x0f);
    for (unsigned map = 0; map < 8; map++) {
        unsigned other = 7 - map;
        sequencer(3, (uint8_t)((map & 3) | (map >> 2) << 4 | (other & 3) << 2 | (other >> 2) << 5));
        for (unsigned x = 0; x < 8; x++) {
            assert_int_equal(pixel(x, 0), color(x == map ? 7 : 0));
            assert_int_equal(pixel(9 + x, 0), color(x == other ? 15 : 0));
        }
    }
}

static void text_cursor(void **state)
{
    (void)state;
    start(&mode_03);
    put_cell(81, ' ', 0x1e);
    crtc(0x0e, 0), crtc(0x0f, 81), crtc(0x0a, 0x0d), crtc(0x0b, 0x0e);
    for (unsigned y = 0; y < 16; y++)
        assert_int_equal(pixel(9, 16 + y), color(y == 13 || y == 14 ? 0xe : 1));
    assert_int_equal(pixel(18, 16 + 13), color(0));
    crtc(0x0a, 0x2d);
    assert_int_equal(pixel(9, 16 + 13), color(1));
    crtc(0x0a, 0x0e), crtc(0x0b, 0x0d);
    assert_int_equal(pixel(9, 16 + 14), color(1));
    /* Underline: a blue character on black, at the line of the CRTC's register. */
    put_cell(3, ' ', 0x01), crtc(0x14, 15);
    assert_int_equal(pixel(27, 15), color(1));
    assert_int_equal(pixel(27, 14), color(0));
}

static void expect_row(uint32_t row, const char *text)
{
    uint16_t cells[SCREEN_COLUMNS_MAX];
    screen_text(&vga, host.spare, &screen, row, cells);
    for (size_t i = 0; i < strlen(text); i++)
        assert_int_equal(cells[i] & 0xff, (uint8_t)text[i]);
}

static void put_text(uint32_t index, const char *text)
{
    for (; *text; text++)
        put_cell(index++, (uint8_t)*text, 0x07);
}

/* As characters, from the text window and from the planes; a second page; a split screen. */
static void text_characters(void **state)
{
    (void)state;
    start(&mode_03);
    put_text(0, "first"), put_text(80, "second"), put_text(0x800, "page two");
    expect_row(0, "first"), expect_row(1, "second");
    sequencer(2, 0xf);
    assert_int_equal(vga.text_window, 0);
    expect_row(1, "second");
    crtc(0x0c, 0x08);
    look();
    expect_row(0, "page two");
    /* Line compare: below line 32, from address 0. */
    crtc(0x18, 31), crtc(0x07, 0x0f), crtc(0x09, 0x0f);
    look();
    expect_row(0, "page two"), expect_row(2, "first"), expect_row(3, "second");
}

static void planes_12(void **state)
{
    (void)state;
    start(&mode_12);
    assert_int_equal(screen.kind, SCREEN_PLANES);
    assert_int_equal(screen.width, 640);
    assert_int_equal(screen.height, 480);
    assert_int_equal(screen.columns, 0);
    for (uint8_t plane = 0; plane < 4; plane++)
        sequencer(2, 1 << plane), poke(0xa0000 + 80 * 479 + 79, (uint8_t)(0xf0 >> plane));
    static const uint8_t pixels[8] = {1, 3, 7, 15, 14, 12, 8, 0};
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(pixel(632 + i, 479), color(pixels[i]));
    assert_int_equal(pixel(631, 479), color(0));
    /* A plane that is not enabled is not seen; the palette is. */
    attribute(0x12, 0x7);
    attribute(0x07, 0x2a);
    in(0x3da), out(0x3c0, 0x20);
    look();
    assert_int_equal(pixel(635, 479), color(0x2a));
    /* Bits 7 and 6, or 7 to 4, from color select. */
    attribute(0x14, 0x0d);
    in(0x3da), out(0x3c0, 0x20);
    look();
    assert_int_equal(pixel(635, 479), color(0xc0 | 0x2a));
    attribute(0x10, 0x81);
    in(0x3da), out(0x3c0, 0x20);
    look();
    assert_int_equal(pixel(635, 479), color(0xda));
}

static void panning_and_start(void **state)
{
    (void)state;
    start(&mode_12);
    sequencer(2, 0xf);
    poke(0xa0000 + 80 * 5 + 1, 0x01);
    assert_int_equal(pixel(15, 5), color(15));
    attribute(0x13, 3);
    in(0x3da), out(0x3c0, 0x20);
    look();
    assert_int_equal(pixel(12, 5), color(15));
    crtc(0x0d, 81);
    look();
    assert_int_equal(pixel(4, 4), color(15));
    /* Split at line 100: from address 0, and without panning where it is for the top alone. */
    crtc(0x18, 99), crtc(0x11, 0), crtc(0x07, 0x2e), crtc(0x09, 0);
    look();
    assert_int_equal(pixel(12, 105), color(15));
    attribute(0x10, 0x21);
    in(0x3da), out(0x3c0, 0x20);
    look();
    assert_int_equal(pixel(15, 105), color(15));
    assert_int_equal(pixel(4, 4), color(15));
}

static void bytes_13(void **state)
{
    (void)state;
    start(&mode_13);
    assert_int_equal(screen.kind, SCREEN_BYTES);
    assert_int_equal(screen.width, 640);
    assert_int_equal(screen.height, 400);
    poke(0xa0000 + 320 * 199 + 318, 0xc8);
    for (unsigned x = 636; x < 638; x++)
        for (unsigned y = 398; y < 400; y++)
            assert_int_equal(pixel(x, y), color(0xc8));
    assert_int_equal(pixel(635, 399), color(0));
    assert_int_equal(pixel(638, 399), color(0));
    out(0x3c6, 0x0f);
    assert_int_equal(pixel(636, 399), color(0x08));
    out(0x3c6, 0xff);
    /* Mode X, 320x240: another line count, one plane for each pixel of four, and a second page. */
    sequencer(4, 6), out(0x3c2, 0xe3);
    static const uint8_t lines[][2] = {{0x11, 0x2c}, {0x06, 0x0d}, {0x07, 0x3e}, {0x10, 0xea}, {0x11, 0xac},
                                       {0x12, 0xdf}, {0x14, 0x00}, {0x15, 0xe7}, {0x16, 0x06}, {0x17, 0xe3}};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        crtc(lines[i][0], lines[i][1]);
    look();
    assert_int_equal(screen.height, 480);
    sequencer(2, 4), poke(0xa0000 + 80 * 240 + 80 * 239 + 1, 0x42);
    crtc(0x0c, 80 * 240 >> 8), crtc(0x0d, 80 * 240 & 0xff);
    look();
    assert_int_equal(pixel(2 * 6, 479), color(0x42));
    assert_int_equal(pixel(2 * 6 + 1, 478), color(0x42));
    assert_int_equal(pixel(2 * 5, 479), color(0));
}

/* CGA's four colours: even lines at 0xb8000, odd ones 8 KiB behind. */
static void cga_04(void **state)
{
    (void)state;
    start(&mode_04);
    assert_int_equal(screen.kind, SCREEN_INTERLEAVED);
    assert_int_equal(screen.width, 640);
    assert_int_equal(screen.height, 400);
    poke(0xb8000 + 80 * 3 + 1, 0x1b); /* line 6, pixels 4 to 7: 0 1 2 3 */
    poke(0xb8000 + 0x2000 + 80 * 3 + 2, 0xe4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pixel(8 + 2 * i, 12), color(i));
        assert_int_equal(pixel(9 + 2 * i, 13), color(i));
        assert_int_equal(pixel(16 + 2 * i, 14), color(3 - i));
        assert_int_equal(pixel(16 + 2 * i, 12), color(0));
    }
}

static void linear(void **state)
{
    (void)state;
    static const struct {
        uint16_t bits;
        uint8_t bytes[4];
        uint32_t rgb;
    } samples[] = {
        {8, {0x2a}, 0},
        {15, {0x22, 0x11}, 0x214a10}, /* 00100 01001 00010 */
        {16, {0x22, 0x91}, 0x942410}, /* 10010 001001 00010 */
        {24, {0x11, 0x22, 0x33}, 0x332211},
        {32, {0x44, 0x55, 0x66, 0x99}, 0x665544},
    };
    in(0x3da), out(0x3c0, 0x20);
    load_dac();
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        unsigned bytes = (samples[i].bits + 7u) / 8;
        vbe(VBE_ENABLE, 0);
        vbe(VBE_XRES, 640), vbe(VBE_YRES, 480), vbe(VBE_BPP, samples[i].bits);
        vbe(VBE_ENABLE, VBE_ENABLED | VBE_LINEAR);
        vbe(VBE_VIRTUAL_WIDTH, 800), vbe(VBE_Y_OFFSET, 7), vbe(VBE_X_OFFSET, 11);
        look();
        assert_int_equal(screen.kind, SCREEN_LINEAR);
        assert_int_equal(screen.width, 640);
        assert_int_equal(screen.height, 480);
        memcpy(host.spare + (size_t)(((479 + 7) * 800 + 639 + 11) * bytes), samples[i].bytes, bytes);
        assert_int_equal(pixel(639, 479), samples[i].bits == 8 ? color(0x2a) : samples[i].rgb);
        assert_int_equal(pixel(638, 479), samples[i].bits == 8 ? color(0) : 0);
    }
    /* Four bits: planes. */
    set_mode(&mode_12);
    vbe(VBE_ENABLE, 0), vbe(VBE_XRES, 800), vbe(VBE_YRES, 600), vbe(VBE_BPP, 4);
    vbe(VBE_ENABLE, VBE_ENABLED);
    look();
    assert_int_equal(screen.width, 800);
    sequencer(2, 0x9), poke(0xa0000 + 100 * 599 + 99, 1);
    assert_int_equal(pixel(799, 599), color(9));
    /* Eight bits for each colour of the DAC. */
    vbe(VBE_ENABLE, 0), vbe(VBE_BPP, 8), vbe(VBE_ENABLE, VBE_ENABLED | VBE_8BIT_DAC);
    out(0x3c8, 0), out(0x3c9, 0x81), out(0x3c9, 0xfe), out(0x3c9, 0x03);
    look();
    assert_int_equal(pixel(0, 0), 0x81fe03);
}

static void blank(void **state)
{
    (void)state;
    start(&mode_12);
    sequencer(2, 0xf), poke(0xa0000, 0xff);
    assert_int_not_equal(pixel(0, 0), 0);
    sequencer(1, 0x21);
    look();
    assert_int_equal(pixel(0, 0), 0);
    sequencer(1, 0x01), in(0x3da), out(0x3c0, 0x00);
    look();
    assert_int_equal(pixel(0, 0), 0);
}

/* Whatever the registers hold, no line leaves the memory or its buffer (ASan watches). */
static void any_registers(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (unsigned i = 0; i < 2000; i++) {
        uint16_t cells[SCREEN_COLUMNS_MAX];
        for (size_t j = 0; j < 12; j++) {
            seed = seed * 1664525 + 1013904223;
            uint8_t index = (uint8_t)(seed >> 8), value = (uint8_t)(seed >> 24);
            crtc(index % 25, value), sequencer(index % 5, value), graphics(index % 9, value);
            attribute(index % 21, value);
            if (j < 6)
                vbe((uint16_t)(index % 10), (uint16_t)(seed >> 16));
        }
        in(0x3da), out(0x3c0, 0x20);
        look();
        assert_true(screen.width <= SCREEN_WIDTH_MAX && screen.columns <= SCREEN_COLUMNS_MAX);
        pixel(0, 0), pixel(screen.width - 1, screen.height - 1), pixel(0, screen.height / 2);
        if (screen.rows)
            screen_text(&vga, host.spare, &screen, screen.rows - 1, cells);
        assert_null(vga_device.check(&vga));
    }
}

static void code_page_437(void **state)
{
    (void)state;
    static const struct {
        uint8_t character;
        const char *utf8;
    } samples[] = {{'A', "A"},       {0, " "},         {1, "\u263a"},    {0x0d, "\u266a"}, {0x1f, "\u25bc"},
                   {0x7e, "~"},      {0x7f, "\u2302"}, {0x80, "\u00c7"}, {0xb3, "\u2502"}, {0xc9, "\u2554"},
                   {0xdb, "\u2588"}, {0xe1, "\u00df"}, {0xfe, "\u25a0"}, {0xff, " "}};
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        char utf8[CP437_UTF8_MAX + 1] = {0};
        assert_int_equal(cp437_to_utf8(samples[i].character, utf8), strlen(samples[i].utf8));
        assert_string_equal(utf8, samples[i].utf8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(text_geometry),
        TEST(text_pixels),
        TEST(text_fonts),
        TEST(text_cursor),
        TEST(text_characters),
        TEST(planes_12),
        TEST(panning_and_start),
        TEST(bytes_13),
        TEST(cga_04),
        TEST(linear),
        TEST(blank),
        TEST(any_registers),
        TEST(code_page_437),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
