/*
 * Conversions of guest time. A deadline must not come early, or the tick that it stands for is not due yet
 * and the same deadline is set again: ticks are rounded up.
 */
#include "guest_time.h"

uint64_t guest_time_ticks(const struct process_info *info, uint64_t ns)
{
    unsigned __int128 scaled = (unsigned __int128)ns << info->tsc_shift;
    uint64_t high = (uint64_t)(scaled >> 64), low = (uint64_t)scaled;
    if (high >= info->tsc_mult)
        return UINT64_MAX;
    uint64_t quotient, rest;
    __asm__("divq %4" : "=a"(quotient), "=d"(rest) : "a"(low), "d"(high), "rm"(info->tsc_mult) : "cc");
    return quotient + (rest != 0);
}

struct guest_time_scale guest_time_scale(const struct process_info *info)
{
    uint64_t mult = info->tsc_mult;
    int shift = 32 - (int)info->tsc_shift;
    if (mult == 0)
        return (struct guest_time_scale){0};
    for (; mult > UINT32_MAX; mult >>= 1)
        shift++;
    for (; !(mult >> 31); mult <<= 1)
        shift--;
    return (struct guest_time_scale){.mult = (uint32_t)mult, .shift = (int8_t)shift};
}
