/*
 * What ring 0 does with each exit of a vCPU: the decision between handling it here, asking the device model,
 * and ending the guest.
 */
#pragma once

#include <stdbool.h>
#include "cpu.h"
#include "vm.h"

enum exit_outcome {
    EXIT_RESUME,   /* handled: enter again */
    EXIT_UPCALL,   /* the device model must answer: vcpu->upcall_kind says what */
    EXIT_HALT,     /* HLT: until an event can be delivered */
    EXIT_EXTERNAL, /* a host interrupt is pending, or the processor should do something else */
    EXIT_KILL,     /* the guest cannot go on; guest_kill() has been called */
};

/* Handles vcpu->exit after vcpu_ops->run(). The guest's memory must be loaded. Bounded: no loop depends on
 * the guest but that over the 64 entries of its CPUID table. */
enum exit_outcome exit_handle(struct vcpu *vcpu);

/* Fills what the upcall that exit_handle() has asked for needs: exit, groups and state. */
void exit_fill_upcall(struct vcpu *vcpu, struct upcall *upcall);
/* Takes the reply: moves the value of a port or MSR to its registers and skips the instruction, or takes over
 * the groups that the emulator modified. The page is shared with ring 3: each field is read once. False: the
 * reply is nonsense and had no effect. */
bool exit_complete_upcall(struct vcpu *vcpu, const struct upcall *upcall);

/* Starts the flight recorder's entry of this exit; exit_record_outcome() completes it. */
static inline void exit_record(struct vcpu *vcpu, uint64_t detail)
{
    struct recorder_entry *entry = &vcpu->recorder[vcpu->recorder_next++ % RECORDER_ENTRIES];
    entry->tsc = rdtsc();
    entry->rip = vcpu->state.gpr.rip;
    entry->detail = detail;
    entry->reason = (uint16_t)vcpu->exit.reason;
    entry->outcome = OUTCOME_PENDING;
    entry->qualification = vcpu->exit.qualification;
}

static inline void exit_record_outcome(struct vcpu *vcpu, enum recorder_outcome outcome)
{
    vcpu->recorder[(vcpu->recorder_next - 1) % RECORDER_ENTRIES].outcome = (uint16_t)outcome;
}
