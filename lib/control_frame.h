/* Frames of the control protocol (include/control.h): both directions, for nr and for the service. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "control.h"

struct control_frame {
    uint8_t version; /* to encode: 0 stands for CONTROL_VERSION */
    uint8_t kind;    /* enum control_kind, or any other number: what came */
    uint32_t id;
    uint32_t sequence;
    uint32_t length;
    const uint8_t *payload;
};

struct control_decoder {
    uint32_t count;   /* bytes in buffer */
    uint32_t taken;   /* of these, the frame that was handed out last */
    uint64_t skipped; /* bytes that belonged to no frame */
    uint8_t buffer[CONTROL_FRAME_MAX];
};

/* CRC-32 as in ISO 3309 (Ethernet, zlib). */
uint32_t control_crc(const void *bytes, size_t count);

/* Writes a frame to `to`, of CONTROL_FRAME_MAX bytes, and returns its size. length is at most
 * CONTROL_PAYLOAD_MAX. */
size_t control_encode(uint8_t *to, const struct control_frame *frame);

/* Gives received bytes to the decoder, as many as fit, and returns their number. It is not 0 when
 * control_next() has been called until it said false. */
size_t control_put(struct control_decoder *decoder, const uint8_t *bytes, size_t count);
/* The next whole frame among them; false: there is none yet. Its payload stands until the next call of
 * either. */
bool control_next(struct control_decoder *decoder, struct control_frame *frame);
