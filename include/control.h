/*
 * The control protocol between nr and the service, on a serial line of its own: 8 bits, no flow control,
 * bytes may be lost or garbled, and either side may start anew at any time. Numbers are little-endian.
 *
 * A frame is a header with a CRC of its own, so that no garbled length is waited for; the payload; and the
 * CRC of the payload. Whoever receives drops bytes until a whole frame fits (lib/control_frame.h).
 *
 *    0  2  magic           'N' 0xba
 *    2  1  version         CONTROL_VERSION; the header's layout never changes
 *    3  1  kind            enum control_kind
 *    4  4  id              of the request; all that belongs to it carries it. Its highest byte is for a hub
 *                          that joins several users of one line, and 0 otherwise
 *    8  4  sequence        REQUEST: 0; PIECE: counted from 0; DONE: how many pieces went before
 *   12  4  length          of the payload, at most CONTROL_PAYLOAD_MAX
 *   16  4  CRC-32 of bytes 0 to 15
 *   20  n  payload
 *   ..  4  CRC-32 of the payload
 *
 * nr sends a REQUEST; the service answers with any number of PIECEs and one DONE. A request without an answer
 * is sent again, the same in each byte: one that the service is at work on, or whose effect it remembers by
 * its id, is not begun twice. Lost pieces show as a gap in the sequence, and nr asks anew.
 */
#pragma once

#include <stdint.h>
#include "guest_config.h"

enum {
    CONTROL_MAGIC = 0xba4e,
    CONTROL_VERSION = 1,
    CONTROL_HEADER_SIZE = 20,
    CONTROL_CRC_SIZE = 4,
    CONTROL_PAYLOAD_MAX = 1024,
    CONTROL_FRAME_MAX = CONTROL_HEADER_SIZE + CONTROL_PAYLOAD_MAX + CONTROL_CRC_SIZE,
    CONTROL_ID_HUB_SHIFT = 24,
};

enum control_kind {
    CONTROL_REQUEST = 1, /* payload: struct control_request and the command's data */
    CONTROL_PIECE,       /* a part of the answer */
    CONTROL_DONE,        /* its end: struct control_result and a sentence */
    CONTROL_HANGUP,      /* from a hub: whoever had this highest byte of id is gone; no answer */
};

/* Stable numbers. Commands of a guest name it in the request. */
enum control_command {
    CONTROL_HELLO,   /* pieces: one, struct control_hello */
    CONTROL_LIST,    /* pieces: struct control_guest, one for each guest */
    CONTROL_INFO,    /* pieces: text, whole lines */
    CONTROL_WHY,     /* the same */
    CONTROL_NEEDS,   /* the same */
    CONTROL_CONSOLE, /* pieces: what the guest says from now on, until CONTROL_DETACH or the guest's end;
                        first the last `number` bytes that it has said */
    CONTROL_INPUT,   /* data: bytes for its console; value: how many were taken */
    CONTROL_DETACH,  /* ends the CONTROL_CONSOLE whose id is `number` */
    CONTROL_BREAK,   /* a break on its serial line */
    CONTROL_POWER,   /* presses its power button */
    CONTROL_RESET,   /* presses its reset button */
    CONTROL_DESTROY, /* ends it */
    CONTROL_SCREEN, /* number: enum channel_screen_part (channel.h); pieces: struct control_screen, and pixels
                       (lib/picture.h) or characters with their attributes */
    CONTROL_EVENTS, /* data: struct input_event (channel.h) for keyboard and mouse; value: how many were
                       taken, all or none */
    CONTROL_DEBUG,  /* data: struct debug_request (debug.h), cut behind its data; piece: struct debug_answer,
                       cut  in the same way */
    CONTROL_STOPPED, /* ends when the guest has been stopped by a debugger, or of itself in one, and
                        debug_state.stops is not `number`; value: what it is */
    CONTROL_DRIVES,  /* pieces: text, a line for each of the guest's drives */
    CONTROL_DISK,    /* data: struct control_drive; pieces: what is in the drive from `offset` on, struct
                        control_disk and bytes. number: enum control_background. Ends at the end, or earlier */
    CONTROL_EJECT,   /* data: struct control_drive; number: not 0: even if the guest has locked it */
    CONTROL_INSERT,  /* the same, with an image */
    CONTROL_COMMAND_COUNT,
};

enum control_error {
    CONTROL_OK,
    CONTROL_EVERSION, /* the other side speaks another version */
    CONTROL_ECOMMAND, /* no such command in this version */
    CONTROL_EFORM,    /* the request's data are not what the command takes */
    CONTROL_EGUEST,   /* no guest has that name */
    CONTROL_EENDED,   /* the guest has ended */
    CONTROL_EBUSY,    /* too many requests at a time */
    CONTROL_EREFUSED, /* the monitor, or the guest's device model, refused */
};

struct control_request {
    uint32_t command; /* enum control_command */
    uint32_t number;  /* the command's own; 0 otherwise */
    uint64_t offset;
    char guest[GUEST_NAME_SIZE]; /* NUL-terminated; empty for a command that is not a guest's */
};

struct control_result {
    uint32_t error; /* enum control_error */
    uint32_t value; /* the command's own */
    /* a sentence follows when there is an error, without NUL */
};

/* What is on a guest's screen: pixels, and characters, 0 in graphics modes. */
struct control_screen {
    uint32_t width, height, columns, rows;
};

/* A drive as the description calls it, and an image that it may have; NUL-terminated. */
struct control_drive {
    char drive[GUEST_BOOT_NAME];
    char image[GUEST_PATH_SIZE];
};

/* What of a drive's bytes is left out: zeros, or what is as in the image that the guest was started with. */
enum control_background { CONTROL_WITHOUT_ZEROS, CONTROL_WITHOUT_IMAGE };

/* A part of what is in a drive. What lies between two parts, or before the first, was left out. */
struct control_disk {
    uint64_t all;    /* bytes in the drive */
    uint64_t at;     /* of this part */
    uint32_t length; /* of its bytes, which follow; may be 0 */
    uint32_t crc;    /* CONTROL_WITHOUT_IMAGE: CRC-32 of what was left out before it */
};

struct control_hello {
    uint32_t version;
    uint32_t guest_count;
};

struct control_guest {
    char name[GUEST_NAME_SIZE];
    uint32_t status; /* enum guest_status */
    uint32_t cpu_count;
    uint32_t memory_mib;
    uint32_t restarts; /* of its device model */
    uint64_t exits, upcalls;
    uint32_t overlay_pages_used, overlay_pages;
};

enum {
    CONTROL_DATA_MAX = CONTROL_PAYLOAD_MAX - sizeof(struct control_request),
    CONTROL_SENTENCE_MAX = 200,
};

_Static_assert(sizeof(struct control_request) == 48 && sizeof(struct control_guest) == 72, "on the line");
