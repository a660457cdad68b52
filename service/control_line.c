/*
 * The control line: requests of nr on a serial port of their own ("control=com2" or "control=com3" among the
 * boot options), answered in pieces as the port takes them. Any number of users may share the line by a hub,
 * so several requests are at work at a time, a piece of each in turn.
 *
 * Nothing that comes from the line is believed: what is no frame is dropped, a request that is none is
 * answered by an error, and what cannot be answered for want of room waits on the line.
 */
#include "control_call.h"
#include "control_frame.h"
#include "format.h"
#include "ring.h"
#include "service.h"
#include "string.h"
#include "uart.h"

enum {
    QUEUE_SIZE = 4096, /* a power of two, and more than two frames */
    CALLS_MAX = 16,
    REMEMBERED = 8,
    MOVE_MAX = 4096, /* bytes of one look, each way */
    RETRY_MS = 2,
};

/* How a request has ended that changed something: nr asks again if it lost the answer. */
struct remembered {
    uint32_t id; /* 0: none */
    struct control_result result;
};

static struct uart port;
static struct control_decoder decoder;
static uint8_t queue[QUEUE_SIZE];
static uint32_t queue_head, queue_tail;
static struct control_call calls[CALLS_MAX];
static uint32_t turn;
static struct remembered remembered[REMEMBERED];
static uint32_t remembered_next;

static bool has_room(void)
{
    return QUEUE_SIZE - ring_used(QUEUE_SIZE, &queue_head, &queue_tail) >= CONTROL_FRAME_MAX;
}

/* There is room. */
static void send(enum control_kind kind, uint32_t id, uint32_t sequence, const void *payload, uint32_t length)
{
    uint8_t bytes[CONTROL_FRAME_MAX];
    size_t size = control_encode(
        bytes,
        &(struct control_frame){
            .kind = (uint8_t)kind, .id = id, .sequence = sequence, .length = length, .payload = payload});

    for (size_t i = 0; i < size; i++)
        ring_put(queue, QUEUE_SIZE, &queue_head, &queue_tail, bytes[i]);
}

static void send_done(const struct control_call *call)
{
    struct {
        struct control_result result;
        char sentence[CONTROL_SENTENCE_MAX];
    } payload = {.result = {call->error, call->value}};
    size_t length = strnlen(call->sentence, sizeof call->sentence);

    memcpy(payload.sentence, call->sentence, length);
    send(CONTROL_DONE, call->id, call->sequence, &payload, (uint32_t)(sizeof payload.result + length));
}

static void refuse(uint32_t id, enum control_error error, const char *sentence)
{
    struct control_call call = {.id = id, .error = error};

    format_text(call.sentence, sizeof call.sentence, "%s", sentence);
    send_done(&call);
}

static void finish(struct control_call *call)
{
    if (control_entry[call->command].once && call->error == CONTROL_OK) {
        remembered[remembered_next++ % REMEMBERED] =
            (struct remembered){call->id, {call->error, call->value}};
    }
    send_done(call);
    call->used = false;
}

static const char *broken_request(const struct control_frame *frame, struct control_request *request)
{
    if (frame->length < sizeof *request)
        return "the request is too short";
    memcpy(request, frame->payload, sizeof *request);
    if (memchr(request->guest, '\0', sizeof request->guest) == NULL)
        return "the guest's name does not end";
    return NULL;
}

/* Its guest, if it is one's. */
static enum control_error find_guest(struct control_call *call, const char *name)
{
    const struct control_entry *entry = &control_entry[call->command];
    int guest = entry->of_guest ? guests_find(name) : 0;

    if (guest == NO_GUEST) {
        format_text(call->sentence, sizeof call->sentence, "no guest is called \"%s\"", name);
        return CONTROL_EGUEST;
    }
    call->guest = (uint32_t)guest;
    if (entry->of_running && service.guest[guest].ended) {
        format_text(call->sentence, sizeof call->sentence, "guest %s has ended: %s", name,
                    report_status(call->guest));
        return CONTROL_EENDED;
    }
    return CONTROL_OK;
}

/* A place for a new call; NULL: the request is answered already. */
static struct control_call *place_for(uint32_t id)
{
    struct control_call *place = NULL;

    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (calls[i].used && calls[i].id == id)
            return NULL;
        if (!calls[i].used)
            place = &calls[i];
    }
    for (unsigned i = 0; i < REMEMBERED; i++) {
        if (remembered[i].id == id && id != 0) {
            send(CONTROL_DONE, id, 0, &remembered[i].result, sizeof remembered[i].result);
            return NULL;
        }
    }
    if (place == NULL)
        refuse(id, CONTROL_EBUSY, "too many requests at a time");
    return place;
}

static void take_request(const struct control_frame *frame)
{
    struct control_request request;
    const char *broken = broken_request(frame, &request);

    if (broken != NULL) {
        refuse(frame->id, CONTROL_EFORM, broken);
        return;
    }
    if (request.command >= CONTROL_COMMAND_COUNT) {
        refuse(frame->id, CONTROL_ECOMMAND, "this monitor does not have the command");
        return;
    }
    struct control_call *call = place_for(frame->id);
    if (call == NULL)
        return;
    *call = (struct control_call){.used = true,
                                  .id = frame->id,
                                  .command = request.command,
                                  .number = request.number,
                                  .offset = request.offset};
    call->error = find_guest(call, request.guest);
    if (call->error == CONTROL_OK)
        call->error = control_entry[call->command].begin(call, frame->payload + sizeof request,
                                                         frame->length - (uint32_t)sizeof request);
    if (call->error != CONTROL_OK || control_entry[call->command].piece == NULL)
        finish(call);
}

static void hang_up(uint32_t id)
{
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (calls[i].id >> CONTROL_ID_HUB_SHIFT == id >> CONTROL_ID_HUB_SHIFT)
            calls[i].used = false;
}

static void take_frame(const struct control_frame *frame)
{
    char sentence[CONTROL_SENTENCE_MAX];

    if (frame->kind == CONTROL_HANGUP) {
        hang_up(frame->id);
    } else if (frame->kind == CONTROL_REQUEST && frame->version == CONTROL_VERSION) {
        take_request(frame);
    } else if (frame->kind == CONTROL_REQUEST) {
        format_text(sentence, sizeof sentence,
                    "this monitor speaks version %u of the control protocol, not %u", CONTROL_VERSION,
                    frame->version);
        refuse(frame->id, CONTROL_EVERSION, sentence);
    }
}

/* Frames wait in the decoder until there is room for an answer, and bytes in the port. */
static bool take_input(void)
{
    struct control_frame frame;
    uint32_t taken = 0;

    while (has_room()) {
        if (control_next(&decoder, &frame)) {
            take_frame(&frame);
            continue;
        }
        int byte = taken < MOVE_MAX ? uart_get(&port) : -1;
        if (byte < 0)
            break;
        control_put(&decoder, &(uint8_t){(uint8_t)byte}, 1);
        taken++;
    }
    return taken > 0;
}

/* A piece of each call in turn, as far as there is room. Returns how many. */
static uint32_t make_pieces(void)
{
    uint8_t piece[CONTROL_PAYLOAD_MAX];
    uint32_t made = 0;

    for (unsigned i = 0; i < CALLS_MAX && has_room(); i++) {
        struct control_call *call = &calls[turn++ % CALLS_MAX];
        if (!call->used)
            continue;
        uint32_t length = call->finished ? 0 : control_entry[call->command].piece(call, piece);
        if (length > 0)
            send(CONTROL_PIECE, call->id, call->sequence++, piece, length);
        made += length > 0 || call->finished;
        if (call->finished && has_room())
            finish(call);
    }
    return made;
}

void control_start(void)
{
    enum uart_base base = service_option("control=com2")   ? UART_COM2
                          : service_option("control=com3") ? UART_COM3
                                                           : 0;

    if (base != 0 && !uart_start(&port, base))
        service_log("no serial port at 0x%x: this monitor takes no commands from nr", base);
}

bool control_run(void)
{
    uint32_t moved = 0, step;

    if (port.port == 0)
        return false;
    bool received = take_input();
    do {
        step = uart_send(&port, queue, QUEUE_SIZE, queue_head, &queue_tail);
        step += make_pieces();
        moved += step;
    } while (step > 0 && moved < MOVE_MAX);
    if (step > 0 || queue_tail != queue_head)
        service_wake_after(step > 0 ? 0 : RETRY_MS);
    return received || moved > 0;
}

bool control_is_drained(void)
{
    return queue_tail == queue_head && uart_is_idle(&port);
}

bool control_holds(uint32_t guest, uint32_t tail)
{
    for (unsigned i = 0; i < CALLS_MAX; i++)
        if (calls[i].used && calls[i].command == CONTROL_CONSOLE && calls[i].guest == guest &&
            (int32_t)(calls[i].at - tail) <= 0)
            return true;
    return false;
}

bool control_hand_waits(const struct control_call *call, uint32_t asked)
{
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        const struct control_call *other = &calls[i];
        if (other != call && other->used && other->guest == call->guest && other->value == asked &&
            (other->command == CONTROL_EJECT || other->command == CONTROL_INSERT))
            return true;
    }
    return false;
}

bool control_detach(const struct control_call *call, uint32_t id)
{
    uint32_t user = call->id >> CONTROL_ID_HUB_SHIFT << CONTROL_ID_HUB_SHIFT;

    if (id >> CONTROL_ID_HUB_SHIFT != 0)
        return false;
    for (unsigned i = 0; i < CALLS_MAX; i++) {
        if (calls[i].used && calls[i].command == CONTROL_CONSOLE && calls[i].id == (user | id)) {
            calls[i].stop = true;
            return true;
        }
    }
    return false;
}
