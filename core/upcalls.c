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
#include "x86.h"

enum { TOKEN_BITS = 4, TOKEN_MASK = 0xf };
_Static_assert((GUEST_CPUS_MAX + 1) * TOKEN_BITS <= 64 && GUEST_CPUS_MAX + 1 <= TOKEN_MASK,
               "one queue holds all");

bool token_held(const struct process *process, const struct entity *entity)
{
    return (process->token & TOKEN_MASK) == entity->token_number;
}

/* Behind those who wait already, once. */
static __attribute__((noinline)) bool token_wait(struct process *process, struct entity *entity)
{
    uint64_t queue = process->token, longer;
    entity->runnable = 0; /* before it is in the queue: who hands the token on wakes it */
    do {
        unsigned place = 0;
        while (queue >> place && (queue >> place & TOKEN_MASK) != entity->token_number)
            place += TOKEN_BITS;
        longer = queue | (uint64_t)entity->token_number << place;
    } while (!atomic_compare_exchange_strong(&process->token, &queue, longer));
    if (!token_held(process, entity))
        return false;
    entity->runnable = 1;
    return true;
}

bool token_take(struct process *process, struct entity *entity)
{
    uint64_t nobody = 0;
    return atomic_compare_exchange_strong(&process->token, &nobody, entity->token_number) ||
           token_wait(process, entity);
}

void token_release(struct process *process)
{
    uint64_t queue = process->token;
    while (!atomic_compare_exchange_strong(&process->token, &queue, queue >> TOKEN_BITS))
        continue;
    unsigned next = queue >> TOKEN_BITS & TOKEN_MASK;
    if (next)
        schedule_wake(next == TOKEN_CONTEXT ? &process->context
                                            : &process->vm->vcpu[next - TOKEN_VCPU_0]->entity);
}

void upcall_reject(struct process *process, const char *why)
{
    struct vm *vm = process->vm;
    if (!vm)
        panic("the service failed: %s", why);
    if (vm->report.restarts) {
        guest_kill(vm, "its device model failed again after a restart: %s", why);
        return;
    }
    vm->report.restarts++;
    log_print("nullring: guest %s: device model restarted: %s", vm->config.name, why);
    process->needs_restart = true;
    process_reload(process);
    process_notify(process, EVENT_CHANNEL); /* the old one may have taken that event with it */
    process_notify(service, EVENT_GUEST);
}

void upcall_kill(struct process *process)
{
    guest_kill(process->vm, "%.*s", UPCALL_TEXT_SIZE, process->upcall.text);
}

/* Of one that did not simply come to its end, or has left something to do. */
static __attribute__((noinline)) enum upcall_result unusual_result(struct process *process,
                                                                   enum user_exit exit)
{
    if (process->notifies) {
        process->notifies = false;
        process_notify(service, EVENT_CHANNEL);
    }
    if (exit == USER_DONE && !process->needs_restart)
        return UPCALL_FINISHED;
    process->preempted = exit == USER_PREEMPTED;
    if (process->preempted)
        return UPCALL_RUNNING;
    if (exit == USER_FAULT) {
        upcall_reject(process, process->fault);
    } else { /* it was UPCALL_RESTART */
        process->needs_restart = false;
        if (process->upcall.status == UPCALL_KILL)
            guest_kill(process->vm, "its device model found its state damaged after a restart: %.*s",
                       UPCALL_TEXT_SIZE, process->upcall.text);
    }
    return UPCALL_FAILED;
}

static inline enum upcall_result upcall_result(struct process *process, enum user_exit exit)
{
    bool usual = exit == USER_DONE && !process->notifies && !process->needs_restart;
    return usual ? UPCALL_FINISHED : unusual_result(process, exit);
}

static void process_enter(struct process *process)
{
    process_load(process);
    if (this_cpu()->left_behind)
        cpu_prepare_user();
}

enum upcall_result upcall_run(struct process *process, struct vcpu *vcpu, uint32_t kind)
{
    process_enter(process);
    process->ticks = 0;
    process->upcall.kind = process->needs_restart ? UPCALL_RESTART : kind;
    process->upcall.vcpu = vcpu ? vcpu->index : 0;
    return upcall_result(process, user_start(process->entry, USER_STACK_TOP, USER_UPCALL));
}

enum upcall_result upcall_continue(struct process *process)
{
    process_enter(process);
    process->preempted = false;
    return upcall_result(process, user_resume(&process->frame));
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
    log_print("nullring: %s: exception %lu, error code %lx, at %lx, address %lx",
              process->vm ? process->vm->config.name : "service", frame->vector, frame->error_code,
              frame->rip, read_cr2());
    process->fault =
        frame->vector == EXCEPTION_PF ? "it used an address that is not its own" : "it raised an exception";
    user_leave(USER_FAULT);
}

void process_notify(struct process *process, uint32_t events)
{
    process->events |= events;
    schedule_wake(&process->context);
}
