/*
 * What the HAL of an NT-family system does with the clocks of a PC. The PIC HAL: channel 0 of the 8254 as the
 * clock interrupt with the rollover for 10 ms, the performance counter from its count, the stall loop scaled
 * between two periodic interrupts of the RTC. The APIC HAL: the RTC's periodic interrupt, through the I/O
 * APIC, as the clock, the TSC by regression over a few of them, the local APIC's timer scaled and then used.
 * The ACPI HAL: the PM timer read as often as the PIIX4's erratum wants, and the TSC scaled by it. The date,
 * read around an update. All clocks must agree. Manual: 8254, MC146818A and 82371AB data sheets; ReactOS' HAL
 * does it so, too. Real hardware: as checked here.
 *
 * guest: clock=virtual timeout=120
 */
#include "apic.h"
#include "guest.h"
#include "pic.h"
#include "power.h"
#include "processor.h"

enum { ROLLOVER = 11949, PM_PER_PIT = 3 /* both come from one crystal */, CLOCK_TICKS = 32 };
enum { REG_A = 10, REG_B = 11, REG_C = 12, B_PERIODIC = 0x40, B_24 = 2, A_DIVIDER = 0x20, A_UIP = 0x80 };
enum { RATE_8_HZ = 13, RATE_1024_HZ = 6, RTC_LINE = 8, TIMER_LINE = 0 };
enum { SAMPLES_MAX = 129, VECTOR_RTC = 0x71, VECTOR_TIMER = 0x81, DIVIDE_1 = 0xb };
enum {
    READS = 2000,
    TOLERANCE = 50 /* one part of so many: an exit takes a millisecond of the virtual clock */
};

static struct {
    uint32_t pm, timer;
    uint64_t tsc;
} volatile sample[SAMPLES_MAX];
static volatile uint32_t samples, wanted;
static volatile uint64_t base_count;
static uint64_t tsc_hz;

static bool near(uint64_t value, uint64_t expected)
{
    uint64_t margin = divide64(expected, TOLERANCE);
    return value >= expected - margin && value <= expected + margin;
}

static uint32_t pm_passed(uint32_t first, uint32_t last)
{
    return (sample[last].pm - sample[first].pm) & PM_TIMER_MASK;
}

static void take_sample(void)
{
    if (samples >= wanted)
        return;
    sample[samples].pm = pm_timer();
    sample[samples].tsc = rdtsc();
    sample[samples].timer = lapic_read(LAPIC_CURRENT);
    samples++;
}

/* Until so many interrupts have come, with one more to begin with. */
static bool collect(uint32_t count)
{
    samples = 0;
    wanted = count + 1;
    interrupts_on();
    for (uint32_t i = 0; i < 3000 && samples < wanted; i++)
        delay_us(1000);
    interrupts_off();
    return samples == wanted;
}

static void clock_interrupt(struct interrupt_frame *frame)
{
    base_count += ROLLOVER;
    take_sample();
    interrupt_eoi_pic(frame);
}

static void test_rollover(void)
{
    interrupt_set(PIC_VECTOR + TIMER_LINE, clock_interrupt);
    pit_start(2, ROLLOVER);
    pic_set_mask((uint16_t) ~(1u << TIMER_LINE));
    check("8254: clock interrupts", collect(CLOCK_TICKS));
    check("  of 10 ms each, by the PM timer",
          near(pm_passed(0, CLOCK_TICKS), CLOCK_TICKS * ROLLOVER * PM_PER_PIT));
}

/* The count goes down from the rollover; one that is about to start anew has its interrupt still ahead, which
 * the HAL knows from the count's having gone up. */
static uint64_t performance_counter(uint64_t last)
{
    interrupts_off();
    uint64_t now = base_count + (ROLLOVER - pit_count());
    interrupts_on();
    return now < last ? now + ROLLOVER : now;
}

static void test_performance_counter(void)
{
    base_count = 0;
    uint64_t first = performance_counter(0), last = first, back = 0;
    uint32_t pm = pm_timer();
    for (uint32_t i = 0; i < READS; i++) {
        uint64_t now = performance_counter(last);
        back += now < last || now - last > ROLLOVER;
        last = now;
    }
    uint32_t passed = (pm_timer() - pm) & PM_TIMER_MASK;
    interrupts_off();
    pic_set_mask(0xffff);
    check_value64("performance counter: went back, or jumped", back, 0);
    check("  as fast as the PM timer", near((last - first) * PM_PER_PIT, passed));
}

static void rtc_interrupt(struct interrupt_frame *frame)
{
    cmos_read(REG_C);
    take_sample();
    if (frame->vector == VECTOR_RTC)
        interrupt_eoi_lapic(frame);
    else
        interrupt_eoi_pic(frame);
}

static void rtc_start(uint8_t rate)
{
    cmos_write(REG_A, (uint8_t)(A_DIVIDER | rate));
    cmos_write(REG_B, B_24 | B_PERIODIC);
    cmos_read(REG_C);
}

static void rtc_stop(void)
{
    cmos_write(REG_B, B_24);
    cmos_read(REG_C);
}

/* Two periods of 125 ms; then a wait of 10 ms by what was found. */
static void test_stall(void)
{
    interrupt_set(PIC_VECTOR + RTC_LINE, rtc_interrupt);
    pic_set_mask((uint16_t) ~(1u << RTC_LINE | 1u << 2));
    rtc_start(RATE_8_HZ);
    check("RTC at 8 Hz: interrupts", collect(2));
    rtc_stop();
    pic_set_mask(0xffff);
    check("  of 125 ms, by the PM timer", near(pm_passed(0, 2), PM_TIMER_HZ / 4));
    tsc_hz = (sample[2].tsc - sample[0].tsc) * 4;
    uint32_t pm = pm_timer();
    for (uint64_t end = rdtsc() + divide64(tsc_hz, 100); rdtsc() < end;)
        pause();
    check("stall of 10 ms", near((pm_timer() - pm) & PM_TIMER_MASK, PM_TIMER_HZ / 100));
}

/* Over 125 ms: the TSC, and the ticks of the local APIC's timer in 10 ms. */
static uint32_t test_clock_of_apic_hal(void)
{
    enum { PERIODS = SAMPLES_MAX - 1 };
    interrupt_set(VECTOR_RTC, rtc_interrupt);
    ioapic_route(RTC_LINE, VECTOR_RTC, 0);
    lapic_write(LAPIC_DIVIDE, DIVIDE_1);
    lapic_write(LAPIC_INITIAL, UINT32_MAX);
    rtc_start(RATE_1024_HZ);
    check("RTC at 1024 Hz through the I/O APIC", collect(PERIODS));
    rtc_stop();
    ioapic_route(RTC_LINE, LVT_MASKED, 0);
    check("  128 interrupts are 125 ms", near(pm_passed(0, PERIODS), PM_TIMER_HZ / 8));
    check("  TSC as before", near((sample[PERIODS].tsc - sample[0].tsc) * 8, tsc_hz));
    return (uint32_t)divide64((uint64_t)(sample[0].timer - sample[PERIODS].timer) * 8, 100);
}

static void timer_interrupt(struct interrupt_frame *frame)
{
    take_sample();
    interrupt_eoi_lapic(frame);
}

static void test_apic_timer(uint32_t ticks)
{
    interrupt_set(VECTOR_TIMER, timer_interrupt);
    lapic_write(LAPIC_LVT_TIMER, VECTOR_TIMER | LVT_PERIODIC);
    lapic_write(LAPIC_INITIAL, ticks);
    check("local APIC's timer: interrupts", collect(CLOCK_TICKS));
    check("  of 10 ms each", near(pm_passed(0, CLOCK_TICKS), CLOCK_TICKS * (PM_TIMER_HZ / 100)));
    lapic_write(LAPIC_LVT_TIMER, LVT_MASKED);
    lapic_write(LAPIC_INITIAL, 0);
}

/* 82371AB specification update: a read may come in the middle of a carry, so three that go up are wanted. */
static uint32_t pm_timer_read(uint32_t *tries)
{
    uint32_t a, b, c;
    do {
        a = pm_timer();
        b = pm_timer();
        c = pm_timer();
        ++*tries;
    } while (*tries < READS && ((a > b && a < c) || (b > c && b < a) || (c > a && c < b)));
    return b;
}

static void test_pm_timer(void)
{
    uint32_t tries = 0, pm = pm_timer_read(&tries);
    uint64_t tsc = rdtsc();
    delay_us(400000);
    uint32_t passed = (pm_timer_read(&tries) - pm) & PM_TIMER_MASK;
    check_value("PM timer: tries for two reads", tries, 2);
    check("  TSC by it as by the RTC",
          near(divide64((rdtsc() - tsc) * (PM_TIMER_HZ / 1000), passed), divide64(tsc_hz, 1000)));
}

static bool bcd(uint8_t index, uint32_t least, uint32_t most)
{
    uint8_t value = cmos_read(index);
    uint32_t number = value / 16u * 10 + value % 16u;

    return value % 16 < 10 && number >= least && number <= most;
}

static void test_date(void)
{
    enum { SECONDS = 0, MINUTES = 2, HOURS = 4, DAY = 7, MONTH = 8, YEAR = 9, CENTURY = 0x32 };
    while (cmos_read(REG_A) & A_UIP)
        pause();
    check("date: BCD in range", bcd(SECONDS, 0, 59) && bcd(MINUTES, 0, 59) && bcd(HOURS, 0, 23) &&
                                    bcd(DAY, 1, 31) && bcd(MONTH, 1, 12) && bcd(YEAR, 0, 99));
    check("  century", bcd(CENTURY, 19, 21));
}

void guest_main(void)
{
    pic_initialise();
    lapic_enable();
    lapic_write(LAPIC_LVT_LINT0, DELIVERY_EXTINT);
    test_rollover();
    test_performance_counter();
    test_stall();
    test_apic_timer(test_clock_of_apic_hal());
    test_pm_timer();
    test_date();
}
