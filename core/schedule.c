/*
 * The scheduler of one processor. It is tickless: the host's timer is armed for the nearest of a guest timer,
 * the end of a slice when somebody else is runnable, and one second.
 */
#include "schedule.h"
#include "cpu.h"
#include "host_apic.h"
#include "process.h"
#include "upcalls.h"
#include "vm.h"

void schedule_add(struct entity *entity, uint32_t cpu)
{
    struct cpu *home = &cpus[cpu % cpu_count];
    entity->cpu = home;
    entity->next = home->entities;
    while (!atomic_compare_exchange_weak(&home->entities, &entity->next, entity))
        continue;
    home->contexts += entity->kind == ENTITY_CONTEXT;
}

void schedule_kick(struct cpu *cpu)
{
    uint32_t how = cpu == this_cpu() ? KICKED : KICKED_BY_IPI;
    if (!(atomic_fetch_or(&cpu->kicked, how) & KICKED_BY_IPI) && how == KICKED_BY_IPI)
        host_apic_send(cpu->apic_id, VECTOR_KICK);
}

void schedule_wake(struct entity *entity)
{
    bool waits = atomic_exchange(&entity->runnable, 1); /* its turn: it will look when that comes */
    bool runs = entity->cpu->current == entity;
    if (runs ? entity->cpu != this_cpu() : !waits)
        schedule_kick(entity->cpu);
}

void schedule_deadline(uint64_t deadline)
{
    struct cpu *cpu = this_cpu();
    if (deadline && (!cpu->timer_deadline || deadline < cpu->timer_deadline))
        host_apic_timer(deadline);
}

/* Lets one entity's timer expire if its time has come; returns when the next one is due, or 0. */
static uint64_t entity_timer(struct entity *entity, uint64_t now)
{
    if (entity->kind == ENTITY_VCPU) {
        struct vcpu *vcpu = vcpu_of(entity);
        uint64_t deadline = lapic_timer_deadline(vcpu);
        if (vcpu->vm->report.status != GUEST_RUNNING || vcpu->run_state == VCPU_HELD)
            return 0;
        if (deadline && deadline <= now) {
            lapic_timer_expire(vcpu, now + vcpu->vm->clock_offset);
            deadline = lapic_timer_deadline(vcpu);
        }
        if (vcpu->run_state == VCPU_RESTING && vcpu->rest_until <= now)
            schedule_wake(entity);
        else if (vcpu->run_state == VCPU_RESTING && (!deadline || vcpu->rest_until < deadline))
            deadline = vcpu->rest_until;
        return deadline;
    }
    struct process *process = process_of(entity);
    uint64_t deadline = process->timer;
    if (deadline && deadline <= now) {
        process->timer = 0;
        process_notify(process, EVENT_TIMER);
        return 0;
    }
    return deadline;
}

/* All timers of this processor, and how many entities of each kind want it. Bounded by the number of
 * entities. */
static uint64_t timers_check(struct cpu *cpu, uint64_t now, uint32_t runnable[])
{
    uint64_t nearest = now + tsc_khz * (IDLE_US_MAX / 1000);
    runnable[ENTITY_VCPU] = runnable[ENTITY_CONTEXT] = 0;
    for (struct entity *entity = cpu->entities; entity; entity = entity->next) {
        uint64_t deadline = entity_timer(entity, now);
        nearest = deadline && deadline < nearest ? deadline : nearest;
        runnable[entity->kind] += entity->runnable;
    }
    uint64_t earliest =
        now + tsc_khz * TIMER_US_MIN / 1000; /* no guest's timer leaves the others without progress */
    return nearest > earliest ? nearest : earliest;
}

/* The next one behind the last of its kind, around the end of the list. */
static struct entity *pick_kind(struct cpu *cpu, enum entity_kind kind)
{
    struct entity *last = cpu->last[kind];
    for (unsigned round = 0; round < 2; round++)
        for (struct entity *entity = !round && last ? last->next : cpu->entities; entity;
             entity = entity->next)
            if (entity->kind == kind && entity->runnable)
                return cpu->last[kind] = entity;
    return NULL;
}

/* Contexts go first, as interrupts would: a guest sees at once what its devices do about an EOI. But not one
 * of them goes twice while a vCPU waits. A vCPU that still has time in its slice goes on. */
static struct entity *pick(struct cpu *cpu, uint64_t now)
{
    struct entity *entity = NULL;
    if (cpu->contexts_ran < cpu->contexts && (entity = pick_kind(cpu, ENTITY_CONTEXT))) {
        cpu->contexts_ran++;
        return entity;
    }
    cpu->contexts_ran = 0;
    struct entity *last = cpu->last[ENTITY_VCPU];
    if (last && last->runnable && now < cpu->slice_end)
        return last;
    entity = pick_kind(cpu, ENTITY_VCPU);
    if (entity) {
        cpu->slice_end = now + tsc_khz * (SLICE_US / 1000);
        return entity;
    }
    return pick_kind(cpu, ENTITY_CONTEXT);
}

void schedule_loop(void)
{
    struct cpu *cpu = this_cpu();
    for (;;) {
        uint32_t runnable[2];
        uint64_t now = rdtsc();
        uint64_t deadline = timers_check(cpu, now, runnable);
        atomic_exchange(&cpu->kicked, 0); /* a barrier: whoever kicks from now on has not been seen yet */
        struct entity *entity = pick(cpu, now);
        cpu->current = entity;
        if (!entity) {
            host_apic_timer(deadline);
            if (!cpu->kicked)
                __asm__ volatile("sti; hlt; cli" : : : "memory");
            continue;
        }
        if (entity->kind == ENTITY_VCPU) {
            /* A context may have had its turn, and have more to do. Else pick() has seen to it that the slice
             * ends later than now. For a context the tick is the slice: the end of a slice long past would
             * interrupt it after each few instructions, and count as ticks of its budget. */
            bool waits = runnable[ENTITY_CONTEXT];
            uint64_t end = waits ? now + tsc_khz * CONTEXT_WAIT_US / 1000 : cpu->slice_end;
            bool alone = !waits && runnable[ENTITY_VCPU] < 2;
            host_apic_timer(!alone && end < deadline ? end : deadline);
            vcpu_run(vcpu_of(entity));
        } else {
            uint64_t tick = now + tsc_khz * TICK_US / 1000;
            host_apic_timer(tick < deadline ? tick : deadline);
            context_run(process_of(entity));
        }
        cpu->current = NULL;
    }
}
