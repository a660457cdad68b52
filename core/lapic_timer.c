/*
 * The timer of the virtual local APIC (SDM Vol. 3A, 11.5.4): one-shot and periodic. Its input clock is 1 GHz,
 * as QEMU's is, so guests measure the same rate in both. Times are absolute guest times in TSC ticks: nothing
 * runs between two deadlines, and a guest whose clock stands still comes no nearer to its own.
 *
 * Ticks that the vCPU could not take in time are merged into one, as IRR holds one. Missing: TSC-deadline
 * mode: QEMU's processors do not offer it, and a guest finds the same timer on every host.
 */
#include "lapic_registers.h"
#include "cpu.h"
#include "vm.h"

enum {
    CLOCKS_PER_MILLISECOND = 1000000, /* of the input clock: 1 GHz */
    /* A shorter period would leave the vCPU no time between two ticks and its processor busy with nothing
       else. */
    PERIOD_MIN_MICROSECONDS = 50,
};

/* The divide configuration register encodes 2, 4 .. 128, 1 in bits 3, 1 and 0 (SDM Vol. 3A, figure 11-10). */
static uint64_t divisor(const struct lapic *lapic)
{
    uint32_t divide = lapic->timer_divide, code = (divide & 3) | (divide & 8) >> 1;
    return 1ull << ((code + 1) % 8);
}

/* TSC ticks of one count, times CLOCKS_PER_MILLISECOND. A product with a 32-bit count stays below 2^64 for a
 * TSC below 33 GHz. */
static uint64_t scale(const struct lapic *lapic)
{
    return divisor(lapic) * tsc_khz;
}

/* The next expiry is `counts` counts after `start`; what does not fill a TSC tick is kept for the one after.
 */
static void arm(struct lapic *lapic, uint64_t start, uint32_t counts)
{
    uint64_t product = scale(lapic) * counts + lapic->timer_fraction;
    lapic->timer_deadline = start + product / CLOCKS_PER_MILLISECOND;
    lapic->timer_fraction = product % CLOCKS_PER_MILLISECOND;
}

/* Counts until the deadline, rounded up: 0 is not shown before the interrupt. */
static uint32_t counts_left(const struct lapic *lapic, uint64_t now)
{
    uint64_t ticks = lapic->timer_deadline - now;
    uint64_t clocks = ticks * CLOCKS_PER_MILLISECOND + lapic->timer_fraction;
    uint64_t counts = (clocks + scale(lapic) - 1) / scale(lapic);
    uint32_t initial = lapic_get(lapic, LAPIC_INITIAL_COUNT);
    return counts < initial ? (uint32_t)counts : initial;
}

/* Moves a periodic timer that has expired to its first deadline after now. */
static void rearm(struct lapic *lapic, uint64_t now)
{
    uint32_t initial = lapic_get(lapic, LAPIC_INITIAL_COUNT);
    uint64_t period = scale(lapic) * initial;
    uint64_t shortest = tsc_khz * (PERIOD_MIN_MICROSECONDS * (uint64_t)CLOCKS_PER_MILLISECOND / 1000);
    if (period < shortest) {
        lapic->timer_deadline = now + shortest / CLOCKS_PER_MILLISECOND;
        return;
    }
    /* Whole periods that have been missed; short of one the fraction is exact. */
    uint64_t missed = (now - lapic->timer_deadline) / (period / CLOCKS_PER_MILLISECOND);
    lapic->timer_deadline += missed * (period / CLOCKS_PER_MILLISECOND);
    arm(lapic, lapic->timer_deadline, initial);
}

uint64_t lapic_timer_deadline(const struct vcpu *vcpu)
{
    const struct lapic *lapic = &vcpu->lapic;
    bool runs = lapic->timer_deadline && !(lapic->timer_entry & LVT_MASKED);
    return runs ? lapic->timer_deadline - vcpu->vm->clock_offset : 0;
}

void lapic_timer_expire(struct vcpu *vcpu, uint64_t now)
{
    struct lapic *lapic = &vcpu->lapic;
    if (lapic->timer_deadline == 0 || now < lapic->timer_deadline)
        return;
    lapic_deliver_lvt(vcpu, lapic->timer_entry);
    if (lapic->timer_entry & LVT_PERIODIC)
        rearm(lapic, now);
    else
        lapic->timer_deadline = 0;
}

uint32_t lapic_timer_current(struct vcpu *vcpu, uint64_t now)
{
    lapic_timer_expire(vcpu, now);
    return vcpu->lapic.timer_deadline == 0 ? 0 : counts_left(&vcpu->lapic, now);
}

void lapic_timer_update(struct vcpu *vcpu, bool restart)
{
    struct lapic *lapic = &vcpu->lapic;
    uint64_t now = rdtsc() + vcpu->vm->clock_offset;
    uint32_t left = lapic_timer_current(vcpu, now); /* what was due before follows the old entry */
    if (restart)
        left = lapic_get(lapic, LAPIC_INITIAL_COUNT);
    restart |= left && lapic->timer_divide != lapic_get(lapic, LAPIC_DIVIDE);
    lapic->timer_entry = lapic_get(lapic, LAPIC_LVT_TIMER);
    lapic->timer_divide = lapic_get(lapic, LAPIC_DIVIDE);
    if (restart) {
        lapic->timer_deadline = 0;
        lapic->timer_fraction = 0;
        if (left != 0)
            arm(lapic, now, left);
    }
    schedule_deadline(lapic_timer_deadline(vcpu));
}
