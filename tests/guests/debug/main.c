/*
 * #DB: single step (also over instructions that a monitor emulates), hardware breakpoints on execution, data
 * and I/O, DR6, general detect, INT1, RF, and TF across INT. Manual: AMD APM Vol. 2, 13.1; Intel SDM Vol.
 * 3B, 17. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "descriptors.h"
#include "apic.h"

enum { DR6_SINGLE_STEP = 1 << 14, DR6_DETECT = 1 << 13, DR7_DETECT = 1 << 13, STEPS_MAX = 32 };

static uint32_t steps, step_eip[STEPS_MAX], step_dr6;
static volatile uint32_t watched;

static uint32_t read_dr6(void)
{
    uint32_t value;
    __asm__ volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}
static void write_dr6(uint32_t value)
{
    __asm__ volatile("mov %0, %%dr6" : : "r"(value));
}
static void write_dr7(uint32_t value)
{
    __asm__ volatile("mov %0, %%dr7" : : "r"(value));
}
static void write_dr0(uint32_t value)
{
    __asm__ volatile("mov %0, %%dr0" : : "r"(value));
}

static void on_debug(struct interrupt_frame *frame)
{
    if (steps < STEPS_MAX)
        step_eip[steps] = frame->eip;
    steps++;
    step_dr6 |= read_dr6();
    write_dr6(0);
    if (!(step_dr6 & DR6_SINGLE_STEP))
        frame->eflags |= FLAG_RF;
}

/* Counts the traps of a piece of code between setting and clearing TF. */
#define STEP(name, expected, code, ...)                                                                      \
    do {                                                                                                     \
        steps = 0;                                                                                           \
        step_dr6 = 0;                                                                                        \
        __asm__ volatile("pushf; orl $0x100, (%%esp); popf\n" code                                           \
                         "\npushf; andl $~0x100, (%%esp); popf" __VA_ARGS__);                                \
        check_value(name, steps - 3, expected);                                                              \
    } while (0)

static void test_steps(void)
{
    STEP("single step: NOP NOP NOP", 3, "nop; nop; nop", : : : "memory");
    check_value("  DR6", step_dr6 & 0xe00f, DR6_SINGLE_STEP);
    STEP("over CPUID", 2, "cpuid; nop", : : "a"(0), "c"(0) : "ebx", "edx", "memory");
    STEP("over IN", 2, "inb $0x21, %%al; nop", : : : "eax", "memory");
    STEP("over OUT", 2, "outb %%al, $0x80; nop", : : : "eax", "memory");
    STEP("over a LAPIC read", 2, "movl (%0), %%eax; nop",
         :
         : "r"(LAPIC_BASE + LAPIC_VERSION)
         : "eax", "memory");
    STEP("over an IOAPIC write", 2, "movl $1, (%0); nop", : : "r"(IOAPIC_BASE) : "memory");
    STEP("over RDMSR", 2, "rdmsr; nop", : : "c"(MSR_APIC_BASE) : "eax", "edx", "memory");
    STEP("over MOV from and to CR0", 2, "mov %%cr0, %%eax; mov %%eax, %%cr0", : : : "eax", "memory");
    STEP("over MOV to CR4", 2, "mov %%cr4, %%eax; mov %%eax, %%cr4", : : : "eax", "memory");
    STEP("over RDTSC", 1, "rdtsc", : : : "eax", "edx", "memory");
    STEP("over WBINVD", 1, "wbinvd", : : : "memory");
    STEP("MOV to SS delays the trap", 2, "mov %%ss, %%eax; mov %%eax, %%ss; nop", : : : "eax", "memory");
}

static void test_breakpoints(void)
{
    uint32_t at;

    steps = step_dr6 = 0;
    __asm__ volatile("mov $1f, %0; mov %0, %%dr0; mov %1, %%dr7; nop; 1: nop; nop"
                     : "=&r"(at)
                     : "r"(0x2)
                     : "memory");
    write_dr7(0);
    check_value("execution breakpoint: traps", steps, 1);
    check_value("  EIP of the instruction", step_eip[0], at);
    check_value("  DR6", step_dr6 & 0xe00f, 1);
    steps = step_dr6 = 0;
    write_dr0((uint32_t)&watched);
    write_dr7(0x2 | 0xd << 16);
    watched = 1;
    write_dr7(0);
    observe("data write breakpoint: traps", steps);
    steps = step_dr6 = 0;
    write_dr7(0x2 | 0xd << 16);
    (void)watched;
    write_dr7(0);
    check_value("read does not hit it", steps, 0);
    write_dr7(0x2 | 0xf << 16);
    (void)watched;
    write_dr7(0);
    check_value("read-write breakpoint: traps", steps, 1);
}

static void test_others(void)
{
    interrupt_set(DB, NULL);
    write_dr7(DR7_DETECT);
    TRY("mov %%dr0, %%eax", : : : "eax");
    observe_fault("general detect");
    observe("  DR6.BD", read_dr6() & DR6_DETECT);
    write_dr6(0);
    write_dr7(0);
    TRY(".byte 0xf1", :);
    observe_fault("INT1");
    write_dr6(0);
    write_cr4(CR4_DE);
    TRY(".byte 0x0f, 0x21, 0xe0", : : : "eax");
    check_fault("DR4 with CR4.DE", UD, 0);
    write_cr4(0);
    TRY(".byte 0x0f, 0x21, 0xf0", : : : "eax");
    check_no_fault("DR6 read");
    __asm__ volatile("mov %0, %%dr3" : : "r"(0x12345678));
    uint32_t value;
    __asm__ volatile("mov %%dr3, %0" : "=r"(value));
    check_value("DR3", value, 0x12345678);
    __asm__ volatile("mov %%dr7, %0" : "=r"(value));
    check_value("DR7", value, 0x400);
}

void guest_main(void)
{
    interrupt_set(DB, on_debug);
    test_steps();
    test_breakpoints();
    test_others();
}
