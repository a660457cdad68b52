/*
 * The service's display: what of a device model's answers lands where, in every depth and beyond the edges;
 * the focus; answers that make no sense. Display and channel are arrays here.
 *
 * sources: lib/format.c lib/picture.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "syscall.h"

#define sys_notify recorded_notify
static int64_t recorded_notify(uint32_t guest);
#include "../../service/display.c"

enum { WIDTH = 40, HEIGHT = 20, GUARD = 0xcc };

struct service service;
static struct channel channels[2];
static struct process_display mode;
static _Alignas(4096) uint8_t memory[WIDTH * 4 * (HEIGHT + 2)];
static uint32_t focus, notified, wake_ms;
static uint64_t clock_ms;

static int64_t recorded_notify(uint32_t guest)
{
    notified = guest + 1;
    return 0;
}

uint32_t console_focus(void)
{
    return focus;
}

uint64_t service_ms(void)
{
    return clock_ms;
}

void service_wake_after(uint32_t ms)
{
    wake_ms = ms;
}

static void start(enum display_kind kind, unsigned bits)
{
    memset(channels, 0, sizeof channels);
    memset(memory, GUARD, sizeof memory);
    memset(&shown, 0, sizeof shown);
    shown.guest = NO_GUEST;
    focus = notified = wake_ms = 0;
    service.guest_count = 2;
    for (unsigned i = 0; i < 2; i++)
        service.guest[i] = (struct service_guest){.name = "guest", .channel = &channels[i]};
    unsigned bytes = kind == DISPLAY_TEXT ? 2 : (bits + 7) / 8;
    mode = (struct process_display){.pitch = WIDTH * bytes,
                                    .width = WIDTH,
                                    .height = HEIGHT,
                                    .bits = (uint8_t)bits,
                                    .kind = (uint8_t)kind,
                                    .red = {bits == 16 ? 11 : 16, bits == 16 ? 5 : 8},
                                    .green = {bits == 16 ? 5 : 8, bits == 16 ? 6 : 8},
                                    .blue = {0, bits == 16 ? 5 : 8}};
    display = &mode;
    first_line = memory;
}

/* The device model's part: every pixel has the colour of its place, x and y and 0xf8. */
static void answer_pixels_of(struct channel_screen *screen, uint16_t width, uint16_t height, uint32_t count)
{
    uint8_t rgb[3 * 512];
    size_t size, done;
    assert_int_equal(screen->part, CHANNEL_SCREEN_PIXELS);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = screen->position + i;
        rgb[3 * i] = (uint8_t)(at % width * 4), rgb[3 * i + 1] = (uint8_t)(at / width * 8),
                rgb[3 * i + 2] = 0xf8;
    }
    done = picture_encode(rgb, count, screen->data, CHANNEL_SCREEN_DATA, &size);
    assert_int_equal(done, count);
    screen->width = width;
    screen->height = height;
    screen->columns = screen->rows = 0;
    screen->size = (uint32_t)size;
    screen->next = screen->position + count;
    screen->answered = screen->asked;
}

static uint32_t pixel(uint32_t x, uint32_t y)
{
    unsigned bytes = (mode.bits + 7u) / 8;
    uint32_t value = 0;
    memcpy(&value, memory + (size_t)y * mode.pitch + (size_t)x * bytes, bytes);
    return value;
}

static void assert_guard(void)
{
    for (size_t i = (size_t)mode.pitch * HEIGHT; i < sizeof memory; i++)
        assert_int_equal(memory[i], GUARD);
}

/* In the middle, black around it. */
static void small_picture(void **state)
{
    static const unsigned depths[] = {16, 24, 32};
    (void)state;
    for (unsigned d = 0; d < 3; d++) {
        start(DISPLAY_RGB, depths[d]);
        display_run();
        assert_int_equal(notified, 1);
        for (unsigned part = 0; part < 5; part++) {
            answer_pixels_of(&channels[0].screen, 20, 10, 40);
            notified = 0;
            display_run();
            assert_int_equal(notified, part < 4);
        }
        for (uint32_t y = 0; y < HEIGHT; y++)
            for (uint32_t x = 0; x < WIDTH; x++) {
                uint32_t gx = x - 10, gy = y - 5, red = gx * 4, green = gy * 8;
                uint32_t wanted = depths[d] == 16 ? (red >> 3) << 11 | (green >> 2) << 5 | 0x1f
                                                  : red << 16 | green << 8 | 0xf8;
                assert_int_equal(pixel(x, y), gx < 20 && gy < 10 ? wanted : 0);
            }
        assert_guard();
        assert_true(wake_ms >= REST_MS);
    }
}

/* Its right and lower edges are not there. */
static void large_picture(void **state)
{
    (void)state;
    start(DISPLAY_RGB, 32);
    display_run();
    for (unsigned part = 0; part < 12; part++) {
        answer_pixels_of(&channels[0].screen, 60, 24, 120);
        display_run();
    }
    for (uint32_t y = 0; y < HEIGHT; y++)
        for (uint32_t x = 0; x < WIDTH; x++)
            assert_int_equal(pixel(x, y), x * 4 << 16 | y * 8 << 8 | 0xf8);
    assert_guard();
}

static void answer_cells(struct channel_screen *screen, uint16_t columns, uint16_t rows, uint32_t cursor)
{
    assert_int_equal(screen->part, CHANNEL_SCREEN_TEXT);
    screen->width = columns * 8;
    screen->height = rows * 16;
    screen->columns = columns;
    screen->rows = rows;
    screen->cursor = cursor;
    screen->size = columns * rows * 2;
    for (uint32_t i = 0; i < screen->size / 2; i++)
        screen->data[2 * i] = (uint8_t)('a' + i % 26), screen->data[2 * i + 1] = 0x1e;
    screen->next = columns * rows;
    screen->answered = screen->asked;
}

static uint16_t cell_at(uint32_t column, uint32_t row)
{
    return (uint16_t)(memory[row * mode.pitch + column * 2] | memory[row * mode.pitch + column * 2 + 1] << 8);
}

static void text(void **state)
{
    (void)state;
    start(DISPLAY_TEXT, 0);
    display_run();
    answer_cells(&channels[0].screen, 30, 25, 31);
    display_run();
    for (uint32_t row = 0; row < HEIGHT; row++)
        for (uint32_t column = 0; column < WIDTH; column++) {
            uint32_t at = row * 30 + column - 5;
            uint16_t wanted = (uint16_t)((at == 31 ? 0xe100 : 0x1e00) | ('a' + at % 26));
            assert_int_equal(cell_at(column, row), column - 5 < 30 ? wanted : 0x0720);
        }
    assert_guard();
    /* Graphics have no place here. */
    clock_ms += 10000;
    display_run();
    channels[0].screen.columns = channels[0].screen.rows = 0;
    channels[0].screen.answered = channels[0].screen.asked;
    display_run();
    assert_int_equal(cell_at(0, 0), 0x700 | 'g');
    assert_int_equal(cell_at(0, 5), 0x720);
}

/* The other guest's screen from the beginning; an answer for the one before is not taken. */
static void focus_moves(void **state)
{
    (void)state;
    start(DISPLAY_RGB, 32);
    display_run();
    answer_pixels_of(&channels[0].screen, 40, 20, 400);
    focus = 1;
    display_run();
    assert_int_equal(notified, 2);
    assert_int_equal(channels[1].screen.position, 0);
    answer_pixels_of(&channels[1].screen, 4, 2, 8);
    display_run();
    assert_int_equal(pixel(0, 0), 0);
    assert_int_equal(pixel(18, 9), 0xf8);
    service.guest[1].ended = true;
    notified = 0;
    clock_ms += 10000;
    display_run();
    assert_int_equal(notified, 0);
}

/* nr's questions go first, and take the place of one of the display's. */
static void turns(void **state)
{
    (void)state;
    start(DISPLAY_RGB, 32);
    struct channel_screen *screen = &channels[0].screen;
    screen->asked = 7;
    display_run();
    assert_int_equal(notified, 0);
    assert_int_equal(wake_ms, RETRY_MS);
    screen->answered = 7;
    display_run();
    assert_int_equal(screen->asked, 8);
    screen->asked = 9;
    screen->answered = 9;
    memory[0] = 1;
    display_run();
    assert_int_equal(memory[0], 1);
    assert_int_equal(screen->asked, 10);
}

/* Any answer: what is not the display stays as it is, and questions go on. */
static void garbage(void **state)
{
    (void)state;
    uint32_t seed = 1, questions = 0;
    for (unsigned round = 0; round < 30000; round++) {
        if (round % 1000 == 0)
            start(round % 2000 ? DISPLAY_TEXT : DISPLAY_RGB, 32);
        struct channel_screen *screen = &channels[0].screen;
        uint8_t *bytes = (uint8_t *)&screen->position;
        questions += screen->asked != screen->answered;
        for (size_t i = 0; i < sizeof *screen - offsetof(struct channel_screen, position); i++) {
            seed = seed * 1664525 + 1013904223;
            bytes[i] = (uint8_t)(seed >> 24);
        }
        screen->width %= 1u << (seed >> 28), screen->columns %= 1u << (seed >> 28);
        screen->height %= 64, screen->rows %= 64, screen->size %= CHANNEL_SCREEN_DATA + 100;
        screen->next = shown.position + seed % 300;
        screen->answered = screen->asked;
        clock_ms += 5000;
        display_run();
    }
    assert_guard();
    assert_true(questions > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_picture), cmocka_unit_test(large_picture), cmocka_unit_test(text),
        cmocka_unit_test(focus_moves),   cmocka_unit_test(turns),         cmocka_unit_test(garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
