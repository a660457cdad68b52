/*
 * The instruction emulator by hand-written cases: device accesses, string instructions, faults and what they
 * leave untouched. test_emulate_native.c holds the arithmetic against the processor.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdlib.h>
#include <cmocka.h>
#include "emulate_machine.h"

static struct test_machine machine;
static struct vcpu_state state;
static struct emulator emulator;

enum { CODE = 0x8000 };

static void begin(enum test_mode mode)
{
    memset(&machine, 0, sizeof(machine));
    test_state(&machine, &state, mode);
    state.gpr.rip = CODE;
}

static enum emulate_result run(const char *code, size_t length)
{
    memcpy(machine.ram + state.gpr.rip, code, length);
    emulator = (struct emulator){
        .machine = &test_emulator_machine, .context = &machine, .state = &state, .gpa = EMULATE_UNKNOWN};
    return emulate(&emulator);
}
#define RUN(code) run(code, sizeof(code) - 1)

static void device_mov(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    state.gpr.reg[RAX] = 0x1122334455667788;
    state.gpr.reg[RBX] = TEST_DEVICE;
    assert_int_equal(RUN("\x89\x43\x10"), EMULATE_DONE); /* mov [rbx+0x10], eax */
    assert_int_equal(state.gpr.rip, CODE + 3);
    assert_int_equal(machine.accesses, 1);
    assert_int_equal(machine.access[0].kind, 'w');
    assert_int_equal(machine.access[0].address, TEST_DEVICE + 0x10);
    assert_int_equal(machine.access[0].size, 4);
    assert_int_equal(machine.access[0].value, 0x55667788);
    assert_int_equal(RUN("\x48\x8b\x4b\x10"), EMULATE_DONE); /* mov rcx, [rbx+0x10] */
    assert_int_equal(state.gpr.reg[RCX], 0x55667788);
    assert_int_equal(emulator.modified, VCPU_GPR);
}

static void device_alu(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.reg[RBX] = TEST_DEVICE;
    machine.device[0] = 0xff;
    assert_int_equal(RUN("\x83\x03\x01"), EMULATE_DONE); /* add dword [ebx], 1 */
    assert_int_equal(machine.device[1], 1);
    assert_int_equal(machine.accesses, 2);
    assert_int_equal(state.gpr.rflags & 0x8d5, 0x14);
}

static void rep_movs_to_device(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    for (unsigned i = 0; i < 64; i++)
        machine.ram[0x1000 + i] = i;
    state.gpr.reg[RSI] = 0x1000;
    state.gpr.reg[RDI] = TEST_DEVICE + TEST_PAGE - 8;
    state.gpr.reg[RCX] = 4;
    assert_int_equal(RUN("\xf3\xa5"), EMULATE_DONE);
    assert_int_equal(state.gpr.rip, CODE); /* to the end of the page */
    assert_int_equal(state.gpr.reg[RCX], 2);
    assert_int_equal(RUN("\xf3\xa5"), EMULATE_DONE);
    assert_int_equal(state.gpr.rip, CODE + 2);
    assert_int_equal(state.gpr.reg[RCX], 0);
    assert_int_equal(state.gpr.reg[RSI], 0x1010);
    assert_memory_equal(machine.device + TEST_PAGE - 8, machine.ram + 0x1000, 16);
    assert_int_equal(machine.accesses, 4);
}

static void rep_insb(void **unused)
{
    (void)unused;
    begin(TEST_REAL);
    state.gpr.reg[RDX] = 0x1f0;
    state.gpr.reg[RDI] = 0x2000;
    state.gpr.reg[RCX] = 3;
    assert_int_equal(RUN("\xf3\x6c"), EMULATE_DONE);
    assert_int_equal(machine.ram[0x2002], 0xf0);
    assert_int_equal(machine.ram[0x2003], 0);
    assert_int_equal(state.gpr.rip, CODE + 2);
}

static void unknown_is_named(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    assert_int_equal(RUN("\x0f\xa2"), EMULATE_KILL);
    assert_string_equal(emulator.text, "the 64-bit instruction 0f a2 at 0000:8000 cannot be emulated");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_mov),         cmocka_unit_test(device_alu),
        cmocka_unit_test(rep_movs_to_device), cmocka_unit_test(rep_insb),
        cmocka_unit_test(unknown_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
