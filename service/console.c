/*
 * The guests' consoles on the machine's serial port: the first one, or with the boot option "console=com2"
 * the second.
 *
 * One guest: its output byte for byte. Several: the focused guest's as it comes, the others' in whole lines,
 * each line with "[name] " before it. They take turns, a line each, so that none can silence another. Who is
 * in the middle of a line may finish it before another guest's is shown, if that is within a short while of
 * its beginning; after as long an unfinished line of an unfocused guest is shown, so that its prompt is seen.
 * A line that is cut so ends in LF CR, which no guest's own line does, for a prefix follows its LF: nr can
 * take the consoles apart again (tools/consoles.c). Input goes to the focused guest. Rings in shared memory
 * are used through ring.h alone: what a device model writes there can garble its text and nothing else.
 */
#include <stdarg.h>
#include "format.h"
#include "ring.h"
#include "service.h"
#include "string.h"
#include "syscall.h"
#include "uart.h"

enum {
    QUEUE_SIZE = 1024,
    LINE_SIZE = 160,     /* of an unfocused guest; longer ones are cut into several */
    QUEUE_RESERVE = 256, /* the longest that one byte of a guest can bring with it: a line and its prefix */
    MOVE_MAX = 4096,     /* bytes of one upcall, each way */
    PARTIAL_LINE_MS = 200,
    RETRY_MS = 2,
};

struct line {
    uint32_t length;
    uint64_t since; /* service_ms() of its last byte */
    uint8_t text[LINE_SIZE];
};

static struct uart port;
static uint8_t queue[QUEUE_SIZE]; /* to the serial port */
static uint32_t queue_head, queue_tail;
static struct line line[SERVICE_GUESTS_MAX];
static uint32_t focus;
static int owner = NO_GUEST; /* whose unfinished line is on the screen */
static uint64_t owner_since; /* service_ms() when it began this line */
static uint32_t turn;        /* who is asked for output first */

static uint32_t queue_room(void)
{
    return QUEUE_SIZE - ring_used(QUEUE_SIZE, &queue_head, &queue_tail);
}

static void queue_text(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        ring_put(queue, QUEUE_SIZE, &queue_head, &queue_tail, (uint8_t)text[i]);
}

/* What follows is not said by the guest that is in the middle of a line. */
static void cut_line(void)
{
    if (owner != NO_GUEST)
        queue_text("\n\r", 2);
    owner = NO_GUEST;
}

/* A byte of a guest among several: lines of different guests never mix. */
static void queue_guest_byte(uint32_t guest, uint8_t byte)
{
    if (owner != (int)guest) {
        char prefix[GUEST_NAME_SIZE + 8];
        size_t length = format_text(prefix, sizeof prefix, "[%s] ", service.guest[guest].name);
        cut_line();
        queue_text(prefix, length);
        owner = (int)guest;
        owner_since = service_ms();
    }
    queue_text((const char *)&byte, 1);
    if (byte == '\n')
        owner = NO_GUEST;
}

static bool is_old(uint64_t since)
{
    return service_ms() - since >= PARTIAL_LINE_MS;
}

/* Another guest is in the middle of a line. */
static bool must_wait(uint32_t guest)
{
    return owner != NO_GUEST && owner != (int)guest && !is_old(owner_since);
}

static void flush_line(uint32_t guest)
{
    for (uint32_t i = 0; i < line[guest].length; i++)
        queue_guest_byte(guest, line[guest].text[i]);
    line[guest].length = 0;
}

static void take_byte(uint32_t guest, uint8_t byte)
{
    if (service.described == 1) {
        queue_text((const char *)&byte, 1);
    } else if (guest == focus) {
        flush_line(guest); /* what it said before it had the focus */
        queue_guest_byte(guest, byte);
    } else {
        struct line *to = &line[guest];
        to->text[to->length++] = byte;
        to->since = service_ms();
        if (byte == '\n' || to->length == LINE_SIZE)
            flush_line(guest);
    }
}

/* The guest may speak, and there is room for what one byte can bring. */
static bool may_speak(uint32_t guest)
{
    return queue_room() >= QUEUE_RESERVE && !must_wait(guest);
}

/* Takes a guest's output: all there is, if it is the only one, otherwise to the end of a line. Returns how
 * many bytes. */
static uint32_t take_output(uint32_t guest)
{
    struct channel *channel = service.guest[guest].channel;
    uint32_t taken = 0;
    bool line_ended = false;

    while (taken < MOVE_MAX && !line_ended && may_speak(guest) &&
           !control_holds(guest, channel->output_tail)) {
        int byte = ring_get(channel->output, CHANNEL_OUTPUT, &channel->output_head, &channel->output_tail);
        if (byte < 0)
            break;
        take_byte(guest, (uint8_t)byte);
        line_ended = byte == '\n' && service.guest_count > 1;
        taken++;
    }
    return taken;
}

/* A guest's turn: its unfinished line, if that has waited, and its next one. The next guest is asked first
 * then, so that whoever had to wait for room or for a line's end gets it before this one again. */
static uint32_t take_turn(uint32_t guest)
{
    uint32_t moved = 0;

    if (line[guest].length > 0 && is_old(line[guest].since) && may_speak(guest)) {
        moved = line[guest].length;
        flush_line(guest);
    }
    moved += take_output(guest);
    if (moved > 0)
        turn = (guest + 1) % service.guest_count;
    return moved;
}

static void move_output(void)
{
    uint32_t moved = 0, step;

    do {
        step = uart_send(&port, queue, QUEUE_SIZE, queue_head, &queue_tail);
        uint32_t first = turn;
        for (uint32_t i = 0; i < service.guest_count && !prompt_is_open(); i++)
            step += take_turn((first + i) % service.guest_count);
        moved += step;
    } while (step > 0 && moved < MOVE_MAX);
    if (step > 0 || queue_tail != queue_head)
        service_wake_after(step > 0 ? 0 : RETRY_MS);
}

/* An unfinished line will be shown when it has waited. */
static void wait_for_lines(void)
{
    bool waits = owner != NO_GUEST && !is_old(owner_since);

    for (uint32_t i = 0; i < service.guest_count; i++)
        waits |= line[i].length > 0 && !prompt_is_open();
    if (waits)
        service_wake_after(PARTIAL_LINE_MS);
}

bool console_give(uint32_t guest, uint8_t byte)
{
    if (guest >= service.guest_count)
        return false;
    struct channel *channel = service.guest[guest].channel;
    if (!ring_put(channel->input, CHANNEL_INPUT, &channel->input_head, &channel->input_tail, byte))
        return false;
    sys_notify(guest);
    return true;
}

static bool take_input(void)
{
    unsigned taken = 0;

    for (; taken < MOVE_MAX; taken++) {
        int byte = uart_get(&port);
        if (byte < 0)
            break;
        if (!prompt_take((uint8_t)byte))
            console_give(focus, (uint8_t)byte);
    }
    return taken > 0;
}

void console_start(void)
{
    enum uart_base base = service_option("console=com2") ? UART_COM2 : UART_COM1;

    if (!uart_start(&port, base))
        service_log("no serial port at 0x%x: the guests' consoles are not shown", base);
}

bool console_run(void)
{
    bool taken = take_input();

    prompt_run();
    move_output();
    wait_for_lines();
    uart_send(&port, queue, QUEUE_SIZE, queue_head, &queue_tail);
    return taken;
}

bool console_is_drained(void)
{
    for (uint32_t i = 0; i < service.guest_count; i++) {
        const struct channel *channel = service.guest[i].channel;
        if (ring_used(CHANNEL_OUTPUT, &channel->output_head, &channel->output_tail) > 0 || line[i].length > 0)
            return false;
    }
    return queue_tail == queue_head && uart_is_idle(&port);
}

bool console_has_room(void)
{
    return queue_room() >= QUEUE_RESERVE;
}

void console_print(const char *format, ...)
{
    char text[QUEUE_RESERVE];
    va_list arguments;

    va_start(arguments, format);
    size_t length = format_text_va(text, sizeof text, format, arguments);
    va_end(arguments);
    bool new_line = strncmp(text, "\r\n", 2) == 0;
    size_t skipped = new_line ? 2 : 0;
    /* Behind a guest's LF a CR would say that its line had been cut. */
    if (new_line && owner == NO_GUEST)
        queue_text("\n\r", 2);
    cut_line();
    queue_text(text + skipped, length - skipped);
}

uint32_t console_focus(void)
{
    return focus;
}

void console_focus_next(void)
{
    if (service.guest_count > 1) {
        focus = (focus + 1) % service.guest_count;
        console_print("\r\n[monitor] input goes to %s\r\n", service.guest[focus].name);
    }
}

void console_send_break(uint32_t guest)
{
    if (guest < service.guest_count) {
        struct channel *channel = service.guest[guest].channel;
        __atomic_store_n(&channel->breaks, channel->breaks + 1, __ATOMIC_RELEASE);
        sys_notify(guest);
    }
}
