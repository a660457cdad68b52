/*
 * The 8259's INTR through the local APIC: LINT0 as ExtINT takes the vector from the 8259 without touching IRR
 * or ISR; masked LINT0 holds it; a disabled local APIC lets INTR through; LINT0 in fixed mode uses its own
 * vector. Manual: Intel SDM Vol. 3A, 11.5.1, 11.4.3; MultiProcessor Specification 1.4, 3.6.2. Real hardware:
 * as checked here.
 *
 * guest: clock=virtual
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"
#include "power.h"

static uint32_t isr_seen;

static void handler(struct interrupt_frame *frame)
{
    for (uint32_t i = 0; i < 8; i++)
        isr_seen |= lapic_read(LAPIC_ISR + 0x10 * i);
    interrupt_eoi_pic(frame);
}
static void window(void)
{
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

void guest_main(void)
{
    pic_initialise();
    interrupt_set(PIC_VECTOR, handler);
    lapic_enable();
    pic_set_mask(0xfffe);
    pit_fire();
    window();
    check_value("LINT0 masked: held", interrupt_count[PIC_VECTOR], 0);
    lapic_write(LAPIC_LVT_LINT0, DELIVERY_EXTINT);
    check_value("LINT0 reads back", lapic_read(LAPIC_LVT_LINT0) & 0x107ff, DELIVERY_EXTINT);
    window();
    check_value("LINT0 as ExtINT: delivered", interrupt_count[PIC_VECTOR], 1);
    check_value("  nothing in the ISR of the local APIC", isr_seen, 0);
    pit_fire();
    window();
    check_value("again", interrupt_count[PIC_VECTOR], 2);
    lapic_write(LAPIC_TPR, 0xf0);
    pit_fire();
    window();
    check_value("TPR does not hold ExtINT", interrupt_count[PIC_VECTOR], 3);
    lapic_write(LAPIC_TPR, 0);
    pit_fire();
    pit_start(0, 10);
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    check("HLT ends by it", interrupt_count[PIC_VECTOR] >= 4);
    window();
    uint32_t before = interrupt_count[PIC_VECTOR];
    lapic_write(LAPIC_LVT_LINT0, LVT_MASKED | DELIVERY_EXTINT);
    pit_fire();
    window();
    check_value("masked again: held", interrupt_count[PIC_VECTOR], before);
    lapic_write(LAPIC_LVT_LINT0, DELIVERY_EXTINT);
    window();
    check_value("unmasked: comes", interrupt_count[PIC_VECTOR], before + 1);
    check_value("8259 idle at the end", pic_isr(), 0);
}
