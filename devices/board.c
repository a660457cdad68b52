/*
 * The wires of the main board: an ISA interrupt line has several drivers and two receivers.
 *
 * Document: MultiProcessor Specification 1.4, section 3.6.2 (virtual wire by the local APIC: both controllers
 * see each line); ACPI 6.4, 5.2.12.5 (IRQ 0 is at pin 2 of the I/O APIC, which the tables say as an
 * override).
 */
#include "board.h"

enum { TIMER_IRQ = 0, TIMER_PIN = 2 };

void board_set_irq(struct board *board, struct pic *pic, struct ioapic *ioapic, unsigned irq,
                   enum irq_source source, bool level)
{
    if (irq >= PIC_LINES || irq == PIC_CASCADE)
        return;
    uint8_t before = board->sources[irq], bit = (uint8_t)(1u << source);
    board->sources[irq] = (uint8_t)(level ? before | bit : before & ~bit);
    bool joined = board->sources[irq] != 0;
    if (joined == (before != 0))
        return;
    pic_set_line(pic, irq, joined);
    ioapic_set_line(ioapic, irq == TIMER_IRQ ? TIMER_PIN : irq, joined);
}
