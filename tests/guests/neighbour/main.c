/*
 * A quiet guest that runs beside a hostile one: it computes a checksum over some seconds, counts the ticks of
 * its 8254 and holds them and its TSC against the PM timer. The result must be the one that it has alone; the
 * clocks must agree within 1 %, and no tick of the 8254 may be lost. Manual: none. Real hardware: as checked
 * here.
 *
 * guest: clock=virtual beside=hostile beside-args=ops=10000 timeout=400
 */
#include "guest.h"
#include "processor.h"
#include "pic.h"
#include "apic.h"
#include "power.h"

enum {
    ROUNDS = 40,
    SIZE = 4096,
    PRIME = 0x01000193,
    BASIS = 0x811c9dc5,
    VECTOR = 0x40,
    PIT_RATE = 100,
    PIT_PERIODIC = 2
};
static uint8_t memory[SIZE];

static volatile uint32_t ticks;

static void tick(struct interrupt_frame *frame)
{
    (void)frame;
    lapic_write(LAPIC_EOI, 0);
}

static void pit_tick(struct interrupt_frame *frame)
{
    (void)frame;
    ticks++;
    pic_eoi(0);
}

/* Milliseconds by the PM timer since the last call. The counter wraps after 4.7 s, so calls are more
 * frequent. */
static uint64_t pm_elapsed(uint32_t *last)
{
    uint32_t now = pm_timer(), passed = (now - *last) & PM_TIMER_MASK;

    *last = now;
    return passed;
}

void guest_main(void)
{
    uint32_t sum = BASIS, last, early = 0;
    uint64_t pm = 0;

    lapic_enable();
    interrupt_set(VECTOR, tick);
    interrupt_set(PIC_VECTOR, pit_tick);
    pic_initialise();
    pic_set_mask((uint16_t)~1);
    lapic_write(LAPIC_LVT_LINT0, DELIVERY_EXTINT);
    uint32_t begin = pm_timer();
    uint64_t start = rdtsc();
    delay_us(50000);
    last = pm_timer();
    uint64_t first_tsc = rdtsc() - start;
    uint32_t first_pm = (last - begin) & PM_TIMER_MASK;
    start = rdtsc();
    lapic_write(LAPIC_DIVIDE, 0xb);
    pit_start(PIT_PERIODIC, PIT_HZ / PIT_RATE);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        interrupts_on();
        for (uint32_t i = 0; i < 200 * SIZE; i++) {
            memory[i % SIZE] = (uint8_t)(memory[i % SIZE] * 5 + i + round);
            sum = (sum ^ memory[i % SIZE]) * PRIME;
        }
        interrupts_off();
        /* A timer of 20 ms must not end early by the PM timer. */
        uint32_t before = pm_timer();
        uint32_t seen = interrupt_count[VECTOR];
        lapic_write(LAPIC_LVT_TIMER, VECTOR);
        lapic_write(LAPIC_INITIAL, 20000000);
        while (interrupt_count[VECTOR] == seen)
            halt();
        early += ((pm_timer() - before) & PM_TIMER_MASK) < PM_TIMER_HZ / 50 - PM_TIMER_HZ / 5000;
        pm += pm_elapsed(&last);
    }
    uint64_t tsc = rdtsc() - start;
    pit_start(0, 0);
    check_value("checksum", sum, 0xb8797dc5);
    check_value("timers that ended early", early, 0);
    /* TSC ticks of a PM timer tick: over the first 50 ms, and over the whole run. */
    uint32_t whole = (uint32_t)divide64(tsc >> 10, (uint32_t)(pm >> 10));
    uint32_t first = (uint32_t)divide64(first_tsc, first_pm);
    uint32_t expected = (uint32_t)divide64(pm * PIT_RATE, PM_TIMER_HZ);
    check("8254 ticks within 1 % of the PM timer",
          ticks >= expected - expected / 100 - 1 && ticks <= expected + expected / 100 + 1);
    check("clock within 1 % of the PM timer",
          whole >= first - first / 100 - 1 && whole <= first + first / 100 + 1);
}
