/*
 * Physical memory: a binary buddy allocator over the firmware's map (Knuth, The Art of Computer
 * Programming, 2.5).
 *
 * Free frames are mapped nowhere, so no list can run through them: each order has a bitmap with one bit per
 * block, and a count. A search is bounded by the size of the bitmap; it starts where the last one succeeded.
 */
#include "frames.h"
#include "errors.h"
#include "spinlock.h"
#include "string.h"

static struct {
    struct spinlock lock;
    uint64_t frames; /* of the physical address space up to the end of RAM */
    uint64_t free_frames;
    uint64_t *map[FRAME_ORDERS];
    uint64_t count[FRAME_ORDERS];
    uint64_t hint[FRAME_ORDERS]; /* word to look at first */
} buddy;

static uint64_t map_words(uint64_t frames, unsigned order)
{
    return ((frames >> order) + 64) / 64;
}

uint64_t frames_metadata_size(uint64_t frames)
{
    uint64_t words = 0;
    for (unsigned order = 0; order < FRAME_ORDERS; order++)
        words += map_words(frames, order);
    return words * sizeof(uint64_t);
}

void frames_init(void *metadata, uint64_t frames)
{
    uint64_t *word = metadata;
    memset(metadata, 0, frames_metadata_size(frames));
    memset(&buddy, 0, sizeof(buddy));
    buddy.frames = frames;
    for (unsigned order = 0; order < FRAME_ORDERS; order++) {
        buddy.map[order] = word;
        word += map_words(frames, order);
    }
}

static bool block_test_clear(unsigned order, uint64_t block)
{
    uint64_t mask = 1ull << (block & 63);
    if (!(buddy.map[order][block / 64] & mask))
        return false;
    buddy.map[order][block / 64] &= ~mask;
    buddy.count[order]--;
    return true;
}

static void block_set(unsigned order, uint64_t block)
{
    buddy.map[order][block / 64] |= 1ull << (block & 63);
    buddy.count[order]++;
}

static uint64_t block_find(unsigned order)
{
    uint64_t words = map_words(buddy.frames, order);
    for (uint64_t i = 0; i < words; i++) {
        uint64_t word = (buddy.hint[order] + i) % words;
        if (buddy.map[order][word]) {
            buddy.hint[order] = word;
            return word * 64 + (uint64_t)__builtin_ctzll(buddy.map[order][word]);
        }
    }
    return 0; /* not reached: the count said there is one */
}

void frames_free(uint64_t frame, unsigned order)
{
    spin_lock(&buddy.lock);
    buddy.free_frames += 1ull << order;
    uint64_t block = frame >> order;
    while (order + 1 < FRAME_ORDERS && block_test_clear(order, block ^ 1)) {
        block >>= 1;
        order++;
    }
    block_set(order, block);
    spin_unlock(&buddy.lock);
}

uint64_t frames_alloc(unsigned order)
{
    spin_lock(&buddy.lock);
    unsigned from = order;
    while (from < FRAME_ORDERS && !buddy.count[from])
        from++;
    if (from >= FRAME_ORDERS) {
        spin_unlock(&buddy.lock);
        return FRAME_NONE;
    }
    uint64_t block = block_find(from);
    block_test_clear(from, block);
    while (from > order) { /* keep the lower half, free the upper one */
        from--;
        block <<= 1;
        block_set(from, block + 1);
    }
    buddy.free_frames -= 1ull << order;
    spin_unlock(&buddy.lock);
    return block << order;
}

void frames_add(uint64_t start, uint64_t end)
{
    while (start < end) {
        unsigned order = 0;
        while (order + 1 < FRAME_ORDERS && !(start & ((2ull << order) - 1)) && start + (2ull << order) <= end)
            order++;
        frames_free(start, order);
        start += 1ull << order;
    }
}

uint64_t frames_free_count(void)
{
    return buddy.free_frames;
}
