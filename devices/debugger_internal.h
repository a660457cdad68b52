/* Between the parts of the debugger. */
#pragma once

#include "debugger.h"

bool debugger_walk(const struct vcpu_state *state, uint64_t linear, uint64_t *gpa);
/* Reads or writes guest memory as the guest has it; returns how many bytes were there. Writes all or nothing.
 */
uint32_t debugger_move(struct debugger *debugger, const struct vcpu_state *state, uint64_t linear,
                       uint8_t *bytes, uint32_t length, bool write);
/* Software breakpoints. An enum debug_error. */
uint32_t debugger_insert(struct debugger *debugger, const struct vcpu_state *state, uint64_t linear);
void debugger_remove(struct debugger *debugger, uint64_t linear);
void debugger_disarm(struct debugger_breakpoint *breakpoint);
/* All of them, until debugger_rearm(). */
void debugger_lift(struct debugger *debugger);

/* One of them lies where the vCPU is. */
bool debugger_at_breakpoint(const struct debugger *debugger, const struct vcpu_state *state);

/* Whether an instruction shows RFLAGS.TF to the guest, loses it, or raises #DB or #BP by itself; wide: 64-bit
 * code. */
bool debugger_shows_tf(const uint8_t *code, uint32_t count, bool wide);
/* Whether the emulator is to step over the instruction at RIP. */
bool debugger_is_delicate(struct debugger *debugger, const struct vcpu_state *state);
/* A step by the emulator (enum vcpu_exit_reason, UNFIT_*), after which the vCPU stands still again, if it
 * counts. */
void debugger_step(struct upcall *upcall, struct pc *pc, uint32_t reason, uint32_t detail);
/* debugger.c: this vCPU stands still now, and all others soon. */
void debugger_stop(struct debugger *debugger, struct upcall *upcall, enum debug_reason reason, uint32_t kind,
                   uint64_t address);
uint64_t debugger_linear_rip(const struct vcpu_state *state);
/* Breakpoints and what is watched are no more. */
void debugger_forget(struct debugger *debugger);

/* All vCPUs, as bits. */
uint32_t debugger_all(void);
/* debugger.c: to hold all; to let go on what is to (DEBUG_GO); to look at all. */
void debugger_hold(struct debugger *debugger);
void debugger_go(struct debugger *debugger, uint32_t steps, uint32_t runs);
void debugger_look(struct debugger *debugger);
