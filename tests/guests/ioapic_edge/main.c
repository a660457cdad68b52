/*
 * IOAPIC: registers, an edge-triggered pin (PIT on pin 2), masking, vectors, logical and physical
 * destination, delivery modes. Manual: 82093AA data sheet; Intel SDM Vol. 3A, 11.11. Real hardware: as
 * checked here.
 *
 * guest: clock=virtual
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"
#include "power.h"

enum { PIN_TIMER = 2, VECTOR = 0x61, OTHER_VECTOR = 0x72 };

static void window(void)
{
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

void guest_main(void)
{
    pic_initialise();
    lapic_enable();
    check_value("version", ioapic_read(IOAPIC_VERSION) >> 16 & 0xff, 23);
    check_value("ID register", (ioapic_write(0, 0x0f000000), ioapic_read(0)) & 0x0f000000, 0x0f000000);
    ioapic_write(0, 0);
    check_value("select register reads back",
                (*(volatile uint32_t *)IOAPIC_BASE = 0x12, *(volatile uint32_t *)IOAPIC_BASE), 0x12);
    ioapic_write(IOAPIC_REDIRECTION + 2 * 5, 0xfffeffff);
    check_value("redirection: status and remote IRR are read-only",
                ioapic_read(IOAPIC_REDIRECTION + 2 * 5) & 0x5000, 0);
    ioapic_write(IOAPIC_REDIRECTION + 2 * 5, LVT_MASKED);
    check_value("redirection entry reads back", ioapic_read(IOAPIC_REDIRECTION + 2 * 5), LVT_MASKED);

    interrupt_set(VECTOR, interrupt_eoi_lapic);
    interrupt_set(OTHER_VECTOR, interrupt_eoi_lapic);
    ioapic_route(PIN_TIMER, VECTOR, 0);
    pit_fire();
    check_value("IRR while interrupts are off", lapic_bit(LAPIC_IRR, VECTOR), 1);
    check_value("TMR: edge", lapic_bit(LAPIC_TMR, VECTOR), 0);
    window();
    check_value("delivered", interrupt_count[VECTOR], 1);
    window();
    check_value("once", interrupt_count[VECTOR], 1);
    check_value("remote IRR stays clear", ioapic_read(IOAPIC_REDIRECTION + 2 * PIN_TIMER) & REMOTE_IRR, 0);
    ioapic_route(PIN_TIMER, OTHER_VECTOR, 0);
    pit_fire();
    window();
    check_value("other vector", interrupt_count[OTHER_VECTOR], 1);
    ioapic_route(PIN_TIMER, LVT_MASKED | VECTOR, 0);
    pit_fire();
    window();
    check_value("masked", interrupt_count[VECTOR], 1);
    lapic_write(LAPIC_DFR, 0xffffffff);
    lapic_write(LAPIC_LDR, 0x04000000);
    ioapic_route(PIN_TIMER, VECTOR | DESTINATION_LOGICAL, 4);
    pit_fire();
    window();
    check_value("logical destination", interrupt_count[VECTOR], 2);
    ioapic_route(PIN_TIMER, VECTOR | DESTINATION_LOGICAL, 8);
    pit_fire();
    window();
    check_value("logical destination of nobody", interrupt_count[VECTOR], 2);
    ioapic_route(PIN_TIMER, VECTOR | DESTINATION_LOGICAL | DELIVERY_LOWEST, 4);
    pit_fire();
    window();
    check_value("lowest priority", interrupt_count[VECTOR], 3);
    ioapic_route(PIN_TIMER, VECTOR, 7);
    pit_fire();
    window();
    check_value("physical destination of nobody", interrupt_count[VECTOR], 3);
    ioapic_route(PIN_TIMER, VECTOR, 0xff);
    pit_fire();
    window();
    check_value("physical broadcast", interrupt_count[VECTOR], 4);
    ioapic_route(PIN_TIMER, DELIVERY_NMI | 2, 0);
    interrupt_set(NMI_VECTOR, interrupt_eoi_lapic);
    pit_fire();
    check_value("NMI delivery ignores IF", interrupt_count[NMI_VECTOR], 1);
    interrupt_set(VECTOR, NULL);
    ioapic_route(PIN_TIMER, LVT_MASKED, 0);
}
