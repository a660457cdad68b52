/*
 * The wires of the main board: an ISA interrupt line has several drivers and two receivers.
 *
 * Document: MultiProcessor Specification 1.4, section 3.6.2 (virtual wire by the local APIC: both controllers
 * see each line); ACPI 6.4, 5.2.12.5 (IRQ 0 is at pin 2 of the I/O APIC, which the tables say as an
 * override); IA-PC HPET Specification 1.0a, 2.3.5 (legacy replacement). State: struct board. Missing: pins of
 * the I/O APIC for PCI's interrupts alone (they share those of ISA), the 8259's output at its pin 0, the
 * IMCR, anybody who asserts NMI.
 */
#include "board.h"

enum { TIMER_IRQ = 0, TIMER_PIN = 2, CLOCK_IRQ = 8 };

/* Whether anybody asserts the line: the 8254 and the real-time clock do not where the HPET stands for them.
 */
static bool board_joined(const struct board *board, unsigned irq)
{
    bool replaced = board->timers_replaced && (irq == TIMER_IRQ || irq == CLOCK_IRQ);
    return (board->sources[irq] & (replaced ? ~(1u << IRQ_ISA) : ~0u)) != 0;
}

/* To the receivers, if the line was otherwise before. */
static void board_carry(const struct board *board, struct pic *pic, struct ioapic *ioapic, unsigned irq,
                        bool before)
{
    bool joined = board_joined(board, irq);
    if (joined == before)
        return;
    pic_set_line(pic, irq, joined);
    ioapic_set_line(ioapic, irq == TIMER_IRQ ? TIMER_PIN : irq, joined);
}

void board_set_irq(struct board *board, struct pic *pic, struct ioapic *ioapic, unsigned irq,
                   enum irq_source source, bool level)
{
    if (irq >= PIC_LINES || irq == PIC_CASCADE)
        return;
    bool before = board_joined(board, irq);
    uint8_t bit = (uint8_t)(1u << source);
    board->sources[irq] = (uint8_t)(level ? board->sources[irq] | bit : board->sources[irq] & ~bit);
    board_carry(board, pic, ioapic, irq, before);
}

void board_replace_timers(struct board *board, struct pic *pic, struct ioapic *ioapic, bool replaced)
{
    bool timer = board_joined(board, TIMER_IRQ), clock = board_joined(board, CLOCK_IRQ);
    board->timers_replaced = replaced;
    board_carry(board, pic, ioapic, TIMER_IRQ, timer);
    board_carry(board, pic, ioapic, CLOCK_IRQ, clock);
}
