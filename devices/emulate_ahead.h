/*
 * Going on behind an emulated instruction: guests often touch a device several times within a few
 * instructions (an index and its data, a status and then a byte), and emulating what lies between costs less
 * than another exit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "decode.h"
#include "emulate.h"

enum {
    EMULATE_AHEAD_MAX = 1000, /* instructions and elements in one call; the last may have more elements */
    EMULATE_GAP_MAX = 56,     /* of them in a row without an access to a device */
    EMULATE_ELEMENTS_MAX = 64 /* of a string instruction */
};

/* A decoded instruction and the bytes that it came from: good for these bytes in this mode, wherever they
 * are. */
struct emulate_code {
    uint64_t mask[2], bytes[2];
    enum outcome (*handler)(struct emulation *m); /* NULL: not emulated ahead */
    uint8_t place_size;    /* of the memory operand; 0: none, or the handler finds it */
    uint8_t place_intent;  /* enum memory_intent */
    struct instruction in; /* length 0: empty */
};

/* A linear page and what it is, with the rights that were asked for. */
struct emulate_translation {
    uint64_t tag; /* 0: empty */
    uint64_t page;
    uint8_t *ram; /* NULL: a device */
};

enum { EMULATE_CODES = 512, EMULATE_TRANSLATIONS = 32 };

struct emulate_memo {
    struct emulate_code code[EMULATE_CODES]; /* may be kept for ever; zero is a good start */
    struct emulate_translation translation[EMULATE_TRANSLATIONS]; /* good for one call, as a TLB would be */
};

struct emulate_ahead {
    struct emulate_memo *memo;
    uint64_t refused; /* a page whose accesses are not emulated ahead: the local APIC's */
    /* Whether to go on behind an access to a device. */
    bool (*may_go_on)(void *context);
    uint32_t flat; /* for itself: segments, a bit each, in which all of 4 GiB may be read and written */

    uint32_t instructions; /* that were emulated; a repeated one counts for each page that it comes to */
    uint32_t elements;     /* of repeated ones */
    uint32_t accesses;     /* to devices: the machine's functions count them */
};

/*
 * Emulates the instructions from CS:RIP on as long as another access to a device may follow soon. It stops
 * before an instruction that would fault, that may take long, or that it does not know: the processor meets
 * that one itself; and behind a POPF that lets interrupts or traps in. *e->state is a state between two
 * instructions; of e->modified only VCPU_GPR and VCPU_SEGMENTS are set.
 */
void emulate_ahead(struct emulator *e, struct emulate_ahead *ahead);
