/*
 * What a processor demands of the state that it enters a guest with, as a table of rules with names.
 */
#pragma once

struct vcpu_state;

/* NULL, or the name of the first rule that the state breaks. All groups but FPU must be valid. */
const char *entry_check(const struct vcpu_state *state);
