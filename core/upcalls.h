/*
 * Upcalls: messages to ring-3 processes, one at a time in each (docs/design.md, section 6).
 */
#pragma once

#include <stdbool.h>
#include "process.h"

/* Ticks of an upcall. A start copies images and fills tables; no guest waits for it. */
enum { UPCALL_TICKS_MAX = 200, START_TICKS_MAX = 2000, TICK_US = 1000 };

/* How an upcall, or a piece of it, came back. */
enum upcall_result {
    UPCALL_FINISHED, /* the reply is in process->upcall */
    UPCALL_RUNNING,  /* preempted: call upcall_continue() when scheduled again */
    UPCALL_FAILED,   /* the process crashed, span or was restarted: the upcall had no effect */
};

/* Takes the token for an entity, FIFO. False: it waits, and is not runnable until the token is its own; then
 * it asks again. */
bool token_take(struct process *process, struct entity *entity);
bool token_held(const struct process *process, const struct entity *entity);
/* Gives it to the first that waits. */
void token_release(struct process *process);

/* Runs an upcall of the given kind, for a vCPU or NULL; the caller holds the token and has filled exit, state
 * and groups. Where the process must be restarted first, that is done instead, and UPCALL_FAILED says that
 * the caller should try again. */
enum upcall_result upcall_run(struct process *process, struct vcpu *vcpu, uint32_t kind);
enum upcall_result upcall_continue(struct process *process);
/* The process cannot be trusted with its own memory any more: it crashed, or its reply made no sense. */
void upcall_reject(struct process *process, const char *why);
/* The reply was UPCALL_KILL: the guest dies with the sentence in it. */
void upcall_kill(struct process *process);

/* The context of a process, as the scheduler runs it: start-up, events, the end of a guest. */
void context_run(struct process *process);
