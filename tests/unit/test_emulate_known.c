/*
 * What the device model tells the monitor of an instruction: its length and bytes, and the operands of a
 * plain MOV, a MOV of CR3 and INVLPG (devices/emulate_known.c).
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 */
#include "emulate_fixture.h"

static const struct upcall_insn *told(const char *code, size_t length)
{
    state.gpr.rip = CODE;
    state.gpr.reg[RBX] = TEST_DEVICE;
    assert_int_equal(run(code, length), EMULATE_DONE);
    assert_int_equal(emulator.insn.length, length);
    if (emulator.insn.words)
        assert_memory_equal(emulator.insn.bytes, code, length);
    return &emulator.insn;
}
#define TOLD(code) told(code, sizeof(code) - 1)

static void moves(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    const struct upcall_insn *insn = TOLD("\x8b\x4b\x20"); /* mov ecx, [ebx+0x20] */
    assert_int_equal(insn->move, MOVE_LOAD);
    assert_int_equal(insn->gpr, RCX);
    assert_int_equal(insn->base, RBX);
    assert_int_equal(insn->displacement, 0x20);
    assert_int_equal(insn->words, 1);
    assert_int_equal(insn->gpa, CODE);
    insn = TOLD("\x89\x15\xb0\x00\xd0\xfe"); /* mov [0xfed000b0], edx */
    assert_int_equal(insn->move, MOVE_STORE);
    assert_int_equal(insn->gpr, RDX);
    assert_int_equal(insn->base, GPR_COUNT);
    assert_int_equal(insn->displacement, 0xfed000b0);
    assert_int_equal(insn->words, 2);
    insn = TOLD("\xc7\x05\xb0\x00\xd0\xfe\x78\x56\x34\x12"); /* mov dword [0xfed000b0], 0x12345678 */
    assert_int_equal(insn->move, MOVE_STORE_IMMEDIATE);
    assert_int_equal(insn->immediate, 0x12345678);
    assert_int_equal(insn->words, 3);
    insn = TOLD("\xa1\x20\x00\xd0\xfe"); /* mov eax, [0xfed00020] */
    assert_int_equal(insn->move, MOVE_LOAD);
    assert_int_equal(insn->gpr, RAX);
    assert_int_equal(insn->displacement, 0xfed00020);
    state.gpr.reg[RSI] = 0;
    assert_int_equal(TOLD("\x8b\x04\x33")->move, MOVE_NONE); /* an index: [ebx+esi] */
    assert_int_equal(TOLD("\x66\x8b\x03")->move, MOVE_NONE); /* 16 bits */
    assert_int_equal(TOLD("\x8a\x03")->move, MOVE_NONE);     /* 8 bits */
    assert_int_equal(TOLD("\xf3\x89\x03")->move, MOVE_NONE); /* REP */
    assert_int_equal(TOLD("\x01\x03")->move, MOVE_NONE);     /* add [ebx], eax */
    assert_int_equal(TOLD("\x89\xc8")->move, MOVE_NONE);     /* mov eax, ecx */
    assert_int_equal(TOLD("\xb8\x01\x02\x03\x04")->move, MOVE_NONE);
}

static void rip_relative(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    map_pages();
    state.control.cr4 |= CR4_PAE | 1 << 7;                             /* PGE */
    const struct upcall_insn *insn = TOLD("\x8b\x05\xfa\x0f\x00\x00"); /* mov eax, [rip+0xffa] */
    assert_int_equal(insn->displacement, CODE + 6 + 0xffa);
    assert_int_equal(insn->base, GPR_COUNT);
    assert_int_equal(insn->global, 0);
    uint64_t entry = 0x187; /* the first GiB, global */
    memcpy(machine.ram + 0x31000, &entry, sizeof(entry));
    assert_int_equal(TOLD("\x8b\x05\xfa\x0f\x00\x00")->global, 1);
    state.control.cr4 &= ~(1ull << 7);
    assert_int_equal(TOLD("\x8b\x05\xfa\x0f\x00\x00")->global, 0);
    /* Longer than what can be remembered. */
    assert_int_equal(TOLD("\x36\x36\x36\x36\xc7\x04\x25\x00\x90\x00\x00\x01\x02\x03\x04")->words, 0);
}

static struct upcall upcall;

static uint8_t located(uint32_t reason, const char *code, size_t length, uint64_t rip)
{
    begin(TEST_PROTECTED_32);
    memcpy(machine.ram + rip, code, length);
    upcall.kind = UPCALL_LOCATE;
    upcall.exit.reason = reason;
    upcall.state = state;
    upcall.state.gpr.rip = rip;
    emulate_locate(&upcall, &test_emulator_machine, &machine);
    assert_int_equal(upcall.state.gpr.rip, rip);
    return upcall.insn.length;
}

static void lengths(void **unused)
{
    (void)unused;
    assert_int_equal(located(VCPU_EXIT_CPUID, "\x0f\xa2", 2, CODE), 2);
    assert_int_equal(upcall.insn.words, 1);
    assert_int_equal(upcall.insn.gpa, CODE);
    assert_int_equal(located(VCPU_EXIT_CPUID, "\x66\x2e\x0f\xa2", 4, CODE), 4);
    assert_int_equal(located(VCPU_EXIT_HLT, "\xf4", 1, CODE), 1);
    assert_int_equal(located(VCPU_EXIT_HLT, "\x0f\xa2", 2, CODE), 0); /* the code was changed meanwhile */
    assert_int_equal(located(VCPU_EXIT_INVLPG, "\x0f\x01\xf9", 3, CODE), 0);
    assert_int_equal(located(VCPU_EXIT_CPUID, "\x0f\xa2", 2, CODE + TEST_PAGE - 2), 2);
    assert_int_equal(upcall.insn.words,
                     0); /* the word crosses into another page: known once, not remembered */
    assert_int_equal(located(VCPU_EXIT_CPUID, "\x0f\xa2", 2, CODE + TEST_PAGE - 1), 2);
    assert_int_equal(upcall.insn.words, 0);
    assert_int_equal(located(VCPU_EXIT_CPUID, "\x0f\x0b", 2, CODE), 0);
    assert_int_equal(upcall.status, UPCALL_OK);
}

static void control_registers(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.control.cr3 = 0x5000;
    const struct upcall_insn *insn = TOLD("\x0f\x20\xda"); /* mov edx, cr3 */
    assert_int_equal(insn->move, MOVE_FROM_CR3);
    assert_int_equal(insn->gpr, RDX);
    insn = TOLD("\x0f\x22\xda"); /* mov cr3, edx */
    assert_int_equal(insn->move, MOVE_TO_CR3);
    assert_int_equal(insn->gpr, RDX);
    assert_int_equal(TOLD("\x0f\x20\xc2")->move, MOVE_NONE); /* mov edx, cr0 */
    assert_int_equal(TOLD("\x0f\x20\xe2")->move, MOVE_NONE); /* mov edx, cr4 */
    assert_int_equal(TOLD("\x0f\x20\xd3")->move, MOVE_NONE); /* mov ebx, cr2 */
}

static void invlpg(void **unused)
{
    (void)unused;
    assert_int_equal(located(VCPU_EXIT_INVLPG, "\x0f\x01\x79\xf0", 4, CODE), 4); /* invlpg [ecx-0x10] */
    assert_int_equal(upcall.insn.move, MOVE_INVLPG);
    assert_int_equal(upcall.insn.base, RCX);
    assert_int_equal(upcall.insn.displacement, 0xfffffff0);
    assert_int_equal(upcall.insn.segment, SEG_DS);
    located(VCPU_EXIT_INVLPG, "\x65\x0f\x01\x7d\x04", 5, CODE); /* invlpg gs:[ebp+4] */
    assert_int_equal(upcall.insn.move, MOVE_INVLPG);
    assert_int_equal(upcall.insn.segment, SEG_GS);
    located(VCPU_EXIT_INVLPG, "\x0f\x01\x7d\x04", 4, CODE); /* invlpg [ebp+4] */
    assert_int_equal(upcall.insn.segment, SEG_SS);
    located(VCPU_EXIT_INVLPG, "\x0f\x01\x3d\x00\x10\x20\x30", 7, CODE); /* invlpg [0x30201000] */
    assert_int_equal(upcall.insn.base, GPR_COUNT);
    assert_int_equal(upcall.insn.displacement, 0x30201000);
    assert_int_equal(located(VCPU_EXIT_INVLPG, "\x0f\x01\x3c\x33", 4, CODE), 4); /* invlpg [ebx+esi] */
    assert_int_equal(upcall.insn.move, MOVE_NONE);
    assert_int_equal(located(VCPU_EXIT_INVLPG, "\x67\x0f\x01\x3f", 4, CODE), 4); /* invlpg [bx] */
    assert_int_equal(upcall.insn.move, MOVE_NONE);
    assert_int_equal(located(VCPU_EXIT_INVLPG, "\x0f\x01\xf8", 3, CODE), 0); /* swapgs */
    assert_int_equal(located(VCPU_EXIT_INVLPG, "\x0f\x01\x31", 3, CODE), 0); /* lmsw [ecx] */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moves),   cmocka_unit_test(rip_relative),
        cmocka_unit_test(lengths), cmocka_unit_test(control_registers),
        cmocka_unit_test(invlpg),
    };
    return cmocka_run_group_tests_name("emulate_known", tests, NULL, NULL);
}
