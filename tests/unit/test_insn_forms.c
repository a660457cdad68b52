/*
 * Ring 0's instruction reader: lengths, operands, and what it must refuse.
 *
 * sources: lib/insn.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "insn.h"
#include "vcpu_state.h"

struct sample {
    const char *what;
    unsigned bits;
    uint8_t bytes[16];
    uint8_t count;  /* bytes given */
    uint8_t length; /* 0: refused */
    uint16_t opcode;
};

#define BYTES(...) {__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__})

static const struct sample samples[] = {
    {"CPUID", 32, BYTES(0x0f, 0xa2), 2, INSN_CPUID},
    {"CPUID behind two prefixes", 32, BYTES(0x66, 0x2e, 0x0f, 0xa2), 4, INSN_CPUID},
    {"CPUID with REX", 64, BYTES(0x48, 0x0f, 0xa2), 3, INSN_CPUID},
    {"0x48 is DEC in 32-bit code", 32, BYTES(0x48, 0x0f, 0xa2), 0, 0},
    {"HLT", 16, BYTES(0xf4), 1, INSN_HLT},
    {"VMMCALL", 32, BYTES(0x0f, 0x01, 0xd9), 3, INSN_GROUP7},
    {"RDTSCP", 64, BYTES(0x0f, 0x01, 0xf9), 3, INSN_GROUP7},
    {"MOV CR0, EAX", 32, BYTES(0x0f, 0x22, 0xc0), 3, INSN_MOV_TO_CR},
    {"MOV CR with a memory mod is a register all the same", 32, BYTES(0x0f, 0x22, 0x05), 3, INSN_MOV_TO_CR},
    {"LOCK MOV CR0", 32, BYTES(0xf0, 0x0f, 0x20, 0xc0), 4, INSN_MOV_FROM_CR},
    {"SMSW [BX+SI]", 16, BYTES(0x0f, 0x01, 0x20), 3, INSN_GROUP7},
    {"SMSW [disp16]", 16, BYTES(0x0f, 0x01, 0x26, 0x34, 0x12), 5, INSN_GROUP7},
    {"LMSW [disp32]", 32, BYTES(0x0f, 0x01, 0x35, 1, 2, 3, 4), 7, INSN_GROUP7},
    {"LMSW [disp32] in 16-bit code", 16, BYTES(0x67, 0x0f, 0x01, 0x35, 1, 2, 3, 4), 8, INSN_GROUP7},
    {"MOV [disp32], EAX by ModRM", 32, BYTES(0x89, 0x05, 0xb0, 0, 0xe0, 0xfe), 6, INSN_MOV_RM_R},
    {"MOV ECX, [EAX+disp8]", 32, BYTES(0x8b, 0x48, 0x10), 3, INSN_MOV_R_RM},
    {"MOV ECX, [EAX+disp32]", 32, BYTES(0x8b, 0x88, 0x10, 0, 0, 0), 6, INSN_MOV_R_RM},
    {"MOV with SIB", 32, BYTES(0x8b, 0x0c, 0x24), 3, INSN_MOV_R_RM},
    {"MOV with SIB without base", 32, BYTES(0x8b, 0x0c, 0x25, 1, 2, 3, 4), 7, INSN_MOV_R_RM},
    {"MOV with SIB and disp8", 32, BYTES(0x8b, 0x4c, 0x25, 1), 4, INSN_MOV_R_RM},
    {"MOV with SIB of R13, which means RBP", 64, BYTES(0x41, 0x8b, 0x0c, 0x25, 1, 2, 3, 4), 8, INSN_MOV_R_RM},
    {"MOV EAX, moffs32", 32, BYTES(0xa1, 0x20, 0, 0xe0, 0xfe), 5, INSN_MOV_AX_MOFFS},
    {"MOV EAX, moffs64", 64, BYTES(0xa1, 1, 2, 3, 4, 5, 6, 7, 8), 9, INSN_MOV_AX_MOFFS},
    {"MOV EAX, moffs32 in 64-bit code", 64, BYTES(0x67, 0xa1, 1, 2, 3, 4), 6, INSN_MOV_AX_MOFFS},
    {"MOV [EAX], imm32", 32, BYTES(0xc7, 0x00, 1, 2, 3, 4), 6, INSN_MOV_RM_IMM},
    {"MOV [EAX], imm16", 32, BYTES(0x66, 0xc7, 0x00, 1, 2), 5, INSN_MOV_RM_IMM},
    {"MOV [RAX], imm32 for 64 bits", 64, BYTES(0x48, 0xc7, 0x00, 1, 2, 3, 4), 7, INSN_MOV_RM_IMM},
    {"MOV [EAX], imm8", 32, BYTES(0xc6, 0x00, 1), 3, INSN_MOV_RM8_IMM},
    {"C7 /1 does not exist", 32, BYTES(0xc7, 0x08, 1, 2, 3, 4), 0, 0},
    {"ADD is the emulator's", 32, BYTES(0x01, 0x00), 0, 0},
    {"an unknown two-byte opcode", 32, BYTES(0x0f, 0x0b), 0, 0},
    {"fourteen prefixes and HLT", 32,
     BYTES(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0xf4), 15,
     INSN_HLT},
    {"fifteen prefixes are too many", 32,
     BYTES(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0xf4), 0,
     0},
    {"REX before a prefix does not count", 64, BYTES(0x48, 0x66, 0xc7, 0x00, 1, 2), 6, INSN_MOV_RM_IMM},
};

static void lengths_and_opcodes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *s = &samples[i];
        struct insn insn;
        bool known = insn_read(&insn, s->bytes, s->count, s->bits);
        if (known != (s->length != 0) || (known && (insn.length != s->length || insn.opcode != s->opcode)))
            fail_msg("%s: known %d, length %u, opcode %x", s->what, known, insn.length, insn.opcode);
    }
}

/* However the bytes are cut off, nothing beyond them is read (ASan watches) and the answer is no. */
static void cut_off(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        for (uint8_t count = 0; count < samples[i].length; count++) {
            uint8_t *bytes = test_malloc(count ? count : 1);
            struct insn insn;
            memcpy(bytes, samples[i].bytes, count);
            assert_false(insn_read(&insn, bytes, count, samples[i].bits));
            test_free(bytes);
        }
    }
}

static struct insn_move move_of(unsigned bits, const uint8_t *bytes, size_t count, bool expected)
{
    struct insn insn;
    struct insn_move move = {0};
    assert_true(insn_read(&insn, bytes, count, bits));
    assert_int_equal(insn_read_move(&insn, &move), expected);
    return move;
}

#define MOVE(bits, expected, ...)                                                                            \
    move_of(bits, (uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}), expected)

static void moves(void **state)
{
    (void)state;
    struct insn_move m = MOVE(32, true, 0x89, 0x0d, 0xb0, 0, 0xe0, 0xfe);
    assert_true(m.to_memory && !m.has_immediate && m.gpr == RCX && m.size == 4);
    m = MOVE(32, true, 0x8b, 0x1d, 0x20, 0, 0xe0, 0xfe);
    assert_true(!m.to_memory && m.gpr == RBX && m.size == 4);
    m = MOVE(64, true, 0x44, 0x8b, 0x3c, 0x25, 0x20, 0, 0xe0, 0xfe);
    assert_true(!m.to_memory && m.gpr == R15 && m.size == 4);
    m = MOVE(32, true, 0xa3, 0xb0, 0, 0xe0, 0xfe);
    assert_true(m.to_memory && m.gpr == RAX && m.size == 4);
    m = MOVE(64, true, 0x48, 0xc7, 0x00, 0xfe, 0xff, 0xff, 0xff);
    assert_true(m.to_memory && m.has_immediate && m.size == 8 && m.immediate == (uint64_t)-2);
    m = MOVE(32, true, 0x66, 0xc7, 0x00, 0x34, 0x12);
    assert_true(m.size == 2 && m.immediate == 0x1234);
    m = MOVE(32, true, 0x8a, 0x18);
    assert_true(m.size == 1 && m.gpr == RBX);
    MOVE(32, false, 0x8a, 0x20);          /* AH */
    m = MOVE(64, true, 0x40, 0x8a, 0x20); /* SPL */
    assert_int_equal(m.gpr, RSP);
    MOVE(32, false, 0x89, 0xc8);       /* register to register */
    MOVE(32, false, 0xf0, 0x89, 0x08); /* LOCK: #UD */
    MOVE(32, false, 0x0f, 0x01, 0x20); /* SMSW */
}

static void operands(void **state)
{
    (void)state;
    struct insn insn;
    assert_true(insn_read(&insn, (uint8_t[]){0x44, 0x0f, 0x22, 0xc7}, 4, 64));
    assert_int_equal(insn.reg, 8); /* CR8 */
    assert_int_equal(insn.rm, RDI);
    assert_int_equal(insn.operand_size, 8);
    assert_true(insn_read(&insn, (uint8_t[]){0x0f, 0x01, 0xe3}, 3, 16));
    assert_int_equal(insn.reg, GROUP7_REG_SMSW);
    assert_int_equal(insn.rm, RBX);
    assert_int_equal(insn.operand_size, 2);
    assert_false(insn.memory);
    assert_true(insn_read(&insn, (uint8_t[]){0xf0, 0x0f, 0x20, 0xc0}, 4, 32));
    assert_true(insn.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_and_opcodes),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(moves),
        cmocka_unit_test(operands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
