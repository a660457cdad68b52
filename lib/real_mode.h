/*
 * Which states a processor with VT-x but without "unrestricted guest" runs at all (SDM Vol. 3C, 27.3.1): ring
 * 0 asks before an entry, the emulator asks when it may stop. Pure code.
 *
 * A guest with CR0.PE clear runs in virtual-8086 mode: its segments must be what that mode makes of their
 * selectors, its interrupt table must lie at 0. One with CR0.PE set needs what every protected-mode program
 * has after it has loaded its segments, and may not have before.
 */
#pragma once

#include <stdbool.h>
#include "vcpu_state.h"

/* Needs the groups GPR, SEGMENTS, CONTROL, TABLES and MSRS of *state. */
bool real_mode_fits(const struct vcpu_state *state);
