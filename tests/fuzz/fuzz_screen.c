/*
 * Questions of any kind about the guest's screen, in modes of all kinds that change between them, from a
 * service that writes over its question while it is answered. What comes must be the very pixels or
 * characters that the screen has there, go on, and stay in its room.
 *
 * sources: devices/vga.c devices/vga_memory.c devices/vga_retrace.c devices/vbe.c devices/vga_screen.c
 * sources: devices/vga_text.c devices/pci.c devices/bus.c lib/picture.c tests/unit/host_effects.c
 * coverage: devices/screen_answer.c lib/picture.c devices/vga_text.c devices/vga_screen.c
 */
#include <stdio.h>
#include "fuzz_input.h"
#include "picture.h"
#include "vga_screen.h"

/* screen_answer.c is part of this program, so that the service can do something between its lines. */
#define screen_line meddled_line
#define screen_text meddled_text
static void meddled_line(const struct vga *of, const uint8_t *video, const struct screen *screen, uint32_t y,
                         uint8_t *to);
static void meddled_text(const struct vga *of, const uint8_t *video, const struct screen *screen,
                         uint32_t row, uint16_t *cells);
#include "../../devices/screen_answer.c"
#undef screen_line
#undef screen_text
#include "vga_fixture.h"

enum { STEPS_MAX = 120, UNTOUCHED = 0xa5, PAINTED = 1 << 16, PIXELS_MAX = LINES_MAX };

static struct channel_screen *channel; /* alone, so that nothing is written behind it unseen */
static bool meddles;
static unsigned lines;

static void check(bool holds, const char *rule)
{
    if (holds)
        return;
    fprintf(stderr, "broken: %s; part %u from %u, room %u: %u bytes to %u of %u * %u, %u * %u\n", rule,
            channel->part, channel->position, channel->room, channel->size, channel->next, channel->width,
            channel->height, channel->columns, channel->rows);
    abort();
}

static void meddle(void)
{
    lines++;
    if (!meddles)
        return;
    channel->position += 0x1234567;
    channel->room = lines & 1 ? UINT32_MAX : 1;
    channel->part ^= 1;
    channel->size = channel->next = UINT32_MAX;
}

static void meddled_line(const struct vga *of, const uint8_t *video, const struct screen *screen, uint32_t y,
                         uint8_t *to)
{
    check(y < screen->height, "a line of the picture");
    meddle();
    screen_line(of, video, screen, y, to);
}

static void meddled_text(const struct vga *of, const uint8_t *video, const struct screen *screen,
                         uint32_t row, uint16_t *cells)
{
    check(row < screen->rows, "a row of the screen");
    meddle();
    screen_text(of, video, screen, row, cells);
}

/* The pixels from `position` on are what is drawn there. */
static void check_pixels(const struct screen *picture, uint32_t position)
{
    static uint8_t got[(size_t)PIXELS_MAX * SCREEN_WIDTH_MAX * PICTURE_PIXEL],
        line[SCREEN_WIDTH_MAX * PICTURE_PIXEL];
    uint32_t count = channel->next - position, done = 0;
    check(count <= PIXELS_MAX * picture->width, "a few lines");
    check(picture_decode(channel->data, channel->size, got, count) == count, "as many pixels as it says");
    while (done < count) {
        uint32_t y = (position + done) / picture->width, x = (position + done) % picture->width;
        uint32_t part = picture->width - x < count - done ? picture->width - x : count - done;
        screen_line(&vga, host.spare, picture, y, line);
        check(memcmp(got + (size_t)done * PICTURE_PIXEL, line + (size_t)x * PICTURE_PIXEL,
                     (size_t)part * PICTURE_PIXEL) == 0,
              "the pixels of the screen");
        done += part;
    }
}

static void check_text(const struct screen *picture, uint32_t position)
{
    uint16_t cells[SCREEN_COLUMNS_MAX];
    check(channel->size == (channel->next - position) * CELL_BYTES, "two bytes for each character");
    for (uint32_t at = position; at < channel->next; at++) {
        const uint8_t *got = channel->data + (size_t)(at - position) * CELL_BYTES;
        if (at == position || at % picture->columns == 0)
            screen_text(&vga, host.spare, picture, at / picture->columns, cells);
        check((got[0] | got[1] << 8) == cells[at % picture->columns], "the characters of the screen");
    }
}

static void check_answer(const struct channel_screen *request, bool there)
{
    struct screen picture = {0};
    uint32_t room = request->room, position = request->position, written = CHANNEL_SCREEN_DATA;
    bool text = request->part == CHANNEL_SCREEN_TEXT;
    if (there)
        screen_look(&vga, &picture);
    uint32_t end = text ? picture.columns * picture.rows : picture.width * picture.height;
    room = room >= 4 && room <= CHANNEL_SCREEN_DATA ? room : CHANNEL_SCREEN_DATA;
    check(channel->width == picture.width && channel->height == picture.height &&
              channel->columns == picture.columns && channel->rows == picture.rows,
          "the size of the screen");
    check(channel->cursor == UINT32_MAX || channel->cursor < picture.columns * picture.rows, "the cursor");
    check(channel->size <= room, "an answer stays in its room");
    while (written > room && channel->data[written - 1] == UNTOUCHED)
        written--;
    check(written <= room, "nothing is written behind the room");
    if (position >= end) {
        check(channel->next == position && channel->size == 0 && lines == 0, "nothing behind the end");
        return;
    }
    check(channel->next > position && channel->next <= end, "it comes on, and not beyond the end");
    check(lines <= (text ? (room / CELL_BYTES + picture.columns) / picture.columns + 1 : LINES_MAX),
          "bounded work");
    if (text)
        check_text(&picture, position);
    else
        check_pixels(&picture, position);
}

static void ask(bool there)
{
    struct channel_screen request = *channel;
    uint32_t asked = ++channel->asked;
    const struct vga before = vga;
    lines = 0;
    memset(channel->data, UNTOUCHED, sizeof channel->data);
    check(screen_answer(&vga, there ? host.spare : NULL, channel), "each question is answered");
    check(channel->answered == asked, "that question is answered");
    check(memcmp(&before, &vga, sizeof vga) == 0, "a look changes nothing");
    check_answer(&request, there);
    request = *channel;
    check(!screen_answer(&vga, host.spare, channel), "nothing is answered twice");
    check(memcmp(&request, channel, sizeof request) == 0, "who is not asked says nothing");
}

static void question(struct input *input)
{
    static const uint16_t rooms[] = {0, 3, 4, 5, 7, 64, 301, CHANNEL_SCREEN_DATA, CHANNEL_SCREEN_DATA + 1};
    uint32_t how = take(input, 1), at = take(input, 2);
    uint32_t end = channel->part == CHANNEL_SCREEN_TEXT ? (uint32_t)channel->columns * channel->rows
                                                        : (uint32_t)channel->width * channel->height;
    channel->part = how & 1;
    if ((how & 0xf) == 0xf)
        channel->part = at;
    switch (how >> 4 & 3) {
    case 0:
        channel->position = at;
        break;
    case 1: /* as nr does it */
        channel->position = channel->next;
        break;
    case 2: /* at an end that may be another one by now */
        channel->position = end + (uint32_t)(int8_t)at;
        break;
    default:
        channel->position = at << (at & 31);
    }
    channel->room = how & 2 ? rooms[at % (sizeof rooms / sizeof rooms[0])] : at << (how >> 6);
    meddles = how & 4;
    ask((how & 0xf8) != 0xf8);
    meddles = false;
}

/* Bytes in the window and in the frame buffer: some of one kind, some of all. */
static void paint(struct input *input)
{
    uint32_t how = take(input, 1), at = take(input, 2), count = take(input, 1) * 16u, value = take(input, 1);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t byte = (uint8_t)(value + (how & 1 ? i * 7 : how & 2 ? i / 64 : 0));
        if (how & 4)
            poke(0xa0000 + (at + i) % 0x20000, byte);
        else
            host.spare[(at + i) % PAINTED] = byte;
    }
}

static void mode(struct input *input)
{
    static const struct vga_mode *const modes[] = {&mode_03, &mode_04, &mode_12, &mode_13};
    static const uint8_t depths[] = {4, 8, 15, 16, 24, 32, 7};
    uint32_t how = take(input, 1), width, height;
    if (how & 0x80) {
        width = take(input, 1) * 8u, height = take(input, 1) * 4u;
        vbe(VBE_ENABLE, 0);
        vbe(VBE_XRES, (uint16_t)(how & 0x40 ? width + 3 : width)), vbe(VBE_YRES, (uint16_t)height);
        vbe(VBE_BPP, depths[how % sizeof depths]), vbe(VBE_ENABLE, how & 0x20 ? 0x61 : 0x41);
        vbe(VBE_X_OFFSET, (uint16_t)take(input, 1));
        in(0x3da), out(0x3c0, 0x20);
        return;
    }
    vbe(VBE_ENABLE, 0);
    set_mode(modes[how & 3]);
    if (how & 4)
        in(0x3da), out(0x3c0, 0); /* blank */
    if (how & 8)
        crtc(0x13, (uint8_t)take(input, 1)), crtc(0x18, (uint8_t)take(input, 1));
}

static void registers(struct input *input)
{
    uint32_t how = take(input, 1), index = take(input, 1);
    uint8_t value = (uint8_t)take(input, 1);
    switch (how % 5) {
    case 0:
        crtc(0x11, 0); /* which protects others */
        crtc(index % 25, value);
        break;
    case 1:
        attribute(index % 21, value), in(0x3da), out(0x3c0, 0x20);
        break;
    case 2:
        sequencer(index % 5, value);
        break;
    case 3:
        graphics(index % 9, value);
        break;
    default:
        vbe(index % 12, (uint16_t)(value << (how >> 4)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t *spare;
    struct input input = {data, size};
    if (!spare)
        spare = calloc(1, HOST_SPARE);
    host_reset();
    host.spare = spare;
    memset(spare, 0,
           2 * PAINTED); /* what lies behind is what earlier inputs have left, and zeros as a rule */
    host_device_reset(&vga_device, &vga);
    free(channel);
    channel = calloc(1, sizeof *channel);
    for (unsigned i = 0; i < STEPS_MAX && input.size; i++) {
        uint32_t what = take(&input, 1);
        if (what % 8 < 4)
            question(&input);
        else if (what % 8 == 4)
            paint(&input);
        else if (what % 8 == 5)
            mode(&input);
        else
            registers(&input);
        check(!vga_device.check(&vga), "the state of the VGA");
    }
    return 0;
}
