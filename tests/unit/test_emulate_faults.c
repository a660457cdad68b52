/*
 * Faults of the emulator: each leaves registers, flags, memory and devices as they were (SDM Vol. 3A, chapter
 * 6).
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 */
#include "emulate_fixture.h"

static void page_faults(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    map_pages();
    set_page_entry(2, 0);
    state.gpr.reg[RBX] = PAGES + 2 * TEST_PAGE + 0x123;
    FAULT("\x8b\x03", EXCEPTION_PF, 0);
    assert_int_equal(state.control.cr2, PAGES + 2 * TEST_PAGE + 0x123);
    assert_int_equal(emulator.modified, VCPU_CONTROL);
    FAULT("\x89\x03", EXCEPTION_PF, 2);
    /* Only the second half is missing: nothing of the first is written. */
    state.gpr.reg[RBX] = PAGES + 2 * TEST_PAGE - 2;
    state.gpr.reg[RAX] = 0x11223344;
    FAULT("\x89\x03", EXCEPTION_PF, 2);
    assert_int_equal(state.control.cr2, PAGES + 2 * TEST_PAGE);
    assert_memory_equal(machine.ram + 0x11ffe, "\0\0", 2);
    /* Not writable for the supervisor: only with WP. A read-modify-write faults as a write, before it reads.
     */
    set_page_entry(4, (TEST_DEVICE) | 5);
    state.gpr.reg[RBX] = PAGES + 4 * TEST_PAGE;
    FAULT("\x83\x03\x01", EXCEPTION_PF, 3);
    state.control.cr0 &= ~(uint64_t)CR0_WP;
    assert_int_equal(RUN("\x83\x03\x01"), EMULATE_DONE);
    state.gpr.rip = CODE;
    state.control.cr0 |= CR0_WP;
    assert_int_equal(RUN("\x83\x3b\x01"), EMULATE_DONE); /* CMP only reads */
    state.gpr.rip = CODE;
    /* A user at a supervisor's page. */
    set_page_entry(4, (TEST_DEVICE) | 3);
    state.segment[SEG_SS].attributes |= SEG_DPL_MASK;
    FAULT("\x8b\x03", EXCEPTION_PF, 5);
    FAULT("\x89\x03", EXCEPTION_PF, 7);
}

static void smap(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    map_pages();
    set_page_entry(0, 0x10000 | 7);
    state.control.cr4 |= CR4_SMAP;
    /* The code is on a user page too, which only SMEP would forbid. */
    state.gpr.reg[RBX] = PAGES;
    FAULT("\x8b\x03", EXCEPTION_PF, 1);
    state.gpr.rflags |= FLAG_AC;
    assert_int_equal(RUN("\x8b\x03"), EMULATE_DONE);
    state.gpr.rip = CODE;
    state.control.cr4 |= CR4_SMEP;
    FAULT("\x8b\x03", EXCEPTION_PF, 0x11);
}

static void non_canonical(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    state.gpr.reg[RBX] = 0x0000800000000000;
    FAULT("\x8b\x03", EXCEPTION_GP, 0);
    state.gpr.reg[RBX] = 0x00007fffffffffff; /* only the last byte is not */
    FAULT("\x8b\x03", EXCEPTION_GP, 0);
    state.gpr.reg[RBP] = 0x8000000000000000;
    FAULT("\x8b\x45\x00", EXCEPTION_SS, 0);
    state.gpr.reg[RSP] = 0x0000900000000000;
    FAULT("\x50", EXCEPTION_SS, 0);
    state.gpr.reg[RSP] = 0x4000;
    state.gpr.reg[RBX] = 0x0000900000000000;
    FAULT("\xff\xe3", EXCEPTION_GP, 0); /* jmp rbx */
    FAULT("\xff\xd3", EXCEPTION_GP, 0); /* call rbx */
}

static void segments(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.segment[SEG_DS].limit = 0x1fff;
    state.gpr.reg[RBX] = 0x1ffd;
    FAULT("\x8b\x03", EXCEPTION_GP, 0);
    assert_int_equal(RUN("\x66\x8b\x03"), EMULATE_DONE);
    state.gpr.rip = CODE;
    state.gpr.reg[RBX] = 0xfffffffe; /* would wrap */
    FAULT("\x8b\x03", EXCEPTION_GP, 0);
    state.gpr.reg[RBX] = 0x100;
    state.segment[SEG_DS].attributes &= ~2; /* read-only data */
    FAULT("\x89\x03", EXCEPTION_GP, 0);
    assert_int_equal(RUN("\x8b\x03"), EMULATE_DONE);
    state.gpr.rip = CODE;
    state.segment[SEG_DS].attributes = SEG_P | SEG_S | 9; /* execute-only code */
    FAULT("\x8b\x03", EXCEPTION_GP, 0);
    state.segment[SEG_DS].attributes = 0; /* null */
    FAULT("\x8b\x03", EXCEPTION_GP, 0);
    /* Expand-down: above the limit, up to 64 KiB or 4 GiB. */
    state.segment[SEG_DS].attributes = SEG_P | SEG_S | 7;
    state.segment[SEG_DS].limit = 0xfff;
    state.gpr.reg[RBX] = 0xfff;
    FAULT("\x8a\x03", EXCEPTION_GP, 0);
    state.gpr.reg[RBX] = 0x1000;
    assert_int_equal(RUN("\x8a\x03"), EMULATE_DONE);
    state.gpr.rip = CODE;
    state.gpr.reg[RBX] = 0x10000;
    FAULT("\x8a\x03", EXCEPTION_GP, 0);
    state.segment[SEG_DS].attributes |= SEG_DB;
    assert_int_equal(RUN("\x8a\x03"), EMULATE_DONE);
    state.gpr.rip = CODE;
    state.segment[SEG_SS].limit = 0xfff;
    state.gpr.reg[RBP] = 0x2000;
    FAULT("\x8b\x45\x00", EXCEPTION_SS, 0);
    state.segment[SEG_SS].limit = 0xffffffff;
    state.segment[SEG_CS].limit = CODE + 1; /* the instruction's last byte is beyond */
    FAULT("\x8b\x45\x00", EXCEPTION_GP, 0);
}

static void real_mode_limit(void **unused)
{
    (void)unused;
    begin(TEST_REAL);
    state.gpr.reg[RBX] = 0xffff;
    FAULT("\x8b\x07", EXCEPTION_GP, 0);                     /* mov ax, [bx] */
    FAULT("\x67\x8b\x83\x01\x00\x00\x00", EXCEPTION_GP, 0); /* 0x10000 with a 32-bit address */
    state.segment[SEG_DS].limit = 0xffffffff;               /* unreal mode */
    machine.ram[0x10000] = 9;
    assert_int_equal(RUN("\x67\x8b\x83\x01\x00\x00\x00"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RAX], 9);
}

static void undefined_and_too_long(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    state.gpr.reg[RBX] = TEST_DEVICE;
    FAULT("\xf0\x8b\x03", EXCEPTION_UD, -1); /* lock mov */
    FAULT("\xf0\x01\xc0", EXCEPTION_UD, -1); /* lock add to a register */
    FAULT("\x0f\x04\x03", EXCEPTION_UD, -1);
    assert_int_equal(RUN("\xc5\xf8\x10\x03"), EMULATE_REFUSE);
    FAULT("\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x8b\x03", EXCEPTION_GP, 0);
}

static void division(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.reg[RBX] = 0x4000;
    FAULT("\xf7\x33", EXCEPTION_DE, -1); /* by 0 */
    machine.ram[0x4000] = 2;
    state.gpr.reg[RDX] = 2; /* the quotient has 33 bits */
    FAULT("\xf7\x33", EXCEPTION_DE, -1);
}

static void alignment(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.segment[SEG_SS].attributes |= SEG_DPL_MASK;
    state.control.cr0 |= CR0_AM;
    state.gpr.rflags |= FLAG_AC;
    state.gpr.reg[RBX] = 0x4001;
    FAULT("\x8b\x03", EXCEPTION_AC, 0);
    assert_int_equal(RUN("\x8a\x03"), EMULATE_DONE);
    state.gpr.rip = CODE;
    state.segment[SEG_SS].attributes &= ~SEG_DPL_MASK;
    assert_int_equal(RUN("\x8b\x03"), EMULATE_DONE);
    /* CMPXCHG16B always. */
    begin(TEST_LONG);
    state.gpr.reg[RBX] = 0x4008;
    FAULT("\x48\x0f\xc7\x0b", EXCEPTION_GP, 0);
}

static void privilege(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.segment[SEG_SS].attributes |= SEG_DPL_MASK;
    state.gpr.reg[RBX] = 0x4000;
    FAULT("\x0f\x01\x33", EXCEPTION_GP, 0); /* lmsw */
    assert_int_equal(RUN("\x0f\x01\x23"), EMULATE_DONE);
    state.gpr.rip = CODE;
    state.control.cr4 |= CR4_UMIP;
    FAULT("\x0f\x01\x23", EXCEPTION_GP, 0); /* smsw */
}

/* POP faults at its destination with rSP as it was. */
static void pop_restores_stack_pointer(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.segment[SEG_DS].limit = 0xfff;
    state.gpr.reg[RSP] = 0x4000;
    state.gpr.reg[RBX] = 0x1000;
    FAULT("\x8f\x03", EXCEPTION_GP, 0);
    assert_int_equal(state.gpr.reg[RSP], 0x4000);
    state.segment[SEG_SS].limit = 0xfff;
    state.gpr.reg[RBX] = 0x10;
    FAULT("\xff\x33", EXCEPTION_SS, 0); /* push [ebx] */
    assert_int_equal(state.gpr.reg[RSP], 0x4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_faults),     cmocka_unit_test(smap),
        cmocka_unit_test(non_canonical),   cmocka_unit_test(segments),
        cmocka_unit_test(real_mode_limit), cmocka_unit_test(undefined_and_too_long),
        cmocka_unit_test(division),        cmocka_unit_test(alignment),
        cmocka_unit_test(privilege),       cmocka_unit_test(pop_restores_stack_pointer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
