/*
 * The processor: privileged instructions, identification, and the per-processor structure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cpuid_leaves.h"
#include "tss.h"

struct vcpu;
struct entity;
struct process;

enum { CPU_MAX = 32 };

struct cpu {
    struct cpu *self;    /* %gs:0; entry.asm knows the offsets of the first ones */
    uint64_t user_stack; /* %gs:8, scratch of SYSCALL entry */
    uint32_t index;
    struct tss tss; /* RSP0 at %gs:24: where user_start() left this processor's stack */
    uint32_t apic_id;
    struct entity *_Atomic entities; /* all that live here */
    struct entity *_Atomic current;
    struct entity *last[2];         /* of each kind, the one that ran last: round robin */
    _Atomic uint32_t contexts;      /* among the entities */
    uint32_t contexts_ran;          /* in a row: all of them have had a turn, a vCPU is next */
    struct process *process;        /* whose ring-3 code runs, or NULL */
    struct vcpu *loaded;            /* vCPU whose FPU state is on the processor */
    _Atomic uint64_t address_space; /* CR3; 0: it must be loaded again */
    uint64_t timer_deadline;        /* what the local APIC timer is armed for, host TSC; 0: not armed */
    uint64_t slice_end;             /* of the current entity, host TSC */
    uint32_t left_behind;           /* enum left_behind: what ring 3 must not find */
    _Atomic uint32_t kicked;        /* look again before sleeping or entering */
    _Atomic uint32_t online;
    void *vendor; /* the backend's per-processor part */
};

/* Limits that an exit to the host does not restore (SDM Vol. 3C, 28.5.2); the loaded vCPU's SYSCALL
 * registers. */
enum left_behind { LEFT_GDT = 1 << 0, LEFT_TSS = 1 << 1, LEFT_SYSCALL = 1 << 2 };

_Static_assert(offsetof(struct cpu, tss.rsp0) == 24, "entry.asm knows the layout");

/* What LGDT and LIDT load, SGDT and SIDT store. */
struct __attribute__((packed)) table_pointer {
    uint16_t limit;
    uint64_t base;
};

extern struct cpu cpus[CPU_MAX];
extern uint32_t cpu_count;
extern bool cpu_has_ibpb;   /* a barrier for indirect branch prediction: MSR_PRED_CMD */
extern bool cpu_has_rdtscp; /* and MSR_TSC_AUX */

struct cpuid_result {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_result cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_result r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline struct cpu *this_cpu(void)
{
    struct cpu *cpu;
    __asm__("mov %%gs:0, %0" : "=r"(cpu)); /* not volatile: it never changes within a function */
    return cpu;
}

static inline uint64_t rdtsc(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (uint64_t)high << 32;
}

static inline uint64_t rdmsr(uint32_t index)
{
    uint32_t low, high;
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
    return low | (uint64_t)high << 32;
}

static inline void wrmsr(uint32_t index, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;
    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static inline void out16(uint16_t port, uint16_t value)
{
    __asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint32_t in32(uint16_t port)
{
    uint32_t value;
    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

/* read_NAME() and write_NAME() of a control or debug register. */
#define CPU_REGISTER(name)                                                                                   \
    static inline uint64_t read_##name(void)                                                                 \
    {                                                                                                        \
        uint64_t value;                                                                                      \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value));                                               \
        return value;                                                                                        \
    }                                                                                                        \
    static inline void write_##name(uint64_t value)                                                          \
    {                                                                                                        \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory");                                      \
    }

CPU_REGISTER(cr0)
CPU_REGISTER(cr2)
CPU_REGISTER(cr3)
CPU_REGISTER(cr4)
CPU_REGISTER(dr6)

static inline _Noreturn void cpu_stop(void)
{
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* SYSCALL registers as ring 3 needs them; KERNEL_GS_BASE is 0. */
void syscall_registers_init(void);
/* Before ring 3 runs, if cpu->left_behind: takes it back. */
void cpu_prepare_user(void);

/* RDMSR with a fix-up: false when the MSR does not exist. */
bool rdmsr_safe(uint32_t index, uint64_t *value);

/* TSC ticks per millisecond, found at boot. */
extern uint64_t tsc_khz;

/* A fault of ours: prints registers and back-trace on the console and stops the machine. Never reachable by a
 * guest. */
_Noreturn void panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line of the monitor's log (serial console; boot report). */
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
