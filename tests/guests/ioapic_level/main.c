/*
 * IOAPIC, level-triggered: the serial port's line (pin 4) stays up until served. Remote IRR is set by
 * delivery and cleared by EOI; a line still up is delivered again after EOI; TMR; a line that falls before
 * delivery. Manual: 82093AA data sheet, 3.2.4; Intel SDM Vol. 3A, 11.8.5. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"

enum {
    COM1_IER = 0x3f9,
    COM1_IIR = 0x3fa,
    COM1_MCR = 0x3fc,
    PIN = 4,
    VECTOR = 0x58,
    ENTRY = IOAPIC_REDIRECTION + 2 * PIN
};

static uint32_t in_handler_isr, in_handler_remote;
static bool serve = true, give_eoi = true;

static void raise_line(void)
{
    outb(COM1_MCR, 0xb);
    outb(COM1_IER, 2);
}
static void drop_line(void)
{
    outb(COM1_IER, 0);
    (void)inb(COM1_IIR);
}
static void handler(struct interrupt_frame *frame)
{
    (void)frame;
    in_handler_isr = lapic_bit(LAPIC_ISR, VECTOR);
    in_handler_remote = ioapic_read(ENTRY) & REMOTE_IRR;
    if (serve)
        drop_line();
    if (give_eoi)
        lapic_write(LAPIC_EOI, 0);
}
static void window(void)
{
    __asm__ volatile("sti; nop; nop; nop; cli" : : : "memory");
}

void guest_main(void)
{
    pic_initialise();
    lapic_enable();
    interrupt_set(VECTOR, handler);
    drop_line();
    ioapic_route(PIN, VECTOR | TRIGGER_LEVEL, 0);
    raise_line();
    check_value("IRR", lapic_bit(LAPIC_IRR, VECTOR), 1);
    check_value("TMR: level", lapic_bit(LAPIC_TMR, VECTOR), 1);
    window();
    check_value("delivered", interrupt_count[VECTOR], 1);
    check_value("  ISR in the handler", in_handler_isr, 1);
    check_value("  remote IRR in the handler", in_handler_remote, REMOTE_IRR);
    check_value("  remote IRR after EOI", ioapic_read(ENTRY) & REMOTE_IRR, 0);
    check_value("  ISR after EOI", lapic_bit(LAPIC_ISR, VECTOR), 0);

    serve = false;
    give_eoi = false;
    raise_line();
    window();
    check_value("without EOI: once", interrupt_count[VECTOR], 2);
    window();
    check_value("  still once", interrupt_count[VECTOR], 2);
    check_value("  remote IRR", ioapic_read(ENTRY) & REMOTE_IRR, REMOTE_IRR);
    lapic_write(LAPIC_EOI, 0);
    check_value("EOI with the line up: pending again", lapic_bit(LAPIC_IRR, VECTOR), 1);
    serve = give_eoi = true;
    window();
    check_value("  delivered again", interrupt_count[VECTOR], 3);
    window();
    check_value("  and then no more", interrupt_count[VECTOR], 3);

    ioapic_route(PIN, VECTOR | TRIGGER_LEVEL | LVT_MASKED, 0);
    raise_line();
    window();
    check_value("masked: nothing", interrupt_count[VECTOR], 3);
    ioapic_write(ENTRY, VECTOR | TRIGGER_LEVEL);
    window();
    check_value("unmasked with the line up: delivered", interrupt_count[VECTOR], 4);
    ioapic_route(PIN, LVT_MASKED, 0);
    drop_line();
}
