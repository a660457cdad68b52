/*
 * Frames of the control protocol. The decoder looks for a frame at each byte of what it has received: behind
 * a damaged one it goes on one byte after that one's first, so that a frame that lies in what a damaged one
 * claims is found.
 */
#include "control_frame.h"
#include "little_endian.h"
#include "string.h"

enum {
    AT_MAGIC = 0,
    AT_VERSION = 2,
    AT_KIND = 3,
    AT_ID = 4,
    AT_SEQUENCE = 8,
    AT_LENGTH = 12,
    AT_CRC = 16,
    NOT_A_FRAME = -1, /* of frame_at() */
    NOT_YET = 0,
};

uint32_t control_crc(const void *bytes, size_t count)
{
    /* Of the 16 values of four bits, for the polynomial 0xedb88320. */
    static const uint32_t table[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    const uint8_t *byte = bytes;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < count; i++) {
        crc ^= byte[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}

size_t control_encode(uint8_t *to, const struct control_frame *frame)
{
    uint32_t length = frame->length;

    store16(to + AT_MAGIC, CONTROL_MAGIC);
    to[AT_VERSION] = frame->version != 0 ? frame->version : CONTROL_VERSION;
    to[AT_KIND] = frame->kind;
    store32(to + AT_ID, frame->id);
    store32(to + AT_SEQUENCE, frame->sequence);
    store32(to + AT_LENGTH, length);
    store32(to + AT_CRC, control_crc(to, AT_CRC));
    if (length > 0)
        memmove(to + CONTROL_HEADER_SIZE, frame->payload, length);
    store32(to + CONTROL_HEADER_SIZE + length, control_crc(to + CONTROL_HEADER_SIZE, length));
    return CONTROL_HEADER_SIZE + length + CONTROL_CRC_SIZE;
}

size_t control_put(struct control_decoder *decoder, const uint8_t *bytes, size_t count)
{
    if (decoder->taken > 0)
        memmove(decoder->buffer, decoder->buffer + decoder->taken, decoder->count - decoder->taken);
    decoder->count -= decoder->taken;
    decoder->taken = 0;
    size_t room = CONTROL_FRAME_MAX - decoder->count;
    count = count < room ? count : room;
    memcpy(decoder->buffer + decoder->count, bytes, count);
    decoder->count += (uint32_t)count;
    return count;
}

/* The size of the frame that begins here, NOT_YET if what has come may become one, or NOT_A_FRAME. */
static int frame_at(const uint8_t *at, uint32_t count)
{
    if (at[0] != (CONTROL_MAGIC & 0xff) || (count > 1 && at[1] != CONTROL_MAGIC >> 8))
        return NOT_A_FRAME;
    if (count < CONTROL_HEADER_SIZE)
        return NOT_YET;
    uint32_t length = load32(at + AT_LENGTH);
    if (load32(at + AT_CRC) != control_crc(at, AT_CRC) || length > CONTROL_PAYLOAD_MAX)
        return NOT_A_FRAME;
    uint32_t size = CONTROL_HEADER_SIZE + length + CONTROL_CRC_SIZE;
    if (count < size)
        return NOT_YET;
    bool whole = load32(at + size - CONTROL_CRC_SIZE) == control_crc(at + CONTROL_HEADER_SIZE, length);
    return whole ? (int)size : NOT_A_FRAME;
}

bool control_next(struct control_decoder *decoder, struct control_frame *frame)
{
    uint32_t start = decoder->taken;
    int size = NOT_YET;

    while (start < decoder->count &&
           (size = frame_at(decoder->buffer + start, decoder->count - start)) == NOT_A_FRAME)
        start++;
    decoder->skipped += start - decoder->taken;
    decoder->taken = start;
    if (start == decoder->count || size == NOT_YET)
        return false;
    const uint8_t *at = decoder->buffer + start;
    *frame = (struct control_frame){.version = at[AT_VERSION],
                                    .kind = at[AT_KIND],
                                    .id = load32(at + AT_ID),
                                    .sequence = load32(at + AT_SEQUENCE),
                                    .length = load32(at + AT_LENGTH),
                                    .payload = at + CONTROL_HEADER_SIZE};
    decoder->taken += (uint32_t)size;
    return true;
}
