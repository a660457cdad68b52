/*
 * Application processors: INIT, then SIPI twice (SDM Vol. 3A, 9.4.4). The 10 ms between them that the manual
 * names are for processors with an external APIC; none with SVM or VT-x needs them. Each gets its stack and
 * tables before the next one is started, so the trampoline and the boot stack are used by one at a time.
 */
#include "smp.h"
#include "acpi.h"
#include "cpu.h"
#include "host_apic.h"
#include "layout_ring0.h"
#include "log.h"
#include "memory.h"
#include "multiboot.h"
#include "schedule.h"
#include "string.h"
#include "time.h"
#include "trap.h"
#include "vcpu_ops.h"

enum { TRAMPOLINE = 0x8000, INIT_WAIT_US = 100, SIPI_WAIT_US = 200, ONLINE_WAIT_MS = 500 };

extern char ap_trampoline[], ap_trampoline_end[];

uint64_t ap_stack_top;
static struct cpu *volatile ap_cpu;
static _Atomic bool tsc_asked;
static _Atomic uint64_t tsc_told;

/* Where an application processor arrives from boot.asm, on its own stack. */
_Noreturn void ap_main(void);
void ap_main(void)
{
    struct cpu *cpu = ap_cpu;
    trap_init_cpu(cpu);
    host_apic_enable();
    if (vcpu_ops && vcpu_ops->cpu_enable())
        panic("processor %u has not the virtualization extension of the first one", cpu->index);
    cpu->online = 1;
    while (!tsc_asked)
        __builtin_ia32_pause();
    tsc_told = rdtsc();
    schedule_loop();
}

/* The trampoline runs below 1 MiB, identity-mapped by the boot tables; here it is reached through a mapping
 * of its own. */
static bool trampoline_place(void)
{
    void *copy = (void *)mmio_map(TRAMPOLINE);
    if (copy)
        memcpy(copy, ap_trampoline, (size_t)(ap_trampoline_end - ap_trampoline));
    return copy;
}

/* Firmware may name a processor twice, or one that no IPI can name alone. */
static bool cpu_usable(uint32_t apic_id)
{
    for (uint32_t i = 0; i < cpu_count; i++)
        if (cpus[i].apic_id == apic_id)
            return false;
    return host_apic_reaches(apic_id);
}

/* All guests' clocks are one offset from the TSC, whichever processor they run on: it must count the same on
 * all. */
static bool tsc_agrees(void)
{
    tsc_told = 0;
    uint64_t before = rdtsc();
    tsc_asked = true;
    while (!tsc_told)
        __builtin_ia32_pause();
    uint64_t told = tsc_told;
    tsc_asked = false;
    return before <= told && told <= rdtsc();
}

static bool cpu_start(struct cpu *cpu)
{
    ap_cpu = cpu;
    ap_stack_top = stack_map(cpu->index, STACK_NORMAL);
    if (!ap_stack_top)
        return false;
    host_apic_send(cpu->apic_id, IPI_INIT);
    time_wait_us(INIT_WAIT_US);
    for (unsigned i = 0; i < 2 && !cpu->online; i++) {
        host_apic_send(cpu->apic_id, IPI_STARTUP | TRAMPOLINE >> 12);
        time_wait_us(SIPI_WAIT_US);
    }
    for (unsigned i = 0; i < ONLINE_WAIT_MS && !cpu->online; i++)
        time_wait_us(1000);
    return cpu->online;
}

void smp_start(void)
{
    if (acpi.cpu_count < 2)
        return;
    if (!trampoline_place()) {
        log_print("nullring: no memory to start the other processors");
        return;
    }
    for (uint32_t i = 0; i < acpi.cpu_count && cpu_count < CPU_MAX; i++) {
        if (!cpu_usable(acpi.apic_id[i]))
            continue;
        struct cpu *cpu = &cpus[cpu_count];
        cpu->index = cpu_count;
        cpu->apic_id = acpi.apic_id[i];
        if (!cpu_start(cpu)) {
            log_print("nullring: processor with APIC ID %u does not answer; going on without it",
                      cpu->apic_id);
            break; /* it may still be on the trampoline: nobody else may use it */
        }
        if (!tsc_agrees()) {
            log_print("nullring: the time stamp counter of processor %u is not that of the first; going on "
                      "without it",
                      cpu->index);
            break;
        }
        cpu_count++;
    }
}
