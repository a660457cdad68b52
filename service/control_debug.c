/*
 * A debugger's questions over the control line (CONTROL_DEBUG, CONTROL_STOPPED). The service passes them on
 * to the guest's device model and knows nothing of their meaning. Several may ask about one guest; they take
 * turns, and a question that was overtaken is asked again.
 */
#include <stddef.h>
#include "control_call.h"
#include "format.h"
#include "service.h"
#include "string.h"
#include "syscall.h"

enum {
    REQUEST_HEAD = offsetof(struct debug_request, data),
    ANSWER_HEAD = offsetof(struct debug_answer, data)
};

_Static_assert(sizeof(struct debug_request) <= CONTROL_DATA_MAX, "one request");
_Static_assert(sizeof(struct debug_answer) <= CONTROL_PAYLOAD_MAX, "one piece");

enum control_error debug_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    if (length < REQUEST_HEAD || length > sizeof call->debug)
        return CONTROL_EFORM;
    memcpy(&call->debug, data, length);
    return CONTROL_OK;
}

/* call->value is the number of the question that waits; 0: none. A question that nobody waits for any more is
 * not waited for by others either: the first look of a call asks at once. */
static void pass_on(struct control_call *call, struct channel_debug *channel)
{
    uint32_t asked = channel->asked;

    if (call->value != 0 && asked != __atomic_load_n(&channel->answered, __ATOMIC_ACQUIRE))
        return;
    channel->request = call->debug;
    call->value = asked + 1 != 0 ? asked + 1 : 1;
    __atomic_store_n(&channel->asked, call->value, __ATOMIC_RELEASE);
    sys_notify(call->guest);
}

static uint32_t has_ended(struct control_call *call)
{
    call->finished = true;
    call->error = CONTROL_EENDED;
    call->value = 0;
    format_text(call->sentence, sizeof call->sentence, "the guest has ended");
    return 0;
}

uint32_t debug_piece(struct control_call *call, uint8_t *to)
{
    struct channel_debug *channel = &service.guest[call->guest].channel->debug;

    if (service.guest[call->guest].ended)
        return has_ended(call);
    if (call->value == 0 || channel->asked != call->value) {
        pass_on(call, channel);
        return 0;
    }
    if (__atomic_load_n(&channel->answered, __ATOMIC_ACQUIRE) != call->value)
        return 0;
    uint32_t size = __atomic_load_n(&channel->answer.size, __ATOMIC_RELAXED);
    size = size < DEBUG_DATA ? size : DEBUG_DATA;
    memcpy(to, &channel->answer, ANSWER_HEAD + size);
    memcpy(to + offsetof(struct debug_answer, size), &size, sizeof size);
    call->value = 0;
    call->finished = true;
    return ANSWER_HEAD + size;
}

uint32_t stopped_piece(struct control_call *call, uint8_t *to)
{
    const struct channel_debug *channel = &service.guest[call->guest].channel->debug;
    uint32_t stops = __atomic_load_n(&channel->stops, __ATOMIC_ACQUIRE);

    (void)to;
    if (service.guest[call->guest].ended)
        return has_ended(call);
    if (stops != call->number) {
        call->finished = true;
        call->value = stops;
    }
    return 0;
}
