/*
 * The buddy allocator (mm/frames.c): alignment, no frame given twice, joining, exhaustion, odd ranges; and a
 * long random run against a map of who owns what.
 *
 * sources: mm/frames.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "frames.h"

enum { FRAMES = 3 * 512 + 77 };

static uint8_t *metadata;
static uint8_t owned[FRAMES]; /* by the test */

static void start(uint64_t frames)
{
    free(metadata);
    metadata = malloc(frames_metadata_size(frames)); /* exactly: a bit too many is caught */
    memset(metadata, 0xff, frames_metadata_size(frames));
    memset(owned, 0, sizeof owned);
    frames_init(metadata, frames);
}

static uint64_t take(unsigned order)
{
    uint64_t frame = frames_alloc(order);
    if (frame != FRAME_NONE) {
        assert_int_equal(frame & ((1ull << order) - 1), 0);
        assert_true(frame + (1ull << order) <= FRAMES);
        for (uint64_t i = frame; i < frame + (1ull << order); i++) {
            assert_int_equal(owned[i], 0);
            owned[i] = 1;
        }
    }
    return frame;
}

static void give(uint64_t frame, unsigned order)
{
    memset(owned + frame, 0, 1ull << order);
    frames_free(frame, order);
}

static void test_empty(void **state)
{
    (void)state;
    start(FRAMES);
    assert_int_equal(frames_free_count(), 0);
    for (unsigned order = 0; order < FRAME_ORDERS; order++)
        assert_true(frames_alloc(order) == FRAME_NONE);
}

static void test_single_frames(void **state)
{
    (void)state;
    start(FRAMES);
    frames_add(5, FRAMES); /* unaligned at both ends */
    assert_int_equal(frames_free_count(), FRAMES - 5);
    for (unsigned i = 5; i < FRAMES; i++) {
        uint64_t frame = take(0);
        assert_true(frame >= 5 && frame < FRAMES);
    }
    assert_true(frames_alloc(0) == FRAME_NONE);
    assert_int_equal(frames_free_count(), 0);
}

static void test_joining(void **state)
{
    (void)state;
    start(FRAMES);
    frames_add(0, 1024);
    for (unsigned i = 0; i < 1024; i++)
        take(0);
    for (unsigned i = 0; i < 1024; i++) /* in an order in which no neighbours follow each other */
        give(i * 389u % 1024, 0);
    assert_int_equal(take(10), 0);
    assert_true(frames_alloc(0) == FRAME_NONE);
    give(0, 10);
    assert_true(take(9) != FRAME_NONE);
    assert_true(take(9) != FRAME_NONE);
    assert_true(frames_alloc(0) == FRAME_NONE);
}

static void test_not_joined_across_a_hole(void **state)
{
    (void)state;
    start(FRAMES);
    frames_add(0, 511); /* one short of 2 MiB */
    assert_true(frames_alloc(ORDER_2M) == FRAME_NONE);
    assert_int_equal(take(8), 0);
    frames_add(511, 512);
    assert_true(frames_alloc(ORDER_2M) == FRAME_NONE);
    give(0, 8);
    assert_int_equal(take(ORDER_2M), 0);
}

static void test_split_keeps_the_rest(void **state)
{
    (void)state;
    start(FRAMES);
    frames_add(512, 1024);
    uint64_t frame = take(3);
    assert_int_equal(frames_free_count(), 504);
    for (unsigned order = 3; order < 9; order++)
        assert_true(take(order) != FRAME_NONE);
    assert_int_equal(frames_free_count(), 0);
    assert_in_range(frame, 512, 1023);
}

static void test_largest_blocks(void **state)
{
    (void)state;
    start(3ull << ORDER_1G); /* 3 GiB; nothing but bits is stored */
    frames_add(1ull << ORDER_1G, 3ull << ORDER_1G);
    uint64_t first = frames_alloc(ORDER_1G), second = frames_alloc(ORDER_1G);
    assert_true(first != second && first % (1ull << ORDER_1G) == 0 && second % (1ull << ORDER_1G) == 0);
    assert_true(frames_alloc(0) == FRAME_NONE);
    frames_free(second, ORDER_1G); /* two of them never join further */
    frames_free(first, ORDER_1G);
    assert_int_equal(frames_free_count(), 2ull << ORDER_1G);
    assert_true(frames_alloc(ORDER_1G) != FRAME_NONE);
}

static void test_random_run(void **state)
{
    (void)state;
    struct {
        uint64_t frame;
        unsigned order;
    } held[600];
    uint64_t random = 0x2545f4914f6cdd1d, used = 0;
    unsigned count = 0;
    start(FRAMES);
    frames_add(1, 700);
    frames_add(701, FRAMES);
    uint64_t total = frames_free_count();
    for (unsigned i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        unsigned order = (unsigned)__builtin_ctzll(random | 1ull << 10) % 11;
        if (count < 600 && random >> 62) {
            uint64_t frame = take(order);
            if (frame != FRAME_NONE) {
                assert_true(frame > 0 && !(frame <= 700 && frame + (1ull << order) > 700)); /* never added */
                held[count].frame = frame;
                held[count++].order = order;
                used += 1ull << order;
            }
        } else if (count > 0) {
            unsigned which = (unsigned)(random >> 20) % count;
            give(held[which].frame, held[which].order);
            used -= 1ull << held[which].order;
            held[which] = held[--count];
        }
        assert_int_equal(frames_free_count(), total - used);
    }
    while (count > 0) {
        count--;
        give(held[count].frame, held[count].order);
    }
    assert_int_equal(take(ORDER_2M),
                     1024); /* the only whole one: frames 0 and 700 are holes, the end is ragged */
    assert_true(frames_alloc(ORDER_2M) == FRAME_NONE);
}

static int finish(void **state)
{
    (void)state;
    free(metadata);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_single_frames),
        cmocka_unit_test(test_joining),
        cmocka_unit_test(test_not_joined_across_a_hole),
        cmocka_unit_test(test_split_keeps_the_rest),
        cmocka_unit_test(test_largest_blocks),
        cmocka_unit_test(test_random_run),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
