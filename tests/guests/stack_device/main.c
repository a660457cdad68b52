/*
 * A stack where no memory is: the frames of an interrupt, of exceptions and of INT n go to a device, are lost
 * there, and the handlers run all the same; no instruction behind is executed. Each of them reaches a monitor
 * as an access to a device, made by the delivery and not by the instruction at EIP. Manual: Intel SDM Vol.
 * 3A, 6.12.1; AMD APM Vol. 2, 8.7.1 and 15.7.2 (EXITINTINFO). Real hardware: as checked here.
 *
 * An interrupt that Bochs delivers by itself (virtual-interrupt delivery) is not in the vectoring information
 * when an exit breaks its delivery: another event is, of some time before. So the monitor serves the local
 * APIC here.
 *
 * guest: local-apic=software
 */
#include "guest.h"
#include "apic.h"
#include "descriptors.h"
#include "processor.h"

enum { VECTOR = 0x41, VECTOR_INT = 0x42, VECTOR_UD = 6, VECTOR_GP = 13, ROUNDS = 20 };
enum { NOWHERE = 0xd0000800u }; /* below the PCI devices and above RAM */

static uint32_t own_stack, count;

extern void handler_interrupt(void), handler_int(void), handler_ud(void), handler_gp(void);

/* A handler counts itself and goes on behind what has brought it there, on the test's own stack. */
__asm__("handler_interrupt: addl $0x1, count; jmp 9f\n"
        "handler_int: addl $0x100, count; jmp 9f\n"
        "handler_ud: addl $0x10000, count; jmp 9f\n"
        "handler_gp: addl $0x1000000, count\n"
        "9: mov own_stack, %esp; ret\n");

/* Executes it on the stack that is none, with EBX 0: what follows would count EBX up. */
#define ON_NOWHERE(instruction)                                                                              \
    ({                                                                                                       \
        uint32_t ran;                                                                                        \
        __asm__ volatile(                                                                                    \
            "push %%ebp; push $1f; mov %%esp, %[own]; mov %[nowhere], %%esp; xor %%ebx, %%ebx;" instruction  \
            "; inc %%ebx; inc %%ebx; mov %[own], %%esp; add $4, %%esp; 1: cli;"                              \
            "pop %%ebp"                                                                                      \
            : "=b"(ran), [own] "+m"(own_stack)                                                               \
            : [nowhere] "i"(NOWHERE)                                                                         \
            : "eax", "ecx", "edx", "esi", "edi", "memory", "cc");                                            \
        ran;                                                                                                 \
    })

void guest_main(void)
{
    lapic_enable();
    idt_set(VECTOR, (uint32_t)handler_interrupt, SELECTOR_CODE32, GATE_INTERRUPT32);
    idt_set(VECTOR_INT, (uint32_t)handler_int, SELECTOR_CODE32, GATE_INTERRUPT32);
    uint64_t ud = idt[VECTOR_UD], gp = idt[VECTOR_GP];
    idt_set(VECTOR_UD, (uint32_t)handler_ud, SELECTOR_CODE32, GATE_INTERRUPT32);
    idt_set(VECTOR_GP, (uint32_t)handler_gp, SELECTOR_CODE32, GATE_INTERRUPT32);
    uint32_t passed = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        lapic_send(0, ICR_SELF | ICR_ASSERT | VECTOR);
        passed += ON_NOWHERE("sti; nop");
        lapic_write(LAPIC_EOI, 0);
    }
    check_value("interrupts that came", count, ROUNDS);
    check_value("  instructions behind them that were executed", passed, 0);
    count = passed = 0;
    for (uint32_t i = 0; i < ROUNDS; i++)
        passed += ON_NOWHERE("int $0x42");
    check_value("INT n", count, ROUNDS << 8);
    check_value("  instructions behind it", passed, 0);
    count = passed = 0;
    for (uint32_t i = 0; i < ROUNDS; i++)
        passed += ON_NOWHERE("ud2");
    check_value("#UD", count, ROUNDS << 16);
    check_value("  instructions behind it", passed, 0);
    count = passed = 0;
    for (uint32_t i = 0; i < ROUNDS; i++)
        passed += ON_NOWHERE("mov $0xfff8, %%eax; mov %%ax, %%fs");
    check_value("#GP, with its error code", count, (uint32_t)ROUNDS << 24);
    check_value("  instructions behind it", passed, 0);
    idt[VECTOR_UD] = ud;
    idt[VECTOR_GP] = gp;
}
