/*
 * The guest's screen over the control line (CONTROL_SCREEN). The service maps no guest's memory: it asks the
 * device model through the channel for one part after the other, each a piece of the answer. Several may ask
 * about one guest; they take turns.
 */
#include "control_call.h"
#include "format.h"
#include "service.h"
#include "string.h"
#include "syscall.h"

enum { ROOM = CONTROL_PAYLOAD_MAX - sizeof(struct control_screen) /* a piece */ };
_Static_assert((int)ROOM <= (int)CHANNEL_SCREEN_DATA, "no more than the channel holds");

enum control_error screen_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    (void)data, (void)length;
    call->offset = 0;
    return call->number <= CHANNEL_SCREEN_TEXT ? CONTROL_OK : CONTROL_EFORM;
}

/* call->value is the number of the question that waits, 0: none; call->at, the position to ask for. A
 * question that nobody waits for any more is not waited for by others either: the first one of a call does
 * not look. */
static void ask(struct control_call *call, struct channel_screen *screen)
{
    uint32_t asked = screen->asked;

    if ((call->at != 0 || call->value != 0) && asked != __atomic_load_n(&screen->answered, __ATOMIC_ACQUIRE))
        return;
    screen->part = call->number;
    screen->position = call->at;
    screen->room = ROOM;
    call->value = asked + 1 != 0 ? asked + 1 : 1;
    __atomic_store_n(&screen->asked, call->value, __ATOMIC_RELEASE);
    sys_notify(call->guest);
}

static uint32_t fail(struct control_call *call, const char *sentence)
{
    call->finished = true;
    call->error = CONTROL_EREFUSED;
    call->value = 0;
    format_text(call->sentence, sizeof call->sentence, "%s", sentence);
    return 0;
}

/* The answer as a piece: the picture's measures in front of the first one. */
static uint32_t take(struct control_call *call, const struct channel_screen *screen, uint8_t *to)
{
    const struct control_screen picture = {screen->width, screen->height, screen->columns, screen->rows};
    uint64_t measures = (uint64_t)picture.width | (uint64_t)picture.height << 16 |
                        (uint64_t)picture.columns << 32 | (uint64_t)picture.rows << 48;
    bool text = call->number == CHANNEL_SCREEN_TEXT;
    uint32_t end = text ? picture.columns * picture.rows : picture.width * picture.height;
    uint32_t size = __atomic_load_n(&screen->size, __ATOMIC_RELAXED), head = 0;
    uint32_t next = __atomic_load_n(&screen->next, __ATOMIC_RELAXED);

    if (picture.width == 0)
        return fail(call, "the guest has no screen");
    if (end == 0)
        return fail(call,
                    "the guest's screen shows no text but graphics; nr screenshot makes a picture of it");
    if (call->sequence > 0 && measures != call->offset)
        return fail(call, "the screen's mode has changed while it was looked at; try again");
    if (next <= call->at)
        return fail(call, "the guest's device model gives no sensible answer");
    if (call->sequence == 0) {
        memcpy(to, &picture, sizeof picture);
        head = sizeof picture;
    }
    size = size <= ROOM ? size : ROOM;
    memcpy(to + head, screen->data, size);
    call->offset = measures;
    call->at = next;
    call->value = 0;
    call->finished = next >= end;
    return head + size;
}

uint32_t screen_piece(struct control_call *call, uint8_t *to)
{
    struct channel_screen *screen = &service.guest[call->guest].channel->screen;

    if (service.guest[call->guest].ended)
        return fail(call, "the guest has ended");
    if (call->value == 0 || screen->asked != call->value)
        ask(call, screen);
    else if (__atomic_load_n(&screen->answered, __ATOMIC_ACQUIRE) == call->value)
        return take(call, screen, to);
    return 0;
}
