/*
 * Run queues: one per processor, round robin over entities. An entity is a vCPU, or the service context of a
 * ring-3 process. Nothing in ring 0 blocks: an entity that must wait is not runnable and returns to the
 * scheduler.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu;

enum entity_kind { ENTITY_VCPU, ENTITY_CONTEXT };

struct entity {
    enum entity_kind kind;
    struct cpu *cpu;     /* home processor */
    struct entity *next; /* ring of the processor's entities */
    _Atomic uint32_t runnable;
};

/* Puts an entity on the run queue of the processor with the fewest vCPUs, not runnable yet. */
void schedule_add(struct entity *entity);
/* Makes it runnable and wakes its processor if that idles or runs something else. From any processor. */
void schedule_wake(struct entity *entity);
/* Runs entities for ever on this processor. */
_Noreturn void schedule_loop(void);
