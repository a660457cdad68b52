/*
 * Clocks agree: the PM timer, the 8254, the RTC and the TSC measure the same time; the TSC frequency found
 * with the 8254 and the one found with the PM timer differ by less than 1 %. So do the time by the PM timer
 * and that by the local APIC's timer, and by the KVM clock where there is one: a monitor makes these two in
 * other places than the devices' clocks. Manual: ACPI 4.8.3.3; 8254 data sheet; Intel SDM Vol. 3A, 11.5.4;
 * Linux, Documentation/virt/kvm/x86/msr.rst. Real hardware: as checked here, but that the clock of the local
 * APIC has the rate of its board.
 */
#include "guest.h"
#include "processor.h"
#include "apic.h"
#include "pic.h"
#include "power.h"

enum { TRIES = 10, DELAY_US = 40000 };
enum { DIVIDE_1 = 0xb, LAPIC_HZ = 1000000000 /* of QEMU's board, and of the monitor's */ };
enum { LEAF_HYPERVISOR = 0x40000000, ECX_HYPERVISOR = 1u << 31, KVM_NAME = 0x4b4d564b };
enum { KVM_CLOCKSOURCE2 = 1 << 3, MSR_KVM_SYSTEM_TIME = 0x4b564d01 };

/* TSC ticks a millisecond, by the PM timer and by channel 0 of the 8254 read at both ends. */
static bool compare_once(void)
{
    pit_start(2, 0);
    uint32_t pm = pm_timer();
    uint16_t pit = pit_count();
    uint64_t tsc = rdtsc();
    delay_us(DELAY_US);
    uint32_t pm_ticks = (pm_timer() - pm) & PM_TIMER_MASK;
    uint16_t pit_ticks = (uint16_t)(pit - pit_count());
    uint64_t tsc_ticks = rdtsc() - tsc;
    uint32_t by_pm = (uint32_t)divide64(divide64(tsc_ticks * (PM_TIMER_HZ / 1000), pm_ticks), 1000);
    uint32_t by_pit = (uint32_t)divide64(divide64(tsc_ticks * (PIT_HZ / 1000), pit_ticks), 1000);
    uint32_t difference = by_pm > by_pit ? by_pm - by_pit : by_pit - by_pm;
    return by_pm && difference <= by_pm / 100;
}

static bool within_1_percent(uint64_t value, uint64_t expected)
{
    return value >= expected - expected / 100 && value <= expected + expected / 100;
}

/* PM timer ticks in nanoseconds, up to a second. */
static uint64_t pm_ns(uint32_t ticks)
{
    return divide64((uint64_t)ticks * 1000000000, PM_TIMER_HZ);
}

static bool compare_lapic(void)
{
    lapic_write(LAPIC_DIVIDE, DIVIDE_1);
    lapic_write(LAPIC_INITIAL, UINT32_MAX);
    uint32_t pm = pm_timer(), lapic = lapic_read(LAPIC_CURRENT);
    delay_us(DELAY_US);
    uint32_t pm_ticks = (pm_timer() - pm) & PM_TIMER_MASK;
    uint64_t clocks = lapic - lapic_read(LAPIC_CURRENT);
    lapic_write(LAPIC_INITIAL, 0);
    return within_1_percent(clocks * (1000000000 / LAPIC_HZ), pm_ns(pm_ticks));
}

/* struct pvclock_vcpu_time_info. */
static struct {
    uint32_t version, pad0;
    uint64_t tsc_timestamp, system_time;
    uint32_t mul;
    int8_t shift;
    uint8_t flags, pad[2];
} kvm_clock __attribute__((aligned(32)));

static bool has_kvm_clock(void)
{
    struct cpuid hypervisor = cpuid(LEAF_HYPERVISOR, 0);
    return cpuid(1, 0).ecx & ECX_HYPERVISOR && hypervisor.ebx == KVM_NAME &&
           cpuid(LEAF_HYPERVISOR + 1, 0).eax & KVM_CLOCKSOURCE2;
}

/* Time by the KVM clock, in ns. */
static uint64_t kvm_now(void)
{
    uint64_t ticks = rdtsc() - kvm_clock.tsc_timestamp;
    uint64_t scaled = kvm_clock.shift < 0 ? ticks >> -kvm_clock.shift : ticks << kvm_clock.shift;

    /* In two parts, so that the product has room. */
    return kvm_clock.system_time + (scaled >> 32) * kvm_clock.mul +
           ((scaled & UINT32_MAX) * kvm_clock.mul >> 32);
}

static bool compare_kvm(void)
{
    wrmsr(MSR_KVM_SYSTEM_TIME, (uint32_t)&kvm_clock | 1);
    uint32_t pm = pm_timer();
    uint64_t start = kvm_now();
    delay_us(DELAY_US);
    uint32_t pm_ticks = (pm_timer() - pm) & PM_TIMER_MASK;
    uint64_t passed = kvm_now() - start;
    wrmsr(MSR_KVM_SYSTEM_TIME, 0);
    return within_1_percent(passed, pm_ns(pm_ticks));
}

/* A busy host may come between two reads: one of some tries must fit. */
static bool one_of(bool (*compare)(void))
{
    for (uint32_t i = 0; i < TRIES; i++)
        if (compare())
            return true;
    return false;
}

void guest_main(void)
{

    pic_initialise();
    lapic_enable();
    check("TSC by PM timer and by 8254 within 1 %", one_of(compare_once));
    check("local APIC timer by PM timer within 1 %", one_of(compare_lapic));
    check("KVM clock, where there is one, by PM timer within 1 %", !has_kvm_clock() || one_of(compare_kvm));
    uint32_t last = pm_timer(), back = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        uint32_t now = pm_timer();
        back += ((now - last) & PM_TIMER_MASK) > PM_TIMER_MASK / 2;
        last = now;
    }
    check_value("PM timer went back", back, 0);
    bool second = false;
    for (uint32_t i = 0; i < 3 && !second; i++) {
        uint8_t start = cmos_read(0);
        while (cmos_read(0) == start)
            pause();
        uint32_t pm = pm_timer();
        start = cmos_read(0);
        while (cmos_read(0) == start)
            pause();
        uint32_t ticks = (pm_timer() - pm) & PM_TIMER_MASK;
        second = ticks > PM_TIMER_HZ - PM_TIMER_HZ / 20 && ticks < PM_TIMER_HZ + PM_TIMER_HZ / 20;
    }
    check("an RTC second by the PM timer, within 5 %", second);
}
