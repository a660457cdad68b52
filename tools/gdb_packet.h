/*
 * The framing of GDB's remote serial protocol (GDB manual, appendix E, "Overview"): $data#checksum, with +
 * and
 * - for received and garbled, } as an escape, and the byte 3 outside of packets as an interrupt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GDB_PACKET_MAX = 4096 };

enum gdb_event {
    GDB_NOTHING,
    GDB_PACKET,    /* reader->data, NUL-terminated, of reader->length bytes: to be acknowledged by + */
    GDB_GARBLED,   /* a packet with a wrong checksum, or a longer one than fits: to be answered by - */
    GDB_RESEND,    /* - : the last packet has not arrived */
    GDB_INTERRUPT, /* Ctrl-C */
};

struct gdb_reader {
    enum gdb_reader_state { GDB_OUTSIDE, GDB_INSIDE, GDB_ESCAPED, GDB_SUM_HIGH, GDB_SUM_LOW } state;
    uint8_t sum;      /* of what came */
    uint8_t expected; /* high digit, then the whole */
    bool broken;
    size_t length;
    char data[GDB_PACKET_MAX + 1];
};

/* Takes a byte. */
enum gdb_event gdb_read(struct gdb_reader *reader, uint8_t byte);
/* The packet around data of `length` bytes; returns its size, at most 2 * length + 4. */
size_t gdb_write(char *to, const char *data, size_t length);

/* A hexadecimal digit, or -1. */
int gdb_digit(char digit);
/* A hexadecimal number of 1 to 16 digits at *text, which then points behind it. False: there is none. */
bool gdb_number(const char **text, uint64_t *number);
/* Bytes as pairs of digits: returns how many bytes were made, `most` at most. */
size_t gdb_bytes(const char *text, uint8_t *to, size_t most);
/* And back: 2 * size characters and a NUL. */
void gdb_hex(char *to, const void *bytes, size_t size);
