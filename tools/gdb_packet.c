/* The framing of GDB's remote serial protocol. */
#include "gdb_packet.h"

enum { INTERRUPT = 3, ESCAPE = '}', ESCAPE_XOR = 0x20 };

int gdb_digit(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
           : digit >= 'A' && digit <= 'F' ? digit - 'A' + 10
                                          : -1;
}

static void keep(struct gdb_reader *reader, uint8_t byte)
{
    if (reader->length == GDB_PACKET_MAX)
        reader->broken = true;
    else
        reader->data[reader->length++] = (char)byte;
}

static enum gdb_event outside(struct gdb_reader *reader, uint8_t byte)
{
    switch (byte) {
    case '$':
        reader->state = GDB_INSIDE;
        reader->sum = 0;
        reader->length = 0;
        reader->broken = false;
        return GDB_NOTHING;
    case '-':
        return GDB_RESEND;
    case INTERRUPT:
        return GDB_INTERRUPT;
    default:
        return GDB_NOTHING;
    }
}

static enum gdb_event checksum(struct gdb_reader *reader, uint8_t byte)
{
    int digit = gdb_digit((char)byte);

    reader->broken |= digit < 0;
    reader->expected = (uint8_t)(reader->expected << 4 | (digit & 0xf));
    if (reader->state == GDB_SUM_HIGH) {
        reader->state = GDB_SUM_LOW;
        return GDB_NOTHING;
    }
    reader->state = GDB_OUTSIDE;
    reader->data[reader->length] = '\0';
    return reader->broken || reader->sum != reader->expected ? GDB_GARBLED : GDB_PACKET;
}

enum gdb_event gdb_read(struct gdb_reader *reader, uint8_t byte)
{
    if (reader->state == GDB_OUTSIDE)
        return outside(reader, byte);
    if (reader->state >= GDB_SUM_HIGH)
        return checksum(reader, byte);
    if (byte == '$') { /* the last one was cut */
        reader->state = GDB_OUTSIDE;
        return outside(reader, byte);
    }
    if (byte == '#') {
        reader->broken |= reader->state == GDB_ESCAPED;
        reader->state = GDB_SUM_HIGH;
        reader->expected = 0;
        return GDB_NOTHING;
    }
    reader->sum = (uint8_t)(reader->sum + byte);
    if (reader->state == GDB_INSIDE && byte == ESCAPE) {
        reader->state = GDB_ESCAPED;
        return GDB_NOTHING;
    }
    keep(reader, reader->state == GDB_ESCAPED ? byte ^ ESCAPE_XOR : byte);
    reader->state = GDB_INSIDE;
    return GDB_NOTHING;
}

size_t gdb_write(char *to, const char *data, size_t length)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t sum = 0;
    size_t at = 0;

    to[at++] = '$';
    for (size_t i = 0; i < length; i++) {
        char byte = data[i];
        if (byte == '#' || byte == '$' || byte == ESCAPE || byte == '*') {
            to[at++] = ESCAPE;
            sum = (uint8_t)(sum + ESCAPE);
            byte ^= ESCAPE_XOR;
        }
        to[at++] = byte;
        sum = (uint8_t)(sum + (uint8_t)byte);
    }
    to[at++] = '#';
    to[at++] = digits[sum >> 4];
    to[at++] = digits[sum & 0xf];
    return at;
}

bool gdb_number(const char **text, uint64_t *number)
{
    unsigned digits = 0;

    *number = 0;
    for (; gdb_digit(**text) >= 0; ++*text, digits++)
        *number = *number << 4 | (unsigned)gdb_digit(**text);
    return digits >= 1 && digits <= 16;
}

size_t gdb_bytes(const char *text, uint8_t *to, size_t most)
{
    size_t count = 0;

    for (; count < most && gdb_digit(text[0]) >= 0 && gdb_digit(text[1]) >= 0; text += 2)
        to[count++] = (uint8_t)(gdb_digit(text[0]) << 4 | gdb_digit(text[1]));
    return count;
}

void gdb_hex(char *to, const void *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *from = bytes;

    for (size_t i = 0; i < size; i++) {
        *to++ = digits[from[i] >> 4];
        *to++ = digits[from[i] & 0xf];
    }
    *to = '\0';
}
