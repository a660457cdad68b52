/*
 * The upcall page: one message between the monitor and a ring-3 process, and its reply.
 *
 * The monitor fills the page, enters the process at its entry point with an empty stack, and the process
 * answers with sys_upcall_done(). Each upcall runs to completion. The reply is copied once and validated
 * once.
 */
#pragma once

#include "vcpu_exit.h"
#include "vcpu_state.h"

enum upcall_kind {
    UPCALL_NONE,
    UPCALL_START,   /* device model: initialise the state blocks, bring the guest to its first instruction
                       (AGAIN allowed).   service: look at the boot modules and create guests */
    UPCALL_RESET,   /* the same for a machine that was running: UPCALL_START without the first-time set-up */
    UPCALL_RESTART, /* device model: a new process on old state blocks; check them */
    UPCALL_PIO, /* exit.pio; IN replies in exit.pio.value; the monitor moves RAX and RIP. Or, with VCPU_GPR
                   in modified, state.gpr is all: the process has gone on behind the instruction */
    UPCALL_EMULATE, /* emulate the instruction at RIP: MMIO, string I/O, control registers, MSRs; groups
                       carries GPR, SEGMENTS, CONTROL and MSRS; exit says why (VCPU_EXIT_MEMORY,
                       VCPU_EXIT_PIO, ...). With VCPU_EXIT_UNFIT and VCPU_EXIT_TASK_SWITCH it carries TABLES
                       and INTERRUPTS, too. A reply with INTERRUPTS in modified says the shadow, and whether
                       NMIs are blocked; event.type EVENT_NONE: it has been delivered, and so have traps */
    UPCALL_LOCATE,  /* exit says CPUID, HLT or INVLPG, and the processor not where the instruction ends: reply
                       in insn; groups as above */
    UPCALL_DEBUG, /* SYS_VCPU_DEBUG, or #DB in state.interrupts.event; all groups but TIME and FPU. Replies as
                     to UPCALL_EMULATE of several instructions. state.interrupts.activity says what the vCPU
                     did */
    UPCALL_INTA,  /* interrupt acknowledge of the 8259 pair: reply vector in value */
    UPCALL_EVENTS, /* no vCPU involved: events says what happened */
};

/* Bits of upcall.events: hints to look, never facts. */
enum upcall_event {
    EVENT_TIMER = 1 << 0,   /* the deadline of sys_timer_set has passed */
    EVENT_CHANNEL = 1 << 1, /* something may be in a channel ring */
    EVENT_EOI = 1 << 2,     /* level-triggered EOI: vectors in upcall.eoi */
    EVENT_GUEST = 1 << 3,   /* service: a guest ended, or was restarted */
    EVENT_INPUT = 1 << 4,   /* service: a serial port, keyboard or mouse of the host has interrupted */
};

enum upcall_status {
    UPCALL_OK,
    UPCALL_AGAIN,  /* START, RESET: not done; the process keeps its own cursor and is called again */
    UPCALL_INJECT, /* inject upcall.inject into the vCPU instead of moving on */
    UPCALL_KILL,   /* the guest cannot go on: sentence in upcall.text */
    UPCALL_HALTED, /* UPCALL_EMULATE: as UPCALL_OK, and the last instruction was HLT */
    UPCALL_HOLD, /* UPCALL_EMULATE, UPCALL_DEBUG: as UPCALL_OK, and the vCPU stands still until SYS_VCPU_DEBUG
                  */
    UPCALL_SHUTDOWN, /* UPCALL_EMULATE: a fault in the delivery of a double fault */
};

enum { UPCALL_TEXT_SIZE = 256, VCPU_REST_US_MAX = 1000 };

/* A plain MOV of 32 bits to or from memory, a MOV to or from CR3, or INVLPG. */
enum upcall_move {
    MOVE_NONE,
    MOVE_LOAD,
    MOVE_STORE,
    MOVE_STORE_IMMEDIATE,
    MOVE_TO_CR3,
    MOVE_FROM_CR3,
    MOVE_INVLPG
};

/* The instruction at RIP: the reply to UPCALL_LOCATE, and to UPCALL_EMULATE of a MOV, so that the monitor
 * does it alone when it comes there again. */
enum { INSN_WORDS = 3 };
struct upcall_insn {
    uint64_t gpa;               /* of its first byte, in RAM */
    uint32_t bytes[INSN_WORDS]; /* what is there, as far as the instruction goes, in words of one page */
    uint8_t length;             /* 0: there is no such instruction, and nothing else here has a meaning */
    uint8_t global;             /* mapped so in every address space of the guest */
    uint8_t move;               /* enum upcall_move */
    uint8_t gpr;                /* what the MOV loads or stores */
    uint8_t base;               /* its address, or INVLPG's: this register, none for GPR_COUNT, and ... */
    uint8_t words;              /* how many of bytes[] count; 0: it is not to be remembered */
    uint8_t segment;            /* INVLPG: enum segment_name */
    uint8_t reserved;
    uint32_t displacement; /* ... this, sign-extended */
    uint32_t immediate;
};

struct upcall {
    /* to the process */
    uint32_t kind;   /* enum upcall_kind */
    uint32_t vcpu;   /* which vCPU, where one is involved */
    uint32_t events; /* enum upcall_event */
    uint32_t groups; /* enum vcpu_group: what state carries */
    uint64_t eoi[4]; /* EVENT_EOI: a bit per vector */
    struct vcpu_exit exit;
    /* the reply */
    uint32_t status;   /* enum upcall_status */
    uint32_t modified; /* groups of state that the process changed */
    uint32_t value;    /* UPCALL_INTA: the vector */
    uint32_t waiting; /* to the process, UPCALL_EMULATE: not 0: an event waits until the guest can take it, so
                         the process does not go on behind the instruction */
    /* UPCALL_PIO: guest time in TSC ticks. The guest polls, and nothing that it can see changes before: the
     * vCPU rests until then, at most VCPU_REST_US_MAX, or until an interrupt can be delivered. 0: it goes on
     * at once. */
    uint64_t rest_until;
    struct vcpu_event inject;
    struct upcall_insn insn;     /* UPCALL_LOCATE, UPCALL_EMULATE */
    char text[UPCALL_TEXT_SIZE]; /* UPCALL_KILL: a sentence, NUL-terminated */
    /* both ways */
    struct vcpu_state state;
};

_Static_assert(sizeof(struct upcall) <= 4096, "one page");
