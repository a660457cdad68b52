/*
 * HLT: ends by an interrupt, by one already pending, not by a masked one or with TPR above it; the saved EIP
 * is behind HLT; a device's interrupt and the local APIC's timer both wake. Manual: AMD APM Vol. 3, HLT;
 * Intel SDM Vol. 2A. Real hardware: as checked here.
 *
 * guest: clock=virtual
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"
#include "power.h"

enum { VECTOR = 0x40, LOW_VECTOR = 0x31 };
static volatile uint32_t eip;

static void handler(struct interrupt_frame *frame)
{
    eip = frame->eip;
    lapic_write(LAPIC_EOI, 0);
}

static uint32_t halt_once(void)
{
    uint32_t behind;

    __asm__ volatile("mov $1f, %0; sti; hlt; 1: cli" : "=&r"(behind) : : "memory");
    return behind;
}
static void timer(uint32_t count)
{
    lapic_write(LAPIC_LVT_TIMER, VECTOR);
    lapic_write(LAPIC_DIVIDE, 0xb);
    lapic_write(LAPIC_INITIAL, count);
}

void guest_main(void)
{
    lapic_enable();
    pic_initialise();
    interrupt_set(VECTOR, handler);
    interrupt_set(LOW_VECTOR, handler);
    timer(2000000);
    uint32_t behind = halt_once();
    check_value("timer ends HLT", interrupt_count[VECTOR], 1);
    check_value("  EIP is behind HLT", eip - behind, 0);
    timer(1000);
    delay_us(5000);
    behind = halt_once();
    check_value("pending before STI; HLT: ends it at once", interrupt_count[VECTOR], 2);
    check_value("  EIP is behind HLT (shadow of STI)", eip - behind, 0);
    lapic_write(LAPIC_TPR, 0x30);
    lapic_send(0, ICR_SELF | ICR_ASSERT | LOW_VECTOR);
    timer(20000000);
    halt_once();
    check_value("one below TPR does not end it", interrupt_count[LOW_VECTOR], 0);
    check_value("  the timer does", interrupt_count[VECTOR], 3);
    lapic_write(LAPIC_TPR, 0);
    interrupts_on();
    __asm__ volatile("nop");
    interrupts_off();
    check_value("  then the other comes", interrupt_count[LOW_VECTOR], 1);
    lapic_write(LAPIC_LVT_LINT0, DELIVERY_EXTINT);
    interrupt_set(PIC_VECTOR, interrupt_eoi_pic);
    pic_set_mask(0xfffe);
    pit_start(0, 5000);
    halt_once();
    check_value("8259 ends HLT", interrupt_count[PIC_VECTOR], 1);
    uint32_t start = pm_timer();
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t seen = interrupt_count[VECTOR];
        timer(1000000);
        while (interrupt_count[VECTOR] == seen)
            halt_once();
    }
    check_value("twenty in a row", interrupt_count[VECTOR], 23);
    check("  in at least 20 ms", ((pm_timer() - start) & PM_TIMER_MASK) >= PM_TIMER_HZ / 60);
}
