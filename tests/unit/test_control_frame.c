/*
 * Frames of the control protocol: what goes in comes out, whatever lies around it.
 *
 * sources: lib/control_frame.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "control_frame.h"
#include "little_endian.h"

enum { STREAM_SIZE = 65536 };

static uint8_t stream[STREAM_SIZE];
static size_t stream_size;
static struct control_decoder decoder;

static uint8_t *add(uint32_t id, const void *payload, uint32_t length)
{
    uint8_t *at = stream + stream_size;
    stream_size += control_encode(
        at, &(struct control_frame){
                .kind = CONTROL_PIECE, .id = id, .sequence = id + 1, .length = length, .payload = payload});
    return at;
}

static void add_bytes(const void *bytes, size_t count)
{
    memcpy(stream + stream_size, bytes, count);
    stream_size += count;
}

/* Feeds the stream in pieces of `step` bytes; ids[] receives what came. Returns the number of frames. */
static unsigned run(size_t step, uint32_t *ids, unsigned most)
{
    struct control_frame frame;
    unsigned found = 0;

    memset(&decoder, 0, sizeof decoder);
    for (size_t at = 0; at < stream_size;) {
        size_t part = stream_size - at < step ? stream_size - at : step;
        size_t taken = control_put(&decoder, stream + at, part);
        assert_true(taken > 0);
        at += taken;
        while (control_next(&decoder, &frame)) {
            assert_true(found < most);
            assert_int_equal(frame.sequence, frame.id + 1);
            assert_true(frame.length <= CONTROL_PAYLOAD_MAX);
            ids[found++] = frame.id;
        }
    }
    return found;
}

static void assert_ids(unsigned count, const uint32_t *wanted)
{
    static const size_t steps[] = {1, 7, 1000, STREAM_SIZE};
    uint32_t ids[64];

    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        assert_int_equal(run(steps[i], ids, 64), count);
        assert_memory_equal(ids, wanted, count * sizeof(uint32_t));
    }
}

static int begin(void **state)
{
    (void)state;
    stream_size = 0;
    return 0;
}

/* The check value that catalogues of CRCs give for this one. */
static void test_crc(void **state)
{
    (void)state;
    assert_int_equal(control_crc("123456789", 9), 0xcbf43926);
    assert_int_equal(control_crc("", 0), 0);
}

static void test_layout(void **state)
{
    static const uint8_t wanted[] = {0x4e, 0xba, 1,    2,    0x44, 0x33, 0x22, 0x11,
                                     0x45, 0x33, 0x22, 0x11, 3,    0,    0,    0};
    (void)state;
    const uint8_t *frame = add(0x11223344, "abc", 3);
    assert_int_equal(stream_size, CONTROL_HEADER_SIZE + 3 + CONTROL_CRC_SIZE);
    assert_memory_equal(frame, wanted, sizeof wanted);
    assert_int_equal(load32(frame + 16), control_crc(wanted, sizeof wanted));
    assert_memory_equal(frame + 20, "abc", 3);
    assert_int_equal(load32(frame + 23), control_crc("abc", 3));
}

static void test_lengths(void **state)
{
    static uint8_t payload[CONTROL_PAYLOAD_MAX];
    (void)state;
    add(1, payload, 0);
    add(2, payload, 1);
    add(3, payload, CONTROL_PAYLOAD_MAX);
    add(4, payload, CONTROL_PAYLOAD_MAX - 1);
    assert_ids(4, (uint32_t[]){1, 2, 3, 4});
    assert_int_equal(decoder.skipped, 0);
}

static void test_payload_arrives(void **state)
{
    struct control_frame frame;
    (void)state;
    add(7, "what was sent", 13);
    memset(&decoder, 0, sizeof decoder);
    control_put(&decoder, stream, stream_size);
    assert_true(control_next(&decoder, &frame));
    assert_int_equal(frame.version, CONTROL_VERSION);
    assert_int_equal(frame.kind, CONTROL_PIECE);
    assert_int_equal(frame.length, 13);
    assert_memory_equal(frame.payload, "what was sent", 13);
    assert_false(control_next(&decoder, &frame));
}

static void test_garbage_before_between_and_behind(void **state)
{
    (void)state;
    add_bytes("\r\nlogin: \x4e\x4e", 11);
    add(1, "one", 3);
    add_bytes("N\xba\x01\x02", 4); /* the beginning of a header */
    add(2, "two", 3);
    add_bytes("N", 1);
    add(3, "three", 5);
    add_bytes("\0\0\0", 3);
    assert_ids(3, (uint32_t[]){1, 2, 3});
    assert_true(decoder.skipped >= 16);
}

/* It is not waited for, although its header is whole. */
static void test_a_claim_of_4_gib(void **state)
{
    (void)state;
    uint8_t *frame = add(9, "", 0);
    store32(frame + 12, UINT32_MAX);
    store32(frame + 16, control_crc(frame, 16));
    add(1, "one", 3);
    frame = add(9, "", 0);
    store32(frame + 12, CONTROL_PAYLOAD_MAX + 1);
    store32(frame + 16, control_crc(frame, 16));
    add(2, "two", 3);
    assert_ids(2, (uint32_t[]){1, 2});
}

/* A frame that lost bytes claims those of the next ones, which are found all the same. */
static void test_lost_bytes(void **state)
{
    static uint8_t payload[100];
    (void)state;
    add(1, payload, sizeof payload);
    add(9, payload, sizeof payload);
    stream_size -= 60;
    add(2, payload, 5);
    add(3, payload, 5);
    add(4, payload, sizeof payload);
    assert_ids(4, (uint32_t[]){1, 2, 3, 4});
}

static void test_each_bit_counts(void **state)
{
    uint32_t ids[4];
    (void)state;
    add(1, "payload", 7);
    size_t size = stream_size;
    for (size_t bit = 0; bit < 8 * size; bit++) {
        stream_size = 0;
        add(1, "payload", 7)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        add(2, "next", 4);
        assert_int_equal(run(STREAM_SIZE, ids, 4), 1);
        assert_int_equal(ids[0], 2);
    }
}

static void test_a_line_of_noise_with_frames_in_it(void **state)
{
    uint32_t wanted[32];
    (void)state;
    srand(1);
    for (unsigned i = 0; i < 32; i++) {
        for (int noise = rand() % 600; noise > 0; noise--)
            stream[stream_size++] = rand() % 4 ? (uint8_t)rand() : 0x4e;
        wanted[i] = i;
        add(i, stream, (uint32_t)rand() % 300);
    }
    assert_ids(32, wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_crc, begin),
        cmocka_unit_test_setup(test_layout, begin),
        cmocka_unit_test_setup(test_lengths, begin),
        cmocka_unit_test_setup(test_payload_arrives, begin),
        cmocka_unit_test_setup(test_garbage_before_between_and_behind, begin),
        cmocka_unit_test_setup(test_a_claim_of_4_gib, begin),
        cmocka_unit_test_setup(test_lost_bytes, begin),
        cmocka_unit_test_setup(test_each_bit_counts, begin),
        cmocka_unit_test_setup(test_a_line_of_noise_with_frames_in_it, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
