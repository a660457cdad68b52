/*
 * Questions of a debugger about a guest and its processors: nr asks them over the control line
 * (CONTROL_DEBUG), the service passes them on through the channel, and the device model answers. Numbers are
 * little-endian.
 *
 * A processor that is held executes nothing; its registers are those at the moment it was stopped, and
 * changes to them count when it goes on. All of a guest's processors are held together, and go on together.
 */
#pragma once

#include <stdint.h>

enum debug_op {
    DEBUG_STATE,     /* struct debug_state */
    DEBUG_STOP,      /* hold all; answered when they are */
    DEBUG_GO,        /* address: the debug_state.stops that it goes on from: another one has no effect.
                        length: a bit for each vCPU that does a single instruction, kind: that goes on */
    DEBUG_ATTACH,    /* breakpoints may be set from now on */
    DEBUG_DETACH,    /* breakpoints are gone, and the guest goes on */
    DEBUG_REGISTERS, /* of a held vCPU: struct vcpu_state up to its group FPU */
    DEBUG_FPU,       /* the same: the first DEBUG_FPU_SIZE bytes of that group */
    DEBUG_WRITE_GPR, /* data: struct vcpu_gpr */
    DEBUG_READ,      /* length bytes at a linear address; of a part that is not RAM nothing is read */
    DEBUG_WRITE,     /* data: length bytes */
    DEBUG_INSERT,    /* kind: enum debug_breakpoint, length: of what is watched */
    DEBUG_REMOVE,
    DEBUG_INSPECT, /* text for a human, from its line `address` on; the vCPUs need not be held */
    DEBUG_OP_COUNT
};

/* As the Z packets of GDB's remote protocol number them. */
enum debug_breakpoint {
    DEBUG_SOFTWARE,
    DEBUG_HARDWARE,
    DEBUG_WATCH_WRITE,
    DEBUG_WATCH_READ,
    DEBUG_WATCH_ACCESS
};

enum debug_error {
    DEBUG_OK,
    DEBUG_EOP,
    DEBUG_EVCPU,
    DEBUG_EHELD /* it has to be held */,
    DEBUG_EMEMORY,
    DEBUG_EROOM
};

enum { DEBUG_DATA = 704, DEBUG_FPU_SIZE = 512 };

struct debug_request {
    uint32_t op; /* enum debug_op */
    uint32_t vcpu;
    uint64_t address;
    uint32_t length, kind;
    uint8_t data[DEBUG_DATA];
};

enum debug_reason { DEBUG_ASKED, DEBUG_STEPPED, DEBUG_BREAKPOINT, DEBUG_WATCHPOINT };

struct debug_state {
    uint32_t stops; /* how often the guest has been stopped */
    uint32_t held;  /* all vCPUs are */
    uint32_t vcpu_count;
    uint32_t vcpu;    /* that stopped the others */
    uint32_t reason;  /* enum debug_reason */
    uint32_t kind;    /* of the breakpoint */
    uint64_t address; /* that was watched */
};

struct debug_answer {
    uint32_t error; /* enum debug_error */
    uint32_t size;  /* of data */
    uint8_t data[DEBUG_DATA];
};
