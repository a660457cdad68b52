/*
 * Interrupt shadows: one instruction behind STI runs before an interrupt, also when that
 * instruction is one that a monitor emulates, or faults in the monitor's own tables; STI;CLI never opens a
 * window; a second STI does not extend it. Manual: AMD APM Vol. 2, 15.21.5 and APM Vol. 3, STI, MOV, POP;
 * Intel SDM Vol. 2B. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"

enum { VECTOR = 0x47 };
static uint8_t untouched[2 * 4096]; /* has a page that nobody has touched */
static volatile uint32_t eip;

static void handler(struct interrupt_frame *frame)
{
    eip = frame->eip;
    frame->eflags &= ~(uint32_t)FLAG_IF;
    lapic_write(LAPIC_EOI, 0);
}
static void pend(void)
{
    eip = 0;
    lapic_send(0, ICR_SELF | ICR_ASSERT | VECTOR);
}

/* Runs code with an interrupt pending; prints where it was taken, from the label 1 in the code. */
#define TAKEN(name, offset, code, ...)                                                                       \
    do {                                                                                                     \
        uint32_t label;                                                                                      \
        pend();                                                                                              \
        __asm__ volatile("mov $1f, %0\n" code "\nnop; nop; cli" : "=&r"(label)__VA_ARGS__);                  \
        check_value(name, eip - label, offset);                                                              \
    } while (0)

void guest_main(void)
{
    uint32_t before;

    lapic_enable();
    interrupt_set(VECTOR, handler);
    TAKEN("STI; NOP: taken behind the NOP", 1, "sti; 1: nop", : : "memory");
    TAKEN("STI; 2-byte MOV: taken behind it", 2, "sti; 1: mov %%esp, %%esp", : : "memory");
    TAKEN("STI; CPUID", 2, "sti; 1: cpuid", : "a"(0), "c"(0) : "ebx", "edx", "memory");
    TAKEN("STI; IN", 2, "sti; 1: inb $0x21, %%al", : : "eax", "memory");
    TAKEN("STI; OUT", 2, "sti; 1: outb %%al, $0x80", : "a"(0) : "memory");
    TAKEN("STI; RDMSR", 2, "sti; 1: rdmsr", : "c"(MSR_APIC_BASE) : "eax", "edx", "memory");
    TAKEN("STI; LAPIC read", 2, "sti; 1: movl (%%ecx), %%eax",
          : "c"(LAPIC_BASE + LAPIC_VERSION)
          : "eax", "memory");
    TAKEN("STI; IOAPIC write", 2, "sti; 1: movl %%eax, (%%ecx)", : "c"(IOAPIC_BASE), "a"(1) : "memory");
    TAKEN("STI; read of a page not seen before", 2, "sti; 1: movl (%%ecx), %%eax",
          : "c"(((uint32_t)untouched + 4095) & ~4095u)
          : "eax", "memory");
    TAKEN("STI; STI: the second is the shadow's end", 1, "sti; 1: sti", : : "memory");
    interrupt_set(VECTOR, handler);
    before = interrupt_count[VECTOR];
    pend();
    for (uint32_t i = 0; i < 100; i++)
        __asm__ volatile("sti; cli" : : : "memory");
    check_value("STI; CLI opens no window", interrupt_count[VECTOR] - before, 0);
    __asm__ volatile("sti; nop; cli" : : : "memory");
    check_value("STI; NOP; CLI does", interrupt_count[VECTOR] - before, 1);
    pend();
    __asm__ volatile("pushf; orl $0x200, (%%esp); popf; nop; cli" : : : "memory");
    check_value("POPF has no shadow", interrupt_count[VECTOR] - before, 2);
}
