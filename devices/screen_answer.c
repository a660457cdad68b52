/*
 * What the service asks about the guest's screen (channel.h): a part of its pixels or of its characters. Each
 * question is answered from the registers and the memory as they are then, and in bounded time: a few lines,
 * or as much as the channel holds.
 */
#include "screen_answer.h"
#include "picture.h"
#include "vga_screen.h"

enum { LINES_MAX = 16 /* of one answer */, CELL_BYTES = 2, ROOM_MIN = 4 /* a run, two cells */ };

/* A line, as far as it is not worth a place on the stack; nothing of it is needed later. */
static uint8_t rgb[SCREEN_WIDTH_MAX * PICTURE_PIXEL];

/* What was asked for, read once: the service may write it at any time. */
static uint32_t room_of(const struct channel_screen *screen)
{
    uint32_t room = *(const volatile uint32_t *)&screen->room;
    return room >= ROOM_MIN && room <= CHANNEL_SCREEN_DATA ? room : CHANNEL_SCREEN_DATA;
}

/* From pixel `position` on. */
static uint32_t answer_pixels(const struct vga *vga, const uint8_t *video, const struct screen *picture,
                              uint32_t position, struct channel_screen *screen)
{
    uint32_t used = 0, end = picture->width * picture->height, room = room_of(screen);
    for (unsigned lines = 0; lines < LINES_MAX && position < end; lines++) {
        uint32_t y = position / picture->width, x = position % picture->width;
        size_t size;
        screen_line(vga, video, picture, y, rgb);
        size_t done = picture_encode(rgb + (size_t)x * PICTURE_PIXEL, picture->width - x, screen->data + used,
                                     room - used, &size);
        used += (uint32_t)size;
        position += (uint32_t)done;
        if (done < picture->width - x)
            break;
    }
    screen->size = used;
    return position;
}

static uint32_t answer_text(const struct vga *vga, const uint8_t *video, const struct screen *picture,
                            uint32_t position, struct channel_screen *screen)
{
    uint16_t cells[SCREEN_COLUMNS_MAX];
    uint32_t used = 0, end = picture->columns * picture->rows, room = room_of(screen);
    while (position < end && used + CELL_BYTES <= room) {
        uint32_t column = position % picture->columns;
        screen_text(vga, video, picture, position / picture->columns, cells);
        for (; column < picture->columns && used + CELL_BYTES <= room; column++, position++) {
            screen->data[used++] = (uint8_t)cells[column];
            screen->data[used++] = (uint8_t)(cells[column] >> 8);
        }
    }
    screen->size = used;
    return position;
}

bool screen_answer(const struct vga *vga, const uint8_t *video, struct channel_screen *screen)
{
    uint32_t asked = __atomic_load_n(&screen->asked, __ATOMIC_ACQUIRE);
    struct screen picture = {0};
    if (asked == screen->answered)
        return false;
    if (video)
        screen_look(vga, &picture);
    screen->width = (uint16_t)picture.width;
    screen->height = (uint16_t)picture.height;
    screen->columns = (uint16_t)picture.columns;
    screen->rows = (uint16_t)picture.rows;
    screen->cursor = video ? screen_cursor(vga, &picture) : UINT32_MAX;
    if (screen->part == CHANNEL_SCREEN_TEXT)
        screen->next = answer_text(vga, video, &picture, screen->position, screen);
    else
        screen->next = answer_pixels(vga, video, &picture, screen->position, screen);
    __atomic_store_n(&screen->answered, asked, __ATOMIC_RELEASE);
    return true;
}
