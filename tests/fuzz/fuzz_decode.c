/*
 * The decoder on arbitrary bytes in all three modes: it looks at no byte beyond those it got, its length fits
 * what it decoded, and a decoded instruction stays the same when more bytes follow.
 *
 * sources: lib/decode*.c
 * seconds: 30
 */
#include <stdlib.h>
#include <string.h>
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void decode_one(const uint8_t *data, size_t size, enum decode_mode mode)
{
    struct instruction whole, part;
    enum decode_status status = instruction_decode(&whole, data, size, mode);

    for (size_t have = 0; have < size && have <= INSTRUCTION_LENGTH_MAX; have++) {
        uint8_t *copy = malloc(have ? have : 1);
        memcpy(copy, data, have);
        enum decode_status early = instruction_decode(&part, copy, have, mode);
        free(copy);
        if (early == DECODE_MORE) {
            require(status != DECODE_OK || have < whole.length);
            continue;
        }
        /* More bytes never change a verdict. */
        require(early == status);
        if (status == DECODE_OK)
            require(have >= whole.length && memcmp(&whole, &part, sizeof(whole)) == 0);
    }
    if (status == DECODE_OK)
        require(whole.length >= 1 && whole.length <= INSTRUCTION_LENGTH_MAX && whole.length <= size);
    if (status == DECODE_MORE)
        require(size < INSTRUCTION_LENGTH_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    memcpy(copy, data, size);
    for (enum decode_mode mode = DECODE_16; mode <= DECODE_64; mode++)
        decode_one(copy, size, mode);
    free(copy);
    return 0;
}
