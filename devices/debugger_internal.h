/* Between the parts of the debugger. */
#pragma once

#include "debugger.h"

bool debugger_walk(const struct vcpu_state *state, uint64_t linear, uint64_t *gpa);
/* Reads or writes guest memory as the guest has it; returns how many bytes were there. */
uint32_t debugger_move(struct debugger *debugger, const struct vcpu_state *state, uint64_t linear,
                       uint8_t *bytes, uint32_t length, bool write);
/* Software breakpoints. An enum debug_error. */
uint32_t debugger_insert(struct debugger *debugger, const struct vcpu_state *state, uint64_t linear);
void debugger_remove(struct debugger *debugger, uint64_t linear);
void debugger_disarm(struct debugger_breakpoint *breakpoint);
bool debugger_has_breakpoint(const struct debugger *debugger, const struct vcpu_state *state,
                             uint64_t linear);

/* All vCPUs, as bits. */
uint32_t debugger_all(void);
/* debugger.c: to hold all; to let go on what is to (DEBUG_GO); to look at all. */
void debugger_hold(struct debugger *debugger);
void debugger_go(struct debugger *debugger, uint32_t steps, uint32_t runs);
void debugger_look(struct debugger *debugger);
