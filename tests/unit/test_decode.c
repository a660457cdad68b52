/*
 * The decoder held against Zydis: every opcode of the one-byte, 0F, 0F38 and 0F3A maps, with every ModRM
 * byte, many sets of prefixes, in 16-, 32- and 64-bit code. Length, sizes, operands and their addresses must
 * agree; where the two differ about what is valid, the table in zydis_compare.h says why.
 *
 * sources: lib/decode*.c
 * libraries: -lZydis
 */
#include "zydis_compare.h"

struct tally {
    unsigned long checked, valid;
    unsigned different;
    char last[300];
};

static struct comparison last;

static void check(struct tally *tally, const uint8_t *bytes, size_t size, enum decode_mode mode)
{

    last.status = instruction_decode(&last.ours, bytes, size, mode);
    last.their_status = ZydisDecoderDecodeFull(&zydis[mode], bytes, size, &last.theirs, last.operand);
    compare(&last);
    tally->checked++;
    tally->valid += last.status == DECODE_OK;
    if (!last.what[0])
        return;
    char line[300];
    tally->different++;
    snprintf(line, sizeof(line), "map %d opcode %02x mandatory %02x %s: %s", last.ours.map, last.ours.opcode,
             last.ours.mandatory,
             ZYAN_SUCCESS(last.their_status) ? ZydisMnemonicGetString(last.theirs.mnemonic) : "-", last.what);
    if (strcmp(line, tally->last) == 0)
        return;
    strcpy(tally->last, line);
    fprintf(stderr, "mode %d, bytes", 16 << mode);
    for (size_t i = 0; i < 12; i++)
        fprintf(stderr, " %02x", bytes[i]);
    fprintf(stderr, ": %s\n", line);
}

static const char *const prefix_sets[] = {
    "",
    "\x66",
    "\x67",
    "\xf2",
    "\xf3",
    "\xf0",
    "\x2e",
    "\x36",
    "\x64",
    "\x66\xf2",
    "\x66\xf3",
    "\xf3\xf2",
    "\xf2\xf3",
    "\xf0\x66",
    "\x67\x66\x65",
    "\x26\x67",
    /* REX, in 64-bit code only */
    "\x40",
    "\x41",
    "\x44",
    "\x48",
    "\x4f",
    "\x66\x48",
    "\xf2\x48",
    "\xf3\x4c",
    "\xf0\x49",
    "\x64\x42",
    "\x66\x67\x41",
    "\x48\x66",
};
enum { LEGACY_SETS = 16, ALL_SETS = sizeof(prefix_sets) / sizeof(prefix_sets[0]) };

static void check_map(const char *escape, int modrm_step)
{
    static const uint8_t tail[] = {0x25, 0x9a, 0xbc, 0xde, 0xf1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
    struct tally tally = {0};

    for (enum decode_mode mode = DECODE_16; mode <= DECODE_64; mode++)
        for (unsigned opcode = 0; opcode < 256; opcode++)
            for (unsigned set = 0; set < (mode == DECODE_64 ? ALL_SETS : LEGACY_SETS); set++) {
                uint8_t bytes[32];
                size_t at = strlen(prefix_sets[set]);
                memcpy(bytes, prefix_sets[set], at);
                memcpy(bytes + at, escape, strlen(escape));
                at += strlen(escape);
                bytes[at++] = opcode;
                memcpy(bytes + at + 1, tail, sizeof(tail));
                for (unsigned modrm = 0; modrm < 256; modrm += modrm_step) {
                    bytes[at] = modrm;
                    check(&tally, bytes, at + 1 + sizeof(tail), mode);
                }
            }
    print_message("%lu encodings, %lu of them valid\n", tally.checked, tally.valid);
    assert_true(tally.valid > 10000);
    assert_int_equal(tally.different, 0);
}

static void one_byte_map(void **unused)
{
    (void)unused;
    check_map("", 1);
}

static void two_byte_map(void **unused)
{
    (void)unused;
    check_map("\x0f", 1);
}

static void map_0f38(void **unused)
{
    (void)unused;
    check_map("\x0f\x38", 1);
}

static void map_0f3a(void **unused)
{
    (void)unused;
    check_map("\x0f\x3a", 1);
}

static void all_sib_bytes(void **unused)
{
    static const char *const sets[] = {"", "\x67", "\x42", "\x41", "\x4f", "\x67\x4b", "\x36", "\x65\x4e"};
    struct tally tally = {0};

    (void)unused;
    for (enum decode_mode mode = DECODE_16; mode <= DECODE_64; mode++)
        for (unsigned set = 0; set < sizeof(sets) / sizeof(sets[0]); set++)
            for (unsigned modrm = 4; modrm < 0xc0; modrm += 8)
                for (unsigned sib = 0; sib < 256; sib++) {
                    uint8_t bytes[32] = {0};
                    size_t at = strlen(sets[set]);
                    memcpy(bytes, sets[set], at);
                    memcpy(bytes + at, (uint8_t[]){0x8b, modrm, sib, 0x80, 0x91, 0xa2, 0xf3}, 7);
                    check(&tally, bytes, at + 7, mode);
                }
    assert_int_equal(tally.different, 0);
}

/* VEX, EVEX and XOP: lengths, for each opcode of each map. */
static void vector_lengths(void **unused)
{
    static const char *const escapes[] = {
        "\xc5\xf8",         "\xc5\xfd",         "\xc4\xe1\x79",     "\xc4\xe2\x79",     "\xc4\xe2\xfd",
        "\xc4\xe3\x79",     "\xc4\xe3\xfd",     "\xc4\xe2\x7b",     "\x8f\xe8\x78",     "\x8f\xe9\x78",
        "\x8f\xea\x78",     "\x62\xf1\x7c\x48", "\x62\xf1\xfd\x48", "\x62\xf2\x7d\x48", "\x62\xf2\xfd\x48",
        "\x62\xf3\x7d\x48", "\x62\xf3\xfd\x48", "\x67\xc5\xf9",     "\x65\xc4\xe2\x7a", "\x62\xf1\x7f\x08"};
    struct tally tally = {0};
    unsigned long both = 0;

    (void)unused;
    for (enum decode_mode mode = DECODE_16; mode <= DECODE_64; mode++)
        for (unsigned escape = 0; escape < sizeof(escapes) / sizeof(escapes[0]); escape++)
            for (unsigned opcode = 0; opcode < 256; opcode++)
                for (unsigned modrm = 0; modrm < 256; modrm++) {
                    uint8_t bytes[32] = {0};
                    size_t at = strlen(escapes[escape]);
                    memcpy(bytes, escapes[escape], at);
                    memcpy(bytes + at, (uint8_t[]){opcode, modrm, 0x12, 0x23, 0x34, 0x45, 0x56, 0x67}, 8);
                    check(&tally, bytes, at + 16, mode);
                    both += ZYAN_SUCCESS(last.their_status);
                }
    print_message("%lu valid in both\n", both);
    assert_true(both > 100000);
    assert_int_equal(tally.different, 0);
}

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void random_bytes(void **unused)
{
    struct tally tally = {0};

    (void)unused;
    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t words[3] = {random_next(), random_next(), random_next()};
        check(&tally, (const uint8_t *)words, sizeof(words), i % 3);
    }
    assert_int_equal(tally.different, 0);
}

/* Prefixes up to, at and over the limit of 15 bytes. */
static void length_limit(void **unused)
{
    struct tally tally = {0};

    (void)unused;
    for (enum decode_mode mode = DECODE_16; mode <= DECODE_64; mode++)
        for (unsigned prefixes = 5; prefixes <= 16; prefixes++) {
            uint8_t bytes[32];
            memset(bytes, 0x2e, sizeof(bytes));
            memcpy(bytes + prefixes, "\x81\x05\x01\x02\x03\x04\x05\x06\x07\x08", 10);
            check(&tally, bytes, sizeof(bytes), mode);
            assert_int_equal(last.status,
                             prefixes + (mode == DECODE_16 ? 4 : 10) <= 15 ? DECODE_OK : DECODE_TOO_LONG);
            bytes[prefixes] = 0x90;
            check(&tally, bytes, sizeof(bytes), mode);
            assert_int_equal(last.status, prefixes < 15 ? DECODE_OK : DECODE_TOO_LONG);
        }
    assert_int_equal(tally.different, 0);
}

/* With fewer bytes than its length, an instruction is unfinished, never invalid, and nothing beyond is read.
 */
static void truncation(void **unused)
{
    unsigned long cut = 0;

    (void)unused;
    for (unsigned i = 0; i < 200000; i++) {
        uint64_t words[2] = {random_next(), random_next()};
        struct instruction whole, part;
        if (instruction_decode(&whole, (const uint8_t *)words, sizeof(words), i % 3) != DECODE_OK)
            continue;
        for (size_t have = 0; have < whole.length; have++, cut++) {
            uint8_t *bytes = malloc(have + (have == 0));
            memcpy(bytes, words, have);
            assert_int_equal(instruction_decode(&part, bytes, have, i % 3), DECODE_MORE);
            free(bytes);
        }
    }
    assert_true(cut > 100000);
}

static void differences_are_real(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < sizeof(differences) / sizeof(differences[0]); i++) {
        print_message("%lu: %s\n", differences[i].met, differences[i].reason);
        assert_true(differences[i].met > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_byte_map),  cmocka_unit_test(two_byte_map),
        cmocka_unit_test(map_0f38),      cmocka_unit_test(map_0f3a),
        cmocka_unit_test(all_sib_bytes), cmocka_unit_test(vector_lengths),
        cmocka_unit_test(random_bytes),  cmocka_unit_test(length_limit),
        cmocka_unit_test(truncation),    cmocka_unit_test(differences_are_real)};
    set_up_zydis();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
