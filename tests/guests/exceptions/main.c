/*
 * Exceptions of ring 0 and ring 3 in 32-bit protected mode: vector, error code, and whether the saved EIP is
 * that of the instruction (fault) or the one behind it (trap). Manual: AMD APM Vol. 2, 8.2; Intel SDM Vol.
 * 3A, 6.15. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "descriptors.h"

static uint8_t user_stack[4096];

static void user_gate(void)
{
    __asm__ volatile("int $0x41");
}
static void user_open_gate(void)
{
    __asm__ volatile("int $0x42");
}
static void user_hlt(void)
{
    __asm__ volatile("hlt");
}
static void user_cli(void)
{
    __asm__ volatile("cli");
}
static void user_in(void)
{
    __asm__ volatile("in $0x80, %%al; hlt" : : : "eax");
}
static void user_rdmsr(void)
{
    __asm__ volatile("rdmsr" : : "c"(MSR_APIC_BASE) : "eax", "edx");
}
static void user_ud(void)
{
    __asm__ volatile("ud2");
}
static void user_mov_cr(void)
{
    __asm__ volatile("mov %%cr0, %%eax" : : : "eax");
}
static void user_int3(void)
{
    __asm__ volatile("int3");
}
static void user_invlpg(void)
{
    __asm__ volatile("invlpg 0");
}
static void user_ltr(void)
{
    __asm__ volatile("ltr %%ax" : : "a"(0));
}

static void user(const char *name, void (*function)(void), uint32_t vector, uint32_t error)
{
    user_call(function, (uint32_t)(user_stack + sizeof(user_stack)));
    check_fault(name, vector, error);
    check_value("  CS", fault.cs, SELECTOR_USER_CODE32);
}

static void test_user(void)
{
    extern uint8_t interrupt_stubs[256][16];

    idt_set(0x42, (uint32_t)interrupt_stubs[0x42], SELECTOR_CODE32, GATE_INTERRUPT32 | DESCRIPTOR_DPL3);
    user("ring 3 INT with gate DPL 0", user_gate, GP, 0x41 * 8 + 2);
    user("ring 3 INT with gate DPL 3", user_open_gate, 0x42, 0);
    user("ring 3 INT3 with gate DPL 0", user_int3, GP, BP * 8 + 2);
    user("ring 3 HLT", user_hlt, GP, 0);
    user("ring 3 CLI", user_cli, GP, 0);
    user("ring 3 IN without permission", user_in, GP, 0);
    tss.io[0x80 / 8] = 0;
    tss.io[0x80 / 8 + 1] = 0;
    user("ring 3 IN with permission", user_in, GP, 0);
    check_value("  at the HLT behind", *(uint8_t *)fault.eip, 0xf4);
    user("ring 3 RDMSR", user_rdmsr, GP, 0);
    user("ring 3 UD2", user_ud, UD, 0);
    user("ring 3 MOV from CR0", user_mov_cr, GP, 0);
    user("ring 3 INVLPG", user_invlpg, GP, 0);
    user("ring 3 LTR", user_ltr, GP, 0);
}

static void test_faults(void)
{
    static const int32_t bounds[2] = {-5, 5};

    TRY("divl %%ecx", : : "a"(1), "d"(0), "c"(0));
    check_fault("DIV by 0", DE, 0);
    check_value("  fault at", *(uint16_t *)fault.eip, 0xf1f7);
    TRY("idivl %%ecx", : : "a"(0x80000000), "d"(0xffffffff), "c"(-1));
    check_fault("IDIV overflow", DE, 0);
    TRY("bound %%eax, %0", : : "m"(bounds), "a"(6));
    check_fault("BOUND above", BR, 0);
    TRY("bound %%eax, %0", : : "m"(bounds), "a"(-5));
    check_no_fault("BOUND inside");
    TRY("ud2", :);
    check_fault("UD2", UD, 0);
    check_value("  fault at", *(uint16_t *)fault.eip, 0x0b0f);
    TRY("lock; addl %%eax, %%ecx", : : : "ecx");
    check_fault("LOCK with register operand", UD, 0);
    TRY(".byte 0x8e, 0xc8", : : "a"(SELECTOR_CODE32));
    check_fault("MOV to CS", UD, 0);
    TRY(".byte 0x0f, 0x20, 0xc8", : : : "eax");
    check_fault("MOV from CR1", UD, 0);
    TRY("rsm", :);
    check_fault("RSM outside SMM", UD, 0);
    TRY("movups %%xmm0, %%xmm1", :);
    check_fault("SSE without OSFXSR", UD, 0);
    write_cr0(read_cr0() | CR0_EM);
    TRY("fnop", :);
    check_fault("x87 with EM", NM, 0);
    write_cr0((read_cr0() & ~(uint32_t)CR0_EM) | CR0_TS | CR0_MP);
    TRY("fnop", :);
    check_fault("x87 with TS", NM, 0);
    TRY("fwait", :);
    check_fault("FWAIT with TS and MP", NM, 0);
    __asm__ volatile("clts");
    TRY("fwait", :);
    check_no_fault("FWAIT after CLTS");
}

static void test_x87_error(void)
{
    uint16_t control = 0x37b; /* zero divide unmasked */

    TRY("fninit; fldcw %0; fld1; fldz; fdivrp; fwait", : : "m"(control));
    check_fault("x87 zero divide with NE", MF, 0);
    __asm__ volatile("fninit");
}

static void test_traps(void)
{
    TRY("int3", :);
    check_fault("INT3", BP, 0);
    check_value("  trap behind", ((uint8_t *)fault.eip)[-1], 0xcc);
    TRY(".byte 0xcd, 3", :);
    check_fault("INT 3", BP, 0);
    check_value("  trap behind", ((uint8_t *)fault.eip)[-2], 0xcd);
    TRY("mov $0x7fffffff, %%eax; inc %%eax; into", : : : "eax");
    check_fault("INTO", OF, 0);
    check_value("  trap behind", ((uint8_t *)fault.eip)[-1], 0xce);
    TRY("xor %%eax, %%eax; into", : : : "eax");
    check_no_fault("INTO without overflow");
    TRY("int $0x41", :);
    check_fault("INT 0x41", 0x41, 0);
    check_value("  trap behind", ((uint8_t *)fault.eip)[-2], 0xcd);
}

void guest_main(void)
{
    test_faults();
    test_x87_error();
    test_traps();
    test_user();
}
