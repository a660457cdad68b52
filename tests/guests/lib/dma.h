/* Lists of pieces of memory, as bus masters take them. */
#pragma once

#include <stdint.h>

enum { DMA_PIECES_MAX = 56 };

struct dma_pieces {
    uint32_t count;
    struct {
        uint8_t *at;
        uint32_t bytes;
    } piece[DMA_PIECES_MAX];
};

static inline void dma_add(struct dma_pieces *pieces, uint8_t *at, uint32_t bytes)
{
    pieces->piece[pieces->count].at = at;
    pieces->piece[pieces->count++].bytes = bytes;
}

static inline struct dma_pieces dma_one(void *at, uint32_t bytes)
{
    struct dma_pieces one = {0};

    dma_add(&one, at, bytes);
    return one;
}

/* The bytes [offset, offset + bytes) of a list. */
static inline void dma_slice(const struct dma_pieces *from, uint32_t offset, uint32_t bytes,
                             struct dma_pieces *to)
{
    to->count = 0;
    for (uint32_t i = 0; i < from->count && bytes; i++) {
        uint32_t there = from->piece[i].bytes;
        if (offset >= there) {
            offset -= there;
            continue;
        }
        uint32_t take = there - offset < bytes ? there - offset : bytes;
        dma_add(to, from->piece[i].at + offset, take);
        bytes -= take;
        offset = 0;
    }
}
