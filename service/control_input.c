/*
 * Keys and motions of the mouse for a guest, from the control line (CONTROL_EVENTS) and from the machine's
 * own (host_input.c). They wait in the channel until the guest reads its keyboard; when there is no room for
 * all of a request none is taken, so that a key that goes down also goes up, and nr asks again.
 */
#include "control_call.h"
#include "format.h"
#include "ring.h"
#include "service.h"
#include "string.h"
#include "syscall.h"

_Static_assert(CONTROL_DATA_MAX / sizeof(struct input_event) < CHANNEL_EVENTS, "a request fits");

static bool is_event(const struct input_event *event)
{
    if (event->kind == INPUT_KEY_DOWN || event->kind == INPUT_KEY_UP)
        return (event->key & (INPUT_KEY_EXTENDED - 1)) != 0;
    return event->kind == INPUT_MOUSE || event->kind == INPUT_BUTTON_DOWN || event->kind == INPUT_BUTTON_UP;
}

/* For the guest to find when it is notified. */
static bool put_event(struct channel *channel, const struct input_event *event)
{
    int at = ring_free(CHANNEL_EVENTS, &channel->event_head, &channel->event_tail);

    if (at < 0)
        return false;
    channel->event[at] = *event;
    ring_moved(&channel->event_head);
    return true;
}

bool input_give(uint32_t guest, const struct input_event *event)
{
    if (!put_event(service.guest[guest].channel, event))
        return false;
    sys_notify(guest);
    return true;
}

enum control_error events_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    struct channel *channel = service.guest[call->guest].channel;
    uint32_t count = length / sizeof(struct input_event);
    struct input_event event;

    for (uint32_t i = 0; i < count; i++) {
        memcpy(&event, data + i * sizeof event, sizeof event);
        if (!is_event(&event))
            count = 0;
    }
    if (count == 0 || length % sizeof event != 0) {
        format_text(call->sentence, sizeof call->sentence, "these are no keys and motions of a mouse");
        return CONTROL_EFORM;
    }
    if (CHANNEL_EVENTS - ring_used(CHANNEL_EVENTS, &channel->event_head, &channel->event_tail) < count)
        return CONTROL_OK;
    for (; call->value < count; call->value++) {
        memcpy(&event, data + call->value * sizeof event, sizeof event);
        if (!put_event(channel, &event))
            break; /* the other side has moved its index back */
    }
    sys_notify(call->guest);
    return CONTROL_OK;
}
