/* Requests to a running monitor, and its answers (include/control.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "control_frame.h"

struct control_client {
    int fd;
    uint32_t next_id;
    struct control_decoder decoder;
};

/* What came back of a request. */
struct control_answer {
    struct control_result result;
    char sentence[CONTROL_SENTENCE_MAX + 1];
    uint8_t *bytes; /* all pieces, one behind another; to be freed */
    size_t size;
};

/* Connects to the monitor that is meant (runs.h) and greets it. Returns an nr_status, having said what is
 * wrong. */
int control_open(struct control_client *client, const char *monitor);
void control_close(struct control_client *client);

/*
 * Sends a request and waits for the whole answer; data are at most CONTROL_DATA_MAX bytes. Returns an
 * nr_status: NR_DONE when the monitor did it. Otherwise the reason has been said: the monitor's own, that it
 * does not answer (NR_TIMEOUT), or that the connection was cut.
 */
int control_ask(struct control_client *client, const struct control_request *request, const void *data,
                size_t length, struct control_answer *answer);
/* The same for a guest's command that brings nothing but an end. */
int control_tell(struct control_client *client, enum control_command command, const char *guest);

/* Fills in a request; a name that no guest can have is an error that is said, NR_USAGE. */
int control_request(struct control_request *request, enum control_command command, const char *guest);

/* The parts of control_ask(), for answers without an end. Sends a request, and returns an nr_status. */
int control_send(struct control_client *client, uint32_t id, const struct control_request *request,
                 const void *data, size_t length);
uint32_t control_new_id(struct control_client *client);
/* The next frame that is there, without waiting for bytes. */
bool control_receive(struct control_client *client, struct control_frame *frame);
/* Reads what has come. False: the connection is cut, which has been said. */
bool control_read(struct control_client *client);
/* Takes what is there of an answer, whose pieces are counted. Returns NR_DONE at its end, or one of these: */
enum { CONTROL_NO_END_YET = -1, CONTROL_GAP = -2 };
int control_take(struct control_client *client, uint32_t id, struct control_answer *answer, uint32_t *pieces);
/* Takes the end of an answer apart. */
void control_take_result(const struct control_frame *frame, struct control_answer *answer);
/* Says why a request failed; returns the nr_status for it. */
int control_say_error(const struct control_answer *answer);
