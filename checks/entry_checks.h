/*
 * What a processor demands of the state that it enters a guest with, as a table of rules with names.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct vcpu_state;

/* What some processors demand and others do not. */
struct entry_demands {
    bool segments; /* registers are as loading a selector makes them, also those that nothing uses */
    bool events;   /* the event to deliver, shadow, activity and flags go together */
    uint64_t cr3, cr4, efer; /* bits that they may have set */
};

/* NULL, or the name of the first rule that the state breaks. All groups but FPU must be valid. demands: NULL
 * where the processor has none beyond what all have. */
const char *entry_check(const struct vcpu_state *state, const struct entry_demands *demands);
