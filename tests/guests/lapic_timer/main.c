/*
 * Local APIC timer: one-shot, periodic, masked, dividers, current count, changing the count, stopping; held
 * against the PM timer with tolerance. Manual: Intel SDM Vol. 3A, 11.5.4. Real hardware: as checked here.
 *
 * guest: clock=virtual
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "power.h"

enum { VECTOR = 0x40, DIVIDE_1 = 0xb, DIVIDE_2 = 0, DIVIDE_16 = 3, DIVIDE_128 = 0xa };

static uint32_t rate; /* counts in 10 ms at divider 16 */

/* Counts at a divider in 10 ms, from counts and PM timer ticks read side by side. */
static uint32_t counts_in_10ms(uint32_t divide)
{
    lapic_write(LAPIC_DIVIDE, divide);
    lapic_write(LAPIC_INITIAL, 0xffffffff);
    uint32_t start = lapic_read(LAPIC_CURRENT), start_pm = pm_timer();
    delay_us(10000);
    uint32_t counts = start - lapic_read(LAPIC_CURRENT), ticks = (pm_timer() - start_pm) & PM_TIMER_MASK;
    lapic_write(LAPIC_INITIAL, 0);
    return (uint32_t)divide64((uint64_t)counts * (PM_TIMER_HZ / 100), ticks);
}
static bool near(uint32_t value, uint32_t expected)
{
    return value >= expected - expected / 4 && value <= expected + expected / 4;
}
/* Whether counts at a divider are the given multiple (or part) of those at divider 16. A busy host may come
 * between two reads, so one of ten tries must fit. */
static bool ratio(uint32_t divide, uint32_t times, uint32_t parts)
{
    for (uint32_t i = 0; i < 10; i++) {
        rate = counts_in_10ms(DIVIDE_16);
        if (near(counts_in_10ms(divide), rate * times / parts))
            return true;
    }
    return false;
}
/* Waits with interrupts on; returns the milliseconds that went by, which can be more on a busy host. */
static uint32_t wait(uint32_t microseconds)
{
    uint32_t start = pm_timer(), now,
             ticks = (uint32_t)divide64((uint64_t)microseconds * PM_TIMER_HZ, 1000000);
    interrupts_on();
    do {
        now = (pm_timer() - start) & PM_TIMER_MASK;
    } while (now < ticks);
    interrupts_off();
    return now / (PM_TIMER_HZ / 1000);
}

void guest_main(void)
{
    lapic_enable();
    interrupt_set(VECTOR, interrupt_eoi_lapic);
    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED | VECTOR);
    rate = counts_in_10ms(DIVIDE_16);
    check("it counts", rate > 1000);
    check("divider 128 is 8 times slower", ratio(DIVIDE_128, 1, 8));
    check("divider 2 is 8 times faster", ratio(DIVIDE_2, 8, 1));
    check("divider 1", ratio(DIVIDE_1, 16, 1));
    check("again divider 16", ratio(DIVIDE_16, 1, 1));
    lapic_write(LAPIC_DIVIDE, DIVIDE_16);
    check_value("stopped: current count", lapic_read(LAPIC_CURRENT), 0);
    check_value("divide register reads back", lapic_read(LAPIC_DIVIDE), DIVIDE_16);

    lapic_write(LAPIC_LVT_TIMER, VECTOR);
    lapic_write(LAPIC_INITIAL, rate / 10);
    for (uint32_t i = 0; i < 100 && !interrupt_count[VECTOR]; i++)
        wait(10000);
    wait(20000);
    check_value("one-shot: interrupts", interrupt_count[VECTOR], 1);
    check_value("  current count after", lapic_read(LAPIC_CURRENT), 0);
    check("  initial count stays", lapic_read(LAPIC_INITIAL) == rate / 10);
    /* Ticks are merged when the host is busy, never invented. */
    interrupt_count[VECTOR] = 0;
    lapic_write(LAPIC_LVT_TIMER, VECTOR | LVT_PERIODIC);
    lapic_write(LAPIC_INITIAL, rate / 2);
    uint32_t elapsed = wait(500000), ticks = interrupt_count[VECTOR];
    check("periodic, 5 ms, for 500 ms", ticks >= 2 && ticks <= elapsed / 5 + elapsed / 20 + 2);
    check("  current count runs below the initial", lapic_read(LAPIC_CURRENT) <= rate / 2);
    lapic_write(LAPIC_LVT_TIMER, VECTOR | LVT_PERIODIC | LVT_MASKED);
    wait(100);
    ticks = interrupt_count[VECTOR];
    wait(20000);
    check_value("masked: no more", interrupt_count[VECTOR] - ticks, 0);
    lapic_write(LAPIC_LVT_TIMER, VECTOR | LVT_PERIODIC);
    wait(30000);
    check("unmasked: it went on", interrupt_count[VECTOR] > ticks);
    lapic_write(LAPIC_INITIAL, 0);
    wait(100);
    ticks = interrupt_count[VECTOR];
    wait(20000);
    check_value("initial count 0 stops it", interrupt_count[VECTOR] - ticks, 0);
    lapic_write(LAPIC_LVT_TIMER, VECTOR);
    lapic_write(LAPIC_INITIAL, rate / 2);
    uint32_t start = pm_timer();
    while (interrupt_count[VECTOR] == ticks)
        halt();
    uint32_t passed = (pm_timer() - start) & PM_TIMER_MASK;
    check("HLT until a one-shot of 5 ms", passed > PM_TIMER_HZ / 250 && passed < PM_TIMER_HZ / 20);
}
