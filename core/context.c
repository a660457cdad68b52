/*
 * The context of a process: what it does on its own account rather than on a vCPU's. Timers, console input,
 * EOIs; the start of a guest; and its end, once every vCPU has stopped.
 */
#include "cpu.h"
#include "log.h"
#include "upcalls.h"
#include "vm.h"

/* START or RESET is done: the boot processor has its first state. Others may have been asked something. */
static void start_finish(struct process *process)
{
    struct vm *vm = process->vm;
    process->start = 0;
    if (!vm || !vcpu_take_state(vm->vcpu[0], &process->upcall, process->upcall.modified))
        return;
    vm->report.status = GUEST_RUNNING;
    vm->vcpu[0]->run_state = VCPU_RUN;
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        schedule_wake(&vm->vcpu[i]->entity);
}

static void upcall_finish(struct process *process, enum upcall_result result)
{
    if (result == UPCALL_RUNNING)
        return; /* still runnable */
    uint32_t status = process->upcall.status;
    if (result == UPCALL_FINISHED && status == UPCALL_KILL && process->vm) {
        process->start = 0;
        upcall_kill(process);
    } else if (result == UPCALL_FINISHED && status == UPCALL_OK) {
        if (process->start)
            start_finish(process);
    } else if (result == UPCALL_FINISHED && status != UPCALL_AGAIN) {
        upcall_reject(process, "it answered nonsense");
    } /* AGAIN: process->start stands, and it is called again */
    token_release(process);
}

static bool vm_stopped(const struct vm *vm)
{
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        if (vm->vcpu[i]->run_state != VCPU_PAUSED)
            return false;
    return true;
}

/* Nothing of the guest runs any more: power off, death or reset takes place. */
static void vm_finish(struct process *process)
{
    struct vm *vm = process->vm;
    uint32_t ending = atomic_exchange(&vm->ending, 0);
    process->timer = 0;
    process->events &= EVENT_CHANNEL; /* the service notifies of a question once */
    if (ending == GUEST_END_RESET) {
        process->start = UPCALL_RESET; /* before a vCPU is no longer parked */
        vm->intr_level = 0;
        for (uint32_t i = 0; i < vm->vcpu_count; i++) {
            vcpu_reset(vm->vcpu[i], false);
            lapic_reset(vm->vcpu[i], false);
            vm->vcpu[i]->requests = 0;
            vm->vcpu[i]->run_state = VCPU_WAIT_SIPI;
        }
        return;
    }
    vm->report.status = ending & VM_END_KILL ? GUEST_KILLED : GUEST_POWERED_OFF;
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        vm->vcpu[i]->run_state = VCPU_DEAD;
    process_notify(service, EVENT_GUEST);
}

void context_run(struct process *process)
{
    struct vm *vm = process->vm;
    bool mine = token_held(process, &process->context);
    if (process->preempted && mine) {
        upcall_finish(process, upcall_continue(process));
        return;
    }
    process->context.runnable = 0; /* before looking, so that no wake-up is lost */
    if (vm && vm->ending) {
        if (mine)
            token_release(process); /* it came while this context waited for it */
        if (vm_stopped(vm) && !process->token) {
            vm_finish(process);
            process->context.runnable = 1;
        }
        return;
    }
    if (vm && vm->report.status != GUEST_RUNNING && vm->report.status != GUEST_STARTING)
        return;
    if (vm && vm_zero_ram(vm)) {
        process->context.runnable = 1;
        return;
    }
    uint32_t kind = process->start                              ? process->start
                    : process->events || process->needs_restart ? UPCALL_EVENTS
                                                                : 0;
    if (!kind) {
        if (mine)
            token_release(process);
        return;
    }
    if (!token_take(process, &process->context))
        return;
    process->context.runnable = 1;
    process->upcall.groups = 0;
    if (kind == UPCALL_EVENTS && !process->needs_restart) {
        process->upcall.events = atomic_exchange(&process->events, 0);
        for (unsigned i = 0; vm && i < 4; i++)
            process->upcall.eoi[i] = atomic_exchange(&vm->eoi[i], 0);
    }
    upcall_finish(process, upcall_run(process, NULL, kind));
}
