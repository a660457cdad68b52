/*
 * Ring 0's instruction reader (lib/insn.c) held against Zydis: every opcode that it knows, with every ModRM
 * byte, many sets of prefixes, in 16-, 32- and 64-bit code. What both accept must have the same length and
 * operands; what Zydis accepts of these opcodes must be accepted here. Bytes cut off are refused.
 *
 * sources: lib/insn.c
 * libraries: -lZydis
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "insn.h"
#include "vcpu_state.h"

static const uint16_t opcodes[] = {
    INSN_MOV_RM8_R8,   INSN_MOV_RM_R,     INSN_MOV_R8_RM8,   INSN_MOV_R_RM,    INSN_MOV_AL_MOFFS,
    INSN_MOV_AX_MOFFS, INSN_MOV_MOFFS_AL, INSN_MOV_MOFFS_AX, INSN_MOV_RM8_IMM, INSN_MOV_RM_IMM,
    INSN_INT3,         INSN_IRET,         INSN_ICEBP,        INSN_HLT,         INSN_GROUP7,
    INSN_CLTS,         INSN_INVD,         INSN_WBINVD,       INSN_MOV_FROM_CR, INSN_MOV_FROM_DR,
    INSN_MOV_TO_CR,    INSN_MOV_TO_DR,    INSN_WRMSR,        INSN_RDTSC,       INSN_RDMSR,
    INSN_RDPMC,        INSN_CPUID,
};

static const char *const prefixes[] = {
    "",     "\x66", "\x67", "\x66\x67", "\xf3",     "\xf2",         "\x2e", "\x65\x66",    "\x48",
    "\x44", "\x41", "\x4d", "\x66\x48", "\x48\x66", "\x67\x42\x41", "\xf0", "\x64\x67\x4c"};

static const struct {
    unsigned bits;
    ZydisMachineMode mode;
    ZydisStackWidth width;
} modes[] = {{16, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16},
             {32, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32},
             {64, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64}};

static ZydisDecoder decoder;
static ZydisDecodedInstruction theirs;
static ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
static char where[80];

static void describe(const uint8_t *bytes, unsigned bits)
{
    int at = snprintf(where, sizeof where, "%u bits:", bits);
    for (unsigned i = 0; i < 10; i++)
        at += snprintf(where + at, sizeof where - (size_t)at, " %02x", bytes[i]);
}

#define expect(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_msg("%s: %s", where, #condition);                                                           \
    } while (0)

/* Number of a general register by its encoding, AH to BH as 4 to 7. */
static unsigned gpr_of(ZydisRegister reg)
{
    if (reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH)
        return 4 + (reg - ZYDIS_REGISTER_AH);
    if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B) /* Zydis numbers them after AH to BH */
        return 4 + (reg - ZYDIS_REGISTER_SPL);
    return (unsigned)ZydisRegisterGetId(reg);
}

static bool is_mov(uint16_t opcode)
{
    return opcode < INSN_INT3;
}

static void compare_mov(const struct insn *ours)
{
    struct insn_move move;
    bool to_memory = operand[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
    bool memory = to_memory || operand[1].type == ZYDIS_OPERAND_TYPE_MEMORY;
    const ZydisDecodedOperand *other = &operand[to_memory ? 1 : 0];
    expect(ours->memory == memory);
    expect(ours->operand_size == operand[0].size / 8);
    if (!memory) {
        expect(!insn_read_move(ours, &move));
        return;
    }
    bool high = other->type == ZYDIS_OPERAND_TYPE_REGISTER && other->reg.value >= ZYDIS_REGISTER_AH &&
                other->reg.value <= ZYDIS_REGISTER_BH;
    bool repeat = theirs.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPNE) || ours->repeat;
    expect(insn_read_move(ours, &move) == (!high && !repeat));
    if (high || repeat)
        return;
    expect(move.to_memory == to_memory);
    expect(move.size == operand[0].size / 8);
    expect(move.has_immediate == (other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE));
    if (move.has_immediate) {
        uint64_t mask = move.size == 8 ? ~0ull : (1ull << (8 * move.size)) - 1;
        expect((move.immediate & mask) == (other->imm.value.u & mask));
    } else {
        expect(move.gpr == gpr_of(other->reg.value));
    }
}

static void compare(const uint8_t *bytes, unsigned bits, uint16_t opcode)
{
    struct insn ours;
    describe(bytes, bits);
    bool known = insn_read(&ours, bytes, 15, bits);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, 15, &theirs, operand)))
        return; /* the processor raises #UD: it does not come here */
    if (opcode == INSN_MOV_RM_IMM && theirs.mnemonic != ZYDIS_MNEMONIC_MOV)
        return; /* XBEGIN */
    if (opcode == INSN_MOV_RM8_IMM && theirs.mnemonic != ZYDIS_MNEMONIC_MOV)
        return; /* XABORT */
    expect(known);
    expect(ours.opcode == opcode);
    expect(ours.length == theirs.length);
    if (is_mov(opcode)) {
        compare_mov(&ours);
    } else if (opcode >= INSN_MOV_FROM_CR && opcode <= INSN_MOV_TO_DR) {
        const ZydisDecodedOperand *general = &operand[opcode < INSN_MOV_TO_CR ? 0 : 1];
        expect(ours.rm == gpr_of(general->reg.value));
        expect(ours.operand_size == general->size / 8);
    } else if (opcode == INSN_GROUP7 && theirs.mnemonic == ZYDIS_MNEMONIC_LMSW) {
        expect((ours.modrm >> 3 & 7) == GROUP7_REG_LMSW);
        expect(ours.memory == (operand[0].type == ZYDIS_OPERAND_TYPE_MEMORY));
        expect(ours.memory || ours.rm == gpr_of(operand[0].reg.value));
    }
    for (size_t count = 0; count < ours.length; count++) {
        expect(!insn_read(&ours, bytes, count, bits));
        insn_read(&ours, bytes, 15, bits);
    }
}

static void test_against_zydis(void **state)
{
    (void)state;
    for (size_t mode = 0; mode < 3; mode++) {
        ZydisDecoderInit(&decoder, modes[mode].mode, modes[mode].width);
        for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++) {
            for (size_t p = 0; p < sizeof prefixes / sizeof *prefixes; p++) {
                uint8_t bytes[15] = {0x90, 0x90, 0x90, 0x90, 0x90, 0x12, 0x84,
                                     0x36, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee};
                size_t at = strlen(prefixes[p]);
                if (modes[mode].bits != 64 && strpbrk(prefixes[p], "\x48\x44\x41\x4d\x42\x4c"))
                    continue; /* INC and DEC there */
                memcpy(bytes, prefixes[p], at);
                if (opcodes[i] >> 8)
                    bytes[at++] = 0x0f;
                bytes[at++] = (uint8_t)opcodes[i];
                for (unsigned modrm = 0; modrm < 256; modrm++) {
                    bytes[at] = (uint8_t)modrm;
                    for (unsigned sib = 0; sib < 256; sib += (modrm & 7) == 4 ? 5 : 85) {
                        bytes[at + 1] = (uint8_t)sib;
                        compare(bytes, modes[mode].bits, opcodes[i]);
                    }
                }
            }
        }
    }
}

static void test_mov_cr8_by_lock(void **state)
{
    (void)state;
    struct insn insn;
    static const uint8_t bytes[] = {0xf0, 0x0f, 0x22, 0xc3}; /* AMD: LOCK MOV CR0, EBX is MOV CR8, EBX */
    assert_true(insn_read(&insn, bytes, sizeof bytes, 32));
    assert_true(insn.lock);
    assert_int_equal(insn.rm, RBX);
    assert_int_equal(insn.length, 4);
}

static void test_only_what_it_knows(void **state)
{
    (void)state;
    struct insn insn;
    for (unsigned opcode = 0; opcode < 512; opcode++) {
        uint8_t bytes[15] = {0};
        bool listed = false;
        uint16_t name = (uint16_t)(opcode < 256 ? opcode : 0x0f00 | opcode % 256);
        bytes[0] = opcode < 256 ? (uint8_t)opcode : 0x0f;
        bytes[1] = opcode < 256 ? 0 : (uint8_t)opcode;
        for (size_t i = 0; i < sizeof opcodes / sizeof *opcodes; i++)
            listed |= opcodes[i] == name;
        static const uint8_t prefix_bytes[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65,
                                               0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x0f};
        if (opcode < 256 && memchr(prefix_bytes, (int)opcode, sizeof prefix_bytes))
            continue;
        assert_int_equal(insn_read(&insn, bytes, sizeof bytes, 32), listed);
    }
}

static void test_fifteen_bytes(void **state)
{
    (void)state;
    struct insn insn;
    uint8_t bytes[20];
    memset(bytes, 0x66, sizeof bytes);
    bytes[14] = 0xf4;
    assert_true(insn_read(&insn, bytes, sizeof bytes, 64));
    assert_int_equal(insn.length, 15);
    bytes[14] = 0x66;
    bytes[15] = 0xf4;
    assert_false(insn_read(&insn, bytes, sizeof bytes, 64));
    assert_false(insn_read(&insn, bytes, 0, 64));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_zydis),
        cmocka_unit_test(test_mov_cr8_by_lock),
        cmocka_unit_test(test_only_what_it_knows),
        cmocka_unit_test(test_fifteen_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
