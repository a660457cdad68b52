/* Runs a guest whose state the processor does not run. See emulate_unfit.c. */
#pragma once

#include "emulate.h"

enum { EMULATE_UNFIT_MAX = 1000 }; /* instructions in one call */

/*
 * Answers an UPCALL_EMULATE whose exit is VCPU_EXIT_UNFIT or VCPU_EXIT_TASK_SWITCH, with groups GPR,
 * SEGMENTS, CONTROL, MSRS, TABLES and INTERRUPTS: delivers the event or switches the task, if it is so, and
 * emulates until real_mode_fits(), until an interrupt can be taken while one waits, until a HLT, until
 * may_go_on() says no, or for EMULATE_UNFIT_MAX instructions. Traps and faults are delivered on the way.
 * True: an instruction was not known, and has become #UD; `text` names it.
 */
bool emulate_unfit(struct upcall *upcall, const struct emulator_machine *machine, void *context,
                   const struct processor_limits *limits, bool (*may_go_on)(void *context));
