/*
 * The TSC never goes back, on one processor and between processors: each takes a value and publishes it, the
 * other must read a larger one. RDTSCP, where there is one, gives TSC_AUX. CR4.TSD. Manual: AMD APM Vol.
 * 2, 13.2.4; Intel SDM Vol. 3B, 17.17. Real hardware: as checked here on machines with an invariant TSC.
 *
 * guest: cpus=2
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "power.h"

enum { ROUNDS = 2000, LEAF_EXTENDED = 0x80000001, EDX_RDTSCP = 1 << 27 };
static volatile uint64_t last;
static volatile uint32_t turn, backwards;

/* Waits for its turn, compares, publishes. */
static void play(uint32_t me)
{
    for (uint32_t i = 0; i < ROUNDS; i++) {
        while (turn != me)
            pause();
        uint64_t now = rdtsc();
        if (now < last)
            backwards++;
        last = now;
        __atomic_store_n(&turn, 1 - me, __ATOMIC_SEQ_CST);
    }
}

void guest_main(void)
{
    uint64_t before = rdtsc();
    uint32_t steps_back = 0;

    for (uint32_t i = 0; i < 10000; i++) {
        uint64_t now = rdtsc();
        steps_back += now < before;
        before = now;
    }
    check_value("back on one processor", steps_back, 0);
    check_value("processors started", smp_start(play), 1);
    play(0);
    check_value("back between two", backwards, 0);
    bool good = false;
    for (uint32_t i = 0; i < 10 && !good; i++) {
        uint64_t start = rdtsc();
        delay_us(10000);
        uint64_t first = rdtsc() - start;
        start = rdtsc();
        delay_us(20000);
        uint64_t second = rdtsc() - start;
        good = second > first + first / 2 && second < 3 * first;
    }
    check("twice the time, twice the ticks", good);
    if (!(cpuid(LEAF_EXTENDED, 0).edx & EDX_RDTSCP))
        return;
    wrmsr(MSR_TSC_AUX, 0x1d);
    uint32_t aux;
    __asm__ volatile("rdtscp" : "=c"(aux) : : "eax", "edx");
    check_value("RDTSCP gives TSC_AUX", aux, 0x1d);
}
