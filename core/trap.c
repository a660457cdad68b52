/*
 * What a trap means: an interrupt of the host, a fault of a ring-3 program, a fault with a fix-up, or our own
 * fault.
 */
#include "trap.h"
#include "cpu.h"
#include "fixup.h"
#include "host_apic.h"
#include "process.h"
#include "schedule.h"
#include "x86.h"

static bool fixup_apply(struct trap_frame *frame)
{
    for (const struct fixup *fixup = fixup_start; fixup < fixup_end; fixup++) {
        if (fixup->fault_rip == frame->rip) {
            frame->rip = fixup->fixup_rip;
            return true;
        }
    }
    return false;
}

static void interrupt_handle(uint64_t vector)
{
    struct cpu *cpu = this_cpu();
    if (vector == VECTOR_PANIC)
        cpu_stop();
    if (vector != VECTOR_SPURIOUS) /* SDM Vol. 3A, 11.9 */
        host_apic_eoi();
    if (vector == VECTOR_TIMER)
        cpu->timer_deadline = 0;
    if (vector == VECTOR_TIMER || vector == VECTOR_KICK)
        cpu->kicked |= KICKED;
    if (vector == VECTOR_INPUT && service)
        process_notify(service, EVENT_INPUT);
}

void trap_handle(struct trap_frame *frame);
void trap_handle(struct trap_frame *frame)
{
    bool user = frame->cs & 3;
    if (frame->vector >= EXCEPTION_COUNT) {
        interrupt_handle(frame->vector);
        if (user)
            process_interrupted(frame);
        return;
    }
    if (user)
        process_fault(frame);
    if (!fixup_apply(frame))
        panic_trap(frame);
}
