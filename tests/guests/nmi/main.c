/*
 * NMI on one processor: self IPI with NMI delivery, taken with IF=0, blocked until IRET, one kept pending,
 * ends HLT. Manual: AMD APM Vol. 2, 8.2.3; Intel SDM Vol. 3A, 6.7.1. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"
#include "pic.h"

enum { PIN_TIMER = 2 };

static volatile uint32_t depth, deepest, order;

static void send_nmi(void)
{
    lapic_send(0, DELIVERY_NMI | ICR_ASSERT);
}

static void handler(struct interrupt_frame *frame)
{
    (void)frame;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (order++ == 0) {
        send_nmi();
        send_nmi();
        __asm__ volatile("nop; nop; nop; nop");
    }
    depth--;
}
/* An IRET inside the handler ends the blocking: the pending NMI nests. */
static void handler_with_iret(struct interrupt_frame *frame)
{
    (void)frame;
    depth++;
    if (depth > deepest)
        deepest = depth;
    if (order++ == 0) {
        send_nmi();
        __asm__ volatile("pushf; push %%cs; push $1f; iret; 1: nop; nop" : : : "memory");
    }
    depth--;
}

void guest_main(void)
{
    pic_initialise();
    lapic_enable();
    interrupt_set(NMI_VECTOR, handler);
    send_nmi();
    __asm__ volatile("nop; nop; nop");
    check_value("NMI with IF=0; two sent inside, one kept", interrupt_count[NMI_VECTOR], 2);
    check_value("  not nested", deepest, 1);
    interrupt_set(NMI_VECTOR, handler_with_iret);
    order = deepest = 0;
    interrupt_count[NMI_VECTOR] = 0;
    send_nmi();
    __asm__ volatile("nop; nop; nop");
    check_value("IRET inside the handler: taken there", interrupt_count[NMI_VECTOR], 2);
    check_value("  nested", deepest, 2);
    interrupt_set(NMI_VECTOR, handler);
    order = 1;
    interrupt_count[NMI_VECTOR] = 0;
    pic_initialise();
    ioapic_route(2, DELIVERY_NMI, 0);
    pit_start(0, 40000);
    __asm__ volatile("cli; hlt" : : : "memory");
    check_value("NMI ends HLT with IF=0", interrupt_count[NMI_VECTOR], 1);
    __asm__ volatile("int $2" : : : "memory");
    check_value("INT 2 runs the handler", interrupt_count[NMI_VECTOR], 2);
}
