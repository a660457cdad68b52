/*
 * NMI IPIs to another processor: it takes them with IF=0 in a loop and in HLT; broadcast to all but self.
 * Manual: Intel SDM Vol. 3A, 11.6.1. Real hardware: as checked here.
 *
 * guest: cpus=2
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "power.h"

enum { ROUNDS = 100 };
static volatile uint32_t received, mode, loops;

static void handler(struct interrupt_frame *frame)
{
    (void)frame;
    received++;
}
static void other(uint32_t index)
{
    (void)index;
    while (mode == 0)
        loops++;
    while (mode == 1)
        __asm__ volatile("cli; hlt" : : : "memory");
}

static uint32_t send(uint8_t destination, uint32_t command)
{
    uint32_t lost = 0;

    received = 0;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        lapic_send(destination, command | DELIVERY_NMI | ICR_ASSERT);
        uint32_t start = pm_timer();
        while (received != i + 1 && ((pm_timer() - start) & PM_TIMER_MASK) < PM_TIMER_HZ)
            pause();
        lost += received != i + 1;
    }
    return lost;
}

void guest_main(void)
{
    interrupt_set(NMI_VECTOR, handler);
    check_value("processors started", smp_start(other), 1);
    check_value("lost in a loop with IF=0", send(1, 0), 0);
    check_value("  received", received, ROUNDS);
    check("  the loop went on", loops > 0);
    mode = 1;
    delay_us(10000);
    check_value("lost in HLT with IF=0", send(0, ICR_OTHERS), 0);
    check_value("  received", received, ROUNDS);
    mode = 2;
    lapic_send(1, DELIVERY_NMI | ICR_ASSERT);
}
