/*
 * Run queues: one per processor, round robin over entities. An entity is a vCPU, or the context of a ring-3
 * process. Nothing in ring 0 blocks: an entity that must wait is not runnable and returns to the scheduler.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpu;

enum entity_kind { ENTITY_VCPU, ENTITY_CONTEXT };
enum { TOKEN_CONTEXT = 1, TOKEN_VCPU_0 };

/* Bits of cpu->kicked. An interrupt is sent once, also to a processor that has kicked itself in ring 3. */
enum { KICKED = 1 << 0, KICKED_BY_IPI = 1 << 1 };
enum { SLICE_US = 10000, CONTEXT_WAIT_US = 100, IDLE_US_MAX = 1000000, TIMER_US_MIN = 20 };

struct entity {
    enum entity_kind kind;
    struct cpu *cpu;     /* home processor */
    struct entity *next; /* list of the processor's entities */
    _Atomic uint32_t runnable;
    uint32_t token_number; /* in process.token: TOKEN_CONTEXT, or TOKEN_VCPU_0 + index */
};

/* Puts an entity on the list of a processor, not runnable yet. It stays there for ever. From any processor.
 */
void schedule_add(struct entity *entity, uint32_t cpu);
/* Makes it runnable and wakes its processor if that idles or runs something else. From any processor. */
void schedule_wake(struct entity *entity);
/* Makes its processor look at its timers and requests again. From any processor. */
void schedule_kick(struct cpu *cpu);
/* A timer of an entity of this processor is now due at that time: arm the host's timer if it is the nearest.
 */
void schedule_deadline(uint64_t deadline);
/* Runs entities for ever on this processor. */
_Noreturn void schedule_loop(void);
