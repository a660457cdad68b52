/*
 * System calls as functions of a ring-3 program; what each does is said in syscalls.h. The result is >= 0, or
 * an enum nr_error.
 */
#pragma once

#include <stdint.h>
#include "errors.h"
#include "syscalls.h"

static inline int64_t system_call(enum syscall_number number, uint64_t a, uint64_t b, uint64_t c)
{
    int64_t result;
    /* All registers that a function may change come back as zeros. */
    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c)
                     : "a"((uint64_t)number)
                     : "rcx", "r8", "r9", "r10", "r11", "memory");
    return result;
}

static inline int64_t sys_print(const char *text, uint64_t length)
{
    return system_call(SYS_PRINT, (uintptr_t)text, length, 0);
}

static inline int64_t sys_timer_set(uint64_t ticks)
{
    return system_call(SYS_TIMER_SET, ticks, 0, 0);
}

static inline int64_t sys_notify(uint32_t guest)
{
    return system_call(SYS_NOTIFY, guest, 0, 0);
}

static inline int64_t sys_vcpu_get(uint32_t groups)
{
    return system_call(SYS_VCPU_GET, groups, 0, 0);
}

static inline int64_t sys_vcpu_debug(uint32_t vcpu, uint32_t intercept, uint64_t stood)
{
    return system_call(SYS_VCPU_DEBUG, vcpu, intercept, stood);
}

static inline int64_t sys_lapic_message(uint64_t address, uint32_t data)
{
    return system_call(SYS_LAPIC_MESSAGE, address, data, 0);
}

static inline int64_t sys_intr_level(uint32_t level)
{
    return system_call(SYS_INTR_LEVEL, level, 0, 0);
}

static inline int64_t sys_nmi(void)
{
    return system_call(SYS_NMI, 0, 0, 0);
}

static inline int64_t sys_lapic_access(uint32_t offset, uint32_t write, uint64_t value)
{
    return system_call(SYS_LAPIC_ACCESS, offset, write, value);
}

static inline int64_t sys_cpuid_table(const struct cpuid_entry *slots)
{
    return system_call(SYS_CPUID_TABLE, (uintptr_t)slots, 0, 0);
}

static inline int64_t sys_disk_prepare(uint64_t address, uint64_t pages)
{
    return system_call(SYS_DISK_PREPARE, address, pages, 0);
}

static inline int64_t sys_spare_map(uint64_t gpa, uint64_t offset, uint32_t rights, uint64_t length)
{
    return system_call(SYS_SPARE_MAP, gpa, offset | rights, length);
}

static inline int64_t sys_guest_end(enum guest_end end, uint32_t guest)
{
    return system_call(SYS_GUEST_END, end, guest, 0);
}

struct guest_config;
static inline int64_t sys_guest_create(const struct guest_config *config)
{
    return system_call(SYS_GUEST_CREATE, (uintptr_t)config, 0, 0);
}

static inline int64_t sys_machine_end(uint32_t status)
{
    return system_call(SYS_MACHINE_END, status, 0, 0);
}
