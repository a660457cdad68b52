/*
 * The context of a process: what it does on its own account rather than on a vCPU's. Timers, console input,
 * EOIs; the start of a guest; and its end, once every vCPU has stopped.
 */
#include "cpu.h"
#include "log.h"
#include "upcalls.h"
#include "vm.h"

/* The answer to START or RESET: the boot processor's first state, or a reason why there is none. */
static void start_finish(struct process *process)
{
    struct upcall *upcall = process->upcall;
    struct vm *vm = process->vm;
    if (upcall->status == UPCALL_AGAIN)
        return; /* process->start stands: called again */
    process->start = 0;
    if (!vm)
        return;
    struct vcpu *bsp = vm->vcpu[0];
    if (upcall->status == UPCALL_KILL) {
        upcall->text[UPCALL_TEXT_SIZE - 1] = 0;
        guest_kill(vm, "%s", upcall->text);
        return;
    }
    if (!vcpu_take_state(bsp, upcall, upcall->modified))
        return;
    vm->status = GUEST_RUNNING;
    bsp->run_state = VCPU_RUN;
    schedule_wake(&bsp->entity);
}

static void events_fill(struct process *process, uint32_t events)
{
    struct vm *vm = process->vm;
    process->upcall->events = events;
    for (unsigned i = 0; vm && i < 4; i++)
        process->upcall->eoi[i] = atomic_exchange(&vm->eoi[i], 0);
}

static void upcall_finish(struct process *process, enum upcall_result result)
{
    if (result == UPCALL_RUNNING)
        return; /* still runnable */
    if (result == UPCALL_FINISHED) {
        if (process->upcall->kind == UPCALL_START || process->upcall->kind == UPCALL_RESET) {
            start_finish(process);
        } else if (process->upcall->status == UPCALL_KILL && process->vm) {
            process->upcall->text[UPCALL_TEXT_SIZE - 1] = 0;
            guest_kill(process->vm, "%s", process->upcall->text);
        }
    }
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
    process->events = 0;
    if (ending == GUEST_END_RESET) {
        vm->intr_level = 0;
        for (uint32_t i = 0; i < vm->vcpu_count; i++) {
            vcpu_reset(vm->vcpu[i], false);
            lapic_reset(vm->vcpu[i], false);
            vm->vcpu[i]->requests = 0;
            vm->vcpu[i]->run_state = VCPU_WAIT_SIPI;
        }
        process->start = UPCALL_RESET;
        return;
    }
    vm->status = ending & VM_END_KILL ? GUEST_KILLED : GUEST_POWERED_OFF;
    for (uint32_t i = 0; i < vm->vcpu_count; i++)
        vm->vcpu[i]->run_state = VCPU_DEAD;
    process_notify(service, EVENT_GUEST);
}

void context_run(struct process *process)
{
    struct vm *vm = process->vm;
    if (process->preempted && process->holder == &process->context) {
        upcall_finish(process, upcall_continue(process));
        return;
    }
    process->context.runnable = 0; /* before looking, so that no wake-up is lost */
    if (vm && vm->ending) {
        if (process->holder == &process->context)
            token_release(process); /* it came while this context waited for it */
        if (vm_stopped(vm) && !process->holder) {
            vm_finish(process);
            process->context.runnable = 1;
        }
        return;
    }
    if (vm && vm->status != GUEST_RUNNING && vm->status != GUEST_STARTING)
        return;
    uint32_t kind = process->start                              ? process->start
                    : process->events || process->needs_restart ? UPCALL_EVENTS
                                                                : 0;
    if (!kind) {
        if (process->holder == &process->context)
            token_release(process);
        return;
    }
    if (!token_take(process, &process->context))
        return;
    process->context.runnable = 1;
    process->upcall->groups = 0;
    if (kind == UPCALL_EVENTS && !process->needs_restart)
        events_fill(process, atomic_exchange(&process->events, 0));
    upcall_finish(process, upcall_run(process, &process->context, vm ? vm->vcpu[0] : NULL, kind));
}
