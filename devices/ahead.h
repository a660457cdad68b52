/* The device model goes on emulating behind an access to a device. See ahead.c. */
#pragma once

#include "upcall.h"

struct pc;

/* Goes on behind the port access of an UPCALL_PIO, or behind the instruction of an UPCALL_EMULATE, that has
 * been answered. */
void ahead_of_pio(struct upcall *upcall, struct pc *pc);
void ahead_of_emulation(struct upcall *upcall, struct pc *pc);
