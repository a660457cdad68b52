/* The machine as the instruction emulator sees it. See guest_machine.c. */
#pragma once

#include "emulate.h"

extern const struct emulator_machine guest_machine; /* its context is struct pc */
