/*
 * Tokens and upcalls. A process that faults, spins past its ticks or answers nonsense is restarted once from
 * its state blocks; the second time its guest dies. A failing service is our own fault: it has no second
 * chance.
 */
#include "upcalls.h"
#include "cpu.h"
#include "layout.h"
#include "log.h"
#include "string.h"
#include "vm.h"

bool token_take(struct process *process, struct entity *entity)
{
    spin_lock(&process->lock);
    if (!process->holder)
        process->holder = entity;
    bool mine = process->holder == entity;
    if (!mine && !entity->waiting) {
        entity->waiting = true;
        entity->token_next = NULL;
        if (process->waiters)
            process->waiters_last->token_next = entity;
        else
            process->waiters = entity;
        process->waiters_last = entity;
        entity->runnable = 0;
    }
    spin_unlock(&process->lock);
    return mine;
}

void token_release(struct process *process)
{
    spin_lock(&process->lock);
    struct entity *next = process->waiters;
    process->holder = next;
    if (next) {
        process->waiters = next->token_next;
        next->waiting = false;
    }
    spin_unlock(&process->lock);
    if (next)
        schedule_wake(next);
}

/* The process cannot be trusted with its own memory any more. */
static void process_failed(struct process *process)
{
    struct vm *vm = process->vm;
    process->preempted = false;
    if (!vm)
        panic("the service failed: %s", process->fault);
    if (vm->restarts) {
        guest_kill(vm, "its device model failed again after a restart: %s", process->fault);
        return;
    }
    vm->restarts++;
    log_print("nullring: guest %s: device model restarted: %s", vm->config.name, process->fault);
    process->needs_restart = true;
    process_reload(process);
    process_notify(service, EVENT_GUEST);
}

static enum upcall_result upcall_result(struct process *process, enum user_exit exit)
{
    switch (exit) {
    case USER_DONE:
        if (process->upcall->kind == UPCALL_RESTART && process->needs_restart) {
            process->needs_restart = false;
            if (process->upcall->status == UPCALL_KILL)
                guest_kill(process->vm, "its device model found its state damaged after a restart");
            return UPCALL_FAILED;
        }
        return UPCALL_FINISHED;
    case USER_PREEMPTED:
        process->preempted = true;
        return UPCALL_RUNNING;
    default:
        process_failed(process);
        return UPCALL_FAILED;
    }
}

enum upcall_result upcall_run(struct process *process, struct entity *entity, struct vcpu *target,
                              uint32_t kind)
{
    (void)entity;
    process_load(process);
    process->target = target;
    process->ticks = 0;
    process->upcall->kind = process->needs_restart ? UPCALL_RESTART : kind;
    process->upcall->vcpu = target ? target->index : 0;
    process->upcall->status = UPCALL_OK;
    process->upcall->modified = 0;
    process->upcall->rest_until = 0;
    if (process->vm)
        process->vm->upcalls++;
    return upcall_result(process, user_start(process->entry, USER_STACK_TOP, USER_UPCALL));
}

enum upcall_result upcall_continue(struct process *process)
{
    process_load(process);
    process->preempted = false;
    return upcall_result(process, user_resume(&process->frame));
}

void upcall_reject(struct process *process, const char *why)
{
    process->fault = why;
    process_failed(process);
}

void process_interrupted(struct trap_frame *frame)
{
    struct cpu *cpu = this_cpu();
    struct process *process = cpu->process;
    uint64_t now = rdtsc();
    uint32_t budget = process->start ? START_TICKS_MAX : UPCALL_TICKS_MAX;
    /* Interrupts that others cause within a tick are not this process's. The service waits for a serial line
     * now and then, and answers to no guest: it has no budget. */
    if (process->vm && now >= process->tick_due && ++process->ticks > budget) {
        process->fault = "it used up its time in one upcall";
        user_leave(USER_FAULT);
    }
    if (now >= process->tick_due)
        process->tick_due = now + tsc_khz * TICK_US / 1000;
    process->frame = *frame;
    user_leave(USER_PREEMPTED);
}

void process_fault(struct trap_frame *frame)
{
    struct process *process = this_cpu()->process;
    uint64_t cr2;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    log_print("nullring: %s: exception %lu, error code %lx, at %lx, address %lx",
              process->vm ? process->vm->config.name : "service", frame->vector, frame->error_code,
              frame->rip, cr2);
    process->fault =
        frame->vector == TRAP_PF ? "it used an address that is not its own" : "it raised an exception";
    user_leave(USER_FAULT);
}

void process_notify(struct process *process, uint32_t events)
{
    process->events |= events;
    schedule_wake(&process->context);
}

void service_input(void)
{
    if (service)
        process_notify(service, EVENT_INPUT);
}
