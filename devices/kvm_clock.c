/*
 * The KVM clock: guests compute the time from the TSC by two numbers in a page of their own, without an exit.
 *
 * Document: Linux, Documentation/virt/kvm/x86/msr.rst. The monitor keeps the guest's TSC on one time base on
 * all processors, so that what is written once stays true and bit 0 of flags may say so. Missing: bit 1 of
 * flags (the guest was stopped), parts of a second in the wall clock, the document's other registers but PV
 * EOI, which ring 0 has. Ignored bits: none; an address that is not RAM, or not a multiple of 4, is #GP.
 */
#include "kvm_clock.h"
#include "effects.h"
#include "guest_time.h"

struct pvclock_wall_clock {
    uint32_t version, sec, nsec;
};

struct pvclock_vcpu_time_info {
    uint32_t version;
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time;
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags;
    uint8_t pad[2];
};

_Static_assert(sizeof(struct pvclock_wall_clock) == 12, "KVM ABI");
_Static_assert(sizeof(struct pvclock_vcpu_time_info) == 32, "KVM ABI");

enum { PVCLOCK_TSC_STABLE = 1 << 0, VERSION_DONE = 2, CLOCK_ALIGNMENT = 4 };

bool kvm_clock_write_wall(uint64_t gpa)
{
    if (!gpa) /* as KVM does: what clears the register wants nothing at address 0 */
        return true;
    struct pvclock_wall_clock *clock = effect_ram(gpa, sizeof *clock);
    if (!clock || gpa % CLOCK_ALIGNMENT)
        return false;
    /* The vCPU that will read it is waiting for this write: the version need not be odd in between. */
    *clock = (struct pvclock_wall_clock){.version = VERSION_DONE, .sec = (uint32_t)effect_epoch()};
    return true;
}

bool kvm_clock_write_time(const struct process_info *info, uint64_t gpa)
{
    struct pvclock_vcpu_time_info *clock = effect_ram(gpa, sizeof *clock);
    if (!clock || gpa % CLOCK_ALIGNMENT)
        return false;
    struct guest_time_scale scale = guest_time_scale(info);
    *clock = (struct pvclock_vcpu_time_info){
        .version = VERSION_DONE,
        .tsc_timestamp = effect_now_ticks(),
        .system_time = effect_now(),
        .tsc_to_system_mul = scale.mult,
        .tsc_shift = scale.shift,
        .flags = PVCLOCK_TSC_STABLE,
    };
    return true;
}
