/*
 * Hardware task switches: far JMP and CALL to a TSS, IRET with NT, a task gate for an interrupt, busy bits,
 * back link, TS flag, and #TS for a bad TSS; all the way to a task of 16 bits and back. The other task reads
 * a device, so that a monitor takes its state and gives it back: NT and TR must stay, or its IRET does not
 * find the way home. Manual: AMD APM Vol. 2, 12.4; Intel SDM Vol. 3A, 8.3. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "descriptors.h"

static uint8_t stack[4096] __attribute__((aligned(16)));
static struct tss32 other;
static volatile uint32_t runs, seen_flags, seen_link, seen_cr0, seen_eax, seen_later;
static volatile uint16_t seen_tr;
enum {
    OTHER = SELECTOR_FREE,
    SMALL = SELECTOR_FREE + 8,
    SMALL_CODE = SMALL + 8,
    SMALL_STACK = SMALL_CODE + 8
};

__asm__(".text\nother_task:\n"
        "mov %eax, seen_eax_word\n"
        "call other_body\n"
        "iret\n"
        "jmp other_task\n");
extern uint8_t other_task[];
uint32_t seen_eax_word;
void other_body(void);

void other_body(void)
{
    runs++;
    seen_flags = read_eflags();
    seen_link = other.link;
    seen_cr0 = read_cr0();
    seen_eax = seen_eax_word;
    (void)ioapic_read(IOAPIC_VERSION);
    seen_later = read_eflags();
    __asm__ volatile("str %0" : "=m"(seen_tr));
}

/* A TSS of 16 bits (SDM Vol. 3A, figure 8-10): code and stack have segments of their own, so that IP and SP
 * reach them. */
static struct {
    uint16_t link, sp0, ss0, sp1, ss1, sp2, ss2, ip, flags, ax, cx, dx, bx, sp, bp, si, di, es, cs, ss, ds,
        ldt;
} small;
uint16_t small_ax, small_di, small_tr, small_fs;
uint32_t small_flags, small_runs;

__asm__(".text\nsmall_task:\n"
        "movw %ax, small_ax\n"
        "movw %di, small_di\n"
        "movw %fs, small_fs\n"
        "pushf\n"
        "pop small_flags\n"
        "str small_tr\n"
        "incl small_runs\n"
        "movw $0x5e11, %ax\n"
        "iret\n"
        "jmp small_task\n");
extern uint8_t small_task[];

static void install_small(void)
{
    enum { DATA16 = DESCRIPTOR_DATA16, STACK_TOP = 0x800 };
    _Static_assert(sizeof(small) == 44, "SDM Vol. 3A, 8.6");
    small.ip = 0;
    small.flags = 2;
    small.ax = 0xa516;
    small.di = 0xd116;
    small.sp = STACK_TOP;
    small.cs = SMALL_CODE;
    small.ss = SMALL_STACK;
    small.ds = small.es = SELECTOR_DATA32;
    gdt_set(SMALL, (uint32_t)&small, sizeof(small) - 1, DESCRIPTOR_TSS16);
    gdt_set(SMALL_CODE, (uint32_t)small_task, 0xffff, DESCRIPTOR_CODE32 & ~0x8000);
    gdt_set(SMALL_STACK, (uint32_t)stack, sizeof(stack) - 1, DATA16);
}

static uint32_t descriptor_type(uint16_t selector)
{
    return (uint32_t)(gdt[selector / 8] >> 40) & 0xf;
}

static void install(void)
{
    other = (struct tss32){.eip = (uint32_t)other_task,
                           .esp = (uint32_t)(stack + sizeof(stack)),
                           .eflags = 2,
                           .eax = 0xea5e,
                           .cs = SELECTOR_CODE32,
                           .ss = SELECTOR_DATA32,
                           .ds = SELECTOR_DATA32,
                           .es = SELECTOR_DATA32,
                           .fs = SELECTOR_DATA32,
                           .gs = SELECTOR_DATA32,
                           .io_map = sizeof(other)};
    gdt_set(OTHER, (uint32_t)&other, sizeof(other) - 1, DESCRIPTOR_TSS32);
}

void guest_main(void)
{
    install();
    __asm__ volatile("clts; lcall %0, $0" : : "i"(OTHER) : "memory");
    check_value("CALL ran the task", runs, 1);
    check_value("  EAX from the TSS", seen_eax, 0xea5e);
    check_value("  NT set", seen_flags & FLAG_NT, FLAG_NT);
    check_value("  still behind a device access", seen_later & FLAG_NT, FLAG_NT);
    check_value("  TR", seen_tr, OTHER);
    check_value("  link", seen_link & 0xffff, SELECTOR_TSS);
    check_value("  CR0.TS set", seen_cr0 & CR0_TS, CR0_TS);
    check_value("  its TSS available again", descriptor_type(OTHER), 9);
    check_value("  this TSS busy", descriptor_type(SELECTOR_TSS), 0xb);
    check_value("  NT clear here", read_eflags() & FLAG_NT, 0);
    __asm__ volatile("clts; lcall %0, $0" : : "i"(OTHER) : "memory");
    check_value("second CALL goes on behind its IRET", runs, 2);

    install();
    idt_set(0x60, 0, OTHER, GATE_TASK);
    __asm__ volatile("int $0x60" : : : "memory");
    check_value("interrupt through a task gate", runs, 3);
    __asm__ volatile("clts");

    gdt_set(OTHER, (uint32_t)&other, sizeof(other) - 1, DESCRIPTOR_TSS32 | DESCRIPTOR_BUSY);
    TRY("lcall %0, $0", : : "i"(OTHER));
    check_fault("CALL to a busy TSS", GP, OTHER);
    gdt_set(OTHER, (uint32_t)&other, sizeof(other) - 1, DESCRIPTOR_TSS32 & ~DESCRIPTOR_PRESENT);
    TRY("lcall %0, $0", : : "i"(OTHER));
    check_fault("CALL to a TSS not present", NP, OTHER);
    gdt_set(OTHER, (uint32_t)&other, 50, DESCRIPTOR_TSS32);
    TRY("lcall %0, $0", : : "i"(OTHER));
    check_fault("CALL to a short TSS", TS, OTHER);
    TRY("pushf; orl $0x4000, (%%esp); popf; iret", : : : "memory");
    check_fault("IRET with NT and link 0", TS, 0);
    check_value("runs", runs, 3);

    uint32_t ebx = 0xb00bb00b, eax = 0xa00aa00a;
    install_small();
    __asm__ volatile("clts; lcall %2, $0" : "+b"(ebx), "+a"(eax) : "i"(SMALL) : "memory");
    check_value("CALL ran the task of 16 bits", small_runs, 1);
    check_value("  AX from the TSS", small_ax, 0xa516);
    check_value("  DI", small_di, 0xd116);
    check_value("  FS is null", small_fs, 0);
    check_value("  NT set", small_flags & FLAG_NT, FLAG_NT);
    check_value("  TR", small_tr, SMALL);
    check_value("  link", small.link, SELECTOR_TSS);
    check_value("  AX in its TSS", small.ax, 0x5e11);
    check_value("  SP", small.sp, 0x800);
    check_value("  its TSS available again", descriptor_type(SMALL), 1);
    check_value("  all 32 bits of EAX are back", eax, 0xa00aa00a);
    check_value("  and of EBX", ebx, 0xb00bb00b);
    __asm__ volatile("clts; lcall %0, $0" : : "i"(SMALL) : "memory");
    check_value("second CALL goes on behind its IRET", small_runs, 2);
    gdt_set(SMALL, (uint32_t)&small, 42, DESCRIPTOR_TSS16);
    TRY("lcall %0, $0", : : "i"(SMALL));
    check_fault("CALL to a short TSS of 16 bits", TS, SMALL);
    __asm__ volatile("clts");
}
