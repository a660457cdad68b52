/* A request of the control protocol while the service is at work on it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "control.h"
#include "debug.h"
#include "drives.h"

struct control_call {
    bool used;
    bool stop; /* a CONTROL_CONSOLE that is to end */
    uint32_t id;
    uint32_t command; /* enum control_command, one that there is */
    uint32_t guest;   /* index; of a command that is not a guest's: 0 */
    uint32_t number;
    uint64_t offset;
    uint32_t sequence; /* of the next piece */
    uint32_t at;       /* what the command has come to: a line, a position in a ring */
    bool finished;     /* no piece follows; error and value are final */
    uint32_t error;    /* enum control_error */
    uint32_t value;
    char sentence[CONTROL_SENTENCE_MAX];
    union {
        struct debug_request debug; /* of a CONTROL_DEBUG */
        struct media_request media; /* of a CONTROL_DISK and the others that are about drives */
    };
};

/* What a command is. */
struct control_entry {
    bool of_guest;
    bool of_running; /* a guest that has ended does not have it */
    bool once;       /* it changes something: a request that comes again is not done again */
    /* Begins it; the data stand only now. Returns an enum control_error. */
    enum control_error (*begin)(struct control_call *call, const uint8_t *data, uint32_t length);
    /* Writes the next piece of the answer, of at most CONTROL_PAYLOAD_MAX bytes, and returns its size; 0:
     * none is there now. May set call->finished, also with the last piece. NULL: there are no pieces. */
    uint32_t (*piece)(struct control_call *call, uint8_t *to);
};

/* control_screen.c */
enum control_error screen_begin(struct control_call *call, const uint8_t *data, uint32_t length);
uint32_t screen_piece(struct control_call *call, uint8_t *to);

/* control_input.c */
enum control_error events_begin(struct control_call *call, const uint8_t *data, uint32_t length);
/* control_debug.c */
enum control_error debug_begin(struct control_call *call, const uint8_t *data, uint32_t length);
uint32_t debug_piece(struct control_call *call, uint8_t *to);
uint32_t stopped_piece(struct control_call *call, uint8_t *to);

/* control_media.c */
enum control_error drives_begin(struct control_call *call, const uint8_t *data, uint32_t length);
uint32_t drives_piece(struct control_call *call, uint8_t *to);
enum control_error disk_begin(struct control_call *call, const uint8_t *data, uint32_t length);
uint32_t disk_piece(struct control_call *call, uint8_t *to);
enum control_error eject_begin(struct control_call *call, const uint8_t *data, uint32_t length);
enum control_error insert_begin(struct control_call *call, const uint8_t *data, uint32_t length);
uint32_t hand_piece(struct control_call *call, uint8_t *to);

extern const struct control_entry control_entry[CONTROL_COMMAND_COUNT];

/* control_line.c: ends the call of that id and the same user as call, if it is a CONTROL_CONSOLE. */
bool control_detach(const struct control_call *call, uint32_t id);
/* control_line.c: the question of that number about the same guest is another call's that changes a drive and
 * has not seen the answer yet: asked again, it would be done twice. */
bool control_hand_waits(const struct control_call *call, uint32_t asked);
