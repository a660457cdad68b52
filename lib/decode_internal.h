/*
 * What the files of the decoder's engine share: the place where it is, and the steps that take bytes.
 */
#pragma once

#include <stdbool.h>
#include "decode.h"
#include "decode_tables.h"

struct decoder {
    struct instruction *to;
    const uint8_t *bytes;
    unsigned at;
    unsigned limit;
    enum decode_status status; /* the first error; reads after it give zeroes */
    bool ignore_mod;
};

static inline void decode_fail(struct decoder *d, enum decode_status status)
{
    if (d->status == DECODE_OK)
        d->status = status;
}

static inline uint8_t decode_byte(struct decoder *d)
{
    if (d->at < d->limit)
        return d->bytes[d->at++];
    decode_fail(d, d->limit == INSTRUCTION_LENGTH_MAX ? DECODE_TOO_LONG : DECODE_MORE);
    return 0;
}

/* ModRM.rm names a register, not memory. */
static inline bool decode_is_register(const struct decoder *d)
{
    return d->to->modrm >= 0xc0 || d->ignore_mod;
}

/* decode_operand.c */
void decode_set_operand_size(struct instruction *in, uint8_t flags);
/* Little-endian bytes. */
uint64_t decode_take(struct decoder *d, unsigned size);
/* ModRM, unless it has been taken. */
void decode_take_modrm(struct decoder *d);
/* SIB and displacement, which follow a ModRM with a memory operand. */
void decode_take_address(struct decoder *d);
/* All operands of a table's entry, with the bytes that belong to them. */
void decode_take_operands(struct decoder *d, const struct opcode *opcode);

/* decode_vector.c: what follows C4, C5, 8F and 62. */
void decode_take_vex(struct decoder *d, uint8_t first);
void decode_take_evex(struct decoder *d);
