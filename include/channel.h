/*
 * The channel between a device model and the service: two byte rings for the guest's serial console,
 * counters that the service shows, what is typed, and the guest's screen. Both sides are ring 3; the monitor
 * maps the page into both and does not look into it.
 *
 * Each ring has one producer and one consumer. Indices run freely and are reduced modulo the size at each
 * use, so that a wrong index from the other side can do no more than garble the text (lib/ring.h).
 */
#pragma once

#include <stdint.h>
#include "debug.h"
#include "layout.h"
#include "drives.h"

enum {
    CHANNEL_SIZE = 0x8000,
    CHANNEL_OUTPUT = 16384,
    CHANNEL_INPUT = 1024,
    CHANNEL_NEEDS = 64,
    CHANNEL_EVENTS = 256
};

/* An access that no device claimed: what `nr boot --needs` lists. */
enum need_kind {
    NEED_PORT_READ,
    NEED_PORT_WRITE,
    NEED_MEMORY_READ,
    NEED_MEMORY_WRITE,
    NEED_RDMSR,
    NEED_WRMSR,
    NEED_IGNORED
};

struct need {
    uint64_t address; /* port, guest-physical page, MSR */
    uint32_t kind;    /* enum need_kind */
    uint32_t count;
};

/*
 * The guest's screen, a part at a time: the service writes what it asks for, counts `asked` on and notifies;
 * the device model answers, makes `answered` the same, and notifies. Pixels come as lib/picture.h has them,
 * characters with their attributes as two bytes each.
 */
enum channel_screen_part { CHANNEL_SCREEN_PIXELS, CHANNEL_SCREEN_TEXT };
enum { CHANNEL_SCREEN_DATA = 4096 };

struct channel_screen {
    uint32_t asked, answered;
    uint32_t part;     /* enum channel_screen_part */
    uint32_t position; /* of the first pixel or character: counted through all lines */
    uint32_t room;     /* bytes of data that are asked for, up to CHANNEL_SCREEN_DATA */
    uint32_t cursor;   /* of the answer: its position among the characters; UINT32_MAX: none */
    /* The rest of the answer. */
    uint16_t width, height; /* of the picture, in pixels */
    uint16_t columns, rows; /* in characters; 0: graphics */
    uint32_t next;          /* position behind this part */
    uint32_t size;          /* bytes of data */
    uint8_t data[CHANNEL_SCREEN_DATA];
};

/*
 * What somebody does at the guest's keyboard and mouse. A key has its code of scan code set 1 while it goes
 * down (1-0x7f), with INPUT_KEY_EXTENDED where 0xe0 comes before it. Buttons of the mouse that an event does
 * not name stay as they are: several may use one guest's mouse.
 */
enum input_kind { INPUT_KEY_DOWN = 1, INPUT_KEY_UP, INPUT_MOUSE, INPUT_BUTTON_DOWN, INPUT_BUTTON_UP };
enum input_key { INPUT_KEY_EXTENDED = 0x80, INPUT_KEY_PRINT = 0xb7, INPUT_KEY_PAUSE = 0xc5 };
enum input_button {
    INPUT_BUTTON_LEFT = 1,
    INPUT_BUTTON_RIGHT = 2,
    INPUT_BUTTON_MIDDLE = 4,
    INPUT_BUTTON_FOURTH = 8,
    INPUT_BUTTON_FIFTH = 16
};

struct input_event {
    uint8_t kind;    /* enum input_kind */
    uint8_t key;     /* enum input_key */
    uint8_t buttons; /* enum input_button */
    int8_t wheel;    /* INPUT_MOUSE: towards the user */
    int16_t right, down;
};

/* A debugger's question, in the same way; `stops` counts on when the guest has been stopped. */
struct channel_debug {
    uint32_t asked, answered, stops;
    struct debug_request request;
    struct debug_answer answer;
};

/* What is in the guest's drives, in the same way. */
struct channel_media {
    uint32_t asked, answered;
    struct media_request request;
    struct media_answer answer;
};

struct channel {
    uint32_t output_head, output_tail; /* guest to console */
    uint32_t input_head, input_tail;   /* console to guest */
    uint32_t need_count;
    uint32_t needs_lost;             /* kinds that did not fit */
    uint32_t exit_value;             /* written to port 0xf4, plus 1; 0: none */
    uint32_t breaks;                 /* how often the console has sent a break; runs freely */
    uint32_t presses;                /* how often the power button was pressed; runs freely */
    uint32_t event_head, event_tail; /* service to guest */
    struct need need[CHANNEL_NEEDS];
    struct channel_screen screen;
    struct channel_debug debug;
    struct channel_media media;
    struct input_event event[CHANNEL_EVENTS];
    uint8_t input[CHANNEL_INPUT];
    uint8_t output[CHANNEL_OUTPUT];
};

_Static_assert(sizeof(struct channel) <= CHANNEL_SIZE && CHANNEL_SIZE <= USER_GUEST_REPORT, "channel pages");
