/*
 * TSC calibration. The PM timer runs at 3.579545 MHz (ACPI 6.4, 4.8.2.1), channel 2 of the 8254 at 1.193182
 * MHz; reading either is bracketed by two TSC reads, and a bracket that is too wide (the emulator was
 * descheduled, SMM ran) is read again.
 */
#include "time.h"
#include "acpi.h"
#include "cpu.h"

enum {
    PM_TIMER_HZ = 3579545,
    PM_TIMER_MASK = 0xffffff,
    PIT_HZ = 1193182,
    PIT_CHANNEL_2 = 0x42,
    PIT_COMMAND = 0x43,
    PIT_GATE = 0x61,
    SAMPLE_MS = 5,
    BRACKET_TRIES = 20,
    SAMPLES_MAX = 100000, /* seconds: some 20 us each on a PC */
};

uint64_t tsc_khz;

static uint32_t clock_read(void)
{
    if (acpi.pm_timer)
        return in32(acpi.pm_timer) & PM_TIMER_MASK;
    out8(PIT_COMMAND, 0x80); /* latch channel 2 */
    uint32_t low = in8(PIT_CHANNEL_2);
    return 0xffff - (low | (uint32_t)in8(PIT_CHANNEL_2) << 8);
}

/* One reading with the TSC next to it: the narrowest of a few brackets. */
static uint32_t clock_sample(uint64_t *tsc)
{
    uint64_t best = ~0ull;
    uint32_t clock = 0;
    for (unsigned i = 0; i < BRACKET_TRIES; i++) {
        uint64_t before = rdtsc();
        uint32_t value = clock_read();
        uint64_t after = rdtsc();
        if (after - before < best) {
            best = after - before;
            clock = value;
            *tsc = before + (after - before) / 2;
        }
    }
    return clock;
}

/* TSC ticks per millisecond, or 0: the clock stands still. */
static uint64_t measure(void)
{
    uint64_t hz = PM_TIMER_HZ, start_tsc, end_tsc;
    uint32_t mask = PM_TIMER_MASK, elapsed;
    if (!acpi.pm_timer) {
        hz = PIT_HZ;
        mask = 0xffff;
        out8(PIT_GATE, (in8(PIT_GATE) & ~2) | 1);
        out8(PIT_COMMAND, 0xb0); /* channel 2, both bytes, mode 0 */
        out8(PIT_CHANNEL_2, 0xff);
        out8(PIT_CHANNEL_2, 0xff);
    }
    uint32_t start = clock_sample(&start_tsc);
    unsigned samples = 0;
    do {
        elapsed = (clock_sample(&end_tsc) - start) & mask;
    } while (elapsed < hz * SAMPLE_MS / 1000 && ++samples < SAMPLES_MAX);
    return samples == SAMPLES_MAX ? 0 : (end_tsc - start_tsc) * hz / elapsed / 1000;
}

const char *time_init(void)
{
    uint64_t first = measure();
    if (!first && acpi.pm_timer) {
        acpi.pm_timer = 0; /* firmware named a timer that is not there: the 8254 is */
        first = measure();
    }
    if (!first)
        return "neither the PM timer nor the 8254 counts";
    uint64_t second = measure(), third = measure(); /* the median of three */
    uint64_t low = first < second ? first : second, high = first < second ? second : first;
    tsc_khz = third < low ? low : third > high ? high : third;
    return NULL;
}

void time_wait_us(unsigned long us)
{
    uint64_t end = rdtsc() + tsc_khz * us / 1000;
    while (rdtsc() < end)
        __builtin_ia32_pause();
}
