/* See screen_watch.h. */
#include "screen_watch.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "channel.h"
#include "nr.h"
#include "screen_text.h"

enum { LOOK_MS = 500 /* from one look to the next */, ANSWER_MS = 3000 /* a look that brings nothing */ };

/* The next guest that has a screen; false: none has. */
static bool choose_guest(struct screen_watch *watch)
{
    for (uint32_t i = 0; i < watch->guest_count; i++) {
        watch->next = (watch->next + 1) % watch->guest_count;
        if (watch->guest[watch->next].config.loader == LOADER_BIOS)
            return true;
    }
    return false;
}

void screen_watch_open(struct screen_watch *watch, int fd, const struct guest *guests, uint32_t count)
{
    *watch = (struct screen_watch){.client.fd = fd, .guest = guests, .guest_count = count};
    if (fd >= 0 && !choose_guest(watch))
        screen_watch_close(watch);
}

void screen_watch_close(struct screen_watch *watch)
{
    control_close(&watch->client);
    watch->client.fd = -1;
    free(watch->answer.bytes);
    watch->answer.bytes = NULL;
}

/* An answer that never ended is asked for anew, under another id. */
void screen_watch_ask(struct screen_watch *watch, int64_t now_ms)
{
    struct control_request request;

    free(watch->answer.bytes);
    watch->answer = (struct control_answer){0};
    watch->pieces = 0;
    watch->id = control_new_id(&watch->client);
    watch->due_ms = now_ms + ANSWER_MS;
    if (control_request(&request, CONTROL_SCREEN, watch->guest[watch->next].config.name) != NR_DONE)
        return;
    request.number = CHANNEL_SCREEN_TEXT;
    if (control_send(&watch->client, watch->id, &request, NULL, 0) != NR_DONE)
        screen_watch_close(watch);
}

/* In a graphics mode, and when the guest has ended, it is refused: then there is no text. */
static void match_rows(const struct control_answer *answer, struct expect *expect)
{
    struct control_screen screen;

    if (answer->result.error != CONTROL_OK || answer->size < sizeof(screen))
        return;
    memcpy(&screen, answer->bytes, sizeof(screen));
    const uint8_t *cells = answer->bytes + sizeof(screen);
    size_t count = (answer->size - sizeof(screen)) / SCREEN_CELL;
    for (uint32_t row = 0; row < screen.rows && (size_t)(row + 1) * screen.columns <= count; row++) {
        char *line = screen_text_line(cells + (size_t)row * screen.columns * SCREEN_CELL, screen.columns);
        expect_row(expect, line);
        free(line);
    }
}

void screen_watch_read(struct screen_watch *watch, int64_t now_ms, struct expect *expect)
{
    if (!control_read(&watch->client)) {
        screen_watch_close(watch);
        return;
    }
    int status = control_take(&watch->client, watch->id, &watch->answer, &watch->pieces);
    if (status == CONTROL_NO_END_YET)
        return;
    if (status == NR_DONE)
        match_rows(&watch->answer, expect);
    choose_guest(watch);
    watch->due_ms = now_ms + LOOK_MS;
}
