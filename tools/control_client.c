/*
 * Requests to a running monitor. The line to it may lose bytes, so a request that brings no answer for a
 * while is sent again, and an answer with a gap is asked for anew (under a new id, since the monitor
 * remembers what it has done by the old one; only questions have pieces).
 */
#include "control_client.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "nr.h"
#include "runs.h"

enum {
    RESEND_MS = 1000,
    SENDS_MAX = 8, /* of one request */
    GAPS_MAX = 5,  /* of one question */
    SEND_MS = 5000,
    ID_MAX = 1 << CONTROL_ID_HUB_SHIFT,
};

static bool send_frame(struct control_client *client, const struct control_frame *frame)
{
    uint8_t bytes[CONTROL_FRAME_MAX];
    size_t size = control_encode(bytes, frame);

    for (size_t at = 0; at < size;) {
        struct pollfd polled = {client->fd, POLLOUT, 0};
        int ready = poll(&polled, 1, SEND_MS);
        ssize_t sent = ready > 0 ? write(client->fd, bytes + at, size - at) : ready;
        if (ready == 0 || (sent < 0 && errno != EAGAIN && errno != EINTR))
            return false;
        at += sent > 0 ? (size_t)sent : 0;
    }
    return true;
}

static int say_cut(void)
{
    return nr_fail(NR_UNEXPECTED, "the connection to the monitor was cut: its run has ended, or it serves as "
                                  "many commands as it can");
}

int control_request(struct control_request *request, enum control_command command, const char *guest)
{
    *request = (struct control_request){.command = command};
    if (guest == NULL)
        return NR_DONE;
    if (strlen(guest) >= sizeof(request->guest))
        return nr_fail(NR_USAGE, "no guest is called \"%s\": a name has at most %zu characters", guest,
                       sizeof(request->guest) - 1);
    memcpy(request->guest, guest, strlen(guest));
    return NR_DONE;
}

uint32_t control_new_id(struct control_client *client)
{
    client->next_id = client->next_id % (ID_MAX - 1) + 1;
    return client->next_id;
}

int control_send(struct control_client *client, uint32_t id, const struct control_request *request,
                 const void *data, size_t length)
{
    uint8_t payload[CONTROL_PAYLOAD_MAX];

    memcpy(payload, request, sizeof(*request));
    if (length > 0)
        memcpy(payload + sizeof(*request), data, length);
    const struct control_frame frame = {.kind = CONTROL_REQUEST,
                                        .id = id,
                                        .length = (uint32_t)(sizeof(*request) + length),
                                        .payload = payload};
    return send_frame(client, &frame) ? NR_DONE : say_cut();
}

bool control_receive(struct control_client *client, struct control_frame *frame)
{
    return control_next(&client->decoder, frame);
}

bool control_read(struct control_client *client)
{
    uint8_t bytes[CONTROL_FRAME_MAX];
    size_t room = CONTROL_FRAME_MAX - (client->decoder.count - client->decoder.taken);
    ssize_t count = read(client->fd, bytes, room);

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (count <= 0) {
        say_cut();
        return false;
    }
    control_put(&client->decoder, bytes, (size_t)count);
    return true;
}

void control_take_result(const struct control_frame *frame, struct control_answer *answer)
{
    size_t head = sizeof(answer->result), length = 0;

    answer->result = (struct control_result){.error = CONTROL_EFORM};
    if (frame->length >= head) {
        memcpy(&answer->result, frame->payload, head);
        length = frame->length - head;
    }
    length = length < CONTROL_SENTENCE_MAX ? length : CONTROL_SENTENCE_MAX;
    if (length > 0)
        memcpy(answer->sentence, frame->payload + head, length);
    answer->sentence[length] = '\0';
}

static void add_piece(struct control_answer *answer, const struct control_frame *frame)
{
    uint8_t *longer = realloc(answer->bytes, answer->size + frame->length + 1);

    if (longer == NULL) {
        nr_say("out of memory");
        exit(NR_UNEXPECTED);
    }
    answer->bytes = longer;
    memcpy(answer->bytes + answer->size, frame->payload, frame->length);
    answer->size += frame->length;
    answer->bytes[answer->size] = '\0'; /* for those that are text */
}

int control_take(struct control_client *client, uint32_t id, struct control_answer *answer, uint32_t *pieces)
{
    struct control_frame frame;

    while (control_receive(client, &frame)) {
        if (frame.id != id || (frame.kind != CONTROL_PIECE && frame.kind != CONTROL_DONE))
            continue;
        if (frame.kind == CONTROL_DONE)
            control_take_result(&frame, answer);
        if (frame.sequence != *pieces && (frame.kind == CONTROL_PIECE || answer->result.error == CONTROL_OK))
            return CONTROL_GAP;
        if (frame.kind == CONTROL_DONE)
            return NR_DONE;
        add_piece(answer, &frame);
        ++*pieces;
    }
    return CONTROL_NO_END_YET;
}

/* One request under one id, sent as often as it needs. */
static int ask_once(struct control_client *client, const struct control_request *request, const void *data,
                    size_t length, struct control_answer *answer)
{
    uint32_t id = control_new_id(client), pieces = 0;
    unsigned sends = 0;

    *answer = (struct control_answer){0};
    for (;;) {
        struct pollfd polled = {client->fd, POLLIN, 0};
        if (sends == 0 || poll(&polled, 1, RESEND_MS) == 0) {
            if (sends++ == SENDS_MAX && pieces > 0)
                return CONTROL_GAP; /* its end was lost */
            if (sends > SENDS_MAX)
                return nr_fail(NR_TIMEOUT,
                               "the monitor does not answer: it may not have started yet, or have "
                               "been started without control= among its options");
            if (pieces == 0 && control_send(client, id, request, data, length) != NR_DONE)
                return NR_UNEXPECTED;
            continue;
        }
        if (!control_read(client))
            return NR_UNEXPECTED;
        uint32_t before = pieces;
        int status = control_take(client, id, answer, &pieces);
        if (status != CONTROL_NO_END_YET)
            return status;
        sends = pieces != before ? 1 : sends;
    }
}

int control_say_error(const struct control_answer *answer)
{
    uint32_t error = answer->result.error;
    const char *cure = error == CONTROL_EGUEST ? "; nr list shows those there are" : "";

    if (answer->sentence[0] != '\0')
        nr_say("%s%s", answer->sentence, cure);
    else
        nr_say("the monitor refused it (error %u)", error);
    return error == CONTROL_EGUEST || error == CONTROL_EFORM ? NR_USAGE : NR_UNEXPECTED;
}

int control_ask(struct control_client *client, const struct control_request *request, const void *data,
                size_t length, struct control_answer *answer)
{
    int status = CONTROL_GAP;

    for (unsigned i = 0; i < GAPS_MAX && status == CONTROL_GAP; i++) {
        if (i > 0)
            free(answer->bytes);
        status = ask_once(client, request, data, length, answer);
    }
    if (status == CONTROL_GAP)
        status = nr_fail(NR_UNEXPECTED, "the line to the monitor loses too much; try again");
    else if (status == NR_DONE && answer->result.error != CONTROL_OK)
        status = control_say_error(answer);
    if (status != NR_DONE) {
        free(answer->bytes);
        answer->bytes = NULL;
    }
    return status;
}

int control_tell(struct control_client *client, enum control_command command, const char *guest)
{
    struct control_request request;
    struct control_answer answer;
    int status = control_request(&request, command, guest);

    if (status == NR_DONE)
        status = control_ask(client, &request, NULL, 0, &answer);
    if (status == NR_DONE)
        free(answer.bytes);
    return status;
}

int control_open(struct control_client *client, const char *monitor)
{
    int status;
    bool direct;

    *client = (struct control_client){.fd = runs_connect(monitor, &status, &direct)};
    if (client->fd < 0)
        return status;
    fcntl(client->fd, F_SETFL, O_NONBLOCK);
    /* Ids of two commands in a row must differ, and those of two at a time on one line. */
    if (getrandom(&client->next_id, sizeof(client->next_id), 0) < 0)
        client->next_id = (uint32_t)getpid();
    /* Nobody else is on the line: what an earlier command has left ends here. */
    if (direct && !send_frame(client, &(struct control_frame){.kind = CONTROL_HANGUP}))
        return say_cut();
    return NR_DONE;
}

void control_close(struct control_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
}
