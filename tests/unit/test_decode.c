/*
 * The decoder held against Zydis: every opcode of the one-byte, 0F, 0F38 and 0F3A maps, with every ModRM
 * byte, many sets of prefixes, in 16-, 32- and 64-bit code. Length, sizes, operands and their addresses must
 * agree; where the two differ about what is valid, the table below says why.
 *
 * sources: lib/decode*.c
 * libraries: -lZydis
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "decode.h"
#include "vcpu_state.h"

static ZydisDecoder zydis[3];

static void set_up_zydis(void)
{
    static const ZydisMachineMode modes[] = {ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_MACHINE_MODE_LEGACY_32,
                                             ZYDIS_MACHINE_MODE_LONG_64};
    static const ZydisStackWidth widths[] = {ZYDIS_STACK_WIDTH_16, ZYDIS_STACK_WIDTH_32,
                                             ZYDIS_STACK_WIDTH_64};
    for (unsigned i = 0; i < 3; i++) {
        ZydisDecoderInit(&zydis[i], modes[i], widths[i]);
        ZydisDecoderEnableMode(&zydis[i], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
    }
}

/* What differs between the two about one instruction; NULL: nothing. */
struct comparison {
    struct instruction ours;
    enum decode_status status;
    ZydisDecodedInstruction theirs;
    ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
    ZyanStatus their_status;
    char what[160];
};

static enum decode_status translate_status(ZyanStatus status)
{
    if (ZYAN_SUCCESS(status))
        return DECODE_OK;
    if (status == ZYDIS_STATUS_NO_MORE_DATA)
        return DECODE_MORE;
    return status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? DECODE_TOO_LONG : DECODE_INVALID;
}

static int same_gpr(const struct operand *ours, ZydisRegister theirs)
{
    unsigned number = ours->reg;
    if (ours->kind == OPERAND_GPR_HIGH)
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_AH + number);
    switch (ours->size) {
    case 1:
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_AL + number + (number >= 4 ? 4 : 0));
    case 2:
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_AX + number);
    case 4:
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_EAX + number);
    default:
        return theirs == (ZydisRegister)(ZYDIS_REGISTER_RAX + number);
    }
}

static int same_register(const struct operand *ours, ZydisRegister theirs)
{
    static const ZydisRegister first[] = {
        [OPERAND_SEGMENT] = ZYDIS_REGISTER_ES, [OPERAND_CONTROL] = ZYDIS_REGISTER_CR0,
        [OPERAND_DEBUG] = ZYDIS_REGISTER_DR0,  [OPERAND_X87] = ZYDIS_REGISTER_ST0,
        [OPERAND_MMX] = ZYDIS_REGISTER_MM0,    [OPERAND_XMM] = ZYDIS_REGISTER_XMM0,
    };
    if (ours->kind == OPERAND_GPR || ours->kind == OPERAND_GPR_HIGH)
        return same_gpr(ours, theirs);
    if (ours->kind < OPERAND_SEGMENT || ours->kind > OPERAND_XMM)
        return 0;
    return theirs == (ZydisRegister)(first[ours->kind] + ours->reg);
}

static ZydisRegister address_register(unsigned number, unsigned size)
{
    if (number == BASE_NONE)
        return ZYDIS_REGISTER_NONE;
    if (number == BASE_RIP)
        return size == 4 ? ZYDIS_REGISTER_EIP : ZYDIS_REGISTER_RIP;
    return (size == 2 ? ZYDIS_REGISTER_AX : size == 4 ? ZYDIS_REGISTER_EAX : ZYDIS_REGISTER_RAX) + number;
}

static const char *compare_memory(const struct instruction *in, const struct operand *ours,
                                  const ZydisDecodedOperandMem *theirs)
{
    struct memory_operand memory = in->memory;
    if (ours->kind == OPERAND_STRING_SI)
        memory.base = RSI;
    if (ours->kind == OPERAND_STRING_DI)
        memory.base = RDI, memory.segment = SEG_ES;
    if (ours->kind != OPERAND_MEMORY)
        memory.index = BASE_NONE;
    if (theirs->base != address_register(memory.base, in->address_size))
        return "base";
    if (theirs->index != address_register(memory.index, in->address_size))
        return "index";
    if (theirs->index != ZYDIS_REGISTER_NONE && theirs->scale != memory.scale)
        return "scale";
    uint64_t mask = in->address_size == 8 ? ~0ull : (1ull << 8 * in->address_size) - 1;
    if ((theirs->disp.value ^ memory.displacement) & mask)
        return "displacement";
    if (theirs->segment != (ZydisRegister)(ZYDIS_REGISTER_ES + memory.segment) &&
        theirs->type == ZYDIS_MEMOP_TYPE_MEM)
        return "segment";
    return NULL;
}

static const char *compare_operand(const struct instruction *in, const struct operand *ours,
                                   const ZydisDecodedOperand *theirs)
{
    int64_t immediate = ours->kind == OPERAND_ONE           ? 1
                        : ours->kind == OPERAND_IMMEDIATE_2 ? in->immediate2
                                                            : in->immediate;
    const char *what;
    int access = (theirs->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? OPERAND_READ : 0) |
                 (theirs->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? OPERAND_WRITE : 0);

    switch (theirs->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        if (!same_register(ours, theirs->reg.value))
            return "register";
        break;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        if (ours->kind != OPERAND_MEMORY && ours->kind != OPERAND_STRING_SI &&
            ours->kind != OPERAND_STRING_DI)
            return "kind (memory)";
        if ((what = compare_memory(in, ours, &theirs->mem)) != NULL)
            return what;
        if (theirs->mem.type == ZYDIS_MEMOP_TYPE_AGEN ? ours->size
                                                      : ours->access && ours->size * 8 != theirs->size)
            return "memory size";
        break;
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        if (ours->kind < OPERAND_IMMEDIATE || ours->kind > OPERAND_ONE)
            return "kind (immediate)";
        if ((immediate ^ theirs->imm.value.s) & (theirs->size == 64 ? -1ll : (1ll << theirs->size) - 1))
            return "immediate";
        break;
    case ZYDIS_OPERAND_TYPE_POINTER:
        if (ours->kind != OPERAND_FAR || (uint32_t)in->immediate != theirs->ptr.offset ||
            in->immediate2 != theirs->ptr.segment)
            return "far pointer";
        break;
    default:
        return "kind";
    }
    /* For a register it only counts whether it is written: the two differ in what they call merging. */
    if (theirs->type == ZYDIS_OPERAND_TYPE_REGISTER)
        access = (access & OPERAND_WRITE) | (ours->access & OPERAND_READ);
    return access == ours->access || !ours->access ? NULL : "access";
}

/* Where the two differ by design. A difference that is never met is an error too. */
static int vector_opcode(const struct comparison *c)
{
    return c->ours.map >= MAP_VEX && translate_status(c->their_status) == DECODE_INVALID &&
           (c->status == DECODE_OK || c->status == DECODE_TOO_LONG);
}

static int padlock(const struct comparison *c)
{
    return c->ours.map == MAP_0F && (c->ours.opcode == 0xa6 || c->ours.opcode == 0xa7) &&
           c->status == DECODE_INVALID;
}

static int movsxd_16(const struct comparison *c)
{
    return c->ours.map == MAP_ONE_BYTE && c->ours.opcode == 0x63 && c->ours.mode == DECODE_64 &&
           c->ours.operand_size == 2;
}

static int hint(const struct comparison *c)
{
    return c->ours.map == MAP_0F && (c->ours.opcode == 0x0d || (c->ours.opcode & 0xf8) == 0x18) &&
           ZYAN_SUCCESS(c->their_status) && c->status == DECODE_OK && c->ours.length == c->theirs.length;
}

static int prefetch_register(const struct comparison *c)
{
    return c->ours.map == MAP_0F && c->ours.opcode == 0x0d && c->ours.modrm >= 0xc0 &&
           c->status == DECODE_INVALID && ZYAN_SUCCESS(c->their_status);
}

static int enclave(const struct comparison *c)
{
    return c->ours.map == MAP_0F && c->ours.opcode == 0x01 && ZYAN_SUCCESS(c->their_status) &&
           (c->theirs.mnemonic == ZYDIS_MNEMONIC_ENCLS || c->theirs.mnemonic == ZYDIS_MNEMONIC_ENCLU ||
            c->theirs.mnemonic == ZYDIS_MNEMONIC_ENCLV);
}

static int lsl_source(const struct comparison *c)
{
    return c->ours.map == MAP_0F && c->ours.opcode == 0x03 && (c->ours.rex & REX_W) &&
           c->ours.modrm >= 0xc0 && c->status == DECODE_OK && c->ours.length == c->theirs.length;
}

static int pause_r8(const struct comparison *c)
{
    return c->ours.map == MAP_ONE_BYTE && c->ours.opcode == 0x90 && (c->ours.prefixes & PREFIX_REP) &&
           (c->ours.rex & REX_B) && c->theirs.mnemonic == ZYDIS_MNEMONIC_PAUSE;
}

static int knights_corner(const struct comparison *c)
{
    return ZYAN_SUCCESS(c->their_status) &&
           (c->theirs.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
            c->theirs.mnemonic == ZYDIS_MNEMONIC_JKZD || c->theirs.mnemonic == ZYDIS_MNEMONIC_JKNZD);
}

static int no_base(const struct comparison *c)
{
    return c->ours.has_sib && c->ours.address_size == 4 && (c->ours.rex & REX_B) && (c->ours.sib & 7) == 5 &&
           c->ours.modrm < 0x40 && ZYAN_SUCCESS(c->their_status) && c->ours.length == c->theirs.length;
}

static int lock_mov_cr(const struct comparison *c)
{
    return c->ours.map == MAP_0F && (c->ours.opcode == 0x20 || c->ours.opcode == 0x22) &&
           (c->ours.prefixes & PREFIX_LOCK) && c->status == DECODE_OK && !(c->ours.modrm & 0x38);
}

static struct difference {
    const char *reason;
    int (*applies)(const struct comparison *c);
    unsigned long met;
} differences[] = {
    {"of VEX, EVEX and XOP we know the lengths, not which opcodes are defined", vector_opcode, 0},
    {"0F A6 and 0F A7 are VIA's PadLock, on no processor with VT-x or SVM", padlock, 0},
    {"MOVSXD with a 16-bit operand size reads 16 bits (SDM), theirs reads 32", movsxd_16, 0},
    {"prefetches and hint NOPs: what their operands are differs by vendor; length and address count", hint,
     0},
    {"0F 0D with a register is #UD on AMD, a hint NOP on Intel and in theirs", prefetch_register, 0},
    {"ENCLS, ENCLU, ENCLV: theirs forces the address size", enclave, 0},
    {"LSL with REX.W: the source register is 32 bits in theirs, 64 here; 16 bits of it count", lsl_source, 0},
    {"F3 90 with REX.B is XCHG R8, RAX on AMD's processors, PAUSE in theirs", pause_r8, 0},
    {"MVEX, JKZD and JKNZD are Knights Corner's alone", knights_corner, 0},
    {"SIB base 5 with mod 0 is no base whatever REX.B says (SDM table 2-5); theirs forgets it for 32-bit "
     "addresses",
     no_base, 0},
    {"LOCK MOV CR0 is MOV CR8 on AMD's processors (APM Vol. 3), #UD in theirs", lock_mov_cr, 0},
};

static void compare(struct comparison *c)
{
    const char *what = NULL;
    unsigned i;

    c->what[0] = 0;
    for (i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
        if (differences[i].applies(c)) {
            differences[i].met++;
            return;
        }
    if (translate_status(c->their_status) != c->status) {
        snprintf(c->what, sizeof(c->what), "status %d, theirs %d (%x)", c->status,
                 translate_status(c->their_status), c->their_status);
        return;
    }
    if (c->status != DECODE_OK)
        return;
    if (c->ours.length != c->theirs.length) {
        snprintf(c->what, sizeof(c->what), "length %d, theirs %d", c->ours.length, c->theirs.length);
        return;
    }
    if (c->ours.address_size * 8 != c->theirs.address_width) {
        snprintf(c->what, sizeof(c->what), "address size");
        return;
    }
    if (c->ours.map >= MAP_VEX)
        return;
    for (i = 0; i < INSTRUCTION_OPERANDS; i++) {
        if (c->ours.operand[i].kind == OPERAND_NONE && i >= c->theirs.operand_count_visible)
            return;
        if (i >= c->theirs.operand_count)
            what = "more operands than theirs";
        else
            what = compare_operand(&c->ours, &c->ours.operand[i], &c->operand[i]);
        if (what)
            break;
    }
    if (what)
        snprintf(c->what, sizeof(c->what),
                 "operand %u: %s (kind %u size %u access %u, theirs type %d size %d actions %x)", i, what,
                 c->ours.operand[i].kind, c->ours.operand[i].size, c->ours.operand[i].access,
                 c->operand[i].type, c->operand[i].size, c->operand[i].actions);
}

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
