/*
 * Local APIC registers and priorities: self IPI, IRR, ISR, PPR, TPR, nesting by class, EOI of the highest,
 * spurious vector and software disable, LVT reset values. (lapic_errors has the errors.) Manual: Intel SDM
 * Vol. 3A, 11.4-11.8. Real hardware: as checked here.
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"

enum { LOW = 0x41, MIDDLE = 0x61, SAME_CLASS = 0x65, HIGH = 0x91 };
static uint32_t order[8], orders, ppr_seen, isr_seen;

static void self(uint8_t vector)
{
    lapic_send(0, ICR_SELF | ICR_ASSERT | vector);
}
static void window(void)
{
    __asm__ volatile("sti; nop; nop; nop; nop; cli" : : : "memory");
}
static void note(struct interrupt_frame *frame)
{
    order[orders++ & 7] = frame->vector;
    ppr_seen = lapic_read(LAPIC_PPR);
    isr_seen = lapic_bit(LAPIC_ISR, (uint8_t)frame->vector);
    lapic_write(LAPIC_EOI, 0);
}
/* Sends a higher and an equal class from inside, with interrupts on. */
static void nest(struct interrupt_frame *frame)
{
    order[orders++ & 7] = frame->vector;
    self(HIGH);
    self(SAME_CLASS);
    window();
    lapic_write(LAPIC_EOI, 0);
}

static void test_pending(void)
{
    self(MIDDLE);
    check_value("IRR", lapic_bit(LAPIC_IRR, MIDDLE), 1);
    check_value("ISR", lapic_bit(LAPIC_ISR, MIDDLE), 0);
    self(LOW);
    self(HIGH);
    window();
    check_value("three pending: delivered", orders, 3);
    check_value("  highest first", order[0] << 16 | order[1] << 8 | order[2], HIGH << 16 | MIDDLE << 8 | LOW);
    check_value("  PPR in the last handler", ppr_seen, LOW & 0xf0);
    check_value("  ISR in the last handler", isr_seen, 1);
    check_value("  PPR after", lapic_read(LAPIC_PPR), 0);
    self(LOW);
    self(LOW);
    orders = 0;
    window();
    check_value("twice the same while pending: once", orders, 1);
}

static void test_priority(void)
{
    orders = 0;
    lapic_write(LAPIC_TPR, 0x60);
    check_value("TPR reads back", lapic_read(LAPIC_TPR), 0x60);
    check_value("PPR follows", lapic_read(LAPIC_PPR), 0x60);
    self(MIDDLE);
    self(HIGH);
    window();
    check_value("TPR 0x60 holds 0x61, not 0x91", orders << 8 | order[0], 1 << 8 | HIGH);
    lapic_write(LAPIC_TPR, 0x5f);
    window();
    check_value("TPR 0x5f lets 0x61 through", orders << 8 | order[1], 2 << 8 | MIDDLE);
    lapic_write(LAPIC_TPR, 0);
    interrupt_set(MIDDLE, nest);
    orders = 0;
    self(MIDDLE);
    window();
    check_value("nesting: interrupts", orders, 3);
    check_value("  higher inside, same class after EOI", order[0] << 16 | order[1] << 8 | order[2],
                MIDDLE << 16 | HIGH << 8 | SAME_CLASS);
    interrupt_set(MIDDLE, note);
}

static void test_disable(void)
{
    lapic_write(LAPIC_LVT_ERROR, 0x44);
    lapic_write(LAPIC_SVR, 0xff);
    observe("software disable masks the LVTs", lapic_read(LAPIC_LVT_ERROR) & LVT_MASKED);
    lapic_write(LAPIC_LVT_ERROR, 0x44);
    observe("  and they cannot be unmasked", lapic_read(LAPIC_LVT_ERROR) & LVT_MASKED);
    lapic_write(LAPIC_SVR, 0x1ff);
    check_value("SVR reads back", lapic_read(LAPIC_SVR), 0x1ff);
    lapic_enable();
    orders = 0;
    self(LOW);
    window();
    check_value("enabled again: works", orders, 1);
}

void guest_main(void)
{
    static const uint8_t vectors[] = {LOW, MIDDLE, SAME_CLASS, HIGH};

    for (uint32_t i = 0; i < ARRAY_LENGTH(vectors); i++)
        interrupt_set(vectors[i], note);
    lapic_enable();
    check_value("version", lapic_read(LAPIC_VERSION) & 0xf0, 0x10);
    check_value("LVT entries", lapic_read(LAPIC_VERSION) >> 16 & 0xff, 5);
    check_value("ID of the first processor", lapic_read(LAPIC_ID), 0);
    check_value("DFR after reset", lapic_read(LAPIC_DFR), 0xffffffff);
    test_pending();
    test_priority();
    test_disable();
}
