/*
 * High precision event timers: capabilities, counter, one-shot and periodic comparators on an input of the
 * I/O APIC that they can reach, level-triggered service, legacy replacement of the 8254 and of the real-time
 * clock; held against the PM timer with tolerance. Document: IA-PC HPET Specification 1.0a. Real hardware: as
 * checked here.
 *
 * guest: clock=virtual hpet=on
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"
#include "power.h"

#define HPET_BASE   0xfed00000u
#define FS_PER_TICK 1000000000000000ull

enum { CAPABILITIES = 0, PERIOD = 4, CONFIG = 0x10, STATUS = 0x20, COUNTER = 0xf0, TIMER = 0x100 };
enum { TIMER_ROUTES = 4, COMPARATOR = 8, STRIDE = 0x20 };
enum { ENABLE = 1, LEGACY = 2, LEGACY_CAPABLE = 1 << 15, WIDE = 1 << 13 };
enum { LEVEL = 2, INTERRUPT = 4, PERIODIC = 8, PERIODIC_CAPABLE = 0x10, SETVAL = 0x40, MODE_32 = 0x100 };
enum { VECTOR = 0x61, PIN_TIMER = 2, PIN_RTC = 8 };

static uint32_t rate; /* ticks in a millisecond */

static volatile uint32_t *reg(uint32_t offset)
{
    return (volatile uint32_t *)(HPET_BASE + offset);
}

static uint32_t timer(uint32_t index, uint32_t offset)
{
    return TIMER + index * STRIDE + offset;
}

static void stop(void)
{
    *reg(CONFIG) = 0;
    for (uint32_t i = 0; i < 3; i++)
        *reg(timer(i, 0)) = 0;
    *reg(STATUS) = 7;
    *reg(COUNTER) = 0;
    *reg(COUNTER + 4) = 0;
}

/* What came while interrupts were off. */
static void take_pending(void)
{
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

/* Interrupts in so many milliseconds by the PM timer. */
static uint32_t interrupts_in(uint32_t milliseconds)
{
    uint32_t before = interrupt_count[VECTOR];
    interrupts_on();
    delay_us(milliseconds * 1000);
    interrupts_off();
    return interrupt_count[VECTOR] - before;
}

/* A comparator's 64 bits; a periodic timer's period takes a second write. */
static void set_comparator(uint32_t index, uint32_t value)
{
    *reg(timer(index, COMPARATOR)) = value;
    *reg(timer(index, COMPARATOR + 4)) = 0;
}

static void test_counter(void)
{
    uint32_t capabilities = *reg(CAPABILITIES), period = *reg(PERIOD);
    check("64 bits, legacy replacement", (capabilities & (WIDE | LEGACY_CAPABLE)) == (WIDE | LEGACY_CAPABLE));
    check_value("timers", (capabilities >> 8 & 0x1f) + 1, 3);
    check("period: at most 100 ns", period > 0 && period <= 0x05f5e100);
    rate = (uint32_t)divide64(FS_PER_TICK / 1000, period);
    *reg(CONFIG) = 0;
    uint32_t stands = *reg(COUNTER);
    delay_us(1000);
    check("it stands while it is off", *reg(COUNTER) == stands);
    *reg(COUNTER) = 0xfffffff0;
    *reg(COUNTER + 4) = 5;
    *reg(CONFIG) = ENABLE;
    delay_us(1000);
    check_value("it carries into the high half", *reg(COUNTER + 4), 6);
    uint32_t start = *reg(COUNTER), start_pm = pm_timer();
    delay_us(20000);
    uint32_t counts = *reg(COUNTER) - start, ticks = (pm_timer() - start_pm) & PM_TIMER_MASK;
    uint32_t wanted = (uint32_t)divide64((uint64_t)rate * ticks, PM_TIMER_HZ / 1000);
    check("its rate, by the PM timer within 1 %",
          counts + wanted / 100 >= wanted && counts <= wanted + wanted / 100);
}

static void test_routed(uint32_t pin)
{
    ioapic_route((uint8_t)pin, VECTOR, 0);
    stop();
    set_comparator(0, 5 * rate);
    *reg(timer(0, 0)) = INTERRUPT | pin << 9;
    *reg(CONFIG) = ENABLE;
    check_value("one-shot of 5 ms: in 4 ms", interrupts_in(4), 0);
    check_value("  in 4 more", interrupts_in(4), 1);
    check_value("  and no more", interrupts_in(20), 0);
    check_value("  status of an edge-triggered timer", *reg(STATUS), 0);
    stop();
    set_comparator(0, 5 * rate);
    *reg(timer(0, 0)) = pin << 9;
    *reg(CONFIG) = ENABLE;
    check_value("interrupt disabled", interrupts_in(10), 0);
    stop();
    *reg(timer(0, 0)) = INTERRUPT | PERIODIC | SETVAL | MODE_32 | pin << 9;
    *reg(timer(0, COMPARATOR)) = 3 * rate;
    *reg(timer(0, COMPARATOR)) = 3 * rate;
    *reg(CONFIG) = ENABLE;
    uint32_t count = interrupts_in(100);
    check("periodic, 3 ms, for 100 ms", count >= 32 && count <= 34);
    *reg(CONFIG) = 0;
    take_pending();
    check_value("  none while the counter stands", interrupts_in(10), 0);
}

static void test_level(uint32_t pin)
{
    ioapic_route((uint8_t)pin, VECTOR | TRIGGER_LEVEL, 0);
    stop();
    set_comparator(1, rate);
    *reg(timer(1, 0)) = LEVEL | INTERRUPT | pin << 9;
    *reg(CONFIG) = ENABLE;
    delay_us(2000);
    check_value("level: status", *reg(STATUS), 2);
    check_value("  pending", lapic_bit(LAPIC_IRR, VECTOR), 1);
    *reg(STATUS) = 2;
    check_value("  status is cleared by writing it", *reg(STATUS), 0);
    check_value("  taken once", interrupts_in(5), 1);
    ioapic_route((uint8_t)pin, LVT_MASKED, 0);
}

static void test_legacy(void)
{
    ioapic_route(PIN_TIMER, VECTOR, 0);
    ioapic_route(PIN_RTC, VECTOR, 0);
    stop();
    pit_start(2, 1193);
    check("the 8254 before", interrupts_in(20) >= 18);
    *reg(CONFIG) = LEGACY;
    take_pending();
    check_value("legacy replacement: the 8254 is cut off", interrupts_in(20), 0);
    set_comparator(0, 5 * rate);
    set_comparator(1, 10 * rate);
    *reg(timer(0, 0)) = INTERRUPT;
    *reg(timer(1, 0)) = INTERRUPT;
    *reg(CONFIG) = ENABLE | LEGACY;
    check_value("  timer 0 at IRQ 0 after 5 ms", interrupts_in(7), 1);
    check_value("  timer 1 at IRQ 8 after 10 ms", interrupts_in(7), 1);
    stop();
    check("the 8254 again", interrupts_in(20) >= 18);
    pit_start(0, 0);
}

void guest_main(void)
{
    pic_initialise();
    lapic_enable();
    interrupt_set(VECTOR, interrupt_eoi_lapic);
    test_counter();
    pit_start(0, 0); /* one interrupt at most, in 55 ms, before anything is routed */
    uint32_t routes = *reg(timer(0, TIMER_ROUTES)), pin = 23;
    check("inputs of the I/O APIC that it reaches", routes != 0);
    while (pin > 0 && !(routes >> pin & 1)) /* the highest: the lower ones may have a second owner */
        pin--;
    check("  periodic timer", *reg(timer(0, 0)) & PERIODIC_CAPABLE);
    delay_us(60000);
    test_routed(pin);
    test_level(pin);
    test_legacy();
}
