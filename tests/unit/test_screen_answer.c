/*
 * A picture on its way out of a guest: the encoding of pixels, and the device model's answers to the service,
 * put together again as nr does it.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c devices/vga_screen.c
 * sources: devices/vga_text.c devices/screen_answer.c devices/pci.c devices/bus.c lib/picture.c
 * sources: tests/unit/host_effects.c
 */
#include "vga_fixture.h"
#include "picture.h"
#include "screen_answer.h"
#include "vga_screen.h"

enum { PIXELS = 3000, WIDTH = 640, HEIGHT = 480 };

/* Random runs and random pixels, encoded into buffers of every small size. */
static void encoding(void **state)
{
    (void)state;
    static uint8_t rgb[PIXELS * 3], back[PIXELS * 3], bytes[PIXELS * 4];
    uint32_t seed = 3;
    for (unsigned i = 0; i < PIXELS;) {
        seed = seed * 1664525 + 1013904223;
        unsigned run = seed >> 30 ? 1 + (seed >> 20 & 3) : 1 + (seed >> 20) % 300;
        for (; run > 0 && i < PIXELS; run--, i++)
            rgb[3 * i] = (uint8_t)(seed >> 8), rgb[3 * i + 1] = (uint8_t)(seed >> 9), rgb[3 * i + 2] = 1;
    }
    for (size_t room = 4; room < 600; room += room < 20 ? 1 : 37) {
        size_t done = 0, total = 0, size;
        while (done < PIXELS) {
            size_t step = picture_encode(rgb + 3 * done, PIXELS - done, bytes + total, room, &size);
            assert_true(step > 0 && size <= room);
            done += step;
            total += size;
            assert_true(total <= sizeof bytes - room || done == PIXELS);
        }
        assert_int_equal(picture_decode(bytes, total, back, PIXELS), PIXELS);
        assert_memory_equal(rgb, back, sizeof rgb);
        assert_int_equal(picture_decode(bytes, total, back, PIXELS - 1), SIZE_MAX);
        assert_int_equal(picture_decode(bytes, total - 1, back, PIXELS), SIZE_MAX);
    }
    assert_int_equal(picture_decode(NULL, 0, back, 0), 0);
    /* 200 pixels of one colour are two runs. */
    memset(rgb, 5, 600);
    size_t size;
    assert_int_equal(picture_encode(rgb, 200, bytes, sizeof bytes, &size), 200);
    assert_int_equal(size, 8);
}

/* All of a picture or text, question by question. */
static size_t ask_all(struct channel_screen *screen, enum channel_screen_part part, uint32_t end, uint8_t *to)
{
    size_t size = 0;
    screen->part = part;
    for (screen->position = 0; screen->position < end; screen->position = screen->next) {
        screen->asked++;
        assert_true(screen_answer(&vga, host.spare, screen));
        assert_int_equal(screen->answered, screen->asked);
        assert_true(screen->next > screen->position && screen->size <= CHANNEL_SCREEN_DATA);
        memcpy(to + size, screen->data, screen->size);
        size += screen->size;
    }
    assert_int_equal(screen->next, end);
    return size;
}

static void pixels(void **state)
{
    (void)state;
    static uint8_t bytes[WIDTH * HEIGHT * 4], rgb[WIDTH * HEIGHT * 3], line[WIDTH * 3];
    struct channel_screen screen = {0};
    struct screen picture;
    uint32_t seed = 9;
    vbe(VBE_XRES, WIDTH), vbe(VBE_YRES, HEIGHT), vbe(VBE_BPP, 32), vbe(VBE_ENABLE, VBE_ENABLED);
    in(0x3da), out(0x3c0, 0x20);
    for (unsigned i = 0; i < WIDTH * 20 * 4; i++)
        host.spare[i] = (uint8_t)((seed = seed * 1664525 + 1013904223) >> 24);
    size_t size = ask_all(&screen, CHANNEL_SCREEN_PIXELS, WIDTH * HEIGHT, bytes);
    assert_int_equal(screen.width, WIDTH);
    assert_int_equal(screen.height, HEIGHT);
    assert_int_equal(screen.columns, 0);
    assert_int_equal(picture_decode(bytes, size, rgb, WIDTH * HEIGHT), WIDTH * HEIGHT);
    screen_look(&vga, &picture);
    for (uint32_t y = 0; y < HEIGHT; y++) {
        screen_line(&vga, host.spare, &picture, y, line);
        assert_memory_equal(line, rgb + y * sizeof line, sizeof line);
    }
    assert_false(screen_answer(&vga, host.spare, &screen)); /* nothing was asked */
}

static void text(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 16];
    struct channel_screen screen = {0};
    set_mode(&mode_03);
    for (uint32_t i = 0; i < 4000; i++)
        poke(0xb8000 + i, (uint8_t)(i * 7));
    assert_int_equal(ask_all(&screen, CHANNEL_SCREEN_TEXT, 80 * 25, bytes), 4000);
    assert_int_equal(screen.columns, 80);
    assert_int_equal(screen.rows, 25);
    for (uint32_t i = 0; i < 4000; i++)
        assert_int_equal(bytes[i], (uint8_t)(i * 7));
}

/* Positions beyond the picture, text of graphics, a guest without a screen: nothing, and no harm. */
static void nothing(void **state)
{
    (void)state;
    struct channel_screen screen = {.asked = 1, .position = UINT32_MAX};
    assert_true(screen_answer(&vga, host.spare, &screen));
    assert_int_equal(screen.size, 0);
    set_mode(&mode_12);
    screen.asked++, screen.position = 0, screen.part = CHANNEL_SCREEN_TEXT;
    assert_true(screen_answer(&vga, host.spare, &screen));
    assert_int_equal(screen.size, 0);
    assert_int_equal(screen.columns, 0);
    screen.asked++, screen.part = CHANNEL_SCREEN_PIXELS;
    assert_true(screen_answer(&vga, NULL, &screen));
    assert_int_equal(screen.size, 0);
    assert_int_equal(screen.width, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(encoding), TEST(pixels), TEST(text), TEST(nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
