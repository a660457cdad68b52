/* The KVM clock: see kvm_clock.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include "process_info.h"

enum {
    MSR_KVM_WALL_CLOCK = 0x11,
    MSR_KVM_SYSTEM_TIME = 0x12,
    MSR_KVM_WALL_CLOCK_NEW = 0x4b564d00,
    MSR_KVM_SYSTEM_TIME_NEW = 0x4b564d01,
};

enum { KVM_SYSTEM_TIME_ENABLE = 1 };

/* Writes the date at guest time 0 to guest RAM; false: not a place in RAM. */
bool kvm_clock_write_wall(uint64_t gpa);
/* Writes the relation of TSC and time to guest RAM. */
bool kvm_clock_write_time(const struct process_info *info, uint64_t gpa);
