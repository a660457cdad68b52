/*
 * String instructions of the emulator: REP by pages, direction, wrapping addresses, conditions, ports, single
 * steps.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 */
#include "emulate_fixture.h"

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
    assert_int_equal(machine.accesses, 2);
    assert_int_equal(RUN("\xf3\xa5"), EMULATE_DONE);
    assert_int_equal(state.gpr.rip, CODE + 2);
    assert_int_equal(state.gpr.reg[RCX], 0);
    assert_int_equal(state.gpr.reg[RSI], 0x1010);
    assert_memory_equal(machine.device + TEST_PAGE - 8, machine.ram + 0x1000, 16);
}

/* An element that itself crosses a page is done alone. */
static void element_across_pages(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    memcpy(machine.ram + 0x1000, "\1\2\3\4\5\6\7\10", 8);
    state.gpr.reg[RSI] = 0x1000;
    state.gpr.reg[RDI] = TEST_DEVICE + TEST_PAGE - 2;
    state.gpr.reg[RCX] = 2;
    assert_int_equal(RUN("\xf3\xa5"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RCX], 1);
    expect_access(0, 'w', TEST_DEVICE + TEST_PAGE - 2, 2, 0x0201);
    expect_access(1, 'w', TEST_DEVICE + TEST_PAGE, 2, 0x0403);
    assert_int_equal(RUN("\xf3\xa5"), EMULATE_DONE);
    assert_int_equal(state.gpr.rip, CODE + 2);
}

static void backwards(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    state.gpr.rflags |= FLAG_DF;
    state.gpr.reg[RAX] = 0x5555;
    state.gpr.reg[RDI] = TEST_DEVICE + TEST_PAGE + 2;
    state.gpr.reg[RCX] = 5;
    assert_int_equal(RUN("\xf3\x66\xab"), EMULATE_DONE); /* rep stosw: two on this page */
    assert_int_equal(state.gpr.reg[RCX], 3);
    assert_int_equal(state.gpr.reg[RDI], TEST_DEVICE + TEST_PAGE - 2);
    assert_int_equal(RUN("\xf3\x66\xab"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RCX], 0);
    assert_int_equal(state.gpr.reg[RDI], TEST_DEVICE + TEST_PAGE - 8);
    assert_int_equal(machine.device[TEST_PAGE - 6], 0x55);
    assert_int_equal(machine.device[TEST_PAGE - 7], 0x00);
}

/* SI and DI wrap within 64 KiB with 16-bit addresses, and keep their upper halves. */
static void wrapping_addresses(void **unused)
{
    (void)unused;
    begin(TEST_REAL);
    state.segment[SEG_ES].base = 0x20000;
    state.gpr.reg[RSI] = 0xabcdfffe;
    state.gpr.reg[RDI] = 0x10;
    state.gpr.reg[RCX] = 0x50004;
    memcpy(machine.ram + 0xfffe, "\x11\x22", 2);
    memcpy(machine.ram, "\x33\x44", 2);
    assert_int_equal(RUN("\xf3\xa4"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RCX] & 0xffff, 2);
    assert_int_equal(RUN("\xf3\xa4"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RSI], 0xabcd0002);
    assert_int_equal(state.gpr.reg[RCX], 0x50000);
    assert_memory_equal(machine.ram + 0x20010, "\x11\x22\x33\x44", 4);
}

static void zero_count(void **unused)
{
    (void)unused;
    begin(TEST_REAL);
    state.gpr.reg[RCX] = 0x10000; /* CX is 0 */
    state.segment[SEG_DS].limit = 0;
    state.gpr.reg[RSI] = 0x100; /* would fault */
    assert_int_equal(RUN("\xf3\xac"), EMULATE_DONE);
    assert_int_equal(state.gpr.rip, CODE + 2);
    assert_int_equal(state.gpr.reg[RSI], 0x100);
}

static void conditions(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    memcpy(machine.device, "aaaab", 5);
    memcpy(machine.ram + 0x1000, "aaaax", 5);
    state.gpr.reg[RDI] = TEST_DEVICE;
    state.gpr.reg[RSI] = 0x1000;
    state.gpr.reg[RCX] = 100;
    assert_int_equal(RUN("\xf3\xa6"), EMULATE_DONE); /* repe cmpsb */
    assert_int_equal(state.gpr.rip, CODE + 2);
    assert_int_equal(state.gpr.reg[RCX], 95);
    assert_int_equal(state.gpr.reg[RSI], 0x1005);
    assert_false(state.gpr.rflags & FLAG_ZF);
    state.gpr.reg[RDI] = TEST_DEVICE;
    state.gpr.reg[RAX] = 'b';
    assert_int_equal(RUN("\xf2\xae"), EMULATE_DONE); /* repne scasb */
    assert_int_equal(state.gpr.reg[RDI], TEST_DEVICE + 5);
    assert_int_equal(state.gpr.reg[RCX], 90);
    assert_true(state.gpr.rflags & FLAG_ZF);
}

static uint32_t take_block(void *context, uint16_t port, unsigned size, uint8_t *ram, uint32_t count,
                           bool write)
{
    (void)context, (void)port, (void)size, (void)ram, (void)write;
    return count;
}

static void port_strings(void **unused)
{
    struct emulator_machine with_blocks = test_emulator_machine;

    (void)unused;
    begin(TEST_REAL);
    state.gpr.reg[RDX] = 0x1f0;
    state.gpr.reg[RDI] = 0x2000;
    state.gpr.reg[RCX] = 3;
    assert_int_equal(RUN("\xf3\x6c"), EMULATE_DONE);
    assert_int_equal(machine.ram[0x2002], 0xf0);
    assert_int_equal(machine.ram[0x2003], 0);
    assert_int_equal(state.gpr.rip, CODE + 2);
    memcpy(machine.ram + 0x3000, "\1\2\3\4", 4);
    state.gpr.reg[RSI] = 0x3000;
    state.gpr.reg[RCX] = 2;
    assert_int_equal(RUN("\xf3\x6f"), EMULATE_DONE); /* rep outsw */
    expect_access(0, 'o', 0x1f0, 2, 0x0201);
    expect_access(1, 'o', 0x1f0, 2, 0x0403);
    /* A sector of 512 bytes goes in one call. */
    state.gpr.reg[RDI] = 0x2000;
    state.gpr.reg[RCX] = 256;
    assert_int_equal(RUN("\xf3\x6d"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RCX], 0);
    assert_int_equal(machine.accesses, 256);
    /* Byte by byte no more than a page does. */
    state.gpr.rip = CODE;
    state.gpr.reg[RSI] = TEST_PAGE / 2;
    state.gpr.reg[RCX] = 2 * TEST_PAGE;
    assert_int_equal(RUN("\xf3\x6e"), EMULATE_DONE);
    assert_int_equal(state.gpr.rip, CODE);
    assert_int_equal(state.gpr.reg[RSI], TEST_PAGE);
    /* A block of sectors that begins in the middle of a page does, but not the whole of memory. */
    with_blocks.block = take_block;
    used_machine = &with_blocks;
    state.gpr.reg[RSI] = TEST_PAGE / 2;
    state.gpr.reg[RCX] = 2 * TEST_PAGE;
    assert_int_equal(RUN("\xf3\x6e"), EMULATE_DONE);
    assert_int_equal(state.gpr.rip, CODE + 2);
    assert_int_equal(state.gpr.reg[RCX], 0);
    assert_int_equal(state.gpr.reg[RSI], 2 * TEST_PAGE + TEST_PAGE / 2);
    state.gpr.rip = CODE;
    state.gpr.reg[RSI] = TEST_PAGE / 2;
    state.gpr.reg[RCX] = 6 * TEST_PAGE;
    assert_int_equal(RUN("\xf3\x6e"), EMULATE_DONE);
    assert_int_equal(state.gpr.rip, CODE);
    assert_int_equal(state.gpr.reg[RSI], 4 * TEST_PAGE);
    used_machine = &test_emulator_machine;
}

/* The port is not read before its destination is known to be writable. */
static void ins_faults_first(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    map_pages();
    set_page_entry(1, 0);
    state.gpr.reg[RDI] = PAGES + TEST_PAGE;
    state.gpr.reg[RCX] = 1;
    FAULT("\xf3\x6c", EXCEPTION_PF, 2);
    assert_int_equal(state.control.cr2, PAGES + TEST_PAGE);
    /* Elements before the page that is missing are done, and then it faults. */
    state.gpr.reg[RDI] = PAGES + TEST_PAGE - 2;
    state.gpr.reg[RCX] = 4;
    assert_int_equal(RUN("\xf3\x6c"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RCX], 2);
    FAULT("\xf3\x6c", EXCEPTION_PF, 2);
}

/* Elements up to the segment's limit are done; the one beyond faults. */
static void limit_in_the_middle(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.segment[SEG_ES].limit = 0x2003;
    state.gpr.reg[RDI] = 0x2000;
    state.gpr.reg[RCX] = 8;
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(RUN("\xf3\xaa"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RCX], 4);
    FAULT("\xf3\xaa", EXCEPTION_GP, 0);
}

static void segment_override(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.segment[SEG_FS].base = 0x5000;
    machine.ram[0x5010] = 0x77;
    state.gpr.reg[RSI] = 0x10;
    assert_int_equal(RUN("\x64\xac"), EMULATE_DONE); /* lods fs:[esi] */
    assert_int_equal(state.gpr.reg[RAX], 0x77);
}

/* With TF each element is a step of its own. */
static void single_steps(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.rflags |= FLAG_TF;
    state.gpr.reg[RDI] = 0x2000;
    state.gpr.reg[RCX] = 2;
    assert_int_equal(RUN("\xf3\xaa"), EMULATE_INJECT);
    assert_int_equal(emulator.inject.vector, EXCEPTION_DB);
    assert_int_equal(state.control.dr6 & 0x4000, 0x4000);
    assert_int_equal(state.gpr.reg[RCX], 1);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_CONTROL);
    assert_int_equal(RUN("\xf3\xaa"), EMULATE_DONE); /* RIP moves: the monitor gives the trap */
    assert_int_equal(state.gpr.rip, CODE + 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rep_movs_to_device),  cmocka_unit_test(element_across_pages),
        cmocka_unit_test(backwards),           cmocka_unit_test(wrapping_addresses),
        cmocka_unit_test(zero_count),          cmocka_unit_test(conditions),
        cmocka_unit_test(port_strings),        cmocka_unit_test(ins_faults_first),
        cmocka_unit_test(limit_in_the_middle), cmocka_unit_test(segment_override),
        cmocka_unit_test(single_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
