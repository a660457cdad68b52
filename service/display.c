/*
 * The machine's own display: it shows the screen of the guest that has the focus of the console.
 *
 * Document: Multiboot2 1.6, 3.6.12, for what the boot loader has set up: a frame buffer of 15 to 32 bits, or
 * a VGA's text. The service maps no guest's memory: it asks the device model for one part of the picture
 * after the other (channel.h), as for nr screenshot, and takes turns with that. Between two pictures it rests
 * twice as long as one has taken, so that a guest's processor is mostly its own. A smaller picture is in the
 * middle, of a larger one the right and the lower edge are cut off. Missing: frame buffers with a palette,
 * scaling, write combining (the firmware's MTRRs decide), a guest's font and colours on a text display.
 */
#include "layout.h"
#include "format.h"
#include "picture.h"
#include "process_info.h"
#include "service.h"
#include "string.h"
#include "syscall.h"

enum { REST_MS = 100, RETRY_MS = 5, REST_TIMES = 2, SIDE_MAX = 8192, TEXT_CELL = 2 };
enum { ATTRIBUTE_PLAIN = 0x07, COLOR_BITS = 8 };

static const struct process_display *display;
static volatile uint8_t *first_line;

static struct {
    int guest;           /* whose picture there is, or NO_GUEST */
    uint32_t asked;      /* the number of the question that waits; 0: none */
    uint32_t position;   /* what the next question asks for */
    uint32_t width;      /* of the picture, pixels or characters; 0: a sentence stands there, or nothing */
    uint32_t height;     /* 0: the display has not been cleared */
    uint64_t began, due; /* service_ms() of this picture, of the next one */
} shown = {.guest = NO_GUEST};

static bool is_text(void)
{
    return display->kind == DISPLAY_TEXT;
}

/* A VGA's text memory is told of whether there is a VGA or not. */
static bool is_memory(void)
{
    static const uint8_t patterns[] = {0x55, 0xaa};
    for (unsigned i = 0; i < sizeof patterns; i++) {
        *first_line = patterns[i];
        if (*first_line != patterns[i])
            return false;
    }
    return true;
}

/* The picture's columns and rows begin here. */
static uint32_t margin(uint32_t room, uint32_t size)
{
    return size < room ? (room - size) / 2 : 0;
}

static void put_cell(uint32_t column, uint32_t row, uint16_t cell)
{
    if (column < display->width && row < display->height)
        *(volatile uint16_t *)(first_line + (size_t)row * display->pitch + column * TEXT_CELL) = cell;
}

static void put_pixel(uint32_t x, uint32_t y, uint32_t value)
{
    if (x >= display->width || y >= display->height)
        return;
    unsigned bytes = (display->bits + 7u) / 8;
    volatile uint8_t *at = first_line + (size_t)y * display->pitch + (size_t)x * bytes;
    if (bytes == 4)
        *(volatile uint32_t *)at = value;
    else if (bytes == 2)
        *(volatile uint16_t *)at = (uint16_t)value;
    else
        for (unsigned i = 0; i < bytes; i++)
            at[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t pixel_of(const uint8_t *rgb)
{
    return (uint32_t)rgb[0] >> (COLOR_BITS - display->red.size) << display->red.position |
           (uint32_t)rgb[1] >> (COLOR_BITS - display->green.size) << display->green.position |
           (uint32_t)rgb[2] >> (COLOR_BITS - display->blue.size) << display->blue.position;
}

static void clear(void)
{
    for (uint32_t y = 0; y < display->height; y++)
        for (uint32_t x = 0; x < display->width; x++)
            if (is_text())
                put_cell(x, y, ATTRIBUTE_PLAIN << 8 | ' ');
            else
                put_pixel(x, y, 0);
}

static void show_sentence(const char *sentence)
{
    for (uint32_t x = 0; is_text() && x < display->width; x++) {
        put_cell(x, 0, (uint16_t)(ATTRIBUTE_PLAIN << 8 | (*sentence ? *sentence : ' ')));
        sentence += *sentence != '\0';
    }
}

/* Another picture than before: what it does not cover is black. */
static void measure(uint32_t width, uint32_t height)
{
    if (shown.width == width && shown.height == height)
        return;
    shown.width = width;
    shown.height = height;
    clear();
}

static void take_text(const struct channel_screen *screen, uint32_t size)
{
    uint32_t left = margin(display->width, shown.width), top = margin(display->height, shown.height);
    for (uint32_t i = 0; i + TEXT_CELL <= size; i += TEXT_CELL) {
        uint32_t at = shown.position + i / TEXT_CELL;
        uint16_t cell = (uint16_t)(screen->data[i] | screen->data[i + 1] << 8);
        if (at == screen->cursor) /* as a block: ink and paper change places */
            cell = (uint16_t)((cell & 0xff) | (cell & 0xf00) << 4 | (cell & 0xf000) >> 4);
        put_cell(left + at % shown.width, top + at / shown.width, cell);
    }
}

static void take_pixels(const struct channel_screen *screen, uint32_t size)
{
    uint32_t left = margin(display->width, shown.width), top = margin(display->height, shown.height);
    uint32_t x = shown.position % shown.width, y = shown.position / shown.width;
    for (uint32_t at = 0; at < size;) {
        uint8_t token[PICTURE_TOKEN_MAX], rgb[PICTURE_RUN_MAX * PICTURE_PIXEL];
        size_t length = picture_token_size(screen->data[at]);
        if (length > size - at)
            return;
        memcpy(token, screen->data + at, length);
        size_t pixels = picture_decode(token, length, rgb, PICTURE_RUN_MAX);
        if (pixels == SIZE_MAX) /* its first byte has changed since */
            return;
        at += (uint32_t)length;
        for (size_t i = 0; i < pixels && y < shown.height; i++) {
            put_pixel(left + x, top + y, pixel_of(rgb + i * PICTURE_PIXEL));
            if (++x == shown.width) {
                x = 0;
                y++;
            }
        }
    }
}

static void end_picture(void)
{
    uint64_t now = service_ms(), took = now - shown.began;
    shown.position = 0;
    shown.due = now + (took * REST_TIMES > REST_MS ? took * REST_TIMES : REST_MS);
}

/* What there is in place of a picture. */
static void show_none(const char *why)
{
    char sentence[GUEST_NAME_SIZE + 80];
    measure(0, 1);
    format_text(sentence, sizeof sentence, "%s %s", service.guest[shown.guest].name, why);
    show_sentence(sentence);
    end_picture();
}

static void take(const struct channel_screen *screen)
{
    /* Once each: the device model may change them meanwhile. */
    uint32_t width = __atomic_load_n(is_text() ? &screen->columns : &screen->width, __ATOMIC_RELAXED);
    uint32_t height = __atomic_load_n(is_text() ? &screen->rows : &screen->height, __ATOMIC_RELAXED);
    uint32_t size = __atomic_load_n(&screen->size, __ATOMIC_RELAXED);
    uint32_t next = __atomic_load_n(&screen->next, __ATOMIC_RELAXED);
    if (screen->width == 0) {
        show_none("has no screen");
    } else if (width == 0 || width > SIDE_MAX || height > SIDE_MAX || size > CHANNEL_SCREEN_DATA) {
        show_none("shows graphics: nr screenshot makes a picture of it");
    } else if (shown.position != 0 && (shown.width != width || shown.height != height)) {
        end_picture(); /* its mode has changed meanwhile */
    } else {
        measure(width, height);
        if (is_text())
            take_text(screen, size);
        else
            take_pixels(screen, size);
        if (next <= shown.position || next >= width * height)
            end_picture();
        else
            shown.position = next;
    }
}

static void ask(struct channel_screen *screen)
{
    uint32_t number = screen->asked + 1;
    if (screen->asked != __atomic_load_n(&screen->answered, __ATOMIC_ACQUIRE)) { /* somebody else's */
        service_wake_after(RETRY_MS);
        return;
    }
    if (shown.position == 0)
        shown.began = service_ms();
    screen->part = is_text() ? CHANNEL_SCREEN_TEXT : CHANNEL_SCREEN_PIXELS;
    screen->position = shown.position;
    screen->room = CHANNEL_SCREEN_DATA;
    shown.asked = number != 0 ? number : 1;
    __atomic_store_n(&screen->asked, shown.asked, __ATOMIC_RELEASE);
    sys_notify((uint32_t)shown.guest);
}

static void look_at_focus(void)
{
    if (shown.guest == (int)console_focus())
        return;
    shown.guest = (int)console_focus();
    shown.asked = shown.position = 0;
    shown.due = 0;
    shown.height = 0;
}

void display_start(const struct process_info *info)
{
    const struct process_display *d = &info->display;
    bool known = d->kind == DISPLAY_TEXT ||
                 (d->kind == DISPLAY_RGB && d->bits > 8 && d->bits <= 32 && d->red.size <= COLOR_BITS &&
                  d->green.size <= COLOR_BITS && d->blue.size <= COLOR_BITS && d->red.position < 32 &&
                  d->green.position < 32 && d->blue.position < 32);
    if (d->width == 0 || !known)
        return;
    first_line = (volatile uint8_t *)(USER_DISPLAY + d->physical % USER_PAGE_SIZE);
    if (is_memory())
        display = d;
}

void display_run(void)
{
    if (!display || service.guest_count == 0)
        return;
    look_at_focus();
    if (service.guest[shown.guest].ended)
        return; /* its last picture stays */
    struct channel_screen *screen = &service.guest[shown.guest].channel->screen;
    if (shown.asked && screen->asked != shown.asked)
        shown.asked = 0; /* nr's question has taken the place of this one */
    if (shown.asked && __atomic_load_n(&screen->answered, __ATOMIC_ACQUIRE) == shown.asked) {
        shown.asked = 0;
        take(screen);
    }
    uint64_t now = service_ms();
    if (!shown.asked && now < shown.due)
        service_wake_after((uint32_t)(shown.due - now));
    else if (!shown.asked)
        ask(screen);
}
