/*
 * The instruction emulator by hand-written cases: device accesses of each kind, modes, stack, system
 * instructions, vector moves. test_emulate_native.c holds the arithmetic against the processor.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 */
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "emulate_fixture.h"

static void device_mov(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    state.gpr.reg[RAX] = 0x1122334455667788;
    state.gpr.reg[RBX] = TEST_DEVICE;
    assert_int_equal(RUN("\x89\x43\x10"), EMULATE_DONE); /* mov [rbx+0x10], eax */
    assert_int_equal(state.gpr.rip, CODE + 3);
    assert_int_equal(machine.accesses, 1);
    expect_access(0, 'w', TEST_DEVICE + 0x10, 4, 0x55667788);
    assert_int_equal(RUN("\x48\x8b\x4b\x10"), EMULATE_DONE); /* mov rcx, [rbx+0x10] */
    assert_int_equal(state.gpr.reg[RCX], 0x55667788);
    assert_int_equal(emulator.modified, VCPU_GPR);
    expect_access(0, 'r', TEST_DEVICE + 0x10, 8, 0x55667788);
    state.gpr.reg[RDX] = 0xffffffffffff1234;
    assert_int_equal(RUN("\x88\x33"), EMULATE_DONE); /* mov [rbx], dh */
    expect_access(0, 'w', TEST_DEVICE, 1, 0x12);
}

static void device_offset_forms(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.reg[RAX] = 0xcafe;
    assert_int_equal(RUN("\xa3\x20\x00\xd0\xfe"), EMULATE_DONE); /* mov [0xfed00020], eax */
    expect_access(0, 'w', TEST_DEVICE + 0x20, 4, 0xcafe);
    state.gpr.reg[RAX] = 0x11111111;
    assert_int_equal(RUN("\x66\xa1\x20\x00\xd0\xfe"), EMULATE_DONE); /* mov ax, [0xfed00020] */
    assert_int_equal(state.gpr.reg[RAX], 0x1111cafe);
    assert_int_equal(RUN("\xc7\x05\x24\x00\xd0\xfe\x78\x56\x34\x12"),
                     EMULATE_DONE); /* mov dword [..24], imm */
    expect_access(0, 'w', TEST_DEVICE + 0x24, 4, 0x12345678);
    begin(TEST_LONG);
    state.gpr.rip = CODE;
    machine.ram[0x9005] = 0x5a;
    assert_int_equal(RUN("\x0f\xb6\x05\xfe\x0f\x00\x00"), EMULATE_DONE); /* movzx eax, byte [rip+0xffe] */
    assert_int_equal(state.gpr.reg[RAX], 0x5a);
}

static void device_read_modify_write(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.reg[RBX] = TEST_DEVICE;
    machine.device[0] = 0xff;
    assert_int_equal(RUN("\x83\x03\x01"), EMULATE_DONE); /* add dword [ebx], 1 */
    assert_int_equal(machine.device[1], 1);
    assert_int_equal(machine.accesses, 2);
    assert_int_equal(state.gpr.rflags & FLAGS_STATUS, FLAG_AF | FLAG_PF);
    assert_int_equal(RUN("\xf6\x43\x01\x01"), EMULATE_DONE); /* test byte [ebx+1], 1 */
    assert_int_equal(machine.accesses, 1);
    assert_int_equal(state.gpr.rflags & FLAG_ZF, 0);
    state.gpr.reg[RCX] = 0x42;
    assert_int_equal(RUN("\x87\x0b"), EMULATE_DONE); /* xchg [ebx], ecx */
    assert_int_equal(state.gpr.reg[RCX], 0x100);
    assert_int_equal(machine.device[0], 0x42);
    state.gpr.reg[RAX] = 0x42;
    state.gpr.reg[RDX] = 0x99;
    assert_int_equal(RUN("\xf0\x0f\xb1\x13"), EMULATE_DONE); /* lock cmpxchg [ebx], edx */
    assert_int_equal(machine.device[0], 0x99);
    assert_true(state.gpr.rflags & FLAG_ZF);
}

static void crossing_pages(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    map_pages();
    /* From RAM into the device: one access of 2 and one of 1 byte there, split as a bus would. */
    state.gpr.reg[RBX] = PAGES + 4 * TEST_PAGE - 5;
    state.gpr.reg[RAX] = 0x8877665544332211;
    assert_int_equal(RUN("\x48\x89\x03"), EMULATE_DONE);
    assert_memory_equal(machine.ram + 0x13ffb, "\x11\x22\x33\x44\x55", 5);
    assert_int_equal(machine.accesses, 2);
    expect_access(0, 'w', TEST_DEVICE, 2, 0x7766);
    expect_access(1, 'w', TEST_DEVICE + 2, 1, 0x88);
    assert_int_equal(RUN("\x48\x8b\x0b"), EMULATE_DONE);
    assert_int_equal(state.gpr.reg[RCX], state.gpr.reg[RAX]);
    assert_int_equal(page_entry(3) & 0x60, 0x60); /* accessed and dirty */
    assert_int_equal(page_entry(0) & 0x60, 0);
}

static void code_crossing_pages(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    map_pages();
    memcpy(machine.ram + 0x11ffe, "\xc7\x03\x01\x02\x03\x04", 6); /* mov dword [rbx], imm32 */
    state.gpr.rip = PAGES + 2 * TEST_PAGE - 2;
    state.gpr.reg[RBX] = TEST_DEVICE;
    emulator = (struct emulator){
        .machine = &test_emulator_machine, .context = &machine, .state = &state, .gpa = EMULATE_UNKNOWN};
    assert_int_equal(emulate(&emulator), EMULATE_DONE);
    expect_access(0, 'w', TEST_DEVICE, 4, 0x04030201);
    /* The second page is looked at only if it is needed. */
    set_page_entry(2, 0);
    state.gpr.rip = PAGES + 2 * TEST_PAGE - 2;
    assert_int_equal(emulate(&emulator), EMULATE_INJECT);
    assert_int_equal(emulator.inject.vector, EXCEPTION_PF);
    assert_int_equal(state.control.cr2, PAGES + 2 * TEST_PAGE);
    assert_int_equal(emulator.inject.error_code, 0x10); /* NXE: a fetch */
    memcpy(machine.ram + 0x11ffe, "\x88\x03", 2);
    assert_int_equal(emulate(&emulator), EMULATE_DONE);
}

static void known_address(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    map_pages();
    state.gpr.reg[RBX] = PAGES + 4 * TEST_PAGE + 8;
    memcpy(machine.ram + CODE, "\x8b\x03", 2); /* mov eax, [rbx] */
    emulator = (struct emulator){
        .machine = &test_emulator_machine, .context = &machine, .state = &state, .gpa = TEST_DEVICE + 8};
    assert_int_equal(emulate(&emulator), EMULATE_DONE);
    assert_int_equal(page_entry(4) & 0x20, 0); /* not walked */
    expect_access(0, 'r', TEST_DEVICE + 8, 4, 0);
    /* A report that cannot be this operand's, or of a read where the instruction writes, is not trusted. */
    state.gpr.rip = CODE;
    emulator.gpa = TEST_DEVICE + 0x18;
    assert_int_equal(emulate(&emulator), EMULATE_DONE);
    assert_int_equal(page_entry(4) & 0x20, 0x20);
    set_page_entry(4, page_entry(4) & ~2ull);
    state.control.cr0 |= CR0_WP;
    memcpy(machine.ram + CODE, "\x89\x03", 2);
    state.gpr.rip = CODE;
    emulator.gpa = TEST_DEVICE + 8;
    assert_int_equal(emulate(&emulator), EMULATE_INJECT);
    assert_int_equal(emulator.inject.vector, EXCEPTION_PF);
}

static void bit_strings(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.reg[RBX] = TEST_DEVICE + 0x10;
    state.gpr.reg[RCX] = (uint32_t)-33;
    assert_int_equal(RUN("\x0f\xab\x0b"), EMULATE_DONE); /* bts [ebx], ecx: bit 31 of two dwords before */
    expect_access(1, 'w', TEST_DEVICE + 8, 4, 0x80000000);
    assert_false(state.gpr.rflags & FLAG_CF);
    assert_int_equal(RUN("\x0f\xa3\x0b"), EMULATE_DONE);
    assert_true(state.gpr.rflags & FLAG_CF);
    assert_int_equal(machine.accesses, 1);
    state.gpr.reg[RCX] = 100;
    assert_int_equal(RUN("\x66\x0f\xbb\x0b"), EMULATE_DONE); /* btc word: 6 words on, bit 4 */
    expect_access(1, 'w', TEST_DEVICE + 0x1c, 2, 0x10);
}

static void stack_forms(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.reg[RSP] = 0x4000;
    state.gpr.reg[RBX] = TEST_DEVICE;
    memcpy(machine.device, "\x44\x33\x22\x11", 4);
    assert_int_equal(RUN("\xff\x33"), EMULATE_DONE); /* push dword [ebx] */
    assert_int_equal(state.gpr.reg[RSP], 0x3ffc);
    assert_memory_equal(machine.ram + 0x3ffc, "\x44\x33\x22\x11", 4);
    assert_int_equal(RUN("\x8f\x43\x08"), EMULATE_DONE); /* pop dword [ebx+8] */
    expect_access(0, 'w', TEST_DEVICE + 8, 4, 0x11223344);
    assert_int_equal(state.gpr.reg[RSP], 0x4000);
    memcpy(machine.ram + 0x4000, "\x01\x00\x00\x00", 4);
    assert_int_equal(RUN("\x8f\x44\x24\x10"), EMULATE_DONE); /* pop dword [esp+16]: esp as it is afterwards */
    assert_int_equal(machine.ram[0x4014], 1);
    state.gpr.rip = CODE;
    memcpy(machine.device, "\x00\x90\x00\x00", 4);
    state.gpr.reg[RSP] = 0x4000;
    assert_int_equal(RUN("\xff\x13"), EMULATE_DONE); /* call [ebx] */
    assert_int_equal(state.gpr.rip, 0x9000);
    assert_memory_equal(machine.ram + 0x3ffc, "\x02\x80\x00\x00", 4);
    state.gpr.rip = CODE;
    assert_int_equal(RUN("\xff\x23"), EMULATE_DONE); /* jmp [ebx] */
    assert_int_equal(state.gpr.rip, 0x9000);
    /* A 16-bit stack wraps at 64 KiB and keeps the upper half of ESP. */
    begin(TEST_PROTECTED_16);
    state.gpr.reg[RSP] = 0x12340000;
    assert_int_equal(RUN("\x6a\xff"), EMULATE_DONE); /* push -1 */
    assert_int_equal(state.gpr.reg[RSP], 0x1234fffe);
    assert_memory_equal(machine.ram + 0xfffe, "\xff\xff", 2);
}

static void msw(void **unused)
{
    (void)unused;
    begin(TEST_REAL);
    state.gpr.reg[RBX] = 0x4000;
    state.control.cr0 = 0x60000010;
    assert_int_equal(RUN("\x0f\x01\x27"), EMULATE_DONE); /* smsw [bx] */
    assert_memory_equal(machine.ram + 0x4000, "\x10\x00\x00\x00", 4);
    machine.ram[0x4000] = 0x0b;
    assert_int_equal(RUN("\x0f\x01\x37"), EMULATE_DONE); /* lmsw [bx] */
    assert_int_equal(state.control.cr0, 0x6000001b);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_CONTROL);
    begin(TEST_PROTECTED_32);
    machine.ram[0x4000] = 0;
    state.gpr.reg[RBX] = 0x4000;
    assert_int_equal(RUN("\x0f\x01\x33"), EMULATE_DONE);
    assert_int_equal(state.control.cr0 & 1, 1); /* PE stays */
}

static void vector_moves(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    state.control.cr4 |= CR4_OSFXSR;
    state.gpr.reg[RBX] = TEST_DEVICE;
    state.fpu.xsave[512] = 3;
    for (unsigned i = 0; i < 16; i++)
        state.fpu.xsave[160 + 16 * 9 + i] = i + 1;
    assert_int_equal(RUN("\x66\x44\x0f\xe7\x0b"), EMULATE_DONE); /* movntdq [rbx], xmm9 */
    assert_int_equal(machine.accesses, 2);
    expect_access(0, 'w', TEST_DEVICE, 8, 0x0807060504030201);
    expect_access(1, 'w', TEST_DEVICE + 8, 8, 0x100f0e0d0c0b0a09);
    assert_int_equal(emulator.modified, VCPU_GPR);
    assert_true(emulator.groups & VCPU_FPU);
    assert_int_equal(RUN("\xf3\x0f\x7e\x1b"), EMULATE_DONE); /* movq xmm3, [rbx] */
    assert_memory_equal(state.fpu.xsave + 160 + 48, "\1\2\3\4\5\6\7\10\0\0\0\0\0\0\0\0", 16);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_FPU);
    /* What XSTATE_BV says is initial is zero, whatever lies there. */
    state.fpu.xsave[512] = 1;
    assert_int_equal(RUN("\x0f\x11\x1b"), EMULATE_DONE); /* movups [rbx], xmm3 */
    expect_access(0, 'w', TEST_DEVICE, 8, 0);
    state.gpr.rip = CODE;
    state.gpr.reg[RBX] = TEST_DEVICE + 8;
    FAULT("\x66\x0f\x6f\x03", EXCEPTION_GP, 0); /* movdqa, not aligned */
    state.control.cr0 |= CR0_TS;
    FAULT("\x0f\x10\x03", EXCEPTION_NM, -1);
    state.control.cr0 |= CR0_EM;
    FAULT("\x0f\x10\x03", EXCEPTION_UD, -1);
}

static void ports(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.gpr.reg[RAX] = 0x11223344;
    assert_int_equal(RUN("\xe6\x80"), EMULATE_DONE); /* out 0x80, al */
    expect_access(0, 'o', 0x80, 1, 0x44);
    state.gpr.reg[RDX] = 0x1f0;
    assert_int_equal(RUN("\x66\xed"), EMULATE_DONE); /* in ax, dx */
    assert_int_equal(state.gpr.reg[RAX], 0x1122f0f0);
    /* CPL 3 with IOPL 0: the TSS decides. */
    state.segment[SEG_SS].attributes |= SEG_DPL_MASK;
    state.segment[SEG_TR] = (struct segment){.attributes = SEG_P | 11, .limit = 0x67 + 33, .base = 0x20000};
    state.gpr.rip = CODE;
    machine.ram[0x20066] = 0x68;
    machine.ram[0x20068 + 0x80 / 8] = 1 << 1;
    assert_int_equal(RUN("\xe4\x80"), EMULATE_DONE);
    state.gpr.rip = CODE;
    FAULT("\xe4\x81", EXCEPTION_GP, 0);
    FAULT("\x66\xe5\x80", EXCEPTION_GP, 0); /* ports 0x80 and 0x81 */
    state.gpr.reg[RDX] = 0x1f0;             /* beyond the limit */
    FAULT("\xec", EXCEPTION_GP, 0);
    state.gpr.rflags |= 3 << FLAG_IOPL_SHIFT;
    assert_int_equal(RUN("\xec"), EMULATE_DONE);
}

static void unknown_is_named(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    assert_int_equal(RUN("\x0f\xa2"), EMULATE_REFUSE);
    assert_string_equal(emulator.text, "the 64-bit instruction 0f a2 at 0000:8000 cannot be emulated");
    assert_int_equal(emulator.modified, 0);
}

static void upcall_answers(void **unused)
{
    static struct upcall upcall;
    (void)unused;
    begin(TEST_PROTECTED_32);
    memcpy(machine.ram + CODE, "\x8b\x03", 2);
    state.gpr.reg[RBX] = TEST_DEVICE + 4;
    upcall.kind = UPCALL_EMULATE;
    upcall.state = state;
    upcall.groups = VCPU_GPR | VCPU_SEGMENTS | VCPU_CONTROL | VCPU_MSRS;
    upcall.exit.reason = VCPU_EXIT_MEMORY;
    upcall.exit.memory.gpa = TEST_DEVICE + 4;
    emulate_upcall(&upcall, &test_emulator_machine, &machine, &limits);
    assert_int_equal(upcall.status, UPCALL_OK);
    assert_int_equal(upcall.modified, VCPU_GPR);
    assert_int_equal(upcall.state.gpr.rip, CODE + 2);
    upcall.state.segment[SEG_DS].limit = 0xfff;
    upcall.state.gpr.rip = CODE;
    emulate_upcall(&upcall, &test_emulator_machine, &machine, &limits);
    assert_int_equal(upcall.status, UPCALL_INJECT);
    assert_int_equal(upcall.inject.vector, EXCEPTION_GP);
    memcpy(machine.ram + CODE, "\x0f\x05", 2);
    assert_true(emulate_upcall(&upcall, &test_emulator_machine, &machine, &limits));
    assert_int_equal(upcall.status, UPCALL_INJECT);
    assert_int_equal(upcall.inject.vector, EXCEPTION_UD);
    assert_int_equal(upcall.modified, 0);
    assert_non_null(strstr(upcall.text, " 0f 05 "));
}

/* LOCK against another processor: no increment is lost. */
enum { INCREMENTS = 100000, NATIVE_INCREMENTS = 10000000 };

static void locked_increments(void **unused)
{
    uint32_t value;
    unsigned done = 0, retried = 0;
    struct test_machine *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    (void)unused;
    assert_ptr_not_equal(shared, MAP_FAILED);
    test_state(shared, &state, TEST_PROTECTED_32);
    state.gpr.reg[RBX] = 0x4000;
    memcpy(shared->ram + CODE, "\xf0\xff\x03", 3); /* lock inc dword [ebx] */
    emulator = (struct emulator){.machine = &test_emulator_machine,
                                 .context = shared,
                                 .limits = &limits,
                                 .state = &state,
                                 .gpa = EMULATE_UNKNOWN};
    pid_t other = fork();
    if (other == 0) {
        for (unsigned i = 0; i < NATIVE_INCREMENTS; i++)
            __atomic_fetch_add((uint32_t *)(shared->ram + 0x4000), 1, __ATOMIC_SEQ_CST);
        _exit(0);
    }
    while (done < INCREMENTS) {
        state.gpr.rip = CODE;
        assert_int_equal(emulate(&emulator), EMULATE_DONE);
        done += state.gpr.rip != CODE;
        retried += state.gpr.rip == CODE;
    }
    assert_int_equal(waitpid(other, NULL, 0), other);
    memcpy(&value, shared->ram + 0x4000, 4);
    munmap(shared, sizeof(*shared));
    print_message("%u retries\n", retried);
    assert_int_equal(value, INCREMENTS + NATIVE_INCREMENTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(device_mov),
        cmocka_unit_test(device_offset_forms),
        cmocka_unit_test(device_read_modify_write),
        cmocka_unit_test(crossing_pages),
        cmocka_unit_test(code_crossing_pages),
        cmocka_unit_test(known_address),
        cmocka_unit_test(bit_strings),
        cmocka_unit_test(stack_forms),
        cmocka_unit_test(msw),
        cmocka_unit_test(vector_moves),
        cmocka_unit_test(ports),
        cmocka_unit_test(unknown_is_named),
        cmocka_unit_test(upcall_answers),
        cmocka_unit_test(locked_increments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
