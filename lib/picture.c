/* See picture.h. */
#include "picture.h"
#include "string.h"

enum { RUN_TOKEN = 128, RUN_SIZE = 1 + PICTURE_PIXEL };

/* How many pixels from the first one on are the same, up to limit. */
static size_t run_length(const uint8_t *rgb, size_t limit)
{
    size_t length = 1;
    while (length < limit && memcmp(rgb, rgb + length * PICTURE_PIXEL, PICTURE_PIXEL) == 0)
        length++;
    return length;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* How many pixels stand for themselves before the next run of three, which is worth a token. */
static size_t literal_length(const uint8_t *rgb, size_t limit)
{
    size_t length = 0;
    while (length < limit && run_length(rgb + length * PICTURE_PIXEL, least(3, limit - length)) < 3)
        length++;
    return length ? length : least(limit, 1);
}

size_t picture_encode(const uint8_t *rgb, size_t pixels, uint8_t *to, size_t room, size_t *size)
{
    size_t done = 0, used = 0;
    while (done < pixels && room - used >= RUN_SIZE) {
        const uint8_t *at = rgb + done * PICTURE_PIXEL;
        size_t run = run_length(at, least(pixels - done, PICTURE_RUN_MAX));
        if (run >= PICTURE_RUN_MIN) {
            to[used] = (uint8_t)(RUN_TOKEN + run - PICTURE_RUN_MIN);
            memcpy(to + used + 1, at, PICTURE_PIXEL);
            used += RUN_SIZE;
            done += run;
            continue;
        }
        size_t fits = least((room - used - 1) / PICTURE_PIXEL, PICTURE_LITERALS_MAX);
        size_t count = literal_length(at, least(pixels - done, fits));
        to[used] = (uint8_t)(count - 1);
        memcpy(to + used + 1, at, count * PICTURE_PIXEL);
        used += 1 + count * PICTURE_PIXEL;
        done += count;
    }
    *size = used;
    return done;
}

size_t picture_decode(const uint8_t *from, size_t size, uint8_t *rgb, size_t room)
{
    size_t done = 0;
    for (size_t at = 0; at < size;) {
        uint8_t token = from[at++];
        size_t run = token < RUN_TOKEN ? 1 : token - RUN_TOKEN + (size_t)PICTURE_RUN_MIN;
        size_t colors = token < RUN_TOKEN ? token + (size_t)1 : 1;
        if (size - at < colors * PICTURE_PIXEL || room - done < run * colors)
            return SIZE_MAX;
        for (size_t i = 0; i < run * colors; i++)
            memcpy(rgb + (done + i) * PICTURE_PIXEL, from + at + (run > 1 ? 0 : i * PICTURE_PIXEL),
                   PICTURE_PIXEL);
        done += run * colors;
        at += colors * PICTURE_PIXEL;
    }
    return done;
}
