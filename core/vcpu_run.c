/*
 * The life of a vCPU: requests, events, entry, exit, upcall. Each round is bounded; nothing here blocks.
 */
#include "cpu.h"
#include "exit.h"
#include "process.h"
#include "schedule.h"
#include "upcalls.h"
#include "vcpu_ops.h"
#include "vm.h"
#include "vtlb.h"

/* Takes the vCPU's state off the processor. */
static void vcpu_unload(struct cpu *cpu)
{
    if (cpu->loaded) {
        vcpu_ops->unload(cpu->loaded);
        cpu->loaded = NULL;
    }
}

static void vcpu_load(struct vcpu *vcpu)
{
    struct cpu *cpu = this_cpu();
    process_load(vcpu->vm->process);
    if (cpu->loaded != vcpu) {
        vcpu_unload(cpu);
        cpu->loaded = vcpu;
        vcpu_ops->load(vcpu);
    }
}

/* The guest is ending: stop here, and let the context see it when all have. */
static void vcpu_park(struct vcpu *vcpu)
{
    struct process *process = vcpu->vm->process;
    struct cpu *cpu = this_cpu();
    if (cpu->loaded == vcpu)
        vcpu_unload(cpu);
    vcpu->entity.runnable = 0;
    vcpu->run_state = VCPU_PAUSED;
    if (token_held(process, &vcpu->entity))
        token_release(process);
    schedule_wake(&process->context);
}

/* INIT and SIPI (SDM Vol. 3A, 9.4), NMI. */
static void requests_take(struct vcpu *vcpu)
{
    uint32_t requests = atomic_exchange(&vcpu->requests, 0);
    if (requests & REQUEST_DEBUG) /* it has come since: the next look finds it */
        vcpu->requests |= REQUEST_DEBUG;
    if (requests & REQUEST_INIT) {
        vcpu_reset(vcpu, true);
        lapic_reset(vcpu, true);
        vcpu->run_state = vcpu->index ? VCPU_WAIT_SIPI : VCPU_RUN;
    }
    if (requests & REQUEST_SIPI && vcpu->run_state == VCPU_WAIT_SIPI) {
        vcpu_start_sipi(vcpu, vcpu->sipi_vector);
        vcpu->run_state = VCPU_RUN;
    }
    if (requests & REQUEST_NMI && vcpu->run_state != VCPU_WAIT_SIPI)
        vcpu->state.interrupts.nmi_pending = 1;
}

/* Waits in a state that only a request or an event ends. */
static void vcpu_sleep(struct vcpu *vcpu, enum vcpu_run_state state)
{
    uint32_t wakes = state == VCPU_HELD ? REQUEST_DEBUG : ~0u;
    vcpu->run_state = state;
    vcpu->entity.runnable = 0; /* before looking, so that no wake-up is lost */
    if (vcpu->requests & wakes || vcpu->vm->ending || (state < VCPU_WAIT_SIPI && event_wakes(vcpu)))
        vcpu->entity.runnable = 1;
}

/* The device model knows that polling is in vain until then. True: the vCPU rests. */
static bool vcpu_rest(struct vcpu *vcpu, uint64_t guest_tsc)
{
    uint64_t now = rdtsc(), longest = tsc_khz * VCPU_REST_US_MAX / 1000;
    int64_t rest = (int64_t)(guest_tsc - vcpu->vm->clock_offset - now);
    if (rest <= 0)
        return false;
    vcpu->rest_until = now + ((uint64_t)rest < longest ? (uint64_t)rest : longest);
    vcpu_sleep(vcpu, VCPU_RESTING);
    return true;
}

/* After any upcall but the frequent one: as the reply says, or as a debugger found it. */
static __attribute__((noinline)) enum vcpu_run_state state_after(struct vcpu *vcpu, uint32_t status)
{
    uint8_t activity = vcpu->state.interrupts.activity;
    if (status == UPCALL_HOLD || status == UPCALL_HALTED)
        return status == UPCALL_HOLD ? VCPU_HELD : VCPU_HALTED;
    if (vcpu->upcall_kind != UPCALL_DEBUG)
        return VCPU_RUN;
    vcpu->state.interrupts.activity = ACTIVITY_RUN; /* for run_state says it, and the rules look at it */
    return activity == ACTIVITY_HALTED      ? VCPU_HALTED
           : activity == ACTIVITY_WAIT_SIPI ? VCPU_WAIT_SIPI
                                            : VCPU_RUN;
}

/* What an upcall for this vCPU came back with. True: go on in the guest. */
static bool upcall_settle(struct vcpu *vcpu, enum upcall_result result)
{
    struct process *process = vcpu->vm->process;
    if (result == UPCALL_RUNNING) {
        vcpu->run_state = VCPU_IN_UPCALL;
        return false;
    }
    /* Not finished, or nonsense: no effect, the instruction is executed again. */
    bool finished = result == UPCALL_FINISHED;
    if (finished && !exit_complete_upcall(vcpu, &process->upcall)) {
        upcall_reject(process, "it answered nonsense");
        finished = false;
    }
    enum vcpu_run_state state = VCPU_RUN;
    uint64_t rest = 0;
    if (vcpu->upcall_kind != UPCALL_PIO)
        state = state_after(vcpu, finished ? process->upcall.status : UPCALL_OK);
    else if (finished)
        rest = process->upcall.rest_until;
    if (!finished && vcpu->upcall_kind == UPCALL_DEBUG) /* asked again before the guest goes on */
        atomic_fetch_or(&vcpu->requests, (uint32_t)REQUEST_DEBUG);
    token_release(process);
    vcpu->run_state = VCPU_RUN;
    if (state != VCPU_RUN && (state != VCPU_HALTED || !event_wakes(vcpu))) {
        vcpu_sleep(vcpu, state);
        return false;
    }
    return !rest || !vcpu_rest(vcpu, rest);
}

/* Of vcpu->upcall_kind. */
static bool vcpu_upcall(struct vcpu *vcpu)
{
    struct process *process = vcpu->vm->process;
    if (!token_take(process, &vcpu->entity)) {
        vcpu->run_state = VCPU_WAIT_TOKEN;
        return false;
    }
    vcpu->record.upcalls++;
    exit_fill_upcall(vcpu, &process->upcall);
    return upcall_settle(vcpu, upcall_run(process, vcpu, vcpu->upcall_kind));
}

/* A debugger wants to see it, or it has come to one of its traps. */
static bool vcpu_debug(struct vcpu *vcpu)
{
    if (vcpu->run_state != VCPU_HELD)
        vcpu->state.interrupts.activity = vcpu->run_state == VCPU_HALTED      ? ACTIVITY_HALTED
                                          : vcpu->run_state == VCPU_WAIT_SIPI ? ACTIVITY_WAIT_SIPI
                                                                              : ACTIVITY_RUN;
    atomic_fetch_and(&vcpu->requests, ~(uint32_t)REQUEST_DEBUG);
    vcpu->exit_again = false; /* what has had no effect is executed again */
    vcpu->upcall_kind = UPCALL_DEBUG;
    schedule_deadline(lapic_timer_deadline(vcpu)); /* of one that was held nobody has thought */
    return vcpu_upcall(vcpu);
}

/* Goes on where the vCPU was when it last returned to the scheduler. True: in the guest. */
static bool vcpu_resume(struct vcpu *vcpu)
{
    struct process *process = vcpu->vm->process;
    switch (vcpu->run_state) {
    case VCPU_RUN:
        return true;
    case VCPU_IN_UPCALL:
        schedule_deadline(rdtsc() + tsc_khz * TICK_US / 1000);
        return upcall_settle(vcpu, upcall_continue(process));
    case VCPU_WAIT_TOKEN:
        return vcpu_upcall(vcpu);
    case VCPU_HALTED:
    case VCPU_RESTING:
    case VCPU_WAIT_SIPI:
    case VCPU_HELD:
        if (vcpu->requests & REQUEST_DEBUG)
            return vcpu_debug(vcpu);
        if (vcpu->run_state != VCPU_HELD)
            requests_take(vcpu);
        break;
    default:
        vcpu->entity.runnable = 0;
        return false;
    }
    bool rests = vcpu->run_state == VCPU_RESTING;
    if ((rests && rdtsc() >= vcpu->rest_until) ||
        ((rests || vcpu->run_state == VCPU_HALTED) && event_wakes(vcpu)))
        vcpu->run_state = VCPU_RUN;
    if (vcpu->run_state == VCPU_RUN)
        return true;
    vcpu_sleep(vcpu, vcpu->run_state);
    return false;
}

/* One entry into the guest and what follows from the exit. False: back to the scheduler. */
static bool vcpu_round(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    if (!vcpu->exit_again) {
        if (!event_prepare(vcpu)) {
            vcpu->upcall_kind = UPCALL_INTA;
            return vcpu_upcall(vcpu);
        }
        if (vcpu->generation != vm->stage2.generation) {
            vcpu->generation = vm->stage2.generation;
            vtlb_flush(vcpu);
        }
        vcpu_ops->run(vcpu);
    }
    enum exit_outcome outcome = exit_handle(vcpu);
    if (outcome == EXIT_RESUME)
        return true;
    switch (outcome) {
    case EXIT_UPCALL:
        return vcpu_upcall(vcpu);
    case EXIT_EXTERNAL:
        __asm__ volatile("sti; nop; cli" : : : "memory"); /* the host's IDT takes it */
        return true;
    case EXIT_HALT:
        if (event_wakes(vcpu))
            return true; /* without a turn of the scheduler */
        vcpu_sleep(vcpu, VCPU_HALTED);
        return false;
    default: /* EXIT_KILL: vm->ending is set */
        return true;
    }
}

void vcpu_run(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;
    if (vcpu->run_state == VCPU_PAUSED) { /* parked, once: the context may be resetting it */
        vcpu->entity.runnable = 0;
        vcpu->entity.runnable |= __atomic_load_n(&vcpu->run_state, __ATOMIC_RELAXED) != VCPU_PAUSED;
        return;
    }
    if (vm->ending && vcpu->run_state != VCPU_IN_UPCALL) {
        vcpu->entity.runnable = 0;
        if (vcpu->run_state != VCPU_WAIT_TOKEN || token_held(vm->process, &vcpu->entity))
            vcpu_park(vcpu); /* one that waits for the token is woken by it first */
        return;
    }
    const uint32_t *start = &vm->process->start;
    if (*start) { /* kicked before its time, which may be a reset's, too: start_finish() wakes it */
        vcpu->entity.runnable = 0;
        vcpu->entity.runnable |= !__atomic_load_n(start, __ATOMIC_RELAXED);
        return;
    }
    vcpu_load(vcpu);
    if (!vcpu_resume(vcpu))
        return;
    const struct cpu *cpu = this_cpu();
    while (!cpu->kicked) {
        if (vm->ending) {
            vcpu_park(vcpu);
            return;
        }
        if (vcpu->requests) {
            if (vcpu->requests & REQUEST_DEBUG && !vcpu_debug(vcpu))
                return;
            requests_take(vcpu);
            if (vcpu->run_state != VCPU_RUN) {
                vcpu_sleep(vcpu, vcpu->run_state);
                return;
            }
        }
        if (!vcpu_round(vcpu))
            return;
    }
}
