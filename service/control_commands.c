/*
 * The commands of the control protocol (control.h): what each does, and how its answer is made piece by
 * piece.
 */
#include "control_call.h"
#include "ring.h"
#include "service.h"
#include "string.h"
#include "syscall.h"

enum { LINE_SIZE = 256 };

static enum control_error begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    (void)call, (void)data, (void)length;
    return CONTROL_OK;
}

static uint32_t hello_piece(struct control_call *call, uint8_t *to)
{
    struct control_hello hello = {CONTROL_VERSION, service.guest_count};

    memcpy(to, &hello, sizeof hello);
    call->finished = true;
    return sizeof hello;
}

static uint32_t list_piece(struct control_call *call, uint8_t *to)
{
    struct control_guest guest;
    bool more = call->at < service.guest_count;

    call->finished = call->at + 1 >= service.guest_count;
    if (!more)
        return 0;
    report_numbers(call->at++, &guest);
    memcpy(to, &guest, sizeof guest);
    return sizeof guest;
}

typedef bool report_line(uint32_t guest, uint32_t index, char *line, size_t size);

/* As many whole lines as fit. */
static uint32_t lines_piece(struct control_call *call, uint8_t *to, report_line *report)
{
    char line[LINE_SIZE];
    uint32_t length = 0;

    while (length + LINE_SIZE <= CONTROL_PAYLOAD_MAX && !call->finished) {
        call->finished = !report(call->guest, call->at++, line, sizeof line);
        uint32_t part = (uint32_t)strlen(line);
        if (part == 0)
            continue;
        memcpy(to + length, line, part + 1);
        length += part;
        to[length++] = '\n'; /* where its NUL is */
    }
    return length;
}

static uint32_t info_piece(struct control_call *call, uint8_t *to)
{
    return lines_piece(call, to, report_info_line);
}

static uint32_t why_piece(struct control_call *call, uint8_t *to)
{
    return lines_piece(call, to, report_why_line);
}

static uint32_t needs_piece(struct control_call *call, uint8_t *to)
{
    return lines_piece(call, to, report_needs_line);
}

/*
 * The ring of a guest's output is read in place, at call->at: the console takes nothing out of it that has
 * not been read here (control_holds()). What it has taken before is still there as far as it is not
 * overwritten.
 */
static enum control_error console_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    const struct channel *channel = service.guest[call->guest].channel;
    uint32_t tail = channel->output_tail;
    uint32_t kept = CHANNEL_OUTPUT - ring_used(CHANNEL_OUTPUT, &channel->output_head, &tail);

    (void)data, (void)length;
    kept = kept < tail ? kept : tail;
    call->at = tail - (kept < call->number ? kept : call->number);
    return CONTROL_OK;
}

static uint32_t console_piece(struct control_call *call, uint8_t *to)
{
    const struct channel *channel = service.guest[call->guest].channel;
    uint32_t length = 0;

    for (int byte; length < CONTROL_PAYLOAD_MAX; to[length++] = (uint8_t)byte)
        if ((byte = ring_get(channel->output, CHANNEL_OUTPUT, &channel->output_head, &call->at)) < 0)
            break;
    call->finished = call->stop || (length == 0 && service.guest[call->guest].ended);
    return length;
}

static enum control_error input_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    while (call->value < length && console_give(call->guest, data[call->value]))
        call->value++;
    return CONTROL_OK;
}

static enum control_error detach_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    (void)data, (void)length;
    call->value = control_detach(call, call->number);
    return CONTROL_OK;
}

static enum control_error break_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    (void)data, (void)length;
    console_send_break(call->guest);
    return CONTROL_OK;
}

static enum control_error power_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    (void)data, (void)length;
    guests_press_power(call->guest);
    return CONTROL_OK;
}

static enum control_error reset_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    (void)data, (void)length;
    return sys_guest_end(GUEST_END_RESET, call->guest) == 0 ? CONTROL_OK : CONTROL_EREFUSED;
}

static enum control_error destroy_begin(struct control_call *call, const uint8_t *data, uint32_t length)
{
    (void)data, (void)length;
    return sys_guest_end(GUEST_END_DESTROY, call->guest) == 0 ? CONTROL_OK : CONTROL_EREFUSED;
}

const struct control_entry control_entry[CONTROL_COMMAND_COUNT] = {
    [CONTROL_HELLO] = {false, false, false, begin, hello_piece},
    [CONTROL_LIST] = {false, false, false, begin, list_piece},
    [CONTROL_INFO] = {true, false, false, begin, info_piece},
    [CONTROL_WHY] = {true, false, false, begin, why_piece},
    [CONTROL_NEEDS] = {true, false, false, begin, needs_piece},
    [CONTROL_CONSOLE] = {true, true, false, console_begin, console_piece},
    [CONTROL_INPUT] = {true, true, true, input_begin, NULL},
    [CONTROL_DETACH] = {false, false, true, detach_begin, NULL},
    [CONTROL_BREAK] = {true, true, true, break_begin, NULL},
    [CONTROL_POWER] = {true, true, true, power_begin, NULL},
    [CONTROL_RESET] = {true, true, true, reset_begin, NULL},
    [CONTROL_DESTROY] = {true, true, true, destroy_begin, NULL},
    [CONTROL_SCREEN] = {true, true, false, screen_begin, screen_piece},
    [CONTROL_EVENTS] = {true, true, true, events_begin, NULL},
    [CONTROL_DEBUG] = {true, true, false, debug_begin, debug_piece},
    [CONTROL_STOPPED] = {true, true, false, begin, stopped_piece},
    [CONTROL_DRIVES] = {true, true, false, drives_begin, drives_piece},
    [CONTROL_DISK] = {true, true, false, disk_begin, disk_piece},
    [CONTROL_EJECT] = {true, true, true, eject_begin, hand_piece},
    [CONTROL_INSERT] = {true, true, true, insert_begin, hand_piece},
};
