/*
 * The instruction emulator's control registers and model-specific registers: what is accepted, what gives
 * #GP(0) and changes nothing, and which groups go back to the monitor.
 *
 * sources: devices/emulate*.c lib/decode*.c lib/walk.c lib/format.c lib/real_mode.c
 */
#include "emulate_fixture.h"

#define MOV_CR0_EAX "\x0f\x22\xc0"
#define MOV_CR3_EAX "\x0f\x22\xd8"
#define MOV_CR4_EAX "\x0f\x22\xe0"
#define WRMSR       "\x0f\x30"
#define RDMSR       "\x0f\x32"

enum { CR0_START = 0x11, LONG_CS = SEG_P | SEG_S | 0xb | SEG_L };

/* Runs it at the start of the code again. */
static enum emulate_result again(const char *code, size_t length, uint64_t rax)
{
    state.gpr.rip = CODE;
    state.gpr.reg[RAX] = rax;
    return run(code, length);
}
#define AGAIN(code, rax)   again(code, sizeof(code) - 1, rax)
#define DONE(code, rax)    assert_int_equal(AGAIN(code, rax), EMULATE_DONE)
#define REFUSED(code, rax) expect_fault(AGAIN(code, rax), EXCEPTION_GP, 0)

static void cr0(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    DONE(MOV_CR0_EAX, 0x40000001);
    assert_int_equal(state.control.cr0, 0x40000011); /* ET stays */
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_CONTROL);
    REFUSED(MOV_CR0_EAX, 0x80000000); /* PG without PE */
    REFUSED(MOV_CR0_EAX, 0x20000001); /* NW without CD */
    assert_int_equal(state.control.cr0, 0x40000011);
    DONE("\x0f\x06", 0); /* clts */
    state.control.cr0 = CR0_START | CR0_TS;
    DONE("\x0f\x06", 0);
    assert_int_equal(state.control.cr0, CR0_START);
    DONE("\x0f\x01\xf0", 0xfffe); /* lmsw ax: PE stays, TS, EM and MP are set, the rest is not */
    assert_int_equal(state.control.cr0, 0x1f);
    DONE("\x0f\x20\xc3", 0); /* mov ebx, cr0 */
    assert_int_equal(state.gpr.reg[RBX], 0x1f);
    state.segment[SEG_SS].attributes |= SEG_DPL_MASK;
    REFUSED(MOV_CR0_EAX, 1);
    REFUSED("\x0f\x06", 0);
    REFUSED("\x0f\x20\xc3", 0);
}

static void long_mode(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.control.cr0 = CR0_START;
    state.msrs.efer = EFER_LME;
    REFUSED(MOV_CR0_EAX, 0x80000011); /* without PAE */
    state.control.cr4 = CR4_PAE;
    DONE(MOV_CR0_EAX, 0x80000011);
    assert_int_equal(state.msrs.efer, EFER_LME | EFER_LMA);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_CONTROL | VCPU_MSRS);
    begin(TEST_LONG);
    REFUSED(MOV_CR0_EAX, 0x11); /* paging off in 64-bit code */
    REFUSED(MOV_CR4_EAX, 0);    /* PAE off in long mode */
    REFUSED(MOV_CR3_EAX, 1ull << 40);
    DONE(MOV_CR3_EAX, 0x30000);
    DONE(MOV_CR0_EAX, 0x80010031);
    state.control.cr0 = CR0_START | CR0_PG;
    state.segment[SEG_CS].attributes = SEG_P | SEG_S | 0xb | SEG_DB;
    DONE(MOV_CR0_EAX, 0x11);
    assert_int_equal(state.msrs.efer & EFER_LMA, 0);
}

static void cr4(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    DONE(MOV_CR4_EAX, 0x6f8);
    assert_int_equal(state.control.cr4, 0x6f8);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_CONTROL);
    REFUSED(MOV_CR4_EAX, 1 << 13);   /* VMXE */
    REFUSED(MOV_CR4_EAX, 1u << 31);  /* nobody's */
    REFUSED(MOV_CR4_EAX, CR4_PCIDE); /* CPUID does not offer it */
    assert_int_equal(state.control.cr4, 0x6f8);
}

/* The pointers of a PAE guest are checked with CR3. */
static void pae_pointers(void **unused)
{
    uint64_t bad = 0x2000 | 1 << 1 | 1;
    (void)unused;
    begin(TEST_PROTECTED_32);
    state.control.cr4 = CR4_PAE;
    state.control.cr3 = 0x3000;
    memcpy(machine.ram + 0x3018, &bad, sizeof(bad));
    REFUSED(MOV_CR0_EAX, 0x80000011);
    memset(machine.ram + 0x3018, 0, sizeof(bad));
    DONE(MOV_CR0_EAX, 0x80000011);
}

static void cr8(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    DONE("\xf0\x0f\x22\xc0", 5); /* lock mov cr0, eax */
    assert_int_equal(state.control.cr8, 5);
    REFUSED("\xf0\x0f\x22\xc0", 16);
    DONE("\xf0\x0f\x20\xc0", 0);
    assert_int_equal(state.gpr.reg[RAX], 5);
    expect_fault(AGAIN("\x0f\x22\xc8", 0), EXCEPTION_UD, -1); /* CR1 */
    expect_fault(AGAIN("\x0f\x20\xe8", 0), EXCEPTION_UD, -1); /* CR5 */
}

static void hypercalls(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    DONE("\x0f\x01\xc1", 4); /* vmcall */
    assert_int_equal(state.gpr.reg[RAX], 5);
    DONE("\x0f\x01\xd9", 8); /* vmmcall */
    assert_int_equal(state.gpr.reg[RAX], 9);
    expect_fault(AGAIN("\x0f\x01\xd9", 10), EXCEPTION_UD, -1);
    state.segment[SEG_CS].attributes |= SEG_DPL_MASK;
    state.segment[SEG_SS].attributes |= SEG_DPL_MASK;
    expect_fault(AGAIN("\x0f\x01\xd9", 4), EXCEPTION_UD, -1); /* the kernel alone may */
}

static void xcr0(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    expect_fault(AGAIN("\x0f\x01\xd1", 1), EXCEPTION_UD, -1); /* without OSXSAVE */
    state.control.cr4 = CR4_OSXSAVE;
    DONE("\x0f\x01\xd1", 7);
    assert_int_equal(state.control.xcr0, 7);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_CONTROL);
    REFUSED("\x0f\x01\xd1", 6); /* without x87 */
    REFUSED("\x0f\x01\xd1", 5); /* AVX without SSE */
    REFUSED("\x0f\x01\xd1", 15);
    state.gpr.reg[RCX] = 1;
    REFUSED("\x0f\x01\xd1", 7);
}

static void msr(uint32_t index)
{
    state.gpr.reg[RCX] = index;
    state.gpr.reg[RDX] = 0;
}

static void model_specific(void **unused)
{
    (void)unused;
    begin(TEST_PROTECTED_32);
    msr(0xc0000080);
    DONE(WRMSR, EFER_LME | EFER_NXE | EFER_LMA); /* LMA is not writable */
    assert_int_equal(state.msrs.efer, EFER_LME | EFER_NXE);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_MSRS);
    REFUSED(WRMSR, 4);
    DONE(RDMSR, 0);
    assert_int_equal(state.gpr.reg[RAX], EFER_LME | EFER_NXE);
    msr(0x277);
    DONE(WRMSR, 0x01040506);
    REFUSED(WRMSR, 0x02);
    msr(0xc0000103);
    state.gpr.reg[RDX] = 5;
    DONE(WRMSR, 0x77);
    assert_int_equal(state.msrs.tsc_aux, 0x77);
    msr(0xc0000082);
    state.gpr.reg[RDX] = 0x8000;
    REFUSED(WRMSR, 0);
    msr(0xc0000100);
    DONE(WRMSR, 0x1234);
    assert_int_equal(state.segment[SEG_FS].base, 0x1234);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_SEGMENTS);
    msr(0x10);
    DONE(WRMSR, 0);
    assert_int_equal(emulator.modified, VCPU_GPR | VCPU_TIME);
    DONE(RDMSR, 0);
    assert_in_range(state.gpr.reg[RAX] | state.gpr.reg[RDX] << 32, 1, 1ull << 36);
    msr(TEST_MSR);
    state.gpr.reg[RDX] = 1;
    DONE(WRMSR, 2);
    assert_int_equal(test_msr, 0x100000002);
    msr(0x1234);
    REFUSED(WRMSR, 0);
    REFUSED(RDMSR, 0);
    state.segment[SEG_SS].attributes |= SEG_DPL_MASK;
    msr(TEST_MSR);
    REFUSED(RDMSR, 0);
    REFUSED(WRMSR, 0);
    assert_int_equal(test_msr, 0);
}

/* LME is fixed while paging is on. */
static void lme_with_paging(void **unused)
{
    (void)unused;
    begin(TEST_LONG);
    msr(0xc0000080);
    REFUSED(WRMSR, EFER_NXE);
    DONE(WRMSR, EFER_LME);
    assert_int_equal(state.msrs.efer, EFER_LME | EFER_LMA);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cr0),  cmocka_unit_test(long_mode),      cmocka_unit_test(cr4),
        cmocka_unit_test(cr8),  cmocka_unit_test(pae_pointers),   cmocka_unit_test(hypercalls),
        cmocka_unit_test(xcr0), cmocka_unit_test(model_specific), cmocka_unit_test(lme_with_paging),
    };
    return cmocka_run_group_tests_name("emulate_control", tests, NULL, NULL);
}
