/* A counter of the 8254 timer: see pit_channel.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Control word: counter in bits 7-6, access in 5-4, mode in 3-1, BCD in 0. */
enum { CONTROL_ACCESS_SHIFT = 4, CONTROL_MODE_SHIFT = 1 };
enum pit_access { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };

enum pit_mode {
    MODE_TERMINAL_COUNT,
    MODE_ONE_SHOT,
    MODE_RATE,
    MODE_SQUARE,
    MODE_SOFTWARE_STROBE,
    MODE_HARDWARE_STROBE
};

/* One counter. Times are in clocks of the 8254 since guest time 0. */
struct pit_channel {
    uint64_t start;         /* clock at which the counting element was loaded */
    uint64_t frozen;        /* clocks counted when the gate stopped it */
    uint64_t pending_start; /* when pending takes effect; DEADLINE_NONE: at the next trigger */
    uint32_t count;         /* of the period that runs, 1-65536 */
    uint32_t pending;       /* count written for later; 0: none */
    uint16_t latched_count;
    uint8_t latched_status;
    uint8_t mode;                /* 0-5 */
    uint8_t access;              /* enum pit_access */
    uint8_t bcd;                 /* counts in decimal */
    uint8_t gate;                /* level of the input */
    uint8_t loaded;              /* a count was written since the control word */
    uint8_t running;             /* the counting element counts */
    uint8_t low_byte;            /* first byte of a count, until the second comes */
    uint8_t write_high;          /* the next write is the second byte */
    uint8_t read_high;           /* the next read is the second byte */
    uint8_t count_bytes_latched; /* bytes of latched_count that are still to be read */
    uint8_t status_latched;
    uint8_t reserved[2];
};

/* All functions take the clock of now; settle comes before any other. */

/* A count that was written during a period takes effect when its time has come. */
void pit_channel_settle(struct pit_channel *channel, uint64_t clock);
/* A control word: mode, access, BCD. The counter stands until it gets a count. */
void pit_channel_control(struct pit_channel *channel, uint8_t value);
/* A byte of the count, from or to the counter's port. */
void pit_channel_write(struct pit_channel *channel, uint8_t value, uint64_t clock);
uint8_t pit_channel_read(struct pit_channel *channel, uint64_t clock);
void pit_channel_latch_count(struct pit_channel *channel, uint64_t clock);
void pit_channel_latch_status(struct pit_channel *channel, uint64_t clock);
void pit_channel_set_gate(struct pit_channel *channel, bool gate, uint64_t clock);
/* Level of the output. */
bool pit_channel_output(const struct pit_channel *channel, uint64_t clock);
/* The first clock after `after` at which the output rises, as far as it is known now, or DEADLINE_NONE. */
uint64_t pit_channel_next_rise(const struct pit_channel *channel, uint64_t after);
bool pit_mode_periodic(unsigned mode);
