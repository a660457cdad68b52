/* The device of the test build that makes the device model fail on command. See misbehave.c. */
#pragma once

#include "device.h"

/* Written to port 0xf5. Bit 7: each time; otherwise once, and after the restart the write has no effect. */
enum misbehaviour {
    MISBEHAVE_CRASH = 1,
    MISBEHAVE_SPIN = 2,
    MISBEHAVE_NONSENSE = 3,       /* an answer that cannot be */
    MISBEHAVE_READ_MONITOR = 4,   /* an address of the monitor */
    MISBEHAVE_READ_FOREIGN = 5,   /* beyond this guest's RAM, where another guest's might be */
    MISBEHAVE_WRITE_TEXT = 6,     /* its own code */
    MISBEHAVE_DAMAGE_STATE = 7,   /* a state block that its check refuses, and a crash */
    MISBEHAVE_STACK_OVERFLOW = 8, /* into the guard page */
    MISBEHAVE_READ_FPU = 9,       /* registers that are a guest's, perhaps another's */
    MISBEHAVE_TRAP_FLAGS = 10,    /* a #DB with RFLAGS.AC set */
    MISBEHAVE_STATE = 11,         /* answers with a state that no processor runs */
    MISBEHAVE_ALWAYS = 0x80,
};

extern const struct device misbehave_device;
