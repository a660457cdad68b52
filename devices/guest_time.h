/* Guest time in TSC ticks and in ns (process_info.h: ns = (ticks * tsc_mult) >> tsc_shift). */
#pragma once

#include <stdint.h>
#include "process_info.h"

static inline uint64_t guest_time_ns(const struct process_info *info, uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * info->tsc_mult >> info->tsc_shift);
}

/* The first tick at which guest_time_ns() has reached the value; UINT64_MAX if it is beyond 64 bits. */
uint64_t guest_time_ticks(const struct process_info *info, uint64_t ns);

/* The same relation as struct pvclock_vcpu_time_info has it: ns = (ticks shifted left by shift) * mult >> 32.
 */
struct guest_time_scale {
    uint32_t mult;
    int8_t shift;
};
struct guest_time_scale guest_time_scale(const struct process_info *info);
